"""Writes FITS tables byte by byte the same, with any header, legal or not.

Real event lists carry headers that a library would correct or refuse: units outside the standard,
16-bit overflows in keywords, the same keyword as text in one header and as an integer in another.
An HDU is therefore a list of cards and a table of columns, encoded here without judging them.
"""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io.fits import Card

from ephemera.files import atomic_path

BLOCK = 2880
CARD_LENGTH = 80
Value = str | int | float | bool
#: FITS letter of each dtype that occurs; text columns are `nA`.
_LETTERS: Mapping[str, str] = {"f8": "D", "f4": "E", "i4": "J", "i2": "I", "u1": "B"}


@dataclass(frozen=True)
class ColumnData:
    """One table column: name, values, unit and the keywords that take its number (TNULL, TCTYP, ...)."""

    name: str
    values: npt.NDArray[Any]
    unit: str | None = None
    keywords: Mapping[str, Value] = field(default_factory=dict)

    @property
    def form(self) -> str:
        """TFORM of the column."""
        kind = self.values.dtype
        return f"{kind.itemsize}A" if kind.kind == "S" else _LETTERS[kind.str[1:]]


@dataclass(frozen=True)
class Hdu:
    """A header of (keyword, value, comment) cards and, unless it is the primary one, a table."""

    name: str
    cards: tuple[tuple[str, Value, str], ...]
    columns: tuple[ColumnData, ...] | None = None

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Values of a column."""
        return next(c.values for c in self.columns or () if c.name == name)

    def with_cards(self, **values: Value) -> Hdu:
        """The same HDU with cards changed in place, or added at the end."""
        known = {key for key, _, _ in self.cards}
        cards = [(key, values.get(key, value), comment) for key, value, comment in self.cards]
        cards += [(key, value, "") for key, value in values.items() if key not in known]
        return replace(self, cards=tuple(cards))

    def without_cards(self, *names: str) -> Hdu:
        """The same HDU without some keywords."""
        return replace(self, cards=tuple(c for c in self.cards if c[0] not in names))

    def with_rows(self, index: Any) -> Hdu:
        """The same HDU with only the rows at `index` (a mask, indices or a slice)."""
        columns = tuple(replace(c, values=c.values[index]) for c in self.columns or ())
        return replace(self, columns=columns)

    def with_column(self, name: str, values: npt.ArrayLike) -> Hdu:
        """The same HDU with other values (cast to the column's dtype) in one column."""
        columns = tuple(
            replace(c, values=np.asarray(values).astype(c.values.dtype)) if c.name == name else c
            for c in self.columns or ()
        )
        return replace(self, columns=columns)

    def without_columns(self, *names: str) -> Hdu:
        """The same HDU without some columns."""
        return replace(self, columns=tuple(c for c in self.columns or () if c.name not in names))

    def encode(self) -> bytes:
        """Header and table as FITS blocks."""
        if self.columns is None:
            header = [("SIMPLE", True, ""), ("BITPIX", 8, ""), ("NAXIS", 0, ""), ("EXTEND", True, "")]
            return _header([*header, *self.cards])
        rows = len(self.columns[0].values)
        dtype = np.dtype([(c.name, _big_endian(c.values.dtype)) for c in self.columns])
        table = np.empty(rows, dtype=dtype)
        for column in self.columns:
            table[column.name] = column.values
        data = table.tobytes()
        return _header([*self._structure(dtype.itemsize, rows), *self.cards]) + _pad(data, b"\0")

    def _structure(self, width: int, rows: int) -> list[tuple[str, Value, str]]:
        assert self.columns is not None
        cards: list[tuple[str, Value, str]] = [
            ("XTENSION", "BINTABLE", "binary table extension"), ("BITPIX", 8, "8-bit bytes"),
            ("NAXIS", 2, "2-dimensional binary table"), ("NAXIS1", width, "width of table in bytes"),
            ("NAXIS2", rows, "number of rows in table"), ("PCOUNT", 0, ""), ("GCOUNT", 1, ""),
            ("TFIELDS", len(self.columns), "number of fields in each row"),
        ]  # fmt: skip
        for number, column in enumerate(self.columns, 1):
            cards += [(f"TTYPE{number}", column.name, ""), (f"TFORM{number}", column.form, "")]
            if column.unit is not None:
                cards.append((f"TUNIT{number}", column.unit, "physical unit of field"))
        cards.append(("EXTNAME", self.name, "name of this table"))
        for number, column in enumerate(self.columns, 1):
            cards += [(f"{key}{number}", value, "") for key, value in column.keywords.items()]
        return cards


def _big_endian(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype.newbyteorder(">")


def _header(cards: Sequence[tuple[str, Value, str]]) -> bytes:
    text = "".join(_card(*card) for card in cards) + "END".ljust(CARD_LENGTH)
    return _pad(text.encode("ascii"), b" ")


def _card(key: str, value: Value, comment: str) -> str:
    """One card image; a comment that does not fit is cut, as the standard allows."""
    if isinstance(value, float):
        text = f"{value:.14E}"
    elif isinstance(value, bool):
        text = "T" if value else "F"
    elif isinstance(value, int):
        text = str(value)
    else:
        # Texts beyond one card need the CONTINUE convention, which the library knows.
        if len(value) > CARD_LENGTH - 12:
            return str(Card(key, value))
        return f"{key:8}= '{value.replace(chr(39), 2 * chr(39)):8}' / {comment}"[:CARD_LENGTH].ljust(
            CARD_LENGTH
        )
    return f"{key:8}= {text:>20} / {comment}"[:CARD_LENGTH].ljust(CARD_LENGTH)


def _pad(data: bytes, filler: bytes) -> bytes:
    return data + filler * (-len(data) % BLOCK)


def encode(hdus: Sequence[Hdu]) -> bytes:
    """The whole FITS file."""
    return b"".join(hdu.encode() for hdu in hdus)


def compress(data: bytes) -> bytes:
    """`data` as a gzip file without name or date: the same bytes always give the same file."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=buffer, compresslevel=2, mtime=0) as handle:
        handle.write(data)
    return buffer.getvalue()


def write_hdus(path: str | os.PathLike[str], hdus: Sequence[Hdu]) -> Path:
    """Write a FITS file, atomically; compressed when the name ends in .FTZ or .gz."""
    path = Path(path)
    data = encode(hdus)
    write_bytes(path, compress(data) if path.suffix in {".FTZ", ".gz"} else data)
    return path


def write_bytes(path: str | os.PathLike[str], data: bytes) -> Path:
    """Write raw bytes, atomically."""
    with atomic_path(path) as partial:
        partial.write_bytes(data)
    return Path(path)
