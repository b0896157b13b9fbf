"""Groups the lists of an observation into subsets that are searched together.

A subset holds simultaneous lists with one pointing, at most one per camera. A missing camera is no
error, and every list ends in exactly one subset or in a row that says why not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from ephemera.sky.sphere import separation_arcsec
from ephemera.xmm.observation import SKY_SIZE, EventList, Events, ListHeader, Subset
from ephemera.xmm.outcomes import Caution, Outcome, OutcomeRow

Span = Literal["common", "union"]

#: A shorter span is not searched, s.
SHORTEST_SPAN = 500.0
#: Lists whose references differ by more than this, in arcsec, are reprojected.
SAME_REFERENCE_ARCSEC = 0.1
#: Lists whose references differ by more than this, in arcsec, are never searched together.
SAME_POINTING_ARCSEC = 60.0


def subsets(
    lists: Sequence[EventList], *, span: Span = "common", minimum_span: float
) -> tuple[list[Subset], list[OutcomeRow]]:
    """Subsets in order of their start, then of their first file name, numbered from 0; and remarks.

    Lists that overlap, directly or through others, are candidates. From a candidate the list with the
    longest ONTIME of each camera is taken (ties: file name); what is not taken forms further
    candidates. With `span` common a subset is searched from its latest start to its earliest stop;
    while that is shorter than `minimum_span` s the list with the least overlap leaves. With union it
    is searched from its earliest start to its latest stop, and lists without any overlap leave.

    Remarks are rows `no_common_time` or `no_events` for lists in no subset, and cautions
    `mixed_pointing` for lists whose X, Y were reprojected to the first of their subset (by 0.1" to
    60"; lists farther apart are separate). Raises ValueError for another `span`.
    """
    if span not in ("common", "union"):
        raise ValueError(f"span must be 'common' or 'union', not {span!r}")
    found: list[Subset] = []
    remarks: list[OutcomeRow] = []
    for group in _chosen_groups(lists, span, minimum_span):
        t0, t1 = _span_of(group, span)
        if t1 - t0 < minimum_span or t1 <= t0:
            detail = f"{max(0.0, t1 - t0):.6g} s, less than the {minimum_span:g} s needed"
            remarks += [_row(item, Outcome.NO_COMMON_TIME, detail) for item in group]
            continue
        aligned = [_reprojected(item, group[0], remarks) for item in group]
        events = Events.merge([_within(item.events, t0, t1) for item in aligned])
        if len(events):
            found.append(Subset(0, t0, t1, tuple(item.header for item in aligned), events))
        else:
            detail = f"no event between {t0:.3f} and {t1:.3f} s"
            remarks += [_row(item, Outcome.NO_EVENTS, detail) for item in group]
    found.sort(key=lambda s: (s.t0, min(h.file for h in s.headers)))
    return [replace(subset, number=k) for k, subset in enumerate(found)], remarks


def _chosen_groups(lists: Sequence[EventList], span: Span, minimum_span: float) -> list[list[EventList]]:
    """Lists searched together, at most one per camera, each group in order of camera; all lists."""
    ordered = sorted(lists, key=lambda item: (item.header.start, item.header.file))
    waiting = [part for pointing in _pointings(ordered) for part in _overlapping(pointing)]
    groups = []
    while waiting:
        candidate = waiting.pop()
        by_length = sorted(candidate, key=lambda item: (-item.header.ontime, item.header.file))
        taken = {item.header.camera: item for item in reversed(by_length)}
        chosen = [taken[camera] for camera in sorted(taken)]
        while len(chosen) > 1 and _does_not_hold(chosen, span, minimum_span):
            chosen.remove(min(chosen, key=lambda item: _rank(item, chosen)))
        groups.append(chosen)
        kept = {id(item) for item in chosen}
        waiting += _overlapping([item for item in candidate if id(item) not in kept])
    return groups


def _does_not_hold(chosen: list[EventList], span: Span, minimum_span: float) -> bool:
    """Whether a list has to leave: too short a common interval, or a list that overlaps no other."""
    if span == "union":
        return min(_overlap_with_others(item, chosen) for item in chosen) <= 0
    t0, t1 = _span_of(chosen, span)
    return t1 - t0 < minimum_span or t1 <= t0


def _rank(item: EventList, chosen: list[EventList]) -> tuple[float, float, str]:
    """The list to leave first: least overlap with the others, then shortest, then by file name."""
    return _overlap_with_others(item, chosen), item.header.ontime, item.header.file


def _overlap_with_others(item: EventList, chosen: list[EventList]) -> float:
    a = item.header
    pairs = ((a, other.header) for other in chosen if other is not item)
    return sum(max(0.0, min(a.stop, b.stop) - max(a.start, b.start)) for a, b in pairs)


def _span_of(group: list[EventList], span: Span) -> tuple[float, float]:
    starts = [item.header.start for item in group]
    stops = [item.header.stop for item in group]
    return (max(starts), min(stops)) if span == "common" else (min(starts), max(stops))


def _overlapping(ordered: list[EventList]) -> list[list[EventList]]:
    """Connected components of lists that overlap or touch; `ordered` by start."""
    components: list[list[EventList]] = []
    reach = -np.inf
    for item in ordered:
        if not components or item.header.start > reach:
            components.append([])
            reach = item.header.stop
        components[-1].append(item)
        reach = max(reach, item.header.stop)
    return components


def _pointings(ordered: list[EventList]) -> list[list[EventList]]:
    """Lists within 60" of the first of their group, and with its time reference."""
    groups: list[list[EventList]] = []
    for item in ordered:
        for group in groups:
            if _same_pointing(group[0].header, item.header):
                group.append(item)
                break
        else:
            groups.append([item])
    return groups


def _same_pointing(a: ListHeader, b: ListHeader) -> bool:
    if (a.mjdref, a.timezero) != (b.mjdref, b.timezero):
        return False
    return _apart(a, b) <= SAME_POINTING_ARCSEC


def _apart(a: ListHeader, b: ListHeader) -> float:
    return float(separation_arcsec(a.reference_ra, a.reference_dec, b.reference_ra, b.reference_dec))


def _reprojected(item: EventList, first: EventList, remarks: list[OutcomeRow]) -> EventList:
    """`item` with X, Y in the tangent plane of `first`; events that leave the plane are dropped."""
    own, reference = item.header, first.header
    apart = _apart(own, reference)
    if apart <= SAME_REFERENCE_ARCSEC:
        return item
    remarks.append(_row(item, Caution.MIXED_POINTING, f"{apart:.2f} arcsec from {reference.file}"))
    events = item.events
    x, y = (np.rint(v) for v in reference.plane.to_plane(*own.plane.to_sky(events.x, events.y)))
    inside = (x >= 1) & (x <= SKY_SIZE) & (y >= 1) & (y <= SKY_SIZE)
    moved = replace(events.take(inside), x=x[inside].astype(np.uint16), y=y[inside].astype(np.uint16))
    header = replace(own, reference_ra=reference.reference_ra, reference_dec=reference.reference_dec)
    return EventList(header, moved)


def _within(events: Events, t0: float, t1: float) -> Events:
    """Events with t0 <= time <= t1, of events sorted by time."""
    first, last = np.searchsorted(events.time, t0, "left"), np.searchsorted(events.time, t1, "right")
    return events.take(slice(int(first), int(last)))


def _row(item: EventList, outcome: Outcome | Caution, detail: str) -> OutcomeRow:
    return OutcomeRow(item.header.obsid, item.header.file, "", outcome, detail)
