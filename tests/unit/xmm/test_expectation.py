from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemera.sky.tan import to_plane
from ephemera.xmm.background import NoBackground, footprint
from ephemera.xmm.event_list import read_event_list
from ephemera.xmm.expected_counts import build_expectation
from ephemera.xmm.exposure_classes import source_frames
from ephemera.xmm.frames import make_frames
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.observation import Band, Camera
from ephemera.xmm.selection import select
from ephemera.xmm.sparse_cube import build_cubes, camera_images
from ephemera.xmm.subsets import subsets
from xmm_cubes import FULL, HARD, SOFT, cube_of, dense_counts, events_of, frames_of, subset_of
from xmm_models import ALL, NONE, RAMP, SOURCE, expectation_of, models

# The worked example


def worked_cube():
    counts = np.zeros((4, 6, 6), int)
    counts[:, 0, 0] = [2, 1, 3, 1]
    counts[:, 0, 1] = [10, 9, 12, 5]
    counts[:, 0, 2] = [1, 2, 1, 1]
    return cube_of(counts, exposed=[1, 1, 1, 0.5])


def test_three_pixels_and_four_frames_by_hand():
    inside, mask = NONE.copy(), NONE.copy()
    inside[0, :3] = mask[0, 1] = True
    made = build_expectation(worked_cube(), inside, mask, smooth_sigma=0.0)
    assert made.background.tolist() == [3, 3, 4, 2]
    np.testing.assert_allclose(made.templates[0, 0, :3], [7 / 12, 6 / 12, 5 / 12])
    assert made.source[0, 0, 1] == pytest.approx(8.571429, abs=5e-7)
    assert np.count_nonzero(made.source) == 1
    mu = made.at(1, 0, np.arange(4))
    np.testing.assert_allclose(mu, [10.071429, 10.071429, 10.571429, 5.285714], atol=5e-7)
    assert mu.sum() == pytest.approx(36)


def test_bright_pixel_of_the_worked_example_is_masked_without_a_list():
    inside = NONE.copy()
    inside[0, :3] = True
    made = build_expectation(worked_cube(), inside, NONE, smooth_sigma=0.0, percentile_factor=1.0)
    assert np.argwhere(made.mask).tolist() == [[0, 1]]
    assert made.at(1, 0, 0) == pytest.approx(10.071429, abs=5e-7)


# Conservation


@given(models())
@settings(max_examples=60)
def test_counts_are_conserved(model):
    cube, mask = model
    made = expectation_of(cube, mask=mask)
    counts, frames = dense_counts(cube), cube.frames
    mu = np.nan_to_num(made.dense())
    background = ~mask
    feeding = source_frames(cube)
    for c, flaring in enumerate((False, True)):
        chosen = frames.usable & (frames.bti == flaring)
        image = counts[chosen].sum(axis=0)
        curve = counts[chosen][:, background].sum(axis=1)
        np.testing.assert_allclose(made.templates[c][background].sum() * made.background[chosen], curve)
        if chosen.sum() < 10 or curve.sum() < 36:
            continue
        expected = mu[chosen].sum(axis=0)
        np.testing.assert_allclose(expected[background], image[background])
        if feeding[chosen].all():
            lit = image[mask] >= (made.templates[c] * curve.sum())[mask]
            np.testing.assert_allclose(expected[mask][lit], image[mask][lit])


def test_only_pixels_of_few_counts_are_smoothed_where_asked():
    """A streak of 60 counts beside pixels of 4: smoothing takes from it, unless only few are smoothed."""
    counts = np.full((12, 6, 6), 4.0 / 12)
    counts[:, 2, :] = 5.0
    rng = np.random.default_rng(0)
    cube = cube_of(rng.poisson(counts))
    image = cube.image()
    share = image / image.sum()
    few = {"min_source_counts": 1e6, "smooth_sigma": 0.5}
    whole = build_expectation(cube, ALL, NONE, **few).templates[0]
    some = build_expectation(cube, ALL, NONE, **few, smooth_below=25.0).templates[0]
    assert (whole[2] < 0.9 * share[2]).all()
    np.testing.assert_allclose(some[2], share[2])
    np.testing.assert_allclose(some[image < 25], whole[image < 25])
    everywhere = build_expectation(cube, ALL, NONE, **few, smooth_below=1e9).templates[0]
    np.testing.assert_array_equal(everywhere, whole)


@given(models(), st.sampled_from([0.0, 0.5]))
@settings(max_examples=40)
def test_cells_equal_the_dense_cube_and_stay_below_the_bound(model, sigma):
    cube, mask = model
    inside = ALL.copy()
    inside[5, :] = False
    made = expectation_of(cube, footprint=inside, mask=mask, smooth_sigma=sigma)
    dense = made.dense()
    assert dense.shape == (cube.frames.n_frames, 6, 6)
    frame, j, i = np.indices(dense.shape)
    np.testing.assert_allclose(made.at(i, j, frame), dense, rtol=1e-13)
    assert np.isnan(dense[cube.frames.bccd]).all()
    assert np.isnan(dense[:, 5]).all()
    searched = dense[cube.frames.usable][:, :5]
    assert np.isfinite(searched).all()
    assert (searched <= made.frame_bound()[:5] * (1 + 1e-12)).all()
    assert (made.frame_bound()[5] == 0).all()


@given(models())
@settings(max_examples=30)
def test_templates_cover_the_footprint_and_nothing_else(model):
    cube, mask = model
    inside = ALL.copy()
    inside[0, 0] = False
    made = expectation_of(cube, footprint=inside, mask=mask, smooth_sigma=0.5)
    assert (made.templates[:, inside] > 0).all()
    assert not made.templates[:, ~inside].any()
    assert not made.source[:, ~mask].any()
    assert not made.mask[~inside].any()
    assert not made.background[cube.frames.bccd].any()
    assert not made.exposed[:, cube.frames.bccd].any()


def test_a_steady_field_is_predicted_exactly():
    strength = np.array([2, 2, 2, 1, 3, 2, 2, 2, 2, 2, 1, 2])
    exposed = strength / 2
    counts = RAMP * strength[:, None, None] + 40 * SOURCE * exposed[:, None, None]
    cube = cube_of(counts.astype(int), exposed=exposed)
    np.testing.assert_allclose(expectation_of(cube, mask=SOURCE).dense(), counts)


# Classes


def flaring_cube(n_good, n_bti, *, level=1, usable=True):
    """Good frames then flaring ones of another shape, in the transposed ramp."""
    n = n_good + n_bti
    counts = np.concatenate((np.repeat(RAMP[None], n_good, 0), np.repeat(4 * RAMP.T[None], n_bti, 0)))
    bccd = () if usable else range(n)
    return cube_of((level * counts).astype(int), bti=range(n_good, n), bccd=bccd)


def test_flaring_frames_have_their_own_shape():
    cube = flaring_cube(20, 12)
    made = expectation_of(cube)
    np.testing.assert_allclose(made.dense(), dense_counts(cube))
    assert made.template_bti == "own"
    assert made.frame_class.tolist() == [0] * 20 + [1] * 12


@pytest.mark.parametrize("n_bti", [0, 1, 9])
def test_too_few_flaring_frames_use_the_template_of_all(n_bti):
    cube = flaring_cube(20, n_bti)
    made = expectation_of(cube)
    image = cube.image()
    np.testing.assert_allclose(made.templates[1], image / image.sum())
    assert made.template_bti == "total"
    np.testing.assert_allclose(made.dense()[:20], dense_counts(cube)[:20])


def test_fewer_counts_than_pixels_use_the_template_of_all():
    rng = np.random.default_rng(0)
    counts = rng.poisson(RAMP, (32, 6, 6))
    counts[20:] = 0
    counts[20:, 1, 1] = 1
    made = expectation_of(cube_of(counts, bti=range(20, 32)))
    assert made.template_bti == "total"
    counts[20:, 2, 2] = 2
    assert expectation_of(cube_of(counts, bti=range(20, 32))).template_bti == "own"


def test_one_flaring_frame_can_still_show_a_peak():
    counts = np.repeat(RAMP[None], 20, 0).astype(int)
    counts[7] *= 3
    counts[7, 4, 4] += 200
    made = expectation_of(cube_of(counts, bti=[7]))
    assert made.at(4, 4, 7) < counts[7, 4, 4] / 2


def test_source_strength_comes_from_the_class_with_more_frames():
    exposure = np.ones(30)
    for n_bti, expected in ((10, 8.0), (15, 20.0), (20, 20.0)):
        counts = np.repeat(2 * RAMP[None], 30, 0)
        counts += 8 * SOURCE
        counts[30 - n_bti :] += 12 * SOURCE
        cube = cube_of(counts.astype(int), bti=range(30 - n_bti, 30), exposed=exposure)
        made = expectation_of(cube, mask=SOURCE)
        np.testing.assert_allclose(made.source[0, SOURCE], expected)
        assert source_frames(cube).sum() == max(30 - n_bti, n_bti)


def test_all_frames_flaring_run_on_the_flare_template_alone():
    cube = flaring_cube(0, 20)
    made = expectation_of(cube)
    np.testing.assert_allclose(made.dense(), dense_counts(cube))
    assert made.template_bti == "own"
    assert (made.frame_class == 1).all()


def test_all_frames_unusable_have_no_expectation():
    made = expectation_of(flaring_cube(20, 5, usable=False))
    assert np.isnan(made.dense()).all()
    assert not made.frame_bound().any()


# Bright pixels


def test_lit_pixels_of_a_sparse_field_are_not_all_masked():
    counts = np.zeros((40, 6, 6), int)
    counts[3, 1, :] = counts[9, 4, 2] = 1
    counts[:12, 3, 3] = 1
    made = build_expectation(cube_of(counts), ALL, NONE, smooth_sigma=0.0)
    assert np.argwhere(made.mask).tolist() == [[3, 3]]
    assert np.isfinite(made.dense()).all()


@pytest.mark.parametrize(("counts", "masked"), [(30, False), (31, True)])
def test_bright_means_above_three_times_the_percentile_of_lit_pixels(counts, masked):
    field = np.zeros((6, 6), int)
    field[0] = 10
    field[5, 5] = counts
    listed = NONE.copy()
    field[5, 0], listed[5, 0] = 1000, True
    made = build_expectation(cube_of(field[None]), ALL, listed)
    assert made.mask[5, 5] == masked
    assert made.mask[5, 0]
    assert made.mask.sum() == 1 + masked


def test_smallest_count_of_a_bright_pixel():
    field = np.ones((6, 6), int)
    field[2, 2] = 11
    assert build_expectation(cube_of(field[None]), ALL, NONE).mask.sum() == 1
    assert build_expectation(cube_of(field[None]), ALL, NONE, min_source_counts=11).mask.sum() == 0


def test_bright_pixels_are_looked_for_in_good_frames():
    counts = np.ones((20, 6, 6), int)
    counts[15:, 1, 1] = 100
    assert not build_expectation(cube_of(counts, bti=range(15, 20)), ALL, NONE).mask.any()
    assert build_expectation(cube_of(counts, bti=range(20)), ALL, NONE).mask[1, 1]
    assert not build_expectation(cube_of(counts, bccd=range(15, 20)), ALL, NONE).mask.any()


# Empty and masked fields


def test_band_without_events_expects_nothing():
    made = build_expectation(cube_of(np.zeros((5, 6, 6), int)), ALL, SOURCE)
    assert (made.dense() == 0).all()
    assert (made.frame_bound() == 0).all()
    nowhere = build_expectation(cube_of(np.zeros((5, 6, 6), int)), NONE, SOURCE)
    assert np.isnan(nowhere.dense()).all()


def test_a_single_count_is_a_background():
    counts = np.zeros((5, 6, 6), int)
    counts[2, 3, 3] = 1
    made = build_expectation(cube_of(counts), ALL, NONE, smooth_sigma=0.0)
    assert made.dense().sum() == pytest.approx(1)


def test_all_counts_in_masked_pixels_are_no_background():
    counts = np.zeros((5, 6, 6), int)
    counts[2, 3, 3] = 1
    for mask in (SOURCE, ALL):
        with pytest.raises(NoBackground, match="all 1 counts are masked"):
            build_expectation(cube_of(counts), ALL, mask)


# Union of spans: one source term for each camera


def test_source_seen_by_cameras_that_come_and_go():
    strength = {Camera.PN: 30, Camera.M1: 12}
    active = np.ones((2, 40))
    active[1, :15] = 0
    active[0, 30:] = 0
    mu = np.zeros((2, 40, 6, 6))
    for c, weight in enumerate(strength.values()):
        mu[c] = (RAMP + weight * SOURCE) * active[c][:, None, None] * (2 - c)
    counts = mu.sum(axis=0).astype(int)
    cube = cube_of(counts, camera_exposed=active)
    images = mu.sum(axis=1)
    made = expectation_of(cube, mask=SOURCE, span="union", camera_images=images)
    assert len(made.source) == 2
    np.testing.assert_allclose(made.source[0][SOURCE], 60)
    np.testing.assert_allclose(made.source[1][SOURCE], 12)
    np.testing.assert_allclose(made.dense(), counts)
    assert len(set(made.frame_class.tolist())) == 3


def test_camera_images_of_the_source_frames_feed_the_union():
    rng = np.random.default_rng(5)
    n = 4000
    x, y = rng.integers(1, 51841, (2, n))
    events = events_of(rng.uniform(0, 400, n), x, y, 1000, rng.integers(0, 2, n))
    subset = subset_of(events, 0.0, 400.0, (Camera.PN, Camera.M1))
    frames = frames_of(0.0, 400.0, 10.0, camera_exposed=np.ones((2, 40)), bti=[3, 4])
    grid, band = PixelGrid(2592 / 6), Band(200, 12000)
    cube = build_cubes(subset, grid, {10.0: frames}, (band,))[10.0, band]
    feeding = source_frames(cube, "union")
    assert feeding.sum() == 38
    images = camera_images(subset, grid, frames, band, feeding)
    np.testing.assert_array_equal(images.sum(axis=0), cube.image(feeding))
    together = expectation_of(cube, mask=SOURCE)
    apart = expectation_of(cube, mask=SOURCE, span="union", camera_images=images)
    assert apart.source.shape == (2, 6, 6)
    np.testing.assert_array_equal(apart.templates, together.templates)


# Arguments


def test_arrays_must_fit_the_cube():
    cube = cube_of(np.ones((4, 6, 6), int))
    with pytest.raises(ValueError, match="footprint must have shape"):
        build_expectation(cube, np.ones((5, 6), bool), NONE)
    with pytest.raises(ValueError, match="list_mask must have shape"):
        build_expectation(cube, ALL, np.ones((130, 130), bool))
    with pytest.raises(ValueError, match="camera_images must have shape"):
        build_expectation(cube, ALL, NONE, camera_images=np.ones((3, 6, 6)))


def test_mask_beyond_the_footprint_is_dropped():
    cube = cube_of(np.where(SOURCE, 0, 1)[None].repeat(12, 0))
    made = build_expectation(cube, ~SOURCE, SOURCE)
    assert not made.mask.any()
    assert np.isnan(made.dense()[:, SOURCE]).all()


def test_footprint_of_the_runs_of_a_subset_is_shared():
    soft, hard = np.zeros((20, 6, 6), int), np.zeros((20, 6, 6), int)
    soft[:, :3], hard[:, 3:] = 2, 1
    cubes = [cube_of(soft), cube_of(hard)]
    inside = footprint(*(cube.image(cube.frames.usable) for cube in cubes))
    assert inside.all()
    for cube in cubes:
        made = expectation_of(replace(cube), footprint=inside)
        assert np.isfinite(made.dense()).all()


@pytest.mark.real_data
@pytest.mark.parametrize("obsid", ["0404910601", "0201901401"])
def test_real_cluster_field_is_predicted(shared_data, obsid):
    files = [shared_data / "xray" / f"xmm_{obsid}_mos{m}_clean_evts.fits" for m in (1, 2)]
    found, _ = subsets([select(read_event_list(file))[0] for file in files], minimum_span=500.0)
    subset, grid = found[0], PixelGrid()
    frames = {dt: make_frames(subset, dt, np.empty((0, 2))) for dt in (50.0, 200.0)}
    cubes = build_cubes(subset, grid, frames, (SOFT, HARD, FULL))
    inside = footprint(*(cube.image(cube.frames.usable) for cube in cubes.values()))
    x, y = to_plane(149.6729, -11.0737, subset.headers[0].reference_ra, subset.headers[0].reference_dec)
    for cube in cubes.values():
        made = build_expectation(cube, inside, np.zeros_like(inside))
        assert made.mask[grid.index(y, "y"), grid.index(x, "x")], "the known point source is bright"
        assert made.mask.sum() < 0.05 * inside.sum()
        n, mu = cube.image(cube.frames.usable), np.nansum(made.dense(), axis=0)
        assert mu.sum() == pytest.approx(n.sum(), rel=1e-3)
        assert mu[made.mask].sum() == pytest.approx(n[made.mask].sum(), rel=1e-3)
        background = inside & ~made.mask
        # Smoothing mixes each pixel with its neighbours, so the scatter that is left is below Poisson's.
        assert ((n - mu)[background] ** 2 / mu[background]).mean() < 1
        assert np.isnan(made.dense()[cube.frames.bccd]).all()
