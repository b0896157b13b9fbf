"""Which good time intervals belong to which CCD, by the data subspace keywords of an event list.

The data subspace is a union of alternatives (keyword prefix none, 2, 3, ...), each an intersection of
axes n: DSTYPn names the axis, DSVALn its values, DSREFn a table of this file. An alternative that
leaves an axis out takes it from the first. Before a flare cut a CCD refers to STDGTInn, which only
says that the detector was on; after it to a table such as GTI00506, and the number in that name is not
the CCD's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from ephemera.xmm.fits_stream import Header
from ephemera.xmm.intervals import intersect, merge_intervals
from ephemera.xmm.observation import FloatArray

#: Key of intervals that hold for every CCD.
ALL_CCDS = 0
MAX_CCD = 12

DETECTOR_ON = re.compile(r"STDGTI(\d\d)")
SUBSPACE = re.compile(r"(\d*)DS(?:VAL|REF)\d+")
RANGE = re.compile(r"\(?\s*([-+0-9.EeD]*)\s*:\s*([-+0-9.EeD]*)\s*\)?")


def good_time_of_ccds(events: Header, tables: Mapping[str, FloatArray]) -> dict[int, FloatArray]:
    """Good time (k, 2) in s of each CCD, or under `ALL_CCDS` what holds for all of them.

    `events` is the header of the event table and `tables` every interval table of the file by its
    name in capitals. A table that is named but absent is replaced by STDGTInn of that CCD. Without
    data subspace keywords STDGTInn count, then a table called GTI or STDGTI. A CCD may have an empty
    table: it has no good time. The result is empty when the file says nothing of good time at all.
    """
    found: dict[int, list[FloatArray]] = {}
    detector_on = {int(m.group(1)): t for n, t in tables.items() if (m := DETECTOR_ON.fullmatch(n))}
    for ccds, names, limits in _alternatives(events):
        for ccd in ccds:
            parts = [tables[n] if n in tables else detector_on.get(ccd) for n in names]
            chosen = [*limits, *(part for part in parts if part is not None)]
            if chosen:
                found.setdefault(ccd, []).append(_all_of(chosen))
    if found:
        return {ccd: merge_intervals(np.concatenate(parts)) for ccd, parts in sorted(found.items())}
    if detector_on:
        return {ccd: merge_intervals(table) for ccd, table in sorted(detector_on.items())}
    whole = tables.get("GTI", tables.get("STDGTI"))
    return {} if whole is None else {ALL_CCDS: merge_intervals(whole)}


def _alternatives(events: Header) -> list[tuple[list[int], list[str], list[FloatArray]]]:
    """Each alternative's CCDs, names of time tables and explicit time limits."""
    axes = {k: events.text(f"DSTYP{k}").upper() for k in _axis_numbers(events)}
    prefixes = {match.group(1) for name in events if (match := SUBSPACE.fullmatch(name))}
    result = []
    for prefix in sorted(prefixes, key=lambda p: int(p or 1)):
        ccds, names, limits = [ALL_CCDS], [], []
        for k, kind in axes.items():
            value = events.text(f"{prefix}DSVAL{k}") or events.text(f"DSVAL{k}")
            table = events.text(f"{prefix}DSREF{k}") or events.text(f"DSREF{k}")
            if kind == "CCDNR":
                ccds = _numbers(value)
            elif kind == "TIME" and value.upper() == "TABLE":
                names.append(re.split(r"[\[(]", table.split(":")[-1])[0].strip().upper())
            elif kind == "TIME" and (ranges := _ranges(value)):
                limits.append(ranges[0] if len(ranges) == 1 else merge_intervals(np.concatenate(ranges)))
        if names or limits:
            result.append((ccds, names, limits))
    return result


def _axis_numbers(events: Header) -> list[int]:
    found = (re.fullmatch(r"DSTYP(\d+)", name) for name in events)
    return sorted(int(match.group(1)) for match in found if match)


def _numbers(value: str) -> list[int]:
    """CCD numbers in a list of numbers and ranges, such as `1`, `1,3` or `1:3`."""
    ranges = _ranges(value)
    if not ranges:
        return [ALL_CCDS]
    return [c for c in range(1, MAX_CCD + 1) if any(low <= c <= high for [[low, high]] in ranges)]


def _ranges(value: str) -> list[FloatArray]:
    """Closed ranges (1, 2) in a comma-separated list of `a`, `a:b`, `a:` and `:b`."""
    result = []
    for item in filter(None, map(str.strip, value.split(","))):
        match = RANGE.fullmatch(item)
        low, high = (match.group(1), match.group(2)) if match else (item, item)
        try:
            result.append(np.array([[float(low or -np.inf), float(high or np.inf)]]))
        except ValueError:
            continue
    return [] if any(np.isinf(r).all() for r in result) else result


def _all_of(parts: list[FloatArray]) -> FloatArray:
    merged = merge_intervals(parts[0])
    for part in parts[1:]:
        merged = intersect(merged, part)
    return merged
