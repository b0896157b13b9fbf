"""Check values of a real transit: HAT-P-18 b, NIRISS SOSS, 469 integrations in two orders."""

import numpy as np
import pytest

from ephemera.jwst.grids import band_channels
from ephemera.jwst.normalised import column_medians, light_curve, normalise, robust_scatter
from ephemera.jwst.quality import baseline_runs, channel_metrics, series_metrics, time_averaging
from ephemera.jwst.read import read_series
from ephemera.jwst.series import visits
from ephemera.jwst.transit import CENTRE_HALF_WIDTH, fit_trapezoid, straight_line

T0 = 59743.35341


@pytest.fixture(scope="module", params=[1, 2])
def order(request):
    return request.param


@pytest.fixture(scope="module")
def observed(shared_data, order):
    return read_series(
        [shared_data / "jwst" / "exoiris_hatp18b" / f"hat-p-18b-2022-06-niriss-o{order}.fits"]
    )[0]


@pytest.fixture(scope="module")
def white(observed):
    mean = observed.flux.astype(float).mean(axis=0)
    return mean / straight_line(observed.time, mean, observed.out_of_transit)


@pytest.fixture(scope="module")
def trapezoid(observed, white):
    return fit_trapezoid(observed.time, white)


def test_shape_and_axes(observed, order):
    assert observed.flux.shape == {1: (155, 469), 2: (86, 469)}[order]
    first, last = {1: (0.9030573371, 1.9473506189), 2: (0.6216386181, 0.9490267527)}[order]
    assert observed.wavelength[[0, -1]] == pytest.approx([first, last], abs=1e-10)
    assert observed.time[[0, -1]] == pytest.approx([59743.19672653158, 59743.494267234295], abs=1e-11)
    assert observed.time_scale == "BJD_TDB"
    assert observed.flux_unit == "normalised"
    assert observed.valid.all()
    assert np.isfinite(observed.flux).all()


def test_one_visit_of_constant_cadence(observed):
    assert visits(observed.hours) == [(0, 469)]
    assert observed.hours[-1] == pytest.approx(7.140977, abs=1e-6)
    steps = np.diff(observed.time) * 86400
    assert np.median(steps) == pytest.approx(54.93059, abs=1e-5)
    assert np.ptp(steps) < 60e-6


def test_out_of_transit_points_are_those_of_the_file(observed):
    assert observed.out_of_transit.sum() == 289
    assert baseline_runs(observed.out_of_transit, [(0, 469)]) == [(0, 157), (337, 469)]


def test_flux_to_the_last_digit_of_single_precision(observed, order):
    if order == 1:
        assert observed.flux[0, :2] == pytest.approx([0.99820873, 0.99909917], abs=6e-8)


def test_white_light(observed, white, order):
    assert white.min() == pytest.approx({1: 0.97877, 2: 0.97659}[order], abs=1e-5)
    assert observed.time[white.argmin()] == pytest.approx(59743.34422535, abs=1e-8)
    assert 1e6 * white[observed.out_of_transit].std() == pytest.approx({1: 233, 2: 572}[order], abs=1)
    if order == 1:
        expected = [0.999416, 1.000074, 0.980343, 0.980885, 0.999786]
        assert white[[0, 100, 200, 300, 468]] == pytest.approx(expected, abs=1e-6)


def test_depth_at_centre(white, observed, trapezoid, order):
    near = np.abs(observed.time - trapezoid.t0) < CENTRE_HALF_WIDTH
    assert near.sum() == 63
    depth, error = {1: (0.02057, 0.00003), 2: (0.02161, 0.00007)}[order]
    assert trapezoid.centre_depth == pytest.approx(depth, abs=1e-5)
    assert trapezoid.centre_depth_error == pytest.approx(error, abs=1e-5)
    assert 1 - white[near].mean() == pytest.approx(trapezoid.centre_depth)


def test_trapezoid_finds_the_true_minimum(trapezoid, order):
    assert trapezoid.depth == pytest.approx({1: 0.02002, 2: 0.02093}[order], abs=1e-4)
    assert trapezoid.t0 == pytest.approx({1: T0, 2: 59743.35340}[order], abs={1: 6e-5, 2: 1e-4}[order])
    assert trapezoid.half_depth_middle == pytest.approx({1: 59743.35328, 2: 59743.35377}[order], abs=5e-4)
    assert trapezoid.duration * 24 == pytest.approx({1: 2.653, 2: 2.670}[order], abs=2e-3)
    assert trapezoid.ingress * 1440 == pytest.approx({1: 23.9, 2: 28.8}[order], abs=0.2)
    assert 1e6 * trapezoid.rms <= {1: 483.5, 2: 820.2}[order]


def test_mid_transit_in_hours(trapezoid, observed, order):
    if order == 1:
        assert (trapezoid.t0 - observed.time[0]) * 24 == pytest.approx(3.7605, abs=2e-3)


def test_smallest_variability(observed, order):
    percent = normalise(observed).variability()
    smallest, of_mean = {1: (-2.4916, -2.0443), 2: (-3.5152, -2.1726)}[order]
    assert percent.min() == pytest.approx(smallest, abs=1e-4)
    assert percent.mean(axis=0).min() == pytest.approx(of_mean, abs=1e-4)


def test_transit_biases_a_median_over_all_times(observed, order):
    if order == 1:
        outside = normalise(observed, observed.out_of_transit)
        assert outside.variability().mean(axis=0).min() == pytest.approx(-2.1232, abs=1e-4)
        assert np.median(normalise(observed).median) == pytest.approx(0.99923, abs=2e-5)


def test_scatter_and_errors_that_are_too_large(observed, order):
    norm = normalise(observed, observed.out_of_transit)
    matrix, errors = norm.matrix().T, norm.errors().T
    channel = channel_metrics(norm, matrix, errors)
    assert 1e6 * np.median(channel.scatter) == pytest.approx({1: 944, 2: 2158}[order], abs=1)
    assert np.median(channel.error_ratio) == pytest.approx({1: 0.0472, 2: 0.0414}[order], abs=1e-4)
    metrics = series_metrics(norm, channel, light_curve(norm), None)
    assert "errors_too_large" in metrics["flags"]


def test_bands(observed, order, trapezoid):
    if order == 2:
        return
    near = np.abs(observed.time - trapezoid.t0) < CENTRE_HALF_WIDTH
    for low, high, count, depth in ((1.3, 1.5, 29, 0.02071), (1.0, 1.1, 19, 0.02093)):
        inside = band_channels(observed.wavelength, low, high)
        assert inside.sum() == count
        curve = observed.flux[inside].astype(float).mean(axis=0)
        curve /= straight_line(observed.time, curve, observed.out_of_transit)
        assert 1 - curve[near].mean() == pytest.approx(depth, abs=1e-5)


def test_time_averaging(white, observed, order):
    if order == 2:
        return
    found = time_averaging(white, baseline_runs(observed.out_of_transit, visits(observed.hours)))
    assert found.n == [1, 2, 4, 8, 16, 32]
    assert np.array(found.rms) * 1e6 == pytest.approx([233.2, 166.2, 124.2, 95.1, 76.7, 51.7], abs=0.06)
    assert np.array(found.expected) * 1e6 == pytest.approx([233.6, 165.5, 117.4, 83.7, 60.1, 44.1], abs=0.06)
    assert found.bins[4] == 17
    assert found.beta == pytest.approx(1.28, abs=5e-3)


def test_robust_scatter_is_that_of_numpy(observed):
    norm = normalise(observed)
    matrix = norm.matrix().T
    middle = column_medians(matrix, norm.baseline)[0]
    assert middle == pytest.approx(np.median(matrix.astype(float), axis=0), abs=1e-7)
    expected = 1.4826 * np.median(np.abs(matrix - middle), axis=0)
    assert robust_scatter(matrix, norm.baseline, middle) == pytest.approx(expected, rel=1e-4)
