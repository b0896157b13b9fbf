"""Declared tables with columns that only Arrow and Parquet hold: lists, maps, structures, bytes, words.

The other formats know none of these; such tables are written as Parquet and handed on as they are.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

#: Name, Arrow type, unit, UCD and description of a column.
NestedColumn = tuple[str, pa.DataType, str | None, str | None, str]
#: Text that repeats, such as the name of a band.
WORD = pa.dictionary(pa.int32(), pa.string())
TEXT, BYTES, FLAG = pa.string(), pa.binary(), pa.bool_()
F8, F4, I8, I4, I1 = pa.float64(), pa.float32(), pa.int64(), pa.int32(), pa.int8()


def nested_schema(name: str, description: str, columns: Iterable[NestedColumn]) -> pa.Schema:
    """Schema whose metadata name and describe the table and, for each column, unit, UCD and meaning."""
    fields = []
    for column, kind, unit, ucd, text in columns:
        given = {"unit": unit, "ucd": ucd, "description": text}
        metadata = {key: value for key, value in given.items() if value is not None}
        fields.append(pa.field(column, kind, metadata=metadata))
    return pa.schema(fields, metadata={"name": name, "description": description})
