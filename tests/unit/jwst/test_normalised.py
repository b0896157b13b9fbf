"""Normalisation, visits and light curves against hand-made numbers and plain twins."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.jwst_files import product, spectra
from ephemera.jwst.normalised import column_medians, light_curve, normalise
from ephemera.jwst.observation import Series
from ephemera.jwst.read import read_series
from ephemera.jwst.series import baseline_mask, visits
from ephemera.jwst.visits import segments, visit_numbers


def series(flux, error=None, hours=None):
    """A series of `flux` (wavelength, time), NaN masked."""
    values = np.asarray(flux, np.float32)
    hours = np.arange(values.shape[1]) / 60 if hours is None else np.asarray(hours)
    sigma = np.full(values.shape, 0.1, np.float32) if error is None else np.asarray(error, np.float32)
    mask = np.where(np.isfinite(values), 0, 2).astype(np.uint8)
    return Series(
        np.linspace(1, 2, len(values)), 60000 + hours / 24, "BJD_TDB", values, sigma, mask, "NIS", 1,
        np.arange(1, values.shape[1] + 1), "Jy", np.zeros(values.shape[1], np.uint8),
    )  # fmt: skip


def test_visits_of_the_example():
    assert visits([0, 0.1, 0.2, 0.9, 1.0, 1.5, 1.51, 2.02]) == [(0, 3), (3, 7), (7, 8)]


def test_a_gap_of_exactly_half_an_hour_is_none():
    assert visits([0, 0.5, 1.0]) == [(0, 3)]
    assert visits([0, 0.5000001]) == [(0, 1), (1, 2)]
    assert visits([]) == []


@given(st.lists(st.floats(0.001, 2), min_size=1, max_size=50))
def test_visits_cover_everything_once(steps):
    hours = np.cumsum(steps)
    ranges = visits(hours)
    assert [k for a, b in ranges for k in range(a, b)] == list(range(len(hours)))
    assert visit_numbers(ranges, len(hours)).min() == 1


def test_gaps_inside_a_visit_are_drawn():
    hours = np.array([0, 0.01, 0.02, 0.03, 0.1, 0.11, 0.12])
    assert segments(hours, visits(hours)) == [(0, 4), (4, 7)]


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 200))
def test_medians_are_those_of_numpy(seed, rows, channels):
    draw = np.random.default_rng(seed)
    values = draw.standard_normal((rows, channels)).astype(np.float32)
    values[draw.random(values.shape) < 0.2] = np.nan
    medians, counts = column_medians(values, np.ones(rows, bool))
    known = np.isfinite(values).any(axis=0)
    assert medians[known] == pytest.approx(np.nanmedian(values[:, known].astype(float), axis=0), abs=1e-12)
    assert (counts == np.isfinite(values).sum(axis=0)).all()
    assert np.isnan(medians[~known]).all()


@pytest.mark.parametrize("order", ["C", "F"])
def test_medians_leave_their_input_alone(order):
    values = np.array(np.random.default_rng(1).random((9, 7)), np.float32, order=order)
    before = values.copy()
    column_medians(values, np.ones(9, bool))
    np.testing.assert_array_equal(values, before)


def test_channels_that_cannot_be_normalised_keep_their_flux():
    flux = np.ones((3, 20))
    flux[1] = -2.0
    flux[2, 2:] = np.nan
    norm = normalise(series(flux))
    assert np.isfinite(norm.median).tolist() == [True, False, False]
    assert np.isnan(norm.variability()[1]).all()
    assert (norm.series.flux[1] == -2).all()


def test_one_integration_has_no_variability():
    assert (normalise(series(np.full((4, 1), 3.0))).variability() == 0).all()


def test_baseline_intervals_and_what_is_available():
    one = series(np.concatenate([np.ones((2, 10)), np.full((2, 10), 5.0)], axis=1))
    assert normalise(one, [(60000, float(one.time[9]))]).median.tolist() == [1, 1]
    with pytest.raises(
        ValueError, match=r"no integration of NIS-order1; times are 60000\.000000 to 60000\.0"
    ):
        normalise(one, [(1, 2)])


def test_normalised_by_visit():
    hours = np.concatenate([np.arange(10) / 60, 5 + np.arange(10) / 60])
    flux = np.concatenate([np.ones((2, 10)), np.full((2, 10), 5.0)], axis=1)
    norm = normalise(series(flux, hours=hours), by_visit=True)
    assert (norm.variability() == 0).all()
    assert norm.level[:, 0].tolist() == [1, 5]


def test_errors_in_percent_follow_the_level():
    norm = normalise(series(np.full((3, 20), 4.0)))
    assert norm.errors() == pytest.approx(np.full((3, 20), 0.025))


def test_light_curve_by_flux_is_the_summed_flux():
    draw = np.random.default_rng(3)
    flux = 10 + draw.standard_normal((5, 40)) * 0.1
    norm = normalise(series(flux))
    curve = light_curve(norm)
    expected = norm.series.flux.astype(float).sum(axis=0) / norm.median.sum()
    assert curve.flux == pytest.approx(expected, rel=1e-6)
    assert curve.error == pytest.approx(np.sqrt(5) * 0.1 / norm.median.sum(), rel=1e-5)
    assert curve.flux_sum == pytest.approx(norm.series.flux.astype(float).sum(axis=0), rel=1e-6)


def test_a_masked_channel_does_not_make_a_jump():
    flux = np.repeat(np.array([[1.0], [100.0], [10.0]]), 30, axis=1)
    flux[1, 7] = np.nan
    curve = light_curve(series(flux))
    assert curve.flux == pytest.approx(np.ones(30))
    assert curve.n_channels[7] == 2
    assert curve.sum_incomplete.tolist() == [k == 7 for k in range(30)]
    assert curve.flux_sum[7] == 11


@pytest.mark.parametrize("weights", ["flux", "equal", "scatter"])
def test_weights_against_a_plain_twin(weights):
    draw = np.random.default_rng(5)
    flux = np.array([[2.0], [5.0], [9.0]]) * (
        1 + draw.standard_normal((3, 50)) * np.array([[0.01], [0.02], [0.05]])
    )
    flux[2, 4] = np.nan
    norm = normalise(series(flux))
    matrix = norm.matrix().astype(float)
    scatter = 1.4826 * np.nanmedian(np.abs(matrix - np.nanmedian(matrix, axis=1, keepdims=True)), axis=1)
    w = {"flux": norm.median, "equal": np.ones(3), "scatter": 1 / scatter**2}[weights][:, None]
    good = np.isfinite(matrix)
    expected = np.where(good, w * matrix, 0).sum(axis=0) / (w * good).sum(axis=0)
    sigma = np.sqrt(np.where(good, w**2 * norm.errors().astype(float) ** 2, 0).sum(axis=0)) / (w * good).sum(
        axis=0
    )
    curve = light_curve(norm, weights=weights)
    assert curve.flux == pytest.approx(expected, rel=1e-5)
    assert curve.error == pytest.approx(sigma, rel=1e-4)


def test_band_limits_are_inclusive_and_open():
    flux = np.repeat(np.array([[1.0], [2.0], [3.0]]), 20, axis=1)
    one = series(flux)
    assert light_curve(one, 1.5, 2.0).flux_sum[0] == 5
    assert light_curve(one, high=1.5).flux_sum[0] == 3
    assert np.isnan(light_curve(one, 7, 8).flux).all()


def test_unknown_weights_are_refused():
    with pytest.raises(ValueError, match="flux, equal or scatter"):
        light_curve(series(np.ones((2, 5))), weights="loudest")


def test_missing_errors_give_none():
    error = np.full((2, 5), np.nan)
    assert np.isnan(light_curve(series(np.ones((2, 5)), error)).error).all()


def test_an_injected_sine_is_recovered_in_its_band_and_nowhere_else(tmp_path):
    one = spectra(300, 60)
    inside = (one.wavelength >= 1.4) & (one.wavelength <= 1.6)
    hours = (one.tdb - one.tdb[0]) * 24
    flux = one.flux.copy()
    wave = np.sin(2 * np.pi * hours / 1.3)
    flux[:, inside] *= 1 + 0.01 * wave[:, None]
    found = read_series([product(tmp_path / "a.fits", replace(one, flux=flux))])[0]
    for low, high, true in ((1.4, 1.6, 0.01), (1.0, 1.3, 0.0), (1.7, 2.0, 0.0)):
        curve = light_curve(found, low, high)
        design = np.stack([np.ones_like(wave), wave])
        amplitude = np.linalg.lstsq(design.T, curve.flux, rcond=None)[0][1]
        error = np.median(curve.error) * np.sqrt(2 / len(wave))
        assert abs(amplitude - true) < 4 * error


def test_a_baseline_that_was_not_found_is_said():
    mask, remarks = baseline_mask(series(np.ones((2, 4))), SimpleNamespace(baseline="out_of_transit"))
    assert mask.all()
    assert remarks == ["NIS-order1: no transit was found, the baseline is all of it"]
    assert baseline_mask(series(np.ones((2, 4))), SimpleNamespace(baseline="all"))[1] == []
