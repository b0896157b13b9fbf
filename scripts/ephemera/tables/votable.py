"""VOTable 1.4 in BINARY2 serialisation, which flags missing values of every type.

Text fields have a fixed width, so that rows are of one length and written at once; they are `char` where all
texts are ASCII, else `unicodeChar` (UTF-16).
"""

from __future__ import annotations

import base64
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ephemera.tables.declaration import Column, MetaValue, TableDeclaration

#: VOTable datatype and big-endian NumPy type of each declared dtype but text.
LAYOUTS: Mapping[str, tuple[str, str]] = {
    "f8": ("double", ">f8"),
    "f4": ("float", ">f4"),
    "i8": ("long", ">i8"),
    "i4": ("int", ">i4"),
    "i2": ("short", ">i2"),
    "u1": ("unsignedByte", "u1"),
    "bool": ("boolean", "S1"),
}

RawArray = npt.NDArray[Any]


def write(table: pa.Table, declaration: TableDeclaration, path: Path, meta: Mapping[str, MetaValue]) -> None:
    """Write a checked table; `meta` become INFO elements."""
    path.write_text(document(table, declaration, meta, stream=_stream(table, declaration)), encoding="utf-8")


def read(path: Path, declaration: TableDeclaration) -> dict[str, Any]:
    """Declared columns of the first table of the file, in any serialisation, that it has."""
    from astropy.io.votable import parse_single_table  # only reading needs astropy, 0.4 s to import

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # units such as "0.05 arcsec" are no VOUnits, which is no fault here
        data = parse_single_table(path, verify="ignore").array
    values: dict[str, Any] = {}
    for column in declaration:
        if column.name not in data.dtype.names:
            continue
        field = data[column.name]
        texts = column.dtype == "str"
        values[column.name] = [None if t is np.ma.masked else str(t) for t in field] if texts else field
    return values


def document(
    table: pa.Table, declaration: TableDeclaration, meta: Mapping[str, MetaValue], stream: str | None
) -> str:
    """The XML text; without a stream a table that only describes its columns."""
    name = quoteattr(declaration.name)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<VOTABLE version="1.4" xmlns="http://www.ivoa.net/xml/VOTable/v1.3">',
        f"<RESOURCE name={name}>",
        *(f"<INFO name={quoteattr(key)} value={quoteattr(str(value))}/>" for key, value in meta.items()),
        f'<TABLE name={name} nrows="{len(table)}">',
        f"<DESCRIPTION>{escape(declaration.description)}</DESCRIPTION>",
        *(_field_element(column, table[column.name]) for column in declaration),
    ]
    if stream is not None:
        lines.append(f'<DATA><BINARY2><STREAM encoding="base64">\n{stream}</STREAM></BINARY2></DATA>')
    lines += ["</TABLE>", "</RESOURCE>", "</VOTABLE>", ""]
    return "\n".join(lines)


def _field_element(column: Column, values: pa.ChunkedArray) -> str:
    if column.dtype == "str":
        datatype, width = _text_layout(values)
        attributes = f'name={quoteattr(column.name)} datatype="{datatype}" arraysize="{width}"'
    else:
        attributes = f'name={quoteattr(column.name)} datatype="{LAYOUTS[column.dtype][0]}"'
    if column.unit is not None:
        attributes += f" unit={quoteattr(column.unit)}"
    if column.ucd is not None:
        attributes += f" ucd={quoteattr(column.ucd)}"
    return f"<FIELD {attributes}>\n<DESCRIPTION>{escape(column.description)}</DESCRIPTION>\n</FIELD>"


def _text_layout(values: pa.ChunkedArray) -> tuple[str, int]:
    """Datatype and number of characters (UTF-16 units) of the widest text, at least 1."""
    widest = pc.max(pc.binary_length(values)).as_py() or 1
    if pc.all(pc.string_is_ascii(values)).as_py() is not False:
        return "char", widest
    texts = values.drop_null().to_pylist()
    return "unicodeChar", max(len(text.encode("utf-16-be")) // 2 for text in texts)


def _stream(table: pa.Table, declaration: TableDeclaration) -> str:
    """Rows in base64: flags of missing fields, first field in the highest bit, then the fields."""
    fields = [_field(column, table[column.name]) for column in declaration]
    n_flag_bytes = (len(fields) + 7) // 8
    layout = [("", "u1", (n_flag_bytes,)), *(("", field.dtype) for field in fields)]
    rows = np.zeros(len(table), np.dtype(layout))
    missing = [table[column.name].is_null().to_numpy() for column in declaration]
    rows["f0"] = np.packbits(np.array(missing, bool).T.reshape(len(table), len(fields)), axis=1)
    for number, field in enumerate(fields, start=1):
        rows[f"f{number}"] = field
    return base64.encodebytes(rows.tobytes()).decode("ascii")


def _field(column: Column, values: pa.ChunkedArray) -> RawArray:
    if column.dtype == "str":
        datatype, width = _text_layout(values)
        code, size = ("ascii", width) if datatype == "char" else ("utf-16-be", 2 * width)
        return np.array([(text or "").encode(code) for text in values.to_pylist()], f"S{size}")
    layout = LAYOUTS[column.dtype][1]
    if column.dtype == "bool":
        letters = np.where(pc.fill_null(values, fill_value=False).to_numpy(), b"T", b"F")
        return np.where(values.is_null().to_numpy(), b"?", letters).astype(layout)
    filler = float("nan") if column.dtype in ("f8", "f4") else 0
    numbers: RawArray = pc.fill_null(values, filler).to_numpy()
    return numbers.astype(layout)
