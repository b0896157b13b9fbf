"""The older detectors: EXOD2's variability image, and the one published in 2020 with its published result."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemera.config.load import ConfigurationError, load
from ephemera.sky.sphere import separation_arcsec
from ephemera.xmm.cells import Kind
from ephemera.xmm.detect import detect
from ephemera.xmm.expected_counts import build_expectation
from ephemera.xmm.intervals import overlap, regular_edges
from ephemera.xmm.observation import Camera
from ephemera.xmm.sparse_cube import build_cube_reference
from ephemera.xmm.varimage import variability_image, variability_image_reference, variable_regions
from ephemera.xmm.varimage_published import (
    Setting,
    box_sums,
    level_of,
    published_cells,
    search_pn,
    variability,
    variability_reference,
    variable_sources,
)
from xmm_cubes import FULL, cube_of, events_of, frames_of, grid_of, subset_of


def options(detector):
    return load({"xmm": {"detect": {"detector": detector}}}).xmm.detect


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.01, 5))
def test_the_sparse_image_equals_the_dense_one(seed, rate):
    counts = np.random.default_rng(seed).poisson(rate, (13, 8, 8))
    cube = cube_of(counts, bccd=[2, 9])
    usable = np.delete(counts, [2, 9], axis=0)
    assert variability_image(cube) == pytest.approx(variability_image_reference(usable), abs=1e-9)


def test_v_by_hand_and_without_usable_frames():
    counts = np.zeros((4, 8, 8), int)
    counts[2, 3, 5] = 4
    v = variability_image(cube_of(counts))
    assert v[3, 5] == pytest.approx((4 - 1) * np.sqrt(3))
    assert np.count_nonzero(v) == 1
    assert not variability_image(cube_of(counts, bccd=range(4))).any()


def test_regions_are_joined_weighted_sorted_and_large_ones_dropped():
    v = np.zeros((60, 60))
    v[10, 10], v[11, 11] = 39.0, 13.0
    v[40, 20] = 50.0
    v[50:51, 50:59] = 40.0
    regions = variable_regions(v, max_area=8)
    assert regions.mean_v.tolist() == [50.0, 26.0]
    assert regions.label[40, 20] == 0
    assert regions.label[11, 11] == regions.label[10, 10] == 1
    assert regions.label[50, 52] == -1
    assert (regions.x[1], regions.y[1]) == pytest.approx((10.25, 10.25))
    assert regions.area_bbox.tolist() == [1, 4]


def test_too_many_regions_choose_a_threshold_that_leaves_about_ten():
    v = np.zeros((100, 100))
    v[5:95:10, 5:95:10] = np.arange(1, 82).reshape(9, 9)
    regions = variable_regions(v)
    assert len(regions) == 10
    assert regions.threshold_sigma > 4
    assert regions.mean_v.min() == 72


def test_a_flat_field_has_no_regions():
    assert len(variable_regions(np.ones((20, 20)))) == 0


def burst_run():
    rng = np.random.default_rng(4)
    counts = rng.poisson(0.5, (50, 16, 16))
    counts[20, 7, 9] += 25
    cube = cube_of(counts)
    return cube, build_expectation(cube, np.ones((16, 16), bool), np.zeros((16, 16), bool))


def test_the_detector_option_finds_a_burst_in_its_frame():
    cube, expectation = burst_run()
    found = detect(cube, expectation, options("varimage"))
    best = int(np.argmax(found.cells.log10_b))
    assert (found.cells.i[best], found.cells.j[best], found.cells.frame[best]) == (9, 7, 20)
    bayes = detect(cube, expectation, options("bayes"))
    assert bayes.cells.log10_b.max() == pytest.approx(found.cells.log10_b[best])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 300), st.integers(1, 12))
def test_v_of_raw_pixels_equals_the_dense_one(seed, n, n_windows):
    rng = np.random.default_rng(seed)
    shape = (9, 11)
    x, y, window = rng.integers(0, 9, n), rng.integers(0, 11, n), rng.integers(0, n_windows, n)
    ratio = np.where(rng.random(n_windows) < 0.8, rng.uniform(0.3, 1, n_windows), 0.0)
    dense = np.zeros((n_windows, *shape))
    for a, b, w in zip(x, y, window, strict=True):
        dense[w, max(a - 1, 0) : a + 2, max(b - 1, 0) : b + 2] += 1
    kept = ratio > 0
    v = variability(x, y, window, ratio, shape)
    if not kept.any():
        assert not v.any()
    else:
        assert v == pytest.approx(variability_reference(dense[kept] / ratio[kept, None, None]))


def test_box_sums_add_their_pixels_and_overlapping_boxes_merge():
    v = np.zeros((20, 30))
    v[5, 5] = v[5, 8] = v[15, 25] = 100.0
    assert box_sums(v, 3)[4, 4] == 100
    assert box_sums(v, 3).shape == (18, 28)
    setting = Setting(8, 100.0)
    sources = variable_sources({3: v}, setting)
    assert [(s.ccd, round(s.x, 6), round(s.y, 6)) for s in sources] == [(3, 6.0, 7.5), (3, 16.0, 26.0)]
    apart = np.zeros((20, 30))
    apart[5, 5] = apart[5, 11] = 100.0
    assert len(variable_sources({3: apart}, setting)) == 2


def test_published_levels_lie_on_one_line():
    assert [round(level_of(window)) for window in (3.0, 10.0, 30.0, 100.0)] == [5, 6, 7, 8]


def pn_run(burst):
    """A steady pn CCD of 3 ks with a burst of `burst` photons within 30 s, in frames of 100 s."""
    rng = np.random.default_rng(8)
    n = 4000
    time = np.append(rng.uniform(0, 3000, n), rng.uniform(1510, 1540, burst))
    rawx = np.append(rng.integers(1, 65, n), np.clip(np.rint(rng.normal(48, 1, burst)), 1, 64))
    rawy = np.append(rng.integers(1, 201, n), np.clip(np.rint(rng.normal(85, 1, burst)), 1, 200))
    order = np.argsort(time, kind="stable")
    events = events_of(time, 20000 + 80 * rawx, 10000 + 80 * rawy, 1000, Camera.PN)
    columns = {"rawx": rawx[order], "rawy": rawy[order], "ccd": np.full(len(time), 5)}
    events = replace(events, **{k: v.astype(getattr(events, k).dtype) for k, v in columns.items()})
    subset = subset_of(events, 0.0, 3000.0)
    cube = build_cube_reference(subset, grid_of(120), frames_of(0.0, 3000.0, 100.0), FULL)
    return subset, cube


def test_the_published_detector_finds_a_burst_and_nothing_in_a_steady_ccd():
    subset, cube = pn_run(40)
    (source,) = search_pn(subset, cube, Setting(8, 100.0))
    assert source.ccd == 5
    assert np.hypot(source.x - 48, source.y - 85) < 1.5
    assert search_pn(*pn_run(0), Setting(8, 100.0)) == []
    seen = cube.image() > 0
    expectation = build_expectation(cube, seen, np.zeros_like(seen))
    cells = published_cells(subset, cube, expectation)
    assert cells.frame.tolist() == [15]
    assert cells.kind.tolist() == [Kind.PEAK]
    assert (
        np.hypot(
            *(cube.grid.centre(k, a)[0] - t for k, a, t in ((cells.i, "x", 23840), (cells.j, "y", 16800)))
        )
        < 450
    )
    with pytest.raises(ValueError, match="needs the events of the subset"):
        detect(cube, expectation, options("varimage_published"))
    assert len(detect(cube, expectation, options("varimage_published"), subset=subset).cells) == 1


def test_a_source_seen_in_several_places_lies_where_most_of_its_events_are():
    """Between the three, where the medians of X and Y would put it, nothing was ever seen."""
    subset, cube = pn_run(40)
    place = np.arange(len(subset.events)) % 3
    x, y = (subset.events.x + 8000 * place, subset.events.y + 17000 * np.array([1, 0, 1])[place])
    moved = replace(subset, events=replace(subset.events, x=x.astype("u2"), y=y.astype("u2")))
    cube = build_cube_reference(moved, cube.grid, cube.frames, FULL)
    seen = cube.image() > 0
    cells = published_cells(moved, cube, build_expectation(cube, seen, np.zeros_like(seen)))
    assert len(cells) == 1
    assert np.isfinite(cells.log10_b).all()


def test_without_pn_or_good_windows_nothing_is_found():
    subset, cube = pn_run(40)
    mos = replace(subset, events=replace(subset.events, camera=np.ones_like(subset.events.camera)))
    assert search_pn(mos, cube, Setting(8, 100.0)) == []
    bad = replace(cube, frames=frames_of(0.0, 3000.0, 100.0, bti=range(30)))
    assert search_pn(subset, bad, Setting(8, 100.0)) == []


def test_a_second_pass_goes_with_bayes_factors_only():
    with pytest.raises(ConfigurationError, match="a second pass needs the detector bayes, got varimage"):
        load({"xmm": {"detect": {"detector": "varimage", "second_pass": True}}})


@pytest.fixture(scope="module")
def coma(shared_data):
    folder = shared_data / "xmm" / "exod1_0124710801"
    if not folder.is_dir():
        pytest.skip(f"REAL DATA ABSENT: {folder}, so the published result was not compared with")
    return folder


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "number"), [("8_100_3_1.0", 1), ("7_30_3_1.0", 0)])
def test_boxes_in_the_published_image_of_v_are_the_published_sources(coma, name, number):
    level, window, box, ratio = (float(part) for part in name.split("_"))
    with fits.open(coma / name / "variability_file.fits") as hdus:
        v = hdus[0].data.astype(float)
        published = hdus[1].data.copy()
    sources = variable_sources({0: v}, Setting(level, window, int(box), ratio), {0: v > 0})
    assert len(sources) == len(published) == number
    for source, row in zip(sources, published, strict=True):
        # Its image is shifted by some pixels against its own table.
        x, y = 80 * source.y - 39.5, 80 * source.x - 39.5
        assert np.hypot(x - row["X"], y - row["Y"]) * 0.05 < 25
        assert separation_arcsec(row["RA"], row["DEC"], 195.5004, 27.7824) < 0.5


@pytest.mark.real_data
@pytest.mark.parametrize(("name", "window"), [("8_100_3_1.0", 100.0), ("7_30_3_1.0", 30.0)])
def test_a_steady_sky_with_the_real_image_and_good_times_has_the_published_median_of_v(coma, name, window):
    image = fits.getdata(coma / "PN_image.fits").astype(float)
    good = fits.getdata(coma / "PN_gti.fits", 1)
    intervals = np.stack([good["START"], good["STOP"]], axis=1)
    rng = np.random.default_rng(0)
    j, i = np.nonzero(rng.poisson(image))
    counts = np.repeat(np.arange(len(i)), image[j, i].astype(int))
    length = np.cumsum(np.diff(intervals, axis=1))
    elapsed = length[-1] * rng.random(len(counts))
    piece = np.searchsorted(length, elapsed, side="right")
    time = intervals[piece, 1] - (length[piece] - elapsed)
    edges = regular_edges(intervals[0, 0], intervals[-1, 1], window)
    ratio = overlap(intervals, edges) / np.diff(edges)
    ratio = np.where(ratio >= 1 - 1e-6, ratio, 0.0)
    slot = np.clip(np.searchsorted(edges, time, side="right") - 1, 0, len(ratio) - 1)
    v = variability(j[counts], i[counts], slot, ratio, image.shape)
    published = fits.getdata(coma / name / "variability_file.fits", 0)
    lit = published > 0
    assert np.median(v[lit]) == pytest.approx(np.median(published[lit]), rel=0.15)
    level = float(name.split("_")[0])
    assert variable_sources({0: v}, Setting(level, window), {0: lit}) == []
