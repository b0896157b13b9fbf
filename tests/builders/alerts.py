"""Small alerts and packets for tests: canonical tables from rows, and Avro packets like ZTF's."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa

from ephemera.alerts.associate import associate
from ephemera.alerts.schema import ALERTS, EXTRA
from ephemera.alerts.times import night_of


def alert(number: int, ra: float, dec: float, mjd: float, **given: Any) -> dict[str, Any]:
    """One canonical row; `extra` takes a dictionary, everything else a column."""
    flux = 10 ** ((31.4 - (given.get("mag") or 18.0)) / 2.5) * given.get("sign", 1)
    survey = given.get("survey", "ztf")
    row = {
        "alert_key": f"{survey}:{number}",
        "survey": survey,
        "schema_version": "3.3",
        "alert_id": number,
        "alert_id_text": str(number),
        "object_id": None,
        "ss_id": None,
        "kind": 0,
        "ra": ra,
        "dec": dec,
        "mjd_utc": mjd,
        "time_ref": 0,
        "band": "ztf_g",
        "flux": flux,
        "flux_err": 100.0,
        "mag": 18.0,
        "mag_err": 0.05,
        "sign": 1,
        "maglim": None,
        "score": None,
        "carrier_key": None,
        "source_file": "test",
        "offset": number,
        "night": int(night_of(mjd)),
        **given,
    }
    row["extra"] = {**dict.fromkeys(EXTRA), **given.get("extra", {})}
    return row


def limit(number: int, mjd: float, maglim: float, **given: Any) -> dict[str, Any]:
    """An upper limit without a position."""
    values = {
        "kind": 1,
        "flux": None,
        "flux_err": None,
        "mag": None,
        "mag_err": None,
        "sign": 0,
        "maglim": maglim,
    }
    return {**alert(number, 0.0, 0.0, mjd, **{**values, **given}), "ra": None, "dec": None}


def alerts(*rows: dict[str, Any]) -> pa.Table:
    """Canonical table of rows."""
    return pa.Table.from_pylist(list(rows), ALERTS)


def joined(name: str, *rows: dict[str, Any]) -> pa.Table:
    """Canonical table with the locus that all rows belong to."""
    table = alerts(*rows)
    return table.append_column("locus_id", pa.array([name] * len(rows), pa.string()))


_CANDIDATE = [
    ("jd", "double"), ("fid", "int"), ("pid", ["null", "long"]), ("diffmaglim", ["null", "float"]),
    ("candid", ["null", "long"]), ("isdiffpos", ["null", "string"]), ("ra", ["null", "double"]),
    ("dec", ["null", "double"]), ("magpsf", ["null", "float"]), ("sigmapsf", ["null", "float"]),
    ("rb", ["null", "float"]), ("drb", ["null", "float"]), ("nbad", ["null", "int"]),
    ("distnr", ["null", "float"]), ("ssdistnr", ["null", "float"]),
]  # fmt: skip


def ztf_schema(
    *, top_candid: bool = True, candid_type: Any = "long", candidate_null: bool = False
) -> dict[str, Any]:
    """A small schema in the manner of ZTF's."""
    fields = [{"name": name, "type": kind} for name, kind in _CANDIDATE]
    record: Any = {"type": "record", "name": "candidate", "fields": fields}
    top = [{"name": "schemavsn", "type": "string"}, {"name": "objectId", "type": "string"}]
    if top_candid:
        top.append({"name": "candid", "type": candid_type})
    top += [
        {"name": "candidate", "type": ["null", record] if candidate_null else record},
        {
            "name": "prv_candidates",
            "type": ["null", {"type": "array", "items": "ztf.candidate"}],
            "default": None,
        },
        {"name": "cutoutScience", "type": ["null", "bytes"], "default": None},
    ]
    return {"type": "record", "namespace": "ztf", "name": "alert", "version": "3.3", "fields": top}


def candidate(
    number: int | None, ra: float = 150.0, dec: float = 2.0, jd: float = 2458430.5, **given: Any
) -> dict[str, Any]:
    """A candidate of a packet; without a number it is an upper limit."""
    values: dict[str, Any] = {name: None for name, _ in _CANDIDATE}
    values |= {"jd": jd, "fid": 1, "diffmaglim": 20.5, "pid": 7}
    if number is not None:
        values |= {"candid": number, "isdiffpos": "t", "ra": ra, "dec": dec, "magpsf": 18.0, "sigmapsf": 0.1}
    return {**values, **given}


def packet(
    number: int, *, priors: list[dict[str, Any]] | None = None, top: Any = "same", **given: Any
) -> dict[str, Any]:
    """A packet of one candidate."""
    record = {
        "schemavsn": "3.3",
        "objectId": f"ZTF18{number:07d}",
        "candidate": candidate(number, **given),
        "prv_candidates": priors,
        "cutoutScience": b"FITS",
    }
    if top is not None:
        record["candid"] = number if top == "same" else top
    return record


def container(
    records: list[dict[str, Any]], codec: str = "null", schema: dict[str, Any] | None = None, **options: Any
) -> bytes:
    """An Avro container of packets."""
    stream = io.BytesIO()
    fastavro.writer(stream, fastavro.parse_schema(schema or ztf_schema()), records, codec=codec, **options)
    return stream.getvalue()


def write(path: Path, content: bytes) -> Path:
    """Write bytes and give the path back."""
    path.write_bytes(content)
    return path


def loci_and_alerts(number: int = 3, per_locus: int = 2) -> tuple[pa.Table, pa.Table]:
    """Loci far apart, and their alerts with the locus of each."""
    rows = [
        alert(100 * k + j, 10.0 + k, 0.0, 59000.1 + j / 100) for k in range(number) for j in range(per_locus)
    ]
    table = alerts(*rows)
    association, loci = associate(table, None)
    homes = dict(zip(association["alert_key"].to_pylist(), association["locus_id"].to_pylist(), strict=True))
    names = pa.array([homes[key] for key in table["alert_key"].to_pylist()])
    return loci, table.append_column("locus_id", names)
