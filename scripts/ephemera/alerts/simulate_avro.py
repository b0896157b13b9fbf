"""Simulated alerts as Avro packets in the manner of ZTF, to try the decoder on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ephemera.sky.times import JD_OF_MJD_0

if TYPE_CHECKING:
    import pyarrow as pa

_OPTIONAL_FLOAT: list[Any] = ["null", "float"]
SCHEMA: dict[str, Any] = {
    "type": "record",
    "namespace": "ztf",
    "name": "alert",
    "version": "3.3",
    "fields": [
        {"name": "schemavsn", "type": "string"},
        {"name": "objectId", "type": "string"},
        {"name": "candid", "type": "long"},
        {
            "name": "candidate",
            "type": {
                "type": "record",
                "name": "candidate",
                "fields": [
                    {"name": "jd", "type": "double"},
                    {"name": "fid", "type": "int"},
                    {"name": "candid", "type": "long"},
                    {"name": "isdiffpos", "type": "string"},
                    {"name": "ra", "type": "double"},
                    {"name": "dec", "type": "double"},
                    {"name": "magpsf", "type": "float"},
                    {"name": "sigmapsf", "type": "float"},
                    {"name": "diffmaglim", "type": _OPTIONAL_FLOAT, "default": None},
                ],
            },
        },
        {
            "name": "prv_candidates",
            "type": ["null", {"type": "array", "items": "ztf.candidate"}],
            "default": None,
        },
    ],
}
#: Filter numbers of the simulated bands.
FID = {"sim_I": 3, "sim_V": 1}


def write_packets(alerts: pa.Table, path: Path) -> None:
    """Write one packet per alert to a container; bands V and I become fid 1 and 3."""
    import fastavro

    with path.open("wb") as handle:
        fastavro.writer(
            handle, fastavro.parse_schema(SCHEMA), map(_packet, alerts.to_pylist()), sync_marker=bytes(16)
        )


def _packet(row: dict[str, Any]) -> dict[str, Any]:
    candidate = {
        "jd": row["mjd_utc"] + JD_OF_MJD_0,
        "fid": FID.get(row["band"], 2),
        "candid": row["alert_id"],
        "isdiffpos": "t" if row["sign"] >= 0 else "f",
        "ra": row["ra"],
        "dec": row["dec"],
        "magpsf": row["mag"],
        "sigmapsf": row["mag_err"],
        "diffmaglim": row["maglim"],
    }
    return {
        "schemavsn": "3.3",
        "objectId": row["object_id"] or "none",
        "candid": row["alert_id"],
        "candidate": candidate,
        "prv_candidates": None,
    }
