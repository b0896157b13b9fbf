"""Read a catalogue to match with as the plan of its set says.

Columns have the names by which catalogues are known, whatever their case; one that a version of a catalogue
lacks is null, and the log says so.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ephemera.sky.crossmatch import Catalogue
from ephemera.sky.motion import mjd_of_julian_year
from ephemera.tables import Column, numbers
from ephemera.tables.foreign import degrees
from ephemera.xmm.crossmatch_presets import SetPlan
from ephemera.xmm.observation import FloatArray

log = logging.getLogger(__name__)

#: Unit and UCD of columns, where a file tells them.
Facts = Mapping[str, tuple[str | None, str | None]]

#: Names under which catalogues keep positions in degrees, right ascension and declination, best first.
POSITION_NAMES = (
    ("ra", "dec"),
    ("RA_ICRS", "DE_ICRS"),
    ("RAdeg", "DEdeg"),
    ("RAJ2000", "DEJ2000"),
    ("_RAJ2000", "_DEJ2000"),
    ("SC_RA", "SC_DEC"),
    ("ra_deg", "dec_deg"),
    ("ra_epoch2000", "dec_epoch2000"),
)


class NoPositions(ValueError):  # noqa: N818 - named by what is missing
    """A table has no positions in degrees; the message lists its columns."""


def position_columns(
    names: Sequence[str],
    facts: Facts,
    ra: str | None,
    dec: str | None,
) -> tuple[str, str]:
    """Columns of right ascension and declination: as named, else by UCD, else by a usual name.

    Names are compared without regard to case. `facts` are unit and UCD of columns; a column whose unit is
    known and is not degrees does not count. Raises NoPositions.
    """
    exact = {name.lower(): name for name in names}
    by_ucd = (_with_ucd(facts, "pos.eq.ra"), _with_ucd(facts, "pos.eq.dec"))
    pairs = [(ra, dec)] if ra is not None and dec is not None else [by_ucd, *POSITION_NAMES]
    for one, other in pairs:
        found_ra, found_dec = exact.get(str(one).lower()), exact.get(str(other).lower())
        if found_ra and found_dec and _degrees(facts.get(found_ra)) and _degrees(facts.get(found_dec)):
            return found_ra, found_dec
    wanted = f"{ra}, {dec}" if ra and dec else "of right ascension and declination"
    message = f"there are no columns {wanted} in degrees; there are {', '.join(list(names)[:40])}"
    raise NoPositions(message)


def _with_ucd(facts: Facts, ucd: str) -> str | None:
    """Column with that UCD, the one that is called main before others."""
    words = {name: (fact[1] or "").lower().split(";") for name, fact in facts.items()}
    candidates = [name for name, parts in words.items() if parts[0] == ucd]
    return min(candidates, key=lambda name: "meta.main" not in words[name], default=None)


def _degrees(fact: tuple[str | None, str | None] | None) -> bool:
    return fact is None or fact[0] is None or fact[0].strip().lower() in ("", "deg", "degree", "degrees")


@dataclass(frozen=True)
class ReadSet:
    """A catalogue as read, and the errors of its positions (degrees) where it has an ellipse of its own."""

    catalogue: Catalogue
    error_ra: FloatArray | None = None
    error_dec: FloatArray | None = None

    @property
    def has_ellipses(self) -> bool:
        """Whether errors of the catalogue, and not a radius, say how far a match may lie."""
        return self.error_ra is not None and self.error_dec is not None

    def farthest(self, how: SetPlan) -> float:
        """Largest separation of a match, arcsec."""
        if self.error_ra is None or self.error_dec is None:
            return how.radius_arcsec
        largest = np.nanmax(np.fmax(self.error_ra, self.error_dec), initial=1e-6)
        return float(min(3600 * how.error_sigma * largest, 170.0 * 3600))


def places_of(table: pa.Table, how: SetPlan, facts: Facts) -> tuple[FloatArray, FloatArray]:
    """Positions of the rows, degrees, NaN for what is none; numbers, or text in degrees or h m s, d m s.

    Raises NoPositions.
    """
    ra_name, dec_name = position_columns(table.column_names, facts, how.ra, how.dec)
    ra, dec = degrees(table[ra_name], hours=True), degrees(table[dec_name], hours=False)
    good = np.isfinite(ra) & (np.abs(dec) <= 90)
    if not good.all():
        log.warning("%s: %d of %d rows have no position", how.name, np.count_nonzero(~good), len(good))
    return np.where(good, ra, np.nan), np.where(good, dec, np.nan)


def identifiers(table: pa.Table, name: str | None) -> list[str] | None:
    """Identifiers of the rows as text, empty where missing; None without such a column."""
    column = _column(table, name)
    if column is None:
        return None
    return ["" if value is None else str(value).strip() for value in table[column].to_pylist()]


def _column(table: pa.Table, name: str | None) -> str | None:
    """Name in the table of a column known by `name`, whatever its case; None for none."""
    return next((each for each in table.column_names if each.lower() == (name or "").lower()), None)


def read_set(table: pa.Table, how: SetPlan, facts: Facts | None = None) -> ReadSet:
    """Catalogue of a table as the plan says.

    Rows that come twice are taken once: those of one identifier and place or, without identifiers, of one
    place. A table without any column gives an empty catalogue. Raises NoPositions.
    """
    if table.num_columns == 0:
        nothing = np.empty(0)
        extra = {column.name: _values(None, column, 0) for column in how.columns}
        return ReadSet(Catalogue(how.name, np.empty(0, object), nothing, nothing, _named(how, extra)))

    def floats(name: str | None) -> FloatArray | None:
        column = _column(table, name)
        return None if column is None else _floats(table, column)[once]

    ra, dec = places_of(table, how, facts or {})
    given = identifiers(table, how.id)
    once = _once(given or [""] * len(ra), ra, dec)
    ids = np.array([str(k) for k in range(len(ra))] if given is None else given, object)
    extra = {}
    for column in how.columns:
        place = _column(table, column.name)
        if place is None:
            log.warning("%s: there is no column %s, it is null", how.name, column.name)
        extra[column.name] = _values(None if place is None else table[place], column, len(table))[once]
    epoch = None if how.epoch is None else mjd_of_julian_year(how.epoch)
    catalogue = Catalogue(
        how.name,
        ids[once],
        ra[once],
        dec[once],
        _named(how, extra),
        pm_ra=floats(how.pm_ra),
        pm_dec=floats(how.pm_dec),
        epoch=epoch,
    )
    return ReadSet(catalogue, floats(how.error_ra), floats(how.error_dec))


def _named(how: SetPlan, extra: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Columns handed on, under the names they have behind the name of the set."""
    return {column.name.lower(): extra[column.name] for column in how.columns}


def _once(ids: Sequence[str], ra: FloatArray, dec: FloatArray) -> npt.NDArray[np.int64]:
    """Rows to keep, in order: the first of those with equal id and position."""
    seen: dict[tuple[str, float, float], int] = {}
    for row, key in enumerate(zip(ids, ra.tolist(), dec.tolist(), strict=True)):
        seen.setdefault(key, row)
    return np.array(sorted(seen.values()), np.int64)


def _floats(table: pa.Table, name: str) -> FloatArray:
    """A column as numbers, which the service sends as text; what is none becomes NaN."""
    if pa.types.is_string(table[name].type):
        return np.array([_number(text) for text in table[name].to_pylist()], np.float64)
    return numbers(table, name)


def _number(text: str | None) -> float:
    try:
        return float(text) if text else float("nan")
    except ValueError:
        return float("nan")


def _values(values: Any, column: Column, n: int) -> npt.NDArray[Any]:
    """Values of a column as its declaration asks for, missing ones None."""
    if values is None:
        return np.full(n, None, object)
    plain = values.to_pylist()
    convert = {"f8": _real, "i8": _whole, "bool": _truth, "str": _text}[column.dtype]
    result = np.empty(n, object)
    result[:] = [convert(value) for value in plain]
    return result


def _real(value: Any) -> float | None:
    number = _number(str(value)) if value is not None else float("nan")
    return number if np.isfinite(number) else None


def _whole(value: Any) -> int | None:
    number = _real(value)
    try:
        return int(str(value))
    except ValueError:
        return int(number) if number is not None and number == int(number) else None


def _truth(value: Any) -> bool | None:
    text = str(value).strip().lower()
    return (
        True if text in ("true", "t", "1", "1.0") else False if text in ("false", "f", "0", "0.0") else None
    )


def _text(value: Any) -> str | None:
    return None if value is None or str(value) == "" else str(value)
