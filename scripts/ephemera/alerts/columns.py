"""From mappings (packets as dictionaries) to canonical columns, a chunk at a time, and what is refused.

Equations. ZTF: f = s 10^((31.4 - m) / 2.5) nJy with the sign s of `isdiffpos`, and its error is
|f| sigma ln(10) / 2.5. Fluxes: f = flux x unit, or flux 10^((31.4 - zero point) / 2.5), and
m = 31.4 - 2.5 log10 |f|; a limit is the magnitude of five times the noise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.alerts.attributes import MISSING, extra_of, floats, score_of
from ephemera.alerts.mapping import PacketMapping, Paths, Photometry
from ephemera.alerts.outcomes import Kind, Reason
from ephemera.alerts.times import night_of, utc_from_tai
from ephemera.sky.times import JD_OF_MJD_0

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]
Record = Mapping[str, Any]

AB_ZERO_NJY = 31.4
MAG_ERR_OF_RELATIVE = 2.5 / math.log(10)
#: Times of real alerts lie between 1900 and 2100.
EARLIEST_MJD, LATEST_MJD = 15020.0, 88069.0
_LARGEST_ID = 2**63 - 1


@dataclass(frozen=True)
class Rows:
    """Canonical columns of a chunk and, for each row that is refused, the reason and a sentence."""

    columns: dict[str, Any]
    refused: dict[int, tuple[Reason, str]]

    @property
    def good(self) -> IntArray:
        """Indices of the rows that stay."""
        n = len(self.columns["alert_key"])
        keep = np.ones(n, bool)
        keep[list(self.refused)] = False
        return np.flatnonzero(keep)


@dataclass(frozen=True)
class Context:
    """What rows need to know beside their own fields."""

    family: str
    mapping: PacketMapping
    version: str
    simulated: bool = False
    night_offset: float = 0.0
    flux_unit: float | None = None


class _Refusals:
    """The first reason for which each row is refused."""

    def __init__(self) -> None:
        self.rows: dict[int, tuple[Reason, str]] = {}

    def mark(
        self, wrong: BoolArray, reason: Reason, detail: str, values: Sequence[Any] | None = None
    ) -> None:
        for k in np.flatnonzero(wrong).tolist():
            text = detail if values is None else f"{detail}, got {str(values[k])[:60]!r}"
            self.rows.setdefault(k, (reason, text))


def pick(records: Sequence[Record], paths: Paths) -> dict[str, list[Any]]:
    """Columns of values by canonical name: the first of the paths that is not null, None where all are."""
    nested: dict[str, list[Record]] = {"": list(records)}
    columns = {}
    for name, preferred in paths.items():
        values: list[Any] | None = None
        for path in preferred:
            record, _, leaf = path.rpartition(".")
            if record not in nested:
                nested[record] = [_record(r.get(record)) for r in records]
            if values is None:
                values = _leaves(nested[record], leaf)
            elif None in values:
                values = [
                    r.get(leaf) if v is None else v for v, r in zip(values, nested[record], strict=True)
                ]
        columns[name] = values if values is not None else [None] * len(records)
    return columns


def _leaves(records: Sequence[Record], leaf: str) -> list[Any]:
    """A field of all records, None where it is not; packets of one schema all have it, or none has."""
    if not records or leaf not in records[0]:
        return [r.get(leaf) for r in records]
    try:
        return list(map(itemgetter(leaf), records))
    except KeyError:
        return [r.get(leaf) for r in records]


def _record(value: Any) -> Record:
    return value if isinstance(value, Mapping) else {}


def detections(
    records: Sequence[Record], context: Context, ids: Mapping[str, list[Any]] | None = None
) -> Rows:
    """Rows of the packets' own alerts. `ids` replaces columns of `pick` (identifiers already compared)."""
    values = {**pick(records, context.mapping.fields), **(ids or {})}
    kinds = values.pop("kind", None)
    kind = np.array([Kind.DETECTION if k is None else k for k in kinds or [None] * len(records)], np.int8)
    return _rows(values, kind, context, context.mapping.photometry, context.mapping.required)


def priors(
    entries: Sequence[Record], paths: Paths, kind: IntArray, context: Context, photometry: Photometry,
    inherited: Mapping[str, list[Any]],
) -> Rows:  # fmt: skip
    """Rows of earlier measurements; `inherited` are columns of their packets where entries have none."""
    values = pick(entries, paths)
    for name, given in inherited.items():
        own = values.get(name, [None] * len(entries))
        values[name] = [g if v is None else v for v, g in zip(own, given, strict=True)]
    return _rows(values, kind.astype(np.int8), context, photometry, ("time", "band"))


def _rows(
    values: dict[str, list[Any]], kind: npt.NDArray[np.int8], context: Context, photometry: Photometry,
    required: Sequence[str],
) -> Rows:  # fmt: skip
    n = len(kind)
    refusals = _Refusals()
    detected = kind == Kind.DETECTION
    for name in required:
        absent = np.array([v is None for v in values.get(name, [None] * n)], bool)
        reason = Reason.BAD_POSITION if name in ("ra", "dec") else Reason.MISSING_FIELD
        # Limits and forced photometry may be without position and identifier.
        wrong = absent & detected if name in ("id", "ra", "dec") else absent
        refusals.mark(wrong, reason, f"{name} is missing")
    columns: dict[str, Any] = {"kind": kind}
    ids = _identifiers(values.get("id", [None] * n), detected, context.mapping.text_ids, refusals)
    mjd = _times(values.get("time", [None] * n), context, refusals)
    columns["mjd_utc"], columns["night"] = mjd, _nights(mjd, context.night_offset)
    columns["ra"], columns["dec"] = _positions(values, kind, refusals)
    columns |= _brightness(values, kind, photometry, context, refusals)
    band = _bands(values.get("band", [None] * n), context.mapping)
    extra = extra_of(values, context.mapping)
    objects = _names(values.get("object", [None] * n))
    survey = context.mapping.survey
    columns |= {
        "alert_key": _keys(survey, kind, ids, objects, band, mjd, values.get("pid", [None] * n)),
        "alert_id": [i if isinstance(i, int) else None for i in ids],
        "alert_id_text": [None if i is None else str(i) for i in ids],
        "object_id": objects,
        "ss_id": _names(values.get("ss", [None] * n)),
        "band": band,
        "score": score_of(extra),
        "extra": extra,
        "survey": [survey] * n,
        "schema_version": [context.version] * n,
        "time_ref": np.full(n, context.mapping.time_ref, np.int8),
    }
    return Rows(columns, refusals.rows)


def _identifiers(
    values: Sequence[Any], detected: BoolArray, text_ids: bool, refusals: _Refusals
) -> list[int | str | None]:
    """Identifiers as integers or text, never through a float."""
    if all(type(v) is int and 0 < v <= _LARGEST_ID for v in values) and not text_ids:
        return list(values)
    wrong = np.zeros(len(values), bool)
    ids: list[int | str | None] = []
    for k, value in enumerate(values):
        clean: int | str | None = None
        if isinstance(value, str) and value.strip():
            clean = value.strip()
            if not text_ids and re.fullmatch(r"[0-9]{1,19}", clean) and int(clean) <= _LARGEST_ID:
                clean = int(clean)
        elif isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _LARGEST_ID:
            clean = str(value) if text_ids else value
        wrong[k] = clean is None and value is not None
        ids.append(clean)
    refusals.mark(wrong & detected, Reason.BAD_ID, "an identifier is a positive integer or text", values)
    return ids


def _names(values: Sequence[Any]) -> list[str | None]:
    """Names of objects; texts that come again are looked at once."""
    if not set(map(type, values)) <= {str, type(None)}:
        return [_name(value) for value in values]
    known = {value: _name(value) for value in set(values)}
    return [known[value] for value in values]


def _name(value: Any) -> str | None:
    """Name of an object; 0, -1 and empty text are none."""
    if value is None or isinstance(value, float | bool):
        return None
    text = str(value).strip()
    return None if text in ("", "0", "-1", "null", "None") else text


def _measured(values: Sequence[Any], refusals: _Refusals, name: str) -> FloatArray:
    array, wrong = floats(values)
    refusals.mark(wrong, Reason.WRONG_TYPE, f"{name} must be a number", values)
    return array


def _times(values: Sequence[Any], context: Context, refusals: _Refusals) -> FloatArray:
    mjd = _measured(values, refusals, "time")
    if context.mapping.time.endswith("_jd"):
        mjd = mjd - JD_OF_MJD_0
    if context.mapping.time.startswith("tai"):
        mjd = utc_from_tai(mjd)
    given = np.array([v is not None for v in values], bool)
    refusals.mark(given & ~np.isfinite(mjd), Reason.BAD_TIME, "the time must be finite", values)
    if not context.simulated:
        outside = np.isfinite(mjd) & ((mjd < EARLIEST_MJD) | (mjd > LATEST_MJD))
        refusals.mark(outside, Reason.BAD_TIME, "the time must lie between 1900 and 2100", values)
    return mjd


def _nights(mjd: FloatArray, offset: float) -> npt.NDArray[np.int32]:
    return night_of(np.where(np.isfinite(mjd) & (np.abs(mjd) < 1e8), mjd, 0.0), offset)


def _positions(
    values: Mapping[str, Sequence[Any]], kind: npt.NDArray[np.int8], refusals: _Refusals
) -> tuple[FloatArray, FloatArray]:
    n = len(kind)
    ra = _measured(values.get("ra", [None] * n), refusals, "ra")
    dec = _measured(values.get("dec", [None] * n), refusals, "dec")
    wrong = ~np.isfinite(ra) | ~np.isfinite(dec) | (np.abs(dec) > 90) | (np.abs(ra) > 720)
    refusals.mark(
        wrong & (kind == Kind.DETECTION),
        Reason.BAD_POSITION, "right ascension and declination must be finite, |dec| <= 90",
        list(zip(ra.tolist(), dec.tolist(), strict=True)),
    )  # fmt: skip
    wrapped = np.mod(ra, 360.0)
    wrapped = np.where(wrapped >= 360.0, 0.0, wrapped)
    return np.where(wrong, np.nan, wrapped), np.where(wrong, np.nan, dec)


def _brightness(
    values: Mapping[str, Sequence[Any]], kind: npt.NDArray[np.int8], photometry: Photometry, context: Context,
    refusals: _Refusals,
) -> dict[str, Any]:  # fmt: skip
    """Flux, magnitude, sign and limit; a detection without brightness but with a limit becomes a limit."""
    n = len(kind)

    def column(name: str) -> FloatArray:
        array = _measured(values.get(name, [None] * n), refusals, name)
        return np.where(np.isfinite(array), array, np.nan)

    if photometry.form == "magnitude":
        mag, mag_err = (
            np.where(column(name) <= MISSING, np.nan, column(name)) for name in ("mag", "mag_err")
        )
        sign = _signs(values["positive"]) if "positive" in values else np.ones(n)
        with np.errstate(over="ignore"):
            flux = np.where(sign == 0, np.nan, sign) * 10 ** ((AB_ZERO_NJY - mag) / 2.5)
        flux_err = np.abs(flux) * mag_err / MAG_ERR_OF_RELATIVE
    else:
        unit = np.full(n, context.flux_unit or photometry.to_njy)
        if "zero_point" in values:
            unit = 10 ** ((AB_ZERO_NJY - column("zero_point")) / 2.5)
        flux, flux_err = column("flux") * unit, column("flux_err") * unit
        flux = np.where(column("flux") <= -99998, np.nan, flux) if "zero_point" in values else flux
        sign = np.sign(flux)
    maglim = column("maglim")
    if "noise" in values:
        with np.errstate(divide="ignore", invalid="ignore"):
            maglim = AB_ZERO_NJY - 2.5 * np.log10(5 * column("noise") * photometry.to_njy)
    maglim = np.where(np.isfinite(maglim) & (maglim > MISSING), maglim, np.nan)
    bare = ~np.isfinite(flux) & (kind != Kind.LIMIT)
    kind[bare & np.isfinite(maglim)] = Kind.LIMIT
    refusals.mark(bare & ~np.isfinite(maglim), Reason.MISSING_FIELD, "neither brightness nor limit is given")
    limit = kind == Kind.LIMIT
    flux, flux_err = np.where(limit, np.nan, flux), np.where(limit, np.nan, flux_err)
    with np.errstate(divide="ignore", invalid="ignore"):
        magnitude = AB_ZERO_NJY - 2.5 * np.log10(np.abs(flux))
        magnitude_err = MAG_ERR_OF_RELATIVE * flux_err / np.abs(flux)
    return {
        "flux": flux,
        "flux_err": flux_err,
        "mag": np.where(np.isfinite(magnitude), magnitude, np.nan),
        "mag_err": np.where(np.isfinite(magnitude_err), magnitude_err, np.nan),
        "sign": np.where(
            np.isfinite(flux), np.nan_to_num(np.sign(flux)), np.nan_to_num(sign) * ~limit
        ).astype(np.int8),
        "maglim": maglim,
    }


_SIGNS = {
    "t": 1.0,
    "1": 1.0,
    "true": 1.0,
    "1.0": 1.0,
    "f": -1.0,
    "0": -1.0,
    "false": -1.0,
    "-1": -1.0,
    "0.0": -1.0,
}


def _signs(values: Sequence[Any]) -> FloatArray:
    return np.array([0.0 if v is None else _SIGNS.get(str(v).strip().lower(), 0.0) for v in values])


def _bands(values: Sequence[Any], mapping: PacketMapping) -> list[str | None]:
    known = {}
    for value in set(map(str, values)):
        name = mapping.bands.get(value) or mapping.bands.get(value.removesuffix(".0"))
        plain = re.sub(r"[^A-Za-z0-9]+", "_", value)[:16]
        unknown = f"fid{plain}" if value.isdigit() else plain
        known[value] = f"{mapping.band_prefix}_{name or unknown}"
    return [None if v is None or v == "" else known[str(v)] for v in values]


def _keys(
    survey: str, kind: npt.NDArray[np.int8], ids: Sequence[int | str | None], objects: Sequence[str | None],
    band: Sequence[str | None], mjd: FloatArray, pid: Sequence[Any],
) -> list[str]:  # fmt: skip
    """Keys of alerts; limits by object and exposure, forced photometry by object, band and time to 1e-5 d."""
    detection, limit = int(Kind.DETECTION), int(Kind.LIMIT)
    keys = []
    rows = zip(kind.tolist(), ids, objects, band, mjd.tolist(), pid, strict=True)
    for of, number, name, in_band, time, exposure in rows:
        if of == detection and number is not None:
            keys.append(f"{survey}:{number}")
        elif of == limit and number is not None:
            keys.append(f"{survey}:limit:{number}" if isinstance(number, str) else f"{survey}:{number}")
        elif of == limit and exposure is not None:
            keys.append(f"{survey}:limit:{name}-{exposure}")
        else:
            what = "limit" if of == limit else "forced"
            moment = round(time * 1e5) if math.isfinite(time) else "?"
            keys.append(f"{survey}:{what}:{name}:{in_band}:{moment}")
    return keys
