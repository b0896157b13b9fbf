"""Hits of a file as columns: the data sections of their structs are joined as bytes and viewed as arrays.

A file may hold millions of hits, so nothing here makes a Python number of a field.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.cosmic.flags import BadMessage, Flag, Rejected
from ephemera.cosmic.frames import Buffer, Frame
from ephemera.cosmic.metadata import FILTERBANK, LEAST_WORDS, SIGNAL
from ephemera.cosmic.progress import with_progress
from ephemera.cosmic.wire import (
    BYTES,
    FOUR_BYTES,
    LIST,
    STRUCT,
    StructAt,
    first_byte,
    list_at,
    pointer_word,
    root,
    struct_at,
)


@dataclass(frozen=True)
class HitColumns:
    """Hits that could be decoded, in the order of the file.

    `signal` and `filterbank` are arrays of the structs, `signal_words` and `filterbank_words` how much of
    them the file holds (0: absent); `data_start` (byte, 0 without data) and `data_count` say where the
    cut-out lies.
    """

    position: npt.NDArray[np.int64]
    offset: npt.NDArray[np.int64]
    signal: npt.NDArray[Any]
    signal_words: npt.NDArray[np.int64]
    filterbank: npt.NDArray[Any]
    filterbank_words: npt.NDArray[np.int64]
    source: list[str]
    data_start: npt.NDArray[np.int64]
    data_count: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.position)


def decode_hits(buffer: Buffer, frames: Sequence[Frame]) -> tuple[HitColumns, list[Rejected]]:
    """Columns of all hits in `frames`, and the messages that are none.

    Damaged pointers end the reading: what follows in the file cannot be trusted either.
    """
    rejected: list[Rejected] = []
    kept = array("q")
    signals, filterbanks, sources = [], [], []
    names: dict[bytes, str] = {}
    known: _Known = {}
    for frame in with_progress(frames, len(frames), lambda frame: frame.size):
        try:
            hit = _decode(buffer, frame, known)
        except BadMessage as problem:
            rejected.append(Rejected(frame.position, frame.offset, problem))
            if problem.flag is Flag.BAD_FRAME:
                break
            continue
        signal, filterbank, name, start, count = hit
        signals.append(_section(buffer, frame, signal, SIGNAL.itemsize))
        filterbanks.append(_section(buffer, frame, filterbank, FILTERBANK.itemsize))
        sources.append(names.setdefault(name, name.decode("utf-8", "replace")))
        words = (signal.data_words if signal else 0, filterbank.data_words if filterbank else 0)
        kept.extend((frame.position, frame.offset, *words, start, count))
    numbers = np.frombuffer(kept, np.int64).reshape(-1, 6).T if kept else np.zeros((6, 0), np.int64)
    columns = HitColumns(
        position=numbers[0],
        offset=numbers[1],
        signal=np.frombuffer(b"".join(signals), SIGNAL),
        signal_words=numbers[2],
        filterbank=np.frombuffer(b"".join(filterbanks), FILTERBANK),
        filterbank_words=numbers[3],
        source=sources,
        data_start=numbers[4],
        data_count=numbers[5],
    )
    return columns, rejected


def cut_out(buffer: Buffer, hits: HitColumns, row: int) -> npt.NDArray[np.float32] | None:
    """Power (time, channel) around a hit, a read-only view of the file; None when the file leaves it out.

    Raises BadMessage when its length is not that of its dimensions.
    """
    n_time = int(hits.filterbank["numTimesteps"][row])
    n_chan = int(hits.filterbank["numChannels"][row])
    count = int(hits.data_count[row])
    if count == 0:
        return None
    if n_time < 1 or n_chan < 1 or n_time * n_chan != count:
        raise BadMessage(Flag.BAD_DIMS, f"{n_time} times {n_chan} pixels, but {count} numbers")
    values = np.frombuffer(buffer, "<f4", count, int(hits.data_start[row]))
    values.flags.writeable = False
    return values.reshape(n_time, n_chan)


#: Places found before, by all that they depend on: size of the only segment, pointers as bytes.
_Known = dict[tuple[int, int, bytes], tuple[Any, Any]]
#: Root of a plain hit: no data, two pointers right behind.
_PLAIN_ROOT = (2 << 48).to_bytes(8, "little")
_STRUCT_BITS, _LIST_BITS = (STRUCT,), (STRUCT, LIST)


def _decode(
    buffer: Buffer, frame: Frame, known: _Known
) -> tuple[StructAt | None, StructAt | None, bytes, int, int]:
    """Signal, filterbank, name of the source, first byte and number of values of the cut-out."""
    start, size = frame.segments[0]
    alone = len(frame.segments) == 1
    key = (size, 0, bytes(buffer[start : start + 24]))
    found = known.get(key) if alone else None
    if found is None:
        found = _structs(buffer, frame)
        if alone and key[2].startswith(_PLAIN_ROOT) and _near(key[2][8:], _STRUCT_BITS):
            known[key] = found
    signal, filterbank = found
    if filterbank is None:
        return signal, None, b"", 0, 0
    word = filterbank.start + filterbank.data_words
    key = (size, word, bytes(buffer[start + 8 * word : start + 8 * word + 16]))
    found = known.get(key) if alone and filterbank.pointers >= 2 else None
    if found is None:
        found = _lists(buffer, frame, filterbank)
        if alone and filterbank.pointers >= 2 and _near(key[2], _LIST_BITS):
            known[key] = found
    (name, length), (place, count) = found
    text = bytes(buffer[start + name : start + name + length]) if length else b""
    if length and text[-1]:
        raise BadMessage(Flag.WRONG_SCHEMA, "a text does not end with a zero")
    return signal, filterbank, text[:-1], start + place if count else 0, count


def _near(pointers: bytes, kinds: Sequence[int]) -> bool:
    """Whether no pointer is a far one, so that nothing else decides where they lead."""
    return all(pointers[k] & 3 in kinds for k in range(0, len(pointers), 8))


def _structs(buffer: Buffer, frame: Frame) -> tuple[StructAt | None, StructAt | None]:
    """Signal and filterbank of a hit. Raises BadMessage."""
    top = root(buffer, frame)
    if top.data_words or not 1 <= top.pointers <= 2:
        raise BadMessage(
            Flag.WRONG_SCHEMA, f"not a hit: {top.data_words} data words, {top.pointers} pointers"
        )
    signal, filterbank = _child(buffer, frame, top, 0), _child(buffer, frame, top, 1)
    for name, found in (("signal", signal), ("filterbank", filterbank)):
        if found is not None and found.data_words < LEAST_WORDS[name]:
            raise BadMessage(Flag.WRONG_SCHEMA, f"a {name} of {found.data_words} data words")
    return signal, filterbank


def _lists(buffer: Buffer, frame: Frame, filterbank: StructAt) -> tuple[tuple[int, int], tuple[int, int]]:
    """First byte (from segment 0) and length of the name, and of the cut-out. Raises BadMessage."""
    places = []
    for number, code in ((0, BYTES), (1, FOUR_BYTES)):
        word = pointer_word(filterbank, number)
        found = None if word is None else list_at(buffer, frame, filterbank.segment, word, code)
        start, count = found or (frame.segments[0][0], 0)
        places.append((start - frame.segments[0][0], count))
    return places[0], places[1]


def _child(buffer: Buffer, frame: Frame, parent: StructAt, number: int) -> StructAt | None:
    word = pointer_word(parent, number)
    return None if word is None else struct_at(buffer, frame, parent.segment, word)


def _section(buffer: Buffer, frame: Frame, found: StructAt | None, size: int) -> bytes:
    """Data section of a struct, filled up with zeros or cut to `size` bytes."""
    if found is None:
        return bytes(size)
    start = first_byte(frame, found)
    return bytes(buffer[start : start + min(8 * found.data_words, size)]).ljust(size, b"\0")
