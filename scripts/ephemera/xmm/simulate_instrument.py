"""State of a camera during one simulated exposure: good time, live pixels, hot pixels.

Dead and hot pixels depend on the camera alone, not on the seed: they belong to the detector, so that
two simulated observations share them and one table of hot pixels serves both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ephemera.seeds import generator
from ephemera.xmm.intervals import holds
from ephemera.xmm.observation import UNIT_ARCSEC, BoolArray, Camera, FloatArray, IntArray
from ephemera.xmm.psf import Profile
from ephemera.xmm.simulate_detector import (
    LAYOUTS,
    Layout,
    SkyMask,
    frame_time,
    survives_selection,
    window,
)
from ephemera.xmm.simulate_scene import Defects, Exposure, Gap, camera_share

#: Length of a hot column segment, raw pixels.
SEGMENT_PIXELS = 30
#: Photons that test how much of a source a position shows, and the CCD clocks' spread in s.
_PROBES, _CLOCK_SPREAD = 400, 0.05


@dataclass(frozen=True)
class Instrument:
    """One exposure as the detector saw it.

    `start`, `stop`: s since MJDREF. Per CCD in use: `live` [rows, columns] pixels that give events,
    `first_frame` start of its first frame (s), `frame` its frame time (s), `good_time` (k, 2) in s, whole
    frames. `hot`: (k, 3) of CCDNR, RAWX, RAWY.
    """

    exposure: Exposure
    layout: Layout
    position_angle: float
    start: float
    stop: float
    live: Mapping[int, BoolArray]
    first_frame: Mapping[int, float]
    frame: Mapping[int, float]
    good_time: Mapping[int, FloatArray]
    hot: IntArray

    @property
    def camera(self) -> Camera:
        """Camera of this exposure."""
        return self.exposure.camera

    @property
    def ccds(self) -> tuple[int, ...]:
        """CCDs in use."""
        return tuple(self.live)

    def land(self, x: FloatArray, y: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
        """CCDNR, RAWX, RAWY hit by photons at sky positions; CCDNR 0 where no live pixel sees them."""
        detx, dety = self.layout.to_detector(x, y, self.position_angle)
        ccd, rawx, rawy = self.layout.locate(detx, dety)
        seen = self.layout.in_field(detx, dety) & self.is_live(ccd, rawx, rawy)
        return np.where(seen, ccd, 0), rawx, rawy

    def is_live(self, ccd: IntArray, rawx: IntArray, rawy: IntArray) -> BoolArray:
        """Whether raw pixels give events."""
        alive = np.zeros(len(ccd), dtype=bool)
        for number, live in self.live.items():
            here = np.flatnonzero(ccd == number)
            alive[here] = live[rawy[here] - 1, rawx[here] - 1]
        return alive

    def on_time(self, ccd: IntArray, time: FloatArray) -> BoolArray:
        """Whether times lie in the good time of their CCD."""
        good = np.zeros(len(ccd), dtype=bool)
        for number, intervals in self.good_time.items():
            here = np.flatnonzero(ccd == number)
            good[here] = holds(intervals, time[here])
        return good

    def survives(self, ccd: IntArray, rawx: IntArray, rawy: IntArray) -> BoolArray:
        """Whether a standard selection keeps events of these raw pixels (hot pixels aside)."""
        return survives_selection(self.camera, self.exposure.submode, ccd, rawx, rawy)

    def visible_share(self, x: float, y: float, psf: Profile, rng: np.random.Generator) -> float:
        """Share of the photons of a point source that a standard selection keeps."""
        dx, dy = psf.offsets(rng, _PROBES)
        ccd, rawx, rawy = self.land(x + dx / UNIT_ARCSEC, y + dy / UNIT_ARCSEC)
        return float(self.survives(ccd, rawx, rawy).mean())

    def sky_footprint(self, step: int = 50, size: int = 51840) -> BoolArray:
        """Image [Y, X] of the sky plane in pixels of `step` units: which of them a live pixel sees."""
        centre = 0.5 + step * (np.arange(size // step) + 0.5)
        x, y = (axis.ravel() for axis in np.meshgrid(centre, centre))
        ccd, _, _ = self.land(x, y)
        return np.asarray((ccd > 0).reshape(len(centre), len(centre)))


def build_instrument(
    exposure: Exposure,
    *,
    start: float,
    duration: float,
    position_angle: float,
    defects: Defects,
    gaps: Sequence[Gap] = (),
    mask: SkyMask | None = None,
) -> Instrument:
    """State of the camera of `exposure`, whose common span is [start, start + duration] (s since MJDREF).

    Raises ValueError when the exposure would have no length, or no CCD.
    """
    begin, end = start - exposure.early, start + duration + exposure.late
    layout = LAYOUTS[exposure.camera]
    numbers = [c.number for c in layout.ccds if c.number not in exposure.lost_ccds]
    if not end > begin or not numbers:
        msg = f"exposure must have a positive length and a CCD, got {exposure!r} for {duration} s"
        raise ValueError(msg)
    frame = {n: frame_time(exposure.camera, exposure.submode, n) for n in numbers}
    clock = generator(0, "clock", exposure.camera.name)
    first = {n: begin + offset for n, offset in zip(numbers, _CLOCK_SPREAD * clock.random(99), strict=False)}
    mine = [g for g in gaps if g.camera == exposure.camera]
    good_time = {
        n: _good_time(first[n], frame[n], end, [g for g in mine if not g.ccds or n in g.ccds], start)
        for n in numbers
    }
    live = {n: _live_pixels(layout, exposure, n, position_angle, mask) for n in numbers}
    _kill_columns(live, exposure.camera, defects.dead_columns)
    return Instrument(
        exposure, layout, position_angle, begin, end, live, first, frame, good_time,
        _hot_pixels(live, exposure.camera, defects),
    )  # fmt: skip


def _good_time(first: float, frame: float, end: float, gaps: Sequence[Gap], start: float) -> FloatArray:
    """Intervals of whole frames outside the gaps, (k, 2) in s."""
    total = int((end - first) / frame)
    frames = np.ones(total + 2, dtype=np.int8)
    frames[[0, -1]] = 0
    for gap in gaps:
        low = int(np.floor((start + gap.start - first) / frame))
        high = int(np.ceil((start + gap.start + gap.duration - first) / frame))
        frames[max(low, 0) + 1 : max(high, 0) + 1] = 0
    edges = np.flatnonzero(np.diff(frames))
    return first + frame * edges.reshape(-1, 2).astype(float)


def _live_pixels(
    layout: Layout, exposure: Exposure, number: int, position_angle: float, mask: SkyMask | None
) -> BoolArray:
    """Pixels of a CCD inside its readout window and the mask."""
    ccd = layout.ccd(number)
    live = np.zeros((ccd.rows, ccd.columns), dtype=bool)
    x0, x1, y0, y1 = window(exposure.camera, exposure.submode, number)
    live[y0 - 1 : y1, x0 - 1 : x1] = True
    if mask is not None:
        detx, dety = pixel_centres(layout, number)
        live &= mask.contains(*layout.to_sky(detx, dety, position_angle))
    return live


def pixel_centres(layout: Layout, number: int) -> tuple[FloatArray, FloatArray]:
    """DETX, DETY of all raw pixels of a CCD, each [rows, columns]."""
    ccd = layout.ccd(number)
    columns, rows = np.arange(1, ccd.columns + 1)[None, :], np.arange(1, ccd.rows + 1)[:, None]
    return ccd.detector(columns, rows)


def _kill_columns(live: Mapping[int, BoolArray], camera: Camera, number: int) -> None:
    rng = generator(0, "dead columns", camera.name)
    for _ in range(number):
        pixels = live[int(rng.choice(list(live)))]
        pixels[:, rng.integers(pixels.shape[1])] = False


def _hot_pixels(live: Mapping[int, BoolArray], camera: Camera, defects: Defects) -> IntArray:
    """CCDNR, RAWX, RAWY of single hot pixels and of hot column segments, (k, 3); only live pixels."""
    rng = generator(0, "hot pixels", camera.name)
    rows: list[tuple[int, int, int]] = []
    for length in [1] * defects.hot_pixels + [SEGMENT_PIXELS] * defects.hot_columns:
        ccd = int(rng.choice(list(live)))
        height, width = live[ccd].shape
        x, y = int(rng.integers(8, width - 8)), int(rng.integers(30, height - 40))
        rows += [(ccd, x + 1, y + k + 1) for k in range(length) if live[ccd][y + k, x]]
    return np.array(sorted(set(rows)), dtype=np.int64).reshape(-1, 3)


def open_position(
    observations: Sequence[Sequence[Instrument]],
    psf: Profile,
    rng: np.random.Generator,
    *,
    share: float = 0.85,
    radius: float = 12000.0,
    away_from: Sequence[tuple[float, float]] = (),
    separation: float = 3000.0,
    attempts: int = 5000,
) -> tuple[float, float]:
    """A random sky position where every observation keeps at least `share` of a source's counts.

    `observations`: the exposures of each; `radius`, `separation`: units of 0.05 arcsec from the reference
    pixel and from the positions `away_from`.
    Raises ValueError when `attempts` positions were tried in vain.
    """
    for _ in range(attempts):
        r, angle = radius * np.sqrt(rng.random()), 2 * np.pi * rng.random()
        x, y = float(25921 + r * np.cos(angle)), float(25921 + r * np.sin(angle))
        if any(np.hypot(x - a, y - b) < separation for a, b in away_from):
            continue
        if all(_kept_share(instruments, x, y, psf, rng) >= share for instruments in observations):
            return x, y
    msg = f"share must be reachable somewhere in the field, got {share} with {len(observations)} observations"
    raise ValueError(msg)


def _kept_share(
    instruments: Sequence[Instrument], x: float, y: float, psf: Profile, rng: np.random.Generator
) -> float:
    """Share of a source's counts that all cameras together keep."""
    exposures = [i.exposure for i in instruments]
    return sum(i.visible_share(x, y, psf, rng) * camera_share(exposures, i.camera) for i in instruments)
