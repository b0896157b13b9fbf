"""Known sources of an observation, and the pixels that they cover.

Sources above a detection likelihood are masked by a disc that grows with their rate or extent. EXOD2 never
masks border pixels, takes image positions for sky positions and refuses a list that lies outside the field;
here all pixels count and such a list masks nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from ephemera.sky.tan import to_plane
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.observation import BoolArray, FloatArray

#: Total rates at which the radius of the mask steps up, ct/s; a source at an edge has the smaller radius.
RATE_EDGES = (0.1, 1.0)
#: Mask radii for the rates below, between and above the edges, arcsec.
DEFAULT_RADII_ARCSEC = (20.0, 40.0, 80.0)
#: Detection likelihood (EP_DET_ML) above which a source is masked.
DEFAULT_DET_ML = 8.0
#: Slack for a pixel centre that lies on the mask's edge up to rounding, in pixels.
EDGE_TOLERANCE = 1e-9


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
