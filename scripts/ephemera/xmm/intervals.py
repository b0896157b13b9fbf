"""Arithmetic of time intervals, as (k, 2) float64 arrays of [start, stop] in s.

All functions are vectorised over intervals. A result is always sorted, disjoint and free of empty
intervals; intervals that touch are joined.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ephemera.xmm.observation import BoolArray, FloatArray

#: Times closer than this, in s, are the same: some twenty times the rounding of a mission time.
RESOLUTION = 2e-6


def as_intervals(values: npt.ArrayLike, name: str = "intervals") -> FloatArray:
    """`values` as a float64 array of shape (k, 2).

    Raises ValueError for another shape (no values at all are no intervals) or for NaN.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        return np.empty((0, 2))
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"{name} must have shape (k, 2), not {array.shape}")
    if np.isnan(array).any():
        raise ValueError(f"{name} must be numbers, but hold NaN")
    return array


def merge_intervals(intervals: npt.ArrayLike) -> FloatArray:
    """Union of `intervals` (k, 2) in any order: sorted, disjoint, none empty."""
    array = as_intervals(intervals)
    array = array[array[:, 1] > array[:, 0]]
    if len(array) < 2:
        return array
    array = array[np.argsort(array[:, 0], kind="stable")]
    reach = np.maximum.accumulate(array[:, 1])
    first = np.concatenate([[True], array[1:, 0] > reach[:-1]])
    last = np.concatenate([first[1:], [True]])
    return np.column_stack([array[first, 0], reach[last]])


def intersect(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    """Times that lie in `a` and in `b`; both (k, 2), in any order."""
    a, b = merge_intervals(a), merge_intervals(b)
    if not len(a) or not len(b):
        return np.empty((0, 2))
    points = np.unique(np.concatenate([a.ravel(), b.ravel()]))
    start = points[:-1]
    # Between two neighbouring points nothing begins or ends, so the left end decides for the piece.
    inside = holds(a, start) & holds(b, start)
    return merge_intervals(np.column_stack([start, points[1:]])[inside])


def holds(intervals: npt.ArrayLike, times: FloatArray) -> BoolArray:
    """Which `times` lie in `intervals` (k, 2), their start included and their stop not."""
    edges = merge_intervals(intervals).ravel()
    return np.asarray(np.searchsorted(edges, times, side="right") % 2 == 1)


def complement(intervals: npt.ArrayLike, start: float, stop: float) -> FloatArray:
    """Times of [`start`, `stop`] that lie in none of `intervals`."""
    inside = intersect(intervals, [[start, stop]])
    edges = np.concatenate([[start], inside.ravel(), [stop]]).reshape(-1, 2)
    return merge_intervals(edges)


def overlap(intervals: npt.ArrayLike, edges: FloatArray) -> FloatArray:
    """Seconds of each frame covered by `intervals`.

    `edges` (n+1,) ascending; the result (n,) is C(edges[k+1]) - C(edges[k]), with C(t) the time
    covered before t, which is piecewise linear. Intervals that overlap count once.
    """
    edges = np.asarray(edges, dtype=np.float64)
    if edges.ndim != 1 or len(edges) < 2:
        raise ValueError(f"edges must be a vector of at least 2 values, not of shape {edges.shape}")
    covered = merge_intervals(intervals)
    if not len(covered):
        return np.zeros(len(edges) - 1)
    # From the first edge on the numbers are small, and differences of mission times lose no digits.
    covered = covered - edges[0]
    total = np.zeros((len(covered), 2))
    total[:, 1] = np.cumsum(covered[:, 1] - covered[:, 0])
    total[1:, 0] = total[:-1, 1]
    return np.diff(np.interp(edges - edges[0], covered.ravel(), total.ravel()))


def bad_time_intervals(edges: FloatArray, rate: FloatArray, threshold: npt.ArrayLike) -> FloatArray:
    """Unions (k, 2) of consecutive windows whose rate exceeds the threshold, with their own edges.

    `edges` (n+1,) in s; `rate` (n,) and `threshold` (scalar or (n,)) in the same unit; windows
    with NaN rate were not exposed and are never bad. Windows a..b give [edges[a], edges[b+1]].
    """
    edges = np.asarray(edges, dtype=np.float64)
    rate = np.asarray(rate, dtype=np.float64)
    if edges.ndim != 1 or rate.shape != (len(edges) - 1,):
        raise ValueError(
            f"rate must have one value less than edges, not shapes {rate.shape} and {edges.shape}"
        )
    bad = rate > np.broadcast_to(np.asarray(threshold, dtype=np.float64), rate.shape)
    step = np.diff(np.concatenate([[False], bad, [False]]).astype(np.int8))
    return np.column_stack([edges[step == 1], edges[step == -1]])


def regular_edges(t0: float, t1: float, step: float) -> FloatArray:
    """Edges t0 + k step up to and including `t1`; the last interval may be shorter.

    Mission times are known to about 1e-7 s: a remainder below `RESOLUTION` is rounding, and no
    interval of its own. Raises ValueError unless t1 > t0 and step > 0.
    """
    edges = np.asarray(t0 + step * np.arange(count_steps(t0, t1, step) + 1), dtype=np.float64)
    edges[-1] = t1
    return edges


def count_steps(t0: float, t1: float, step: float) -> int:
    """Number of intervals of `regular_edges`: the ceiling of (t1 - t0) / step."""
    if not (np.isfinite(step) and step > 0):
        raise ValueError(f"step must be a number of seconds above 0, not {step!r}")
    if not (np.isfinite(t1 - t0) and t1 > t0):
        raise ValueError(f"t1 must be later than t0, not t0 = {t0!r} and t1 = {t1!r}")
    return max(1, int(np.ceil((t1 - t0 - RESOLUTION) / step)))
