"""Times of integrations: which clock, how numbers count on, and stamps that occur twice.

A series uses one time scale: the first of the ladder that is finite for all its integrations. TDB-MID of
the tables or headers; INT_TIMES int_mid_BJD_TDB; MJD-AVG (UTC); INT_TIMES int_mid_MJD_UTC; evenly between
start and
end of the exposure. BJD_TDB and UTC differ by 69.184 s and up to 498 s of light travel: they are never mixed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ephemera.jwst.observation import BJD_TDB, MJD_UTC, REFERENCE_JD, FloatArray, IntArray, IntTimes, Piece
from ephemera.jwst.problems import Action, Problem, Unusable

#: Dates outside these are unlikely for JWST, MJD.
PLAUSIBLE = (30000.0, 100000.0)
#: Stamps closer than this part of the cadence are one moment.
SAME_MOMENT = 0.1
#: Size of the counter that rolls over.
ROLL_OVER = 65536


def reduced(days: FloatArray) -> FloatArray:
    """Days with the reference subtracted where they are full Julian dates."""
    return np.where(days > 2400000.0, days - REFERENCE_JD, days)


def rows_of(piece: Piece, table: IntTimes) -> IntArray | None:
    """Row of `table` for each integration: by number when unique, else by row, else by start time.

    None when no way works.
    """
    numbers = table.number
    if len(np.unique(numbers)) == len(numbers) and len(np.unique(piece.number)) == len(piece):
        order = np.argsort(numbers)
        place = np.clip(np.searchsorted(numbers[order], piece.number), 0, max(len(order) - 1, 0))
        if len(order) and np.array_equal(numbers[order][place], piece.number):
            return order[place]
    if len(numbers) == len(piece):
        return np.arange(len(piece))
    starts = reduced(piece.clocks.start_utc)
    listed = reduced(table.start_utc)
    if len(listed) > 1 and np.isfinite(starts).all() and np.isfinite(listed).all():
        order = np.argsort(listed)
        place = nearest(listed[order], starts)
        half = 0.5 * float(np.median(np.diff(listed[order])))
        if np.all(np.abs(listed[order][place] - starts) <= half):
            return order[place]
    return None


def nearest(ascending: FloatArray, values: FloatArray) -> IntArray:
    """Index of the element of `ascending` nearest to each value."""
    right = np.clip(np.searchsorted(ascending, values), 1, max(len(ascending) - 1, 1))
    if len(ascending) == 1:
        return np.zeros(len(values), np.int64)
    left = right - 1
    closer = np.abs(ascending[left] - values) <= np.abs(ascending[right] - values)
    return np.where(closer, left, right)


def _from_table(piece: Piece, column: str) -> FloatArray:
    table = piece.clocks.table
    rows = None if table is None else rows_of(piece, table)
    if table is None or rows is None:
        return np.full(len(piece), np.nan)
    values: FloatArray = getattr(table, column)[rows]
    return values


def _evenly(piece: Piece) -> FloatArray:
    if piece.clocks.span is None:
        return np.full(len(piece), np.nan)
    start, stop = reduced(np.array(piece.clocks.span))
    days: FloatArray = start + (np.arange(len(piece)) + 0.5) * (stop - start) / len(piece)
    return days


_Source = Callable[[Piece], FloatArray]
_TDB: tuple[tuple[str, _Source], ...] = (
    ("TDB-MID", lambda piece: piece.clocks.tdb),
    ("INT_TIMES int_mid_BJD_TDB", lambda piece: _from_table(piece, "mid_tdb")),
)
_UTC: tuple[tuple[str, _Source], ...] = (
    ("MJD-AVG", lambda piece: piece.clocks.utc),
    ("INT_TIMES int_mid_MJD_UTC", lambda piece: _from_table(piece, "mid_utc")),
)
_EVENLY: tuple[tuple[str, _Source], ...] = (("evenly between start and end of the exposure", _evenly),)


@dataclass(frozen=True)
class Times:
    """Mid-times of the integrations of all pieces of a series, their scale, and remarks."""

    days: tuple[FloatArray, ...]
    scale: str
    problems: tuple[Problem, ...]


def choose_times(pieces: Sequence[Piece]) -> Times:
    """Times of all integrations by the first rung of the ladder that serves every piece.

    Integrations without a time on the best rung get NaN. Raises Unusable when there is no time at all.
    """
    rungs = ((BJD_TDB, _TDB), (MJD_UTC, _UTC), (BJD_TDB, (*_TDB, *_EVENLY)))
    for scale, sources in rungs:
        chosen = [_first(piece, sources) for piece in pieces]
        if all(found is not None for found in chosen):
            found = [pair for pair in chosen if pair is not None]
            return _checked(pieces, [days for _, days in found], [name for name, _ in found], scale)
    for scale, sources in rungs[:2]:
        best = [max((s(p) for _, s in sources), key=lambda d: np.isfinite(d).sum()) for p in pieces]
        if all(np.isfinite(days).any() for days in best):
            return _checked(pieces, best, [""] * len(pieces), scale)
    n_lost = sum(len(piece) for piece in pieces)
    message = "no times: neither columns, nor headers, nor INT_TIMES, nor start and end of the exposure"
    raise Unusable("no_times", message, extension=pieces[0].extension, n_lost=n_lost)


def _first(piece: Piece, sources: Sequence[tuple[str, _Source]]) -> tuple[str, FloatArray] | None:
    for name, source in sources:
        days = source(piece)
        if len(days) and np.isfinite(days).all():
            return name, days
    return None


def _checked(pieces: Sequence[Piece], days: Sequence[FloatArray], names: Sequence[str], scale: str) -> Times:
    problems = []
    mjd = [reduced(values) for values in days]
    for piece, name, values in zip(pieces, names, mjd, strict=True):
        lost = int((~np.isfinite(values)).sum())
        if lost:
            message = f"{lost} of {len(piece)} integrations have no time"
            problems.append(Problem(piece.file, piece.extension, "no_time", message, Action.REFUSED, lost))
        elif name not in ("TDB-MID", ""):
            message = f"times from {name}"
            problems.append(Problem(piece.file, piece.extension, "times", message, Action.USED))
        known = values[np.isfinite(values)]
        if np.any((known < PLAUSIBLE[0]) | (known > PLAUSIBLE[1])):
            message = (
                f"times such as {known[0]:.5f} are outside {PLAUSIBLE[0]:.0f} to {PLAUSIBLE[1]:.0f} (MJD)"
            )
            problems.append(Problem(piece.file, piece.extension, "odd_times", message, Action.USED))
    return Times(tuple(mjd), scale, tuple(problems))


def unwrap(numbers: npt.ArrayLike) -> IntArray:
    """Integration numbers, given in the order of time, made to grow.

    A fall by more than half the counter is its roll-over (32767 to -32768) and adds 65536; any other fall
    is a restart, which counts on from the last number.
    """
    raw = np.asarray(numbers, np.int64)
    result = raw.copy()
    if len(raw) and raw[0] < 0:
        result += ROLL_OVER
    for k in np.flatnonzero(np.diff(raw) < 0) + 1:
        if raw[k] - raw[k - 1] < -ROLL_OVER // 2:
            result[k:] += ROLL_OVER
        else:
            shift = result[k - 1] - result[k] + max(int(raw[k]), 1)
            result[k:] += max(int(shift), 0)
    return result


@dataclass(frozen=True)
class Stamps:
    """What is left after looking at stamps that occur twice.

    `keep`: rows that stay; `time` of all rows; `repaired`: rows whose stamp was wrong; `n_same`, `n_other`:
    rows dropped because their flux is the same, or although it is another.
    """

    keep: npt.NDArray[np.bool_]
    time: FloatArray
    repaired: npt.NDArray[np.bool_]
    n_same: int
    n_other: int


def resolve_duplicates(time: FloatArray, number: IntArray, same_flux: Callable[[int, int], bool]) -> Stamps:
    """Make times strictly increasing; `time` ascends, `same_flux(i, j)` compares two rows.

    A row less than 0.1 cadence after the one before: dropped when its flux is the same; moved to
    t_before + cadence x difference of numbers when numbers differ and the place is free; else dropped.
    """
    time = time.copy()
    keep = np.ones(len(time), bool)
    repaired = np.zeros(len(time), bool)
    steps = np.diff(time)
    positive = steps[steps > 0]
    cadence = float(np.median(positive)) if len(positive) else 0.0
    # Cadence from distinct stamps, so that many repeats do not shorten it.
    distinct = positive[positive > SAME_MOMENT * cadence]
    cadence = float(np.median(distinct)) if len(distinct) else cadence
    n_same = n_other = 0
    last = 0
    for k in _suspects(time, cadence):
        last = int(np.flatnonzero(keep[:k])[-1])
        if time[k] - time[last] >= SAME_MOMENT * cadence and time[k] > time[last]:
            continue
        if same_flux(last, k):
            keep[k], n_same = False, n_same + 1
            continue
        moved = time[last] + cadence * (number[k] - number[last])
        following = time[k + 1] if k + 1 < len(time) else np.inf
        if number[k] > number[last] and cadence > 0 and moved < following - SAME_MOMENT * cadence:
            time[k], repaired[k] = moved, True
        else:
            keep[k], n_other = False, n_other + 1
    assert np.all(np.diff(time[keep]) > 0), "times must increase"
    return Stamps(keep, time, repaired, n_same, n_other)


def _suspects(time: FloatArray, cadence: float) -> list[int]:
    close = np.diff(time) < SAME_MOMENT * cadence if cadence > 0 else np.diff(time) <= 0
    found = np.flatnonzero(close) + 1
    # A repaired stamp can reach the row after it, which is then looked at too.
    return sorted(set(found.tolist()) | {k + 1 for k in found.tolist() if k + 1 < len(time)})
