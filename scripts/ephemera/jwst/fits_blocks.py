"""A FITS file as blocks of 2880 bytes: where extensions are, their cards, their table columns.

Only what the readers of this branch need, and only what lies in the file: an old product has thousands of
extensions, and opening them one by one costs far more than their numbers. Rows are NumPy views; nothing is
read until they are used.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ephemera.jwst.problems import Unusable

BLOCK, CARD = 2880, 80
_END = b"END" + b" " * 77
#: NumPy types (big-endian) of the binary table formats that are read here.
_TYPES = {"L": "S1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8", "A": "S"}
_COLUMN_CARD = re.compile(rb"T(?:TYPE|FORM|UNIT|ZERO|SCAL|NULL) *\d+ *= [^\n]{70}")
_FORMAT = re.compile(r"(\d*)([A-Z])")


@dataclass(frozen=True)
class TableColumn:
    """A column: name, unit, and how stored numbers become values (value = zero + scale x number)."""

    name: str
    unit: str
    scale: float
    zero: float
    null: int | None
    count: int


@dataclass(frozen=True)
class Layout:
    """Row of a binary table: its NumPy type, and its columns by name; `odd` formats need another reader."""

    dtype: np.dtype[np.void]
    columns: Mapping[str, TableColumn]
    odd: bool


@dataclass(frozen=True)
class Extension:
    """Header and data unit: cards, start of its data, bytes that it declares and that are there."""

    cards: bytes
    start: int
    declared: int
    present: int

    def text(self, key: str) -> str:
        """Value of a card as text, without quotes; empty when it is not there."""
        place = _find(self.cards, key)
        if place < 0:
            return ""
        return _value(self.cards[place + 10 : place + CARD])

    def integer(self, key: str, default: int = 0) -> int:
        """Value of a card as an integer; `default` when absent or not one."""
        try:
            return int(float(self.text(key)))
        except (ValueError, OverflowError):
            return default

    def number(self, key: str) -> float:
        """Value of a card as a float; NaN when absent or not one."""
        return _number(self.text(key))

    @cached_property
    def name(self) -> str:
        """EXTNAME in capitals."""
        return self.text("EXTNAME").upper()

    @cached_property
    def rows(self) -> int:
        """Whole rows of a table that are in the file."""
        width = self.integer("NAXIS1")
        return min(self.integer("NAXIS2"), self.present // width) if width > 0 else 0


def _find(cards: bytes, key: str) -> int:
    """Place of the card of a keyword; -1 when it is not there."""
    wanted = key.ljust(8).encode() + b"="
    place = cards.find(wanted)
    while place >= 0 and place % CARD:
        place = cards.find(wanted, place + 1)
    return place


def _value(field: bytes) -> str:
    text = field.decode("ascii", "replace").strip()
    if not text.startswith("'"):
        return text.split("/", maxsplit=1)[0].strip()
    end = 1
    while (end := text.find("'", end)) >= 0 and text[end : end + 2] == "''":
        end += 2
    return text[1 : end if end > 0 else None].replace("''", "'").strip()


def _number(text: str) -> float:
    try:
        return float(text.replace("D", "E"))
    except ValueError:
        return float("nan")


def walk(buffer: memoryview) -> list[Extension]:
    """All extensions in the file, the last of which may be cut short.

    Raises Unusable when the first header is not FITS.
    """
    size = len(buffer)
    if bytes(buffer[:9]) != b"SIMPLE  =":
        raise Unusable("not_fits", "not a FITS file: it does not begin with SIMPLE")
    found: list[Extension] = []
    place = 0
    while place + BLOCK <= size:
        stop = _header_end(buffer, place)
        if stop is None:
            break
        cards = bytes(buffer[place:stop])
        if found and not cards.startswith(b"XTENSION"):
            break
        declared = _data_size(cards, primary=not found)
        found.append(Extension(cards, stop, declared, max(0, min(declared, size - stop))))
        place = stop + -(-declared // BLOCK) * BLOCK
    if not found:
        raise Unusable("truncated", "the first header is not complete")
    return found


def _header_end(buffer: memoryview, place: int) -> int | None:
    """One past the last block of the header that starts at `place`; None when it is not complete."""
    while place + BLOCK <= len(buffer):
        block = bytes(buffer[place : place + BLOCK])
        end = block.rfind(_END)
        place += BLOCK
        if end >= 0 and end % CARD == 0:
            return place
    return None


def _data_size(cards: bytes, *, primary: bool) -> int:
    unit = Extension(cards, 0, 0, 0)
    axes = unit.integer("NAXIS")
    if axes <= 0:
        return 0
    cells = 1
    for axis in range(1, min(axes, 999) + 1):
        cells *= max(0, unit.integer(f"NAXIS{axis}"))
    groups = 1 if primary else max(1, unit.integer("GCOUNT", 1))
    return abs(unit.integer("BITPIX", 8)) // 8 * groups * (cells + max(0, unit.integer("PCOUNT")))


class Layouts:
    """Layouts of tables, each parsed once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, bytes], Layout] = {}

    def of(self, extension: Extension) -> Layout:
        """Layout of a binary table."""
        cards = extension.cards
        start, stop = _find(cards, "TFIELDS"), _find(cards, "EXTNAME")
        key = (extension.integer("NAXIS1"), cards[start:stop] if 0 <= start < stop else cards)
        if key not in self._known:
            self._known[key] = _parse_layout(cards, key[0])
        return self._known[key]


def _parse_layout(cards: bytes, width: int) -> Layout:
    lines = b"\n".join(cards[k : k + CARD] for k in range(0, len(cards), CARD))
    values = {line[:8].decode().strip(): _value(line[10:]) for line in _COLUMN_CARD.findall(lines)}
    names, formats, offsets, columns = [], [], [], {}
    place, odd = 0, False
    for number in range(1, Extension(cards, 0, 0, 0).integer("TFIELDS") + 1):
        match = _FORMAT.match(values.get(f"TFORM{number}", ""))
        if match is None or match[2] not in _TYPES:
            odd = True
            break
        count = int(match[1] or 1)
        name = values.get(f"TTYPE{number}", f"COLUMN{number}").upper()
        kind = np.dtype(f"S{count}") if match[2] == "A" else np.dtype(_TYPES[match[2]])
        size = kind.itemsize if match[2] == "A" else kind.itemsize * count
        if count and name not in columns:
            null = values.get(f"TNULL{number}", "")
            scale = _number(values.get(f"TSCAL{number}") or "1")
            zero = _number(values.get(f"TZERO{number}") or "0")
            odd |= not (np.isfinite(scale) and np.isfinite(zero))
            columns[name] = TableColumn(
                name,
                values.get(f"TUNIT{number}", ""),
                scale,
                zero,
                int(null) if null.lstrip("-").isdigit() else None,
                count,
            )
            names.append(name)
            formats.append((kind, (count,)) if match[2] != "A" and count > 1 else kind)
            offsets.append(place)
        place += size
    if place > width:
        odd = True
        names, formats, offsets, columns = [], [], [], {}
    dtype = np.dtype({"names": names, "formats": formats, "offsets": offsets, "itemsize": max(width, 1)})
    return Layout(dtype, columns, odd)


def table_rows(buffer: memoryview, extension: Extension, layout: Layout) -> npt.NDArray[np.void]:
    """View of the whole rows of a binary table that are in the file."""
    stop = extension.start + extension.rows * layout.dtype.itemsize
    return np.frombuffer(buffer[extension.start : stop], layout.dtype)


def column_values(rows: npt.NDArray[np.void], layout: Layout, name: str) -> npt.NDArray[np.float64]:
    """Values of a column as float64: scaled, with NaN for nulls."""
    column = layout.columns[name]
    stored = rows[name]
    values = stored.astype(np.float64)
    if column.null is not None and stored.dtype.kind in "iu":
        values[stored == column.null] = np.nan
    if column.scale != 1 or column.zero != 0:
        values = values * column.scale + column.zero
    return values


def column_floats(rows: npt.NDArray[np.void], layout: Layout, name: str) -> npt.NDArray[np.float32]:
    """Values of a column as float32, without a copy in double precision where none is needed."""
    column = layout.columns[name]
    if column.null is None and column.scale == 1 and column.zero == 0:
        with np.errstate(over="ignore", invalid="ignore"):
            return rows[name].astype(np.float32)
    return column_values(rows, layout, name).astype(np.float32)


def image(buffer: memoryview, extension: Extension) -> npt.NDArray[np.generic]:
    """Image of an extension in native byte order, scaled.

    Raises Unusable when it is cut short, or its header describes no image.
    """
    if extension.present < extension.declared:
        raise Unusable("truncated", f"image {extension.name} is cut short", extension=extension.name)
    shape = tuple(extension.integer(f"NAXIS{axis}") for axis in range(extension.integer("NAXIS"), 0, -1))
    kinds = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
    code = extension.integer("BITPIX", 8)
    count = math.prod(shape) if shape else 0
    if code not in kinds or min(shape, default=0) < 0 or count * abs(code) // 8 > extension.present:
        message = f"image {extension.name} of type {code} and shape {shape}: its header is damaged"
        raise Unusable("damaged", message, extension=extension.name)
    kind = np.dtype(kinds[code])
    stored = np.frombuffer(buffer, kind, count, extension.start).reshape(shape)
    scale, zero = extension.number("BSCALE"), extension.number("BZERO")
    if np.isfinite(scale) or np.isfinite(zero):
        return stored * (scale if np.isfinite(scale) else 1) + (zero if np.isfinite(zero) else 0)
    return stored.astype(kind.newbyteorder("="))
