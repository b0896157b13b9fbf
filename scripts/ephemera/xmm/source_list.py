"""The EPIC source list of an observation, and the mask of known sources made from it.

Reads the pipeline product OBSMLI: one row per source with position, detection likelihood, extent and count
rates. Column names differ between processing versions, so they are looked up without regard to case and
with fallbacks; what is missing is NaN. Sources above a likelihood are masked by a disc that grows with their
rate or extent. EXOD2 never masks border pixels, takes image positions for sky positions and refuses a
list that lies outside the field; here all pixels count and such a list masks nothing.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from ephemera.sky.tan import to_plane
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.observation import BoolArray, FloatArray

#: Cameras of per-camera columns, in the order of their prefixes.
CAMERA_PREFIXES = ("PN", "M1", "M2")
#: Columns that may be used; no version of the list has them all.
COLUMNS = frozenset(
    ["RA", "DEC", "RADEC_ERR", "RA_CORR", "DEC_CORR", "EP_DET_ML", "EP_8_DET_ML", "EP_EXTENT", "EP_TOT"]
    + [f"{prefix}_{name}" for prefix in ("EP", *CAMERA_PREFIXES) for name in ("8_RATE", "8_FLUX", "OFFAX")]
)
#: Total rates at which the radius of the mask steps up, ct/s; a source at an edge has the smaller radius.
RATE_EDGES = (0.1, 1.0)
#: Mask radii for the rates below, between and above the edges, arcsec.
DEFAULT_RADII_ARCSEC = (20.0, 40.0, 80.0)
#: Detection likelihood (EP_DET_ML) above which a source is masked.
DEFAULT_DET_ML = 8.0
#: What opening or reading a damaged FITS file raises.
READ_ERRORS = (OSError, EOFError, ValueError, TypeError, KeyError, IndexError, zlib.error, fits.VerifyError)
#: Slack for a pixel centre that lies on the mask's edge up to rounding, in pixels.
EDGE_TOLERANCE = 1e-9


class SourceListUnreadable(Exception):  # noqa: N818 - named by what happened, as the outcomes are
    """A source list cannot be read; the message says why. A run then goes on without it."""


@dataclass(frozen=True, eq=False)
class SourceList:
    """Rows of a source list as parallel float64 arrays; NaN where a value or its column is missing.

    `ra`, `dec` degrees (`ra_corr`, `dec_corr` after astrometric correction); `radec_err` arcsec; `det_ml`
    detection likelihood over all cameras; `extent` arcsec, 0 for a point source; `rate_total` total EPIC
    rate, ct/s; `rate_8`, `flux_8` rate (ct/s) and flux (erg/s/cm2) in 0.2-12 keV; `off_axis` arcmin.
    """

    ra: FloatArray
    dec: FloatArray
    radec_err: FloatArray
    ra_corr: FloatArray
    dec_corr: FloatArray
    det_ml: FloatArray
    extent: FloatArray
    rate_total: FloatArray
    rate_8: FloatArray
    flux_8: FloatArray
    off_axis: FloatArray

    def __len__(self) -> int:
        return len(self.ra)

    @classmethod
    def empty(cls) -> SourceList:
        """A list without sources."""
        return cls(*(np.empty(0) for _ in fields(cls)))


def read_source_list(path: str | Path) -> SourceList:
    """Read an OBSMLI file, gzipped or not.

    Takes the table SRCLIST, else the first with columns RA and DEC. Raises SourceListUnreadable when the file
    is missing, damaged or not FITS, or has no such table or no detection likelihood.
    """
    try:
        # Units such as "0.05 arcsec" and truncated blocks raise warnings that say nothing about the columns.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AstropyWarning)
            with fits.open(path, memmap=False) as hdus:
                columns = _columns(_source_table(hdus))
    except READ_ERRORS as error:
        msg = f"{Path(path).name}: {type(error).__name__}: {error}"
        raise SourceListUnreadable(msg) from error
    return _source_list(columns, Path(path).name)


def _source_table(hdus: Any) -> Any:
    """The table of sources among the HDUs of a file."""
    tables = [hdu for hdu in hdus if isinstance(hdu, fits.BinTableHDU)]
    named = [hdu for hdu in tables if hdu.name == "SRCLIST"]
    for hdu in named + tables:
        if {"RA", "DEC"} <= {name.upper() for name in hdu.columns.names}:
            return hdu
    msg = f"no table with columns RA and DEC among the HDUs {[hdu.name for hdu in hdus]}"
    raise ValueError(msg)


def _columns(table: Any) -> dict[str, FloatArray]:
    """The columns that may be used, by upper-case name, as native float64."""
    columns: dict[str, FloatArray] = {}
    for name in table.columns.names:
        if name.upper() in COLUMNS:
            values = np.asarray(table.data[name]).astype(np.float64)
            if values.ndim != 1:
                msg = f"column {name} must hold one value a row, got shape {values.shape}"
                raise ValueError(msg)
            columns[name.upper()] = values
    return columns


def _source_list(columns: dict[str, FloatArray], file: str) -> SourceList:
    """Sources from the columns that are there."""
    if not columns.keys() & {"EP_DET_ML", "EP_8_DET_ML"}:
        msg = f"{file}: no detection likelihood, column EP_DET_ML or EP_8_DET_ML"
        raise SourceListUnreadable(msg)
    missing = np.full(len(columns["RA"]), np.nan)

    def first(*names: str) -> FloatArray:
        """Of each row the first finite value among the columns."""
        value = missing
        for name in names:
            value = np.where(np.isfinite(value), value, columns.get(name, missing))
        return value

    rates = np.array([columns.get(f"{camera}_8_RATE", missing) for camera in CAMERA_PREFIXES])
    measured = np.isfinite(rates)
    camera_sum = np.where(measured.any(axis=0), np.where(measured, rates, 0.0).sum(axis=0), np.nan)
    rate_8 = first("EP_8_RATE")
    rate_8 = np.where(np.isfinite(rate_8), rate_8, camera_sum)
    rate_total = first("EP_TOT")
    extent = first("EP_EXTENT")
    return SourceList(
        ra=columns["RA"],
        dec=columns["DEC"],
        radec_err=first("RADEC_ERR"),
        ra_corr=first("RA_CORR"),
        dec_corr=first("DEC_CORR"),
        det_ml=first("EP_DET_ML", "EP_8_DET_ML"),
        extent=np.where(np.isfinite(extent) & (extent > 0), extent, 0.0),
        rate_total=np.where(np.isfinite(rate_total), rate_total, rate_8),
        rate_8=rate_8,
        flux_8=first("EP_8_FLUX"),
        off_axis=first("EP_OFFAX", *(f"{camera}_OFFAX" for camera in CAMERA_PREFIXES)),
    )


def mask_radii(
    sources: SourceList, size_arcsec: float, radii_arcsec: Sequence[float] = DEFAULT_RADII_ARCSEC
) -> FloatArray:
    """Radius of the mask of each source, arcsec, at least one pixel of `size_arcsec`.

    Point sources: by total rate R, `radii_arcsec[0]` for R <= 0.1 ct/s or unknown, `[1]` for 0.1 < R <= 1,
    `[2]` for R > 1. Extended sources: their extent. Raises ValueError unless there are three finite radii.
    """
    radii = np.asarray(radii_arcsec, dtype=np.float64)
    if radii.shape != (len(RATE_EDGES) + 1,) or not np.isfinite(radii).all():
        msg = f"radii_arcsec must be {len(RATE_EDGES) + 1} finite radii, got {radii_arcsec!r}"
        raise ValueError(msg)
    rate = np.nan_to_num(sources.rate_total, nan=0.0)
    point = radii[np.digitize(rate, RATE_EDGES, right=True)]
    return np.asarray(np.maximum(np.where(sources.extent > 0, sources.extent, point), size_arcsec))


def source_mask(
    sources: SourceList,
    reference_ra: float,
    reference_dec: float,
    grid: PixelGrid,
    radii_arcsec: Sequence[float] = DEFAULT_RADII_ARCSEC,
    det_ml: float = DEFAULT_DET_ML,
) -> BoolArray:
    """Pixels (N, N) [j, i] of known sources with a detection likelihood above `det_ml`.

    A pixel is masked if its centre lies within the radius of `mask_radii` from the source, and always if it
    contains the source. Positions go to the plane tangent at (`reference_ra`, `reference_dec`), degrees.
    Sources outside the grid are skipped.
    """
    mask = np.zeros((grid.n, grid.n), np.bool_)
    known = np.isfinite(sources.ra) & np.isfinite(sources.dec)
    ra, dec = np.where(known, sources.ra, np.nan), np.where(known, sources.dec, np.nan)
    x_units, y_units = to_plane(ra, dec, reference_ra, reference_dec)
    radius = mask_radii(sources, grid.size_arcsec, radii_arcsec) / grid.size_arcsec
    # Far outside every grid, and unlike NaN an integer index.
    x_units, y_units = (np.nan_to_num(units, nan=-1e6).clip(-1e6, 1e6) for units in (x_units, y_units))
    i, j = grid.index(x_units, "x"), grid.index(y_units, "y")
    inside = (i >= 0) & (i < grid.n) & (j >= 0) & (j < grid.n)
    chosen = inside & (sources.det_ml > det_ml)
    mask[j[chosen], i[chosen]] = True
    x, y = grid.fraction(x_units, "x"), grid.fraction(y_units, "y")
    for x_source, y_source, r in zip(x[chosen], y[chosen], radius[chosen], strict=True):
        _mask_disc(mask, x_source, y_source, min(r, 2.0 * grid.n) + EDGE_TOLERANCE)
    return mask


def _mask_disc(mask: BoolArray, x: float, y: float, radius: float) -> None:
    """Set the pixels of `mask` whose centres lie within `radius` pixels of (x, y)."""
    rows = slice(max(int(np.ceil(y - radius)), 0), int(np.floor(y + radius)) + 1)
    columns = slice(max(int(np.ceil(x - radius)), 0), int(np.floor(x + radius)) + 1)
    box = mask[rows, columns]
    dy = np.arange(rows.start, rows.start + box.shape[0]) - y
    dx = np.arange(columns.start, columns.start + box.shape[1]) - x
    box |= dx[None, :] ** 2 + dy[:, None] ** 2 <= radius**2
