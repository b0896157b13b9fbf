from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemera.xmm import light_curves
from ephemera.xmm.bayes import (
    log10_bayes_eclipse,
    log10_bayes_peak,
    sigma_equivalent_eclipse,
    sigma_equivalent_peak,
)
from ephemera.xmm.connected_regions import find_regions
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.light_curves import region_light_curves
from ephemera.xmm.observation import Band, Camera
from reference.regions import (
    COARSE,
    OBSID,
    empty_cube,
    flat_expectation,
    make_cells,
    make_events,
    make_expectation,
    make_frames,
    make_subset,
    sparse,
)
from xmm_cubes import header_of

HEADER = header_of(Camera.PN)
#: Two regions whose bounding boxes overlap, and one elsewhere.
CORNER = [(2, 2), (3, 2), (4, 2), (5, 2), (2, 3), (2, 4), (2, 5)]
ROWS = [(i, j, 0, 0) for i, j in CORNER] + [(5, 5, 1, 0), (8, 1, 2, 1)]


def random_case(seed, n_frames=12, n_source=1):
    """Counts, cube and expectation with two classes, masked frames and a partial last frame."""
    rng = np.random.default_rng(seed)
    frames = make_frames(n_frames, last=0.4, bccd=rng.integers(0, n_frames, 2), bti=[3, 4])
    dense = rng.poisson(0.7, (n_frames, 10, 10))
    exposed = np.where(frames.bccd, 0, rng.choice([0.5, 1.0], (n_source, n_frames)))
    expectation = make_expectation(
        frames,
        templates=rng.uniform(0, 0.02, (2, 10, 10)),
        background=rng.integers(0, 60, n_frames),
        source=rng.uniform(0, 3, (n_source, 10, 10)) * (rng.random((10, 10)) < 0.2),
        exposed=exposed,
        frame_class=np.where(frames.bccd, -1, frames.bti),
    )
    return dense, sparse(dense, frames), expectation


def regions_of(rows, cube, **options):
    return find_regions(make_cells(rows), cube, OBSID, 0, **options)


def areas(regions, area):
    """Mask [j, i] of the area of each region."""
    masks = np.zeros((len(regions), 10, 10), bool)
    for row in range(len(regions)):
        if area == "bbox":
            x0, y0, x1, y1 = (regions[name][row] for name in ("x0", "y0", "x1", "y1"))
            masks[row, y0:y1, x0:x1] = True
        else:
            masks[row].ravel()[regions.pixel[regions.pixel_region == row]] = True
    return masks


@settings(max_examples=30)
@given(
    st.integers(0, 2**32 - 1), st.sampled_from(["bbox", "pixels"]), st.integers(1, 3), st.sampled_from([4, 8])
)
def test_curves_equal_sums_over_dense_cubes(seed, area, n_source, connectivity):
    dense, cube, expectation = random_case(seed, n_source=n_source)
    regions = regions_of(ROWS, cube, connectivity=connectivity)
    curves = region_light_curves(cube, expectation, regions, header=HEADER, area=area)
    mu_cells = expectation.dense()
    for row, mask in enumerate(areas(regions, area)):
        n, mu = dense[:, mask].sum(axis=1), np.maximum(mu_cells[:, mask].sum(axis=1), 1e-6)
        assert curves.n[row].tolist() == n.tolist()
        np.testing.assert_allclose(curves.mu[row], mu, rtol=1e-12)
        used = ~cube.frames.bccd
        np.testing.assert_allclose(
            curves.b_peak[row, used], log10_bayes_peak(n[used], mu[used]), rtol=1e-9, atol=1e-12
        )
        np.testing.assert_allclose(
            curves.b_eclipse[row, used], log10_bayes_eclipse(n[used], mu[used]), rtol=1e-9, atol=1e-12
        )
        assert np.isnan(curves.b_peak[row, ~used]).all()
        assert np.isnan(curves.mu[row, ~used]).all()


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_evaluating_each_pair_once_changes_nothing(seed):
    _, cube, expectation = random_case(seed)
    regions = regions_of(ROWS, cube)
    shared = region_light_curves(cube, expectation, regions, header=HEADER)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(light_curves, "TABLE_FACTOR", 0)
        each = region_light_curves(cube, expectation, regions, header=HEADER)
    for name in ("mu", "b_peak", "b_eclipse"):
        np.testing.assert_array_equal(getattr(shared, name), getattr(each, name))


def test_worked_example_of_the_separable_model():
    """Background pixels A, B and source K; four frames, the last half exposed."""
    frames = make_frames(4, exposed=[1, 1, 1, 0.5])
    counts = {"A": [2, 1, 3, 1], "B": [1, 2, 1, 1], "K": [10, 9, 12, 5]}
    dense = np.zeros((4, 10, 10), int)
    template, source = np.zeros((1, 10, 10)), np.zeros((1, 10, 10))
    for i, (name, share) in enumerate(zip("ABK", (7 / 12, 5 / 12, 0.5), strict=True)):
        dense[:, 0, i], template[0, 0, i] = counts[name], share
    source[0, 0, 2] = 30 / 3.5
    expectation = make_expectation(frames, templates=template, background=[3, 3, 4, 2], source=source)
    curves = region_light_curves(
        (cube := sparse(dense, frames)), expectation, regions_of([(2, 0, 2, 0)], cube), header=HEADER
    )
    assert curves.mu[0] == pytest.approx([10.071429, 10.071429, 10.571429, 5.285714], abs=1e-6)
    assert curves.mu.sum() == pytest.approx(36)
    assert curves.n[0].tolist() == [10, 9, 12, 5]
    assert curves.exposure.tolist() == [5, 5, 5, 2.5]


def test_areas_of_regions_may_overlap():
    regions = regions_of(ROWS, empty_cube())
    assert [int(mask.sum()) for mask in areas(regions, "bbox")] == [16, 1, 1]
    assert areas(regions, "bbox")[:2].all(axis=0).sum() == 1


def test_no_event_of_a_region_is_lost():
    dense, cube, expectation = random_case(5)
    regions = regions_of(ROWS, cube)
    curves = region_light_curves(cube, expectation, regions, header=HEADER, area="pixels")
    for row in range(len(regions)):
        mine = regions.pixel[regions.pixel_region == row]
        assert curves.n[row].sum() == dense.reshape(len(dense), -1)[:, mine].sum()


def test_masked_frames_keep_counts_but_have_no_expectation():
    frames = make_frames(4, bccd=[1], bti=[2])
    dense = np.zeros((4, 10, 10), int)
    dense[:, 5, 5] = [1, 7, 2, 3]
    cube = sparse(dense, frames)
    curve = region_light_curves(
        cube, flat_expectation(frames), regions_of([(5, 5, 0, 0)], cube), header=HEADER
    ).curve(0)
    assert curve["n"].tolist() == [1, 7, 2, 3]
    assert curve["exposure"].tolist() == [5, 0, 5, 5]
    assert np.isnan(curve["mu"]).tolist() == [False, True, False, False]
    assert curve["bti"].tolist() == [False, False, True, False]
    assert curve["bccd"].tolist() == [False, True, False, False]


def test_times_start_frames_and_dates_are_their_middles():
    cube = empty_cube(3, dt=50.0, t0=86400.0, last=0.2)
    curves = region_light_curves(
        cube,
        flat_expectation(cube.frames),
        regions_of([(1, 1, 0, 0)], cube),
        header=replace(HEADER, timezero=86400.0),
    )
    assert curves.time.tolist() == [86400, 86450, 86500]
    assert (curves.time_mjd - 50816) * 86400 == pytest.approx([25, 75, 105], abs=1e-4)
    assert curves.exposure == pytest.approx([50, 50, 10])


def test_significance_of_a_curve_is_that_of_its_largest_bayes_factors():
    frames = make_frames(5, bccd=[0])
    dense = np.zeros((5, 10, 10), int)
    dense[:, 3, 3] = [50, 20, 30, 2, 20]
    cube = sparse(dense, frames)
    curves = region_light_curves(
        cube, flat_expectation(frames, mu=20), regions_of([(3, 3, 0, 0)], cube), header=HEADER
    )
    assert curves.lc_sigma_peak == pytest.approx(sigma_equivalent_peak(log10_bayes_peak([30], [20])))
    assert curves.lc_sigma_eclipse == pytest.approx(sigma_equivalent_eclipse(log10_bayes_eclipse([2], [20])))


def test_expected_counts_are_raised_to_the_floor():
    cube = empty_cube(2)
    curves = region_light_curves(
        cube,
        flat_expectation(cube.frames, mu=0.0),
        regions_of([(3, 3, 0, 0)], cube),
        header=HEADER,
    )
    assert curves.mu.tolist() == [[1e-6, 1e-6]]
    assert np.isfinite(curves.b_eclipse).all()


def test_all_frames_masked_and_nothing_found_are_no_errors():
    cube = empty_cube(3, bccd=[0, 1, 2])
    expectation = flat_expectation(cube.frames)
    curves = region_light_curves(cube, expectation, regions_of([(3, 3, 0, 0)], cube), header=HEADER)
    assert np.isnan(curves.mu).all()
    assert np.isnan([curves.lc_sigma_peak[0], curves.lc_sigma_eclipse[0]]).all()
    none = region_light_curves(cube, expectation, regions_of([], cube), header=HEADER)
    assert none.n.shape == none.mu.shape == (0, 3)
    assert len(none.lc_sigma_peak) == len(none) == 0
    assert list(none.curves()) == []


def test_bands_and_cameras_add_to_the_full_band():
    rng = np.random.default_rng(11)
    n = 3000
    events = make_events(
        rng.uniform(1000, 1058, n), rng.integers(1, 51841, n), rng.integers(1, 51841, n),
        rng.integers(200, 12001, n), rng.integers(0, 3, n),
    )  # fmt: skip
    frames = make_frames(12, last=0.6)
    cubes = []
    for band in (Band(200, 12000), Band(200, 2000), Band(2000, 12000)):
        dense = np.zeros((12, 10, 10), int)
        frame = np.minimum((events.time - 1000) // 5, 11).astype(int)
        place = frame, COARSE.index(events.y, "y"), COARSE.index(events.x, "x")
        np.add.at(dense, place, band.contains(events.pi).astype(int))
        cubes.append(sparse(dense, frames, COARSE, band))
    full, soft, hard = cubes
    curves = region_light_curves(
        full,
        flat_expectation(frames),
        regions_of(ROWS, full),
        header=HEADER,
        soft=soft,
        hard=hard,
        subset=make_subset(events),
    )
    assert curves.n.sum() > 400
    np.testing.assert_array_equal(curves.extra["n_soft"] + curves.extra["n_hard"], curves.n)
    by_camera = [curves.extra[name] for name in ("n_pn", "n_m1", "n_m2")]
    assert min(counts.sum() for counts in by_camera) > 100
    np.testing.assert_array_equal(sum(by_camera), curves.n)
    assert curves.curve(1)["n_m1"].tolist() == by_camera[1][1].tolist()
    hard_only = region_light_curves(
        hard, flat_expectation(frames), regions_of(ROWS, hard), header=HEADER, subset=make_subset(events)
    )
    np.testing.assert_array_equal(sum(hard_only.extra.values()), hard_only.n)


def test_cameras_that_the_subset_lacks_have_no_counts():
    cube = empty_cube(12, last=0.6)
    events = make_events([1001.0, 1002.0], [100, 100], [100, 100], camera=1)
    curves = region_light_curves(
        cube,
        flat_expectation(cube.frames),
        regions_of([(0, 0, 0, 0)], cube),
        header=HEADER,
        subset=make_subset(events, cameras=[1]),
    )
    assert list(curves.extra) == ["n_m1"]
    assert curves.extra["n_m1"][0].tolist() == [2, *[0] * 11]


def test_arguments_that_do_not_belong_together_are_refused():
    cube = empty_cube(3)
    expectation, regions = flat_expectation(cube.frames), regions_of(ROWS, cube)
    with pytest.raises(ValueError, match="area must be one of bbox, pixels, got 'disc'"):
        region_light_curves(cube, expectation, regions, header=HEADER, area="disc")
    with pytest.raises(ValueError, match="expectation must be of the shape"):
        region_light_curves(empty_cube(4), expectation, regions, header=HEADER)
    elsewhere = regions_of(ROWS, empty_cube(3, PixelGrid(259.2, shift_x=2592)))
    with pytest.raises(ValueError, match="regions must be on the grid of the cube"):
        region_light_curves(cube, expectation, elsewhere, header=HEADER)
    with pytest.raises(ValueError, match="soft and hard must be cubes"):
        region_light_curves(cube, expectation, regions, header=HEADER, soft=empty_cube(4))
