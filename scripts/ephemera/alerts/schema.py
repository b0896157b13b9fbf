"""The canonical alert table: one explicit Arrow schema for all surveys, nothing inferred anywhere.

Columns are declared once, with unit and UCD; `extra` holds what only some surveys send. A missing value is
null in every column, and NaN never enters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

#: Arrow type of each dtype used below.
_TYPES = {
    "f8": pa.float64(),
    "f4": pa.float32(),
    "i8": pa.int64(),
    "i4": pa.int32(),
    "i1": pa.int8(),
    "text": pa.string(),
    "word": pa.dictionary(pa.int32(), pa.string()),
}
#: What filters and pages may ask for as `extra.<name>`.
EXTRA: Mapping[str, str] = {
    **dict.fromkeys(
        ("rb", "drb", "fwhm", "elong", "magdiff", "distnr", "magnr", "sgscore1", "distpsnr1", "ssdistnr",
         "magap", "reliability", "extendedness", "snr", "pos_err"), "f8"),
    **dict.fromkeys(
        ("nbad", "programid", "field", "rcid", "fid", "pid", "ndethist", "visit", "detector"), "i8"),
    **dict.fromkeys(("ssnamenr", "procstatus", "broker"), "text"),
}  # fmt: skip
EXTRA_TYPE = pa.struct([pa.field(name, _TYPES[kind]) for name, kind in EXTRA.items()])

_COLUMNS: tuple[tuple[str, str, str | None, str | None, str], ...] = (
    ("alert_key", "text", None, "meta.id;meta.main", "Survey, colon, native identifier; unique"),
    ("survey", "word", None, "meta.code", "Survey that sent the alert"),
    ("schema_version", "word", None, "meta.code", "Version of the packet's schema"),
    ("alert_id", "i8", None, "meta.id", "Identifier as a number; null where it is text"),
    ("alert_id_text", "text", None, "meta.id", "Identifier as text"),
    ("object_id", "text", None, "meta.id.assoc", "The survey's own object; null for 0 and empty"),
    ("ss_id", "text", None, "meta.id", "Solar-system object; null for 0 and empty"),
    ("kind", "i1", None, "meta.code.class", "0 detection, 1 upper limit, 2 forced photometry"),
    ("ra", "f8", "deg", "pos.eq.ra", "Right ascension, ICRS, in [0, 360)"),
    ("dec", "f8", "deg", "pos.eq.dec", "Declination, ICRS"),
    ("mjd_utc", "f8", "d", "time.epoch", "Modified Julian day, UTC"),
    ("time_ref", "i1", None, "meta.code", "0 start of the exposure, 1 its middle"),
    ("band", "word", None, "instr.bandpass", "Band with the survey as prefix"),
    ("flux", "f8", "nJy", "phot.flux", "Difference flux, signed; null for limits"),
    ("flux_err", "f4", "nJy", "stat.error;phot.flux", "Error of the flux"),
    ("mag", "f4", "mag", "phot.mag", "AB magnitude of the absolute flux"),
    ("mag_err", "f4", "mag", "stat.error;phot.mag", "Error of the magnitude"),
    ("sign", "i1", None, "meta.code", "Sign of the flux"),
    ("maglim", "f4", "mag", "phot.mag;stat.max", "5 sigma limiting magnitude"),
    ("score", "f4", None, "stat.probability", "Real-bogus score of the survey"),
    ("extra", "extra", None, None, "Attributes that only some surveys send"),
    (
        "carrier_key",
        "text",
        None,
        "meta.id.parent",
        "Packet that brought a prior; null for the packet's own alert",
    ),
    ("source_file", "text", None, "meta.file", "File and member that held the packet"),
    ("offset", "i8", "byte", "meta.file", "Where in the file the packet starts"),
    ("night", "i4", "d", "time.epoch", "Night: floor of mjd_utc minus the offset of the survey"),
)


def _field(name: str, kind: str, unit: str | None, ucd: str | None, description: str) -> pa.Field:
    given = {"unit": unit, "ucd": ucd, "description": description}
    metadata = {key: text for key, text in given.items() if text is not None}
    return pa.field(name, EXTRA_TYPE if kind == "extra" else _TYPES[kind], metadata=metadata)


ALERTS = pa.schema(
    [_field(*column) for column in _COLUMNS],
    metadata={"name": "alerts", "description": "Alerts of any survey in one form", "canonical": "1"},
)
#: Columns that tell where an alert was read, not what it says.
PROVENANCE = ("source_file", "offset", "carrier_key", "schema_version")


def empty_alerts() -> pa.Table:
    """No rows, all columns."""
    return ALERTS.empty_table()


def with_facts(table: pa.Table, **facts: Any) -> pa.Table:
    """The table with JSON facts in its metadata, such as the account of the packets it was read from."""
    metadata = {**(table.schema.metadata or {})}
    metadata |= {name.encode(): json.dumps(fact, sort_keys=True).encode() for name, fact in facts.items()}
    return table.replace_schema_metadata(metadata)


def fact(table: pa.Table, name: str) -> Any:
    """A fact that `with_facts` wrote; None when there is none."""
    text = (table.schema.metadata or {}).get(name.encode())
    return None if text is None else json.loads(text)
