"""Packets of any file: Avro, archives of it, Parquet, JSON and CSV of brokers, folders of all these.

Archives are read as streams; no member is ever written to disk, and links and devices in them are left
out. What a file is, its first bytes tell, not its name.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ephemera.alerts.archives import LARGEST_MEMBER, lost, members_of
from ephemera.alerts.avro import MAGIC, Failure, Packet, read_container, read_message
from ephemera.alerts.outcomes import Kind, PacketError, Reason, Stage
from ephemera.alerts.schema import ALERTS

ROWS_AT_ONCE, CANONICAL_ROWS_AT_ONCE = 2000, 10_000


@dataclass(frozen=True)
class ReadOptions:
    """How packets are read: with their priors, with cutouts, where schemas of messages are, own columns."""

    priors: bool = True
    cutouts: bool = False
    schemas: Path | None = None
    own: bool = False


def read_file(path: Path, name: str, options: ReadOptions) -> Iterator[Packet | Failure | pa.Table]:
    """Packets and failures of a file; tables that are canonical already come as they are."""
    try:
        handle = path.open("rb")
    except OSError as error:
        problem = PacketError(Stage.OPEN, Reason.OTHER, f"cannot be opened: {error.strerror}")
        yield Failure(name, 0, 0, b"", problem, 1, None)
        return
    with handle:
        head = handle.read(512)
        handle.seek(0)
        members = members_of(path, head, name)
        if members is None:
            yield from _content(handle, head, name, options)
            return
        for member in members:
            if isinstance(member, Failure):
                yield member
            else:
                label, content = member
                yield from _content(io.BytesIO(content), content[:512], label, options)


def _content(
    handle: BinaryIO, head: bytes, name: str, options: ReadOptions
) -> Iterator[Packet | Failure | pa.Table]:
    start = head.lstrip()[:1]
    if head.startswith(MAGIC):
        yield from read_container(handle, name, priors=options.priors, cutouts=options.cutouts)
    elif head[:4] == b"PAR1":
        yield from _parquet(handle, name, options)
    elif head[:1] == b"\x00":
        yield read_message(handle.read(LARGEST_MEMBER), name, options.schemas, priors=options.priors)
    elif start in (b"{", b"["):
        yield from _json(handle.read(LARGEST_MEMBER), name)
    elif not head:
        yield lost(name, 0, Reason.NOT_AVRO, "the file is empty")
    elif name.lower().removesuffix(".gz").endswith((".csv", ".txt", ".dat")) and b"\x00" not in head:
        yield from _csv(handle, name, options)
    else:
        handle.seek(0)
        raw = handle.read(LARGEST_MEMBER)
        # A container whose first bytes were lost, and anything else.
        yield lost(name, len(raw), Reason.NOT_AVRO, "neither Avro nor another known format", raw)


# Parquet --------------------------------------------------------------------------------------------------


@contextmanager
def _reading(stage: Stage = Stage.OPEN, reason: Reason = Reason.TRUNCATED) -> Iterator[None]:
    """Around what Arrow does with bytes of others: what it raises becomes a PacketError."""
    try:
        yield
    except (pa.ArrowException, OSError, ValueError) as error:
        raise PacketError(stage, reason, f"{type(error).__name__}: {str(error)[:200]}") from None


def _parquet(handle: BinaryIO, name: str, options: ReadOptions) -> Iterator[Packet | Failure | pa.Table]:
    import pyarrow.parquet as pq

    try:
        with _reading():
            file = pq.ParquetFile(handle)
        if (file.schema_arrow.metadata or {}).get(b"canonical") == b"1":
            yield from _canonical(file, name)
            return
        columns = set(file.schema_arrow.names)
        family = _family_of_columns(columns, name, options)
        row = 0
        for batch in _batches(file, ROWS_AT_ONCE, _wanted(columns, options)):
            with _reading():
                records = batch.to_pylist()
            for record in records:
                yield _row(record, family, name, row)
                row += 1
    except PacketError as error:
        yield Failure(name, 0, 0, b"PAR1", error, 1, None)


def _batches(file: Any, size: int, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
    """Batches of a Parquet file. Raises PacketError where it is damaged."""
    batches = file.iter_batches(batch_size=size, columns=columns)
    while True:
        with _reading():
            batch = next(batches, None)
        if batch is None:
            return
        yield batch


def _canonical(file: Any, name: str) -> Iterator[Failure | pa.Table]:
    """Chunks of a canonical table with a column `batch`, the night of each row's packet.

    Raises PacketError for a table that says it is canonical and has other columns; rows that cannot be alerts
    are refused.
    """
    absent = [column for column in ALERTS.names if column not in file.schema_arrow.names]
    if absent:
        message = f"a canonical table without {', '.join(absent)}"
        raise PacketError(Stage.SCHEMA, Reason.SCHEMA_INVALID, message)
    with _reading(Stage.SCHEMA, Reason.WRONG_TYPE):
        nights = _nights_of_carriers(file)
    for batch in _batches(file, CANONICAL_ROWS_AT_ONCE, ALERTS.names):
        with _reading(Stage.SCHEMA, Reason.WRONG_TYPE):
            table = pa.Table.from_batches([batch]).select(ALERTS.names).cast(ALERTS)
        good = _can_be_alerts(table)
        if not good.all():
            message = "rows lack a key, survey, kind, night, time, or position of a detection"
            problem = PacketError(Stage.RANGE, Reason.MISSING_FIELD, message)
            yield Failure(name, 0, 0, b"PAR1", problem, int((~good).sum()), None)
            table = table.filter(pa.array(good))
        rows = zip(table["carrier_key"].to_pylist(), table["night"].to_pylist(), strict=True)
        packets = [nights.get(carrier, night) for carrier, night in rows]
        yield table.append_column("batch", pa.array(packets, pa.int32()))


def _nights_of_carriers(file: Any) -> dict[str, int]:
    """Night of each packet that rows of a canonical table name as the one that brought them."""
    carriers = file.read(columns=["carrier_key"])["carrier_key"].unique().drop_null()
    if len(carriers) == 0:
        return {}
    rows = file.read(columns=["alert_key", "carrier_key", "night"])
    own = rows.filter(pc.and_(rows["carrier_key"].is_null(), pc.is_in(rows["alert_key"], carriers)))
    return dict(zip(own["alert_key"].to_pylist(), own["night"].to_pylist(), strict=True))


def _can_be_alerts(table: pa.Table) -> Any:
    """Rows that have what every alert has, as an array of truth values."""
    mjd, ra, dec = (table[name].to_numpy() for name in ("mjd_utc", "ra", "dec"))
    kind = table["kind"].fill_null(-1).to_numpy()
    named = [table[name].is_valid().to_numpy() for name in ("alert_key", "survey", "night")]
    placed = np.isfinite(ra) & np.isfinite(dec) & (np.abs(dec) <= 90)
    known = np.isin(kind, [int(one) for one in Kind])
    return np.all(named, axis=0) & np.isfinite(mjd) & known & (placed | (kind != Kind.DETECTION))


def _family_of_columns(columns: set[str], name: str, options: ReadOptions) -> str:
    if options.own:
        return "own"
    if {"candidate", "objectId"} <= columns:
        return "ztf"
    if "diaSource" in columns:
        return "lsst"
    if "oid" in columns and "mjd" in columns:
        return "alerce"
    message = (
        f"{name}: columns {', '.join(sorted(columns)[:8])} are of no known survey; map them in own_columns"
    )
    raise PacketError(Stage.SCHEMA, Reason.UNKNOWN_SCHEMA, message)


_PACKET_COLUMNS = {
    "ztf": {"candid", "schemavsn", "objectId", "candidate", "prv_candidates", "fp_hists"},
    "lsst": {"diaSource", "prvDiaSources", "prvDiaForcedSources"},
}
_NOT_KEPT = {
    "cutoutScience", "cutoutTemplate", "cutoutDifference", "publisher", "diaSourceId", "diaObject",
    "ssSource", "mpc_orbits", "observation_reason", "target_name", "lsst_schema_version",
    "prvDiaNondetectionLimits",
}  # fmt: skip


def _wanted(columns: set[str], options: ReadOptions) -> list[str] | None:
    if options.own or "oid" in columns:
        return None
    left_out = {c for c in columns if c.startswith("cutout")} if not options.cutouts else set()
    if not options.priors:
        left_out |= {"prv_candidates", "fp_hists", "prvDiaSources", "prvDiaForcedSources"}
    return sorted(columns - left_out)


def _row(record: dict[str, Any], family: str, name: str, row: int) -> Packet:
    version = record.get("schemavsn") or record.get("lsst_schema_version") or "0"
    if family == "alerce" and "candid" not in record:
        record = {**record, "kind": int(Kind.LIMIT)}
    core = _PACKET_COLUMNS.get(family)
    if core is not None:
        broker = {k: v for k, v in record.items() if k not in core and k not in _NOT_KEPT}
        record = {k: v for k, v in record.items() if k in core} | {"broker": broker}
    version = str(version).removeprefix("lsst.v").replace("_", ".")
    return Packet(record, family, version, name, row)


# JSON and CSV ---------------------------------------------------------------------------------------------


def _json(content: bytes, name: str) -> Iterator[Packet | Failure]:
    try:
        documents: list[Any] = [json.loads(content)]
    except (ValueError, RecursionError) as error:
        lines = [line for line in content.splitlines() if line.strip()]
        if len(lines) < 2:
            yield lost(name, len(content), Reason.NOT_AVRO, f"not JSON: {error}", content)
            return
        documents = []
        for number, line in enumerate(lines):
            try:
                documents.append(json.loads(line))
            except (ValueError, RecursionError) as wrong:
                problem = PacketError(Stage.DECODE, Reason.OTHER, f"line {number + 1} is not JSON: {wrong}")
                yield Failure(name, number, len(line), line[:64], problem, 1, line)
    for document in documents:
        for number, item in enumerate(document if isinstance(document, list) else [document]):
            yield from _json_object(item, name, number)


def _json_object(item: Any, name: str, number: int) -> Iterator[Packet | Failure]:
    if isinstance(item, Mapping) and "diaSourcesList" in item:
        yield Packet(item, "lasair", "0", name, number)
    elif isinstance(item, Mapping) and isinstance(item.get("alerts"), list):
        for index, alert in enumerate(item["alerts"]):
            yield _antares(alert, name, index)
    elif isinstance(item, Mapping) and "oid" in item:
        yield Packet(item, "alerce", "0", name, number)
    else:
        raw = json.dumps(item).encode()[:1000]
        problem = PacketError(Stage.SCHEMA, Reason.UNKNOWN_SCHEMA, "JSON of no known broker")
        yield Failure(name, number, len(raw), raw[:64], problem, 1, raw)


def _antares(alert: Any, name: str, index: int) -> Packet | Failure:
    """A record of an ANTARES locus: `ztf_candidate:<candid>` or `ztf_upper_limit:<object>-<pid>`."""
    identifier = alert.get("id") if isinstance(alert, Mapping) else None
    what, _, native = str(identifier).partition(":")
    kinds = {"ztf_candidate": Kind.DETECTION, "ztf_upper_limit": Kind.LIMIT}
    if what not in kinds:
        problem = PacketError(Stage.MAP, Reason.BAD_ID, f"{str(identifier)[:60]!r} is no ANTARES identifier")
        return Failure(name, index, 0, b"", problem, 1, None)
    return Packet({**alert, "native_id": native, "kind": int(kinds[what])}, "antares", "0", name, index)


def _csv(handle: BinaryIO, name: str, options: ReadOptions) -> Iterator[Packet | Failure]:
    try:
        text = io.TextIOWrapper(handle, encoding="utf-8-sig", newline="")
        reader = csv.DictReader(text)
        columns: Sequence[str] = reader.fieldnames or []
        family = _family_of_columns({c.strip() for c in columns if c}, name, options)
        for row, record in enumerate(reader):
            clean = {
                k.strip(): (v.strip() or None) if isinstance(v, str) else None for k, v in record.items() if k
            }
            yield _row(clean, family, name, row)
        text.detach()
    except PacketError as error:
        yield Failure(name, 0, 0, b"", PacketError(Stage.OPEN, Reason.NOT_AVRO, error.detail), 1, None)
    except (UnicodeDecodeError, csv.Error) as error:
        yield lost(name, 0, Reason.NOT_AVRO, f"neither Avro nor a table: {error}")
