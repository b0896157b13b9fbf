"""Read a FITS file as a stream of headers, and prove that it is whole.

A transfer that broke off leaves a file whose first headers look perfect. So every header is read, every
data unit is passed through, and a gzip file is followed to its checksum, all with the memory of one
block: a 220 MB event list costs no more than a small one. The layout is that of the FITS standard 4.0,
section 3: blocks of 2880 bytes, cards of 80, data of |BITPIX|/8 GCOUNT (PCOUNT + NAXIS1 ... NAXISn) bytes.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

BLOCK = 2880
CARD = 80
#: Largest header that is believed, in blocks; real ones have fewer than ten.
MAX_HEADER_BLOCKS = 2000
#: Largest open file that is believed, in bytes; a small gzip file could claim any size.
MAX_OPEN_BYTES = 64 * 1024**3

_GZIP_MAGIC = b"\x1f\x8b"
_CHUNK = 1 << 20
_BITPIX = ("8", "16", "32", "64", "-32", "-64")


class DamagedFileError(Exception):
    """The file is not FITS or not whole; the message says at which HDU or byte."""


@dataclass(frozen=True)
class Hdu:
    """One header: its number in the file and its cards as text, strings without quotes."""

    number: int
    cards: Mapping[str, str]

    @property
    def name(self) -> str:
        """EXTNAME in upper case, `PRIMARY` for the first."""
        return self.cards.get("EXTNAME", "PRIMARY" if self.number == 0 else "").upper()

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names of a table in upper case, in order; empty for anything else."""
        count = self.cards.get("TFIELDS", "0")
        numbers = range(1, int(count) + 1) if count.isdecimal() else range(0)
        return tuple(self.cards.get(f"TTYPE{k}", "").upper() for k in numbers)


def hdus(path: Path) -> Iterator[Hdu]:
    """Yield the headers of a FITS file, gzipped or not, in order; the data are passed over.

    The file is whole exactly when the iterator ends without an error: it then was read to its last byte.

    Raises DamagedFileError where the file is not FITS or is cut; OSError when it cannot be read at all.
    """
    with path.open("rb") as handle:
        magic = handle.read(2)
        handle.seek(0)
        if not magic:
            msg = "the file is empty"
            raise DamagedFileError(msg)
        if magic != _GZIP_MAGIC:
            yield from _walk(_Stream(handle))
            return
        with gzip.GzipFile(fileobj=handle, mode="rb") as opened:
            yield from _walk(_Stream(cast("BinaryIO", opened)))


def check_whole(path: Path) -> list[Hdu]:
    """All headers of a FITS file that is whole; raises DamagedFileError when it is not."""
    return list(hdus(path))


class _Stream:
    """Bytes in order, counted, with the errors of damaged gzip files translated."""

    def __init__(self, handle: BinaryIO) -> None:
        self._handle = handle
        self.position = 0

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; fewer only at the end."""
        try:
            data = self._handle.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            msg = f"the gzip file is damaged after {self.position} open bytes: {error}"
            raise DamagedFileError(msg) from error
        self.position += len(data)
        if self.position > MAX_OPEN_BYTES:
            msg = f"the file is larger than {MAX_OPEN_BYTES} bytes"
            raise DamagedFileError(msg)
        return data


def _walk(stream: _Stream) -> Iterator[Hdu]:
    number = 0
    first = stream.read(BLOCK)
    while first:
        start = b"XTENSION=" if number else b"SIMPLE  ="
        if not first.startswith(start):
            if number and not first.strip(b"\0"):
                _read_zeros(stream)
                return
            msg = f"not FITS at byte {stream.position - len(first)}: {_shown(first)}"
            raise DamagedFileError(msg)
        hdu = Hdu(number, _cards(_header(first, stream, number)))
        yield hdu
        _pass_over(stream, hdu)
        first = stream.read(BLOCK)
        number += 1


def _shown(block: bytes) -> str:
    """The start of a block for a message, with control characters escaped."""
    return ascii(block[:24].decode("latin-1"))


def _read_zeros(stream: _Stream) -> None:
    while block := stream.read(_CHUNK):
        if block.strip(b"\0"):
            msg = f"bytes that belong to no HDU before byte {stream.position}"
            raise DamagedFileError(msg)


def _header(first: bytes, stream: _Stream, number: int) -> bytes:
    """All blocks of a header whose first block is given."""
    blocks = [first]
    while True:
        block = blocks[-1]
        if len(block) < BLOCK:
            msg = f"header of HDU {number} is cut at byte {stream.position}"
            raise DamagedFileError(msg)
        if any(block[k : k + CARD].rstrip() == b"END" for k in range(0, BLOCK, CARD)):
            return b"".join(blocks)
        if len(blocks) == MAX_HEADER_BLOCKS:
            msg = f"header of HDU {number} has no END within {MAX_HEADER_BLOCKS} blocks"
            raise DamagedFileError(msg)
        blocks.append(stream.read(BLOCK))


def _cards(header: bytes) -> dict[str, str]:
    """Keyword to value, both as text; of a repeated keyword the first counts."""
    cards: dict[str, str] = {}
    for k in range(0, len(header), CARD):
        card = header[k : k + CARD].decode("latin-1")
        keyword = card[:8].rstrip()
        if keyword == "END":
            break
        if card[8:10] == "= ":
            cards.setdefault(keyword, _value(card[10:]))
    return cards


def _value(field: str) -> str:
    """Value of a card without its comment; '' inside a string stands for one quote."""
    text = field.lstrip()
    if not text.startswith("'"):
        return text.split("/", 1)[0].strip()
    parts = text[1:].replace("''", "\0").split("'", 1)
    return parts[0].replace("\0", "'").rstrip()


def _whole_number(hdu: Hdu, keyword: str, default: str | None = None) -> int:
    value = hdu.cards.get(keyword, default)
    if value is None or not value.isdecimal():
        msg = f"HDU {hdu.number}: {keyword} must be a whole number, got {value!r}"
        raise DamagedFileError(msg)
    return int(value)


def _data_size(hdu: Hdu) -> int:
    """Bytes of data that a header announces, without the padding."""
    bitpix = hdu.cards.get("BITPIX")
    if bitpix not in _BITPIX:
        msg = f"HDU {hdu.number}: BITPIX must be one of {', '.join(_BITPIX)}, got {bitpix!r}"
        raise DamagedFileError(msg)
    axes = _whole_number(hdu, "NAXIS")
    if axes == 0:
        return 0
    if axes > 999:  # noqa: PLR2004  the standard's own limit
        msg = f"HDU {hdu.number}: NAXIS must be at most 999, got {axes}"
        raise DamagedFileError(msg)
    elements = 1
    for k in range(1, axes + 1):
        elements *= _whole_number(hdu, f"NAXIS{k}")
    groups, heap = _whole_number(hdu, "GCOUNT", "1"), _whole_number(hdu, "PCOUNT", "0")
    return abs(int(bitpix)) // 8 * groups * (heap + elements)


def _pass_over(stream: _Stream, hdu: Hdu) -> None:
    """Read the data of one HDU and its padding; a file may end before the last padding."""
    size = _data_size(hdu)
    left = size
    while left:
        data = stream.read(min(left, _CHUNK))
        if not data:
            msg = f"data of HDU {hdu.number} ({hdu.name}) are cut: {size - left} of {size} bytes"
            raise DamagedFileError(msg)
        left -= len(data)
    stream.read(-size % BLOCK)
