"""Positions as unit vectors, so that no pole and no right ascension is special."""

from __future__ import annotations

from typing import overload

import numpy as np
import numpy.typing as npt

from ephemera.sky.tan import wrap_degrees

FloatArray = npt.NDArray[np.float64]

ARCSEC_PER_RADIAN = 3600 * 180 / np.pi


def unit_vectors(ra_deg: npt.ArrayLike, dec_deg: npt.ArrayLike) -> FloatArray:
    """Unit vectors (..., 3) of positions in degrees.

    Raises ValueError for positions that are not finite, declinations beyond +-90 and unequal shapes.
    """
    ra, dec = np.asarray(ra_deg, float), np.asarray(dec_deg, float)
    if ra.shape != dec.shape:
        msg = f"ra_deg and dec_deg must have one shape, got {ra.shape} and {dec.shape}"
        raise ValueError(msg)
    for name, values, good in (
        ("ra_deg", ra, np.isfinite(ra)),
        ("dec_deg", dec, np.isfinite(dec) & (np.abs(dec) <= 90)),
    ):
        if not np.all(good):
            allowed = "finite" if name == "ra_deg" else "in [-90, 90]"
            msg = f"{name} must be {allowed}, got {values[~good].flat[0]} among {values.size} values"
            raise ValueError(msg)
    a, d = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)


def positions(vectors: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Right ascension in [0, 360) and declination, degrees, of vectors (..., 3) of any length."""
    x, y, z = np.moveaxis(np.asarray(vectors, float), -1, 0)
    return wrap_degrees(np.degrees(np.arctan2(y, x))), np.degrees(np.arctan2(z, np.hypot(x, y)))


@overload
def chord(angle_arcsec: float) -> float: ...
@overload
def chord(angle_arcsec: FloatArray) -> FloatArray: ...
def chord(angle_arcsec: float | FloatArray) -> float | FloatArray:
    """Distance on the unit sphere of two points `angle_arcsec` apart: 2 sin(angle / 2)."""
    distance: float | FloatArray = 2 * np.sin(angle_arcsec / ARCSEC_PER_RADIAN / 2)
    return distance


def angle_arcsec(chords: npt.ArrayLike) -> FloatArray:
    """Angles, arcsec, of distances on the unit sphere; the inverse of `chord`."""
    half = np.clip(np.asarray(chords, float) / 2, 0, 1)
    return np.asarray(2 * np.arcsin(half) * ARCSEC_PER_RADIAN, float)


def separation_arcsec(
    ra1: npt.ArrayLike, dec1: npt.ArrayLike, ra2: npt.ArrayLike, dec2: npt.ArrayLike
) -> FloatArray:
    """Great-circle separations, arcsec, of positions in degrees; exact for small and large angles.

    From cross and dot product of the unit vectors: atan2(|u x v|, u . v).
    """
    u, v = np.broadcast_arrays(unit_vectors(ra1, dec1), unit_vectors(ra2, dec2))
    across = np.linalg.norm(np.cross(u, v), axis=-1)
    along = np.sum(u * v, axis=-1)
    return np.asarray(np.arctan2(across, along) * ARCSEC_PER_RADIAN, float)
