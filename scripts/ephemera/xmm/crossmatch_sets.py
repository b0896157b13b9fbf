"""Catalogues to match with: what is known of the usual ones, and how a set of the configuration is read.

A preset names the columns of a catalogue, so that a set needs no more than its name and, for a local
catalogue, its file. What the configuration says goes before the preset. Columns have the names by which
catalogues are known; one that a version of a catalogue lacks is null, and the log says so.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ephemera.sky.crossmatch import Catalogue
from ephemera.tables import Column

log = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]

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
#: UCD of a column handed on for which the configuration names none.
DEFAULT_UCDS = {"f8": "stat.value", "i8": "meta.number", "bool": "meta.code", "str": "meta.note"}
JULIAN_YEAR = 365.25
J2000_MJD = 51544.5
_MAG = "phot.mag"


class NoPositions(ValueError):  # noqa: N818 - named by what is missing
    """A table has no positions in degrees; the message lists its columns."""


@dataclass(frozen=True)
class SetPlan:
    """How a set is got and read: a `cds` table or (None) a file; column names; the columns handed on."""

    name: str
    cds: str | None = None
    id: str | None = None
    ra: str | None = None
    dec: str | None = None
    pm_ra: str | None = None
    pm_dec: str | None = None
    epoch: float | None = None
    error_ra: str | None = None
    error_dec: str | None = None
    error_sigma: float = 3.0
    radius_arcsec: float = 20.0
    columns: tuple[Column, ...] = field(default_factory=tuple)
    reference: bool = False


def _mag(name: str, what: str) -> Column:
    return Column(name, "f8", "mag", _MAG, f"{what} magnitude")


PRESETS: Mapping[str, SetPlan] = {
    "simbad": SetPlan(
        "simbad",
        cds="simbad",
        id="main_id",
        ra="ra",
        dec="dec",
        columns=(
            Column("main_id", "str", None, "meta.id", "Main identifier"),
            Column("main_type", "str", None, "src.class", "Main type of object"),
        ),
    ),
    "gaia": SetPlan(
        "gaia",
        cds="vizier:I/355/gaiadr3",
        id="DR3Name",
        pm_ra="pmRA",
        pm_dec="pmDE",
        epoch=2016.0,
        reference=True,
        columns=(
            Column("DR3Name", "str", None, "meta.id", "Name in Gaia DR3"),
            _mag("Gmag", "G"),
            _mag("BPmag", "BP"),
            _mag("RPmag", "RP"),
            Column("Dist", "f8", "pc", "pos.distance", "Distance by the astrophysical parameters"),
            Column("Teff", "f8", "K", "phys.temperature.effective", "Effective temperature"),
            Column("VarFlag", "str", None, "src.var", "Photometric variability"),
        ),
    ),
    "xmmom": SetPlan("xmmom", cds="vizier:II/378/xmmom6s", columns=()),
    "xmm4": SetPlan(
        "xmm4",
        id="SRCID",
        ra="SC_RA",
        dec="SC_DEC",
        columns=(
            Column("IAUNAME", "str", None, "meta.id", "Name in 4XMM"),
            Column("SC_POSERR", "f8", "arcsec", "stat.error;pos.eq", "Positional error in 4XMM"),
            Column("SC_EP_8_FLUX", "f8", "erg.cm**-2.s**-1", "phot.flux;em.X-ray", "Flux 0.2-12 keV"),
            Column("SC_VAR_FLAG", "bool", None, "src.var", "Called variable within an observation"),
        ),
    ),
    "xmm4s": SetPlan(
        "xmm4s",
        id="SRCID",
        ra="RA",
        dec="DEC",
        columns=(
            Column("IAUNAME", "str", None, "meta.id", "Name in the stacked catalogue"),
            Column("RADEC_ERR", "f8", "arcsec", "stat.error;pos.eq", "Positional error"),
            Column("EP_FLUX", "f8", "erg.cm**-2.s**-1", "phot.flux;em.X-ray", "Mean flux 0.2-12 keV"),
            Column("N_OBS", "i8", None, "meta.number", "Observations stacked"),
            Column("VAR_PROB", "f8", None, "stat.probability", "Probability of constant flux between them"),
            Column("FRATIO", "f8", None, "stat.value", "Largest flux ratio between observations"),
        ),
    ),
    "glade": SetPlan(
        "glade",
        id="GLADE_no",
        ra="RA",
        dec="Dec",
        columns=(Column("d_L", "f8", "Mpc", "pos.distance", "Luminosity distance"),),
    ),
    "chime": SetPlan(
        "chime",
        id="tns_name",
        ra="ra",
        dec="dec",
        error_ra="ra_err",
        error_dec="dec_err",
        columns=(
            Column("mjd_400", "f8", "d", "time.epoch", "Arrival time at 400 MHz, MJD"),
            Column("dm_fitb", "f8", "pc/cm3", "phys.dispMeasure", "Dispersion measure"),
        ),
    ),
    "extras": SetPlan(
        "extras",
        id="SRCID",
        columns=(
            Column("UB_LC500_CO_PVAL", "f8", None, "stat.probability", "Chance of a constant 500 s curve"),
        ),
    ),
    "xmmclass": SetPlan(
        "xmmclass",
        id="SRCID",
        columns=(Column("prediction", "str", None, "src.class", "Predicted class"),),
    ),
}


def plan(settings: Mapping[str, Any], radius_arcsec: float) -> SetPlan:
    """Plan of one set of the configuration.

    Raises ValueError for an unknown preset, and for a set with neither a file nor a table of the service.
    """
    name = settings["name"]
    wanted = settings["preset"] or name
    if settings["preset"] is not None and wanted not in PRESETS:
        message = f"crossmatch set {name}: preset {wanted!r} is none of {', '.join(sorted(PRESETS))}"
        raise ValueError(message)
    known = PRESETS.get(wanted, SetPlan(name))
    keys = ("id", "ra", "dec", "pm_ra", "pm_dec", "epoch", "error_ra", "error_dec", "reference")
    given = {key: settings[key] for key in keys if settings[key] is not None}
    cds = None if settings["file"] is not None else settings["cds"] or known.cds
    if cds is None and settings["file"] is None:
        message = (
            f"crossmatch set {name}: give a file, or a table of the CDS X-Match service; known by name are "
            f"{', '.join(sorted(key for key, each in PRESETS.items() if each.cds))}"
        )
        raise ValueError(message)
    columns = known.columns if settings["columns"] is None else tuple(map(_column, settings["columns"]))
    return replace(
        known,
        name=name,
        cds=cds,
        columns=columns,
        radius_arcsec=settings["radius_arcsec"] or radius_arcsec,
        error_sigma=settings["error_sigma"],
        **given,
    )


def _column(settings: Mapping[str, Any]) -> Column:
    text = settings["description"] or f"Column {settings['name']} of the catalogue"
    name = "".join(c if c.isalnum() or c == "_" else "_" for c in settings["name"])
    if name != settings["name"] or not name[0].isalpha():
        message = f"crossmatch column {settings['name']!r}: only letters, digits and _ can be handed on"
        raise ValueError(message)
    ucd = settings["ucd"] or DEFAULT_UCDS[settings["dtype"]]
    return Column(name, settings["dtype"], settings["unit"], ucd, text)


def position_columns(
    names: Sequence[str],
    facts: Mapping[str, tuple[str | None, str | None]],
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


def _with_ucd(facts: Mapping[str, tuple[str | None, str | None]], ucd: str) -> str | None:
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


def read_set(
    table: pa.Table, how: SetPlan, facts: Mapping[str, tuple[str | None, str | None]] | None = None
) -> ReadSet:
    """Catalogue of a table as the plan says; rows that come twice (same id and place) are taken once.

    A table without any column gives an empty catalogue. Raises NoPositions.
    """
    if table.num_columns == 0:
        nothing = np.empty(0)
        extra = {column.name: _values(None, column, 0) for column in how.columns}
        return ReadSet(Catalogue(how.name, np.empty(0, object), nothing, nothing, _named(how, extra)))
    names = table.column_names
    lower = {name.lower(): name for name in names}

    def numbers(name: str | None) -> FloatArray | None:
        place = lower.get(name.lower()) if name else None
        return None if place is None else _floats(table[place])

    ra_name, dec_name = position_columns(names, facts or {}, how.ra, how.dec)
    ra, dec = _floats(table[ra_name]), _floats(table[dec_name])
    id_column = lower.get(how.id.lower()) if how.id else None
    ids = [str(k) for k in range(len(table))] if id_column is None else _texts(table[id_column])
    once = _once(ids, ra, dec)
    extra = {}
    for column in how.columns:
        place = lower.get(column.name.lower())
        if place is None:
            log.warning("%s: there is no column %s, it is null", how.name, column.name)
        extra[column.name] = _values(None if place is None else table[place], column, len(table))[once]
    epoch = None if how.epoch is None else J2000_MJD + (how.epoch - 2000.0) * JULIAN_YEAR
    pm_ra, pm_dec = numbers(how.pm_ra), numbers(how.pm_dec)
    moves = epoch is not None and pm_ra is not None and pm_dec is not None
    catalogue = Catalogue(
        how.name,
        np.array(ids, object)[once],
        ra[once],
        dec[once],
        _named(how, extra),
        pm_ra=pm_ra[once] if moves and pm_ra is not None else None,
        pm_dec=pm_dec[once] if moves and pm_dec is not None else None,
        epoch=epoch,
    )
    errors = [numbers(how.error_ra), numbers(how.error_dec)]
    e_ra, e_dec = (None if e is None else e[once] for e in errors)
    return ReadSet(catalogue, e_ra, e_dec)


def _named(how: SetPlan, extra: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """Columns handed on, under the names they have behind the name of the set."""
    return {column.name.lower(): extra[column.name] for column in how.columns}


def _once(ids: Sequence[str], ra: FloatArray, dec: FloatArray) -> npt.NDArray[np.int64]:
    """Rows to keep, in order: the first of those with equal id and position."""
    seen: dict[tuple[str, float, float], int] = {}
    for row, key in enumerate(zip(ids, ra.tolist(), dec.tolist(), strict=True)):
        seen.setdefault(key, row)
    return np.array(sorted(seen.values()), np.int64)


def _floats(values: Any) -> FloatArray:
    """A column as numbers, degrees for positions; what is none becomes NaN."""
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if pa.types.is_string(array.type):
        return np.array([_number(text) for text in array.to_pylist()], np.float64)
    return np.asarray(array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)


def _number(text: str | None) -> float:
    try:
        return float(text) if text else float("nan")
    except ValueError:
        return float("nan")


def _texts(values: Any) -> list[str]:
    return ["" if v is None else str(v).strip() for v in values.to_pylist()]


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
