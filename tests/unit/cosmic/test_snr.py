"""Local SNR: unbiased on noise, equal to its plain definition, away from the path."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemera.cosmic.drift import drift_path
from ephemera.cosmic.snr import edge_columns, legacy_local_snr, local_snr, measure


def plain_snr(power, path):
    """The definition, written for reading."""
    near = {c + k for c in path for k in range(-2, 3)}
    free = [c for c in range(power.shape[1]) if c not in near]
    edges = free[:20] + free[-20:]
    sums = [sum(float(power[t, c]) for t in range(len(path))) for c in edges]
    signal = sum(float(power[t, c]) for t, c in enumerate(path))
    mean = sum(sums) / len(sums)
    std = math.sqrt(sum((s - mean) ** 2 for s in sums) / len(sums))
    return (signal - mean) / std


def plain_legacy(power, path):
    sums = [row[:20].sum() for row in power] + [row[-20:].sum() for row in power]
    signal = sum(power[t, c] for t, c in enumerate(path))
    return (signal - np.mean(sums)) / np.std(sums)


@settings(max_examples=40)
@given(
    seed=st.integers(0, 1000),
    n_time=st.sampled_from([2, 6, 16]),
    drift=st.integers(-20, 20),
    start=st.integers(22, 70),
)
def test_equals_the_plain_definition(seed, n_time, drift, start):
    power = np.random.default_rng(seed).gamma(2, 1, (n_time, 110))
    path = start + drift_path(drift, n_time)
    if path.min() < 0 or path.max() >= 110:
        return
    assert local_snr(power, path) == pytest.approx(plain_snr(power, path), rel=1e-9)
    assert legacy_local_snr(power, path) == pytest.approx(plain_legacy(power, path), rel=1e-9)


@pytest.mark.parametrize("n_time", [16, 64])
def test_noise_alone_gives_zero_and_the_legacy_number_does_not(n_time):
    rng = np.random.default_rng(3)
    path = 262 + drift_path(3, n_time)
    draws = [rng.gamma(50, 1, (n_time, 524)) for _ in range(300)]
    ours = np.array([local_snr(draw, path) for draw in draws])
    legacy = np.array([legacy_local_snr(draw, path) for draw in draws])
    assert abs(ours.mean()) < 0.25
    assert 0.9 < ours.std() < 1.3
    # The reference viewer's bias depends on the number of steps and of channels summed.
    assert legacy.mean() < -4 if n_time == 16 else legacy.mean() > 50


def test_edge_q_is_near_one_for_noise_and_large_for_a_line_in_the_edges():
    rng = np.random.default_rng(8)
    path = 150 + drift_path(5, 16)
    found = [float(measure(rng.gamma(50, 1, (16, 300)), path).edge_q) for _ in range(200)]
    assert 0.9 < np.median(found) < 1.1
    assert np.mean([0.73 < q < 1.26 for q in found]) > 0.95
    power = rng.gamma(50, 1, (16, 300))
    power[:, 7] += 60
    statistics = measure(power, path)
    assert statistics.edge_q > 1.5
    assert statistics.edge_asym > 0


@pytest.mark.parametrize(("start", "drift"), [(3, 0), (0, 0), (10, 25), (92, -10), (95, 0)])
def test_edges_keep_two_columns_away_from_the_path(start, drift):
    path = start + drift_path(drift, 16)
    edges = edge_columns(path, 96)
    assert edges.shape == (2, 20)
    assert np.unique(edges).size == 40
    distance = np.abs(edges.reshape(-1, 1) - path).min()
    assert distance > 2
    assert edges[0].max() < edges[1].min()


def test_edges_are_the_outermost_columns_where_the_path_is_far():
    left, right = edge_columns(np.full(16, 50), 100)
    assert left.tolist() == list(range(20))
    assert right.tolist() == list(range(80, 100))


def test_a_narrow_cut_out_has_no_local_snr():
    assert math.isnan(local_snr(np.ones((16, 44)), np.full(16, 20)))
    assert not math.isnan(local_snr(np.random.default_rng(1).random((16, 45)), np.full(16, 20)))


def test_a_path_that_leaves_never_wraps_to_the_other_side():
    rng = np.random.default_rng(2)
    power = rng.gamma(50, 1, (16, 100))
    path = 95 + drift_path(10, 16)
    inside = path < 100
    other = power.copy()
    other[~inside] = 1e9  # steps at which the path is outside do not enter
    assert local_snr(power, path) == local_snr(other, path)
    assert measure(power, path).power == pytest.approx(power[inside, path[inside]].sum())


def test_a_path_wholly_outside_has_no_snr():
    assert measure(np.ones((16, 100)), np.full(16, 200)) is None
    assert math.isnan(legacy_local_snr(np.ones((16, 100)), np.full(16, 200)))


def test_one_time_step_has_an_snr_and_no_edge_q():
    power = np.random.default_rng(4).gamma(2, 1, (1, 100))
    found = measure(power, np.array([50]))
    assert np.isfinite(found.snr)
    assert np.isnan(found.edge_q)


def test_constant_edges_have_no_snr():
    assert math.isnan(local_snr(np.ones((16, 100)), np.full(16, 50)))


def test_powers_of_many_antennas_at_once_equal_one_by_one():
    powers = np.random.default_rng(6).gamma(2, 1, (5, 16, 90))
    path = 40 + drift_path(7, 16)
    together = measure(powers, path)
    for number, power in enumerate(powers):
        assert together.snr[number] == pytest.approx(local_snr(power, path))
        assert together.snr_legacy[number] == pytest.approx(legacy_local_snr(power, path))


def test_a_path_of_another_length_is_refused():
    with pytest.raises(ValueError, match="15 steps, the power 16"):
        measure(np.ones((16, 100)), np.full(15, 50))
