r"""FITS binary tables.

One table extension with TTYPE, TFORM, TUNIT, TUCD, TCOMM and, for integers, TNULL; no date, so that the
bytes repeat. Missing values: NaN, the TNULL number, the zero byte of a logical column, a blank text. FITS
text is ASCII: backslashes, other characters and a last blank are written as Python escapes (\xe9, \u03b1,
\x20), which leaves ordinary text as it is and reads back to the same.

The extension is laid out here rather than by astropy, which cannot write a missing logical value.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from astropy.io import fits

from ephemera.tables.declaration import Column, MetaValue, TableDeclaration

#: TFORM code and big-endian NumPy type of each declared dtype; text has its own width.
LAYOUTS: Mapping[str, tuple[str, str]] = {
    "f8": ("D", ">f8"),
    "f4": ("E", ">f4"),
    "i8": ("K", ">i8"),
    "i4": ("J", ">i4"),
    "i2": ("I", ">i2"),
    "u1": ("B", "u1"),
    "bool": ("L", "u1"),
}

BLOCK = 2880
#: Keywords that hold no value or end the header; they cannot name a fact about the table.
RESERVED = frozenset({"COMMENT", "HISTORY", "END", "CONTINUE", "HIERARCH", "DATE"})

RawArray = npt.NDArray[Any]


def write(table: pa.Table, declaration: TableDeclaration, path: Path, meta: Mapping[str, MetaValue]) -> None:
    """Write a checked table. Raises ValueError for meta that has the name of a structural keyword."""
    fields = [_field(column, table[column.name]) for column in declaration]
    layout = np.dtype(
        [(column.name, raw.dtype) for column, (raw, _) in zip(declaration, fields, strict=True)]
    )
    rows = np.empty(len(table), layout)
    for column, (raw, _) in zip(declaration, fields, strict=True):
        rows[column.name] = raw
    nulls = [null for _, null in fields]
    header = _header(declaration, layout, len(table), nulls, meta)
    with path.open("wb") as file:
        file.write(fits.PrimaryHDU().header.tostring().encode("ascii"))
        file.write(header.tostring().encode("ascii"))
        file.write(rows.tobytes())
        file.write(bytes(-rows.nbytes % BLOCK))


def read(path: Path, declaration: TableDeclaration) -> dict[str, Any]:
    """Declared columns of the first binary table of the file that it has. Raises ValueError without one."""
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is wrong enough to matter raises below
        tables = [hdu for hdu in fits.open(file, memmap=False) if isinstance(hdu, fits.BinTableHDU)]
        if not tables:
            msg = f"{path}: a FITS table must hold a binary table extension, found none"
            raise ValueError(msg)
        try:
            data = tables[0].data
        except TypeError as error:
            msg = f"{path}: the binary table must be complete, the file ends within it"
            raise ValueError(msg) from error
        names = [name for name in declaration.names if name in tables[0].columns.names]
        return {name: _values(declaration[name], data) for name in names}


def _values(column: Column, data: fits.FITS_rec) -> Any:
    """Values of a column as read, missing ones masked or None."""
    as_in_file = data.view(np.ndarray)
    if column.dtype == "str":
        return [_unescape(text) for text in as_in_file[column.name].tolist()]
    if column.dtype == "bool":
        letters = as_in_file[column.name].view(np.uint8)
        return np.ma.MaskedArray(letters == ord("T"), mask=letters == 0)
    null = data.columns[column.name].null
    numbers = np.array(data[column.name])
    return np.ma.masked_equal(numbers, null) if null is not None else numbers


def _field(column: Column, values: pa.ChunkedArray) -> tuple[RawArray, int | None]:
    """Values as they lie in the file, and the number that stands for a missing one."""
    if column.dtype == "str":
        return _texts(values), None
    layout = LAYOUTS[column.dtype][1]
    missing = values.is_null().to_numpy()
    if column.dtype == "bool":
        letters = np.where(pc.fill_null(values, fill_value=False).to_numpy(), ord("T"), ord("F"))
        return np.where(missing, 0, letters).astype(layout), None
    if column.dtype in ("f8", "f4"):
        return pc.fill_null(values, float("nan")).to_numpy().astype(layout), None
    numbers = pc.fill_null(values, 0).to_numpy()
    null = _unused(numbers)
    if null is None and missing.any():
        msg = f"column {column.name}: no {column.dtype} number is left to stand for a missing value"
        raise ValueError(msg)
    return np.where(missing, 0 if null is None else null, numbers).astype(layout), null


def _unused(numbers: npt.NDArray[np.integer]) -> int | None:
    """Number that no row holds: the smallest of its type (255 for bytes), else the next one; None without."""
    limits = np.iinfo(numbers.dtype)
    low, high = int(limits.min), int(limits.max)
    candidates = range(high, -1, -1) if low == 0 else range(low, high + 1)
    return next((number for number in candidates if not np.any(numbers == number)), None)


def _texts(values: pa.ChunkedArray) -> RawArray:
    escaped = [_escape(text) for text in values.to_pylist()]
    width = max((len(text) for text in escaped), default=1)
    raw = np.array(escaped, f"S{max(width, 1)}")
    as_bytes = raw.view(np.uint8)
    as_bytes[as_bytes == 0] = ord(" ")
    return raw


def _escape(text: str | None) -> bytes:
    if text is None:
        return b""
    escaped = text.encode("unicode_escape")
    return escaped[:-1] + b"\\x20" if escaped.endswith(b" ") else escaped


def _unescape(raw: bytes) -> str:
    text = raw.split(b"\0")[0].rstrip(b" ")
    return text.decode("unicode_escape") if b"\\" in text else text.decode("latin-1")


def _header(
    declaration: TableDeclaration,
    layout: np.dtype[np.void],
    n_rows: int,
    nulls: list[int | None],
    meta: Mapping[str, MetaValue],
) -> fits.Header:
    header = fits.Header()
    header["XTENSION"] = ("BINTABLE", "binary table extension")
    header["BITPIX"] = (8, "bytes")
    header["NAXIS"] = (2, "rows of bytes")
    header["NAXIS1"] = (layout.itemsize, "length of a row in bytes")
    header["NAXIS2"] = (n_rows, "number of rows")
    header["PCOUNT"] = (0, "no heap")
    header["GCOUNT"] = (1, "one group")
    header["TFIELDS"] = (len(declaration.columns), "number of columns")
    header["EXTNAME"] = (declaration.name, "name of the table")
    header["TABDESC"] = declaration.description
    for number, (column, null) in enumerate(zip(declaration, nulls, strict=True), start=1):
        is_text = column.dtype == "str"
        form = f"{layout[column.name].itemsize}A" if is_text else LAYOUTS[column.dtype][0]
        header[f"TTYPE{number}"] = column.name
        header[f"TFORM{number}"] = form
        for keyword, value in (("TUNIT", column.unit), ("TNULL", null), ("TUCD", column.ucd)):
            if value is not None:
                header[f"{keyword}{number}"] = value
        header[f"TCOMM{number}"] = column.description
    for key, fact in meta.items():
        if key.upper() in header or key.upper() in RESERVED:
            msg = f"meta {key} must not be a keyword of the FITS table itself"
            raise ValueError(msg)
        plain = fact.encode("unicode_escape").decode("ascii") if isinstance(fact, str) else fact
        header[f"HIERARCH {key}"] = plain
    return header
