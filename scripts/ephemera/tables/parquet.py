"""Parquet with units, UCDs and descriptions.

They stand twice in the file: in the Arrow metadata of each field, and as a VOTable without data under the
keys of the IVOA note VOParquet 1.0, by which TOPCAT and astropy (format "parquet.votable") know them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from ephemera.tables.declaration import MetaValue, TableDeclaration
from ephemera.tables.votable import document


def write(table: pa.Table, declaration: TableDeclaration, path: Path, meta: Mapping[str, MetaValue]) -> None:
    """Write a checked table; `meta` become key-value metadata of the file."""
    metadata = {
        **table.schema.metadata,
        **{key: str(value) for key, value in meta.items()},
        "IVOA.VOTable-Parquet.version": "1.0",
        "IVOA.VOTable-Parquet.content": document(table, declaration, meta, stream=None),
    }
    pq.write_table(table.replace_schema_metadata(metadata), path)


def read(path: Path, declaration: TableDeclaration) -> dict[str, pa.ChunkedArray]:
    """Declared columns that the file has."""
    with pq.ParquetFile(path) as file:
        present = set(file.schema_arrow.names)
        names = [name for name in declaration.names if name in present]
        table = file.read(columns=names)
    return {name: table[name] for name in names}
