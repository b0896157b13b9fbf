import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemera.xmm.intervals import (
    bad_time_intervals,
    complement,
    count_steps,
    intersect,
    merge_intervals,
    overlap,
    regular_edges,
)

whole = st.integers(0, 60)
some_intervals = st.lists(st.tuples(whole, whole), max_size=12).map(
    lambda v: np.array(v, float).reshape(-1, 2)
)


def seconds(intervals) -> set[int]:
    """The whole seconds covered, the plain way."""
    return {k for a, b in intervals for k in range(int(a), int(b))}


@given(some_intervals)
def test_merged_intervals_cover_the_same_and_are_apart(values):
    merged = merge_intervals(values)
    assert seconds(merged) == seconds(values)
    assert (np.diff(merged.ravel()) > 0).all()


@given(some_intervals, some_intervals)
def test_intersection_and_complement_are_those_of_sets(a, b):
    assert seconds(intersect(a, b)) == seconds(a) & seconds(b)
    assert seconds(complement(a, 5, 50)) == set(range(5, 50)) - seconds(a)


@given(some_intervals, st.lists(whole, min_size=2, max_size=20, unique=True).map(sorted))
def test_overlap_counts_covered_seconds_of_each_frame(values, edges):
    covered = seconds(values)
    expected = [len(covered & set(range(a, b))) for a, b in itertools.pairwise(edges)]
    np.testing.assert_allclose(overlap(values, np.array(edges, float)), expected, atol=1e-12)


def test_touching_intervals_join_and_empty_ones_vanish():
    np.testing.assert_array_equal(merge_intervals([[5, 9], [1, 2], [2, 5], [7, 7], [4, 3]]), [[1, 9]])
    assert merge_intervals([]).shape == (0, 2)
    assert complement([], 3, 8).tolist() == [[3, 8]]
    assert complement([[0, 10]], 3, 8).shape == (0, 2)


def test_overlap_keeps_digits_at_mission_times():
    t0 = 6.5e8
    edges = t0 + 5.0 * np.arange(9001)
    covered = overlap([[t0 + 2.5, t0 + 44000]], edges)
    assert covered[0] == pytest.approx(2.5, abs=1e-6)
    np.testing.assert_allclose(covered[1:8800], 5.0, atol=1e-9)
    assert covered[8800:].sum() == 0


def test_overlap_with_thousands_of_real_intervals(shared_data):
    from astropy.io import fits

    path = shared_data / "xmm" / "pn_lightcurves" / "0506110101_PN_source_lightcurve_raw.lc"
    with fits.open(path) as hdus:
        table = hdus["STDGTI04"].data
        intervals = np.column_stack([table["START"], table["STOP"]]).astype(float)
    assert len(intervals) == 9731
    edges = np.linspace(intervals.min() - 10, intervals.max() + 10, 500)
    assert overlap(intervals, edges).sum() == pytest.approx(np.diff(intervals, axis=1).sum(), abs=1e-4)
    whole_length = edges[-1] - edges[0]
    gaps = complement(intervals, edges[0], edges[-1])
    assert np.diff(gaps, axis=1).sum() == pytest.approx(
        whole_length - np.diff(intervals, axis=1).sum(), abs=1e-4
    )


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        ([0.1, 0.1, 2, 2, 2, 0.1, 0.1], [[200, 500]]),
        ([0.1, 0.1, 2, 0.1], [[200, 300]]),
        ([2, 0.1, 0.1], [[0, 100]]),
        ([0.1, 0.1, 2], [[200, 300]]),
        ([2, 0.1, 2, 2], [[0, 100], [200, 400]]),
        ([2, np.nan, 2], [[0, 100], [200, 300]]),
        ([1.5, 1.5], []),
        ([0.1], []),
    ],
)
def test_bad_times_have_the_edges_of_their_windows(rate, expected):
    edges = 100.0 * np.arange(len(rate) + 1)
    found = bad_time_intervals(edges, np.array(rate), 1.5)
    np.testing.assert_array_equal(found, np.array(expected, float).reshape(-1, 2))


def test_a_threshold_for_each_window():
    edges = np.arange(4.0)
    assert bad_time_intervals(edges, np.ones(3), np.array([2, 0.5, 2])).tolist() == [[1, 2]]


@settings(max_examples=50)
@given(st.floats(1e8, 9e8), st.integers(1, 10_000), st.integers(1, 400))
def test_edges_are_regular_and_end_at_the_end(t0, milliseconds, n):
    step = milliseconds / 1000
    assert count_steps(t0, t0 + n * step, step) == n
    edges = regular_edges(t0, t0 + (n + 0.5) * step, step)
    assert len(edges) == n + 2
    assert edges[0] == t0
    assert edges[-1] == t0 + (n + 0.5) * step
    np.testing.assert_allclose(np.diff(edges)[:-1], step, atol=1e-6)


def test_a_step_longer_than_the_span_gives_one_interval():
    assert regular_edges(0, 3, 10).tolist() == [0, 3]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: merge_intervals([[1, 2, 3]]), r"shape \(k, 2\)"),
        (lambda: merge_intervals([[1, np.nan]]), "NaN"),
        (lambda: overlap([[0, 1]], np.array([1.0])), "edges"),
        (lambda: bad_time_intervals(np.arange(3.0), np.ones(3), 1), "one value less"),
        (lambda: regular_edges(0, 1, 0), "step"),
        (lambda: regular_edges(1, 1, 1), "later"),
        (lambda: regular_edges(0, np.nan, 1), "later"),
    ],
)
def test_refusals_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
