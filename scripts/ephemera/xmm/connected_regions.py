"""Regions: significant cells that touch on the sky, one detection each.

Reads the significant cells of a run and its cube, makes one row per region. A pixel is flagged when it is
a peak or an eclipse in any frame; regions are the connected components of flagged pixels (8 neighbours,
or 4). They are numbered 0, 1, ... in the order of their first pixel (smallest column i, then row j).

A region's identifier names its run and the pixel of its best cell, the one with the largest log10 Bayes
factor, as in `0724210501_0_5_2.0_12.0_x042y068`: two regions of a run never share a pixel, and what else
the run finds does not change the name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ephemera.xmm.cells import Cells, Kind
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.observation import Band, BoolArray, FloatArray, IntArray, run_id
from ephemera.xmm.sparse_cube import SparseCube

#: Neighbours that join pixels, by the number of them.
NEIGHBOURS: Mapping[int, npt.NDArray[np.int8]] = {
    4: np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], dtype=np.int8),
    8: np.ones((3, 3), dtype=np.int8),
}

#: Columns of a table by name; their dtypes are those of the declarations.
Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Regions:
    """Regions of one run, numbered by row.

    `columns` maps column names (see `region_columns.REGION_COLUMNS`) to arrays of one row a region.
    `pixel` (p,) are the flagged pixels, j * N + i on `grid`, sorted by region and then by i, j;
    `pixel_region` (p,) the region of each; `cell_region` (c,) the region of each significant cell.
    """

    grid: PixelGrid
    columns: Columns
    pixel: IntArray
    pixel_region: IntArray
    cell_region: IntArray

    def __len__(self) -> int:
        return len(self.columns["label"])

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    def take(self, index: IntArray | BoolArray) -> Regions:
        """Regions at `index` (row numbers or a mask), renumbered by place; cells of others get -1.

        The column `label` keeps the number that the region had in its run.
        """
        rows = np.arange(len(self))[index]
        place = np.full(len(self), -1)
        place[rows] = np.arange(len(rows))
        region = place[self.pixel_region]
        order = np.argsort(region, kind="stable")
        order = order[np.searchsorted(region[order], 0) :]
        return Regions(
            grid=self.grid,
            columns={name: column[rows] for name, column in self.columns.items()},
            pixel=self.pixel[order],
            pixel_region=region[order],
            cell_region=place[self.cell_region],
        )


def label_regions(cells: Cells, n: int, connectivity: int = 8) -> IntArray:
    """Region number of each cell, int64, as long as `cells`, on a grid of `n` by `n` pixels.

    Raises ValueError when `connectivity` is not 4 or 8, or a cell lies outside the grid.
    """
    if connectivity not in NEIGHBOURS:
        raise ValueError(f"connectivity must be 4 or 8, got {connectivity}")
    if len(cells) == 0:
        return np.empty(0, dtype=np.int64)
    if min(cells.i.min(), cells.j.min()) < 0 or max(cells.i.max(), cells.j.max()) >= n:
        raise ValueError(f"cells must lie on the grid of {n} x {n} pixels, got pixels outside")
    flagged = np.zeros((n, n), dtype=np.bool_)
    flagged[cells.i, cells.j] = True
    component = np.asarray(ndimage.label(flagged, structure=NEIGHBOURS[connectivity])[0])
    # ndimage promises no order of its labels: the first pixel in order of (i, j) decides.
    in_order = component[flagged]
    _, first = np.unique(in_order, return_index=True)
    number = np.empty(len(first) + 1, dtype=np.int64)
    number[in_order[np.sort(first)]] = np.arange(len(first))
    return number[component[cells.i, cells.j]]


def detection_ids(runid: str, i: IntArray, j: IntArray, grid_number: int = 0) -> npt.NDArray[np.object_]:
    """Identifiers of detections of a run from the pixels of their best cells.

    The run, `_x`, the column and `y`, the row, with at least three digits each; on a shifted grid also
    `_g` and the number of the grid, because its pixels are others.
    """
    grid = f"_g{grid_number}" if grid_number else ""
    ids = [f"{runid}_x{x:03d}y{y:03d}{grid}" for x, y in zip(i.tolist(), j.tolist(), strict=True)]
    return np.array(ids, dtype=object)


def find_regions(
    cells: Cells,
    cube: SparseCube,
    obsid: str,
    subset: int,
    *,
    connectivity: int = 8,
    max_area: int = 36,
    grid_number: int = 0,
) -> Regions:
    """Regions of the significant `cells` (only those kept by the clean-up) of one run.

    Counts and weights are those of the image of all usable frames. Where all weights of a region are
    zero, as in an eclipse that lasts all the time, the weighted centroid is the plain one. Regions of
    more than `max_area` pixels are flagged `filt_large`: arcs in the wings of bright sources, flares and
    stray light make them, point sources do not.

    Raises ValueError as `label_regions`, and when `max_area` < 1.
    """
    if max_area < 1:
        raise ValueError(f"max_area must be at least 1 pixel, got {max_area}")
    side = cube.grid.n
    region = label_regions(cells, side, connectivity)
    n_regions = int(region.max(initial=-1)) + 1
    pixels = np.unique((region * side + cells.i) * side + cells.j)
    pixel_region, i, j = pixels // side**2, pixels // side % side, pixels % side
    weight = _usable_counts(cube, j * side + i)

    columns = _run_columns(n_regions, obsid, subset, cube.frames.dt, cube.band, grid_number)
    columns |= _shape_columns(pixel_region, i, j, weight, n_regions)
    columns["filt_large"] = columns["n_pixels"] > max_area
    columns |= _cell_columns(cells, region, n_regions)
    columns |= _best_columns(cells, region, side)
    columns["detid"] = detection_ids(
        run_id(obsid, subset, cube.frames.dt, cube.band), columns["best_x"], columns["best_y"], grid_number
    )
    return Regions(cube.grid, columns, j * side + i, pixel_region, region)


def _usable_counts(cube: SparseCube, pixel: IntArray) -> FloatArray:
    """Counts of pixels in usable frames; looks at the cells of these pixels only."""
    flagged = np.zeros(cube.n_pixels, dtype=np.bool_)
    flagged[pixel] = True
    cell = np.flatnonzero(flagged[cube.pixel])
    cell = cell[cube.frames.usable[cube.frame[cell]]]
    return _sums(cube.pixel[cell], cube.counts[cell], cube.n_pixels)[pixel]


def _run_columns(n: int, obsid: str, subset: int, dt: float, band: Band, grid_number: int) -> Columns:
    """Columns that say in which run the regions were found."""
    low, high = band.kev
    return {
        "runid": np.full(n, run_id(obsid, subset, dt, band), dtype=object),
        "obsid": np.full(n, obsid, dtype=object),
        "subset": np.full(n, subset, dtype=np.int32),
        "t_bin": np.full(n, float(dt)),
        "e_min": np.full(n, low),
        "e_max": np.full(n, high),
        "grid": np.full(n, grid_number, dtype=np.int32),
        "n_grids": np.ones(n, dtype=np.int32),
        "n_grids_found": np.ones(n, dtype=np.int32),
        "label": np.arange(n, dtype=np.int32),
    }


def _shape_columns(region: IntArray, i: IntArray, j: IntArray, weight: FloatArray, n: int) -> Columns:
    """Columns that follow from the pixels of the regions, sorted by region, and their counts."""
    size = np.bincount(region, minlength=n)
    counts = _sums(region, weight, n)
    start = np.searchsorted(region, np.arange(n))
    columns: Columns = {}
    for axis, index in (("x", i), ("y", j)):
        low = np.minimum.reduceat(index, start) if n else index
        high = np.maximum.reduceat(index, start) if n else index
        plain = np.bincount(region, index, minlength=n) / size
        # Offsets from the corner keep the rounding error below that of the whole coordinate.
        offset = _sums(region, weight * (index - low[region]), n)
        columns[f"{axis}0"] = low.astype(np.int32)
        columns[f"{axis}1"] = (high + 1).astype(np.int32)
        columns[f"centroid_{axis}"] = plain
        columns[f"wcentroid_{axis}"] = np.where(counts > 0, low + offset / np.maximum(counts, 1), plain)
    width, height = columns["x1"] - columns["x0"], columns["y1"] - columns["y0"]
    columns["n_pixels"] = size.astype(np.int32)
    columns["area_bbox"] = width * height
    columns["equiv_diameter"] = 2 * np.sqrt(size / np.pi)
    columns["counts"] = np.rint(counts).astype(np.int64)
    columns["mean_pixel_counts"] = counts / size
    return columns


def _sums(group: npt.NDArray[np.integer], values: npt.NDArray[Any], n: int) -> FloatArray:
    """Sum of `values` over each of `n` groups; without values bincount alone would give integers."""
    return np.bincount(group, values, minlength=n).astype(np.float64)


def _cell_columns(cells: Cells, region: IntArray, n: int) -> Columns:
    """Columns that follow from all significant cells of the regions."""
    columns: Columns = {}
    for kind, name in ((Kind.PEAK, "peak"), (Kind.ECLIPSE, "eclipse")):
        mine = cells.kind == kind
        columns[f"n_{name}_cells"] = np.bincount(region[mine], minlength=n).astype(np.int32)
        sigma = np.full(n, np.nan)
        np.fmax.at(sigma, region[mine], cells.sigma[mine])
        columns[f"sigma_{name}"] = sigma
    peaks, eclipses = columns["n_peak_cells"] > 0, columns["n_eclipse_cells"] > 0
    columns["type"] = np.select([peaks & eclipses, peaks], ["both", "peak"], "eclipse").astype(object)
    first = np.full(n, np.iinfo(np.int32).max, dtype=np.int32)
    last = np.full(n, -1, dtype=np.int32)
    np.minimum.at(first, region, cells.frame.astype(np.int32))
    np.maximum.at(last, region, cells.frame.astype(np.int32))
    columns["first_frame"], columns["last_frame"] = first, last
    columns["n_excess"] = _sums(region, np.abs(cells.n - cells.mu), n)
    return columns


def _best_columns(cells: Cells, region: IntArray, side: int) -> Columns:
    """Columns of the cell with the largest log10 Bayes factor of each region; the earliest of equal ones."""
    order = np.lexsort((-cells.log10_b, region))
    best = order[np.flatnonzero(np.diff(region[order], prepend=-1))]
    return {
        "best_n": cells.n[best].astype(np.int32),
        "best_mu": cells.mu[best],
        "best_logB": cells.log10_b[best],
        "best_sigma": cells.sigma[best],
        "best_frame": cells.frame[best].astype(np.int32),
        "best_x": cells.i[best].astype(np.int32),
        "best_y": cells.j[best].astype(np.int32),
        "best_pixel": (cells.j[best] * side + cells.i[best]).astype(np.int32),
    }
