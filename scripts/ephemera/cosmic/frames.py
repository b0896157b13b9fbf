"""Where the messages of a Cap'n Proto stream lie: an index made from the frame headers alone.

A stream is one message after another. Each starts with the number of its segments minus one and the size
of each segment in words of 8 bytes (all uint32, little-endian, padded to a whole word), then the segments.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from ephemera.cosmic.flags import BadMessage, Flag

WORD = 8
#: Messages of more segments are not made by any writer; Cap'n Proto refuses them too.
MOST_SEGMENTS = 512
#: Largest message that is read where nothing else is configured, bytes.
MAX_MESSAGE = 1024 * 2**20

#: The bytes of a file.
Buffer = memoryview


class Frame(NamedTuple):
    """A message: its number in the file, first byte, size in bytes with header, and its segments.

    Each segment is (byte at which it starts in the file, its size in words).
    """

    position: int
    offset: int
    size: int
    segments: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class FrameIndex:
    """All whole messages of a file, and what ended the index early (None at a clean end)."""

    frames: tuple[Frame, ...]
    problem: BadMessage | None = None
    #: Byte at which the problem is; the size of the file when there is none.
    end: int = 0


def index_frames(buffer: Buffer, max_message: int = MAX_MESSAGE) -> FrameIndex:
    """Index the messages in `buffer`; no byte of their content is touched.

    Everything before the first frame that is not whole is kept; that frame becomes the `problem`.
    """
    size = len(buffer)
    frames: list[Frame] = []
    offset = 0
    while offset < size:
        try:
            frame = read_frame(buffer, offset, len(frames), max_message)
        except BadMessage as problem:
            return FrameIndex(tuple(frames), problem, offset)
        frames.append(frame)
        offset += frame.size
    return FrameIndex(tuple(frames), None, size)


def read_frame(buffer: Buffer, offset: int, position: int, max_message: int = MAX_MESSAGE) -> Frame:
    """The frame that starts at byte `offset`. Raises BadMessage when it is not whole or not a frame."""
    rest = len(buffer) - offset
    if rest < WORD:
        raise BadMessage(Flag.TRUNCATED, f"{rest} bytes left, a header needs {WORD}")
    first, size = struct.unpack_from("<II", buffer, offset)
    count = first + 1
    if count > MOST_SEGMENTS:
        raise BadMessage(Flag.BAD_FRAME, f"{count} segments, at most {MOST_SEGMENTS} are possible")
    header = (count // 2 + 1) * WORD
    if header > rest:
        raise BadMessage(Flag.TRUNCATED, f"{rest} bytes left, the header of {count} segments needs {header}")
    if count == 1:
        segments: tuple[tuple[int, int], ...] = ((offset + header, size),)
        total = header + size * WORD
    else:
        sizes = struct.unpack_from(f"<{count}I", buffer, offset + 4)
        total, places = header, []
        for words in sizes:
            places.append((offset + total, words))
            total += words * WORD
        segments = tuple(places)
    if total > max_message:
        raise BadMessage(Flag.BAD_FRAME, f"message of {total} bytes, at most {max_message} are allowed")
    if total > rest:
        raise BadMessage(Flag.TRUNCATED, f"message of {total} bytes, {rest} are left")
    return Frame(position, offset, total, segments)
