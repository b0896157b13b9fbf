"""Stamps of a file: metadata through pycapnp, voltages as the bytes of the file.

The file is mapped, and pages are given back after each message, so that memory stays at one stamp. Arrays
are views of the map and keep it alive; pycapnp only ever sees the bytes of one whole message, because its
reader of file objects takes the process down with a message that is cut short.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.cosmic.flags import BadMessage, Flag
from ephemera.cosmic.frames import Buffer, Frame
from ephemera.cosmic.metadata import (
    LEAST_WORDS,
    SIGNAL,
    STAMP,
    STAMP_POINTERS,
    Signal,
    StampMetadata,
    stored,
)
from ephemera.cosmic.schema import TRAVERSAL_LIMIT, schema
from ephemera.cosmic.wire import FOUR_BYTES, StructAt, list_at, pointer_word, root, struct_at

Voltages = npt.NDArray[np.complex64]


class MappedFile:
    """The bytes of a file, mapped read-only; an empty file has none."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        with open(path, "rb") as handle:  # noqa: PTH123  a path-like of any kind
            size = os.fstat(handle.fileno()).st_size
            self._map = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) if size else None
        self.buffer: Buffer = memoryview(self._map) if self._map is not None else memoryview(b"")

    def release(self, frame: Frame) -> None:
        """Give the pages of a message back to the system; views of them stay valid and are read again."""
        if self._map is None:
            return
        first = -(-frame.offset // mmap.PAGESIZE) * mmap.PAGESIZE
        length = frame.offset + frame.size - first
        if length >= mmap.PAGESIZE:
            self._map.madvise(mmap.MADV_DONTNEED, first, length // mmap.PAGESIZE * mmap.PAGESIZE)


def read_metadata(buffer: Buffer, frame: Frame) -> StampMetadata:
    """Metadata of the stamp in a frame; its voltages are not touched. Raises BadMessage."""
    top = root(buffer, frame)
    if top.data_words < LEAST_WORDS["stamp"] or top.pointers < 2:
        raise BadMessage(
            Flag.WRONG_SCHEMA, f"not a stamp: {top.data_words} data words, {top.pointers} pointers"
        )
    word = pointer_word(top, STAMP_POINTERS.index("signal"))
    signal = None if word is None else struct_at(buffer, frame, top.segment, word)
    if signal is not None and signal.data_words < LEAST_WORDS["signal"]:
        raise BadMessage(Flag.WRONG_SCHEMA, f"a signal of {signal.data_words} data words")
    with _message(buffer, frame) as stamp:
        values = {
            field.name: _present(stamp, field.name, top)
            for field in fields(StampMetadata)
            if field.name != "signal"
        }
        return StampMetadata(**values, signal=_signal(stamp.signal, signal.data_words) if signal else None)


def check_dimensions(buffer: Buffer, frame: Frame, metadata: StampMetadata) -> int:
    """First byte of the voltages of a stamp whose dimensions agree with their number. Raises BadMessage."""
    shape = metadata.shape
    top = root(buffer, frame)
    word = pointer_word(top, STAMP_POINTERS.index("data"))
    found = None if word is None else list_at(buffer, frame, top.segment, word, FOUR_BYTES)
    start, count = found or (0, 0)
    if min(shape) < 1 or 2 * shape[0] * shape[1] * shape[2] * shape[3] != count:
        raise BadMessage(Flag.BAD_DIMS, f"{' x '.join(map(str, shape))} complex values, but {count} numbers")
    return start


def voltages_at(buffer: Buffer, start: int, metadata: StampMetadata) -> Voltages:
    """Voltages (time, channel, polarisation, antenna), a read-only view of the file."""
    count = int(np.prod(metadata.shape))
    values = np.frombuffer(buffer, "<c8", count, start)
    values.flags.writeable = False
    return values.reshape(metadata.shape)


def agrees_with_pycapnp(buffer: Buffer, frame: Frame, voltages: Voltages) -> bool:
    """Whether pycapnp gives the same first, middle and last number of the list of voltages."""
    flat = voltages.reshape(-1).view("<f4")
    places = sorted({0, len(flat) // 2, len(flat) - 1})
    with _message(buffer, frame) as stamp:
        other = np.array([stamp.data[place] for place in places], "<f4")
    return bool(np.array_equal(flat[places], other, equal_nan=True))


@contextmanager
def _message(buffer: Buffer, frame: Frame) -> Iterator[Any]:
    """The stamp of a frame as pycapnp reads it. Raises BadMessage for what pycapnp refuses."""
    kind = schema("stamp").Stamp
    part = buffer[frame.offset : frame.offset + frame.size]
    error = _kj_exception()
    try:
        with kind.from_bytes(part, traversal_limit_in_words=TRAVERSAL_LIMIT) as stamp:
            yield stamp
    except (error, UnicodeDecodeError) as problem:
        text = str(problem).split("\n", maxsplit=1)[0].partition("failed: ")[-1]
        raise BadMessage(Flag.WRONG_SCHEMA, text or "text is not UTF-8") from None


def _kj_exception() -> type[Exception]:
    import capnp

    found: type[Exception] = capnp.KjException
    return found


def _present(stamp: Any, name: str, top: StructAt) -> Any:
    """A field of the stamp; None when the writer did not know it."""
    if name in STAMP_POINTERS:
        return getattr(stamp, name) if STAMP_POINTERS.index(name) < top.pointers else None
    if not stored(STAMP, name, top.data_words):
        return None
    return getattr(stamp, name)


def _signal(signal: Any, data_words: int) -> Signal:
    known: dict[str, Any] = {
        field.name: getattr(signal, field.name) if stored(SIGNAL, field.name, data_words) else None
        for field in fields(Signal)
    }
    return Signal(**known)
