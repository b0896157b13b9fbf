from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.confidence import poisson_range, wilson


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


def test_the_range_of_no_counts_ends_at_1_84():
    assert poisson_range(0) == pytest.approx((0.0, 1.8410), abs=1e-4)
    low, high = poisson_range(100)
    assert 89 < low < 91 < 110 < high < 112
