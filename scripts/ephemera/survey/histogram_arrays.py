"""Additive histograms of scores over magnitude, exposure time and filter.

Counts, underflow, overflow and unknown (NaN) of each score add up to the epochs fed in. A sum of
histograms does not depend on how sources were dealt out to batches, and a source counted twice is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ephemera.survey.histogram_axes import UNKNOWN, ClosedAxis, OpenAxis, TextAxis

FloatArray = npt.NDArray[np.float64]

#: Places at the end of an axis for what lies above it, below it, or is NaN: the numbers OVER, UNDER, UNKNOWN
#: count from there.
EXTRA = 3
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


def cells_of(
    frame: Histogram, mag: FloatArray, exptime: npt.NDArray[np.int64], filters: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Number of each light curve's cell on the axes mag, exptime, filter.

    `mag` is the magnitude of its source, `exptime` and `filters` its bin numbers. The axis of magnitude is
    longer by three: what lies above, below or is NaN is counted at its end.
    """
    n_mag, n_time, n_filter = frame.shape
    bright = frame.mag.bins(mag) % (n_mag + EXTRA)
    return (bright * n_time + exptime) * n_filter + filters


def places_of(
    axis: ClosedAxis, frame: Histogram, values: FloatArray, cells: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Place of each epoch in the counts of a score, whose axis is longer by three as well."""
    n_mag, n_time, n_filter = frame.shape
    return axis.bins(values) % (axis.n + EXTRA) * ((n_mag + EXTRA) * n_time * n_filter) + cells


def count(axis: ClosedAxis, frame: Histogram, places: npt.NDArray[np.int64], dtype: str = "uint32") -> Counts:
    """Counts of one score's epochs at `places` on the axes of `frame`.

    Raises OverflowError when a count exceeds `dtype`.
    """
    n_mag, n_time, n_filter = frame.shape
    shape = (axis.n + EXTRA, n_mag + EXTRA, n_time, n_filter)
    total = np.bincount(places, minlength=int(np.prod(shape))).reshape(shape)
    inside = total[: axis.n, :n_mag]
    if inside.size and inside.max() > np.iinfo(dtype).max:
        msg = (
            f"{axis.name}: a count of {inside.max()} exceeds {dtype}; choose a larger survey.histogram.dtype"
        )
        raise OverflowError(msg)
    flat = total.sum(axis=(2, 3))
    unknown = int(flat[UNKNOWN].sum() + flat[:UNKNOWN, UNKNOWN].sum() + flat[UNKNOWN + 1 :, UNKNOWN].sum())
    known = np.delete(np.delete(flat, axis.n + EXTRA + UNKNOWN, axis=0), n_mag + EXTRA + UNKNOWN, axis=1)
    # What is left at the ends: above (second to last), below (last), which counts before above.
    under = int(known[-1].sum() + known[:-1, -1].sum())
    over = int(known[-2, :-1].sum() + known[:-2, -2].sum())
    return Counts(axis, inside.astype(dtype), under, over, unknown)
