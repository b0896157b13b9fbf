from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ephemera.xmm.bayes import (
    LARGEST_ECLIPSE_SIGMA,
    log10_bayes_eclipse,
    log10_bayes_peak,
    sigma_equivalent_eclipse,
    sigma_equivalent_peak,
    thresholds,
    two_poisson_counts,
)


@given(st.floats(1e-3, 300))
def test_sigma_of_the_factor_at_sigma_is_sigma_for_peaks(sigma):
    _, high = two_poisson_counts(1000, sigma)
    assert sigma_equivalent_peak(log10_bayes_peak(high, 1000)) == pytest.approx(sigma, rel=1e-8, abs=1e-8)


@given(st.floats(1e-3, math.sqrt(1000)))
@example(31.609375)  # where few counts are left the curve bends most
@example(math.sqrt(1000))
def test_sigma_of_the_factor_at_sigma_is_sigma_for_eclipses(sigma):
    low = np.maximum(two_poisson_counts(1000, sigma)[0], 0)
    assert sigma_equivalent_eclipse(log10_bayes_eclipse(low, 1000)) == pytest.approx(
        sigma, rel=1e-8, abs=1e-8
    )


@pytest.mark.parametrize(
    ("log10_b", "sigma"),
    [(5.940969, 3.00545), (13.278830, 5.01090), (7.122611, 3.41274), (20, 6.29050), (48.97681, 10.0)],
)
def test_known_equivalents_of_peaks(log10_b, sigma):
    assert sigma_equivalent_peak(log10_b) == pytest.approx(sigma, abs=6e-6)


@pytest.mark.parametrize(
    ("log10_b", "sigma"), [(5.708917, 3.00623), (12.380489, 5.01363), (8.685890, 4.02290), (20, 6.62022)]
)
def test_known_equivalents_of_eclipses(log10_b, sigma):
    assert sigma_equivalent_eclipse(log10_b) == pytest.approx(sigma, abs=6e-6)


@given(st.floats(0.01, 31))
def test_what_passes_at_sigma_is_worth_at_least_sigma(sigma):
    peak, eclipse = thresholds(sigma)
    assert sigma_equivalent_peak(peak) >= sigma - 1e-8
    assert sigma_equivalent_eclipse(eclipse) >= sigma - 1e-8


def test_small_factors_are_worth_nothing():
    assert sigma_equivalent_peak([-math.inf, -3, 0, 1.605339669]).max() < 1e-8
    assert sigma_equivalent_eclipse([-math.inf, -3, 0, 1.590729724]).max() < 1e-8
    assert sigma_equivalent_peak(1.60534) > 0
    assert sigma_equivalent_eclipse(1.59074) > 0


def test_equivalents_rise_strictly_and_without_steps():
    log10_b = np.concatenate([np.linspace(1.61, 430, 50_000), np.geomspace(431, 1e15, 5_000)])
    peak = sigma_equivalent_peak(log10_b)
    assert (np.diff(peak) > 0).all()
    assert np.diff(peak[:50_000]).max() < 0.03
    eclipse = sigma_equivalent_eclipse(log10_b[:50_000])
    assert (np.diff(eclipse) > 0).all()


def test_eclipses_end_where_no_count_is_left():
    assert sigma_equivalent_eclipse(434.2944819) == pytest.approx(LARGEST_ECLIPSE_SIGMA, rel=1e-9)
    assert sigma_equivalent_eclipse([868.6, 1e300, math.inf]).tolist() == [LARGEST_ECLIPSE_SIGMA] * 3


def test_peaks_have_no_ceiling():
    brightest = log10_bayes_peak(1e6, 1e-12)
    assert sigma_equivalent_peak(brightest) > 1000
    assert sigma_equivalent_peak(1e300) > sigma_equivalent_peak(1e200) > sigma_equivalent_peak(1e15)
    assert sigma_equivalent_peak(math.inf) == math.inf


def test_missing_factors_stay_missing_and_shapes_are_kept():
    assert np.isnan(sigma_equivalent_peak([[math.nan, 7.0]])).tolist() == [[True, False]]
    assert np.isnan(sigma_equivalent_eclipse(math.nan))
    assert sigma_equivalent_peak(np.zeros((0, 2))).shape == (0, 2)
