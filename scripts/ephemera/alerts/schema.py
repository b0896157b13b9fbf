"""The canonical alert table: one explicit Arrow schema for all surveys, nothing inferred anywhere.

Columns are declared once, with unit and UCD; `extra` holds what only some surveys send. A missing value is
null in every column, and NaN never enters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from ephemera.tables.nested import F4, F8, I1, I4, I8, TEXT, WORD, NestedColumn, nested_schema

#: What filters and pages may ask for as `extra.<name>`.
EXTRA: Mapping[str, pa.DataType] = {
    **dict.fromkeys(
        ("rb", "drb", "fwhm", "elong", "magdiff", "distnr", "magnr", "sgscore1", "distpsnr1", "ssdistnr",
         "magap", "reliability", "extendedness", "snr", "pos_err"), F8),
    **dict.fromkeys(
        ("nbad", "programid", "field", "rcid", "fid", "pid", "ndethist", "visit", "detector"), I8),
    **dict.fromkeys(("ssnamenr", "procstatus", "broker"), TEXT),
}  # fmt: skip
EXTRA_TYPE = pa.struct([pa.field(name, kind) for name, kind in EXTRA.items()])

_COLUMNS: tuple[NestedColumn, ...] = (
    ("alert_key", TEXT, None, "meta.id;meta.main", "Survey, colon, native identifier; unique"),
    ("survey", WORD, None, "meta.code", "Survey that sent the alert"),
    ("schema_version", WORD, None, "meta.code", "Version of the packet's schema"),
    ("alert_id", I8, None, "meta.id", "Identifier as a number; null where it is text"),
    ("alert_id_text", TEXT, None, "meta.id", "Identifier as text"),
    ("object_id", TEXT, None, "meta.id.assoc", "The survey's own object; null for 0 and empty"),
    ("ss_id", TEXT, None, "meta.id", "Solar-system object; null for 0 and empty"),
    ("kind", I1, None, "meta.code.class", "0 detection, 1 upper limit, 2 forced photometry"),
    ("ra", F8, "deg", "pos.eq.ra", "Right ascension, ICRS, in [0, 360)"),
    ("dec", F8, "deg", "pos.eq.dec", "Declination, ICRS"),
    ("mjd_utc", F8, "d", "time.epoch", "Modified Julian day, UTC"),
    ("time_ref", I1, None, "meta.code", "0 start of the exposure, 1 its middle"),
    ("band", WORD, None, "instr.bandpass", "Band with the survey as prefix"),
    ("flux", F8, "nJy", "phot.flux", "Difference flux, signed; null for limits"),
    ("flux_err", F4, "nJy", "stat.error;phot.flux", "Error of the flux"),
    ("mag", F4, "mag", "phot.mag", "AB magnitude of the absolute flux"),
    ("mag_err", F4, "mag", "stat.error;phot.mag", "Error of the magnitude"),
    ("sign", I1, None, "meta.code", "Sign of the flux"),
    ("maglim", F4, "mag", "phot.mag;stat.max", "5 sigma limiting magnitude"),
    ("score", F4, None, "stat.probability", "Real-bogus score of the survey"),
    ("extra", EXTRA_TYPE, None, None, "Attributes that only some surveys send"),
    (
        "carrier_key",
        TEXT,
        None,
        "meta.id.parent",
        "Packet that brought a prior; null for the packet's own alert",
    ),
    ("source_file", TEXT, None, "meta.file", "File and member that held the packet"),
    ("offset", I8, "byte", "meta.file", "Where in the file the packet starts"),
    ("night", I4, "d", "time.epoch", "Night: floor of mjd_utc minus the offset of the survey"),
)


_PLAIN = nested_schema("alerts", "Alerts of any survey in one form.", _COLUMNS)
#: The word `canonical` marks files that need no mapping.
ALERTS = _PLAIN.with_metadata({**_PLAIN.metadata, "canonical": "1"})
#: Columns that tell where an alert was read, not what it says.
PROVENANCE = ("source_file", "offset", "carrier_key", "schema_version")


def with_facts(table: pa.Table, **facts: Any) -> pa.Table:
    """The table with JSON facts in its metadata, such as the account of the packets it was read from."""
    metadata = {**(table.schema.metadata or {})}
    metadata |= {name.encode(): json.dumps(fact, sort_keys=True).encode() for name, fact in facts.items()}
    return table.replace_schema_metadata(metadata)


def fact(table: pa.Table, name: str) -> Any:
    """A fact that `with_facts` wrote; None when there is none."""
    text = (table.schema.metadata or {}).get(name.encode())
    return None if text is None else json.loads(text)
