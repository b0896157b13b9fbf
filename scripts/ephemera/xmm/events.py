"""Select the events of an observation, group simultaneous exposures, find bad times.

Reads the manifest of an observation and the event lists, source list and flare curves that it names.
Makes one HDF5 file with a group for each subset (events sorted by time, headers with good times, bad
times for each window length), the source list, and how every list ended. A list that cannot be used
is an outcome in that file; the other lists go on.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ephemera.cubes import create, write_array, write_json
from ephemera.xmm.attitude import AttitudeUnreadable, Drift, drift, read_attitude
from ephemera.xmm.bti import BadTime, FlareCurve, bad_times, read_pipeline_curve, window_of
from ephemera.xmm.event_list import read_event_list
from ephemera.xmm.events_store import write_bad_times, write_subset
from ephemera.xmm.hot_pixels import HotPixels
from ephemera.xmm.observation import EPIC, XMM, Camera, EventList, ListHeader, Subset, Telescope
from ephemera.xmm.outcomes import Caution, ListRejected, Outcome, OutcomeRow
from ephemera.xmm.selection import CutCount, select
from ephemera.xmm.source_list import SourceListUnreadable, read_source_list
from ephemera.xmm.source_mask import SourceList
from ephemera.xmm.subsets import SHORTEST_SPAN, subsets

if TYPE_CHECKING:
    from ephemera.config.xmm import BadTimeThreshold, EventSelection
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: A longer list is no exposure, s: four months, where an orbit of XMM-Newton has two days.
LONGEST_LIST = 1e7


@dataclass(frozen=True)
class SelectedLists:
    """Event lists that can be searched, rows in and out of every cut by file, and how each list ended."""

    lists: list[EventList]
    cuts: dict[str, list[CutCount]]
    outcomes: list[OutcomeRow]


def select_lists(
    obsid: str, paths: Sequence[Path], settings: EventSelection, mission: str = XMM
) -> SelectedLists:
    """Read and select every list of an observation of `mission`; what cannot be used is an outcome."""
    return _select(obsid, paths, _epic_reader(obsid, settings) if mission == XMM else
                   _mission_reader(obsid, settings, mission))  # fmt: skip


#: What a reader makes of a file: the list, rows in and out of its cuts, cautions, a remark.
Read = tuple[EventList, list[CutCount], list[OutcomeRow], str]


def _epic_reader(obsid: str, settings: EventSelection) -> Callable[[Path], Read]:
    """Reader of the lists of XMM-Newton."""
    hot = HotPixels.from_csv(settings.hot_pixels) if settings.hot_pixels else None

    def reader(path: Path) -> Read:
        chosen, cuts = select(
            read_event_list(path, obsid=obsid),
            soft_singles=settings.pn_soft_singles,
            hot_pixels=hot,
            strict_revolutions=settings.strict_revolutions,
            find_hot_pixels=settings.find_hot_pixels,
        )
        return chosen, cuts, [], ""

    return reader


def _mission_reader(obsid: str, settings: EventSelection, mission: str) -> Callable[[Path], Read]:
    """Reader of the lists of another mission of the table."""
    # Imported here: observations of XMM-Newton do not need it.
    from ephemera.xmm.mission_list import read_mission_list
    from ephemera.xmm.missions import MissionTableError, read_missions

    missions = read_missions(settings.missions)
    if mission not in missions:
        known = ", ".join([XMM, *missions])
        raise MissionTableError(
            f"{obsid}: the sample sheet names mission {mission!r}, which {settings.missions} does not "
            f"declare (it has {known}); docs/missions.md says how to add one"
        )

    def reader(path: Path) -> Read:
        found = read_mission_list(path, missions, obsid=obsid)
        if found.events.header.mission != mission:
            what = f"the list is of {found.events.header.mission}, the sample sheet says {mission}"
            raise ListRejected(Outcome.BAD_KEYWORDS, what)
        return found.events, found.cuts, found.cautions, f"; {found.remark}"

    return reader


def _select(obsid: str, paths: Sequence[Path], reader: Callable[[Path], Read]) -> SelectedLists:
    """What `reader` makes of each file; files of one name in several folders go by their whole path."""
    found = SelectedLists([], {}, [])
    how_many = Counter(path.name for path in paths)
    for path in paths:
        name = path.name if how_many[path.name] == 1 else str(path)
        try:
            chosen, cuts, cautions, remark = reader(path)
            _check_length(chosen.header)
        except ListRejected as rejected:
            found.outcomes.append(rejected.row(obsid, name))
            log.warning("%s %s: %s", obsid, name, rejected)
            continue
        except OSError as error:
            found.outcomes.append(OutcomeRow(obsid, name, "", Outcome.BAD_FILE, str(error)))
            log.warning("%s %s: %s", obsid, name, error)
            continue
        found.lists.append(replace(chosen, header=replace(chosen.header, file=name)))
        found.cuts[name] = cuts
        detail = f"{len(chosen.events)} events{remark}"
        cautioned = [replace(row, file=name) for row in cautions]
        found.outcomes.extend([OutcomeRow(obsid, name, "", Outcome.OK, detail), *cautioned])
    return found


def _check_length(header: ListHeader) -> None:
    """Refuse a list whose times make no sense: frames are made for all of its length."""
    length = header.stop - header.start
    if not length <= LONGEST_LIST:
        what = f"times run from {header.start:.6g} to {header.stop:.6g} s, longer than {LONGEST_LIST:g} s"
        raise ListRejected(Outcome.BAD_KEYWORDS, what)


def windows(time_bins: Sequence[float], fixed: float | None) -> list[float]:
    """Window lengths (s) of the flare curves that the frame lengths ask for."""
    return sorted({window_of(dt, fixed) for dt in time_bins})


def thresholds(settings: BadTimeThreshold) -> Mapping[Camera, float]:
    """Threshold rates (ct/s) by camera."""
    return {camera: getattr(settings, camera.name.lower()) for camera in EPIC}


def find_bad_times(
    subset: Subset, time_bins: Sequence[float], settings: EventSelection, curves: Sequence[FlareCurve]
) -> dict[float, BadTime]:
    """Bad times of a subset for each window length.

    Without a usable pipeline curve the method `fbktsr` calls no time bad.
    """
    method = "none" if settings.bti == "fbktsr" and not curves else settings.bti
    limits = thresholds(settings.bti_threshold_ct_s)
    telescope = subset.header.telescope
    if telescope is not None:
        return _mission_bad_times(subset, telescope, windows(time_bins, settings.bti_window_s), settings.bti)
    return {
        window: bad_times(subset, window, limits, method=method, pipeline_curves=curves)
        for window in windows(time_bins, settings.bti_window_s)
    }


def _mission_bad_times(
    subset: Subset, telescope: Telescope, lengths: Sequence[float], method: str
) -> dict[float, BadTime]:
    """Bad times by the threshold of another mission; none where it declares none, or none are asked for."""
    if not telescope.flare_ct_s or method == "none":
        return {window: bad_times(subset, window, method="none") for window in lengths}
    limits = dict.fromkeys(subset.cameras, telescope.flare_ct_s)
    band = (telescope.flare_low_ev, telescope.flare_high_ev)
    return {window: bad_times(subset, window, limits, band=band) for window in lengths}


def sources_of(obsid: str, paths: Sequence[Path]) -> tuple[SourceList, list[OutcomeRow]]:
    """Source list of an observation; a missing or unreadable one is a caution and an empty list."""
    if not paths:
        return SourceList.empty(), [OutcomeRow(obsid, "", "", Caution.NO_OBSMLI, "no source list")]
    try:
        return read_source_list(paths[0]), []
    except SourceListUnreadable as error:
        return SourceList.empty(), [OutcomeRow(obsid, paths[0].name, "", Caution.NO_OBSMLI, str(error))]


def flare_curves(obsid: str, paths: Sequence[Path]) -> tuple[list[FlareCurve], list[OutcomeRow]]:
    """Flare curves of the pipeline that can be read; without any, a caution."""
    curves, rows = [], []
    for path in paths:
        try:
            curves.append(read_pipeline_curve(path))
        except ListRejected as rejected:
            rows.append(rejected.row(obsid, path.name))
        except OSError as error:
            rows.append(OutcomeRow(obsid, path.name, "", Outcome.BAD_FILE, str(error)))
    if not curves:
        detail = "no flare curve, so no time is called bad; name FBKTSR in xmm.download.optional_products"
        rows.append(OutcomeRow(obsid, "", "", Caution.NO_FLARE_CURVE, detail))
    return curves, rows


def attitude_drift(
    obsid: str, paths: Sequence[Path], found: Sequence[Subset]
) -> tuple[Drift | None, list[OutcomeRow]]:
    """Drift of the pointing over the time searched; None without a readable attitude time series."""
    if not paths or not found:
        return None, []
    start, stop = min(subset.t0 for subset in found), max(subset.t1 for subset in found)
    try:
        return drift(read_attitude(paths[0]), start, stop), []
    except AttitudeUnreadable as error:
        return None, [OutcomeRow(obsid, paths[0].name, "", Outcome.BAD_FILE, str(error))]


def main(job: Job) -> None:
    """Write the subsets of one observation."""
    settings: EventSelection = job.settings
    time_bins: Sequence[float] = job.settings.time_bins_s
    manifest: dict[str, Any] = json.loads(job.input.manifest.read_text(encoding="utf-8"))
    obsid = manifest["obsid"]
    by_role: dict[str, list[Path]] = {}
    usable = manifest["outcome"] == Outcome.OK.value
    for entry in manifest["files"] if usable else []:
        by_role.setdefault(entry["role"], []).append(Path(entry["path"]))
    selected = select_lists(obsid, by_role.get("event_list", []), settings, manifest.get("mission", XMM))
    shortest = max(2 * min(time_bins), SHORTEST_SPAN)
    found, remarks = subsets(selected.lists, span=settings.span, minimum_span=shortest)
    # A list that can be read but is in no subset ends by what `subsets` says of it.
    left_out = {row.file for row in remarks if isinstance(row.outcome, Outcome)}
    rows = [row for row in selected.outcomes if row.outcome is not Outcome.OK or row.file not in left_out]
    sources, missing = sources_of(obsid, by_role.get("source_list", []))
    curves: list[FlareCurve] = []
    if settings.bti == "fbktsr":
        curves, unread = flare_curves(obsid, by_role.get("flare_curve", []))
        remarks = [*remarks, *unread]
    if not usable:
        rows.append(OutcomeRow(obsid, "", "", Outcome(manifest["outcome"]), manifest["detail"]))
    elif not selected.lists:
        rows.append(OutcomeRow(obsid, "", "", Outcome.NO_LISTS, "no event list can be searched"))
    rows = [*rows, *remarks, *(missing if found else [])]
    strayed, unknown = attitude_drift(obsid, by_role.get("attitude", []), found)
    rows = [*rows, *unknown]
    with create(job.output.events) as handle:
        handle.attrs["obsid"] = obsid
        if strayed is not None:
            handle.attrs["pointing_drift_arcsec"] = strayed.pointing_arcsec
            handle.attrs["angle_drift_deg"] = strayed.angle_deg
        write_json(handle, "outcomes", [_plain(row) for row in rows])
        write_json(handle, "cuts", {f: [asdict(c) for c in cuts] for f, cuts in selected.cuts.items()})
        group = handle.create_group("source_list")
        for field in fields(sources):
            write_array(group, field.name, getattr(sources, field.name), ["source"])
        for subset in found:
            inside = handle.create_group(f"subset_{subset.number}")
            write_subset(inside, subset)
            write_bad_times(inside, find_bad_times(subset, time_bins, settings, curves))
            log.info("subset %d: %d events in %.0f s", subset.number, len(subset.events), subset.span)


def _plain(row: OutcomeRow) -> dict[str, str]:
    return {**asdict(row), "outcome": row.outcome.value}
