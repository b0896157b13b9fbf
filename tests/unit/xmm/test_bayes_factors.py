from __future__ import annotations

import csv
import math
from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ephemera.xmm import bayes
from ephemera.xmm.bayes import (
    log10_bayes_eclipse,
    log10_bayes_factors,
    log10_bayes_peak,
    negative_log_pmf,
)

counts = st.integers(0, 250)
rates = st.floats(-12, math.log10(300)).map(lambda e: 10**e)

CHECK_VALUES = [
    (5, 0.1, 7.122610693684, -1.771913630132),
    (10, 1, 6.994057510416, -1.003872956650),
    (25, 10, 4.533582819355, -0.218920549798),
    (0, 20, 0.0, 8.685889637170),
    (3, 20, 0.066605424127, 5.560949510097),
    (0, 2000, 0.0, 868.588963806504),
    (1139, 1000, 5.940968916584, 0.834118468852),
    (870, 1000, 0.866266689331, 5.708917345972),
    (1, 1e-6, 6.000000434294, -6.301029850899),
    (400, 0.5, 989.4355596843, -2.903633866486),
    (5000, 10, 11329.969139158, -2.698187744176),
]


def exact_factors(n: int, mu: float) -> tuple[float, float]:
    """log10 of both factors from the finite sum of B_peak and the series of B_eclipse, 60 digits."""
    with localcontext() as context:
        context.prec, context.Emin, context.Emax = 60, -(10**6), 10**6
        rate = Decimal(mu)
        term = peak = Decimal(1)
        for k in range(n, 0, -1):
            term *= k / rate
            peak += term
        term = eclipse = rate / (n + 1)
        k = 1
        while term > eclipse * Decimal("1e-40"):
            k += 1
            term *= rate / (n + k)
            eclipse += term
        return float(peak.log10()), float(eclipse.log10())


@given(counts, rates)
@example(0, 1e-12)
@example(250, 1e-12)
@example(20, 21.0)
@example(0, 300.0)
def test_factors_equal_the_sums_they_are_defined_by(n, mu):
    peak, eclipse = log10_bayes_factors(n, mu)
    exact_peak, exact_eclipse = exact_factors(n, mu)
    assert abs(peak - exact_peak) <= 1e-12 * (1 + abs(exact_peak))
    assert abs(eclipse - exact_eclipse) <= 1e-12 * (1 + abs(exact_eclipse))


@pytest.mark.parametrize(("n", "mu", "peak", "eclipse"), CHECK_VALUES)
def test_values_known_to_twelve_decimals(n, mu, peak, eclipse):
    assert log10_bayes_peak(n, mu) == pytest.approx(peak, rel=1e-12, abs=6e-13)
    assert log10_bayes_eclipse(n, mu) == pytest.approx(eclipse, rel=1e-12, abs=6e-13)


def test_factors_agree_with_sixty_digits_up_to_a_million_counts_and_for_real_n(repository):
    path = repository / "tests" / "reference" / "bayes_factors" / "factors.csv"
    rows = list(csv.reader(path.read_text().splitlines()))[1:]
    n, mu, peak, eclipse = np.array(rows, np.float64).T
    assert len(n) > 200
    found_peak, found_eclipse = log10_bayes_factors(n, mu)
    assert np.all(np.abs(found_peak - peak) <= 1e-12 * (1 + np.abs(peak)))
    assert np.all(np.abs(found_eclipse - eclipse) <= 1e-12 * (1 + np.abs(eclipse)))


def test_no_infinity_or_nan_in_the_whole_domain():
    mu = np.geomspace(1e-12, 1e6, 181)
    n = np.concatenate([[0.0, 0.25], np.geomspace(1, 1e6, 121)])[:, None]
    peak, eclipse = log10_bayes_factors(n, mu)
    assert peak.shape == eclipse.shape == (123, 181)
    assert np.isfinite(peak).all()
    assert np.isfinite(eclipse).all()


def test_factors_are_monotone_in_counts_and_in_expectation():
    mu = np.geomspace(1e-6, 3000, 400)
    n = np.unique(np.geomspace(1, 3000, 120).astype(int))[:, None]
    peak, eclipse = log10_bayes_factors(n, mu)
    assert (np.diff(peak, axis=0) > 0).all()
    assert (np.diff(peak, axis=1) < 0).all()
    assert (np.diff(eclipse, axis=0) < 0).all()
    assert (np.diff(eclipse, axis=1) > 0).all()


@given(st.floats(1e-12, 1e6))
def test_no_counts_give_a_peak_factor_of_one_and_an_eclipse_factor_of_exp_mu_minus_one(mu):
    peak, eclipse = log10_bayes_factors(0, mu)
    assert peak == 0.0
    expected = math.log10(math.expm1(mu)) if mu < 600 else mu / math.log(10)
    assert eclipse == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(st.floats(0, 1e4), st.floats(1e-3, 1e4))
def test_the_factors_add_up_to_the_inverse_probability(n, mu):
    peak, eclipse = (b * math.log(10) for b in log10_bayes_factors(n, mu))
    w = float(negative_log_pmf(np.array([n]), np.array([mu]))[0])
    assert np.logaddexp(peak, eclipse) == pytest.approx(w, rel=1e-11, abs=1e-11)


def test_probability_of_many_counts_keeps_its_digits_where_large_terms_cancel():
    # -ln pmf(1e6; 1e6) = ln(2 pi n) / 2 + 1 / (12 n) - ..., a difference of terms near 1.3e7.
    value = negative_log_pmf(np.array([1e6]), np.array([1e6]))[0]
    assert value == pytest.approx(0.5 * math.log(2 * math.pi * 1e6) + 1 / 12e6, rel=1e-15)


@pytest.mark.parametrize("mu", [0.0, -1.0, math.nan, math.inf])
def test_an_expectation_that_is_not_a_positive_number_gives_nan(mu):
    assert np.isnan(log10_bayes_factors(3, mu)).all()


@pytest.mark.parametrize("n", [-1, math.nan, math.inf])
def test_counts_that_are_not_counts_give_nan(n):
    assert np.isnan(log10_bayes_factors(n, 3.0)).all()


def test_one_bad_value_leaves_its_neighbours_alone():
    peak = log10_bayes_peak([5, 5, 5], [0.1, math.nan, 0.1])
    assert np.isnan(peak).tolist() == [False, True, False]
    assert peak[0] == peak[2] == log10_bayes_peak(5, 0.1)


def test_values_far_outside_the_domain_stay_finite():
    assert log10_bayes_peak(3, 1e-300) == pytest.approx(900 + math.log10(6), rel=1e-12)
    assert log10_bayes_eclipse(3, 1e-300) == pytest.approx(-300 - math.log10(4), rel=1e-12)


def test_arguments_broadcast_and_empty_arrays_stay_empty():
    assert log10_bayes_peak(np.zeros((3, 1)), np.ones(4)).shape == (3, 4)
    assert log10_bayes_eclipse([], []).shape == (0,)
    assert log10_bayes_peak(np.int32(4), np.float32(0.5)).shape == ()
    counts_in = np.array([1, 2], np.int32)
    log10_bayes_peak(counts_in, 0.5)
    assert counts_in.tolist() == [1, 2]


def test_everything_promised_is_exported():
    assert all(hasattr(bayes, name) for name in bayes.__all__)
