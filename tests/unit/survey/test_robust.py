import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ephemera.survey.robust import robust_mean_rms


def reference(values, good=None):
    """The rule word for word."""
    v = [x for k, x in enumerate(values) if np.isfinite(x) and (good is None or good[k])]
    if not v:
        return np.nan, np.nan
    centre, scatter = np.median(v), np.std(v)
    if len(v) < 5:
        return centre, scatter
    for _ in range(3):
        kept = [x for x in v if not (scatter > 0 and abs(x - centre) > 3 * scatter)]
        if len(kept) == len(v) or len(kept) < 5:
            break
        v = kept
        centre, scatter = np.mean(v), np.std(v)
    return centre, scatter


@given(arrays(float, st.integers(0, 40), elements=st.floats(-1e3, 1e3) | st.just(np.nan)))
def test_equals_the_rule_written_out(values):
    assert robust_mean_rms(values) == pytest.approx(reference(values), nan_ok=True, abs=1e-9)


@given(st.permutations(range(12)))
def test_order_does_not_matter(order):
    values = np.array([1, 2, 3, 2, 1, 2, 3, 2, 1, 2, 3, 90.0])
    assert robust_mean_rms(values[list(order)]) == pytest.approx(robust_mean_rms(values))


def test_an_outlier_is_left_out():
    mean, rms = robust_mean_rms([10.0] * 20 + [11.0] * 20 + [1000.0])
    assert mean == pytest.approx(10.5)
    assert rms == pytest.approx(0.5)


def test_fewer_than_five_values_are_not_clipped():
    assert robust_mean_rms([1.0, 2.0, 100.0]) == pytest.approx((2.0, np.std([1, 2, 100])))


def test_no_values_give_nan_and_constants_no_scatter():
    assert all(np.isnan(robust_mean_rms([])))
    assert all(np.isnan(robust_mean_rms([np.nan, np.inf])))
    assert robust_mean_rms([7.0] * 9) == (7.0, 0.0)


def test_only_good_values_count():
    assert robust_mean_rms([1.0, 1.0, 50.0], good=[True, True, False]) == (1.0, 0.0)


def test_three_rounds_are_enough():
    # Each round uncovers the next outlier; the fourth stays.
    values = np.concatenate([np.tile([-1.0, 1.0], 500), [10.0, 40.0, 200.0, 1e4, 1e6]])
    assert robust_mean_rms(values) == pytest.approx(reference(values))
