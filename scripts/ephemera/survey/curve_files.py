"""Reduced light curves of a batch in one Parquet file: epochs in rows, each curve's metadata as JSON.

Every later step reads these files, so they are written to be read fast: bytes of equal place side by side
(BYTE_STREAM_SPLIT), which suits noise better than a dictionary, LZ4, and no column that could hold nulls.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ephemera.survey.light_curve import LightCurve, Photometry

#: Key of the curves' metadata in the file.
KEY = b"curves"
SCALARS = (
    "source",
    "survey",
    "object_id",
    "filter",
    "season",
    "season_of",
    "flux_unit",
    "zero_point",
    "zero_point_measured",
    "exptime",
    "position",
)
FLOATS = ("mjd", "time_bjd_tdb", "flux", "flux_err", "live", "x", "y")
#: Scalars and columns of `Photometry`.
PHOTOMETRY = ("source", "survey", "object_id", "filter", "season", "zero_point")
PHOTOMETRY_COLUMNS = ("mjd", "flux", "flux_err", "bad")
#: Scalars that are null in the file where they are NaN.
MAY_BE_NAN = ("zero_point", "zero_point_measured", "exptime")


def write_curves(curves: Sequence[LightCurve], path: Path) -> None:
    """Write light curves; the same curves give the same bytes."""
    columns: dict[str, Any] = {name: _joined(curves, name) for name in FLOATS}
    columns["flag"] = np.concatenate([c.flag for c in curves] or [np.zeros(0, np.int64)])
    columns["bad"] = np.concatenate([c.bad for c in curves] or [np.zeros(0, bool)])
    notes = [{**{name: _plain(getattr(c, name)) for name in SCALARS}, "n": len(c)} for c in curves]
    arrays = {name: pa.array(values) for name, values in columns.items()}
    fields = [pa.field(name, array.type, nullable=False) for name, array in arrays.items()]
    meta = {KEY: json.dumps(notes, sort_keys=True).encode()}
    table = pa.Table.from_arrays(list(arrays.values()), schema=pa.schema(fields, meta))
    encoding: Any = {"use_dictionary": False, "use_byte_stream_split": list(FLOATS)}
    pq.write_table(table, path, compression="lz4", **encoding)


def _joined(curves: Sequence[LightCurve], name: str) -> npt.NDArray[np.float64]:
    parts = [getattr(c, name) for c in curves]
    filled = [np.full(len(c), np.nan) if p is None else p for c, p in zip(curves, parts, strict=True)]
    return np.concatenate(filled or [np.zeros(0)])


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def read_curves(path: Path) -> list[LightCurve]:
    """Light curves of a file."""
    curves = []
    for note, part in _read(path, None):
        if note["position"] is None:
            part |= {"x": None, "y": None}
        if len(part["time_bjd_tdb"]) and not np.isfinite(part["time_bjd_tdb"]).any():
            part["time_bjd_tdb"] = None
        curves.append(LightCurve(**note, **part))
    return curves


def read_photometry(path: Path) -> list[Photometry]:
    """Only times and fluxes of a file's light curves, in half the time."""
    return [
        Photometry(**{name: note[name] for name in PHOTOMETRY}, **part)
        for note, part in _read(path, PHOTOMETRY_COLUMNS)
    ]


def _read(path: Path, wanted: Sequence[str] | None) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Metadata and columns of each light curve."""
    with pq.ParquetFile(path) as file:
        # One thread: jobs run side by side.
        table = file.read(columns=list(wanted) if wanted is not None else None, use_threads=False)
        notes = json.loads((file.schema_arrow.metadata or {})[KEY])
    columns = {name: table[name].to_numpy() for name in table.column_names}
    start = 0
    for note in notes:
        stop = start + note.pop("n")
        for name in MAY_BE_NAN:
            if note[name] is None:
                note[name] = float("nan")
        yield note, {name: values[start:stop] for name, values in columns.items()}
        start = stop
