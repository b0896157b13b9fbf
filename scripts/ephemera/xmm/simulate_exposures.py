"""Puts a scene in front of the cameras: all photons of all exposures of one observation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ephemera.seeds import generator
from ephemera.xmm.intervals import holds
from ephemera.xmm.observation import BoolArray, Camera, FloatArray, IntArray
from ephemera.xmm.psf import NOMINAL_PSF, Profile
from ephemera.xmm.simulate_instrument import Instrument
from ephemera.xmm.simulate_photons import (
    Photons,
    SkyDraw,
    draw_background,
    draw_flares,
    draw_hot_pixels,
    draw_sky,
)
from ephemera.xmm.simulate_scene import (
    NOMINAL_BACKGROUND,
    NOMINAL_DEFECTS,
    Background,
    Burst,
    Defects,
    Eclipse,
    Flare,
    Source,
    camera_share,
)


@dataclass(frozen=True)
class Scene:
    """All that is put into one observation; times in s from the start of the common span."""

    sources: tuple[Source, ...] = ()
    bursts: tuple[Burst, ...] = ()
    eclipses: tuple[Eclipse, ...] = ()
    flares: tuple[Flare, ...] = ()
    background: Background = NOMINAL_BACKGROUND
    defects: Defects = NOMINAL_DEFECTS
    psf: Profile = NOMINAL_PSF


@dataclass(frozen=True)
class Drawn:
    """One exposure before it is written: its instrument, its sky items alone, and all of its photons."""

    instrument: Instrument
    sky: SkyDraw
    photons: Photons

    def within(self, intervals: FloatArray) -> Drawn:
        """The same exposure with only the events inside sorted intervals, (k, 2) in s."""

        def inside(photons: Photons) -> Photons:
            return photons.take(holds(intervals, photons.time))

        return replace(
            self, sky=replace(self.sky, photons=inside(self.sky.photons)), photons=inside(self.photons)
        )


def draw_exposures(
    instruments: Sequence[Instrument],
    scene: Scene,
    *,
    start: float,
    seed: tuple[int, str],
    total: int | None = None,
    cut: FloatArray | None = None,
) -> list[Drawn]:
    """Photons of all exposures, the background last, so that it can fill up to an exact `total`.

    `start`: zero of the times of the scene, s since MJDREF; `seed`: global seed and obsid; `cut`: (k, 2)
    intervals in s, outside which events are removed in the end.
    Raises ValueError when sources, flares and defects already exceed `total`.
    """
    exposures = [i.exposure for i in instruments]
    sky, special = [], []
    for instrument in instruments:
        share = camera_share(exposures, instrument.camera)
        rng = generator(*seed, instrument.camera.name, instrument.exposure.exposure_id, "sky")
        sky.append(
            draw_sky(
                instrument, rng, scene.psf, start=start, share=share, sources=scene.sources,
                bursts=scene.bursts, eclipses=scene.eclipses,
            )
        )  # fmt: skip
        flares = draw_flares(instrument, rng, scene.flares, start=start, share=share)
        special.append(Photons.join([flares, draw_hot_pixels(instrument, rng, scene.defects)]))
    others = sum(len(s.photons) for s in sky) + sum(len(p) for p in special)
    drawn = []
    numbers = _background_numbers(instruments, scene.background, seed, total, others)
    for instrument, sky_draw, others_here, number in zip(instruments, sky, special, numbers, strict=True):
        rng = generator(*seed, instrument.camera.name, instrument.exposure.exposure_id, "background")
        ground = draw_background(instrument, rng, scene.background, int(number), scene.defects.null_share)
        drawn.append(Drawn(instrument, sky_draw, Photons.join([sky_draw.photons, others_here, ground])))
    return drawn if cut is None else [d.within(cut) for d in drawn]


def _background_numbers(
    instruments: Sequence[Instrument],
    background: Background,
    seed: tuple[int, str],
    total: int | None,
    others: int,
) -> IntArray:
    """Background rows of each exposure: Poisson, or what is missing to `total` shared in proportion."""
    rng = generator(*seed, "background numbers")
    expected = np.array(
        [background.rates[i.camera] * max(_seconds(g) for g in i.good_time.values()) for i in instruments]
    )
    if total is None:
        return rng.poisson(expected).astype(np.int64)
    if total < others:
        msg = f"total_events must be at least the {others} events of sources, flares and defects, got {total}"
        raise ValueError(msg)
    return rng.multinomial(total - others, expected / expected.sum()).astype(np.int64)


def _seconds(intervals: FloatArray) -> float:
    return float(np.diff(intervals, axis=1).sum())


def kept_by_selection(instrument: Instrument, photons: Photons) -> BoolArray:
    """Which events a standard selection keeps (hot pixels aside)."""
    pn = instrument.camera == Camera.PN
    flags, pattern = (0x0CFA0000, 4) if pn else (0x766BA000, 12)
    good = ~photons.null & (photons.flag & flags == 0) & (photons.pattern <= pattern)
    good &= (photons.pi >= 200) & (photons.pi <= 12000)
    return np.asarray(good & instrument.survives(photons.ccd, photons.rawx, photons.rawy))
