"""Signals of a cadence: there in observations of the target (ON), not in those beside it (OFF).

A hit of an ON observation is looked for in every other one at the frequency to which its drift takes it by
then, within a few channels and half a drift step times the time between. One physical signal is one event,
however many of its hits could have started the search.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.cosmic.metadata import step_hz_s
from ephemera.sky.times import SECONDS_PER_DAY

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
#: What rounding of a frequency of some 1e10 Hz may cost.
ROUNDING_HZ = 1e-4


@dataclass(frozen=True)
class Scan:
    """Hits of one observation of a cadence; `hits` is None when it is absent.

    `usable` are hits that no filter removed, `passed` those that pass the cuts for ON hits.
    """

    prefix: str
    on: bool
    hits: Mapping[str, npt.NDArray[Any]] | None
    usable: BoolArray = field(default_factory=lambda: np.zeros(0, bool))
    passed: BoolArray = field(default_factory=lambda: np.zeros(0, bool))


@dataclass(frozen=True)
class Event:
    """One signal: its strongest hit (scan, row), level, which scans have it, its rows in each scan.

    A hit near two signals is a member of the stronger, but speaks against both where it is an OFF hit.
    """

    scan: int
    row: int
    level: int
    has: tuple[bool, ...]
    members: tuple[IntArray, ...]


def find_events(scans: Sequence[Scan], *, off_snr: float, tolerance: int) -> list[Event]:
    """Events of a cadence, strongest first.

    Level 1: an ON hit passes the cuts. Level 2: and no OFF observation has it. Level 3: and every ON
    observation has it, so none may be absent. An OFF hit counts from SNR `off_snr` on; `tolerance` is in
    channels.
    """
    lookups = [None if scan.hits is None else _Lookup(scan) for scan in scans]
    seeds = _seeds(scans)
    taken = [np.zeros(0 if scan.hits is None else len(scan.usable), bool) for scan in scans]
    events = []
    for number, row in seeds:
        if taken[number][row]:
            continue
        near = tuple(
            np.zeros(0, np.int64) if lookup is None else lookup.near(scans[number], row, tolerance)
            for lookup in lookups
        )
        has = tuple(_seen(scan, rows, off_snr) for scan, rows in zip(scans, near, strict=True))
        members = tuple(rows[~gone[rows]] for rows, gone in zip(near, taken, strict=True))
        for rows, gone in zip(members, taken, strict=True):
            gone[rows] = True
        events.append(Event(number, row, _level(scans, has), has, members))
    return events


class _Lookup:
    """Usable hits of a scan, sorted by frequency carried to the scan's start."""

    def __init__(self, scan: Scan) -> None:
        assert scan.hits is not None
        self.hits = scan.hits
        self.rows = np.flatnonzero(scan.usable & np.isfinite(scan.hits["freq_mhz"]))
        starts = scan.hits["tstart_mjd"]
        self.start = float(np.nanmin(starts)) if np.isfinite(starts).any() else 0.0
        late = (starts[self.rows] - self.start) * SECONDS_PER_DAY
        rate = np.nan_to_num(scan.hits["drift_rate_hz_s"][self.rows])
        frequency = scan.hits["freq_mhz"][self.rows] * 1e6 - rate * late
        order = np.argsort(frequency, kind="stable")
        self.rows, self.frequency = self.rows[order], frequency[order]

    def near(self, other: Scan, row: int, tolerance: int) -> IntArray:
        """Rows of hits where the hit `row` of another scan must be by now, drifting as it does."""
        hits = other.hits
        assert hits is not None
        late = (self.start - float(hits["tstart_mjd"][row])) * SECONDS_PER_DAY
        rate, foff = float(hits["drift_rate_hz_s"][row]), abs(float(hits["foff_hz"][row]))
        step = step_hz_s(foff * 1e-6, hits["tsamp_s"][row], hits["n_time"][row])
        place = float(hits["freq_mhz"][row]) * 1e6 + rate * late
        reach = tolerance * foff + 0.5 * step * abs(late) + ROUNDING_HZ
        first = np.searchsorted(self.frequency, place - reach, "left")
        last = np.searchsorted(self.frequency, place + reach, "right")
        return np.sort(self.rows[first:last])


def _seeds(scans: Sequence[Scan]) -> list[tuple[int, int]]:
    """ON hits that pass the cuts as (scan, row), strongest first."""
    found = [
        (-float(scan.hits["snr"][row]), number, row)
        for number, scan in enumerate(scans)
        if scan.on and scan.hits is not None
        for row in np.flatnonzero(scan.passed).tolist()
    ]
    return [(number, row) for _, number, row in sorted(found)]


def _level(scans: Sequence[Scan], has: Sequence[bool]) -> int:
    if any(h for h, scan in zip(has, scans, strict=True) if not scan.on):
        return 1
    return 3 if all(h for h, scan in zip(has, scans, strict=True) if scan.on) else 2


def _seen(scan: Scan, rows: IntArray, off_snr: float) -> bool:
    """Whether a scan has the signal: ON with a hit that passes the cuts, OFF with one from `off_snr` on."""
    if scan.hits is None or len(rows) == 0:
        return False
    if scan.on:
        return bool(scan.passed[rows].any())
    return bool((scan.hits["snr"][rows] >= off_snr).any())
