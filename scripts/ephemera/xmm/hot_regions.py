"""Hot regions: places on the detectors at which too many observations have detections.

Reads the detections of all observations. Detections are binned by detector cells (median DETX, DETY of their
events) for each camera and frame length. A cell is hot if detections come from at least five observations
and their number is improbable (below 1e-6, Poisson) beside the mean of the ring of 16 cells two cells away,
or of the eight neighbours where the ring leaves the detector; one observation is added to the ring, so that
an empty ring does not make everything improbable. Observations are counted, not detections: the bands of one
observation see the same photons.

Or the rectangles published with EXOD2 are used, in sky coordinates turned back by the position angle about
their own pivot (25719, which is 202 units off the reference pixel). Makes the table of hot regions and the
flag of each detection; where nothing can be known (too few observations, no angle, no detector coordinates)
the flag is null.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ephemera.tables import read, write
from ephemera.xmm.detection_columns import DETECTIONS
from ephemera.xmm.detector_positions import rotated
from ephemera.xmm.observation import EPIC, BoolArray, Camera, FloatArray
from ephemera.xmm.sample_columns import HOT_FLAGS, HOT_REGIONS

if TYPE_CHECKING:
    from ephemera.config.xmm_catalogue import HotRegions as HotRegionSettings
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Point about which the published rectangles were turned.
LEGACY_PIVOT = 25719.0
LEGACY_TABLE = Path("resources/xmm/legacy_hot_regions.csv")
#: Name of the coordinates of the published rectangles, in place of a camera.
ROTATED = "ROTATED"
#: Fewest cells of the far ring that are on the detector; with fewer the eight neighbours are taken.
FEWEST_IN_RING = 8

Cell = tuple[int, int]


def find_hot(detections: pa.Table, settings: HotRegionSettings) -> list[dict[str, Any]]:
    """Rows of `HOT_REGIONS` from the detections of a sample, by camera, frame length and place."""
    rows: list[dict[str, Any]] = []
    obsids = detections["obsid"].to_numpy(zero_copy_only=False)
    t_bins = detections["t_bin"].to_numpy()
    for camera in EPIC:
        x, y = detector_coordinates(detections, camera)
        for t_bin in np.unique(t_bins):
            mine = np.flatnonzero((t_bins == t_bin) & np.isfinite(x) & np.isfinite(y))
            places = np.floor(np.stack([x[mine], y[mine]]) / settings.cell_units).astype(np.int64)
            found = zip(*places.tolist(), obsids[mine].tolist(), strict=True)
            for row in hot_cells(found, settings.min_obsids, settings.max_probability):
                i, j = row.pop("cell")
                edges = {"x0": i * settings.cell_units, "y0": j * settings.cell_units}
                size = {"width": settings.cell_units, "height": settings.cell_units}
                rows.append({"camera": camera.name, "t_bin": float(t_bin)} | edges | size | row)
    return rows


def hot_cells(
    found: Iterable[tuple[int, int, str]], min_obsids: int, max_probability: float
) -> list[dict[str, Any]]:
    """Hot cells among those of detections given as cell i, j and obsid, in order of the cell."""
    from scipy.special import gammainc  # 0.2 s that reading a table of hot regions need not spend

    number: dict[Cell, int] = {}
    obsids: dict[Cell, set[str]] = {}
    for i, j, obsid in found:
        number[i, j] = number.get((i, j), 0) + 1
        obsids.setdefault((i, j), set()).add(obsid)
    if not number:
        return []
    low, high = np.min(list(number), axis=0), np.max(list(number), axis=0)
    rows = []
    for cell in sorted(number):
        n = len(obsids[cell])
        if n < min_obsids:
            continue
        ring = _ring(cell, low, high)
        expected = (1 + sum(len(obsids.get(other, ())) for other in ring)) / len(ring)
        probability = float(gammainc(n, expected))  # P(N >= n)
        if probability < max_probability:
            rows.append(
                {
                    "cell": cell,
                    "n_detections": number[cell],
                    "n_obsids": n,
                    "n_expected": expected,
                    "probability": probability,
                }
            )
    return rows


def _ring(cell: Cell, low: npt.NDArray[np.int64], high: npt.NDArray[np.int64]) -> list[Cell]:
    """Cells two away that lie on the detector, or all eight neighbours where these are too few."""

    def around(reach: int) -> list[Cell]:
        steps = range(-reach, reach + 1)
        return [(cell[0] + a, cell[1] + b) for a in steps for b in steps if max(abs(a), abs(b)) == reach]

    far = [(i, j) for i, j in around(2) if low[0] <= i <= high[0] and low[1] <= j <= high[1]]
    return far if len(far) >= FEWEST_IN_RING else around(1)


def legacy_rows(path: Path = LEGACY_TABLE) -> list[dict[str, Any]]:
    """Rows of `HOT_REGIONS` of the published rectangles."""
    with path.open(newline="", encoding="utf-8") as file:
        return [
            {
                "camera": ROTATED,
                "t_bin": float(row["t_bin"]),
                "x0": float(row["x"]),
                "y0": float(row["y"]),
                "width": float(row["width"]),
                "height": float(row["height"]),
            }
            for row in csv.DictReader(file)
        ]


def detector_coordinates(detections: pa.Table, camera: Camera) -> tuple[FloatArray, FloatArray]:
    """Median DETX and DETY of the detections in a camera, NaN where not known."""
    suffix = camera.name.lower()
    x, y = (np.asarray(detections[f"det{axis}_{suffix}"].to_numpy(), np.float64) for axis in "xy")
    return x, y


def hot_flags(detections: pa.Table, regions: pa.Table) -> list[bool | None]:
    """Flag of each detection: in a hot region in any camera; null where no coordinate is known."""
    t_bins = detections["t_bin"].to_numpy()
    hot = np.zeros(len(detections), bool)
    if ROTATED in regions["camera"].to_pylist():
        x, y, angle = (np.asarray(detections[name].to_numpy(), np.float64) for name in ("x", "y", "pa_pnt"))
        coordinates = {ROTATED: rotated(x, y, angle, LEGACY_PIVOT)}
        searched = np.isin(t_bins, regions["t_bin"].to_numpy())
    else:
        coordinates = {camera.name: detector_coordinates(detections, camera) for camera in EPIC}
        searched = np.ones(len(detections), bool)
    known = searched & np.any([np.isfinite(x) for x, _ in coordinates.values()], axis=0)
    for row in regions.to_pylist():
        hot |= _inside(row, t_bins, *coordinates[row["camera"]])
    return [bool(h) if k else None for h, k in zip(hot, known, strict=True)]


def _inside(row: dict[str, Any], t_bins: FloatArray, x: FloatArray, y: FloatArray) -> BoolArray:
    within = (x >= row["x0"]) & (x < row["x0"] + row["width"])
    within &= (y >= row["y0"]) & (y < row["y0"] + row["height"])
    return np.asarray(within & (t_bins == row["t_bin"]))


def judge(
    detections: pa.Table, n_observations: int, settings: HotRegionSettings
) -> tuple[pa.Table, list[Any]]:
    """Hot regions as the options ask for, and the flag of each detection."""
    none: list[bool | None] = [None] * len(detections)
    if settings.table is not None:
        regions = read(settings.table, HOT_REGIONS)
        _check_cameras(regions, settings.table)
    elif settings.method == "legacy":
        regions = _table(legacy_rows())
    elif settings.method == "none" or n_observations < settings.min_obsids:
        return HOT_REGIONS.empty(), none
    else:
        regions = _table(find_hot(detections, settings))
    return regions, hot_flags(detections, regions)


def _check_cameras(regions: pa.Table, table: str) -> None:
    """Refuse a table of regions in coordinates that detections do not have, or in two kinds of them."""
    names = set(regions["camera"].to_pylist())
    if not (names <= {camera.name for camera in EPIC} or names == {ROTATED}):
        allowed = f"{', '.join(camera.name for camera in EPIC)}, or {ROTATED} in all rows"
        got = ", ".join(map(str, sorted(names, key=str)))
        msg = f"xmm.hot_regions.table: {table}: camera must be {allowed}, got {got}"
        raise ValueError(msg)


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return HOT_REGIONS.arrow({name: [row.get(name) for row in rows] for name in HOT_REGIONS.names})


def flag_hot(detections: pa.Table, flags: pa.Table) -> pa.Table:
    """Detections with the flag `filt_hot_region` of the table of flags, found by detid."""
    hot = dict(zip(flags["detid"].to_pylist(), flags["filt_hot_region"].to_pylist(), strict=True))
    values = pa.array([hot[detid] for detid in detections["detid"].to_pylist()], pa.bool_())
    place = detections.column_names.index("filt_hot_region")
    return detections.set_column(place, "filt_hot_region", values)


def main(job: Job) -> None:
    """Write hot regions and flags of one project."""
    detections = pa.concat_tables([read(path, DETECTIONS) for path in job.input.detections])
    detections = detections.sort_by("detid")
    regions, flags = judge(detections, len(job.input.detections), job.settings)
    write(regions, HOT_REGIONS, job.output.regions, {"version": job.recipe["key"]})
    write({"detid": detections["detid"], "filt_hot_region": flags}, HOT_FLAGS, job.output.flags)
    log.info("%d hot regions, %d of %d detections in them", len(regions), flags.count(True), len(flags))
