"""Gnomonic (TAN) projection between sky positions and the X, Y plane of an event list or image.

With offsets xi = -scale (X - X0), eta = scale (Y - Y0) from the reference pixel, turned to radians, and the
reference position (a0, d0) (Calabretta and Greisen 2002, A&A 395, 1077, section 5.1.3):

    a = a0 + atan2(xi, cos d0 - eta sin d0)
    d = atan2(sin d0 + eta cos d0, hypot(xi, cos d0 - eta sin d0))

Right ascension grows towards smaller X; there is no rotation. Both ways are exact, also at the poles and
across right ascension 0. Pixel numbers follow FITS: the centre of the first pixel is 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: Reference pixel of the sky coordinates of XMM-Newton event lists.
REFERENCE_PIXEL = 25921.0
#: Degrees per unit of X or Y: 0.05 arcsec.
SCALE_DEG = 0.05 / 3600


@dataclass(frozen=True)
class Plane:
    """A tangent plane: (`ra0`, `dec0`), degrees, lies at (`x0`, `y0`); a unit is `scale_deg` degrees."""

    ra0: float
    dec0: float
    x0: float = REFERENCE_PIXEL
    y0: float = REFERENCE_PIXEL
    scale_deg: float = SCALE_DEG

    @property
    def unit_arcsec(self) -> float:
        """Size of one unit, arcsec."""
        return self.scale_deg * 3600

    def to_sky(self, x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Positions of plane coordinates; see the function `to_sky`."""
        return to_sky(x, y, self.ra0, self.dec0, self.x0, self.y0, self.scale_deg)

    def to_plane(self, ra: npt.ArrayLike, dec: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Plane coordinates of positions; see the function `to_plane`."""
        return to_plane(ra, dec, self.ra0, self.dec0, self.x0, self.y0, self.scale_deg)


def to_sky(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    ra0: float,
    dec0: float,
    x0: float = REFERENCE_PIXEL,
    y0: float = REFERENCE_PIXEL,
    scale_deg: float = SCALE_DEG,
) -> tuple[FloatArray, FloatArray]:
    """Positions of plane coordinates.

    `x`, `y` broadcast against each other, may be fractional and are FITS (first centre at 1) coordinates;
    (`ra0`, `dec0`) in degrees is the position of pixel (`x0`, `y0`); `scale_deg` is in degrees per unit.
    Returns right ascension in [0, 360) and declination, degrees, float64. NaN stays NaN.
    Raises ValueError for a reference that is not a position, or a scale that is not positive.
    """
    _check_reference(ra0, dec0, scale_deg)
    scale = np.radians(scale_deg)
    xi = -scale * (np.asarray(x, float) - x0)
    eta = scale * (np.asarray(y, float) - y0)
    sin0, cos0 = np.sin(np.radians(dec0)), np.cos(np.radians(dec0))
    towards_pole = cos0 - eta * sin0
    ra = wrap_degrees(ra0 + np.degrees(np.arctan2(xi, towards_pole)))
    dec = np.degrees(np.arctan2(sin0 + eta * cos0, np.hypot(xi, towards_pole)))
    return ra, np.asarray(dec, float)


def to_plane(
    ra: npt.ArrayLike,
    dec: npt.ArrayLike,
    ra0: float,
    dec0: float,
    x0: float = REFERENCE_PIXEL,
    y0: float = REFERENCE_PIXEL,
    scale_deg: float = SCALE_DEG,
) -> tuple[FloatArray, FloatArray]:
    """Plane coordinates of positions; the inverse of `to_sky`, same arguments and units.

    Returns X and Y, float64; NaN for positions 90 degrees or more from the reference, which have no image
    on the plane. Raises ValueError as `to_sky` does.
    """
    _check_reference(ra0, dec0, scale_deg)
    across = np.radians(np.asarray(ra, float) - ra0)
    declination = np.radians(np.asarray(dec, float))
    sin0, cos0 = np.sin(np.radians(dec0)), np.cos(np.radians(dec0))
    sin_d, cos_d = np.sin(declination), np.cos(declination)
    depth = sin0 * sin_d + cos0 * cos_d * np.cos(across)
    # Equals cos d0 sin d - sin d0 cos d cos(a - a0), without cancellation near the reference.
    up = np.sin(declination - np.radians(dec0)) + 2 * sin0 * cos_d * np.sin(across / 2) ** 2
    depth = np.where(depth > np.finfo(float).eps, depth, np.nan)
    scale = np.radians(scale_deg)
    x = x0 - cos_d * np.sin(across) / depth / scale
    y = y0 + up / depth / scale
    return np.asarray(x, float), np.asarray(y, float)


def wrap_degrees(angle: npt.ArrayLike) -> FloatArray:
    """Angles in [0, 360) degrees; a tiny negative one, whose remainder rounds to 360, becomes 0."""
    wrapped = np.mod(np.asarray(angle, float), 360.0)
    return np.where(wrapped >= 360.0, 0.0, wrapped)


def _check_reference(ra0: float, dec0: float, scale_deg: float) -> None:
    if not np.isfinite(ra0):
        msg = f"ra0 must be a finite right ascension in degrees, got {ra0!r}"
        raise ValueError(msg)
    if not (np.isfinite(dec0) and -90 <= dec0 <= 90):
        msg = f"dec0 must be a declination in [-90, 90] degrees, got {dec0!r}"
        raise ValueError(msg)
    if not (np.isfinite(scale_deg) and scale_deg > 0):
        msg = f"scale_deg must be a positive number of degrees per unit, got {scale_deg!r}"
        raise ValueError(msg)
