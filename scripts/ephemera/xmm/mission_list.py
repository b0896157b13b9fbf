"""One event list of a mission other than XMM-Newton, made ready for the search.

What leaves here is what leaves the reader of EPIC lists: a header, and events sorted by time in the common
plane (0.05 arcsec units, reference pixel 25921). A list may name its columns in lower case, count energy in
channels, have several tables called GTI, one time for all events of a frame, and times at the barycentre.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.seeds import generator
from ephemera.xmm.event_header import Keywords, interval_of, observation_id
from ephemera.xmm.fits_stream import FitsError, Hdu, Header, open_fits, table_columns
from ephemera.xmm.intervals import intersect, merge_intervals
from ephemera.xmm.mission_plane import events_plane, in_common_plane
from ephemera.xmm.missions import EnergyColumn, Mission, identify
from ephemera.xmm.observation import SKY_SIZE, BoolArray, EventList, Events, FloatArray, ListHeader
from ephemera.xmm.outcomes import Caution, ListRejected, Outcome, OutcomeRow
from ephemera.xmm.selection import CutCount

Array = npt.NDArray[Any]

#: Columns beyond these numbers do not fit the compact types of events.
LIMITS: Mapping[str, tuple[int, int]] = {
    "ccd": (0, 255), "rawx": (0, 4095), "rawy": (0, 4095), "detx": (-32768, 32767), "dety": (-32768, 32767),
}  # fmt: skip
#: CCD of lists that do not number theirs.
ONLY_CCD = 1


@dataclass(frozen=True)
class MissionList:
    """A list that can be searched, rows in and out of its cuts, cautions, and how its energies were made."""

    events: EventList
    cuts: list[CutCount]
    cautions: list[OutcomeRow]
    remark: str


@dataclass
class _Contents:
    """What one pass over a file has found: headers, the mission, columns by role, good times."""

    primary: Header
    events: Header
    mission: Mission | None
    energy: EnergyColumn | None
    columns: dict[str, Array] | None
    good_time: list[tuple[int | None, FloatArray]]
    time_systems: set[str]


def read_mission_list(
    path: str | os.PathLike[str], missions: Mapping[str, Mission], *, obsid: str | None = None
) -> MissionList:
    """Read and select one list; its TELESCOP tells the mission.

    Raises ListRejected, whose outcome is `bad_file`, `bad_keywords` (unknown mission or instrument, no
    reference position, a time system that is not the mission's), `bad_columns` (no energy, say),
    `skipped_timing_mode`, `skipped_submode`, `no_events` or `wrong_obsid`.
    """
    path = Path(path)
    try:
        found = _read(path, missions, obsid)
    except FitsError as error:
        raise ListRejected(Outcome.BAD_FILE, str(error)) from error
    if found.mission is None or found.columns is None or found.energy is None:
        tables = ", ".join(sorted({mission.event_table for mission in missions.values()}))
        raise ListRejected(Outcome.BAD_FILE, f"no table {tables}")
    keys = Keywords(found.primary, found.events)
    cautions = []
    if "TDB" in found.time_systems:
        detail = "TIMESYS = 'TDB': times are at the barycentre, not TT"
        cautions.append(OutcomeRow(obsid or "", path.name, "", Caution.BARYCENTRED, detail))
    if not found.good_time:
        detail = "no table of good times: all of the list counts as exposed but for long silences"
        cautions.append(OutcomeRow(obsid or "", path.name, "", Caution.NO_GTI, detail))
    header = _header(path.name, keys, found.mission, obsid)
    plane, x, y = in_common_plane(events_plane(keys, found.mission), found.columns["x"], found.columns["y"])
    header = replace(header, reference_ra=plane.ra0, reference_dec=plane.dec0)
    index, cuts = _selected(found.columns, found.mission, x, y)
    header = _with_good_time(header, found, index)
    events = _events(found.columns, index, header, x, y)
    if found.mission.spread_times:
        events = _spread(events, header, keys.number("TIMEPIXR"))
    unit = f"energy is {found.energy.ev_per_unit:g} eV x column {found.energy.column}"
    return MissionList(EventList(header, events), cuts, cautions, unit)


def _read(path: Path, missions: Mapping[str, Mission], obsid: str | None) -> _Contents:
    """One pass over the file."""
    found = _Contents(Header(b""), Header(b""), None, None, None, [], set())
    tables = {mission.event_table for mission in missions.values()}
    with open_fits(path) as stream:
        for hdu in stream:
            if hdu.index == 0:
                found.primary = hdu.header
            elif found.columns is None and hdu.is_table and hdu.header.name in tables:
                found.events = hdu.header
                keys = Keywords(found.primary, found.events)
                found.mission = identify(keys.text("TELESCOP"), missions)
                found.energy = _check_usable(keys, found.mission, obsid)
                found.columns = _columns(hdu, found.mission, found.energy)
                found.time_systems.add(_time_system(hdu.header, found.mission))
            elif "GTI" in hdu.header.name and {"START", "STOP"} <= hdu.column_names():
                table = hdu.read(["START", "STOP"])
                intervals = np.column_stack([table["START"], table["STOP"]])
                intervals = intervals[np.isfinite(intervals).all(axis=1)]
                keyword = found.mission.keywords.ccd_of_good_time if found.mission else ""
                ccd = hdu.header.number(keyword) if keyword else None
                found.good_time.append((None if ccd is None else int(ccd), intervals))
                if found.mission is not None and "TIMESYS" in hdu.header:
                    found.time_systems.add(_time_system(hdu.header, found.mission))
    if len(found.time_systems) > 1:
        which = " and ".join(sorted(found.time_systems))
        raise ListRejected(Outcome.BAD_KEYWORDS, f"events and good times have different TIMESYS: {which}")
    return found


def _check_usable(keys: Keywords, mission: Mission, obsid: str | None) -> EnergyColumn:
    """The column of energies of a list that can be searched; its rows need not be read to know that."""
    mission.camera(keys.text("INSTRUME"))
    observed = observation_id(keys)
    if obsid is not None and observed and observed != obsid:
        raise ListRejected(Outcome.WRONG_OBSID, f"OBS_ID = {observed!r}, not {obsid!r}")
    word = mission.keywords.submode
    mode = keys.text(word).upper() if word else ""
    if mode and mode in mission.modes.without_image:
        raise ListRejected(Outcome.SKIPPED_TIMING_MODE, f"{word} = {mode!r} has no sky image")
    if mission.modes.searched and mode not in mission.modes.searched:
        allowed = ", ".join(mission.modes.searched)
        raise ListRejected(Outcome.SKIPPED_SUBMODE, f"{word} = {mode!r} is none of {allowed}")
    there = table_columns(keys.events)
    missing = [column for column in mission.columns.values() if column not in there]
    if missing:
        raise ListRejected(Outcome.BAD_COLUMNS, f"no column {', '.join(missing)}")
    energy = next((part for part in mission.energy if part.column.upper() in there), None)
    if energy is None:
        names = ", ".join(part.column.upper() for part in mission.energy)
        raise ListRejected(Outcome.BAD_COLUMNS, f"no column of energy: {names}")
    if keys.events.size("NAXIS2") == 0:
        raise ListRejected(Outcome.NO_EVENTS, "the event table has no rows")
    return energy


def _time_system(header: Header, mission: Mission) -> str:
    """TIMESYS of a table. Raises ListRejected for one that the mission does not declare."""
    system = header.text("TIMESYS").upper() or mission.time_systems[0]
    if system not in mission.time_systems:
        allowed = ", ".join(mission.time_systems)
        raise ListRejected(Outcome.BAD_KEYWORDS, f"TIMESYS = {system!r} is none of {allowed}")
    return system


def _columns(hdu: Hdu, mission: Mission, energy: EnergyColumn) -> dict[str, Array]:
    """Columns by role, and `energy` in eV (NaN where null)."""
    named = {**mission.columns, "energy": energy.column.upper()}
    parts: dict[str, list[Array]] = {role: [] for role in named}
    for _, chunk in hdu.chunks(list(dict.fromkeys(named.values()))):
        for role, column in named.items():
            parts[role].append(chunk[column])
    columns = {role: np.concatenate(values) for role, values in parts.items()}
    columns["energy"] = (columns["energy"].astype(np.float64) + energy.offset) * energy.ev_per_unit
    for role in ("time", "x", "y"):
        columns[role] = columns[role].astype(np.float64)
    return columns


def _header(file: str, keys: Keywords, mission: Mission, obsid: str | None) -> ListHeader:
    """Header without reference position, good times and CCDs."""
    words = mission.keywords
    instrument = keys.text("INSTRUME")
    start, stop, mjdref = keys.number("TSTART"), keys.number("TSTOP"), keys.number("MJDREF")
    if mjdref is None:
        whole, part = keys.number("MJDREFI"), keys.number("MJDREFF")
        if whole is None:
            raise ListRejected(Outcome.BAD_KEYWORDS, "missing or unreadable: MJDREF")
        mjdref = whole + (part or 0.0)
    frame_time = keys.number(words.frame_time) if words.frame_time else None
    return ListHeader(
        file=file,
        camera=mission.camera(instrument),
        obsid=observation_id(keys) or obsid or "",
        exposure_id=keys.text("OBI_NUM"),
        submode=keys.text(words.submode) if words.submode else "",
        filter=keys.text(words.filter) if words.filter else "",
        revolution=0,
        ontime=keys.number("ONTIME") or keys.number("EXPOSURE") or 0.0,
        start=np.nan if start is None else start,
        stop=np.nan if stop is None else stop,
        mjdref=mjdref,
        timezero=keys.number("TIMEZERO") or 0.0,
        frame_time=frame_time if frame_time and frame_time > 0 else mission.frame_time_s,
        reference_ra=np.nan,
        reference_dec=np.nan,
        pa_pnt=keys.number(words.position_angle) if words.position_angle else None,
        object_name=keys.text("OBJECT"),
        date_obs=keys.text("DATE-OBS"),
        telescope=mission.telescope_of(instrument),
    )


def _selected(
    columns: Mapping[str, Array], mission: Mission, x: FloatArray, y: FloatArray
) -> tuple[npt.NDArray[np.intp], list[CutCount]]:
    """Rows that can be searched, and the rows in and out of each cut."""
    cuts = [("null_rows", _known(columns))]
    if "status" in columns:
        cuts.append(("flag", columns["status"] == 0))
    if mission.grades:
        cuts.append(("pattern", np.isin(columns["grade"], mission.grades)))
    low, high = mission.energy_range_ev
    cuts.append(("energy", (columns["energy"] >= low) & (columns["energy"] <= high)))
    cuts.append(("outside_plane", (x >= 1) & (x <= SKY_SIZE) & (y >= 1) & (y <= SKY_SIZE)))
    keep = np.ones(len(x), bool)
    counts: list[CutCount] = []
    for name, passes in cuts:
        before = int(np.count_nonzero(keep))
        keep &= passes
        counts.append(CutCount(name, before, int(np.count_nonzero(keep))))
    if not keep.any():
        trail = ", ".join(f"{c.name} {c.rows_in} -> {c.rows_out}" for c in counts if c.rows_in != c.rows_out)
        raise ListRejected(Outcome.NO_EVENTS, f"no event left: {trail}")
    return np.flatnonzero(keep), counts


def _known(columns: Mapping[str, Array]) -> BoolArray:
    """Rows whose time, place and energy are numbers."""
    known = np.ones(len(columns["time"]), bool)
    for role in ("time", "x", "y", "energy"):
        known &= np.isfinite(columns[role])
    return known


def _with_good_time(header: ListHeader, found: _Contents, index: npt.NDArray[np.intp]) -> ListHeader:
    """Header with the good time of every CCD that has events, and the interval of the list.

    Tables for one CCD are cut by those for all of them; a CCD without a table of its own has those for all.
    """
    columns = found.columns or {}
    ccds = np.unique(_integers(columns["ccd"], "ccd")[index]) if "ccd" in columns else np.array([ONLY_CCD])
    shared = [table for ccd, table in found.good_time if ccd is None]
    common = merge_intervals(np.concatenate(shared)) if shared else None
    good: dict[int, FloatArray] = {}
    for ccd in ccds.tolist():
        own = [table for number, table in found.good_time if number == ccd]
        table = merge_intervals(np.concatenate(own)) if own else common
        if table is not None and own and common is not None:
            table = intersect(table, common)
        if table is not None and len(table):
            good[ccd] = table
    if not found.good_time:
        time = columns["time"][index]
        start, stop = header.start, header.stop
        if not (np.isfinite(start) and np.isfinite(stop) and stop > start):
            start, stop = float(time.min()), float(time.max())
        return replace(header, start=start, stop=stop, kept_ccds=tuple(ccds.tolist()))
    interval = interval_of(good)
    if interval is None:
        raise ListRejected(Outcome.NO_EVENTS, "no CCD with events has good time")
    return replace(header, start=interval[0], stop=interval[1], good_time=good, kept_ccds=tuple(good))


def _integers(values: Array, role: str) -> Array:
    """Whole numbers within the limits of the role."""
    low, high = LIMITS[role]
    known = np.nan_to_num(values, nan=low) if values.dtype.kind == "f" else values
    return np.asarray(np.clip(np.rint(known), low, high), np.int64)


def _events(
    columns: Mapping[str, Array],
    index: npt.NDArray[np.intp],
    header: ListHeader,
    x: FloatArray,
    y: FloatArray,
) -> Events:
    """Rows `index` in order of time."""
    index = index[np.argsort(columns["time"][index], kind="stable")]

    def number(role: str, dtype: str, absent: int = 0) -> Array:
        if role not in columns:
            return np.full(len(index), absent, dtype)
        return _integers(columns[role][index], role).astype(dtype)

    return Events(
        time=columns["time"][index],
        x=np.rint(x[index]).astype(np.uint16),
        y=np.rint(y[index]).astype(np.uint16),
        pi=np.floor(columns["energy"][index]).astype(np.uint16),
        ccd=number("ccd", "u1", ONLY_CCD),
        rawx=number("rawx", "u2"),
        rawy=number("rawy", "u2"),
        detx=number("detx", "i2"),
        dety=number("dety", "i2"),
        camera=np.full(len(index), header.camera, np.uint8),
    )


def _spread(events: Events, header: ListHeader, reference: float | None) -> Events:
    """Events spread evenly over the read-out frame in which they came, sorted by time again.

    All events of a frame carry one time, at the share `reference` (TIMEPIXR, else 1/2) of the frame. Bins
    that hold one frame more than others would make a steady source vary; photons put anywhere in their
    frame at random are a Poisson process again. No time moves over an end of the interval of the list.
    """
    share = 0.5 if reference is None else reference
    moved = generator(0, header.obsid, header.file, "frame").random(len(events)) - share
    time = events.time + header.frame_time * moved
    inside = (events.time >= header.start) & (events.time <= header.stop)
    time[inside] = time[inside].clip(header.start, header.stop)
    order = np.argsort(time, kind="stable")
    return replace(events.take(order), time=time[order])
