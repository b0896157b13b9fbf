"""Checked Arrow tables: every value enters here, whichever format it goes to or comes from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from ephemera.tables.declaration import Column, TableDeclaration


#: Arrow type of each declared dtype.
ARROW_TYPES: Mapping[str, pa.DataType] = {
    "f8": pa.float64(),
    "f4": pa.float32(),
    "i8": pa.int64(),
    "i4": pa.int32(),
    "i2": pa.int16(),
    "u1": pa.uint8(),
    "bool": pa.bool_(),
    "str": pa.string(),
}


def schema(declaration: TableDeclaration) -> pa.Schema:
    """Arrow schema of a declaration; field metadata carry unit, UCD and description."""
    fields = []
    for column in declaration:
        metadata = {"unit": column.unit, "ucd": column.ucd, "description": column.description}
        given = {key: value for key, value in metadata.items() if value is not None}
        fields.append(pa.field(column.name, ARROW_TYPES[column.dtype], metadata=given))
    return pa.schema(fields, metadata={"name": declaration.name, "description": declaration.description})


def as_table(declaration: TableDeclaration, values: Any) -> pa.Table:
    """Checked table; see `TableDeclaration.arrow`."""
    if isinstance(values, list | tuple):
        values = _columns(declaration, values)
    given = set(values.column_names if isinstance(values, pa.Table) else values)
    missing = [name for name in declaration.names if name not in given]
    unknown = sorted(str(name) for name in given - set(declaration.names))
    if missing or unknown:
        msg = (
            f"table {declaration.name}: columns must be those declared;"
            f" missing: {', '.join(missing) or 'none'}; not declared: {', '.join(unknown) or 'none'}"
        )
        raise ValueError(msg)
    arrays = {}
    for column in declaration:
        try:
            arrays[column.name] = as_array(column, values[column.name])
        except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
            msg = f"table {declaration.name}, column {column.name} ({column.dtype}): {error}"
            raise ValueError(msg) from error
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        msg = f"table {declaration.name}: columns must have one length, got {lengths}"
        raise ValueError(msg)
    return pa.Table.from_arrays(list(arrays.values()), schema=schema(declaration))


def _columns(declaration: TableDeclaration, rows: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Columns of rows: those declared, and those that any row has beside them."""
    others = set().union(*rows) - set(declaration.names)
    return {name: [row.get(name) for row in rows] for name in (*declaration.names, *others)}


def as_array(column: Column, values: Any) -> pa.Array:
    """Arrow array of the declared type with nulls for missing values. Raises ValueError or ArrowException."""
    array = _plain_array(values)
    target = ARROW_TYPES[column.dtype]
    if array.null_count == len(array):
        return pa.nulls(len(array), target)
    if not _same_kind(array.type, target):
        msg = f"values must be {target} or convertible without loss, got {array.type}"
        raise ValueError(msg)
    if pa.types.is_floating(target):
        return _floats(array, target)
    array = array.cast(target)
    return _texts(array) if pa.types.is_string(target) else array


def _plain_array(values: Any) -> pa.Array:
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    if isinstance(values, pa.Array):
        return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values
    mask = None
    if isinstance(values, np.ma.MaskedArray):
        mask, values = np.ma.getmaskarray(values), values.data
    if isinstance(values, np.ndarray) and not values.dtype.isnative:
        values = values.astype(values.dtype.newbyteorder("="))
    array = pa.array(values, mask=mask, from_pandas=True)
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    return array.dictionary_decode() if pa.types.is_dictionary(array.type) else array


def _same_kind(came: pa.DataType, wanted: pa.DataType) -> bool:
    types = pa.types
    if types.is_floating(wanted):
        return bool(types.is_floating(came) or types.is_integer(came))
    if types.is_integer(wanted):
        return bool(types.is_integer(came))
    if types.is_boolean(wanted):
        return bool(types.is_boolean(came))
    return bool(types.is_string(came) or types.is_large_string(came) or types.is_string_view(came))


def _floats(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Floats with NaN as null. Integers must fit exactly; 64-bit floats are rounded to 32 bits."""
    result = array
    if array.type != target:  # tables of many columns are slow enough without checks that cannot fail
        result = array.cast(target)
        grew = pc.and_(pc.is_inf(result), pc.is_finite(array))
        if pc.any(grew).as_py():
            msg = f"values must fit {target}, got {array.filter(grew)[0]}"
            raise ValueError(msg)
    return pc.if_else(pc.is_nan(result), pa.scalar(None, target), result)


def _texts(array: pa.Array) -> pa.Array:
    """Texts with the empty one as null; NUL, which ends a text in FITS and VOTable, becomes U+FFFD."""
    array = pc.replace_substring(array, pattern="\x00", replacement="\ufffd")
    return pc.if_else(pc.equal(array, ""), pa.scalar(None, pa.string()), array)
