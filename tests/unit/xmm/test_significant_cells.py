from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemera.xmm import significant_cells as rooms
from ephemera.xmm.background import footprint
from ephemera.xmm.bayes import (
    expected_false_alarms,
    limits,
    log10_bayes_eclipse,
    log10_bayes_peak,
    thresholds,
)
from ephemera.xmm.cells import Cells, Kind
from ephemera.xmm.expected_counts import build_expectation
from ephemera.xmm.expected_false import expected_false, mu_histogram
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.significant_cells import (
    region_cells,
    significant_cells,
    significant_cells_reference,
)
from reference.detection import (
    SIDE,
    make_cube,
    make_expectation,
    make_frames,
    plain_false_alarms,
    plain_mu,
    random_case,
)

#: The usual options of what counts as a peak.
COUNTED = {"n_min": 2, "mu_floor": 1e-6}


def one_pixel(n, mu, *, n_frames=3):
    """Cube with n counts and an expectation of mu in pixel (4, 7) of frame 1; nothing elsewhere."""
    dense = np.zeros((n_frames, SIDE, SIDE), int)
    dense[1, 7, 4] = n
    template = np.zeros((1, SIDE, SIDE))
    template[0, 7, 4] = 1.0
    background = np.zeros(n_frames)
    background[1] = mu
    expectation = make_expectation(
        template, background, np.zeros((SIDE, SIDE)), np.ones(n_frames), np.zeros(n_frames)
    )
    return make_cube(dense), expectation


def kinds(n, mu, sigma=3.0, **options):
    return [Kind(kind) for kind in significant_cells(*one_pixel(n, mu), limits(sigma), **options).kind]


def assert_same(one, two):
    for name in ("i", "j", "frame", "kind", "n"):
        assert np.array_equal(getattr(one, name), getattr(two, name)), name
    for name in ("mu", "log10_b", "sigma"):
        np.testing.assert_allclose(getattr(one, name), getattr(two, name), rtol=1e-10, err_msg=name)


@pytest.mark.parametrize(
    ("mu", "sigma", "n_peak", "n_eclipse"),
    [
        (1e-4, 3, 2, None), (0.01, 3, 3, None), (0.3, 3, 6, None), (3, 3, 15, None), (20, 3, 45, 2),
        (100, 3, 149, 58), (1000, 3, 1139, 870), (3000, 3, 3232, 2780), (10000, 3, 10407, 9611),
        (1e-6, 5, 3, None), (0.1, 5, 9, None), (10, 5, 42, None), (30, 5, 79, 0), (300, 5, 435, 186),
        (1000, 5, 1237, 788), (10000, 5, 10716, 9329), (13.15, 3, None, 0), (28.51, 3, None, 7),
    ],
)  # fmt: skip
def test_first_counts_that_are_peaks_and_last_that_are_eclipses(mu, sigma, n_peak, n_eclipse):
    if n_peak is not None:
        assert kinds(n_peak, mu, sigma) == [Kind.PEAK]
        assert kinds(n_peak - 1, mu, sigma) == []
    if n_eclipse is None:
        assert kinds(0, mu, sigma) == []
    else:
        assert kinds(n_eclipse, mu, sigma) == [Kind.ECLIPSE]
        assert kinds(n_eclipse + 1, mu, sigma) == []


def test_a_cell_exactly_at_its_threshold_is_a_detection():
    table = limits(3.0)
    for n in (2, 3, 10, 100):
        mu = float(table.mu_peak[n])
        assert kinds(n, mu) == [Kind.PEAK]
        assert kinds(n, mu * (1 + 1e-9)) == []
        assert kinds(n, float(table.mu_eclipse[n])) == [Kind.ECLIPSE]
        assert kinds(n, float(table.mu_eclipse[n]) * (1 - 1e-9)) == []


def test_an_empty_cell_is_an_eclipse_from_mu_13_145270():
    assert kinds(0, 13.15) == [Kind.ECLIPSE]
    assert kinds(0, 13.145) == []
    cells = significant_cells(*one_pixel(0, 13.15), limits(3.0))
    assert (cells.i[0], cells.j[0], cells.frame[0], cells.n[0]) == (4, 7, 1, 0)


def test_columns_of_a_detection():
    cells = significant_cells(*one_pixel(25, 10.0), limits(2.0))
    assert (cells.i.tolist(), cells.j.tolist(), cells.frame.tolist()) == ([4], [7], [1])
    assert cells.mu[0] == pytest.approx(10.0, rel=1e-15)
    assert cells.log10_b[0] == pytest.approx(4.533582819355, rel=1e-10)
    deep = significant_cells(*one_pixel(3, 20.0), limits(2.0))
    assert deep.log10_b[0] == pytest.approx(5.560949510097, rel=1e-10)
    at_threshold = significant_cells(*one_pixel(1139, 1000.0), limits(3.0))
    assert at_threshold.sigma[0] == pytest.approx(3.00545, abs=1e-5)


def test_peaks_need_n_min_counts_and_mu_is_raised_to_its_floor():
    assert kinds(1, 1e-6) == []
    assert kinds(1, 1e-6, n_min=1) == [Kind.PEAK]
    assert kinds(2, 0.001, n_min=3) == []
    assert kinds(2, 0.0) == [Kind.PEAK]
    assert significant_cells(*one_pixel(2, 0.0), limits(3.0)).mu.tolist() == [1e-6]
    assert kinds(2, 0.0, mu_floor=0.01) == []


def test_masked_frames_and_pixels_outside_the_footprint_are_never_significant():
    dense = np.zeros((3, SIDE, SIDE), int)
    dense[:, 3, 3], dense[:, 12, 12] = 500, 500
    footprint = np.ones((SIDE, SIDE), bool)
    footprint[12, 12] = False
    flat = np.full((1, SIDE, SIDE), 0.01)
    expectation = make_expectation(
        flat, [0, 2000, 2000], np.zeros((SIDE, SIDE)), [0, 1, 1], [-1, 0, 0], footprint
    )
    cube = make_cube(dense, make_frames(3, bccd=[True, False, False]))
    found = significant_cells(cube, expectation, limits(3.0))
    assert set(found.frame) == {1, 2}
    assert (12, 12) not in set(zip(found.i, found.j, strict=True))
    peaks = found.take(found.is_peak)
    assert list(zip(peaks.i, peaks.j, peaks.frame, strict=True)) == [(3, 3, 1), (3, 3, 2)]
    assert found.is_eclipse.sum() == 2 * (footprint.sum() - 1)


@pytest.mark.parametrize("block", [1, 7, 100, 1 << 20])
@pytest.mark.parametrize(("n_source", "n_class", "level"), [(1, 2, 3000.0), (3, 4, 8000.0), (1, 1, 100.0)])
def test_sparse_equals_dense_cell_by_cell(monkeypatch, block, n_source, n_class, level):
    monkeypatch.setattr(rooms, "BLOCK_CELLS", block)
    cube, expectation, _ = random_case(block + n_source, level=level, n_source=n_source, n_class=n_class)
    sparse = significant_cells(cube, expectation, limits(2.0))
    assert_same(sparse, significant_cells_reference(cube, expectation, 2.0))
    assert sparse.is_peak.any()
    assert sparse.is_eclipse.any()


@settings(max_examples=20)
@given(
    seed=st.integers(0, 2**32 - 1),
    sigma=st.sampled_from([0.5, 1.0, 3.0]),
    level=st.sampled_from([3.0, 300.0, 30000.0]),
    n_frames=st.integers(1, 12),
)
def test_sparse_equals_dense_at_any_level(seed, sigma, level, n_frames):
    cube, expectation, _ = random_case(seed, level=level, n_frames=n_frames)
    assert_same(
        significant_cells(cube, expectation, limits(sigma)),
        significant_cells_reference(cube, expectation, sigma),
    )


def test_the_reference_is_the_formula():
    cube, expectation, dense = random_case(3, n_frames=12)
    mu = plain_mu(expectation)
    peak, eclipse = thresholds(3.0)
    found = significant_cells_reference(cube, expectation, 3.0)
    usable = np.isfinite(mu)
    is_peak = usable & (dense >= 2) & (log10_bayes_peak(dense, np.where(usable, mu, 1)) >= peak)
    is_eclipse = usable & (log10_bayes_eclipse(dense, np.where(usable, mu, 1)) >= eclipse)
    assert np.array_equal(np.sort(found.take(found.is_peak).keys(SIDE)), np.flatnonzero(is_peak))
    assert np.array_equal(np.sort(found.take(found.is_eclipse).keys(SIDE)), np.flatnonzero(is_eclipse))


def test_above_1000_the_two_poisson_rule_is_an_option():
    # At mu = 10000 the rule asks for 10429 and 9580 counts, the Bayes factors for 10407 and 9611.
    assert kinds(10428, 10000.0) == [Kind.PEAK]
    assert kinds(10428, 10000.0, gauss_above_1000=True) == []
    assert kinds(10429, 10000.0, gauss_above_1000=True) == [Kind.PEAK]
    assert kinds(9581, 10000.0) == [Kind.ECLIPSE]
    assert kinds(9581, 10000.0, gauss_above_1000=True) == []
    assert kinds(9580, 10000.0, gauss_above_1000=True) == [Kind.ECLIPSE]
    assert kinds(1139, 1000.0, gauss_above_1000=True) == [Kind.PEAK]


def test_nothing_to_find_in_an_empty_cube():
    cube, expectation = one_pixel(0, 0.5)
    assert len(significant_cells(cube, expectation, limits(3.0))) == 0
    assert len(cube.keys) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_min": 0}, "n_min must be at least 1, got 0"),
        ({"mu_floor": 0.0}, "mu_floor must be positive, got 0.0"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        kinds(3, 1.0, **options)


def test_an_expectation_of_another_shape_is_refused():
    cube, _ = one_pixel(3, 1.0)
    _, other = one_pixel(3, 1.0, n_frames=4)
    with pytest.raises(ValueError, match=r"\(3, 16, 16\), got \(4, 16, 16\)"):
        significant_cells(cube, other, limits(3.0))


@pytest.mark.parametrize("level", [10.0, 300.0, 6000.0])
@pytest.mark.parametrize("n_source", [1, 2])
def test_expected_false_alarms_equal_the_dense_sum_within_one_percent(level, n_source):
    _, expectation, _ = random_case(5, level=level, n_frames=30, n_source=n_source)
    mu = plain_mu(expectation)
    dense = np.maximum(mu[np.isfinite(mu)], 1e-6)
    expected = plain_false_alarms(dense, limits(3.0), n_min=2)
    assert expected_false(expectation, 3.0, **COUNTED) == pytest.approx(expected, rel=0.01)


def test_histogram_of_mu_holds_every_cell_and_the_sum_of_mu():
    _, expectation, _ = random_case(8, n_source=3, n_frames=25)
    mu = plain_mu(expectation)
    mu = np.maximum(mu[np.isfinite(mu)], 1e-6)
    values, weights = mu_histogram(expectation, 1e-6)
    assert weights.sum() == len(mu)
    assert (np.diff(values) > 0).all()
    assert (values * weights).sum() == pytest.approx(mu.sum(), rel=1e-6)


def test_no_usable_frames_have_no_false_alarms():
    _, expectation, _ = random_case(8, n_frames=4)
    dark = make_expectation(
        expectation.templates,
        np.zeros(4),
        expectation.source,
        np.zeros(4),
        np.full(4, -1),
        expectation.footprint,
    )
    cube = make_cube(np.zeros((4, SIDE, SIDE), int), make_frames(4, bccd=np.ones(4, bool)))
    assert expected_false(dark, 3.0, **COUNTED) == 0.0
    assert len(significant_cells(cube, dark, limits(3.0))) == 0


def cells_of(places):
    i, j, frame = (np.array(column, dtype=np.int64) for column in zip(*places, strict=True))
    zero = np.zeros(len(i))
    return Cells(i, j, frame, np.zeros(len(i), np.int8), i, zero, zero, zero)


def test_region_cells_are_all_pairs_of_pixels_and_significant_frames():
    cells = cells_of([(1, 0, 4), (2, 0, 7), (9, 9, 5), (8, 8, 1)])
    keys = region_cells(cells, np.array([0, 0, 1, -1]), 10)
    assert keys.tolist() == [401, 402, 599, 701, 702]
    assert region_cells(Cells.empty(), np.empty(0, int), 10).tolist() == []
    with pytest.raises(ValueError, match="as long as cells, 4, got 1"):
        region_cells(cells, np.array([0]), 10)


@pytest.mark.real_data
def test_sparse_equals_dense_on_a_real_observation(shared_data):
    with fits.open(shared_data / "xray" / "xmm_0404910601_mos1_clean_evts.fits") as file:
        events = file["EVENTS"].data
        time, x, y, pi = (np.asarray(events[name], float) for name in ("TIME", "X", "Y", "PI"))
    kept = (pi > 200) & (pi < 12000) & (x >= 1) & (x <= 51840) & (y >= 1) & (y <= 51840)
    grid = PixelGrid(size_arcsec=60.0)
    frame = ((time - time.min()) // 500.0).astype(int)[kept]
    dense = np.zeros((frame.max() + 1, grid.n, grid.n), int)
    np.add.at(dense, (frame, grid.index(y[kept], "y"), grid.index(x[kept], "x")), 1)
    cube = make_cube(dense, make_frames(len(dense), dt=500.0, bccd=dense.sum(axis=(1, 2)) == 0), grid)
    seen = footprint(cube.image()[None])
    expectation = build_expectation(cube, seen, np.zeros_like(seen))

    found = significant_cells(cube, expectation, limits(2.0))
    assert_same(found, significant_cells_reference(cube, expectation, 2.0))
    assert found.is_peak.any()
    mu = expectation.dense()
    dense_sum = expected_false_alarms(
        *np.broadcast_arrays(np.maximum(mu[np.isfinite(mu)], 1e-6), 1.0), sigma=2.0
    )
    assert expected_false(expectation, 2.0, **COUNTED) == pytest.approx(dense_sum, rel=0.01)


def test_a_sigma_no_eclipse_can_reach_finds_peaks_only():
    assert kinds(0, 1e5, sigma=32.0) == []
    assert kinds(100000, 1000.0, sigma=32.0) == [Kind.PEAK]
