"""FITS tables read in one pass and in bounded memory, from plain or gzipped files.

A PN event list of 2.7 million rows is 220 MB when opened, half of it frame tables that nobody asked
for. Here columns are copied out of the stream a few thousand rows at a time, everything else is
passed over, and the whole file is read to its end, so that a truncated one never passes for good.
Only what an event list needs is understood: keywords with plain values, binary tables, scalar columns.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Value = str | int | float | bool
Array = npt.NDArray[Any]

BLOCK = 2880
CARD = 80
#: Rows are decoded in pieces of about this many bytes, which stay in the processor's cache.
CHUNK_BYTES = 1 << 19
#: A header longer than this is damage or malice; real ones have up to 30,000 bytes.
MAX_HEADER_BYTES = 1 << 23
#: Rows longer than this are damage or malice; those of event lists have some ten bytes.
MAX_ROW_BYTES = 1 << 24
#: Deflate cannot expand data by more than this factor: bounds what a small file may claim to hold.
MAX_DEFLATE_RATIO = 1032

FORM = re.compile(r"\s*(\d*)([LXBIJKAEDCMPQ])")
#: Bytes of one element and the type it is read as; bit and text columns are only passed over.
FORMS: dict[str, tuple[int, str]] = {
    "L": (1, "S1"), "B": (1, "u1"), "I": (2, ">i2"), "J": (4, ">i4"), "K": (8, ">i8"), "A": (1, ""),
    "E": (4, ">f4"), "D": (8, ">f8"), "C": (8, ""), "M": (16, ""), "P": (8, ""), "Q": (16, ""),
}  # fmt: skip


class FitsError(Exception):
    """The file is not whole or not FITS; the message says where."""


class Header:
    """Keywords of one HDU; a value is parsed when it is asked for. The first card of a name counts."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at: dict[str, int] = {}
        for start in range(0, len(raw), CARD):
            if raw[start + 8 : start + 10] == b"= ":
                self._at.setdefault(raw[start : start + 8].decode("latin-1").rstrip(), start)

    def __contains__(self, name: str) -> bool:
        return name in self._at

    def __iter__(self) -> Iterator[str]:
        return iter(self._at)

    def get(self, name: str) -> Value | None:
        """Value of keyword `name`: text without trailing blanks, logical, integer or real; else None."""
        start = self._at.get(name)
        if start is None:
            return None
        return parse_value(self._raw[start + 10 : start + CARD].decode("latin-1"))

    def text(self, name: str) -> str:
        """Value as text without surrounding blanks; empty where absent."""
        value = self.get(name)
        return "" if value is None else str(value).strip()

    def number(self, name: str) -> float | None:
        """Value as a finite real, also from text such as `5.0814E+04`; None where absent or neither."""
        value = self.get(name)
        if value is None or isinstance(value, bool):
            return None
        try:
            number = float(str(value).replace("D", "E"))
        except ValueError:
            return None
        return number if np.isfinite(number) else None

    def size(self, name: str, default: int | None = None) -> int:
        """Value of a keyword that counts something: an integer of at least 0. Raises FitsError."""
        value = self.get(name) if name in self else default
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise FitsError(f"keyword {name} must be a whole number, not {value!r}")
        return value

    @property
    def name(self) -> str:
        """EXTNAME in capitals."""
        return self.text("EXTNAME").upper()

    @property
    def data_bytes(self) -> int:
        """Bytes of data that follow, without padding: |BITPIX|/8 GCOUNT (PCOUNT + product of axes)."""
        axes = [self.size(f"NAXIS{k + 1}") for k in range(self.size("NAXIS"))]
        if not axes:
            return 0
        bits = self.get("BITPIX")
        if bits not in (8, 16, 32, 64, -32, -64):
            raise FitsError(f"keyword BITPIX must be one of 8, 16, 32, 64, -32, -64, not {bits!r}")
        cells = self.size("PCOUNT", 0)
        product = 1
        for axis in axes:
            product *= axis
        return abs(int(bits)) // 8 * self.size("GCOUNT", 1) * (cells + product)


def parse_value(field: str) -> Value | None:
    """Value in columns 11 to 80 of a card; None for an undefined or unreadable one."""
    field = field.strip()
    if field.startswith("'"):
        quoted = re.match(r"'((?:[^']|'')*)'", field)
        return quoted.group(1).replace("''", "'").rstrip() if quoted else None
    word = field.split("/", 1)[0].strip()
    if word in ("T", "F"):
        return word == "T"
    for convert in (int, float):
        try:
            return convert(word.replace("D", "E"))
        except ValueError:
            continue
    return None


@dataclass(frozen=True)
class Column:
    """A scalar column of a binary table: where it lies in a row and how stored values are scaled."""

    offset: int
    dtype: str
    scale: float
    zero: float

    def decode(self, stored: Array) -> Array:
        """Physical values in native byte order: stored x TSCAL + TZERO; integers stay integers."""
        native = stored.astype(stored.dtype.newbyteorder("="))
        if self.scale == 1 and self.zero == 0:
            return native
        if native.dtype.kind in "iu" and self.scale == 1 and self.zero == int(self.zero):
            return np.asarray(native.astype(np.int64) + int(self.zero))
        return np.asarray(native * self.scale + self.zero)


def table_columns(header: Header) -> dict[str, Column]:
    """Numeric scalar columns of a binary table, by name in capitals. Raises FitsError."""
    columns: dict[str, Column] = {}
    offset = 0
    if header.size("NAXIS1") > MAX_ROW_BYTES:
        raise FitsError(f"a row of {header.size('NAXIS1')} bytes, more than {MAX_ROW_BYTES}")
    for k in range(1, header.size("TFIELDS") + 1):
        form = FORM.match(header.text(f"TFORM{k}"))
        if form is None:
            raise FitsError(f"TFORM{k} = {header.text(f'TFORM{k}')!r} is not a table format")
        repeat, code = int(form.group(1) or 1), form.group(2)
        size, dtype = ((repeat + 7) // 8, "") if code == "X" else (repeat * FORMS[code][0], FORMS[code][1])
        if code == "X" and repeat == 32:
            dtype = ">u4"
        if dtype and (repeat == 1 or code == "X"):
            scale, zero = header.number(f"TSCAL{k}"), header.number(f"TZERO{k}")
            name = header.text(f"TTYPE{k}").upper()
            columns.setdefault(name, Column(offset, dtype, 1.0 if scale is None else scale, zero or 0.0))
        offset += size
    if offset > header.size("NAXIS1"):
        raise FitsError(f"columns need {offset} bytes a row, but NAXIS1 = {header.size('NAXIS1')}")
    return columns


class Hdu:
    """One header and, until the next HDU is asked for, its table in the stream."""

    def __init__(self, stream: FitsStream, index: int, header: Header) -> None:
        self._stream = stream
        self.index = index
        self.header = header

    @property
    def is_table(self) -> bool:
        """Whether this is a binary table."""
        return self.header.text("XTENSION").upper() in ("BINTABLE", "A3DTABLE")

    @property
    def rows(self) -> int:
        """Number of rows of the table."""
        return self.header.size("NAXIS2")

    def column_names(self) -> set[str]:
        """Names of the numeric scalar columns, in capitals; empty unless this is a table."""
        return set(table_columns(self.header)) if self.is_table else set()

    def chunks(self, names: Sequence[str]) -> Iterator[tuple[int, dict[str, Array]]]:
        """Yield (first row, columns of some thousand rows) until the table is read; each row once."""
        columns = table_columns(self.header)
        width = self.header.size("NAXIS1")
        layout = np.dtype(
            {
                "names": list(names),
                "formats": [columns[name].dtype for name in names],
                "offsets": [columns[name].offset for name in names],
                "itemsize": width,
            }
        )
        step = max(1, CHUNK_BYTES // max(1, width))
        buffer = bytearray(min(step, self.rows) * width)
        for first in range(0, self.rows, step):
            count = min(step, self.rows - first)
            self._stream.fill(memoryview(buffer)[: count * width])
            rows = np.frombuffer(buffer, dtype=layout, count=count)
            yield first, {name: columns[name].decode(rows[name]) for name in names}

    def read(self, names: Sequence[str]) -> dict[str, Array]:
        """Whole columns, each a float64 vector; for small tables."""
        parts = [chunk for _, chunk in self.chunks(names)]
        return {
            name: np.concatenate([np.empty(0), *(np.asarray(part[name], np.float64) for part in parts)])
            for name in names
        }


@contextmanager
def open_fits(path: str | os.PathLike[str]) -> Iterator[FitsStream]:
    """Open a FITS file; the stream yields its HDUs in order, and the file is closed at the end."""
    with Path(path).open("rb") as file:
        yield FitsStream(file)


class FitsStream:
    """HDUs of an open FITS file, plain or gzipped, in their order.

    Raises FitsError, with byte and HDU, where the file ends early, is damaged or is not FITS.
    """

    def __init__(self, file: io.BufferedReader) -> None:
        self._file = file
        self._file_bytes = os.fstat(file.fileno()).st_size
        self._zipped = file.peek(2).startswith(b"\x1f\x8b")
        self._data = gzip.GzipFile(fileobj=file) if self._zipped else file
        self._where = "the primary header"
        self._left = 0

    def __iter__(self) -> Iterator[Hdu]:
        """Yield each HDU; what its reader left of the data is passed over before the next."""
        index = 0
        while (header := self._header(index)) is not None:
            self._where = f"HDU {index} ({header.name or 'PRIMARY'})"
            size = self._bounded(header.data_bytes)
            self._left = size
            yield Hdu(self, index, header)
            self._skip(self._left)
            # The padding after the last data is sometimes missing, and nobody misses it.
            self._read(-size % BLOCK)
            index += 1
            self._where = f"the header of HDU {index}"

    def fill(self, view: memoryview) -> None:
        """Fill `view` with the next bytes of the data of this HDU."""
        done = 0
        while done < len(view):
            got = self._guarded(self._data.readinto, view[done:])
            if not got:
                raise self._ended()
            done += got
        self._left -= len(view)

    def _header(self, index: int) -> Header | None:
        block = self._read(BLOCK)
        if index == 0 and not block.startswith(b"SIMPLE  ="):
            what = f"begins with {block[:16]!r}" if block else "is empty"
            raise FitsError(f"not a FITS file: it {what} ({self._file_bytes} bytes)")
        if index and not block.startswith(b"XTENSION"):
            # Nothing or special records: read on to the end, where gzip keeps its checksum.
            while self._read(1 << 20):
                pass
            return None
        raw = bytearray()
        while True:
            if len(block) < BLOCK:
                raise self._ended()
            end = next((at for at in range(0, BLOCK, CARD) if block[at : at + 8] == b"END     "), -1)
            raw += block[:end] if end >= 0 else block
            if end >= 0:
                return Header(bytes(raw))
            if len(raw) > MAX_HEADER_BYTES:
                raise FitsError(f"no END in the first {MAX_HEADER_BYTES} bytes of {self._where}")
            block = self._read(BLOCK)

    def _bounded(self, size: int) -> int:
        """`size`, if a file of this length can hold it."""
        if size > self._file_bytes * (MAX_DEFLATE_RATIO if self._zipped else 1):
            raise FitsError(f"{self._where} claims {size} bytes, more than the file can hold")
        return size

    def _skip(self, count: int) -> None:
        if not self._zipped:
            if self._file.tell() + count > self._file_bytes:
                raise self._ended()
            self._file.seek(count, os.SEEK_CUR)
            return
        scratch = memoryview(bytearray(min(count, 1 << 20)))
        while count:
            piece = scratch[: min(count, len(scratch))]
            self.fill(piece)
            count -= len(piece)

    def _read(self, count: int) -> bytes:
        """Up to `count` bytes; fewer only at the end of the file."""
        parts = bytearray()
        while len(parts) < count:
            piece: bytes = self._guarded(self._data.read, count - len(parts))
            if not piece:
                break
            parts += piece
        return bytes(parts)

    def _guarded(self, action: Any, argument: Any) -> Any:
        try:
            return action(argument)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            at = f"byte {self._file.tell()} of {self._file_bytes}"
            raise FitsError(f"gzip data damaged or cut off near {at}, in {self._where}: {error}") from error

    def _ended(self) -> FitsError:
        return FitsError(f"the file ends at byte {self._file_bytes}, inside {self._where}")
