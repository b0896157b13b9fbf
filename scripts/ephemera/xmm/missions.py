"""Missions other than XMM-Newton: what their event lists look like, from a declared table.

A mission is one entry of a TOML file (`resources/xmm/missions.toml`): which keywords name it, which columns
hold what, how energies are counted, which events are good, how wide pixels and point sources are. Nothing
else in the search knows a mission by name. `docs/missions.md` says how to add one.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from ephemera.xmm.observation import (
    OTHER_CAMERAS,
    TOP_EDGE_EV,
    UNIT_ARCSEC,
    XMM,
    Camera,
    Telescope,
)
from ephemera.xmm.outcomes import ListRejected, Outcome

#: What a column of an event list may be to the search.
ROLES = ("time", "x", "y", "ccd", "rawx", "rawy", "detx", "dety", "grade", "status")
NEEDED_ROLES = ("time", "x", "y")
#: Keys that every entry must have.
NEEDED_KEYS = (
    "telescope", "instruments", "columns", "energy", "size_arcsec", "energy_range_ev", "point_source",
    "frame_time_s",
)  # fmt: skip


class MissionTableError(Exception):
    """The table of missions cannot be used; the message names file, mission, key and what is allowed."""


@dataclass(frozen=True)
class EnergyColumn:
    """Energy of an event in eV: (value of `column` + `offset`) x `ev_per_unit`."""

    column: str
    ev_per_unit: float
    offset: float = 0.0


@dataclass(frozen=True)
class PointSource:
    """Width of a point source and errors of its position, arcsec; see `observation.Telescope`."""

    sigma_arcsec: float
    clip_arcsec: float
    growth_arcsec: float = 0.0
    systematic_arcsec: float = 0.0


@dataclass(frozen=True)
class MissionKeywords:
    """Keywords that a mission calls by its own names; empty where it has none."""

    frame_time: str = ""
    position_angle: str = ""
    ccd_of_good_time: str = ""
    submode: str = ""
    filter: str = ""


@dataclass(frozen=True)
class Modes:
    """Values of the keyword `submode`: those searched (empty: all), and those without a sky image."""

    searched: tuple[str, ...] = ()
    without_image: tuple[str, ...] = ()


@dataclass(frozen=True)
class Flare:
    """Where the background flares: the rate (ct/s, each camera) in `band_ev` above which time is bad."""

    band_ev: tuple[int, int]
    threshold_ct_s: float


@dataclass(frozen=True)
class Plate:
    """Where X, Y lie on the sky in lists without WCS keywords for their columns.

    A unit is `scale_arcsec`; the keywords `ra`, `dec` have the position of the reference pixel (`x`, `y`).
    """

    scale_arcsec: float
    x: float
    y: float
    ra: str
    dec: str


@dataclass(frozen=True)
class Mission:
    """One entry of the table. Texts of `telescope`, `instruments` and `columns` count whatever their case."""

    name: str
    telescope: tuple[str, ...]
    instruments: tuple[str, ...]
    columns: Mapping[str, str]
    energy: tuple[EnergyColumn, ...]
    size_arcsec: float
    energy_range_ev: tuple[int, int]
    point_source: PointSource
    frame_time_s: float
    refused: Mapping[str, str]
    grades: tuple[int, ...]
    spread_times: bool
    time_systems: tuple[str, ...]
    keywords: MissionKeywords
    modes: Modes
    plate: Plate | None
    flare: Flare | None
    event_table: str

    def camera(self, instrument: str) -> Camera:
        """Code of an instrument, by its place in the entry. Raises ListRejected for one not declared."""
        name = instrument.upper()
        if name in self.refused:
            raise ListRejected(Outcome.BAD_COLUMNS, f"INSTRUME = {instrument!r}: {self.refused[name]}")
        if name not in self.instruments:
            known = ", ".join(self.instruments)
            what = f"INSTRUME = {instrument!r} is none of {known}" if instrument else "no INSTRUME"
            raise ListRejected(Outcome.BAD_KEYWORDS, f"{what}, which mission {self.name} declares")
        return OTHER_CAMERAS[self.instruments.index(name)]

    def telescope_of(self, instrument: str) -> Telescope:
        """What the search needs to know of this mission."""
        shape = self.point_source
        return Telescope(
            mission=self.name,
            instrument=instrument.upper(),
            size_arcsec=self.size_arcsec,
            psf_sigma_arcsec=shape.sigma_arcsec,
            psf_growth=shape.growth_arcsec,
            systematic_arcsec=shape.systematic_arcsec,
            clip_arcsec=shape.clip_arcsec,
            flare_low_ev=self.flare.band_ev[0] if self.flare else 0,
            flare_high_ev=self.flare.band_ev[1] if self.flare else 0,
            flare_ct_s=self.flare.threshold_ct_s if self.flare else 0.0,
        )


def read_missions(path: str | os.PathLike[str]) -> dict[str, Mission]:
    """All missions of a table by name. Raises MissionTableError, OSError for a file that cannot be read."""
    file = Path(path)
    try:
        entries = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise MissionTableError(f"table of missions {file}: {error}") from error
    missions = {}
    for name, entry in entries.items():
        where = f"table of missions {file}, mission {name}"
        if name == XMM or not isinstance(entry, Mapping):
            raise MissionTableError(f"{where}: an entry is a table with a name of its own other than {XMM}")
        try:
            missions[name] = _mission(name, entry)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise MissionTableError(f"{where}: {error.args[0] if error.args else error}") from error
    return missions


def identify(telescope: str, missions: Mapping[str, Mission]) -> Mission:
    """The mission whose entry names this TELESCOP. Raises ListRejected when none does."""
    for mission in missions.values():
        if telescope.upper() in mission.telescope:
            return mission
    known = ", ".join([XMM, *missions])
    what = f"TELESCOP = {telescope!r}" if telescope else "no TELESCOP"
    raise ListRejected(
        Outcome.BAD_KEYWORDS,
        f"{what}: of no declared mission ({known}); docs/missions.md says how to add one",
    )


def _mission(name: str, entry: Mapping[str, Any]) -> Mission:
    """A checked entry. Raises ValueError that names the key and what is allowed."""
    _refuse_unknown(entry, Mission, "")
    missing = [key for key in NEEDED_KEYS if key not in entry]
    if missing:
        raise ValueError(f"{', '.join(missing)} must be given")
    low, high = (int(edge) for edge in entry["energy_range_ev"])
    found = Mission(
        name=name,
        telescope=_capitals(entry["telescope"]),
        instruments=_capitals(entry["instruments"]),
        columns={role: str(column).upper() for role, column in entry["columns"].items()},
        energy=tuple(_part(EnergyColumn, part, "energy") for part in entry["energy"]),
        size_arcsec=float(entry["size_arcsec"]),
        energy_range_ev=(low, high),
        point_source=_part(PointSource, entry["point_source"], "point_source"),
        frame_time_s=float(entry["frame_time_s"]),
        refused={key.upper(): str(reason) for key, reason in entry.get("refused", {}).items()},
        grades=tuple(int(grade) for grade in entry.get("grades", ())),
        spread_times=bool(entry.get("spread_times", False)),
        time_systems=_capitals(entry.get("time_systems", ("TT",))),
        keywords=_part(MissionKeywords, entry.get("keywords", {}), "keywords"),
        modes=Modes(**{key: _capitals(value) for key, value in entry.get("modes", {}).items()}),
        plate=_part(Plate, entry["plate"], "plate") if "plate" in entry else None,
        flare=_part(Flare, entry["flare"], "flare") if "flare" in entry else None,
        event_table=str(entry.get("event_table", "EVENTS")).upper(),
    )
    _check(found)
    return found


def _check(mission: Mission) -> None:
    """Refuse values that no search can work with."""
    units = mission.size_arcsec / UNIT_ARCSEC
    low, high = mission.energy_range_ev
    flare = mission.flare or Flare((low, high), 1.0)
    rules = {
        f"columns must name {', '.join(NEEDED_ROLES)}": all(r in mission.columns for r in NEEDED_ROLES),
        f"columns may name only {', '.join(ROLES)}": all(r in ROLES for r in mission.columns),
        "energy must name at least one column": len(mission.energy) > 0,
        f"instruments must be 1 to {len(OTHER_CAMERAS)}": 0 < len(mission.instruments) <= len(OTHER_CAMERAS),
        f"size_arcsec must be a multiple of {UNIT_ARCSEC}, at least 0.1, got {mission.size_arcsec:g}": (
            units > 1.5 and abs(units - round(units)) < 1e-6
        ),
        f"energy_range_ev must rise from 0 or more to at most {TOP_EDGE_EV}": 0 <= low < high <= TOP_EDGE_EV,
        "flare.band_ev must lie in energy_range_ev, flare.threshold_ct_s be positive": (
            low <= flare.band_ev[0] < flare.band_ev[1] <= high and flare.threshold_ct_s > 0
        ),
        "grades need a column grade": not mission.grades or "grade" in mission.columns,
        "frame_time_s must be a positive number": mission.frame_time_s > 0,
        "point_source needs a positive sigma_arcsec and clip_arcsec": (
            mission.point_source.sigma_arcsec > 0 and mission.point_source.clip_arcsec > 0
        ),
    }
    broken = [rule for rule, holds in rules.items() if not holds]
    if broken:
        raise ValueError("; ".join(broken))


def _part(kind: Any, entry: Mapping[str, Any], key: str) -> Any:
    """A block inside an entry as its dataclass."""
    _refuse_unknown(entry, kind, f"{key}.")
    missing = [f.name for f in fields(kind) if f.default is MISSING and f.name not in entry]
    if missing:
        raise ValueError(f"{key}.{missing[0]} must be given")
    return kind(**entry)


def _refuse_unknown(entry: Mapping[str, Any], kind: Any, before: str) -> None:
    allowed = [f.name for f in fields(kind) if f.name != "name"]
    unknown = [key for key in entry if key not in allowed]
    if unknown:
        raise ValueError(f"{before}{unknown[0]} is no key; allowed are {', '.join(allowed)}")


def _capitals(values: Sequence[str]) -> tuple[str, ...]:
    if isinstance(values, str):
        raise TypeError(f"{values!r} must be a list of texts")
    return tuple(str(value).upper() for value in values)
