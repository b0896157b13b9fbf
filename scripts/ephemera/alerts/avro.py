"""Avro container files and single-object messages, block by block, so that damage costs only what it hit.

A container is a header (magic, metadata with the schema, a 16-byte marker) and blocks (number of records,
size, records, marker). Where the marker after a block is not there, the block is refused and reading goes
on after the next marker. A block with one record is decoded only as far as the fields that are asked for.
"""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ephemera.alerts.codec import decompressor
from ephemera.alerts.mapping import family_of_schema, mapping_for
from ephemera.alerts.outcomes import PacketError, Reason, Stage

MAGIC = b"Obj\x01"
_MARKER_LENGTH = 16
#: Lengths beyond these are damage, not data.
LARGEST_BLOCK, MOST_RECORDS, LARGEST_METADATA = 2**30, 10**7, 2**24


class Packet(NamedTuple):
    """A decoded packet and where it was; `raw` are its bytes, None where it was a row or JSON."""

    record: Mapping[str, Any]
    family: str
    version: str
    file: str
    offset: int
    raw: bytes | None = None


class Failure(NamedTuple):
    """Bytes that gave no packet: where, how many packets, the first bytes, why, and the bytes themselves."""

    file: str
    offset: int
    size: int
    head: bytes
    error: PacketError
    packets: int
    raw: bytes | None


@dataclass(frozen=True)
class Schema:
    """A parsed schema, its start up to the last field that is wanted, and whose packets it describes."""

    whole: Any
    start: Any
    family: str
    version: str


@contextmanager
def _reading(problem_of: Callable[[Exception], PacketError]) -> Iterator[None]:
    """Around calls of others with hostile bytes: they raise anything, which becomes a PacketError."""
    try:
        yield
    except PacketError:
        raise
    except Exception as error:  # noqa: BLE001  only code of others runs here
        raise problem_of(error) from None


def _schema_problem(error: Exception) -> PacketError:
    """Why a schema was not understood."""
    return PacketError(Stage.SCHEMA, Reason.SCHEMA_INVALID, f"{type(error).__name__}: {str(error)[:300]}")


@lru_cache(maxsize=256)
def parse_schema(text: bytes, *, priors: bool, cutouts: bool) -> Schema:
    """Parse a schema. Raises PacketError for one that is invalid or of no known survey."""
    import fastavro

    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PacketError(Stage.SCHEMA, Reason.SCHEMA_INVALID, f"not JSON: {str(error)[:300]}") from None
    is_record = isinstance(content, dict) and content.get("type") == "record"
    if not is_record or not isinstance(content.get("fields"), list):
        message = "the schema is not that of a record with fields"
        raise PacketError(Stage.SCHEMA, Reason.SCHEMA_INVALID, message)
    with _reading(_schema_problem):
        whole = fastavro.parse_schema(content)
    family, version = family_of_schema(content, {})
    mapping, _ = mapping_for(family, version)
    start = dict(content)
    if not cutouts:
        wanted = {path.partition(".")[0] for paths in mapping.fields.values() for path in paths}
        if priors or mapping.alert_list:
            wanted |= {prior.path for prior in mapping.priors}
        names = [field["name"] for field in content["fields"]]
        last = max((k for k, name in enumerate(names) if name in wanted), default=len(names) - 1)
        start["fields"] = content["fields"][: last + 1]
    return Schema(whole, fastavro.parse_schema(start), family, version)


def packet_version(schema: Schema, record: Mapping[str, Any]) -> str:
    """Version that the packet states, else that of its schema."""
    stated = record.get("schemavsn")
    return stated if isinstance(stated, str) and stated else schema.version


def read_container(handle: BinaryIO, file: str, *, priors: bool, cutouts: bool) -> Iterator[Packet | Failure]:
    """Packets of a container at the start of `handle`, and failures for what cannot be read."""
    try:
        schema, expand, marker = _header(handle, priors=priors, cutouts=cutouts)
    except PacketError as error:
        handle.seek(0)
        raw = handle.read(LARGEST_BLOCK)
        yield Failure(file, 0, len(raw), raw[:64], error, 1, raw)
        return
    while True:
        offset = handle.tell()
        if not handle.read(1):
            return
        handle.seek(offset)
        count, data, problem = _block(handle, marker)
        if problem is not None:
            if problem.reason == Reason.SYNC_MARKER and data:
                problem = _misfit(schema, expand, data) or problem
            found = _next_marker(handle, offset, marker)
            raw = _between(handle, offset, found)
            yield Failure(file, offset, len(raw), raw[:64], problem, 1, raw)
            if found is None:
                return
            handle.seek(found)
            continue
        end = handle.tell()
        yield from _records(schema, expand, count, data, file, offset)
        handle.seek(end)


def _header(
    handle: BinaryIO, *, priors: bool, cutouts: bool
) -> tuple[Schema, Callable[[bytes], bytes], bytes]:
    if handle.read(4) != MAGIC:
        raise PacketError(Stage.OPEN, Reason.NOT_AVRO, "the file does not start like an Avro container")
    metadata: dict[str, bytes] = {}
    while count := _long(handle):
        if count < 0:
            count = -count
            _long(handle)
        if count > MOST_RECORDS:
            raise PacketError(Stage.OPEN, Reason.TRUNCATED, "the header is damaged")
        for _ in range(count):
            key = _bytes(handle).decode("utf-8", "replace")
            metadata[key] = _bytes(handle)
    marker = handle.read(_MARKER_LENGTH)
    if len(marker) != _MARKER_LENGTH:
        raise PacketError(Stage.OPEN, Reason.TRUNCATED, "the file ends inside its header")
    if "avro.schema" not in metadata:
        raise PacketError(Stage.SCHEMA, Reason.SCHEMA_INVALID, "the header has no schema")
    expand = decompressor(metadata.get("avro.codec", b"null").decode("utf-8", "replace"))
    return parse_schema(metadata["avro.schema"], priors=priors, cutouts=cutouts), expand, marker


def _long(handle: BinaryIO) -> int:
    """A zigzag-coded integer."""
    value = shift = 0
    while shift < 70:
        byte = handle.read(1)
        if not byte:
            raise PacketError(Stage.OPEN, Reason.TRUNCATED, "the file ends inside a number")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return (value >> 1) ^ -(value & 1)
        shift += 7
    raise PacketError(Stage.DECODE, Reason.SYNC_MARKER, "a number is longer than 64 bits")


def _bytes(handle: BinaryIO) -> bytes:
    length = _long(handle)
    if not 0 <= length <= LARGEST_METADATA:
        raise PacketError(Stage.OPEN, Reason.TRUNCATED, "the header is damaged")
    data = handle.read(length)
    if len(data) != length:
        raise PacketError(Stage.OPEN, Reason.TRUNCATED, "the file ends inside its header")
    return data


def _block(handle: BinaryIO, marker: bytes) -> tuple[int, bytes, PacketError | None]:
    """Number of records and bytes of the block at the handle, and what is wrong with it."""
    try:
        count, size = _long(handle), _long(handle)
    except PacketError as error:
        return 0, b"", error
    if not (0 <= count <= MOST_RECORDS and 0 <= size <= LARGEST_BLOCK):
        detail = f"a block of {count} records in {size} bytes"
        return 0, b"", PacketError(Stage.DECODE, Reason.SYNC_MARKER, detail)
    data = handle.read(size)
    if len(data) < size:
        detail = f"{size - len(data)} of {size} bytes are missing"
        return count, b"", PacketError(Stage.DECODE, Reason.TRUNCATED, detail)
    if handle.read(_MARKER_LENGTH) != marker:
        detail = "the marker after a block is not that of the header"
        return count, data, PacketError(Stage.DECODE, Reason.SYNC_MARKER, detail)
    return count, data, None


def _misfit(schema: Schema, expand: Callable[[bytes], bytes], data: bytes) -> PacketError | None:
    """An error of its own where the bytes of a block do not even fit the schema."""
    import fastavro

    try:
        with _reading(_decode_problem):
            fastavro.schemaless_reader(io.BytesIO(expand(data)), schema.whole, None)
    except PacketError as problem:
        return problem if problem.reason is Reason.SCHEMA_INVALID else None
    return None


def _decode_problem(error: Exception) -> PacketError:
    """Why a record was not decoded: its bytes choose a branch that the schema does not have, or end early."""
    detail = f"{type(error).__name__}: {str(error)[:200]}"
    if isinstance(error, IndexError):
        return PacketError(
            Stage.DECODE, Reason.SCHEMA_INVALID, f"the record does not fit its schema, {detail}"
        )
    if isinstance(error, EOFError | struct.error):
        return PacketError(Stage.DECODE, Reason.TRUNCATED, detail)
    return PacketError(Stage.DECODE, Reason.OTHER, detail)


def _next_marker(handle: BinaryIO, offset: int, marker: bytes) -> int | None:
    """Position after the next marker behind `offset`; None when there is none."""
    handle.seek(offset)
    tail, position = b"", offset
    while chunk := handle.read(1 << 20):
        at = (tail + chunk).find(marker)
        if at >= 0:
            return position - len(tail) + at + _MARKER_LENGTH
        position += len(chunk)
        tail = (tail + chunk)[-(_MARKER_LENGTH - 1) :]
    return None


def _between(handle: BinaryIO, start: int, end: int | None) -> bytes:
    handle.seek(start)
    return handle.read(LARGEST_BLOCK if end is None else min(end - start, LARGEST_BLOCK))


def _records(
    schema: Schema, expand: Callable[[bytes], bytes], count: int, data: bytes, file: str, offset: int
) -> Iterator[Packet | Failure]:
    import fastavro

    done = 0
    try:
        with _reading(_decode_problem):
            payload = expand(data)
        stream = io.BytesIO(payload)
        wanted = schema.start if count == 1 else schema.whole
        for _ in range(count):
            start = stream.tell()
            with _reading(_decode_problem):
                record: Any = fastavro.schemaless_reader(stream, wanted, None)
            raw = payload if count == 1 else payload[start : stream.tell()]
            yield Packet(record, schema.family, packet_version(schema, record), file, offset, raw)
            done += 1
    except PacketError as problem:
        yield Failure(file, offset, len(data), data[:64], problem, count - done, data)


def read_message(data: bytes, file: str, schemas: Path | None, *, priors: bool) -> Packet | Failure:
    """A single-object message: a zero byte, a schema number (4 bytes), the record.

    The schema is `<number>.avsc` or `<number>.json` in the folder `schemas`; no registry is asked.
    """
    import fastavro

    try:
        text = _schema_file(schemas, int.from_bytes(data[1:5], "big")).read_bytes()
        schema = parse_schema(text, priors=priors, cutouts=False)
        with _reading(_decode_problem):
            record: Any = fastavro.schemaless_reader(io.BytesIO(data[5:]), schema.start, None)
    except PacketError as problem:
        return Failure(file, 0, len(data), data[:64], problem, 1, data)
    return Packet(record, schema.family, packet_version(schema, record), file, 0, data)


def _schema_file(schemas: Path | None, number: int) -> Path:
    for suffix in (".avsc", ".json"):
        if schemas is not None and (schemas / f"{number}{suffix}").is_file():
            return schemas / f"{number}{suffix}"
    message = f"schema {number} is not in the folder of schemas ({schemas}): put it there as {number}.avsc"
    raise PacketError(Stage.SCHEMA, Reason.UNKNOWN_SCHEMA, message)
