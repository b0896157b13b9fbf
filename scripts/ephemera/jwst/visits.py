"""Visits: runs of integrations without a long gap."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from ephemera.jwst.observation import FloatArray

#: A gap is long when it exceeds the limit by more than this, h.
TOLERANCE_HOURS = 1e-9
#: Gaps inside a visit longer than this many cadences are drawn as gaps.
DRAWN_GAP = 5.0


def visits(hours: npt.ArrayLike, gap_hours: float = 0.5) -> list[tuple[int, int]]:
    """Index ranges [start, stop) of visits; a gap of more than `gap_hours` begins a new one."""
    times = np.asarray(hours, float)
    if len(times) == 0:
        return []
    edges = np.flatnonzero(np.diff(times) > gap_hours + TOLERANCE_HOURS) + 1
    return _ranges(edges, len(times))


def segments(hours: FloatArray, ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Visits cut where a gap exceeds five cadences of the visit."""
    found = []
    for start, stop in ranges:
        steps = np.diff(hours[start:stop])
        limit = DRAWN_GAP * float(np.median(steps)) if len(steps) else np.inf
        found += [(start + a, start + b) for a, b in _ranges(np.flatnonzero(steps > limit) + 1, stop - start)]
    return found


def visit_numbers(ranges: list[tuple[int, int]], length: int) -> npt.NDArray[np.int32]:
    """Number of the visit (from 1) of each integration."""
    numbers = np.zeros(length, np.int32)
    for number, (start, stop) in enumerate(ranges, 1):
        numbers[start:stop] = number
    return numbers


def _ranges(edges: npt.NDArray[np.intp], length: int) -> list[tuple[int, int]]:
    bounds = [0, *edges.tolist(), length]
    return [(a, b) for a, b in itertools.pairwise(bounds) if b > a]
