"""Events whose times are shuffled: the same places, energies and curve, and nothing that comes or goes.

Times are exchanged among events of one class: same camera, good or bad time, on or off known sources. So
the background keeps its course, a steady source stays steady, and a burst is spread over the observation.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.intervals import holds
from ephemera.xmm.observation import BoolArray, FloatArray, Subset


def shuffled(
    subset: Subset, bad_time: FloatArray, mask: BoolArray, grid: PixelGrid, rng: np.random.Generator
) -> Subset:
    """`subset` with times shuffled within classes; `bad_time` (k, 2) in s, `mask` (N, N) known sources."""
    events = subset.events
    bad = holds(bad_time, events.time)
    known = mask.ravel()[grid.pixels(events.x, events.y)]
    label = events.camera.astype(np.int64) * 4 + bad * 2 + known
    time = events.time.copy()
    for one in np.unique(label):
        mine = np.flatnonzero(label == one)
        time[mine] = events.time[rng.permutation(mine)]
    mixed = replace(events, time=time)
    return replace(subset, events=mixed.take(np.argsort(time, kind="stable")))
