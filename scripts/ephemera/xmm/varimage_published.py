"""The detector as published in 2020: variability of raw pixels of EPIC-pn (Pastor-Marazuela et al. 2020).

A&A 640, A124. Events of good time are counted in windows of length TW, each spread over 3 x 3 raw pixels of
its CCD, and divided by the good fraction of the window; windows below the ratio GTR are dropped. With C the
counts of a pixel over the windows,

    V = max(max C - med C, |min C - med C|) / med C,    V = max C where med C = 0,

and a box of b x b pixels is variable when its sum of V exceeds DL b^2 max(median V, 0.75). Overlapping boxes
are one source. The published code added the corner pixel b^2 times; here the pixels of the box are added.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ephemera.xmm.bayes import log10_bayes_eclipse, sigma_equivalent_eclipse
from ephemera.xmm.cells import Cells, Kind, counts_at
from ephemera.xmm.expected_counts import MU_FLOOR, Expectation
from ephemera.xmm.frames import base_frame
from ephemera.xmm.observation import BoolArray, Camera, FloatArray, IntArray, Subset
from ephemera.xmm.sparse_cube import SparseCube
from ephemera.xmm.varimage import peak_cells

#: Raw pixels of a pn CCD: RAWX 1..64, RAWY 1..200.
CCD_SHAPE = (64, 200)
#: Least median of V in the threshold.
LEAST_MEDIAN = 0.75


@dataclass(frozen=True)
class Setting:
    """Detection level DL, window TW (s), box side b (pixels), least good fraction of a window GTR."""

    level: float
    window: float
    box: int = 3
    good_ratio: float = 1.0


def level_of(window: float) -> float:
    """Level for any window (s): the published ones lie on a line in ln TW, from 5 at 3 s to 8 at 100 s."""
    return 5.0 + 3.0 * math.log(window / 3.0) / math.log(100.0 / 3.0)


@dataclass(frozen=True)
class VariableSource:
    """Merged boxes of one CCD: `x`, `y` mean pixel (RAWX, RAWY) weighted by V, `radius` in pixels.

    `pixels` (m, 2) are all pixels of the boxes, counted from 0; `largest` the largest box sum over b^2.
    """

    ccd: int
    x: float
    y: float
    radius: float
    largest: float
    pixels: IntArray


def variability(
    x: IntArray, y: IntArray, window: IntArray, ratio: FloatArray, shape: tuple[int, int]
) -> FloatArray:
    """V of every pixel of `shape`, from events at pixels `x`, `y` (from 0) in windows numbered `window`.

    `ratio` is the good fraction of each window, 0 for windows that are dropped; events in those do not count.
    """
    n_windows, n_pixels = int(np.count_nonzero(ratio > 0)), shape[0] * shape[1]
    if not n_windows:
        return np.zeros(shape)
    pixel, value = _spread(x, y, window, ratio, shape)
    filled = np.bincount(pixel, minlength=n_pixels)
    start = np.cumsum(filled) - filled
    has = filled > 0
    largest, smallest = np.zeros(n_pixels), np.zeros(n_pixels)
    largest[has] = value[(start + filled - 1)[has]]
    full = filled == n_windows
    smallest[full] = value[start[full]]
    low, high = (n_windows - 1) // 2, n_windows // 2
    lower, upper = (_order_statistic(value, start, filled, n_windows, rank) for rank in (low, high))
    median = 0.5 * (lower + upper)
    change = np.maximum(largest - median, np.abs(smallest - median))
    return np.where(median > 0, change / np.where(median > 0, median, 1.0), largest).reshape(shape)


def _spread(
    x: IntArray, y: IntArray, window: IntArray, ratio: FloatArray, shape: tuple[int, int]
) -> tuple[IntArray, FloatArray]:
    """Pixel, and counts over good fraction, of all filled cells (pixel, window), sorted by both."""
    good = ratio[window] > 0
    keys = [np.empty(0, np.int64)]
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            i, j = x[good] + dx, y[good] + dy
            inside = (i >= 0) & (i < shape[0]) & (j >= 0) & (j < shape[1])
            pixel = i[inside].astype(np.int64) * shape[1] + j[inside]
            keys.append(pixel * len(ratio) + window[good][inside])
    cell, counts = np.unique(np.concatenate(keys), return_counts=True)
    pixel, slot = np.divmod(cell, len(ratio))
    value = counts / ratio[slot]
    order = np.lexsort((value, pixel))
    return pixel[order], value[order]


def _order_statistic(
    value: FloatArray, start: IntArray, filled: IntArray, n_windows: int, rank: int
) -> FloatArray:
    """The value of `rank` (from 0) of each pixel, of which all windows without events have 0."""
    place = rank - (n_windows - filled)
    index = np.minimum(start + np.maximum(place, 0), max(len(value) - 1, 0))
    return np.where(place >= 0, value[index] if len(value) else 0.0, 0.0)


def variability_reference(counts: FloatArray) -> FloatArray:
    """Readable twin for dense counts (windows, width, height), spread and divided already."""
    median, largest, smallest = np.median(counts, axis=0), counts.max(axis=0), counts.min(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.maximum(largest - median, np.abs(smallest - median)) / median
    return np.asarray(np.where(median == 0, largest, relative))


def variable_sources(
    images: Mapping[int, FloatArray], setting: Setting, inside: Mapping[int, BoolArray] | None = None
) -> list[VariableSource]:
    """Sources in the images of V of all CCDs; the median is over all their pixels, or those `inside`."""
    values = [v[inside[ccd]] if inside else v.ravel() for ccd, v in images.items()]
    median = float(np.median(np.concatenate(values))) if values else 0.0
    threshold = setting.level * setting.box**2 * max(median, LEAST_MEDIAN)
    return [
        source
        for ccd, v in sorted(images.items())
        for source in _merged_boxes(ccd, v, box_sums(v, setting.box), threshold, setting.box)
    ]


def box_sums(v: FloatArray, box: int) -> FloatArray:
    """Sum of V over all boxes of `box` x `box` pixels, by their first pixel."""
    running = np.pad(v, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    return np.asarray(
        running[box:, box:] - running[:-box, box:] - running[box:, :-box] + running[:-box, :-box]
    )


def _merged_boxes(
    ccd: int, v: FloatArray, sums: FloatArray, threshold: float, box: int
) -> list[VariableSource]:
    corner = np.argwhere(sums > threshold)
    if not len(corner):
        return []
    # Boxes share pixels when their corners are less than a side apart along both axes.
    pairs = cKDTree(corner).query_pairs(box - 0.5, p=np.inf, output_type="ndarray")
    links = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(corner),) * 2)
    number, label = connected_components(links, directed=False)
    offsets = np.argwhere(np.ones((box, box)))
    sources = []
    for one in range(number):
        mine = corner[label == one]
        pixels = np.unique((mine[:, None] + offsets).reshape(-1, 2), axis=0)
        weight = np.maximum(v[pixels[:, 0], pixels[:, 1]], 0.0)
        centre = (pixels * weight[:, None]).sum(axis=0) / weight.sum()
        radius = math.sqrt(len(pixels) / math.pi)
        largest = float(sums[mine[:, 0], mine[:, 1]].max()) / box**2
        sources.append(
            VariableSource(ccd, float(centre[0]) + 1, float(centre[1]) + 1, radius, largest, pixels)
        )
    return sources


def search_pn(subset: Subset, cube: SparseCube, setting: Setting) -> list[VariableSource]:
    """Variable sources among the pn events of a run; its frames are the windows."""
    x, y, ccd, window, _ = _pn_events(subset, cube)
    ratio = _good_ratio(cube, setting.good_ratio)
    images = {
        int(c): variability(x[ccd == c], y[ccd == c], window[ccd == c], ratio, CCD_SHAPE)
        for c in np.unique(ccd)
    }
    return variable_sources(images, setting)


def _good_ratio(cube: SparseCube, least: float) -> FloatArray:
    """Good fraction of each frame, 0 where it is in bad time, not searched or below `least`."""
    ratio = np.where(cube.frames.good, cube.frames.exposed, 0.0)
    return np.where(ratio >= least - 1e-6, ratio, 0.0)


def _pn_events(subset: Subset, cube: SparseCube) -> tuple[IntArray, IntArray, IntArray, IntArray, IntArray]:
    """RAWX and RAWY from 0, CCD and frame of the pn events of the band, and their place in the subset."""
    events, frames = subset.events, cube.frames
    mine = np.flatnonzero((events.camera == Camera.PN) & cube.band.contains(events.pi))
    x, y = events.rawx[mine].astype(np.int64) - 1, events.rawy[mine].astype(np.int64) - 1
    on_ccd = (x >= 0) & (x < CCD_SHAPE[0]) & (y >= 0) & (y < CCD_SHAPE[1])
    mine, x, y = mine[on_ccd], x[on_ccd], y[on_ccd]
    window = base_frame(events.time[mine], frames.t0, frames.t1, frames.dt).astype(np.int64)
    return x, y, events.ccd[mine].astype(np.int64), window, mine


def published_cells(subset: Subset, cube: SparseCube, expectation: Expectation) -> Cells:
    """One cell for each variable source: the sky pixel of its events, in the frame that differs most.

    A source whose counts rise further above their median than they fall below it is a peak, else an eclipse.
    Runs without pn events have none.
    """
    sources = search_pn(subset, cube, Setting(level_of(cube.frames.dt), cube.frames.dt))
    x, y, ccd, window, event = _pn_events(subset, cube)
    ratio = _good_ratio(cube, 1.0)
    found = [Cells.empty()]
    for source in sources:
        in_box = np.zeros(CCD_SHAPE, np.bool_)
        in_box[source.pixels[:, 0], source.pixels[:, 1]] = True
        mine = np.flatnonzero((ccd == source.ccd) & in_box[x, y])
        curve = np.bincount(window[mine], minlength=len(ratio))
        found.append(_cell_of(subset, cube, expectation, event[mine], curve, ratio > 0))
    return Cells.merge(found)


def _cell_of(
    subset: Subset,
    cube: SparseCube,
    expectation: Expectation,
    event: IntArray,
    curve: IntArray,
    searched: BoolArray,
) -> Cells:
    usable = np.flatnonzero(searched & (expectation.frame_class >= 0))
    if not len(event) or not len(usable):
        return Cells.empty()
    counts = curve[usable]
    median = float(np.median(counts))
    rises = counts.max() - median >= median - counts.min()
    frame = usable[[int(np.argmax(counts) if rises else np.argmin(counts))]]
    grid = cube.grid
    # The pixel with most of the events, which has an expectation; that of the medians may be a hole between.
    pixels, times = np.unique(grid.pixels(subset.events.x[event], subset.events.y[event]), return_counts=True)
    i, j = grid.split(pixels[[int(np.argmax(times))]])
    n = counts_at(cube, (frame * grid.n + j) * grid.n + i)
    if rises:
        return peak_cells(i, j, frame, n, expectation)
    mu = np.maximum(expectation.at(i, j, frame), MU_FLOOR)
    log10_b = log10_bayes_eclipse(n, mu)
    return Cells(
        i, j, frame, np.array([Kind.ECLIPSE], np.int8), n, mu, log10_b, sigma_equivalent_eclipse(log10_b)
    )
