"""Rows of many table files in one, sorted, however many there are: what does not fit waits on disk.

DuckDB does the sorting with a bound on its memory; types and descriptions are those declared.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ephemera.survey.columns import KEYS
from ephemera.survey.parquet_tables import parquet_schema

if TYPE_CHECKING:
    import duckdb

    from ephemera.tables import TableDeclaration

#: Memory that DuckDB may take, and rows that are written at once.
MEMORY, ROWS = "400MB", 1 << 17


@contextmanager
def bounded(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB in bounded memory that keeps what does not fit in `folder`; equal input, equal results."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix=".sorting", dir=folder) as spill:
        options: dict[str, Any] = {"threads": 1, "memory_limit": MEMORY, "temp_directory": spill}
        with duckdb.connect(config=options) as connection:
            yield connection


def pieces(
    connection: duckdb.DuckDBPyConnection, query: str, files: Mapping[str, Sequence[Path]], rows: int = ROWS
) -> Iterator[pa.RecordBatch]:
    """Result of a query piece by piece; `$name` in it stands for a list of files."""
    used = {name: [str(path) for path in paths] for name, paths in files.items() if f"${name}" in query}
    yield from connection.sql(query, params=used).to_arrow_reader(rows)


def write_pieces(
    tables: Iterator[pa.Table], schema: pa.Schema, path: Path, meta: Mapping[str, str] | None = None
) -> int:
    """Write tables one after the other as one Parquet file; returns the number of rows."""
    described = schema.with_metadata({**(schema.metadata or {}), **(meta or {})})
    n = 0
    with pq.ParquetWriter(path, described, compression="zstd") as writer:
        for table in tables:
            writer.write_table(table.cast(schema).replace_schema_metadata(described.metadata))
            n += len(table)
        if n == 0:
            writer.write_table(described.empty_table())
    return n


def merge(
    paths: Sequence[Path], declaration: TableDeclaration, path: Path, meta: Mapping[str, str] | None = None
) -> int:
    """Write the rows of several files of one table, sorted by its key; returns their number."""
    schema = parquet_schema(declaration)
    if not paths:
        return write_pieces(iter(()), schema, path, meta)
    keys = ", ".join(f'"{key}"' for key in KEYS[declaration.name])
    query = f"FROM read_parquet($files) ORDER BY {keys}"
    with bounded(path.parent) as connection:
        found = pieces(connection, query, {"files": paths})
        tables = (pa.Table.from_batches([batch]) for batch in found)
        return write_pieces(tables, schema, path, meta)
