"""The branch's tables as Parquet (zstd, sorted by their key), with unit, UCD and description per column."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ephemera.survey.columns import KEYS, NESTED
from ephemera.tables import TableDeclaration
from ephemera.tables.arrow import as_array, schema

TYPES: Mapping[str, pa.DataType] = {
    "map_text": pa.map_(pa.string(), pa.string()),
    "map_float": pa.map_(pa.string(), pa.float64()),
    "list_int32": pa.list_(pa.int32()),
    "int8": pa.int8(),
}


def parquet_schema(declaration: TableDeclaration) -> pa.Schema:
    """Schema of a table with Parquet's own types for maps, lists and bytes."""
    plain = schema(declaration)
    nested = NESTED.get(declaration.name, {})
    fields = [f.with_type(TYPES[nested[f.name]]) if f.name in nested else f for f in plain]
    return pa.schema(fields, metadata=plain.metadata)


def table_of(declaration: TableDeclaration, values: Mapping[str, Any]) -> pa.Table:
    """Checked table from one array or list per column.

    Raises ValueError naming table and column for absent columns and values that do not fit.
    """
    missing = [name for name in declaration.names if name not in values]
    if missing:
        msg = f"table {declaration.name}: missing columns {', '.join(missing)}"
        raise ValueError(msg)
    nested = NESTED.get(declaration.name, {})
    arrays = []
    for column in declaration:
        given = values[column.name]
        if column.name in nested:
            kind = TYPES[nested[column.name]]
            given = given.combine_chunks() if isinstance(given, pa.ChunkedArray) else given
            items = given
            if _maps(kind) and not isinstance(given, pa.Array):
                items = [list(i.items()) if isinstance(i, Mapping) else i for i in given]
            arrays.append(items.cast(kind) if isinstance(items, pa.Array) else pa.array(items, kind))
            continue
        try:
            arrays.append(as_array(column, given))
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            msg = f"table {declaration.name}, column {column.name} ({column.dtype}): {error}"
            raise ValueError(msg) from error
    return pa.Table.from_arrays(arrays, schema=parquet_schema(declaration))


def _maps(kind: pa.DataType) -> bool:
    return bool(pa.types.is_map(kind))


def table_of_rows(declaration: TableDeclaration, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Checked table from rows; a column that a row lacks is null."""
    return table_of(declaration, {name: [row.get(name) for row in rows] for name in declaration.names})


def in_key_order(table: pa.Table, name: str) -> pa.Table:
    """Rows by the table's key; rows of equal key stay in order."""
    keys = [key for key in KEYS.get(name, ()) if key in table.column_names]
    if not keys or len(table) < 2:
        return table
    order = pc.sort_indices(table.select(keys), [(key, "ascending") for key in keys])
    return table.take(order)


def write_table(table: pa.Table, name: str, path: Path, meta: Mapping[str, str] | None = None) -> None:
    """Write as Parquet with zstd, sorted by the table's key; the same rows give the same bytes."""
    ordered = in_key_order(table, name).combine_chunks()
    metadata = {**(ordered.schema.metadata or {}), **(meta or {})}
    pq.write_table(
        ordered.replace_schema_metadata(metadata), path, compression="zstd", row_group_size=1 << 18
    )


def read_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """A table file, or some of its columns."""
    with pq.ParquetFile(path) as file:
        return file.read(columns=list(columns) if columns is not None else None)


def join(
    paths: Iterable[Path], declaration: TableDeclaration, columns: Sequence[str] | None = None
) -> pa.Table:
    """Rows of several files of one table, or some of their columns."""
    tables = [read_table(path, columns) for path in paths]
    if tables:
        return pa.concat_tables(tables)
    return parquet_schema(declaration).empty_table().select(list(columns or declaration.names))


def plain(table: pa.Table, declaration: TableDeclaration) -> dict[str, Any]:
    """Columns for formats without nested types: maps and lists as JSON text, bytes as integers."""
    nested = NESTED.get(declaration.name, {})
    columns: dict[str, Any] = {}
    for name in declaration.names:
        kind = nested.get(name)
        if kind == "int8":
            columns[name] = table[name].cast(pa.int16())
        elif kind is not None:
            values = table[name].to_pylist()
            as_json = [None if v is None else json.dumps(dict(v) if _is_map(kind) else v) for v in values]
            columns[name] = pa.array(as_json, pa.string())
        else:
            columns[name] = table[name]
    return columns


def _is_map(kind: str) -> bool:
    return kind.startswith("map")
