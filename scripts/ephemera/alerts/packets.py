"""Packets of any file: Avro, archives of it, Parquet, JSON and CSV of brokers, folders of all these.

Archives are read as streams; no member is ever written to disk, and links and devices in them are left
out. What a file is, its first bytes tell, not its name.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ephemera.alerts.avro import MAGIC, Failure, Packet, read_container, read_message
from ephemera.alerts.outcomes import Kind, PacketError, Reason, Stage

#: Larger members of archives are refused: no packet is that large.
LARGEST_MEMBER = 2**30
ROWS_AT_ONCE = 2000


@dataclass(frozen=True)
class ReadOptions:
    """How packets are read: with their priors, with cutouts, where schemas of messages are, own columns."""

    priors: bool = True
    cutouts: bool = False
    schemas: Path | None = None
    own: bool = False


def read_all(path: Path, options: ReadOptions, name: str | None = None) -> Iterator[Packet | Failure | Any]:
    """Packets and failures of a file or folder; tables that are canonical already come as they are."""
    if path.is_dir():
        for inner in sorted(p for p in path.rglob("*") if p.is_file() and not p.name.startswith(".")):
            yield from read_all(inner, options, inner.relative_to(path.parent).as_posix())
        return
    yield from _file(path, name or path.name, options)


def _file(path: Path, name: str, options: ReadOptions) -> Iterator[Packet | Failure | Any]:
    try:
        handle = path.open("rb")
    except OSError as error:
        problem = PacketError(Stage.OPEN, Reason.OTHER, f"cannot be opened: {error.strerror}")
        yield Failure(name, 0, 0, b"", problem, 1, None)
        return
    with handle:
        head = handle.read(512)
        handle.seek(0)
        if head[:2] == b"\x1f\x8b":
            yield from _gzip(path, name, options)
        elif head[:4] == b"PK\x03\x04":
            yield from _zip(path, name, options)
        elif head[257:262] == b"ustar":
            yield from _tar(path, name, options, "r|")
        else:
            yield from _content(handle, head, name, options, path)


def _gzip(path: Path, name: str, options: ReadOptions) -> Iterator[Packet | Failure | Any]:
    try:
        with gzip.open(path) as probe:
            inside = probe.read(512)
    except (OSError, EOFError, zlib.error) as error:
        yield _lost(name, path.stat().st_size, Reason.TRUNCATED, str(error))
        return
    if inside[257:262] == b"ustar":
        yield from _tar(path, name, options, "r|gz")
        return
    try:
        with gzip.open(path) as stream:
            content = stream.read(LARGEST_MEMBER)
    except (OSError, EOFError, zlib.error) as error:
        yield _lost(name, path.stat().st_size, Reason.TRUNCATED, str(error))
        return
    yield from _content(io.BytesIO(content), content[:512], name, options, None)


def _tar(path: Path, name: str, options: ReadOptions, mode: Any) -> Iterator[Packet | Failure | Any]:
    try:
        with tarfile.open(path, mode) as archive:
            for member in archive:
                label = f"{name}/{member.name}"
                stream = archive.extractfile(member) if member.isfile() else None
                if stream is None:
                    continue
                if member.size > LARGEST_MEMBER:
                    yield _lost(label, member.size, Reason.OTHER, "a member larger than any packet")
                    continue
                content = stream.read()
                yield from _content(io.BytesIO(content), content[:512], label, options, None)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        yield _lost(name, path.stat().st_size, Reason.TRUNCATED, f"{type(error).__name__}: {error}")


def _zip(path: Path, name: str, options: ReadOptions) -> Iterator[Packet | Failure | Any]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                label = f"{name}/{member.filename}"
                if member.is_dir():
                    continue
                if member.file_size > LARGEST_MEMBER:
                    yield _lost(label, member.file_size, Reason.OTHER, "a member larger than any packet")
                    continue
                content = archive.read(member)
                yield from _content(io.BytesIO(content), content[:512], label, options, None)
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, RuntimeError, NotImplementedError) as error:
        yield _lost(name, path.stat().st_size, Reason.TRUNCATED, f"{type(error).__name__}: {error}")


def _lost(name: str, size: int, reason: Reason, detail: str, raw: bytes | None = None) -> Failure:
    return Failure(name, 0, size, (raw or b"")[:64], PacketError(Stage.OPEN, reason, detail), 1, raw)


def _content(
    handle: BinaryIO, head: bytes, name: str, options: ReadOptions, path: Path | None
) -> Iterator[Packet | Failure | Any]:
    start = head.lstrip()[:1]
    if head.startswith(MAGIC):
        yield from read_container(handle, name, priors=options.priors, cutouts=options.cutouts)
    elif head[:4] == b"PAR1":
        yield from _parquet(path if path is not None else handle, name, options)
    elif head[:1] == b"\x00":
        yield read_message(handle.read(LARGEST_MEMBER), name, options.schemas, priors=options.priors)
    elif start in (b"{", b"["):
        yield from _json(handle.read(LARGEST_MEMBER), name)
    elif not head:
        yield _lost(name, 0, Reason.NOT_AVRO, "the file is empty")
    elif name.lower().removesuffix(".gz").endswith((".csv", ".txt", ".dat")) and b"\x00" not in head:
        yield from _csv(handle, name, options)
    else:
        handle.seek(0)
        raw = handle.read(LARGEST_MEMBER)
        # A container whose first bytes were lost, and anything else.
        yield _lost(name, len(raw), Reason.NOT_AVRO, "neither Avro nor another known format", raw)


# Parquet --------------------------------------------------------------------------------------------------


def _parquet(source: Any, name: str, options: ReadOptions) -> Iterator[Packet | Failure | Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(source) as file:
            if (file.schema_arrow.metadata or {}).get(b"canonical") == b"1":
                for batch in file.iter_batches(batch_size=10_000):
                    yield pa.Table.from_batches([batch])
                return
            columns = set(file.schema_arrow.names)
            family = _family_of_columns(columns, name, options)
            row = 0
            for batch in file.iter_batches(batch_size=ROWS_AT_ONCE, columns=_wanted(columns, options)):
                for record in batch.to_pylist():
                    yield _row(record, family, name, row)
                    row += 1
    except PacketError as error:
        yield Failure(name, 0, 0, b"PAR1", error, 1, None)
    except (pa.ArrowException, OSError, ValueError) as error:
        yield _lost(name, 0, Reason.TRUNCATED, f"{type(error).__name__}: {str(error)[:200]}")


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
            yield _lost(name, len(content), Reason.NOT_AVRO, f"not JSON: {error}", content)
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
        yield _lost(name, 0, Reason.NOT_AVRO, f"neither Avro nor a table: {error}")
