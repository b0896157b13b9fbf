"""One light curve: one survey, one filter, one object of the survey, one season.

What a survey's reduction makes, and what quality, finder, features and injection read. Arrays are never
changed once made; a changed light curve is a new one.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.survey.photometry import mag_of

log = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: Seconds of a day.
DAY = 86400.0
#: All bits of a survey's flags: only epochs without any are used.
ANY_BIT = -1


@dataclass(frozen=True)
class Photometry:
    """Times and fluxes of one light curve, and which light curve they are.

    `mjd` (d) in the scale of the survey: UTC for ZTF, TDB at the barycentre for TESS. `flux`, `flux_err` are
    in a unit in which flux 1 has the magnitude `zero_point`. `bad` says that an epoch must not be used.
    """

    source: str
    survey: str
    object_id: str
    filter: str
    season: int
    zero_point: float
    mjd: FloatArray
    flux: FloatArray
    flux_err: FloatArray
    bad: BoolArray

    def __len__(self) -> int:
        return len(self.mjd)

    @property
    def curve_id(self) -> str:
        """source:survey:filter:object:season."""
        return ":".join((self.source, self.survey, self.filter, self.object_id, str(self.season)))

    @cached_property
    def usable(self) -> BoolArray:
        """Epochs that count: finite time and flux, not bad."""
        return ~self.bad & np.isfinite(self.flux) & np.isfinite(self.mjd)


@dataclass(frozen=True)
class LightCurve(Photometry):
    """Epochs of equal length in parallel arrays, and what is known of them all.

    Of TESS `time_bjd_tdb` (d) is set too. `flag` are the survey's bits, untouched. `live` (s) is how long
    each epoch collected light, `exptime` (s) its median length. `x`, `y` are positions: ICRS degrees
    (`position` "sky"), pixels ("pixel") or absent (None).
    """

    season_of: int
    flux_unit: str
    flag: IntArray
    live: FloatArray
    exptime: float
    zero_point_measured: float = float("nan")
    time_bjd_tdb: FloatArray | None = None
    x: FloatArray | None = None
    y: FloatArray | None = None
    position: str | None = None

    @cached_property
    def magnitudes(self) -> tuple[FloatArray, FloatArray]:
        """Magnitude and its error; NaN where the flux is not positive."""
        return mag_of(self.flux, self.flux_err, self.zero_point)

    @cached_property
    def steps(self) -> FloatArray:
        """Time between successive usable epochs, d."""
        return np.diff(self.mjd[self.usable])

    @property
    def cadence(self) -> float:
        """Median time step of usable epochs, s; nan with fewer than two."""
        return float(np.median(self.steps)) * DAY if len(self.steps) else float("nan")

    @property
    def uniform(self) -> bool:
        """Whether 90 % of the time steps agree to 1 % of the cadence."""
        if len(self.steps) == 0:
            return False
        low, high = np.quantile(self.steps, [0.05, 0.95])
        return bool((high - low) * DAY / self.cadence < 0.01) if self.cadence > 0 else False

    def take(self, rows: BoolArray | IntArray) -> LightCurve:
        """Some of the epochs."""
        names = ("mjd", "flux", "flux_err", "flag", "bad", "live", "time_bjd_tdb", "x", "y")
        parts: dict[str, Any] = {name: getattr(self, name) for name in names}
        chosen: dict[str, Any] = {k: None if v is None else v[rows] for k, v in parts.items()}
        return replace(self, **chosen)

    def with_flux(self, flux: FloatArray, flux_err: FloatArray) -> LightCurve:
        """The same epochs with another flux."""
        return replace(self, flux=flux, flux_err=flux_err)


def faulty(what: str, mjd: FloatArray, flux: FloatArray, flux_err: FloatArray) -> BoolArray:
    """Rows of `what` that no survey flag marks but that cannot be used; the log counts them.

    Errors that are absent (NaN) are no fault: the scatter then stands for them.
    """
    with np.errstate(invalid="ignore"):
        faults = {
            "time is not a number": ~np.isfinite(mjd),
            "flux is not a number": ~np.isfinite(flux),
            "error is not positive": (flux_err <= 0) | np.isinf(flux_err),
        }
    for fault, rows in faults.items():
        if rows.any():
            log.info("%s: %d rows where %s", what, np.count_nonzero(rows), fault)
    return np.asarray(np.any(list(faults.values()), axis=0))
