"""Scores of the epochs of a light curve, and which epochs are not to be trusted.

The offset score says how far an epoch's position lies from the usual one, in units of the median absolute
deviation (unscaled): z = (o - median o) / MAD(o) with o the distance from the median position of good
epochs. A star whose light was taken for a neighbour's moves; an outburst does not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ephemera.survey.light_curve import LightCurve
from ephemera.survey.photometry import brightening, noise_of
from ephemera.survey.robust import median, robust_mean_rms

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Offsets beyond this many median absolute deviations are flagged.
OFFSET_THRESHOLD = 3.5


@dataclass(frozen=True)
class QualityColumn:
    """A quality value of each epoch, its threshold, and whether large values of both signs are bad."""

    values: FloatArray
    threshold: float
    two_sided: bool

    @property
    def failed(self) -> BoolArray:
        """Epochs beyond the threshold or without a finite value."""
        size = np.abs(self.values) if self.two_sided else self.values
        with np.errstate(invalid="ignore"):
            return ~(size <= self.threshold)

    def worst(self, rows: npt.NDArray[np.int64]) -> float:
        """Worst finite value among `rows`: largest |value| of a two-sided column, else the largest."""
        some = self.values[rows]
        some = np.abs(some) if self.two_sided else some
        some = some[np.isfinite(some)]
        return float(some.max()) if len(some) else float("nan")


#: What a quality plug-in gives: named columns for a light curve.
Check = Callable[[LightCurve], Mapping[str, QualityColumn]]


@dataclass(frozen=True)
class Scores:
    """Everything that one light curve's epochs are judged by; arrays run parallel to the epochs."""

    mean: float
    rms: float
    noise: FloatArray
    snr: FloatArray
    snr_flux: FloatArray
    dmag: FloatArray
    quality: Mapping[str, QualityColumn] = field(default_factory=dict)
    qflag: BoolArray = field(default_factory=lambda: np.zeros(0, bool))

    @property
    def offset(self) -> FloatArray:
        """Offset score; NaN for light curves without positions."""
        column = self.quality.get("offset")
        return column.values if column is not None else np.full(len(self.snr), np.nan)


def offset_score(ra_deg: npt.ArrayLike, dec_deg: npt.ArrayLike, good: npt.ArrayLike) -> FloatArray:
    """Offset score z of sky positions in degrees; 0 where all good positions agree (MAD 0).

    Right ascensions are taken relative to a good one and wrapped to +-180 before any median, so that
    0 = 360 is no edge. NaN where a position is not finite, and everywhere without a good position.
    """
    ra, dec = np.asarray(ra_deg, np.float64), np.asarray(dec_deg, np.float64)
    use = np.asarray(good, bool) & np.isfinite(ra) & np.isfinite(dec)
    if not use.any():
        return np.full(ra.shape, np.nan)
    reference = ra[np.argmax(use)]
    turned = np.mod(ra - reference + 180.0, 360.0) - 180.0
    return centroid_score(turned * np.cos(np.radians(median(dec[use]))), dec, use)


def centroid_score(x: npt.ArrayLike, y: npt.ArrayLike, good: npt.ArrayLike) -> FloatArray:
    """Offset score z of positions on a plane (pixels, or degrees on a small patch)."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    use = np.asarray(good, bool) & np.isfinite(x) & np.isfinite(y)
    if not use.any():
        return np.full(x.shape, np.nan)
    offset = np.hypot(x - median(x[use]), y - median(y[use]))
    centre = median(offset[use])
    spread = median(np.abs(offset[use] - centre))
    if spread == 0:
        return np.where(np.isfinite(offset), 0.0, np.nan)
    return np.asarray((offset - centre) / spread)


def quality_columns(
    curve: LightCurve, offset_threshold: float = OFFSET_THRESHOLD
) -> dict[str, QualityColumn]:
    """Built-in quality columns of a light curve: the offset, where it has positions."""
    if curve.x is None or curve.y is None:
        return {}
    score = offset_score if curve.position == "sky" else centroid_score
    return {"offset": QualityColumn(score(curve.x, curve.y, curve.usable), offset_threshold, two_sided=True)}


def judge(
    curve: LightCurve, offset_threshold: float = OFFSET_THRESHOLD, check: Check | None = None
) -> Scores:
    """All scores of a light curve; `check` adds columns of a plug-in.

    An epoch's qflag is set by the survey's flag, by faults of its row, and by any quality column.
    """
    usable = curve.usable
    mean, rms = robust_mean_rms(curve.flux, usable)
    noise = noise_of(curve.flux_err, rms)
    columns = quality_columns(curve, offset_threshold)
    if check is not None:
        columns |= check(curve)
    qflag = ~usable
    for column in columns.values():
        qflag = qflag | column.failed
    with np.errstate(invalid="ignore", over="ignore"):  # fluxes that are no numbers have no scores
        return Scores(
            mean=mean,
            rms=rms,
            noise=noise,
            snr=(curve.flux - mean) / noise,
            snr_flux=curve.flux / noise,
            dmag=brightening(curve.flux, mean, rms),
            quality=columns,
            qflag=qflag,
        )
