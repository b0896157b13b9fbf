"""A table divided by sky: one Arrow file for each HEALPix cell of order 5 (1.8 degrees) that has rows.

A night reads only the cells that it touches, and writes only those; the others are hard links to the files
of the night before, which never change. A locus stays in the cell of its founding alert. Cells are small
and many, and an Arrow file is read ten times faster than a Parquet file of this size.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ephemera.sky.healpix import cells_of
from ephemera.sky.sphere import ARCSEC_PER_RADIAN, unit_vectors

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

ORDER = 5
_DIRECTIONS = 24
#: Cells around a night's alerts are read this far, beyond any radius, arcsec.
REACH = 120.0
#: Cells are small: to hand each of their columns to a thread costs more than to compress it.
_READ = pa.ipc.IpcReadOptions(use_threads=False)
_WRITE = pa.ipc.IpcWriteOptions(compression="lz4", unify_dictionaries=True, use_threads=False)


def cells_near(vectors: FloatArray, reach_arcsec: float) -> IntArray:
    """Cells that hold anything within `reach_arcsec` of unit vectors (n, 3), and few others.

    A circle of twice the reach has a point in each cell that comes nearer than the reach: corners of
    cells are wider than the angle between two of the points.
    """
    if len(vectors) == 0:
        return np.zeros(0, np.int64)
    found = [cells_of(vectors, ORDER)]
    away = np.where(np.abs(vectors[:, 2:3]) < 0.9, np.array([[0.0, 0.0, 1.0]]), np.array([[1.0, 0.0, 0.0]]))
    east = np.cross(away, vectors)
    east /= np.linalg.norm(east, axis=1, keepdims=True)
    north = np.cross(vectors, east)
    radius = 2 * reach_arcsec / ARCSEC_PER_RADIAN
    for angle in np.arange(_DIRECTIONS) * 2 * np.pi / _DIRECTIONS:
        around = vectors + radius * (np.cos(angle) * east + np.sin(angle) * north)
        found.append(cells_of(around / np.linalg.norm(around, axis=1, keepdims=True), ORDER))
    return np.unique(np.concatenate(found))


def cells_of_alerts(alerts: Path | pa.Table) -> IntArray:
    """Cells that a night's alerts touch: those near the ones that have a position."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    table = pq.read_table(alerts, columns=["ra", "dec"]) if isinstance(alerts, Path) else alerts
    located = table.filter(pc.and_(pc.is_valid(table["ra"]), pc.is_valid(table["dec"])))
    vectors = unit_vectors(located["ra"].to_numpy(), located["dec"].to_numpy()).reshape(-1, 3)
    return cells_near(vectors, REACH)


def cell_of_positions(ra: npt.ArrayLike, dec: npt.ArrayLike) -> IntArray:
    """Cell of each position, degrees."""
    return cells_of(unit_vectors(ra, dec), ORDER)


def path_of(folder: Path, cell: int) -> Path:
    """File of a cell."""
    return folder / f"{cell:05d}.arrow"


def cells_in(folder: Path | None) -> list[int]:
    """Cells that have rows."""
    if folder is None or not folder.is_dir():
        return []
    return sorted(int(path.stem) for path in folder.glob("*.arrow"))


def read(folder: Path | None, cells: Iterable[int], schema: pa.Schema) -> dict[int, pa.Table]:
    """Tables of those of the cells that have rows."""
    if folder is None:
        return {}
    paths = {cell: path_of(folder, cell) for cell in map(int, cells)}
    return {cell: _table(path, schema) for cell, path in paths.items() if path.is_file()}


def _table(path: Path, schema: pa.Schema) -> pa.Table:
    """Rows of a cell. Raises ValueError for a file of another schema and one that is damaged."""
    try:
        with pa.OSFile(str(path)) as source:
            table = pa.ipc.open_file(source, options=_READ).read_all()
    except pa.ArrowException as error:
        message = f"{path} is damaged ({error}): remove {path.parents[1]} and run again"
        raise ValueError(message) from None
    if not table.schema.equals(schema):
        message = f"{path} was written by another version: remove {path.parents[1]} and run again"
        raise ValueError(message)
    return table


def divided(table: pa.Table, cells: IntArray) -> dict[int, pa.Table]:
    """Rows by cell, each in the order of the table."""
    order = np.argsort(cells, kind="stable")
    table, cells = table.take(pa.array(order)), cells[order]
    numbers, starts = np.unique(cells, return_index=True)
    ends = np.append(starts, len(cells))[1:]
    parts = zip(numbers.tolist(), starts.tolist(), ends.tolist(), strict=True)
    return {cell: table.slice(start, end - start) for cell, start, end in parts}


def joined(tables: Mapping[int, pa.Table], schema: pa.Schema) -> pa.Table:
    """All rows in order of cells."""
    return pa.concat_tables([tables[cell] for cell in sorted(tables)] or [schema.empty_table()])


def advance(previous: Path | None, target: Path, changed: Mapping[int, pa.Table]) -> None:
    """Write the store of a night: changed cells anew, all others as links to the night before."""
    target.mkdir(parents=True)
    for cell in cells_in(previous):
        if cell not in changed:
            assert previous is not None
            _link(path_of(previous, cell), path_of(target, cell))
    for cell, table in sorted(changed.items()):
        if len(table):
            _write(table.unify_dictionaries().combine_chunks(), path_of(target, cell))


def _write(table: pa.Table, path: Path) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema, options=_WRITE) as writer:
        writer.write_table(table)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)
