"""What a simulated observation is told to contain.

Times are seconds from the start of the common span of the cameras. Positions are sky coordinates X, Y
(units of 0.05 arcsec, tangent plane). Rates and fluences are counts of selected quality (valid pattern,
good flag, 0.2 to 12 keV) summed over all cameras that take part; each camera has its share by area, and
what falls into gaps, masks or off-time is lost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

import numpy as np

from ephemera.xmm.observation import Camera, FloatArray
from ephemera.xmm.simulate_spectra import SOURCE_SPECTRUM, Spectrum

Shape = Literal["box", "gaussian", "fred"]
#: Relative effective area of the cameras (pn sees all, each MOS about half of its mirror's light).
RELATIVE_AREA: Mapping[Camera, float] = MappingProxyType({Camera.PN: 0.6, Camera.M1: 0.2, Camera.M2: 0.2})
#: First orbit from which each lost MOS1 CCD is missing.
LOST_CCDS: Mapping[int, int] = MappingProxyType({6: 961, 3: 2382})
#: Start of revolution 184 and length of a revolution, s since MJDREF.
_REVOLUTION_184, _REVOLUTION_LENGTH = 9.2870720e7, 172315.0


@dataclass(frozen=True)
class Pointing:
    """Where the telescope looks: reference position and position angle in degrees, and when."""

    ra: float = 195.361708333333
    dec: float = 27.7594166666667
    position_angle: float = 114.2157
    revolution: int = 3000
    object_name: str = "Simulated field"

    @property
    def start(self) -> float:
        """Start of the common span, s since MJDREF (TT), some hours into the revolution."""
        return _REVOLUTION_184 + _REVOLUTION_LENGTH * (self.revolution - 184) + 20000.0


@dataclass(frozen=True)
class Exposure:
    """One event list: a camera, its exposure id and mode, and how far it exceeds the common span (s).

    `early`, `late`: seconds by which it starts before and stops after the common span (negative: inside).
    """

    camera: Camera
    exposure_id: str
    early: float = 0.0
    late: float = 0.0
    submode: str = "PrimeFullWindow"
    filter: str = "Thin1"
    lost_ccds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Source:
    """A steady source: position, rate in ct/s, extent in arcsec (0 for a point), spectrum."""

    x: float
    y: float
    rate: float
    extent: float = 0.0
    spectrum: Spectrum = SOURCE_SPECTRUM


@dataclass(frozen=True)
class Burst:
    """A burst of `fluence` counts; `duration` as `burst_times` defines it for each shape."""

    x: float
    y: float
    start: float
    duration: float
    fluence: float
    shape: Shape = "box"
    spectrum: Spectrum = SOURCE_SPECTRUM


@dataclass(frozen=True)
class Eclipse:
    """Each photon of source number `source` is removed with probability `depth` in the interval."""

    source: int
    start: float
    duration: float
    depth: float = 1.0


@dataclass(frozen=True)
class Flare:
    """Soft protons on the whole field of view of all cameras: mean `rate` in ct/s while it lasts."""

    start: float
    duration: float
    rate: float
    shape: Shape = "box"


@dataclass(frozen=True)
class Gap:
    """No good time for a camera (its CCDs `ccds`, all when empty) in the interval."""

    camera: Camera
    start: float
    duration: float
    ccds: tuple[int, ...] = ()


def _raw_rates() -> Mapping[Camera, float]:
    return MappingProxyType({Camera.PN: 9.0, Camera.M1: 2.0, Camera.M2: 2.5})


@dataclass(frozen=True)
class Background:
    """Steady background: raw rows per second of each camera, and what they are made of.

    Shares of the rows: `noise` electronic noise below 200 eV, `bad_flag` events with a rejection flag
    inside the field, `bad_pattern` events with a pattern beyond the valid ones; the rest are valid.
    `particles` is the part of the valid rows that comes from particles (flat over all CCDs, flagged
    outside the field of view); the other part is sky (vignetted).
    """

    rates: Mapping[Camera, float] = field(default_factory=_raw_rates)
    noise: float = 0.2
    bad_flag: float = 0.06
    bad_pattern: float = 0.08
    particles: float = 0.45


@dataclass(frozen=True)
class Defects:
    """What is wrong with the detectors: numbers per camera.

    `hot_pixels` single bright raw pixels of `hot_rate` ct/s in the mean; `hot_columns` bright column
    segments of 30 pixels sharing that rate; `dead_columns` raw columns without events;
    `null_share` share of rows without sky position or (pn) energy, at least 3 rows;
    `noisy_pn_columns`: whether the known bad columns of the pn are bright.
    """

    hot_pixels: int = 6
    hot_columns: int = 1
    hot_rate: float = 0.02
    dead_columns: int = 6
    null_share: float = 2e-4
    noisy_pn_columns: bool = True


#: Defaults of an observation, and a detector without defects.
NOMINAL_POINTING, NOMINAL_BACKGROUND, NOMINAL_DEFECTS = Pointing(), Background(), Defects()
NO_DEFECTS = Defects(0, 0, 0.0, 0, 0.0, noisy_pn_columns=False)


def burst_times(
    rng: np.random.Generator, shape: Shape, start: float, duration: float, number: int
) -> FloatArray:
    """Arrival times of `number` photons of a burst, s.

    box: constant in [start, start + duration]; gaussian: centred on start + duration / 2 with a standard
    deviation of duration / 4; fred: linear rise over the first tenth, then an exponential decay with a
    time constant of duration / 5.
    Raises ValueError for an unknown shape or a duration that is not positive.
    """
    if not (math.isfinite(duration) and duration > 0):
        msg = f"duration must be a positive number of seconds, got {duration!r}"
        raise ValueError(msg)
    if shape == "box":
        return np.asarray(start + duration * rng.random(number))
    if shape == "gaussian":
        return np.asarray(start + duration / 2 + duration / 4 * rng.standard_normal(number))
    if shape == "fred":
        rise, decay = duration / 10, duration / 5
        rising = rng.random(number) < 0.5 * rise / (0.5 * rise + decay)
        before = rise * np.sqrt(rng.random(number))
        after = rise + decay * rng.standard_exponential(number)
        return np.asarray(start + np.where(rising, before, after))
    msg = f"shape must be 'box', 'gaussian' or 'fred', got {shape!r}"
    raise ValueError(msg)


def default_exposures(cameras: Sequence[Camera], duration: float, revolution: int) -> tuple[Exposure, ...]:
    """The usual three lists: MOS starts before the pn and stops after it, by minutes in a long exposure."""
    margin = min(1.0, 0.05 * duration / 300)
    lost = tuple(sorted(ccd for ccd, first in LOST_CCDS.items() if revolution >= first))
    usual = {
        Camera.PN: Exposure(Camera.PN, "S003"),
        Camera.M1: Exposure(Camera.M1, "S001", 320 * margin, 240 * margin, lost_ccds=lost),
        Camera.M2: Exposure(Camera.M2, "S002", 335 * margin, 260 * margin),
    }
    return tuple(usual[camera] for camera in cameras)


def camera_share(exposures: Sequence[Exposure], camera: Camera) -> float:
    """Share of the counts of a source that one camera collects, by area among the cameras that take part."""
    present = {exposure.camera for exposure in exposures}
    return RELATIVE_AREA[camera] / sum(RELATIVE_AREA[c] for c in present)


def field_sources(
    rng: np.random.Generator, number: int, *, faintest: float = 0.0015, brightest: float = 0.3
) -> tuple[Source, ...]:
    """Sources spread over the field with N(> rate) as 1 / rate between two rates (ct/s); 3 % are extended."""
    low, high = 1 / brightest, 1 / faintest
    rates = 1 / (low + (high - low) * rng.random(number))
    radius = 16000 * np.sqrt(rng.random(number))
    angle = 2 * np.pi * rng.random(number)
    extents = np.where(rng.random(number) < 0.03, 6 + 20 * rng.random(number), 0.0)
    return tuple(
        Source(float(25921 + r * np.cos(a)), float(25921 + r * np.sin(a)), float(rate), float(extent))
        for r, a, rate, extent in zip(radius, angle, rates, extents, strict=True)
    )
