"""Reduced light curves of a batch in one Parquet file: epochs in rows, each curve's metadata as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ephemera.survey.light_curve import LightCurve

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


def write_curves(curves: Sequence[LightCurve], path: Path) -> None:
    """Write light curves; the same curves give the same bytes."""
    columns: dict[str, Any] = {name: _joined(curves, name) for name in FLOATS}
    columns["flag"] = np.concatenate([c.flag for c in curves] or [np.zeros(0, np.int64)])
    columns["bad"] = np.concatenate([c.bad for c in curves] or [np.zeros(0, bool)])
    notes = [{**{name: _plain(getattr(c, name)) for name in SCALARS}, "n": len(c)} for c in curves]
    table = pa.table(columns).replace_schema_metadata({KEY: json.dumps(notes, sort_keys=True).encode()})
    pq.write_table(table, path, compression="zstd")


def _joined(curves: Sequence[LightCurve], name: str) -> npt.NDArray[np.float64]:
    parts = [getattr(c, name) for c in curves]
    filled = [np.full(len(c), np.nan) if p is None else p for c, p in zip(curves, parts, strict=True)]
    return np.concatenate(filled or [np.zeros(0)])


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def read_curves(path: Path) -> list[LightCurve]:
    """Light curves of a file."""
    with pq.ParquetFile(path) as file:
        table = file.read()
        notes = json.loads((file.schema_arrow.metadata or {})[KEY])
    columns = {name: table[name].to_numpy() for name in table.column_names}
    curves, start = [], 0
    for note in notes:
        stop = start + note.pop("n")
        part = {name: values[start:stop] for name, values in columns.items()}
        start = stop
        measured = note.pop("zero_point_measured")
        if note["position"] is None:
            part |= {"x": None, "y": None}
        if len(part["time_bjd_tdb"]) and not np.isfinite(part["time_bjd_tdb"]).any():
            part["time_bjd_tdb"] = None
        measured = float("nan") if measured is None else measured
        note["exptime"] = float("nan") if note["exptime"] is None else note["exptime"]
        curves.append(LightCurve(**note, **part, zero_point_measured=measured))
    return curves
