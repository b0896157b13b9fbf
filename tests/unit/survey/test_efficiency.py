import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.confidence import poisson_range, wilson
from ephemera.seeds import generator
from ephemera.survey.efficiency import efficiency, poisson_limit, rate_of


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [(95, 100, 0.9234, 0.9677), (37, 50, 0.6737, 0.7969), (0, 20, 0, 0.0476), (20, 20, 0.9524, 1)],
)
def test_wilson_intervals_of_the_specification(k, n, low, high):
    assert wilson(k, n) == pytest.approx((low, high), abs=5e-5)


@given(st.integers(1, 500), st.data())
def test_intervals_hold_the_efficiency_and_mirror(n, data):
    k = data.draw(st.integers(0, n))
    low, high = wilson(k, n)
    assert 0 <= low <= k / n + 1e-12
    assert k / n - 1e-12 <= high <= 1
    assert wilson(n - k, n) == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_no_injections_no_efficiency():
    assert math.isnan(efficiency(0, 0))
    assert all(math.isnan(v) for v in wilson(0, 0))
    with pytest.raises(ValueError, match=r"0\.\.n"):
        wilson(3, 2)


def test_poisson_ranges_of_the_specification():
    assert poisson_range(3) == pytest.approx((1.367, 5.918), abs=5e-4)
    assert poisson_range(0)[0] == 0
    assert poisson_limit(0) == pytest.approx(2.9957, abs=5e-5)


def test_rate_by_hand():
    rate = rate_of(3, [10.0, 20.0], [5, 10], [10, 10])
    assert rate.effective_exposure == pytest.approx(25.0)
    assert (rate.rate, rate.low, rate.high) == pytest.approx((3 / 25, 1.367 / 25, 5.918 / 25), abs=1e-4)


def test_bins_without_injections_are_left_out_and_told():
    rate = rate_of(0, [10.0, 30.0], [10, 0], [10, 0])
    assert rate.effective_exposure == pytest.approx(10.0)
    assert rate.without_injections == pytest.approx(30.0)
    assert math.isnan(rate_of(0, [10.0], [0], [0]).limit)


def test_errors_of_efficiencies_widen_the_range_and_repeat():
    plain = rate_of(9, [10.0], [5], [10])
    wide = rate_of(9, [10.0], [5], [10], generator(1, "rates"))
    assert wide.rate == plain.rate
    assert wide.low < plain.low
    assert wide.high > plain.high
    assert wide == rate_of(9, [10.0], [5], [10], generator(1, "rates"))
    sure = rate_of(9, [10.0], [5_000_000], [10_000_000], generator(1, "rates"))
    assert np.isclose(sure.high, plain.high, rtol=1e-3)
