from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats

from ephemera.xmm.bayes import log10_bayes_factors
from ephemera.xmm.feature_statistics import (
    Moments,
    chi2_probability,
    count_maxima_above,
    kolmogorov_smirnov,
    moments,
    poisson_uniform,
    reproducible_uniform,
)

samples = hnp.arrays(np.float64, st.integers(2, 60), elements=st.integers(0, 50).map(float))


@given(samples)
def test_moments_equal_the_textbook_ones(values):
    found = moments(values)
    assert (found.min, found.max, found.sum) == (values.min(), values.max(), values.sum())
    assert found.mean == pytest.approx(values.mean())
    assert found.std == pytest.approx(values.std(ddof=1))
    if np.ptp(values) > 0:
        assert found.skew == pytest.approx(stats.skew(values), abs=1e-9)
        assert found.kurt == pytest.approx(stats.kurtosis(values), abs=1e-9)


def test_a_constant_sample_has_no_skewness_and_no_kurtosis():
    # 0.1 summed a thousand times is not 100, and must not leave a spurious spread.
    assert moments(np.full(1000, 0.1)) == Moments(0.1, 0.1, 0.1, 0.0, pytest.approx(100), 0.0, 0.0)


def test_one_value_has_no_spread_and_none_has_nothing():
    one = moments(np.array([3.0]))
    assert (one.mean, one.skew) == (3.0, 0.0)
    assert math.isnan(one.std)
    none = moments(np.empty(0))
    assert none.sum == 0
    assert math.isnan(none.mean)


def splitmix64(text, size):
    """The generator of Steele, Lea and Flood (2014) in whole numbers, as numbers in [0, 1)."""
    state = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
    result = []
    for _ in range(size):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        z = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        z = (z ^ z >> 27) * 0x94D049BB133111EB % 2**64
        result.append(((z ^ z >> 31) >> 11) / 2**53)
    return result


def test_random_numbers_depend_on_name_and_frame_only():
    frame = np.arange(2000)
    v = reproducible_uniform("0724210501_0_5_2.0_12.0_x042y068", frame)
    assert np.array_equal(v[::-1], reproducible_uniform("0724210501_0_5_2.0_12.0_x042y068", frame[::-1]))
    assert not np.isclose(v, reproducible_uniform("0724210501_0_5_2.0_12.0_x042y069", frame)).any()
    assert v[:3].tolist() == splitmix64("0724210501_0_5_2.0_12.0_x042y068", 3)
    assert ((v >= 0) & (v < 1)).all()
    assert stats.kstest(v, "uniform").pvalue > 1e-3
    assert abs(np.corrcoef(v[:-1], v[1:])[0, 1]) < 0.1


@given(st.integers(0, 200), st.floats(1e-6, 150), st.floats(0, 0.999))
def test_uniform_transform_is_the_randomised_distribution_function(n, mu, v):
    peak, eclipse = (np.atleast_1d(b) for b in log10_bayes_factors(n, mu))
    expected = stats.poisson.cdf(n - 1, mu) + v * stats.poisson.pmf(n, mu)
    assert poisson_uniform(peak, eclipse, np.array([v]))[0] == pytest.approx(expected, abs=1e-12)


def test_poisson_counts_become_uniform_even_where_nearly_all_are_zero():
    rng = np.random.default_rng(11)
    for mu in (0.01, 0.5, 30.0):
        n = rng.poisson(mu, 4000)
        u = poisson_uniform(*log10_bayes_factors(n, np.full(4000, mu)), rng.random(4000))
        assert kolmogorov_smirnov(u)[1] > 1e-3
        wrong = poisson_uniform(*log10_bayes_factors(n, np.full(4000, 2 * mu)), rng.random(4000))
        assert kolmogorov_smirnov(wrong)[1] < (0.5 if mu == 0.01 else 1e-6)


def test_transform_stands_extreme_factors():
    u = poisson_uniform(np.array([0.0, 0.0, 11329.0]), np.array([868.0, 1e5, -3.0]), np.full(3, 0.5))
    assert u.tolist() == pytest.approx([0.0, 0.0, 1.0], abs=1e-300)


@pytest.mark.parametrize("size", [1, 2, 5, 40, 199, 201, 3000])
def test_kolmogorov_smirnov_agrees_with_the_exact_law(size):
    rng = np.random.default_rng(size)
    for power in (1.0, 1.0, 1.1, 1.6):
        u = rng.random(size) ** power
        distance, probability = kolmogorov_smirnov(u)
        exact = stats.kstest(u, "uniform")
        assert distance == pytest.approx(exact.statistic, rel=1e-12)
        assert probability == pytest.approx(exact.pvalue, rel=0.15 if size < 5 else 0.02, abs=1e-6)


def test_kolmogorov_smirnov_by_hand_and_without_a_sample():
    assert kolmogorov_smirnov(np.array([0.5])) == (0.5, 1.0)
    assert kolmogorov_smirnov(np.array([0.25, 0.75]))[0] == 0.25
    assert kolmogorov_smirnov(np.array([0.9]))[1] == pytest.approx(0.2)
    assert all(math.isnan(x) for x in kolmogorov_smirnov(np.empty(0)))


def test_chi_square_groups_frames_until_five_counts_are_expected():
    # mu 2 + 2 + 2 = 6, then 5, then 4 + 0.5 left over joins: groups (6, 5 + 4.5).
    mu = np.array([2, 2, 2, 5, 4, 0.5])
    n = np.array([1, 2, 3, 8, 4, 2.0])
    statistic = (6 - 6) ** 2 / 6 + (14 - 9.5) ** 2 / 9.5
    variance = 4 + 1 / 6 + 1 / 9.5
    expected = stats.gamma.sf(statistic, 4 / variance, scale=variance / 2)
    assert chi2_probability(n, mu) == pytest.approx(expected, rel=1e-12)


def test_chi_square_is_chi_square_for_many_counts():
    mu = np.full(50, 1e6)
    n = mu + 1000 * np.sin(np.arange(50))
    statistic = ((n - mu) ** 2 / mu).sum()
    assert chi2_probability(n, mu) == pytest.approx(stats.chi2.sf(statistic, 50), rel=1e-4)


def test_chi_square_probabilities_of_chance_are_evenly_spread():
    rng = np.random.default_rng(2)
    mu = rng.uniform(0.2, 3.0, 300)
    p = np.array([chi2_probability(rng.poisson(mu).astype(float), mu) for _ in range(400)])
    assert abs(np.mean(p < 0.1) - 0.1) < 0.05
    assert abs(np.median(p) - 0.5) < 0.1


def test_chi_square_needs_five_expected_counts():
    assert math.isnan(chi2_probability(np.array([9.0, 9.0]), np.array([2.0, 2.9])))
    assert chi2_probability(np.array([9.0, 9.0]), np.array([2.0, 3.0])) < 1e-4
    assert math.isnan(chi2_probability(np.empty(0), np.empty(0)))


@pytest.mark.parametrize(
    ("curve", "number"),
    [
        ([0, 7, 0], 1),
        ([0, 7, 7, 7, 0], 1),
        ([0, 7, 7, 8, 0], 1),
        ([0, 7, 1, 7, 0], 2),
        ([7, 0, 0, 7], 0),
        ([7, 7, 0, 8, 8], 0),
        ([0, 6.4, 0], 0),
        ([0, 7, 7], 0),
        ([9, 8, 9], 0),
        ([7, 7, 7], 0),
        ([9], 0),
        ([], 0),
    ],
)
def test_local_maxima_count_plateaus_once_and_ends_never(curve, number):
    assert count_maxima_above(np.array(curve, float), 6.4) == number
