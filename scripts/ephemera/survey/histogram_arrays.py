"""Additive histograms of scores over magnitude, exposure time and filter.

Counts, underflow, overflow and unknown (NaN) of each score add up to the epochs fed in. A sum of
histograms does not depend on how sources were dealt out to batches, and a source counted twice is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ephemera.survey.histogram_axes import OVER, UNDER, UNKNOWN, ClosedAxis, OpenAxis, TextAxis

FloatArray = npt.NDArray[np.float64]

#: Microseconds in a second.
MICROSECONDS = 1_000_000


@dataclass(frozen=True)
class Counts:
    """Counts of one score: array (score, mag, exptime, filter) and what lies outside of it.

    An epoch whose score or magnitude is NaN is unknown; else one below a closed axis is underflow; else one
    above is overflow.
    """

    axis: ClosedAxis
    counts: npt.NDArray[np.unsignedinteger]
    underflow: int = 0
    overflow: int = 0
    unknown: int = 0

    @property
    def total(self) -> int:
        """Epochs fed in."""
        return int(self.counts.sum(dtype=np.uint64)) + self.underflow + self.overflow + self.unknown


@dataclass(frozen=True)
class Histogram:
    """Sets of scores on common axes, live time of usable epochs, and the sources counted.

    Live time (mag, filter) is kept in whole microseconds, so that sums do not depend on their order.
    """

    mag: ClosedAxis
    exptime: OpenAxis
    filter: TextAxis
    scores: Mapping[tuple[str, str], Counts] = field(default_factory=dict)
    exposure_us: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    sources: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """Lengths of the axes mag, exptime, filter."""
        return self.mag.n, len(self.exptime.k), len(self.filter.labels)

    @property
    def exposure(self) -> FloatArray:
        """Live time of usable epochs, s (mag, filter)."""
        return self.exposure_us / MICROSECONDS

    def __add__(self, other: Histogram) -> Histogram:
        return add(self, other)


def add(first: Histogram, second: Histogram) -> Histogram:
    """Sum of two histograms on the union of their axes; commutative and associative.

    Raises ValueError for axes that do not fit or a source in both, OverflowError when counts outgrow
    their type.
    """
    twice = sorted(set(first.sources) & set(second.sources))
    if twice:
        msg = f"{len(twice)} sources are in both histograms: {', '.join(twice[:5])}"
        raise ValueError(msg)
    mag, filters = first.mag.union(second.mag), first.filter.union(second.filter)
    exptime = first.exptime.union(second.exptime)
    empty = Histogram(mag, exptime, filters)
    scores = {}
    for name in sorted({*first.scores, *second.scores}):
        parts = [(h, h.scores[name]) for h in (first, second) if name in h.scores]
        spread = [_spread(counts.counts, h, empty) for h, counts in parts]
        total = _sum(spread, "/".join(name))
        kinds = [counts for _, counts in parts]
        axis = kinds[0].axis if len(kinds) == 1 else kinds[0].axis.union(kinds[1].axis)
        scores[name] = Counts(
            axis,
            total,
            sum(c.underflow for c in kinds),
            sum(c.overflow for c in kinds),
            sum(c.unknown for c in kinds),
        )
    exposure = np.zeros((mag.n, len(filters.labels)), np.int64)
    for part in (first, second):
        at = [filters.labels.index(label) for label in part.filter.labels]
        if at:
            exposure[:, at] += part.exposure_us
    return Histogram(
        mag, exptime, filters, scores, exposure, tuple(sorted((*first.sources, *second.sources)))
    )


def _spread(
    counts: npt.NDArray[np.unsignedinteger], part: Histogram, whole: Histogram
) -> npt.NDArray[np.unsignedinteger]:
    """Counts of a part on the axes of the whole."""
    result = np.zeros((counts.shape[0], *whole.shape), counts.dtype)
    times = np.array([whole.exptime.k.index(k) for k in part.exptime.k], np.int64)
    labels = np.array([whole.filter.labels.index(label) for label in part.filter.labels], np.int64)
    if len(times) and len(labels):
        result[np.ix_(np.arange(counts.shape[0]), np.arange(whole.mag.n), times, labels)] = counts
    return result


def _sum(arrays: list[npt.NDArray[np.unsignedinteger]], what: str) -> npt.NDArray[np.unsignedinteger]:
    """Sum of one or two arrays of a type; raises OverflowError when it does not fit."""
    total = arrays[0]
    for array in arrays[1:]:
        if array.dtype != total.dtype:
            msg = f"{what}: counts must be of one type, got {total.dtype} and {array.dtype}"
            raise ValueError(msg)
        if np.any(array > np.iinfo(total.dtype).max - total):
            msg = f"{what}: a count exceeds {total.dtype}; choose a larger survey.histogram.dtype"
            raise OverflowError(msg)
        total = total + array
    return total


def count(
    axis: ClosedAxis,
    frame: Histogram,
    values: FloatArray,
    mag: FloatArray,
    exptime: npt.NDArray[np.int64],
    filters: npt.NDArray[np.int64],
    dtype: str = "uint32",
) -> Counts:
    """Counts of one score's `values` on the axes of `frame`.

    `mag` is the magnitude of each epoch's source, `exptime` and `filters` its bin numbers on those axes.
    Raises OverflowError when a count exceeds `dtype`.
    """
    score, bright = axis.bins(values), frame.mag.bins(mag)
    unknown = (score == UNKNOWN) | (bright == UNKNOWN)
    under = ~unknown & ((score == UNDER) | (bright == UNDER))
    over = ~unknown & ~under & ((score == OVER) | (bright == OVER))
    inside = ~(unknown | under | over)
    n_mag, n_time, n_filter = frame.shape
    flat = ((score[inside] * n_mag + bright[inside]) * n_time + exptime[inside]) * n_filter + filters[inside]
    total = np.bincount(flat, minlength=axis.n * n_mag * n_time * n_filter)
    if total.size and total.max() > np.iinfo(dtype).max:
        msg = f"{axis.name}: a count of {total.max()} exceeds {dtype}; choose a larger survey.histogram.dtype"
        raise OverflowError(msg)
    counts = total.astype(dtype).reshape(axis.n, n_mag, n_time, n_filter)
    return Counts(axis, counts, *(int(np.count_nonzero(which)) for which in (under, over, unknown)))
