"""Stars that move: positions after years of proper motion, along a great circle, at the poles too."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ephemera.sky.sphere import positions

FloatArray = npt.NDArray[np.float64]

MAS_PER_DEGREE = 3_600_000.0
DAYS_PER_JULIAN_YEAR = 365.25
#: MJD of the Julian year 2000.
J2000_MJD = 51544.5


def mjd_of_julian_year(year: float) -> float:
    """MJD of a Julian year, such as 2016.0."""
    return J2000_MJD + (year - 2000.0) * DAYS_PER_JULIAN_YEAR


def moved(
    ra_deg: npt.ArrayLike,
    dec_deg: npt.ArrayLike,
    pm_ra: npt.ArrayLike,
    pm_dec: npt.ArrayLike,
    years: npt.ArrayLike,
) -> tuple[FloatArray, FloatArray]:
    """Positions (deg) after `years` of proper motion (mas/yr; `pm_ra` times cos dec).

    The unit vector u moves to u + years (pm_ra e + pm_dec n) with the unit vectors e to the east and n to the
    north there (ESA 1997, SP-1200, volume 1, equation 1.2.16, without radial motion). Motions and years that
    are missing (NaN) count as 0.
    """
    ra, dec = np.radians(np.asarray(ra_deg, np.float64)), np.radians(np.asarray(dec_deg, np.float64))
    span = np.nan_to_num(np.asarray(years, np.float64))
    east, north = (
        np.radians(np.nan_to_num(np.asarray(pm, np.float64)) * span / MAS_PER_DEGREE)
        for pm in (pm_ra, pm_dec)
    )
    sin_a, cos_a, sin_d, cos_d = np.sin(ra), np.cos(ra), np.sin(dec), np.cos(dec)
    to_east = np.stack([-sin_a, cos_a, np.zeros_like(sin_a)], axis=-1)
    to_north = np.stack([-sin_d * cos_a, -sin_d * sin_a, cos_d], axis=-1)
    start = np.stack([cos_d * cos_a, cos_d * sin_a, sin_d], axis=-1)
    return positions(start + to_east * east[..., None] + to_north * north[..., None])
