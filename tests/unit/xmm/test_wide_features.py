"""Wide features: known values for known curves, and nothing but numbers for hostile ones."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemera.xmm.wide_columns import WIDE_NAMES
from ephemera.xmm.wide_statistics import Curve, wide_features


def curve(n, mu=2.0, bti=()):
    n = np.asarray(n, float)
    return Curve(
        n, np.broadcast_to(np.asarray(mu, float), n.shape).copy(), np.full(len(n), 50.0),
        np.isin(np.arange(len(n)), bti), "a",
    )  # fmt: skip


def quiet(size=2000, mu=3.0, seed=0):
    return np.random.default_rng(seed).poisson(mu, size)


def test_every_declared_feature_is_made_and_no_other():
    assert set(wide_features(curve(quiet()))) == set(WIDE_NAMES)
    assert len(WIDE_NAMES) == len(set(WIDE_NAMES)) >= 60


def test_a_curve_that_follows_its_expectation_has_the_values_of_chance():
    f = wide_features(curve(quiet(), 3.0))
    assert f["r_mean"] == pytest.approx(0, abs=0.08)
    assert f["r_std"] == pytest.approx(1, abs=0.08)
    assert f["eta"] == pytest.approx(2, abs=0.15)
    assert f["fano"] == pytest.approx(1, abs=0.12)
    assert abs(f["excess_variance"]) < 4 * f["excess_variance_err"]
    assert abs(f["runs_z"]) < 4
    assert abs(f["slope_sigma"]) < 4
    assert f["anderson_darling"] < 5
    assert f["power_log10_chance"] > -3
    assert f["correlation_length"] == 1
    assert abs(f["zero_excess"]) < 4


def test_moments_and_shares_by_hand():
    f = wide_features(curve([2, 2, 2, 6, 2, 2, 2, 2], 2.0))
    assert f["peak_r"] == pytest.approx(4 / math.sqrt(2))
    assert f["r_mean"] == pytest.approx(4 / math.sqrt(2) / 8)
    assert f["peak_place"] == pytest.approx(3 / 7)
    assert f["largest_share"] == 1
    assert f["half_share"] == 1 / 8
    assert f["second_to_first"] == 0
    assert f["gini"] == pytest.approx(7 / 8)
    assert f["entropy"] == 0
    assert f["beyond_2"] == 1 / 8
    assert f["longest_above"] == 1
    assert f["longest_below"] == 4
    assert f["best_window"] == 1  # 8 counts in 2 frames where 4 are expected are 0 sigma
    assert f["sigma_peak_2"] == 0


def test_a_long_faint_burst_is_found_in_a_long_window():
    n = quiet(400, 2.0, 3)
    n[200:232] += 2
    f = wide_features(curve(n, 2.0))
    assert f["sigma_peak_32"] > f["sigma_peak_2"] + 1
    assert f["best_window"] >= 16
    assert f["cusum_range"] > 2


def test_period_trend_and_order_are_seen():
    t = np.arange(1024)
    n = np.random.default_rng(2).poisson(6 * (1 + 0.7 * np.sin(2 * np.pi * t / 32)))
    f = wide_features(curve(n, 6.0))
    assert f["power_period"] == pytest.approx(32)
    assert f["power_log10_chance"] < -20
    assert f["eta"] < 1
    assert f["autocorrelation_1"] > 0.4
    rising = np.random.default_rng(2).poisson(2 + 4 * t / 1024)
    assert wide_features(curve(rising, 4.0))["slope_sigma"] > 8
    assert wide_features(curve(rising[::-1], 4.0))["halves_sigma"] < -8


def test_bad_time_and_edges_are_told_apart():
    n = quiet(500, 3.0, 5)
    n[100:150] += 4
    f = wide_features(curve(n, 3.0, bti=range(100, 150)))
    assert f["r_bti_difference"] > 1.5
    n = quiet(500, 3.0, 5)
    n[:10] += 5
    assert wide_features(curve(n, 3.0))["r_edge_difference"] > 1
    assert wide_features(curve(n, 3.0))["peak_place"] < 0.03


def test_time_reversed_the_shape_is_mirrored():
    n = quiet(300, 3.0, 7)
    n[50:58] += [20, 16, 12, 9, 7, 5, 3, 2]
    forward, backward = wide_features(curve(n, 3.0)), wide_features(curve(n[::-1], 3.0))
    assert forward["peak_asymmetry"] > 0.5
    assert backward["peak_asymmetry"] == pytest.approx(-forward["peak_asymmetry"])
    for same in ("eta", "r_std", "gini", "cusum_range", "power_max", "sigma_peak_8", "structure_4"):
        assert backward[same] == pytest.approx(forward[same]), same


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=60),
    st.sampled_from([0.0, 1e-9, 1e-3, 1.0, 500.0]),
)
def test_no_curve_breaks_it_and_infinity_is_no_value(n, mu):
    found = wide_features(curve(n, mu))
    assert found == {} or set(found) == set(WIDE_NAMES)
    assert not any(math.isinf(value) for value in found.values())


def test_values_depend_on_the_detection_only_through_its_curve_and_name():
    one = curve(quiet(100))
    assert wide_features(one) == wide_features(replace(one))
    other = wide_features(replace(one, detid="b"))
    assert {k for k, v in wide_features(one).items() if v != other[k]} == {"anderson_darling"}
