"""Events behind the regions of a run: those of its significant frames, found by time and place.

Events are sorted by time, so that the events of a frame are a slice. Only the slices of significant
frames are looked at, in blocks of bounded size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ephemera.xmm.cells import Cells
from ephemera.xmm.connected_regions import Regions
from ephemera.xmm.frames import Frames
from ephemera.xmm.observation import Band, Events, FloatArray, IntArray
from ephemera.xmm.sparse_cube import SparseCube

#: Events looked at together; bounds memory.
BLOCK_EVENTS = 1 << 19


@dataclass(frozen=True)
class RegionEvents:
    """Events of regions as parallel arrays, sorted by (region, time).

    `event` the index into the events of the subset; `region` the row of the region, `frame` the frame.
    An event may belong to several regions.
    """

    event: IntArray
    region: IntArray
    frame: IntArray

    def __len__(self) -> int:
        return len(self.event)


@dataclass(frozen=True)
class RegionFrames:
    """Significant frames of regions, each pair once, sorted by (region, frame)."""

    region: IntArray
    frame: IntArray


def significant_frames(cells: Cells, regions: Regions, *, peaks_only: bool = False) -> RegionFrames:
    """Frames in which a region has a significant cell (a peak, with `peaks_only`).

    `cells` are those from which `regions` were made.
    """
    chosen = regions.cell_region >= 0
    if peaks_only:
        chosen &= cells.is_peak
    frames = int(cells.frame.max(initial=0)) + 1
    pairs = np.unique(regions.cell_region[chosen] * frames + cells.frame[chosen])
    return RegionFrames(pairs // frames, pairs % frames)


def region_events(events: Events, cells: Cells, cube: SparseCube, regions: Regions) -> RegionEvents:
    """Events of the band in the pixels of each region during its significant frames."""
    grid = cube.grid
    half = grid.width / 2
    boxes = np.stack(
        [
            grid.centre(regions["x0"], "x") - half,
            grid.centre(regions["x1"], "x") - half,
            grid.centre(regions["y0"], "y") - half,
            grid.centre(regions["y1"], "y") - half,
        ],
        axis=1,
    )
    near = events_in_boxes(events, cube.frames, cube.band, significant_frames(cells, regions), boxes)
    pixel = grid.pixels(events.x[near.event], events.y[near.event])
    mine = np.isin(near.region * grid.n**2 + pixel, regions.pixel_region * grid.n**2 + regions.pixel)
    return RegionEvents(near.event[mine], near.region[mine], near.frame[mine])


def events_in_boxes(
    events: Events, frames: Frames, band: Band, pairs: RegionFrames, boxes: FloatArray
) -> RegionEvents:
    """Events of `band` in the given frames whose X, Y lie in the box of the region.

    `boxes` (n_regions, 4) holds X from, X to, Y from, Y to in sky units, inclusive.
    """
    edges = frames.edges
    start = np.searchsorted(events.time, edges[pairs.frame], side="left")
    stop = np.searchsorted(events.time, edges[pairs.frame + 1], side="left")
    stop[pairs.frame == frames.n_frames - 1] = len(events)
    found: list[tuple[IntArray, IntArray]] = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))]
    for first, last in _blocks(stop - start):
        length = stop[first:last] - start[first:last]
        pair = np.repeat(np.arange(first, last), length)
        event = np.arange(len(pair)) + np.repeat(start[first:last] - (np.cumsum(length) - length), length)
        for axis, column in ((0, events.x), (2, events.y)):
            region, value = pairs.region[pair], column[event]
            inside = (value >= boxes[region, axis]) & (value <= boxes[region, axis + 1])
            pair, event = pair[inside], event[inside]
        inside = band.contains(events.pi[event])
        found.append((pair[inside], event[inside]))
    pair, event = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return RegionEvents(event, pairs.region[pair], pairs.frame[pair])


def _blocks(lengths: IntArray) -> Iterator[tuple[int, int]]:
    """Ranges of consecutive slices with at most `BLOCK_EVENTS` events each (but at least one slice)."""
    total = np.cumsum(lengths)
    first = 0
    while first < len(lengths):
        before = int(total[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(total, before + BLOCK_EVENTS, side="right")))
        yield first, last
        first = last
