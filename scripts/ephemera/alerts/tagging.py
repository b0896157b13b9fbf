"""Tags and properties of loci: from columns to plain values and back, without a dictionary for each value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ephemera.alerts.loci import LOCI, TAG, VALUE

Tags = dict[str, dict[str, Any]]


def _spans(column: pa.ListArray | pa.MapArray) -> list[tuple[int, int]]:
    """First value and value after the last of each row; none for null."""
    offsets, valid = column.offsets.to_pylist(), column.is_valid().to_pylist()
    pairs = zip(offsets, offsets[1:], valid, strict=False)
    return [(a, b) if there else (0, 0) for a, b, there in pairs]


def _one(column: pa.ChunkedArray | pa.Array) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def tags_of(column: pa.ChunkedArray | pa.Array) -> list[Tags]:
    """Tags of each locus by name."""
    column = _one(column)
    fields = [column.values.field(k).to_pylist() for k in range(len(TAG))]
    keys = [field.name for field in TAG]
    flat = [dict(zip(keys, row, strict=True)) for row in zip(*fields, strict=True)]
    return [{tag["name"]: tag for tag in flat[a:b]} for a, b in _spans(column)]


def tag_column(tags: Sequence[Tags]) -> pa.Array:
    """Tags of each locus as a column, in order of their names."""
    flat = [one[name] for one in tags for name in sorted(one)]
    arrays = [pa.array([tag[field.name] for tag in flat], field.type) for field in TAG]
    values = pa.StructArray.from_arrays(arrays, fields=list(TAG))
    return pa.ListArray.from_arrays(_offsets(tags), values, type=LOCI.field("tags").type)


def properties_of(column: pa.ChunkedArray | pa.Array) -> list[dict[str, Any]]:
    """Properties of each locus as plain values by name."""
    column = _one(column)
    names = column.keys.to_pylist()
    kinds = (column.items.field(k).to_pylist() for k in range(len(VALUE)))
    flat = [
        number if number is not None else whole if whole is not None else text
        for number, whole, text in zip(*kinds, strict=True)
    ]
    return [dict(zip(names[a:b], flat[a:b], strict=True)) for a, b in _spans(column)]


def property_column(properties: Sequence[Mapping[str, Any]]) -> pa.Array:
    """Properties of each locus as a column, in order of their names."""
    names = [name for one in properties for name in sorted(one)]
    flat = [one[name] for one in properties for name in sorted(one)]
    texts = [value if isinstance(value, str) else None for value in flat]
    whole = [value if isinstance(value, int) else None for value in flat]
    numbers = [None if isinstance(value, str | int) else value for value in flat]
    arrays = [pa.array(v, f.type) for v, f in zip((numbers, whole, texts), VALUE, strict=True)]
    values = pa.StructArray.from_arrays(arrays, fields=list(VALUE))
    keys = pa.array(names, pa.string())
    return pa.MapArray.from_arrays(_offsets(properties), keys, values)


def _offsets(rows: Sequence[Mapping[str, Any]]) -> pa.Array:
    return pa.array(np.concatenate([[0], np.cumsum([len(row) for row in rows], dtype=np.int64)]), pa.int32())
