"""ECSV 1.0: the rows of CSV below a YAML header with types, units, UCDs and descriptions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ephemera.tables.csv import read_rows, write_rows
from ephemera.tables.declaration import Column, MetaValue, TableDeclaration

if TYPE_CHECKING:
    import pyarrow as pa

#: ECSV name of each declared dtype.
DATATYPES: Mapping[str, str] = {
    "f8": "float64",
    "f4": "float32",
    "i8": "int64",
    "i4": "int32",
    "i2": "int16",
    "u1": "uint8",
    "bool": "bool",
    "str": "string",
}


def write(table: pa.Table, declaration: TableDeclaration, path: Path, meta: Mapping[str, MetaValue]) -> None:
    """Write a checked table with its header."""
    with path.open("wb") as file:
        file.write(header(declaration, meta).encode())
        write_rows(table, file)


def read(path: Path, declaration: TableDeclaration) -> dict[str, pa.ChunkedArray]:
    """Declared columns that the file has."""
    with path.open("rb") as file:
        comments = 0
        for line in file:
            if not line.startswith(b"#"):
                break
            comments += 1
    return read_rows(path, declaration, skip_lines=comments)


def header(declaration: TableDeclaration, meta: Mapping[str, MetaValue]) -> str:
    """Header lines; JSON scalars are valid YAML, so texts of any kind stand in them safely."""
    facts = {"name": declaration.name, "description": declaration.description, **meta}
    lines = [
        "%ECSV 1.0",
        "---",
        "delimiter: ','",
        "datatype:",
        *(f"- {_entry(column)}" for column in declaration),
        f"meta: {json.dumps(facts)}",
        "schema: astropy-2.0",
    ]
    return "".join(f"# {line}\n" for line in lines)


def _entry(column: Column) -> str:
    entry: dict[str, object] = {"name": column.name}
    if column.unit is not None:
        entry["unit"] = column.unit
    entry |= {"datatype": DATATYPES[column.dtype], "description": column.description}
    if column.ucd is not None:
        entry["meta"] = {"ucd": column.ucd}
    return json.dumps(entry)
