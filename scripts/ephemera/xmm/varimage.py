"""The variability image: the older detector of EXOD2, an alternative to Bayes factors.

Each pixel of a run gets one number, V = (max_t n - mean_t n) std_t n over its searched frames, and the pixels
above mean(V) + s std(V) make regions. It needs no expectation and finds the brightest changes in any field,
with no statement of how many chance would give. Only sums, sums of squares and maxima of the sparse cells are
needed. Where the threshold gives more than 15 regions, s is chosen anew so that about 10 are left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ephemera.xmm.bayes import log10_bayes_peak, sigma_equivalent_peak
from ephemera.xmm.cells import Cells, Kind
from ephemera.xmm.expected_counts import MU_FLOOR, Expectation
from ephemera.xmm.observation import FloatArray, IntArray
from ephemera.xmm.sparse_cube import SparseCube

#: The s of the threshold; more regions than `MOST` ask for another s, at which about `WANTED` are left.
THRESHOLD, MOST, WANTED = 4.0, 15, 10
#: Where that s may lie, and steps of the bisection.
LEAST_SIGMA, LARGEST_SIGMA, STEPS = 0.1, 20.0, 40
#: Regions whose bounding box has more pixels are dropped.
MAX_AREA = 36
_EIGHT = np.ones((3, 3), dtype=np.int8)


@dataclass(frozen=True)
class VariableRegions:
    """Regions of a variability image, in order of falling mean V.

    `label` (N, N) the number of the region of each pixel, -1 for none; `mean_v` (k,) mean V; `x`, `y` (k,)
    centroids weighted by V, pixel indices; `n_pixels`, `area_bbox` (k,); `threshold_sigma` the s used.
    """

    label: IntArray
    mean_v: FloatArray
    x: FloatArray
    y: FloatArray
    n_pixels: IntArray
    area_bbox: IntArray
    threshold_sigma: float

    def __len__(self) -> int:
        return len(self.mean_v)


def variability_image(cube: SparseCube) -> FloatArray:
    """V (N, N) of all pixels over the usable frames; 0 where nothing is, or no frame is usable."""
    usable = cube.frames.usable
    n_frames, shape = np.count_nonzero(usable), (cube.grid.n, cube.grid.n)
    if not n_frames:
        return np.zeros(shape)
    kept = usable[cube.frame]
    pixel, counts = cube.pixel[kept], cube.counts[kept].astype(np.float64)
    total = np.bincount(pixel, counts, minlength=cube.n_pixels) / n_frames
    square = np.bincount(pixel, counts**2, minlength=cube.n_pixels) / n_frames
    largest = np.zeros(cube.n_pixels)
    np.maximum.at(largest, pixel, counts)
    deviation = np.sqrt(np.maximum(square - total**2, 0.0))
    return np.asarray((largest - total) * deviation).reshape(shape)


def variability_image_reference(counts: IntArray) -> FloatArray:
    """Readable twin of `variability_image` for a dense array of counts (frames, N, N) of usable frames."""
    return np.asarray((counts.max(axis=0) - counts.mean(axis=0)) * counts.std(axis=0))


def variable_regions(
    v: FloatArray,
    *,
    threshold_sigma: float = THRESHOLD,
    max_area: int = MAX_AREA,
    most: int = MOST,
    wanted: int = WANTED,
) -> VariableRegions:
    """Regions of V above mean(V) + s std(V), over all pixels of the grid.

    With more than `most` of them, s is found by bisection between 0.1 and 20 such that their number is as
    close as it gets to `wanted`; the number is no smooth function of s, and the closest one seen is taken.
    """
    found = _regions_above(v, threshold_sigma, max_area)
    if len(found) <= most:
        return found
    low, high, best = LEAST_SIGMA, LARGEST_SIGMA, found
    for _ in range(STEPS):
        middle = 0.5 * (low + high)
        trial = _regions_above(v, middle, max_area)
        if abs(len(trial) - wanted) < abs(len(best) - wanted):
            best = trial
        if len(trial) == wanted:
            break
        low, high = (middle, high) if len(trial) > wanted else (low, middle)
    return best


def _regions_above(v: FloatArray, sigma: float, max_area: int) -> VariableRegions:
    above = v > v.mean() + sigma * v.std()
    component, number = ndimage.label(above, structure=_EIGHT)
    boxes = ndimage.find_objects(component)
    area = np.array([np.prod([s.stop - s.start for s in box]) for box in boxes], np.int64)
    index = np.arange(1, number + 1)
    mean = np.asarray(ndimage.mean(v, component, index), np.float64).reshape(number)
    keep = np.flatnonzero(area <= max_area)
    keep = keep[np.argsort(-mean[keep], kind="stable")]
    place = np.full(number + 1, -1)
    place[keep + 1] = np.arange(len(keep))
    centre = np.asarray(ndimage.center_of_mass(v, component, index[keep]), np.float64).reshape(-1, 2)
    pixels = np.bincount(component.ravel(), minlength=number + 1)[1:]
    return VariableRegions(
        place[component], mean[keep], centre[:, 1], centre[:, 0], pixels[keep], area[keep], sigma
    )


def varimage_cells(cube: SparseCube, expectation: Expectation, threshold_sigma: float) -> Cells:
    """The frame of most counts of every pixel of the regions, as cells that regions are made of.

    Their Bayes factors are those of the counts against the expectation, whatever they are.
    """
    regions = variable_regions(variability_image(cube), threshold_sigma=threshold_sigma)
    inside = (regions.label >= 0) & expectation.footprint
    kept = np.flatnonzero((expectation.frame_class >= 0)[cube.frame] & inside.ravel()[cube.pixel])
    # Of equal counts the earliest frame comes first in a stable order.
    order = kept[np.lexsort((cube.frame[kept], -cube.counts[kept], cube.pixel[kept]))]
    first = np.flatnonzero(np.diff(cube.pixel[order], prepend=-1))
    cell = order[first]
    i, j = cube.grid.split(cube.pixel[cell])
    return peak_cells(
        i, j, cube.frame[cell].astype(np.int64), cube.counts[cell].astype(np.int64), expectation
    )


def peak_cells(i: IntArray, j: IntArray, frame: IntArray, n: IntArray, expectation: Expectation) -> Cells:
    """Cells of kind peak with the Bayes factors of their counts, in the order of `Cells`."""
    mu = np.maximum(expectation.at(i, j, frame), MU_FLOOR)
    log10_b = log10_bayes_peak(n, mu)
    kind = np.full(len(i), Kind.PEAK, np.int8)
    return Cells.merge([Cells(i, j, frame, kind, n, mu, log10_b, sigma_equivalent_peak(log10_b))])
