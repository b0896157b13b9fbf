"""Pointers of a Cap'n Proto message, followed by hand and checked at every word.

A pointer is a word of 64 bits, little-endian. Its low two bits say what it is: 0 a struct (bits 2-31 signed
offset in words from the next word, 32-47 data words, 48-63 pointer words), 1 a list (same offset, 32-34 size
of an element, 35-63 count), 2 a far pointer (bit 2 double, 3-31 word of its landing pad, 32-63 segment).
This is how a list of numbers is found as bytes in the file, without turning each into a Python number.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from ephemera.cosmic.flags import BadMessage, Flag
from ephemera.cosmic.frames import WORD, Buffer, Frame

STRUCT, LIST, FAR = 0, 1, 2
#: Size codes of list elements that occur in these files.
BYTES, FOUR_BYTES = 2, 4

_word = struct.Struct("<Q").unpack_from
_SIGN = 1 << 29
_OFFSETS = 1 << 30


class Place(NamedTuple):
    """Content that a pointer leads to: the pointer's word, the segment and the word where content starts."""

    word: int
    segment: int
    start: int


class StructAt(NamedTuple):
    """A struct: its segment, first data word, stored numbers of data and pointer words."""

    segment: int
    start: int
    data_words: int
    pointers: int


def follow(buffer: Buffer, frame: Frame, segment: int, word: int) -> Place | None:
    """Content of the pointer at `word` of `segment`; None for a null pointer. Raises BadMessage."""
    value = _read(buffer, frame, segment, word)
    if value == 0:
        return None
    if value & 3 != FAR:
        return Place(value, segment, word + 1 + _offset(value))
    landing, target = (value >> 3) & 0x1FFFFFFF, value >> 32
    pad = _read(buffer, frame, target, landing)
    if not value & 4:
        if pad & 3 == FAR:
            raise BadMessage(Flag.BAD_FRAME, "a far pointer leads to another far pointer")
        return Place(pad, target, landing + 1 + _offset(pad))
    tag = _read(buffer, frame, target, landing + 1)
    if pad & 7 != FAR or tag & 3 == FAR:
        raise BadMessage(Flag.BAD_FRAME, "the landing pad of a double far pointer is not one")
    return Place(tag, pad >> 32, (pad >> 3) & 0x1FFFFFFF)


def struct_at(buffer: Buffer, frame: Frame, segment: int, word: int) -> StructAt | None:
    """The struct that the pointer at `word` leads to; None for a null pointer. Raises BadMessage."""
    place = follow(buffer, frame, segment, word)
    if place is None:
        return None
    value, segment, start = place
    if value & 3 != STRUCT:
        raise BadMessage(Flag.WRONG_SCHEMA, "a pointer that must lead to a struct does not")
    data_words, pointers = (value >> 32) & 0xFFFF, value >> 48
    _inside(frame, segment, start, data_words + pointers)
    return StructAt(segment, start, data_words, pointers)


def list_at(buffer: Buffer, frame: Frame, segment: int, word: int, code: int) -> tuple[int, int] | None:
    """First byte in the file and number of elements of a list whose elements have size `code`.

    None for a null pointer. Raises BadMessage for anything but such a list inside its segment.
    """
    place = follow(buffer, frame, segment, word)
    if place is None:
        return None
    value, segment, start = place
    if value & 3 != LIST or (value >> 32) & 7 != code:
        raise BadMessage(
            Flag.WRONG_SCHEMA, f"a pointer that must lead to a list of size code {code} does not"
        )
    count = value >> 35
    n_bytes = count * 4 if code == FOUR_BYTES else count
    _inside(frame, segment, start, -(-n_bytes // WORD))
    return frame.segments[segment][0] + start * WORD, count


def root(buffer: Buffer, frame: Frame) -> StructAt:
    """The root struct of a message. Raises BadMessage when there is none."""
    found = struct_at(buffer, frame, 0, 0)
    if found is None:
        raise BadMessage(Flag.WRONG_SCHEMA, "the message is empty")
    return found


def pointer_word(found: StructAt, number: int) -> int | None:
    """Word of pointer `number` of a struct; None when the writer did not know it yet."""
    return found.start + found.data_words + number if number < found.pointers else None


def first_byte(frame: Frame, found: StructAt) -> int:
    """Byte in the file at which the data of a struct start."""
    return frame.segments[found.segment][0] + found.start * WORD


def _read(buffer: Buffer, frame: Frame, segment: int, word: int) -> int:
    if segment < len(frame.segments):
        start, size = frame.segments[segment]
        if 0 <= word < size:
            value: int = _word(buffer, start + word * WORD)[0]
            return value
    raise _outside(frame, segment, word, 1)


def _inside(frame: Frame, segment: int, start: int, words: int) -> None:
    if segment < len(frame.segments) and 0 <= start <= frame.segments[segment][1] - words:
        return
    raise _outside(frame, segment, start, words)


def _outside(frame: Frame, segment: int, start: int, words: int) -> BadMessage:
    if segment >= len(frame.segments):
        return BadMessage(Flag.BAD_FRAME, f"segment {segment} of {len(frame.segments)}")
    size = frame.segments[segment][1]
    return BadMessage(Flag.BAD_FRAME, f"words {start} to {start + words} of a segment of {size}")


def _offset(value: int) -> int:
    offset = (value >> 2) & (_OFFSETS - 1)
    return offset - _OFFSETS if offset & _SIGN else offset
