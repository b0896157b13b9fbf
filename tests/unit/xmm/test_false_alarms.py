"""Draws and shuffled events in which nothing comes or goes, and purity from them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemera.config.load import load
from ephemera.xmm.expected_counts import build_expectation
from ephemera.xmm.false_alarms import drawn_rows
from ephemera.xmm.flag_selections import SELECTIONS, judged, selected
from ephemera.xmm.poisson_sky import draw_cube
from ephemera.xmm.purity import project_purities, purity, run_purities
from ephemera.xmm.shuffled_events import shuffled
from xmm_cubes import cube_of, events_of, grid_of, subset_of


@pytest.fixture(scope="module")
def run():
    """A cube of a steady sky with a source, its frames partly flaring, one not searched; its expectation."""
    rng = np.random.default_rng(0)
    mean = np.full((60, 8, 8), 0.8)
    mean[:, 3, 4] = 20.0
    mean[40:55] *= 3
    cube = cube_of(rng.poisson(mean), bti=range(40, 55), bccd=[7])
    listed = np.zeros((8, 8), bool)
    listed[3, 4] = True
    return cube, build_expectation(cube, np.ones((8, 8), bool), listed)


def test_draws_have_the_mean_and_variance_of_mu_in_every_cell(run):
    cube, expectation = run
    mu = np.nan_to_num(expectation.dense())
    total, square = np.zeros(mu.shape), np.zeros(mu.shape)
    n = 300
    for seed in range(n):
        drawn = draw_cube(cube, expectation, np.random.default_rng(seed))
        counts = np.zeros(mu.size)
        counts[drawn.keys] = drawn.counts
        total += counts.reshape(mu.shape)
        square += counts.reshape(mu.shape) ** 2
    pull = (total - n * mu) / np.sqrt(np.maximum(n * mu, 1e-9))
    assert np.abs(pull[mu > 0]).max() < 5.5
    assert abs(pull[mu > 0].mean()) < 0.05
    assert pull[mu > 0].std() == pytest.approx(1, abs=0.05)
    assert total[mu == 0].sum() == 0
    variance = square / n - (total / n) ** 2
    assert variance[mu > 0].sum() == pytest.approx(mu.sum(), rel=0.03)


def test_significant_cells_of_draws_are_as_many_as_expected(run):
    cube, expectation = run
    options = load({"xmm": {"false_alarms": {"draws": 400, "sigmas": [1.5, 5.0]}}}).xmm
    low, high = drawn_rows(cube, expectation, options, np.random.default_rng(1))
    expected = low["n_false_expected"] * low["n_draws"]
    assert expected > 100
    assert low["n_cells_found"] == pytest.approx(expected, abs=4 * np.sqrt(expected))
    assert low["n_cells"] == 59 * 64
    assert high["n_cells_found"] == 0


def test_no_draws_are_refused(run):
    options = SimpleNamespace(false_alarms=SimpleNamespace(draws=0, sigmas=[3.0]))
    with pytest.raises(ValueError, match="draws must be at least 1, got 0"):
        drawn_rows(*run, options, np.random.default_rng(0))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 200), st.integers(0, 10**6))
def test_shuffling_keeps_all_but_the_order_of_times_within_a_class(n, seed):
    rng = np.random.default_rng(seed)
    time, x, y = rng.uniform(0, 100, n), rng.integers(1, 51841, n), rng.integers(1, 51841, n)
    subset = subset_of(events_of(time, x, y, 1000, rng.integers(0, 2, n)), 0.0, 100.0)
    grid = grid_of(8)
    mask = np.zeros((grid.n, grid.n), bool)
    mask[:4] = True
    bad = np.array([[20.0, 40.0]])
    mixed = shuffled(subset, bad, mask, grid, rng).events
    before = subset.events
    assert np.all(np.diff(mixed.time) >= 0)
    assert np.array_equal(np.sort(mixed.time), np.sort(before.time))
    assert np.array_equal(np.sort(mixed.x), np.sort(before.x))

    def classes(events):
        in_bad = (events.time >= 20) & (events.time < 40)
        known = mask.ravel()[grid.pixels(events.x, events.y)]
        return sorted(
            zip(events.camera.tolist(), in_bad.tolist(), known.tolist(), events.x.tolist(), strict=True)
        )

    assert classes(mixed) == classes(before)


def test_a_burst_is_gone_after_shuffling():
    rng = np.random.default_rng(2)
    time = np.append(rng.uniform(0, 1000, 1000), rng.uniform(500, 510, 200))
    subset = subset_of(
        events_of(time, 25000, np.append(rng.integers(1, 51841, 1000), np.full(200, 777)), 1000), 0.0, 1000.0
    )
    grid = grid_of(8)
    mixed = shuffled(subset, np.empty((0, 2)), np.zeros((grid.n, grid.n), bool), grid, rng).events
    place = mixed.time[mixed.y == 777]
    assert np.count_nonzero((place >= 500) & (place < 510)) < 60


def test_purity_by_hand():
    assert purity(10, 4.0) == pytest.approx(0.6)
    assert purity(3, 4.0) == 0.0
    assert purity(0, 4.0) is None
    runs = [
        {"runid": "r", "threshold_sigma": 3.0, "n_peaks": 3, "n_eclipses": 1, "n_false_expected": 1.0},
        {
            "runid": "s",
            "threshold_sigma": None,
            "n_peaks": None,
            "n_eclipses": None,
            "n_false_expected": None,
        },
    ]
    assert [(row["runid"], row["purity"]) for row in run_purities(runs)] == [("r", 0.75)]


def test_purity_of_selections_counts_tested_observations_only():
    detections = [
        {"obsid": "1", "best_sigma": 6.0, "filt_5sig": True},
        {"obsid": "1", "best_sigma": 3.5, "filt_5sig": False, "filt_large": True},
        {"obsid": "2", "best_sigma": 9.0, "filt_5sig": True},
    ]
    row = {"obsid": "1", "method": "shuffled", "mode": "main", "sigma": 3.0, "n_draws": 4}
    alarms = [
        row | {"selection": "all", "n_regions_found": 4},
        row | {"selection": "filt_5sig", "n_regions_found": 0},
        row | {"selection": "all", "n_regions_found": 400, "mode": "time"},
    ]
    found = {
        r["selection"]: (r["n_found"], r["n_false"], r["purity"])
        for r in project_purities(detections, alarms, 3.0)
    }
    assert found == {"all": (2, 1.0, 0.5), "filt_5sig": (1, 0.0, 1.0)}


def test_nothing_is_judged_below_the_threshold_of_the_search():
    """A draw has cells of 2 sigma, a list of detections kept at 4 sigma has none of them."""
    assert judged([2.0, 4.0, 5.0], 4.0) == [4.0, 5.0]
    assert judged([2.0, 3.0], 4.0) == [4.0]
    detections = [{"obsid": "1", "best_sigma": 6.0}]
    row = {"obsid": "1", "method": "poisson", "mode": "main", "n_draws": 1, "selection": "all"}
    alarms = [row | {"sigma": sigma, "n_regions_found": 9 - sigma} for sigma in (2.0, 5.0)]
    assert [r["sigma"] for r in project_purities(detections, alarms, 4.0)] == [5.0]


def test_selections_are_what_they_are_called():
    rows = [{"filt_5sig": True}, {"filt_large": True}, {"filt_raw_pixel": None, "filt_tbin_5_n_l_5": True}]
    counts = selected(rows)
    assert set(counts) == set(SELECTIONS)
    assert (counts["all"], counts["filt_5sig"], counts["not filt_large"], counts["no doubt"]) == (3, 1, 2, 1)
