"""CSV: a line of names, then one line per row; nothing between two commas is a missing value.

Text is quoted, also the True and False of logical values; numbers are the shortest that read back to the
same value.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from ephemera.tables.arrow import ARROW_TYPES
from ephemera.tables.declaration import MetaValue, TableDeclaration


def write(
    table: pa.Table,
    declaration: TableDeclaration,  # noqa: ARG001 - CSV has no place for units and descriptions
    path: Path,
    meta: Mapping[str, MetaValue],  # noqa: ARG001 - nor for facts about the table
) -> None:
    """Write a checked table."""
    with path.open("wb") as file:
        write_rows(table, file)


def read(path: Path, declaration: TableDeclaration) -> dict[str, pa.ChunkedArray]:
    """Declared columns that the file has."""
    return read_rows(path, declaration, skip_lines=0)


def write_rows(table: pa.Table, file: BinaryIO) -> None:
    """Line of names and rows, comma-separated, to an open file."""
    for index, field in enumerate(table.schema):
        if pa.types.is_boolean(field.type):
            words = pc.if_else(table[field.name], "True", "False")
            table = table.set_column(index, field.name, words)
    options = pyarrow.csv.WriteOptions(include_header=True, delimiter=",", quoting_style="needed")
    pyarrow.csv.write_csv(table, file, write_options=options)


def read_rows(path: Path, declaration: TableDeclaration, *, skip_lines: int) -> dict[str, pa.ChunkedArray]:
    """Declared columns of the comma-separated rows after `skip_lines` lines."""
    types = {column.name: ARROW_TYPES[column.dtype] for column in declaration}
    # One block, because a row that spans two blocks is an error to the reader.
    block = min(path.stat().st_size + 1, 2**31 - 1)
    table = pyarrow.csv.read_csv(
        path,
        read_options=pyarrow.csv.ReadOptions(skip_rows=skip_lines, block_size=block, use_threads=False),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=types,
            null_values=[""],
            strings_can_be_null=True,
            true_values=["True", "true"],
            false_values=["False", "false"],
        ),
    )
    return {name: table[name] for name in declaration.names if name in table.column_names}
