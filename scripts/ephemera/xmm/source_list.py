"""Reader of the EPIC source list of an observation.

Reads the pipeline product OBSMLI: one row per source with position, detection likelihood, extent and count
rates. Column names differ between processing versions, so they are looked up without regard to case and
with fallbacks; what is missing is NaN.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ephemera.xmm.fits_stream import FitsError, open_fits
from ephemera.xmm.observation import FloatArray
from ephemera.xmm.source_mask import SourceList

#: Cameras of per-camera columns, in the order of their prefixes.
CAMERA_PREFIXES = ("PN", "M1", "M2")
#: Columns that may be used; no version of the list has them all.
COLUMNS = frozenset(
    ["RA", "DEC", "RADEC_ERR", "RA_CORR", "DEC_CORR", "EP_DET_ML", "EP_8_DET_ML", "EP_EXTENT", "EP_TOT"]
    + [f"{prefix}_{name}" for prefix in ("EP", *CAMERA_PREFIXES) for name in ("8_RATE", "8_FLUX", "OFFAX")]
)


class SourceListUnreadable(Exception):  # noqa: N818 - named by what happened, as the outcomes are
    """A source list cannot be read; the message says why. A run then goes on without it."""


def read_source_list(path: str | Path) -> SourceList:
    """Read an OBSMLI file, gzipped or not.

    Takes the table SRCLIST, else the first with columns RA and DEC. Raises SourceListUnreadable when the file
    is missing, damaged or not FITS, or has no such table or no detection likelihood.
    """
    name = Path(path).name
    found: dict[str, dict[str, FloatArray]] = {}
    try:
        with open_fits(path) as stream:
            for hdu in stream:
                columns = hdu.column_names()
                if {"RA", "DEC"} <= columns:
                    found.setdefault(hdu.header.name, hdu.read(sorted(columns & COLUMNS)))
    except (FitsError, OSError) as error:
        msg = f"{name}: {error}"
        raise SourceListUnreadable(msg) from error
    if not found:
        msg = f"{name}: no table with columns RA and DEC"
        raise SourceListUnreadable(msg)
    return _source_list(found.get("SRCLIST", next(iter(found.values()))), name)


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
