"""Metrics on noise whose properties are known, and the trapezoid on curves whose truth is known."""

import numpy as np
import pytest

from ephemera.jwst.normalised import light_curve, normalise
from ephemera.jwst.quality import (
    amplitude,
    baseline_runs,
    channel_metrics,
    completeness,
    series_metrics,
    time_averaging,
    trend,
)
from ephemera.jwst.transit import fit_trapezoid, shape
from unit.jwst.test_normalised import series


def noisy(n=600, channels=40, sigma=0.01, error=0.01, seed=4):
    draw = np.random.default_rng(seed)
    flux = 1 + sigma * draw.standard_normal((channels, n))
    return normalise(series(flux, np.full(flux.shape, error)))


def metrics_of(norm):
    channel = channel_metrics(norm, norm.matrix().T, norm.errors().T)
    return channel, series_metrics(norm, channel, light_curve(norm), None)


def test_white_noise_has_no_flag():
    channel, found = metrics_of(noisy())
    assert np.median(channel.scatter) == pytest.approx(0.01, rel=0.05)
    assert np.median(channel.scatter_diff) == pytest.approx(0.01, rel=0.05)
    assert found["error_ratio"] == pytest.approx(1, rel=0.05)
    assert found["beta"] < 1.5
    assert found["flags"] == []


@pytest.mark.parametrize(("error", "flag"), [(0.03, "errors_too_large"), (0.004, "errors_too_small")])
def test_errors_that_do_not_fit_the_scatter(error, flag):
    assert flag in metrics_of(noisy(error=error))[1]["flags"]


def test_red_noise_is_found():
    draw = np.random.default_rng(9)
    walk = np.cumsum(draw.standard_normal(600)) * 0.001
    flux = 1 + walk + 0.001 * draw.standard_normal((40, 600))
    assert "red_noise" in metrics_of(normalise(series(flux)))[1]["flags"]


def test_excess_is_what_errors_do_not_explain():
    channel, _ = metrics_of(noisy(sigma=0.05, error=0.03))
    assert np.median(channel.excess) == pytest.approx(0.04, rel=0.1)
    assert (metrics_of(noisy(error=0.03))[0].excess == 0).all()


def test_bins_do_not_cross_gaps_and_incomplete_ones_are_dropped():
    runs = [(0, 20), (20, 33)]
    found = time_averaging(np.random.default_rng(1).standard_normal(33), runs)
    assert found.bins == [33, 16, 8]
    assert found.n == [1, 2, 4]
    assert time_averaging(np.ones(5), [(0, 5)]).n == []


def test_runs_of_the_baseline():
    baseline = np.array([1, 1, 0, 1, 1, 1], bool)
    assert baseline_runs(baseline, [(0, 4), (4, 6)]) == [(0, 2), (3, 4), (4, 6)]


def test_trend_and_amplitude():
    hours = np.linspace(0, 5, 100)
    assert trend(hours, 1 + 2e-4 * hours) == pytest.approx(200)
    assert trend(hours[:1], np.ones(1)) is None
    assert amplitude(np.linspace(0, 1, 101)) == pytest.approx(90)
    assert amplitude(np.array([np.nan, 1.0])) is None


def test_completeness_counts():
    flux = np.ones((4, 30))
    flux[1], flux[:, 5] = np.nan, np.nan
    found = completeness(normalise(series(flux)))
    assert found["channels_all_masked"] == 1
    assert found["integrations_all_masked"] == 1
    assert found["valid_fraction"] == pytest.approx(1 - (30 + 4 - 1) / 120)
    assert found["cadence_s"] == pytest.approx(60)


def test_one_integration_has_no_metrics():
    norm = normalise(series(np.ones((4, 1))))
    _, found = metrics_of(norm)
    assert set(found) == {"completeness", "flags"}


@pytest.mark.parametrize("seed", range(3))
def test_trapezoid_recovers_the_truth(seed):
    time = 60000 + np.arange(400) / 1440
    truth = (60000.15, 0.10, 0.02)
    flux = (1 + 0.02 * (time - 60000.15)) * (1 - 0.015 * shape(time, *truth))
    flux += 2e-4 * np.random.default_rng(seed).standard_normal(400)
    found = fit_trapezoid(time, flux)
    assert found.t0 == pytest.approx(truth[0], abs=2e-4)
    assert found.duration == pytest.approx(truth[1], abs=1e-3)
    assert found.depth == pytest.approx(0.015, abs=1e-4)
    assert found.slope == pytest.approx(0.02, abs=2e-3)
    assert found.rms < 2.3e-4


def test_trapezoid_needs_points():
    assert fit_trapezoid(np.arange(5.0), np.ones(5)) is None
    assert fit_trapezoid(np.arange(20.0), np.where(np.arange(20) < 15, np.nan, 1.0)) is None
