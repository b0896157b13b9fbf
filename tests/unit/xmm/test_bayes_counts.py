from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ephemera.xmm.bayes import eclipse_counts, peak_counts

P = (0.01, 0.5, 0.99)
probabilities = st.floats(0.001, 0.999)


@pytest.mark.parametrize(
    ("n", "mu", "quantiles"), [(10, 1, (3.7712, 9.6685, 19.1447)), (5, 0.1, (1.6853, 5.5702, 13.0085))]
)
def test_known_excesses_of_peaks(n, mu, quantiles):
    np.testing.assert_allclose(peak_counts(P, n, mu), quantiles, atol=6e-5)


@pytest.mark.parametrize(
    ("n", "mu", "quantiles"), [(0, 20, (15.3948, 19.3069, 19.9899)), (60, 100, (19.379, 39.3331, 55.688))]
)
def test_known_depths_of_eclipses(n, mu, quantiles):
    np.testing.assert_allclose(eclipse_counts(P, n, mu), quantiles, atol=6e-5)


@given(probabilities, st.integers(0, 500), st.floats(0.01, 400))
def test_quantiles_hold_their_share_of_the_posterior(p, n, mu):
    posterior = stats.gamma(n + 1)
    above, below = posterior.sf(mu), posterior.cdf(mu)
    if above > 1e-250:
        share = 1 - posterior.sf(mu + peak_counts(p, n, mu)) / above
        assert share == pytest.approx(p, abs=1e-6)
    if below > 1e-250:
        share = 1 - posterior.cdf(mu - eclipse_counts(p, n, mu)) / below
        assert share == pytest.approx(p, abs=1e-6)


@given(probabilities, st.floats(700, 1e5))
def test_excess_over_a_rate_that_excludes_it_is_exponential(p, mu):
    # n = 0: the posterior is exp(-x), and what is beyond mu has no memory; exp(-mu) underflows.
    assert peak_counts(p, 0, mu) == pytest.approx(-math.log1p(-p), rel=1e-4)


@given(probabilities, st.integers(300, 100_000), st.floats(1e-12, 0.1))
def test_depth_below_a_rate_that_excludes_it_follows_the_power_law(p, n, mu):
    # Far below n the posterior is x^n, so P(x) = (x / mu)^(n + 1); P itself underflows.
    expected = -mu * math.expm1(math.log1p(-p) / (n + 1))
    assert eclipse_counts(p, n, mu) == pytest.approx(expected, rel=1e-3, abs=1e-15 * mu)


@pytest.mark.parametrize(("n", "mu"), [(100, 2000.0), (1000, 4000.0), (0, 1e6)])
def test_quantiles_far_in_the_upper_tail_match_direct_integration(n, mu):
    slope = 1 - n / mu
    median = peak_counts(0.5, n, mu)
    # Between the exponential of slope 1 - n / mu at mu and the one of slope 1.
    assert math.log(2) * (1 - 1e-9) <= median <= math.log(2) / slope * (1 + 1e-9)
    grid = np.linspace(0, 60 / slope, 400_001)
    weight = np.exp(n * np.log1p(grid / mu) - grid)
    cumulative = np.cumsum(weight) / weight.sum()
    assert median == pytest.approx(np.interp(0.5, cumulative, grid), rel=1e-3)


def test_counts_rise_with_probability_and_are_never_negative():
    p = np.linspace(0.001, 0.999, 200)[:, None]
    n, mu = np.array([0, 3, 40, 2000]), np.array([25.0, 3.0, 0.2, 2000.0])
    for counts in (peak_counts(p, n, mu), eclipse_counts(p, n, mu)):
        assert counts.shape == (200, 4)
        assert (counts >= 0).all()
        assert (np.diff(counts, axis=0) > 0).all()
    assert (eclipse_counts(p, n, mu) <= mu).all()


def test_a_strong_peak_has_its_counts_minus_the_expectation():
    low, median, high = peak_counts([0.1587, 0.5, 0.8413], 10_000, 100.0)
    assert median == pytest.approx(10_000.67 - 100, abs=0.01)
    assert high - low == pytest.approx(2 * 100, rel=0.01)


@pytest.mark.parametrize("p", [0.0, 1.0, -0.1, math.nan])
def test_probabilities_lie_between_zero_and_one(p):
    with pytest.raises(ValueError, match="p must lie between 0 and 1"):
        peak_counts(p, 3, 1.0)
    with pytest.raises(ValueError, match="p must lie between 0 and 1"):
        eclipse_counts([0.5, p], 3, 1.0)


def test_invalid_cells_are_nan_and_leave_others_alone():
    counts = peak_counts(0.5, [10, -1, 10, 10], [1.0, 1.0, 0.0, math.nan])
    assert np.isnan(counts).tolist() == [False, True, True, True]
    assert counts[0] == pytest.approx(9.6685, abs=1e-4)
    assert eclipse_counts(0.5, [], []).shape == (0,)
