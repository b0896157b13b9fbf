"""Binning and smoothing: constants stay constant, masks stay masked, visits stay apart."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.jwst.smooth import (
    bin_edges,
    bin_time,
    bin_wavelength,
    bridge_gaps,
    edges_by_count,
    edges_by_resolution,
    sample,
    smooth,
)


def test_a_constant_with_one_nan_stays_constant_everywhere_but_there():
    matrix = np.full((50, 60), 7.0, np.float32)
    matrix[20, 30] = np.nan
    found = smooth(matrix, np.isfinite(matrix), 2, 2, [(0, 60)])
    assert np.isnan(found).sum() == 1
    assert np.nanmax(np.abs(found - 7)) < 1e-5


@pytest.mark.parametrize(("sigmas", "factor"), [((2, 0), 0.3756), ((0, 2), 0.3756), ((2, 2), 0.141)])
def test_white_noise_shrinks(sigmas, factor):
    noise = np.random.default_rng(2).standard_normal((400, 500))
    found = smooth(noise, np.ones(noise.shape, bool), *sigmas, [(0, 500)])
    assert found[20:-20, 20:-20].std() == pytest.approx(factor, rel=0.02)


def test_smoothing_does_not_cross_visits():
    matrix = np.concatenate([np.zeros((3, 20)), np.ones((3, 20))], axis=1)
    found = smooth(matrix, np.ones(matrix.shape, bool), 2, 0, [(0, 20), (20, 40)])
    assert found == pytest.approx(matrix, abs=1e-6)


def test_no_smoothing_changes_nothing():
    matrix = np.random.default_rng(1).random((4, 5)).astype(np.float32)
    np.testing.assert_array_equal(smooth(matrix, np.ones((4, 5), bool), 0, 0, [(0, 5)]), matrix)


def test_kernel_is_cut_at_four_sigma():
    matrix = np.zeros((1, 41), np.float32)
    matrix[0, 20] = 1
    found = smooth(matrix, np.ones((1, 41), bool), 2, 0, [(0, 41)])
    assert np.flatnonzero(found[0]).tolist() == list(range(12, 29))


def test_a_short_tail_joins_the_bin_before():
    assert bin_edges([(0, 10)], 4) == [[0, 4, 8, 10]]
    assert bin_edges([(0, 9)], 4) == [[0, 4, 9]]
    assert bin_edges([(0, 3), (3, 10)], 5) == [[0, 3], [3, 8, 10]] or bin_edges([(0, 3), (3, 10)], 5) == [
        [0, 3],
        [3, 10],
    ]


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=4),
    st.integers(1, 12),
    st.sampled_from(["mean", "median"]),
)
def test_bins_against_a_plain_twin(lengths, k, statistic):
    bounds = np.cumsum([0, *lengths])
    ranges = list(zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True))
    n = int(bounds[-1])
    draw = np.random.default_rng(n + k)
    matrix = draw.standard_normal((3, n)).astype(np.float32)
    good = draw.random((3, n)) < 0.7
    error = np.full((3, n), 0.5, np.float32)
    found = bin_time(matrix, error, good, np.arange(n, dtype=float), k, ranges, statistic)
    edges = [pair for group in bin_edges(ranges, k) for pair in itertools.pairwise(group)]
    assert len(edges) == found.values.shape[1]
    assert found.count.sum() == n
    for b, (start, stop) in enumerate(edges):
        assert any(first <= start < stop <= last for first, last in ranges), "bins never cross visits"
        for c in range(3):
            members = matrix[c, start:stop][good[c, start:stop]].astype(float)
            if len(members) < 0.5 * (stop - start):
                assert np.isnan(found.values[c, b])
                continue
            expected = members.mean() if statistic == "mean" else np.median(members)
            assert found.values[c, b] == pytest.approx(expected, abs=1e-6)
            factor = 1.2533 if statistic == "median" and stop - start > 1 else 1
            assert found.errors[c, b] == pytest.approx(factor * 0.5 / np.sqrt(len(members)), rel=1e-5)


def test_time_of_a_bin_is_the_mean_of_its_valid_members():
    good = np.ones((2, 6), bool)
    good[:, 1] = False
    found = bin_time(np.ones((2, 6)), np.ones((2, 6)), good, np.arange(6.0), 3, [(0, 6)])
    assert found.time.tolist() == [1, 4]


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="1 or more"):
        bin_time(np.ones((2, 6)), np.ones((2, 6)), np.ones((2, 6), bool), np.arange(6.0), 0, [(0, 6)])


def test_wavelength_bins():
    values = np.array([[1.0], [3.0], [5.0], [np.nan]], np.float32)
    found, sigma, middle = bin_wavelength(
        values, np.full((4, 1), 0.2, np.float32), np.isfinite(values), np.arange(1.0, 5), [0, 2, 4]
    )
    assert found[:, 0].tolist() == [2, 5]
    assert sigma[:, 0] == pytest.approx([np.sqrt(0.08) / 2, 0.2])
    assert middle.tolist() == [1.5, 3.5]


def test_edges_of_channels():
    assert edges_by_count(10, 4) == [0, 4, 8, 10]
    wave = np.geomspace(1, 2, 1000)
    widths = np.diff(edges_by_resolution(wave, 100))
    assert np.ptp(widths[:-1]) <= 1


def test_samples_of_the_example():
    assert sample(469, 100)[:5].tolist() == [0, 4, 9, 14, 18]
    assert sample(50, 100).tolist() == list(range(50))
    assert sample(50, 0).tolist() == list(range(50))


def test_bridges_are_linear_between_visits_and_limited():
    time = np.concatenate([np.arange(10) * 0.1, 3 + np.arange(10) * 0.1])
    matrix = np.concatenate([np.full((2, 10), 1.0), np.full((2, 10), 3.0)], axis=1).astype(np.float32)
    matrix[1, 9] = np.nan
    found = bridge_gaps(matrix, np.isfinite(matrix), time, [(0, 10), (10, 20)])
    assert len(found) == 1
    middle = np.interp(1.95, found[0].time, found[0].values[0])
    assert middle == pytest.approx(2, abs=0.1)
    assert found[0].values[1, 0] == pytest.approx(found[0].values[0, 0])
    far = np.concatenate([time[:10], time[10:] + 1e5])
    assert (
        sum(len(b.time) for b in bridge_gaps(matrix, np.isfinite(matrix), far, [(0, 10), (10, 20)])) <= 2000
    )
    assert bridge_gaps(matrix, np.isfinite(matrix), time, [(0, 20)]) == []
