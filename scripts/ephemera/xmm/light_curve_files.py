"""The file of light curves of an observation: one row group a curve, found by its identifier.

The file is Parquet with the columns of `region_columns.LIGHT_CURVE_COLUMNS`. Its metadata hold the list of
identifiers in the order of the row groups, so that one curve is read without reading the others.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ephemera.files import atomic_path
from ephemera.tables.arrow import schema
from ephemera.xmm.region_columns import LIGHT_CURVES

if TYPE_CHECKING:
    from ephemera.xmm.light_curves import LightCurves

#: Columns of few different values, which are written as dictionaries.
REPEATING = ("detid", "exposure", "mu", "B_peak_log", "B_eclipse_log")
#: Key of the list of identifiers in the metadata of the file.
INDEX_KEY = b"detids"


def light_curve_table(curves: LightCurves) -> pa.Table:
    """All curves of a run as one table, one curve after the other.

    Columns are those declared, with `detid` as a dictionary. Columns that were not made are null.
    """
    n_curves, n_frames = curves.n.shape
    columns = {name: np.tile(values, n_curves) for name, values in curves.of_frames.items()}
    columns |= {name: values.ravel() for name, values in curves.of_regions.items()}
    number = np.repeat(np.arange(n_curves, dtype=np.int32), n_frames)
    detids = pa.array(curves.detid, type=pa.string())
    arrays = {"detid": pa.DictionaryArray.from_arrays(number, detids)}
    for field in _file_schema():
        if field.name in columns:
            arrays[field.name] = pa.array(columns[field.name], type=field.type, from_pandas=True)
    return pa.Table.from_arrays(
        [arrays.get(field.name, pa.nulls(len(number), field.type)) for field in _file_schema()],
        schema=_file_schema(),
    )


def _file_schema() -> pa.Schema:
    """The declared schema with identifiers as a dictionary."""
    declared = schema(LIGHT_CURVES)
    place = declared.get_field_index("detid")
    field = declared.field(place)
    return declared.set(place, field.with_type(pa.dictionary(pa.int32(), pa.string())))


def write_light_curves(path: str | os.PathLike[str], runs: Iterable[LightCurves]) -> None:
    """Write the curves of all runs of an observation into one file, atomically.

    `runs` may be a generator: each run is written before the next one is asked for. Without curves the
    file has all columns and no rows. Raises ValueError when an identifier comes twice.
    """
    detids: list[str] = []
    with (
        atomic_path(path) as partial,
        pq.ParquetWriter(partial, _file_schema(), use_dictionary=list(REPEATING), compression="zstd") as file,
    ):
        for curves in runs:
            if len(curves) and len(curves.time):
                file.write_table(light_curve_table(curves), row_group_size=len(curves.time))
                detids += [str(detid) for detid in curves.detid]
        _refuse_duplicates(detids)
        file.add_key_value_metadata({INDEX_KEY: json.dumps(detids).encode()})


def _refuse_duplicates(detids: Sequence[str]) -> None:
    if len(set(detids)) < len(detids):
        twice = sorted(detid for detid, times in Counter(detids).items() if times > 1)
        raise ValueError(f"each curve must have its own detid, twice: {', '.join(twice)}")


def light_curve_ids(path: str | os.PathLike[str]) -> list[str]:
    """Identifiers of the curves of a file, in its order. Raises ValueError for a file of another kind."""
    with pq.ParquetFile(path) as file:
        return _ids(file, path)


def read_light_curve(path: str | os.PathLike[str], detid: str) -> pa.Table:
    """The curve of one detection, with the declared columns; only its rows are read.

    Raises KeyError when the file has no such curve, ValueError for a file of another kind.
    """
    with pq.ParquetFile(path) as file:
        ids = _ids(file, path)
        if detid not in ids:
            raise KeyError(f"{os.fspath(path)} has no light curve of {detid!r}; it has {len(ids)} others")
        return file.read_row_group(ids.index(detid)).cast(schema(LIGHT_CURVES))


def _ids(file: pq.ParquetFile, path: str | os.PathLike[str]) -> list[str]:
    metadata = file.metadata.metadata or {}
    if INDEX_KEY not in metadata:
        raise ValueError(f"{os.fspath(path)} is not a file of light curves: it has no list of identifiers")
    return [str(detid) for detid in json.loads(metadata[INDEX_KEY])]


def read_light_curves(path: str | os.PathLike[str]) -> Iterator[tuple[str, pa.Table]]:
    """Each identifier of a file with its curve, in the order of the file, one in memory at a time."""
    with pq.ParquetFile(path) as file:
        for number, detid in enumerate(_ids(file, path)):
            yield detid, file.read_row_group(number)
