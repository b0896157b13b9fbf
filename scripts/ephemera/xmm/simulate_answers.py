"""Collects the truth about a drawn observation: counts asked, drawn, written and kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ephemera.sky.tan import to_sky
from ephemera.xmm.observation import IntArray
from ephemera.xmm.simulate_exposures import Drawn, Scene, kept_by_selection
from ephemera.xmm.simulate_scene import Burst, Pointing, Source
from ephemera.xmm.simulate_truth import (
    EclipseTruth,
    FlareTruth,
    HotPixelTruth,
    ItemTruth,
    ListTruth,
    Truth,
)


def collect_truth(
    drawn: Sequence[Drawn],
    lists: Sequence[ListTruth],
    scene: Scene,
    *,
    pointing: Pointing,
    duration: float,
    obsid: str,
    seed: int,
) -> Truth:
    """The truth of an observation; `lists` describes the files that were written from `drawn`."""
    t0 = pointing.start
    counts = _count_items(drawn, len(scene.sources) + len(scene.bursts))
    sources = tuple(
        _item(k, k, s, counts, pointing, (t0, t0 + duration), s.rate * duration, "steady", s.extent)
        for k, s in enumerate(scene.sources)
    )
    bursts = tuple(
        _item(
            k, k + len(sources), b, counts, pointing, (t0 + b.start, t0 + b.start + b.duration),
            b.fluence, b.shape, 0.0,
        )
        for k, b in enumerate(scene.bursts)
    )  # fmt: skip
    removed = sum((d.sky.removed for d in drawn), np.zeros(len(scene.eclipses), dtype=np.int64))
    eclipses = tuple(
        EclipseTruth(
            k, e.source, sources[e.source].ra, sources[e.source].dec, sources[e.source].x,
            sources[e.source].y, t0 + e.start, t0 + e.start + e.duration, e.depth, int(removed[k]),
        )
        for k, e in enumerate(scene.eclipses)
    )  # fmt: skip
    hot = {HotPixelTruth(d.instrument.camera.name, *row) for d in drawn for row in d.instrument.hot.tolist()}
    return Truth(
        obsid, seed, pointing.revolution, t0, t0 + duration, pointing.ra, pointing.dec,
        pointing.position_angle, tuple(lists), sources, bursts, eclipses,
        tuple(FlareTruth(t0 + f.start, t0 + f.start + f.duration, f.rate) for f in scene.flares),
        tuple(sorted(hot)),
    )  # fmt: skip


@dataclass(frozen=True)
class _Counts:
    """Counts of every sky item: drawn, written, out of time, and kept per camera."""

    drawn: IntArray
    written: IntArray
    late: IntArray
    kept: dict[str, IntArray]


def _count_items(drawn: Sequence[Drawn], number: int) -> _Counts:
    total, written, late = (np.zeros(number, dtype=np.int64) for _ in range(3))
    kept: dict[str, IntArray] = {}
    for d in drawn:
        photons, name = d.sky.photons, d.instrument.camera.name
        total += d.sky.drawn
        written += np.bincount(photons.origin, minlength=number)
        late += np.bincount(photons.origin[photons.out_of_time], minlength=number)
        good = kept_by_selection(d.instrument, photons) & ~photons.out_of_time
        counts = np.bincount(photons.origin[good], minlength=number)
        kept[name] = kept[name] + counts if name in kept else counts
    return _Counts(total, written, late, kept)


def _item(
    identifier: int,
    index: int,
    item: Source | Burst,
    counts: _Counts,
    pointing: Pointing,
    interval: tuple[float, float],
    asked: float,
    shape: str,
    extent: float,
) -> ItemTruth:
    ra, dec = to_sky(item.x, item.y, pointing.ra, pointing.dec)
    by_camera = {name: int(kept[index]) for name, kept in counts.kept.items()}
    return ItemTruth(
        identifier, float(ra), float(dec), item.x, item.y, *interval, asked, int(counts.drawn[index]),
        int(counts.written[index]), sum(by_camera.values()), int(counts.late[index]), by_camera, shape,
        extent,
    )  # fmt: skip
