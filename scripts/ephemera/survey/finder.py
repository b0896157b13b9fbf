"""Runs of outlying epochs of one sign: flares and outbursts, dips and eclipses.

With threshold T and sideband S: for each sign s, runs of successive usable epochs with s snr >= S, broken
where the time step is too long, are events when their largest s snr reaches T. Epochs that are not usable
neither break a run nor belong to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

Signs = Literal["both", "positive", "negative"]
SIGNS: dict[str, tuple[int, ...]] = {"both": (1, -1), "positive": (1,), "negative": (-1,)}


@dataclass(frozen=True)
class Event:
    """A run of outlying epochs: its sign, the rows that belong to it, the row of its peak.

    `touches_gap`: the run starts or ends at a gap longer than the longest step, or at an end of the light
    curve, so that part of the event may not have been seen.
    """

    sign: int
    rows: IntArray
    peak: int
    touches_gap: bool


def sideband_level(threshold: float, sideband: float) -> float:
    """Score above which epochs belong to an event: a negative sideband counts down from the threshold."""
    return threshold + sideband if sideband < 0 else sideband


def events(
    time: FloatArray,
    score: FloatArray,
    usable: BoolArray,
    *,
    threshold: float,
    sideband: float,
    signs: Signs = "both",
    max_gap_days: float | None = None,
    min_points: int = 1,
    most: int | None = None,
) -> list[Event]:
    """Events of a light curve in order of time.

    `time` in days, ascending where usable. Of each light curve the `most` with the largest |peak| are kept.
    Raises ValueError when the sideband lies above the threshold.
    """
    level = sideband_level(threshold, sideband)
    if not 0 < level <= threshold:
        msg = f"the sideband must be in (0, threshold], got {level} for a threshold of {threshold}"
        raise ValueError(msg)
    rows = np.flatnonzero(usable & np.isfinite(score))
    values = score[rows]
    if len(rows) == 0 or np.abs(values).max() < threshold:
        return []
    found = []
    gaps = np.diff(time[rows]) > (np.inf if max_gap_days is None else max_gap_days)
    for sign in SIGNS[signs]:
        found += _runs(rows, sign * values, gaps, sign, level, threshold, min_points)
    if most is not None and len(found) > most:
        found = sorted(found, key=lambda event: -abs(score[event.peak]))[:most]
    return sorted(found, key=lambda event: (event.rows[0], event.sign))


def _runs(
    rows: IntArray,
    values: FloatArray,
    gaps: BoolArray,
    sign: int,
    level: float,
    threshold: float,
    min_points: int,
) -> list[Event]:
    """Runs of `values` >= level that reach the threshold, cut at `gaps` (between successive rows)."""
    inside = values >= level
    joined = inside[1:] & inside[:-1] & ~gaps
    first = np.flatnonzero(inside & ~np.concatenate(([False], joined)))
    last = np.flatnonzero(inside & ~np.concatenate((joined, [False])))
    found = []
    for start, stop in zip(first.tolist(), last.tolist(), strict=True):
        if stop - start + 1 < min_points:
            continue
        peak = start + int(np.argmax(values[start : stop + 1]))
        if values[peak] < threshold:
            continue
        at_edge = start == 0 or stop == len(rows) - 1
        touches = at_edge or bool(gaps[start - 1]) or bool(gaps[stop])
        found.append(Event(sign, rows[start : stop + 1], int(rows[peak]), touches))
    return found


def find_events(
    time: npt.ArrayLike,
    snr: npt.ArrayLike,
    usable: npt.ArrayLike,
    threshold: float = 5,
    sideband: float = 3,
    signs: Signs = "both",
    max_gap_days: float | None = None,
) -> pd.DataFrame:
    """Events as a table, one row each in order of time.

    `time` in days, `snr` the excursion in units of the noise, `usable` which epochs count. `sideband` is a
    score, or, where negative, counts down from the threshold. Columns: sign, start, peak, end (times),
    snr (signed, at the peak), n (epochs), first_row, peak_row, last_row, rows, touches_gap.
    """
    import pandas as pd

    times, scores = np.asarray(time, np.float64), np.asarray(snr, np.float64)
    found = events(
        times,
        scores,
        np.asarray(usable, bool),
        threshold=threshold,
        sideband=sideband,
        signs=signs,
        max_gap_days=max_gap_days,
    )
    return pd.DataFrame(
        {
            "sign": np.array([event.sign for event in found], np.int8),
            "start": np.array([times[event.rows[0]] for event in found], np.float64),
            "peak": np.array([times[event.peak] for event in found], np.float64),
            "end": np.array([times[event.rows[-1]] for event in found], np.float64),
            "snr": np.array([scores[event.peak] for event in found], np.float64),
            "n": np.array([len(event.rows) for event in found], np.int64),
            "first_row": np.array([event.rows[0] for event in found], np.int64),
            "peak_row": np.array([event.peak for event in found], np.int64),
            "last_row": np.array([event.rows[-1] for event in found], np.int64),
            "rows": [event.rows.tolist() for event in found],
            "touches_gap": np.array([event.touches_gap for event in found], bool),
        }
    )
