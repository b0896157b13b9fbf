"""Messages of hits and stamps as bytes, in every layout that writers use: one segment, far, double far.

The words are laid out by hand, so that a list of voltages is written as the bytes it has in memory, and so
that old files, whose structs lack fields, can be made.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ephemera.cosmic.metadata import FILTERBANK, SIGNAL, STAMP, STAMP_POINTERS
from ephemera.cosmic.wire import BYTES, FOUR_BYTES

Layout = Literal["one", "far", "double_far"]
#: Data words of a signal and of a filterbank in files of the first writers.
OLD_WORDS = (4, 8)


class Segment:
    """A growing segment; places are words."""

    def __init__(self) -> None:
        self.content = bytearray()

    def allocate(self, n_bytes: int) -> int:
        """First word of new room for `n_bytes`, filled with zeros."""
        start = len(self.content) // 8
        self.content += bytes(-(-n_bytes // 8) * 8)
        return start

    def put(self, word: int, raw: bytes) -> None:
        """Write bytes from a word on."""
        self.content[8 * word : 8 * word + len(raw)] = raw

    def point(self, word: int, pointer: int) -> None:
        """Write a pointer."""
        self.put(word, struct.pack("<Q", pointer))

    def add_struct(self, at: int, raw: bytes, pointers: int) -> int:
        """Append a struct to which the pointer at word `at` leads; returns its first pointer word."""
        start = self.allocate(len(raw) + 8 * pointers)
        self.put(start, raw)
        self.point(at, struct_pointer(start - at - 1, len(raw) // 8, pointers))
        return start + len(raw) // 8

    def add_text(self, at: int, text: str) -> None:
        """Append a text to which the pointer at word `at` leads."""
        raw = text.encode() + b"\0"
        start = self.allocate(len(raw))
        self.put(start, raw)
        self.point(at, list_pointer(start - at - 1, BYTES, len(raw)))

    def add_numbers(self, at: int, raw: bytes) -> None:
        """Append a list of 32-bit numbers to which the pointer at word `at` leads."""
        start = self.allocate(len(raw))
        self.put(start, raw)
        self.point(at, list_pointer(start - at - 1, FOUR_BYTES, len(raw) // 4))


def struct_pointer(offset: int, data_words: int, pointers: int) -> int:
    """Pointer to a struct `offset` words after the next word."""
    return (offset & 0x3FFFFFFF) << 2 | data_words << 32 | pointers << 48


def list_pointer(offset: int, code: int, count: int) -> int:
    """Pointer to a list `offset` words after the next word."""
    return 1 | (offset & 0x3FFFFFFF) << 2 | code << 32 | count << 35


def far_pointer(segment: int, word: int, *, double: bool = False) -> int:
    """Pointer to a landing pad in another segment."""
    return 2 | int(double) << 2 | word << 3 | segment << 32


def message(*segments: bytes) -> bytes:
    """A framed message of whole segments."""
    head = struct.pack(f"<{len(segments) + 1}I", len(segments) - 1, *(len(part) // 8 for part in segments))
    return head.ljust(-(-len(head) // 8) * 8, b"\0") + b"".join(segments)


def record(layout: np.dtype[np.void], fields: Mapping[str, Any], words: int | None = None) -> bytes:
    """Data section of a struct, cut to `words` as an older writer would."""
    row = np.zeros(1, layout)
    assert layout.names is not None
    for name in layout.names:
        if fields.get(name) is not None:
            row[name] = fields[name]
    return row.tobytes()[: None if words is None else 8 * words]


def stamp_message(
    fields: Mapping[str, Any],
    signal: Mapping[str, Any] | None,
    voltages: npt.NDArray[np.complex64],
    layout: Layout = "far",
) -> bytes:
    """A stamp: `fields` and `signal` by the names of the schema, voltages (time, channel, pol., antenna)."""
    sizes = ("numTimesteps", "numChannels", "numPolarizations", "numAntennas")
    values = {**dict(zip(sizes, voltages.shape, strict=True)), **fields}
    raw = np.ascontiguousarray(voltages, "<c8").tobytes()
    head = Segment()
    pointers = head.add_struct(head.allocate(8), record(STAMP, values), len(STAMP_POINTERS))
    for name in ("sourceName", "seticoreVersion", "obsid"):
        if values.get(name) is not None:
            head.add_text(pointers + STAMP_POINTERS.index(name), values[name])
    if signal is not None:
        head.add_struct(pointers + STAMP_POINTERS.index("signal"), record(SIGNAL, signal), 0)
    at = pointers + STAMP_POINTERS.index("data")
    count = len(raw) // 4
    if layout == "one":
        head.add_numbers(at, raw)
        return message(bytes(head.content))
    if layout == "far":
        head.point(at, far_pointer(1, 0))
        return message(bytes(head.content), struct.pack("<Q", list_pointer(0, FOUR_BYTES, count)) + raw)
    head.point(at, far_pointer(1, 0, double=True))
    pad = struct.pack("<QQ", far_pointer(2, 0), list_pointer(0, FOUR_BYTES, count))
    return message(bytes(head.content), pad, raw)


def hit_message(
    signal: Mapping[str, Any] | None,
    filterbank: Mapping[str, Any] | None,
    power: npt.NDArray[np.float32] | None = None,
    *,
    old: bool = False,
) -> bytes:
    """A hit; `power` (time, channel) is its cut-out, `old` the form without the later fields."""
    signal_words, filterbank_words = OLD_WORDS if old else (None, None)
    head = Segment()
    pointers = head.add_struct(head.allocate(8), b"", 2)
    if signal is not None:
        head.add_struct(pointers, record(SIGNAL, signal, signal_words), 0)
    if filterbank is not None:
        inner = head.add_struct(pointers + 1, record(FILTERBANK, filterbank, filterbank_words), 2)
        head.add_text(inner, filterbank.get("sourceName", ""))
        if power is not None:
            padded = np.ascontiguousarray(power, "<f4").tobytes()
            head.add_numbers(inner + 1, padded)
    return message(bytes(head.content))
