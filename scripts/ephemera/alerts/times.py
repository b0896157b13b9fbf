"""TAI and UTC: the leap seconds since 1972 (IERS Bulletin C), and nights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ephemera.sky.times import SECONDS_PER_DAY

FloatArray = npt.NDArray[np.float64]

#: Part of a day after midnight UTC at which nights begin, of surveys for which it is not midnight, d.
NIGHT_OFFSET_D = {"lsst": 0.5}
#: Day (MJD, UTC) from which TAI - UTC has each value of `TAI_MINUS_UTC`, s.
_STEPS = np.array(
    [41317, 41499, 41683, 42048, 42413, 42778, 43144, 43509, 43874, 44239, 44786, 45151, 45516, 46247, 47161,
     47892, 48257, 48804, 49169, 49534, 50083, 50630, 51179, 53736, 54832, 56109, 57204, 57754], float,
)  # fmt: skip
_TAI_MINUS_UTC = np.arange(10.0, 38.0)


def utc_from_tai(mjd_tai: npt.ArrayLike) -> FloatArray:
    """MJD (UTC) of MJD (TAI): minus 37 s since 2017, less before, 10 s before 1972; NaN stays.

    Times inside a leap second get the last moment before it.
    """
    tai = np.asarray(mjd_tai, float)
    starts = _STEPS + _TAI_MINUS_UTC / SECONDS_PER_DAY
    index = np.clip(np.searchsorted(starts, tai, side="right") - 1, 0, len(_STEPS) - 1)
    utc = np.asarray(tai - _TAI_MINUS_UTC[index] / SECONDS_PER_DAY)
    following = np.append(_STEPS[1:], np.inf)[index]
    return np.asarray(np.minimum(utc, np.nextafter(following, 0)), float)


def night_of(mjd_utc: npt.ArrayLike, offset_d: npt.ArrayLike = 0.0) -> npt.NDArray[np.int32]:
    """Number of the night: floor(mjd_utc - offset_d)."""
    return np.asarray(np.floor(np.asarray(mjd_utc, float) - np.asarray(offset_d, float)), np.int32)
