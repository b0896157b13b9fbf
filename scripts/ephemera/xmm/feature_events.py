"""What the single events of a detection say: bad raw pixels, one-sided cameras, flux.

An astrophysical burst is spread by the mirrors over many raw pixels and seen by all exposed cameras.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import special

from ephemera.xmm.observation import BoolArray, Camera, FloatArray

#: Typical shares of the counts of a source in EPIC-pn, MOS1 and MOS2, medium filters, 0.2-12 keV.
RELATIVE_AREA = (0.6, 0.2, 0.2)
#: Share of the excess that counts as "all of it", since the background fluctuates too.
_ALL_OF_IT = 0.95
#: Chance probability below which a one-sided distribution over the cameras is flagged.
ONE_CAMERA_PROBABILITY = 1e-3
#: Chance of no count at all below which a camera without one did not see the place: off, or out of field.
_UNSEEN_PROBABILITY = 0.05
#: Share of events in one raw pixel above which a detection is flagged.
RAW_PIXEL_SHARE = 0.5
#: Sources on axis lend their spectrum to positions within this distance, arcmin.
_LEAST_OFF_AXIS_RANGE = 1.0


@dataclass(frozen=True)
class RawPixelShare:
    """The raw pixel with most events: its `fraction` of them, its name, and the flag."""

    fraction: float
    raw_pixel: str | None

    @property
    def suspect(self) -> bool:
        """More than half of the events come from one raw pixel."""
        return self.fraction > RAW_PIXEL_SHARE


def raw_pixel_share(
    camera: npt.NDArray[np.integer],
    ccd: npt.NDArray[np.integer],
    rawx: npt.NDArray[np.integer],
    rawy: npt.NDArray[np.integer],
) -> RawPixelShare:
    """Largest share of events in one raw pixel (camera, CCDNR, RAWX, RAWY).

    The arrays hold the events of a region in its significant frames. The pixel is named like
    `PN_04_047_084`; of pixels with equally many events the first in this order is named. Without events
    the share is NaN and the name None. Raises ValueError when the arrays differ in length.
    """
    lengths = {"camera": len(camera), "ccd": len(ccd), "rawx": len(rawx), "rawy": len(rawy)}
    if len(set(lengths.values())) > 1:
        msg = f"camera, ccd, rawx and rawy must have one length, got {lengths}"
        raise ValueError(msg)
    if not len(camera):
        return RawPixelShare(math.nan, None)
    code = np.zeros(len(camera), np.int64)
    for part in (camera, ccd, rawx, rawy):
        code = code << 12 | part.astype(np.int64)
    pixels, counts = np.unique(code, return_counts=True)
    most = int(np.argmax(counts))
    where = int(pixels[most])
    name = (
        f"{Camera(where >> 36).name}_{where >> 24 & 0xFFF:02d}_{where >> 12 & 0xFFF:03d}_{where & 0xFFF:03d}"
    )
    return RawPixelShare(float(counts[most]) / len(code), name)


@dataclass(frozen=True)
class CameraShares:
    """How a peak is shared between the cameras.

    `fraction` (3,) is the share of the excess in EPIC-pn, MOS1, MOS2, NaN where a camera was not exposed;
    `p_value` the chance probability that the brightest has so many of the counts.
    """

    fraction: FloatArray
    p_value: float

    @property
    def one_camera(self) -> bool:
        """All of the excess is in one camera though others were exposed, and chance does not explain it."""
        return bool(self.p_value < ONE_CAMERA_PROBABILITY and np.nanmax(self.fraction) >= _ALL_OF_IT)


def camera_shares(
    n: npt.ArrayLike,
    mu: npt.ArrayLike,
    exposed: npt.ArrayLike,
    relative_area: tuple[float, float, float] = RELATIVE_AREA,
) -> CameraShares:
    """Shares of the excess of a peak per camera, and whether one camera has it all.

    `n`, `mu`, `exposed` (3,) are the counts, the expected counts and whether it was exposed, for EPIC-pn,
    MOS1, MOS2, summed over the significant frames. Excess below 0 counts as 0. If the excess E is split
    by `relative_area` a_c, a camera's share of the N counts is p = (mu_c + E a_c) / (sum mu + E), and the
    P value is the binomial P(K >= n_c | N, p) of the camera with the largest excess. All NaN without
    excess; P is NaN when fewer than two cameras were exposed.
    """
    on: BoolArray = np.asarray(exposed, np.bool_)
    counts, expected = (np.where(on, np.asarray(a, np.float64), 0.0) for a in (n, mu))
    if not counts.shape == expected.shape == on.shape == (3,):
        msg = f"n, mu and exposed must have one value for each of 3 cameras, got {counts.shape}"
        raise ValueError(msg)
    excess = np.maximum(counts - expected, 0.0)
    total = float(excess.sum())
    if total <= 0:
        return CameraShares(np.full(3, np.nan), math.nan)
    fraction = np.where(on, excess / total, np.nan)
    if np.count_nonzero(on) < 2:
        return CameraShares(fraction, math.nan)
    area = np.where(on, relative_area, 0.0)
    share = (expected + total * area / area.sum()) / (expected.sum() + total)
    brightest = int(np.argmax(excess))
    k, n_all = float(counts[brightest]), float(counts.sum())
    # P(K >= k) of the binomial law is a regularised incomplete beta function.
    p_value = float(special.betainc(k, n_all - k + 1.0, share[brightest]))
    return CameraShares(fraction, p_value)


def witnesses(took_part: BoolArray, outburst: FloatArray, quiet: FloatArray) -> BoolArray:
    """Which of EPIC-pn, MOS1, MOS2 would have seen a burst at this place (3,).

    `outburst` and `quiet` (3,) are the counts of each camera at the place in the significant frames and in
    all others. A camera that `took_part` is a witness, also with no count at all, unless the quiet counts of
    those that have some lead one to expect, by their areas, so many that none has a chance below 5 %.
    """
    has_counts = took_part & (outburst + quiet > 0)
    area = np.array(RELATIVE_AREA)
    rate = quiet.sum() / area[has_counts].sum() if has_counts.any() else 0.0
    return np.asarray(has_counts | (took_part & (np.exp(-rate * area) >= _UNSEEN_PROBABILITY)))


def energy_per_count(
    flux: npt.ArrayLike,
    rate: npt.ArrayLike,
    extent: npt.ArrayLike,
    off_axis: npt.ArrayLike,
    at_off_axis: float,
) -> float:
    """Median flux per count rate of the point sources at a similar off-axis angle, erg/cm2/count.

    `flux` (EP_8_FLUX, erg/cm2/s), `rate` (EP_8_RATE, ct/s), `extent` (EP_EXTENT, arcsec) and `off_axis`
    (arcmin) are columns of the source list of the observation. Sources within 20 % of `at_off_axis`
    (arcmin), but at least within 1 arcmin, with extent 0 and positive rate and flux enter; NaN if none do.
    """
    columns = [np.asarray(a, np.float64) for a in (flux, rate, extent, off_axis)]
    flux_, rate_, extent_, angle = columns
    reach = max(0.2 * at_off_axis, _LEAST_OFF_AXIS_RANGE)
    used = (extent_ == 0) & (rate_ > 0) & (flux_ > 0) & (np.abs(angle - at_off_axis) <= reach)
    return float(np.median(flux_[used] / rate_[used])) if used.any() else math.nan


def peak_flux(rate: float, encircled: float, per_count: float) -> float:
    """Flux of a peak, erg/cm2/s: `rate` (ct/s) / `encircled` energy fraction of the region x `per_count`.

    Raises ValueError unless 0 < encircled <= 1.
    """
    if not 0 < encircled <= 1:
        msg = f"encircled must be a fraction above 0 and up to 1, got {encircled!r}"
        raise ValueError(msg)
    return rate / encircled * per_count
