"""Coverage of the sky: footprints as MOCs, their areas, and area times exposure.

A footprint is a boolean image on a tangent plane. Its MOC (IVOA Multi-Order Coverage map, HEALPix cells of
25.8 arcsec at order 13) holds the cells whose centre lies in the footprint, so that areas are not biased:
cells that merely touch it would add half a cell along every edge and close the gaps between CCDs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy import units
from mocpy import MOC, STMOC

from ephemera.files import atomic_path
from ephemera.sky.healpix import cell_centres
from ephemera.sky.tan import Plane
from ephemera.tables import Column, TableDeclaration

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

ORDER = 13
#: Area of the sphere, square degrees.
SPHERE_DEG2 = 4 * np.pi * np.degrees(1) ** 2
#: Format of each suffix in which a MOC is saved.
MOC_FORMATS = {".fits": "fits", ".json": "json"}
#: Time order of space-time MOCs: cells of 2^(61 - 31) microseconds, 18 minutes.
TIME_ORDER = 31

COVERAGE = TableDeclaration(
    "coverage",
    "Sky searched, by energy band and frame length.",
    (
        Column("t_bin", "f8", "s", "time.interval", "Frame length"),
        Column("e_min", "f8", "keV", "em.energy;stat.min", "Lower edge of the band"),
        Column("e_max", "f8", "keV", "em.energy;stat.max", "Upper edge of the band"),
        Column("n_footprints", "i8", None, "meta.number", "Footprints searched"),
        Column("area", "f8", "deg2", "phys.angArea", "Area of sky covered, overlaps counted once"),
        Column("area_sum", "f8", "deg2", "phys.angArea", "Sum of the areas of the footprints"),
        Column("exposure", "f8", "ks", "time.duration;obs.exposure", "Sum of the exposures"),
        Column("area_time", "f8", "deg2.ks", None, "Sum over the footprints of area times exposure"),
    ),
)


@dataclass(frozen=True)
class Footprint:
    """What one run searched: its `moc`, for `exposure` s, with frames of `t_bin` s in a band, keV."""

    moc: MOC
    exposure: float
    t_bin: float
    e_min: float
    e_max: float


def footprint_moc(
    footprint: BoolArray,
    pixel_units: float,
    plane: Plane,
    *,
    order: int = ORDER,
    left: float = 0.5,
    bottom: float = 0.5,
) -> MOC:
    """MOC of the cells at `order` whose centre lies in a pixel of the footprint.

    `footprint` is (rows j along Y, columns i along X); in the units of `plane`, column i covers X from `left`
    + i `pixel_units` to the next edge, and likewise rows from `bottom` on. Raises ValueError for an image
    that is not two-dimensional and boolean and a pixel size that is not positive.
    """
    footprint = np.asarray(footprint)
    if footprint.ndim != 2 or footprint.dtype != bool:
        msg = f"footprint must be a boolean image, got {footprint.dtype} of shape {footprint.shape}"
        raise ValueError(msg)
    if not (np.isfinite(pixel_units) and pixel_units > 0):
        msg = f"pixel_units must be positive, got {pixel_units!r}"
        raise ValueError(msg)
    cells = _touched_cells(footprint, pixel_units, plane, order, left, bottom)
    x, y = plane.to_plane(*cell_centres(cells, order))
    i, j = np.floor((x - left) / pixel_units), np.floor((y - bottom) / pixel_units)
    rows, columns = footprint.shape
    on_image = (i >= 0) & (i < columns) & (j >= 0) & (j < rows)
    cells, i, j = cells[on_image], i[on_image].astype(int), j[on_image].astype(int)
    inside = cells[footprint[j, i]]
    depth = np.full(len(inside), order, np.uint8)
    return MOC.from_healpix_cells(inside.astype(np.uint64), depth, max_depth=order)


def area_deg2(moc: MOC) -> float:
    """Area of a MOC, square degrees."""
    return float(moc.sky_fraction * SPHERE_DEG2)


def union(mocs: Sequence[MOC], *, order: int = ORDER) -> MOC:
    """Union of any number of MOCs; the empty MOC at `order` of none."""
    if not mocs:
        return MOC.new_empty(order)
    return mocs[0].union(*mocs[1:]) if len(mocs) > 1 else mocs[0]


def coverage_columns(footprints: Sequence[Footprint]) -> dict[str, list[Any]]:
    """Columns of the table `COVERAGE`: one row per frame length and band, in that order."""
    runs: dict[tuple[float, float, float], list[Footprint]] = {}
    for footprint in footprints:
        runs.setdefault((footprint.t_bin, footprint.e_min, footprint.e_max), []).append(footprint)
    columns: dict[str, list[Any]] = {name: [] for name in COVERAGE.names}
    for (t_bin, e_min, e_max), members in sorted(runs.items()):
        areas = np.array([area_deg2(member.moc) for member in members])
        exposures = np.array([member.exposure for member in members]) / 1000
        row = (
            t_bin,
            e_min,
            e_max,
            len(members),
            area_deg2(union([member.moc for member in members])),
            float(areas.sum()),
            float(exposures.sum()),
            float((areas * exposures).sum()),
        )
        for name, value in zip(COVERAGE.names, row, strict=True):
            columns[name].append(value)
    return columns


def space_time_moc(
    start_mjd: npt.ArrayLike, stop_mjd: npt.ArrayLike, mocs: Sequence[MOC], *, time_order: int = TIME_ORDER
) -> STMOC:
    """Space-time MOC of footprints observed from `start_mjd` to `stop_mjd` (MJD, TT).

    Raises ValueError for unequal lengths and intervals that do not end after they start.
    """
    from astropy.time import Time  # rarely used and slow to import

    start, stop = np.atleast_1d(np.asarray(start_mjd, float)), np.atleast_1d(np.asarray(stop_mjd, float))
    if not len(start) == len(stop) == len(mocs):
        msg = (
            f"start_mjd, stop_mjd and mocs must be of one length, got {len(start)}, {len(stop)}, {len(mocs)}"
        )
        raise ValueError(msg)
    if not np.all(stop > start):
        at = int(np.flatnonzero(~(stop > start))[0])
        msg = f"stop_mjd must exceed start_mjd, number {at} runs from {start[at]} to {stop[at]}"
        raise ValueError(msg)
    begin, end = (Time(mjd, format="mjd", scale="tt").tdb for mjd in (start, stop))
    return STMOC.from_spatial_coverages(begin, end, list(mocs), time_depth=time_order)


def save_moc(moc: MOC | STMOC, path: str | os.PathLike[str]) -> None:
    """Save a MOC as FITS or JSON by suffix, atomically; the same MOC gives the same bytes.

    Raises ValueError for another suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in MOC_FORMATS:
        msg = f"path must end in one of {', '.join(MOC_FORMATS)}, got {Path(path).name!r}"
        raise ValueError(msg)
    with atomic_path(path) as partial:
        moc.save(partial, format=MOC_FORMATS[suffix], overwrite=True)


def _touched_cells(
    footprint: BoolArray, pixel_units: float, plane: Plane, order: int, left: float, bottom: float
) -> npt.NDArray[np.int64]:
    """Cells that hold a point of a lattice on the footprint, three points to a cell's width or closer.

    Among them is every cell whose centre lies in the footprint: a lattice point is nearer to that centre than
    any side of the cell.
    """
    cell_arcsec = np.sqrt(SPHERE_DEG2 / (12 * 4**order)) * 3600
    per_pixel = int(np.ceil(3 * pixel_units * plane.unit_arcsec / cell_arcsec))
    offsets = (np.arange(per_pixel) + 0.5) / per_pixel
    j, i = np.nonzero(footprint)
    x = left + pixel_units * (i[:, None, None] + offsets[None, None, :])
    y = bottom + pixel_units * (j[:, None, None] + offsets[None, :, None])
    ra, dec = plane.to_sky(*(values.ravel() for values in np.broadcast_arrays(x, y)))
    if len(ra) == 0:
        return np.empty(0, np.int64)
    touched = MOC.from_lonlat(ra * units.deg, dec * units.deg, max_norder=order)
    return np.asarray(touched.flatten(), np.int64)
