"""Signals that follow an ON/OFF cadence, and how many hits each step of the search leaves.

Reads the hits of the observations that the configuration names in order. Those that are not there are named
in the results; nothing is guessed for them.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.cosmic.event_columns import EVENTS, FILTER_COUNTS
from ephemera.cosmic.events import arrays, count_rows
from ephemera.cosmic.filters import Count, zero_drift
from ephemera.cosmic.hit_columns import FILTERED_HITS
from ephemera.cosmic.on_off import Event, Scan, find_events
from ephemera.cosmic.validation import axis_is_good
from ephemera.tables import SUFFIX_OF, read, write

if TYPE_CHECKING:
    import pyarrow as pa

    from ephemera.config.cosmic import Cadence as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)


def scans_of(tables: Mapping[str, pa.Table], settings: Settings) -> list[Scan]:
    """Scans of the cadence in order; `tables` are the hits of those observations that are there."""
    first = settings.pattern[0]
    scans = []
    for prefix, letter in zip(settings.prefixes, settings.pattern, strict=False):
        table = tables.get(prefix)
        if table is None:
            scans.append(Scan(prefix, letter == first, None))
            continue
        hits = arrays(table, None)
        usable = np.array(table["kept"].to_pylist(), bool)
        with np.errstate(invalid="ignore"):
            passed = usable & (hits["snr"] >= settings.snr_min)
        if settings.drop_zero_drift:
            passed &= ~zero_drift(hits)
        known = np.isfinite(hits["tstart_mjd"])
        known &= axis_is_good(hits["freq_mhz"], hits["foff_hz"], hits["tsamp_s"])
        # A hit without a drift may speak against a signal, but where its own would be by then is not known.
        passed &= known & np.isfinite(hits["drift_rate_hz_s"])
        scans.append(Scan(prefix, letter == first, hits, usable & known, passed))
    return scans


def event_rows(
    events: Sequence[Event],
    scans: Sequence[Scan],
    tables: Mapping[str, pa.Table],
    settings: Settings,
    project: str,
) -> list[dict[str, Any]]:
    """Rows of the table of events."""
    rows = []
    absent = " ".join(scan.prefix for scan in scans if scan.hits is None)
    for number, event in enumerate(events, 1):
        strongest = tables[scans[event.scan].prefix].slice(event.row, 1).to_pylist()[0]
        members = [
            tables[scan.prefix]["hit_id"][int(row)].as_py()
            for scan, rows in zip(scans, event.members, strict=True)
            for row in rows
        ]
        rows.append(
            {
                "event_id": f"{project}:event:{number}",
                "level": event.level,
                "n_on": sum(h for h, scan in zip(event.has, scans, strict=True) if scan.on),
                "n_off": sum(h for h, scan in zip(event.has, scans, strict=True) if not scan.on),
                "seen": "".join(
                    "?" if scan.hits is None else "+" if h else "-"
                    for h, scan in zip(event.has, scans, strict=True)
                ),
                "hits": " ".join(members),
                "absent": absent,
                "pattern": settings.pattern,
                **{name: strongest[name] for name in ("source", "freq_mhz", "drift_rate_hz_s", "tstart_mjd")},
                "snr": float(strongest["snr"]),
            }
        )
    return rows


def cadence_counts(scans: Sequence[Scan], events: Sequence[Event], settings: Settings) -> list[Count]:
    """Counts of ON hits that pass the cuts, and of those hits in events of each level."""
    on = [scan for scan in scans if scan.on and scan.hits is not None]
    usable, passed = (sum(int(getattr(s, name).sum()) for s in on) for name in ("usable", "passed"))
    cuts = f"snr >= {settings.snr_min:g}" + (", no zero drift" if settings.drop_zero_drift else "")
    levels: Counter[int] = Counter()
    for event in events:
        for scan, rows in zip(scans, event.members, strict=True):
            levels[event.level] += int(scan.passed[rows].sum()) if scan.on else 0
    off = f"OFF snr >= {settings.snr_min * settings.off_share:g}, within {settings.tolerance} channels"
    rest = passed - levels[1]
    return [
        Count("on_hits", cuts, usable, _some("cuts", usable - passed)),
        Count("no_off", off, passed, _some("seen in OFF", levels[1])),
        Count("every_on", f"{sum(scan.on for scan in scans)} ON", rest, _some("not in every ON", levels[2])),
    ]


def _some(reason: str, number: int) -> dict[str, int]:
    return {reason: number} if number else {}


def main(job: Job) -> None:
    """Write the events of one project."""
    settings: Settings = job.settings
    paths: list[Path] = getattr(job.input, "hits", [])
    tables = {path.parent.name: read(path, FILTERED_HITS) for path in paths}
    scans = scans_of(tables, settings)
    off_snr = settings.snr_min * settings.off_share
    events = find_events(scans, off_snr=off_snr, tolerance=settings.tolerance)
    project = job.wildcards.project
    found = event_rows(events, scans, tables, settings, project)
    counts = cadence_counts(scans, events, settings) if settings.prefixes else []
    job.output.tables.mkdir(parents=True)
    write(found, EVENTS, job.output.events)
    write(count_rows(project, counts), FILTER_COUNTS, job.output.filter_counts)
    for kind in job.settings.formats:
        write(found, EVENTS, job.output.tables / f"events{SUFFIX_OF[kind]}")
    log.info("%d events of level 3 among %d", sum(event.level == 3 for event in events), len(events))
