"""Declarations of columns and tables: what every format and the documentation are written from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

#: Known dtypes: name used in declarations and what it holds.
DTYPES: Mapping[str, str] = {
    "f8": "float, 64 bits",
    "f4": "float, 32 bits",
    "i8": "integer, 64 bits",
    "i4": "integer, 32 bits",
    "i2": "integer, 16 bits",
    "u1": "integer, 8 bits, not negative",
    "bool": "true or false",
    "str": "text",
}

#: A fact about a whole table, for headers.
MetaValue = str | int | float | bool

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_UCD = re.compile(r"[A-Za-z][A-Za-z0-9.\-]*(;[A-Za-z][A-Za-z0-9.\-]*)*")
#: Printable ASCII, all that a FITS header may hold.
_PLAIN = re.compile(r"[ -~]+")


@dataclass(frozen=True)
class Column:
    """One column: `name`, `dtype` (a key of `DTYPES`), `unit`, `ucd` (UCD1+) and `description`.

    `unit` is None for numbers without a unit and for text; `ucd` is None where no UCD fits. Texts are
    printable ASCII on one line, because FITS headers hold nothing else. Raises ValueError otherwise.
    """

    name: str
    dtype: str
    unit: str | None
    ucd: str | None
    description: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            msg = f"column name must be a letter followed by letters, digits and '_', got {self.name!r}"
            raise ValueError(msg)
        if self.dtype not in DTYPES:
            msg = f"column {self.name}: dtype must be one of {', '.join(DTYPES)}, got {self.dtype!r}"
            raise ValueError(msg)
        if self.ucd is not None and not _UCD.fullmatch(self.ucd):
            msg = f"column {self.name}: ucd must be UCD words joined by ';' or None, got {self.ucd!r}"
            raise ValueError(msg)
        for what, text in (("unit", self.unit), ("description", self.description)):
            if text is not None and not (_PLAIN.fullmatch(text) and text == text.strip()):
                allowed = "printable ASCII on one line, not blank at its ends"
                msg = f"column {self.name}: {what} must be {allowed}, got {text!r}"
                raise ValueError(msg)


@dataclass(frozen=True)
class TableDeclaration:
    """A table: `name`, `description` and `columns` in their order.

    Raises ValueError for texts that a FITS header cannot hold and for column names that differ only in
    case, which FITS and SQL take for one.
    """

    name: str
    description: str
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            msg = f"table name must be a letter followed by letters, digits and '_', got {self.name!r}"
            raise ValueError(msg)
        if not _PLAIN.fullmatch(self.description):
            msg = f"table {self.name}: description must be printable ASCII, got {self.description!r}"
            raise ValueError(msg)
        lowered = [column.name.lower() for column in self.columns]
        twice = sorted({name for name in lowered if lowered.count(name) > 1})
        if twice:
            msg = f"table {self.name}: column names must differ in more than case, twice: {', '.join(twice)}"
            raise ValueError(msg)

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __getitem__(self, name: str) -> Column:
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Column names in order."""
        return tuple(column.name for column in self.columns)

    def arrow(self, values: Mapping[str, object] | Sequence[Mapping[str, object]]) -> pa.Table:
        """Checked table from one array per declared column (a mapping, DataFrame or Arrow table), or rows.

        Rows are a list or tuple of mappings; a declared column that a row lacks is null there, and one that
        is not declared is refused.

        Arrays may be NumPy (also masked), lists, pandas Series or Arrow arrays, of one length. None, NaN,
        masked elements and empty texts become null. Integers are checked against the range of the dtype;
        floats are refused for integer columns, so an identifier never passes through one. Raises
        ValueError naming the table, the column, what it must be and what came.
        """
        from ephemera.tables.arrow import as_table  # pyarrow takes 0.1 s that hot steps need not spend

        return as_table(self, values)

    def empty(self) -> pa.Table:
        """No rows, all columns."""
        return self.arrow({name: [] for name in self.names})
