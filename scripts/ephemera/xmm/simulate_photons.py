"""Draws the events of one simulated exposure: sky sources, flares, hot pixels, background.

Every draw is Poisson in number; positions come from the point-spread function for sources and from the
live raw pixels for everything that is not imaged, so that each event has a raw pixel that exists.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ephemera.xmm.observation import UNIT_ARCSEC, BoolArray, Camera, FloatArray, IntArray
from ephemera.xmm.psf import Profile
from ephemera.xmm.simulate_detector import PN_NOISY_COLUMNS, out_of_time_fraction
from ephemera.xmm.simulate_instrument import Instrument, pixel_centres
from ephemera.xmm.simulate_scene import Background, Burst, Defects, Eclipse, Flare, Source, burst_times
from ephemera.xmm.simulate_spectra import (
    FLARE_SPECTRUM,
    NOISE_SPECTRUM,
    PARTICLE_SPECTRUM,
    SKY_SPECTRUM,
    Spectrum,
)

#: Origins of events that are no item of the sky.
BACKGROUND, FLARE, HOT = -1, -2, -3
OUT_OF_FIELD_FLAG = 0x10000
#: Flags that a standard selection rejects and flags that it ignores.
REJECTED_FLAGS = {
    Camera.PN: (0x20000, 0x80000, 0x200000, 0x800000),
    Camera.M1: (0x20000, 0x80000, 0x200000, 0x400000),
    Camera.M2: (0x20000, 0x80000, 0x200000, 0x400000),
}
IGNORED_FLAGS = (0x20, 0x40, 0x100)
_MOS_PATTERNS = np.array([0.72, 0.06, 0.02, 0.06, 0.05] + [0.01125] * 8)
_PN_PATTERNS = np.array([0.68, 0.08, 0.08, 0.08, 0.08])
_HOT_SPECTRUM = Spectrum.table((200, 420), (5.0, 0.2))


@dataclass(frozen=True)
class Photons:
    """Events of one exposure as parallel arrays.

    `time` arrival in s since MJDREF, before frames; `origin` index of the sky item, or one of the
    negative codes; `out_of_time` whether RAWY was lost in the readout; `null` whether position or energy
    could not be determined.
    """

    time: FloatArray
    ccd: IntArray
    rawx: IntArray
    rawy: IntArray
    pi: IntArray
    pattern: IntArray
    flag: IntArray
    origin: IntArray
    out_of_time: BoolArray
    null: BoolArray

    COLUMNS = ("time", "ccd", "rawx", "rawy", "pi", "pattern", "flag", "origin", "out_of_time", "null")

    def __len__(self) -> int:
        return len(self.time)

    def take(self, index: BoolArray | IntArray) -> Photons:
        """Events at `index`, in that order."""
        return Photons(*(getattr(self, name)[index] for name in self.COLUMNS))

    @classmethod
    def join(cls, parts: Sequence[Photons]) -> Photons:
        """All events of `parts`, one after another."""
        return cls(*(np.concatenate([getattr(p, name) for p in parts]) for name in cls.COLUMNS))

    @classmethod
    def good(
        cls, rng: np.random.Generator, camera: Camera, time: FloatArray, pixel: IntArray, origin: IntArray,
        pi: IntArray,
    ) -> Photons:  # fmt: skip
        """Events with valid patterns and no flags; `pixel` is (3, n): CCDNR, RAWX, RAWY."""
        number = len(time)
        zeros, no = np.zeros(number, dtype=np.int64), np.zeros(number, dtype=bool)
        odds = _PN_PATTERNS if camera == Camera.PN else _MOS_PATTERNS
        pattern = np.searchsorted(np.cumsum(odds) / odds.sum(), rng.random(number)).astype(np.int64)
        ccd, rawx, rawy = pixel
        return cls(time, ccd, rawx, rawy, pi.astype(np.int64), pattern, zeros, origin, no, no)


@dataclass(frozen=True)
class SkyDraw:
    """Events of sky items, with the number drawn per item and the number removed per eclipse."""

    photons: Photons
    drawn: IntArray
    removed: IntArray


def draw_sky(
    instrument: Instrument,
    rng: np.random.Generator,
    psf: Profile,
    *,
    start: float,
    share: float,
    sources: Sequence[Source],
    bursts: Sequence[Burst],
    eclipses: Sequence[Eclipse],
) -> SkyDraw:
    """Events of sources (origin 0 ...) and bursts (origins after the sources) in one exposure.

    `start`: zero of the times of the scene; `share`: share of the counts that this camera collects.
    `drawn` counts photons before gaps, masks and eclipses.
    """
    length = instrument.stop - instrument.start
    expected = [s.rate * share * length for s in sources] + [b.fluence * share for b in bursts]
    drawn = rng.poisson(np.array(expected, dtype=float))
    origin = np.repeat(np.arange(len(drawn)), drawn)
    steady = int(drawn[: len(sources)].sum())
    times: list[FloatArray] = [instrument.start + length * rng.random(steady)]
    times += [
        start + burst_times(rng, b.shape, b.start, b.duration, int(k))
        for b, k in zip(bursts, drawn[len(sources) :], strict=True)
    ]
    time = np.concatenate(times)
    hidden, removed = _hide(rng, time, origin, eclipses, start)
    items: list[Source | Burst] = [*sources, *bursts]
    x, y = _positions(rng, psf, origin, items)
    pi = _energies(rng, drawn, [item.spectrum for item in items])
    photons = Photons.good(rng, instrument.camera, time, np.stack(instrument.land(x, y)), origin, pi)
    return SkyDraw(_read_out(instrument, rng, photons.take(~hidden)), drawn, removed)


def _hide(
    rng: np.random.Generator, time: FloatArray, origin: IntArray, eclipses: Sequence[Eclipse], start: float
) -> tuple[BoolArray, IntArray]:
    """Which photons an eclipse takes away, and how many each eclipse took."""
    hidden = np.zeros(len(time), dtype=bool)
    removed = np.zeros(len(eclipses), dtype=np.int64)
    for number, eclipse in enumerate(eclipses):
        begin = start + eclipse.start
        inside = (origin == eclipse.source) & (time >= begin) & (time < begin + eclipse.duration)
        taken = inside & ~hidden & (rng.random(len(time)) < eclipse.depth)
        removed[number] = taken.sum()
        hidden |= taken
    return hidden, removed


def _positions(
    rng: np.random.Generator, psf: Profile, origin: IntArray, items: Sequence[Source | Burst]
) -> tuple[FloatArray, FloatArray]:
    """Sky positions of photons: source, extent (Gaussian) and point-spread function."""
    dx, dy = psf.offsets(rng, len(origin))
    extent = np.array([getattr(item, "extent", 0.0) for item in items], dtype=float)[origin]
    spread = rng.standard_normal((2, len(origin))) * extent
    x = np.array([item.x for item in items], dtype=float)[origin]
    y = np.array([item.y for item in items], dtype=float)[origin]
    return x + (dx + spread[0]) / UNIT_ARCSEC, y + (dy + spread[1]) / UNIT_ARCSEC


def _energies(rng: np.random.Generator, drawn: IntArray, spectra: Sequence[Spectrum]) -> IntArray:
    """Energies of the photons of all items in order, one draw per distinct spectrum."""
    energies = np.empty(int(drawn.sum()), dtype=np.int64)
    kind = np.array([spectra.index(s) for s in spectra], dtype=np.int64)
    of_photon = np.repeat(kind, drawn)
    for number in np.unique(of_photon):
        here = np.flatnonzero(of_photon == number)
        energies[here] = spectra[number].draw(rng, len(here))
    return energies


def _read_out(instrument: Instrument, rng: np.random.Generator, photons: Photons) -> Photons:
    """Keep what falls on live pixels in good time; smear the out-of-time share of a pn along RAWY."""
    late = rng.random(len(photons)) < out_of_time_fraction(instrument.camera, instrument.exposure.submode)
    if late.any():
        rows = instrument.layout.ccds[0].rows
        rawy = np.where(late, rng.integers(1, rows + 1, len(photons)), photons.rawy)
        photons = replace(photons, rawy=rawy, out_of_time=late & (photons.ccd > 0))
    on = instrument.is_live(photons.ccd, photons.rawx, photons.rawy)
    on &= instrument.on_time(photons.ccd, photons.time)
    return photons.take(on)


def draw_flares(
    instrument: Instrument, rng: np.random.Generator, flares: Sequence[Flare], *, start: float, share: float
) -> Photons:
    """Soft protons, even over the field of view, in all CCDs at once."""
    numbers = [int(rng.poisson(f.rate * f.duration * share)) for f in flares]
    times = [
        start + burst_times(rng, f.shape, f.start, f.duration, n)
        for f, n in zip(flares, numbers, strict=True)
    ]
    time = np.concatenate([np.empty(0), *times])
    pixel = draw_pixels(instrument, rng, len(time), instrument.layout.in_field)
    pi = FLARE_SPECTRUM.draw(rng, len(time)).astype(np.int64)
    photons = Photons.good(rng, instrument.camera, time, pixel, np.full(len(time), FLARE), pi)
    return photons.take(instrument.on_time(photons.ccd, photons.time))


def draw_hot_pixels(instrument: Instrument, rng: np.random.Generator, defects: Defects) -> Photons:
    """Events of hot pixels and of the noisy pn columns: single-pixel patterns of low energy."""
    length = instrument.stop - instrument.start
    shared = defects.hot_rate * max(1, defects.hot_pixels + defects.hot_columns) * length
    rates = _unequal_shares(rng, len(instrument.hot))
    counts = rng.poisson(shared * rates)
    pixel = np.repeat(instrument.hot, counts, axis=0).T
    if instrument.camera == Camera.PN and defects.noisy_pn_columns:
        columns = np.array(PN_NOISY_COLUMNS, dtype=np.int64)
        columns = columns[np.isin(columns[:, 0], instrument.ccds)]
        picked = np.repeat(columns, rng.poisson(0.05 * length, len(columns)), axis=0)
        rows = rng.integers(1, 201, len(picked))
        pixel = np.concatenate([pixel, np.stack([picked[:, 0], picked[:, 1], rows])], axis=1)
    number = pixel.shape[1]
    time: FloatArray = np.asarray(instrument.start + length * rng.random(number))
    pi = _HOT_SPECTRUM.draw(rng, number).astype(np.int64)
    photons = Photons.good(rng, instrument.camera, time, pixel, np.full(number, HOT), pi)
    photons = replace(photons, pattern=np.zeros(number, dtype=np.int64))
    live = instrument.is_live(photons.ccd, photons.rawx, photons.rawy)
    return photons.take(live & instrument.on_time(photons.ccd, photons.time))


def _unequal_shares(rng: np.random.Generator, number: int) -> FloatArray:
    """Positive shares of `number` unequal parts, adding to 1."""
    weights = 0.2 + rng.random(number)
    return np.asarray(weights / weights.sum() if number else weights)


def draw_background(
    instrument: Instrument,
    rng: np.random.Generator,
    background: Background,
    number: int,
    null_share: float,
) -> Photons:
    """Exactly `number` background events in good time: noise, flagged, high-pattern, particle and sky events.

    Raises ValueError when the shares of the background leave no room for valid events.
    """
    shares = [background.noise, background.bad_flag, background.bad_pattern]
    valid = 1 - sum(shares)
    if min(shares) < 0 or valid <= 0:
        msg = f"background must have shares >= 0 that add to less than 1, got {background!r}"
        raise ValueError(msg)
    shares += [valid * background.particles, valid * (1 - background.particles)]
    counts = rng.multinomial(number, shares)
    everywhere = draw_pixels(instrument, rng, int(counts[:4].sum()), _everywhere)
    sky = draw_pixels(instrument, rng, int(counts[4]), instrument.layout.vignetting)
    pixel = np.concatenate([everywhere, sky], axis=1)
    spectra = [NOISE_SPECTRUM, PARTICLE_SPECTRUM, PARTICLE_SPECTRUM, PARTICLE_SPECTRUM, SKY_SPECTRUM]
    pi = np.concatenate([s.draw(rng, int(n)) for s, n in zip(spectra, counts, strict=True)]).astype(np.int64)
    time = _times_in_good_time(instrument, rng, pixel[0])
    photons = Photons.good(rng, instrument.camera, time, pixel, np.full(number, BACKGROUND), pi)
    return _mark(instrument, rng, photons, np.repeat(np.arange(5), counts), null_share)


def _mark(
    instrument: Instrument, rng: np.random.Generator, photons: Photons, kind: IntArray, null_share: float
) -> Photons:
    """Flags, patterns and null rows of background events of each kind (order of `draw_background`)."""
    number = len(photons)
    flag = np.where(rng.random(number) < 0.05, rng.choice(IGNORED_FLAGS, number), 0)
    flag = np.where(kind == 1, rng.choice(REJECTED_FLAGS[instrument.camera], number), flag)
    detx, dety = raw_to_detector(instrument, photons.ccd, photons.rawx, photons.rawy)
    flag = np.where(instrument.layout.in_field(detx, dety), flag, flag | OUT_OF_FIELD_FLAG)
    lowest = 5 if instrument.camera == Camera.PN else 13
    highest = 13 if instrument.camera == Camera.PN else 32
    pattern = np.where(kind == 2, rng.integers(lowest, highest, number), photons.pattern)
    null = np.zeros(number, dtype=bool)
    if null_share > 0 and number:
        null[rng.permutation(number)[: max(3, round(null_share * number))]] = True
    return replace(photons, flag=flag.astype(np.int64), pattern=pattern, null=null)


def _everywhere(detx: FloatArray, dety: FloatArray) -> FloatArray:
    return np.ones(np.broadcast_shapes(detx.shape, dety.shape))


def draw_pixels(
    instrument: Instrument,
    rng: np.random.Generator,
    number: int,
    weight: Callable[[FloatArray, FloatArray], FloatArray | BoolArray],
) -> IntArray:
    """Random live pixels, (3, number) of CCDNR, RAWX, RAWY, with odds weight(DETX, DETY) times good time.

    The weight is taken at pixel centres and per unit area; a CCD without good time is never drawn.
    Raises ValueError when no pixel has any weight.
    """
    cumulative = {}
    for ccd, live in instrument.live.items():
        detx, dety = pixel_centres(instrument.layout, ccd)
        cumulative[ccd] = np.cumsum(np.where(live, weight(detx, dety), 0.0).ravel())
    seconds = np.array([np.diff(instrument.good_time[c], axis=1).sum() for c in instrument.ccds])
    odds = seconds * np.array([c[-1] for c in cumulative.values()])
    if not odds.sum() > 0:
        msg = f"instrument must have live pixels in good time, got none for {instrument.exposure!r}"
        raise ValueError(msg)
    parts = []
    for (ccd, table), n in zip(cumulative.items(), rng.multinomial(number, odds / odds.sum()), strict=True):
        index = np.searchsorted(table, rng.random(n) * table[-1], side="right")
        rawy, rawx = np.divmod(index, instrument.live[ccd].shape[1])
        parts.append(np.stack([np.full(n, ccd), rawx + 1, rawy + 1]))
    pixels = np.concatenate(parts, axis=1)
    return np.asarray(pixels[:, rng.permutation(number)])


def _times_in_good_time(instrument: Instrument, rng: np.random.Generator, ccd: IntArray) -> FloatArray:
    """Arrival times, uniform over the good time of each event's CCD."""
    time = np.empty(len(ccd))
    for number, intervals in instrument.good_time.items():
        here = np.flatnonzero(ccd == number)
        lengths = np.concatenate([[0.0], np.cumsum(np.diff(intervals, axis=1))])
        elapsed = lengths[-1] * rng.random(len(here))
        piece = np.searchsorted(lengths, elapsed, side="right") - 1
        time[here] = intervals[piece, 0] + (elapsed - lengths[piece])
    return time


def raw_to_detector(
    instrument: Instrument, ccd: IntArray, rawx: IntArray, rawy: IntArray
) -> tuple[FloatArray, FloatArray]:
    """DETX, DETY of the centres of raw pixels on any CCDs."""
    detx, dety = np.zeros(len(ccd)), np.zeros(len(ccd))
    for number in instrument.ccds:
        here = np.flatnonzero(ccd == number)
        detx[here], dety[here] = instrument.layout.ccd(number).detector(rawx[here], rawy[here])
    return detx, dety
