from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ephemera.xmm.bayes import (
    ANCHOR_MU,
    NO_ECLIPSE,
    NO_PEAK,
    Limits,
    eclipse_limit,
    expected_false_alarms,
    limits,
    log10_bayes_eclipse,
    log10_bayes_peak,
    peak_limit,
    thresholds,
    two_poisson_counts,
)
from ephemera.xmm.bayes_limits import LARGEST_TABULATED

N = [0, 1, 2, 3, 4, 5, 6, 8, 10, 20, 50, 100]
MU_PEAK = {
    3: [0, 1.1455962e-6, 0.0015148146, 0.019135106, 0.073759665, 0.17491848, 0.32318681, 0.74757051,
        1.3152210, 5.5232311, 23.903898, 60.956871],
    5: [0, 5.2622e-14, 3.2441426e-7, 6.8095255e-5, 0.0010603772, 0.0057619658, 0.018382912, 0.083244463,
        0.21754092, 1.9885958, 13.980289, 43.03301],
}  # fmt: skip
MU_ECLIPSE = {
    3: [13.145270, 15.912367, 18.261739, 20.400135, 22.404212, 24.312792, 26.148851, 29.658716, 33.008513,
        48.399405, 89.226294, 151.39538],
    5: [28.507128, 31.971988, 34.920107, 37.596067, 40.093979, 42.462776, 44.732014, 49.044321, 53.130164,
        71.590860, 118.97505, 188.87775],
}  # fmt: skip
MU = [1e-6, 1e-4, 1e-3, 0.01, 0.1, 0.3, 1, 3, 10, 20, 30, 100, 300, 1000, 3000, 10000]
N_PEAK = {
    3: [1, 2, 2, 3, 5, 6, 9, 15, 29, 45, 59, 149, 380, 1139, 3232, 10407],
    5: [3, 4, 4, 6, 9, 11, 16, 24, 42, 62, 79, 183, 435, 1237, 3401, 10716],
}
N_ECLIPSE = {
    3: [-1, -1, -1, -1, -1, -1, -1, -1, -1, 2, 8, 58, 227, 870, 2780, 9611],
    5: [-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 37, 186, 788, 2631, 9329],
}


@pytest.mark.parametrize(
    ("sigma", "high", "peak", "low", "eclipse"),
    [
        (3, 1139, 5.940968916584, 870, 5.708917345972),
        (4, 1188, 9.17109750563, 828, 8.68591855193),
        (5, 1237, 13.2788302714, 788, 12.3804885161),
        (6, 1287, 18.3389808879, 749, 16.8311755770),
    ],
)
def test_thresholds_are_the_factors_of_the_anchor_counts(sigma, high, peak, low, eclipse):
    n_low, n_high = two_poisson_counts(1000, sigma)
    assert (math.floor(n_low), math.ceil(n_high)) == (low, high)
    assert thresholds(sigma) == pytest.approx((peak, eclipse), rel=3e-12)


@given(st.floats(0.01, 1e4), st.floats(0.01, 30))
def test_the_two_poisson_counts_solve_their_equation(mu, sigma):
    for n in two_poisson_counts(mu, sigma):
        assert (n - mu) ** 2 == pytest.approx(sigma**2 * (n + mu), rel=1e-6, abs=1e-6 * sigma**2)


def test_whole_roots_are_not_pushed_to_the_next_count():
    # (1025 - 1000) / sqrt(2025) = 25 / 45 exactly; and n- reaches 0 at sqrt(1000).
    assert thresholds(25 / 45)[0] == log10_bayes_peak(1025, 1000)
    assert thresholds(math.sqrt(1000))[1] == log10_bayes_eclipse(0, 1000)


def test_beyond_the_reach_of_eclipses_their_threshold_is_infinite():
    assert thresholds(31.7)[1] == math.inf
    assert not Limits(31.7).is_eclipse(0, 1e6)
    assert eclipse_limit(1e6, 31.7) == NO_ECLIPSE


@pytest.mark.parametrize("sigma", [0, -3, math.nan, math.inf])
def test_sigma_must_be_positive(sigma):
    with pytest.raises(ValueError, match="sigma must be a positive finite number"):
        thresholds(sigma)


@pytest.mark.parametrize("sigma", [3, 5])
def test_known_limits_on_mu(sigma):
    table = limits(sigma)
    np.testing.assert_allclose(table.mu_peak[N], MU_PEAK[sigma], rtol=2e-5 if sigma == 5 else 5e-8)
    np.testing.assert_allclose(table.mu_peak[N[2:]], MU_PEAK[sigma][2:], rtol=1e-7)
    np.testing.assert_allclose(table.mu_eclipse[N], MU_ECLIPSE[sigma], rtol=5e-8)


@pytest.mark.parametrize("sigma", [3, 5])
def test_known_limits_on_n(sigma):
    assert peak_limit(MU, sigma).tolist() == N_PEAK[sigma]
    assert eclipse_limit(MU, sigma).tolist() == N_ECLIPSE[sigma]


def test_known_eclipses_at_the_edge():
    assert eclipse_limit(13.15, 3) == 0
    assert eclipse_limit(13.14, 3) == NO_ECLIPSE
    assert eclipse_limit(28.51, 3) == 7
    assert eclipse_limit(28.51, 5) == 0
    assert limits(3).is_eclipse(0, 13.15)


@pytest.mark.parametrize("sigma", [0.001, 1.0, 3.0, 5.0, 20.0])
def test_each_limit_is_the_last_double_that_passes(sigma):
    table = Limits(sigma)
    n = np.flatnonzero(table.mu_peak > 0)
    mu = table.mu_peak[n]
    plain = mu != ANCHOR_MU
    assert (log10_bayes_peak(n, mu) >= table.peak_threshold).all()
    after = np.nextafter(mu, np.inf)[plain]
    assert (log10_bayes_peak(n[plain], after) < table.peak_threshold).all()
    n = np.arange(len(table.mu_eclipse))
    mu = table.mu_eclipse
    plain = mu != ANCHOR_MU
    assert (log10_bayes_eclipse(n, mu) >= table.eclipse_threshold).all()
    before = np.nextafter(mu, 0.0)[plain]
    assert (log10_bayes_eclipse(n[plain], before) < table.eclipse_threshold).all()


@given(st.sampled_from([1.0, 3.0, 5.0]), st.integers(0, 3000), st.floats(-13, 3.7))
def test_tables_and_factors_decide_alike(sigma, n, exponent):
    mu = 10**exponent
    table = limits(sigma)
    assert table.is_peak(n, mu) == (log10_bayes_peak(n, mu) >= table.peak_threshold)
    assert table.is_eclipse(n, mu) == (log10_bayes_eclipse(n, mu) >= table.eclipse_threshold)


@given(st.sampled_from([1.0, 3.0, 5.0]), st.floats(-13, 3.7))
def test_limits_on_n_are_the_first_peak_and_the_last_eclipse(sigma, exponent):
    mu = 10**exponent
    table = limits(sigma)
    first, last = int(table.peak_limit(mu)), int(table.eclipse_limit(mu))
    assert table.is_peak(first, mu)
    assert not table.is_peak(first - 1, mu)
    assert not table.is_eclipse(last + 1, mu)
    assert last == NO_ECLIPSE or table.is_eclipse(last, mu)


@pytest.mark.parametrize("sigma", [3, 4, 5, 25 / 45, 6])
def test_a_cell_exactly_at_the_threshold_is_a_detection(sigma):
    low, high = two_poisson_counts(1000, sigma)
    n_low, n_high = math.floor(low + 1e-9), math.ceil(high - 1e-9)
    table = Limits(sigma)
    assert table.is_peak(n_high, 1000.0)
    assert not table.is_peak(n_high - 1, 1000.0)
    assert table.is_eclipse(n_low, 1000.0)
    assert not table.is_eclipse(n_low + 1, 1000.0)


def test_tables_grow_on_demand_and_keep_what_they_had():
    table = Limits(3)
    size, before = len(table.mu_peak), table.mu_peak.copy()
    assert table.is_peak(size + 500, 0.5 * size)
    assert len(table.mu_peak) == len(table.mu_eclipse) > size + 500
    assert np.array_equal(table.mu_peak[:size], before)
    assert (np.diff(table.mu_peak[1:]) > 0).all()
    assert (np.diff(table.mu_eclipse) > 0).all()


def test_counts_beyond_any_table_are_compared_directly():
    table = Limits(3)
    n = np.array([3, LARGEST_TABULATED + 10, 2_000_000])
    mu = np.array([0.1, LARGEST_TABULATED + 10, 1_000_000.0])
    assert table.is_peak(n, mu).tolist() == [False, False, True]
    assert table.is_eclipse(n, 2 * mu + 1e5).tolist() == [True, True, True]
    assert len(table.mu_peak) == LARGEST_TABULATED + 1
    for expected in (1e5, 1e6):
        first, last = int(table.peak_limit(expected)), int(table.eclipse_limit(expected))
        at_peak = log10_bayes_peak([first - 1, first], expected) >= table.peak_threshold
        at_eclipse = log10_bayes_eclipse([last, last + 1], expected) >= table.eclipse_threshold
        assert (at_peak.tolist(), at_eclipse.tolist()) == ([False, True], [True, False])


def test_nothing_expected_means_nothing_found():
    table = limits(3)
    mu = [0.0, -1.0, math.nan, math.inf]
    assert not table.is_peak([9, 9, 9, 9], mu).any()
    assert not table.is_eclipse([0, 0, 0, 0], mu).any()
    assert peak_limit(mu, 3).tolist() == [NO_PEAK] * 4
    assert eclipse_limit(mu, 3).tolist() == [NO_ECLIPSE] * 4


def test_counts_must_be_whole_and_not_negative():
    with pytest.raises(ValueError, match="n must be whole counts in an integer dtype, got float64"):
        limits(3).is_peak([1.5], [1.0])
    with pytest.raises(ValueError, match="n must be >= 0, got -1"):
        limits(3).is_eclipse(np.array([-1], np.int32), [20.0])


def test_arrays_of_any_shape_and_empty_ones():
    table = limits(3)
    assert table.is_peak(np.arange(6).reshape(2, 3), 0.05).tolist() == [[False] * 3, [False, True, True]]
    assert table.is_peak(np.zeros(0, np.int32), np.zeros(0)).shape == (0,)
    assert table.peak_limit(np.zeros((0, 2))).shape == (0, 2)


def test_limits_are_built_once_per_sigma():
    assert limits(4.5) is limits(4.5)


@pytest.mark.parametrize(
    ("mu", "probability"),
    [(1e-3, 5.0e-7), (0.01, 1.65e-7), (0.1, 7.7e-8), (1, 1.1e-6), (10, 7.6e-7), (100, 2.9e-6)],
)
def test_chance_of_a_peak_at_three_sigma(mu, probability):
    upper = stats.poisson.sf(peak_limit(mu, 3) - 1, mu)
    lower = stats.poisson.cdf(eclipse_limit(mu, 3), mu)
    assert upper == pytest.approx(probability, rel=0.05)
    assert expected_false_alarms([mu], [1e7], 3) == pytest.approx(1e7 * (upper + lower), rel=1e-9)


def test_false_alarms_need_n_min_counts_and_add_up():
    one_count_is_a_peak = [1e-7, 1e-7]
    alone = expected_false_alarms(one_count_is_a_peak, [1e9, 1e9], 3, n_min=1)
    assert alone == pytest.approx(2e9 * -math.expm1(-1e-7), rel=1e-9)
    assert expected_false_alarms(one_count_is_a_peak, [1e9, 1e9], 3) == pytest.approx(
        2e9 * 1e-14 / 2, rel=1e-6
    )


def test_false_alarms_agree_with_a_simulation():
    rng = np.random.default_rng(3)
    mu = np.array([0.5, 5.0, 40.0])
    draws = rng.poisson(mu, (200_000, 3))
    table = limits(1.0)
    found = np.count_nonzero(table.is_peak(draws, mu) & (draws >= 2)) + np.count_nonzero(
        table.is_eclipse(draws, mu)
    )
    expected = expected_false_alarms(mu, [200_000] * 3, 1.0)
    assert abs(found - expected) < 5 * math.sqrt(expected)


def test_cells_without_expectation_raise_no_false_alarm():
    assert expected_false_alarms([math.nan, 0.0, -1.0], [1.0, 1.0, 1.0], 3) == 0.0
    assert expected_false_alarms([], [], 3) == 0.0
    with pytest.raises(ValueError, match=r"weights must have the shape of values_mu, \(2,\), got \(1,\)"):
        expected_false_alarms([1.0, 2.0], [1.0], 3)
