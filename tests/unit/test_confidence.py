from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from ephemera.confidence import ONE_SIGMA, poisson_errors, poisson_range, wilson


@given(st.integers(0, 1000), st.integers(1, 1000))
def test_a_wilson_interval_holds_the_share_and_stays_between_0_and_1(k, n):
    k = min(k, n)
    low, high = wilson(k, n)
    assert 0 <= low <= k / n <= high <= 1


def test_wilson_by_hand_and_its_ends():
    assert wilson(1, 2) == pytest.approx((0.5 - 0.5 / np.sqrt(3), 0.5 + 0.5 / np.sqrt(3)))
    assert wilson(0, 4)[0] == 0
    assert wilson(4, 4)[1] == 1
    assert np.isnan(wilson(0, 0)).all()
    with pytest.raises(ValueError, match=r"k must be in 0\.\.n, got 3 of 2"):
        wilson(3, 2)


def test_error_bars_of_few_counts():
    """Garwood intervals: 0 to 1.841 for no count, 0.173 to 3.300 for one (Gehrels 1986, tables 1 and 2)."""
    low, high = poisson_errors([0, 1, 10])
    np.testing.assert_allclose(low, [0, 1 - 0.173, 10 - 6.891], atol=5e-4)
    assert poisson_range(10) == pytest.approx((10 - low[2], 10 + high[2]))
    np.testing.assert_allclose(high, [1.841, 3.300 - 1, 14.267 - 10], atol=5e-4)


@given(st.integers(1, 5000))
def test_error_bars_end_where_the_tails_hold_sixteen_percent(n):
    low, high = poisson_errors(n)
    assert poisson.sf(n - 1, n - low) == pytest.approx((1 - ONE_SIGMA) / 2, rel=1e-6)
    assert poisson.cdf(n, n + high) == pytest.approx((1 - ONE_SIGMA) / 2, rel=1e-6)
