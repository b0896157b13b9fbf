"""Light curves of the brightest sources of a list that has no source list, whether they vary or not.

A detection has its light curve; a steady source has none, and for a mission without source lists nothing else
shows that it was seen and is quiet. Sources are the connected parts of the mask of bright pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from ephemera.figures.style import figure, plain, save
from ephemera.xmm.expected_counts import Expectation
from ephemera.xmm.figure_curves import Curve, light_curve, light_curve_height
from ephemera.xmm.observation import FloatArray, IntArray, ListHeader
from ephemera.xmm.sparse_cube import SparseCube

#: Curves drawn for each subset.
MOST_SOURCES = 3


@dataclass(frozen=True)
class BrightSource:
    """Brightest 3 x 3 pixels of a part of the mask: its centre (fractional pixels), pixels, counts."""

    x: float
    y: float
    pixels: IntArray
    counts: int


def brightest(cube: SparseCube, expectation: Expectation, most: int = MOST_SOURCES) -> list[BrightSource]:
    """The sources with most counts in 3 x 3 pixels, the brightest first; none where nothing is masked."""
    image = np.where(expectation.footprint, cube.image(cube.frames.usable), 0.0)
    box = ndimage.uniform_filter(image, 3, mode="constant") * 9
    labels, number = ndimage.label(expectation.mask, np.ones((3, 3)))
    found = []
    for place in ndimage.maximum_position(box, labels, np.arange(1, number + 1)):
        j, i = (int(value) for value in place)
        near_j, near_i = np.mgrid[max(j - 1, 0) : j + 2, max(i - 1, 0) : i + 2]
        inside = (near_j < cube.grid.n) & (near_i < cube.grid.n)
        near_j, near_i = near_j[inside], near_i[inside]
        seen = expectation.footprint[near_j, near_i]
        near_j, near_i = near_j[seen], near_i[seen]
        weight = image[near_j, near_i]
        pixels = (near_j * cube.grid.n + near_i).astype(np.int64)
        x, y = (float(np.average(axis, weights=weight)) for axis in (near_i, near_j))
        found.append(BrightSource(x, y, pixels, int(weight.sum())))
    return sorted(found, key=lambda source: (-source.counts, source.x))[:most]


def source_curve(cube: SparseCube, expectation: Expectation, source: BrightSource, start_mjd: float) -> Curve:
    """Counts of the pixels of a source by frame, with what is expected there."""
    frames = cube.frames
    mine = np.isin(cube.pixel, source.pixels)
    n = np.bincount(cube.frame[mine], cube.counts[mine], minlength=frames.n_frames).astype(np.int64)
    j, i = np.divmod(source.pixels, cube.grid.n)
    mu: FloatArray = expectation.at(i[:, None], j[:, None], np.arange(frames.n_frames)[None, :]).sum(axis=0)
    none = np.zeros(frames.n_frames, np.bool_)
    return Curve(frames.edges - frames.t0, start_mjd, n, mu, frames.bti, frames.bccd, none, none)


def draw_brightest(
    folder: Path,
    name: str,
    cube: SparseCube,
    expectation: Expectation,
    header: ListHeader,
) -> None:
    """Draw the light curves of the brightest sources of a run as `bright_<name>_<number>.png`."""
    low, high = cube.band.kev
    start_mjd = header.mjd(cube.frames.t0)
    for number, source in enumerate(brightest(cube, expectation), start=1):
        curve = source_curve(cube, expectation, source, start_mjd)
        best = int(np.argmax(np.where(curve.known, curve.n, -1)))
        x, y = cube.grid.centre(source.x, "x"), cube.grid.centre(source.y, "y")
        ra, dec = (float(value) for value in header.plane.to_sky(x, y))
        title = (
            f"bright source {number}   RA {ra:.5f} Dec {dec:+.5f} (ICRS)   {source.counts} counts in "
            f"{len(source.pixels)} pixels\n{plain(header.obsid, 20)}   {cube.frames.dt:g} s, "
            f"{low:g}-{high:g} keV"
        )
        with figure(2, height=light_curve_height(curve, best)) as drawn:
            light_curve(drawn, curve, best, title)
            save(drawn, folder / f"bright_{name}_{number}.png")
