"""Images of one run: what was counted, what the expectation is made of, and what it leaves over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.xmm.bayes import (
    log10_bayes_eclipse,
    log10_bayes_peak,
    sigma_equivalent_eclipse,
    sigma_equivalent_peak,
)
from ephemera.xmm.cells import counts_at
from ephemera.xmm.expected_counts import MU_FLOOR, Expectation
from ephemera.xmm.observation import BoolArray, FloatArray
from ephemera.xmm.sparse_cube import SparseCube

#: Expected counts below which even no counts at all are an eclipse of 0 sigma.
LEAST_ECLIPSE_MU = 3.6
#: Cells evaluated at once in the search for the deepest eclipse of each pixel.
BLOCK_CELLS = 1 << 20


@dataclass(frozen=True, eq=False)
class RunImages:
    """Images (N, N) [j, i] of one run.

    `counts` of usable frames; `mask` of sources and `footprint`, bool; `good` and `bad` the background
    templates of good and bad time (None without such frames), shares of a frame's background, NaN outside
    the footprint; `source` counts per fully exposed frame, all cameras; `significance` the
    largest of all frames, sigma, negative for eclipses, NaN outside the footprint. Without `explained` there
    is no expectation, and only the counts say something.
    """

    counts: FloatArray
    mask: BoolArray
    footprint: BoolArray
    good: FloatArray | None
    bad: FloatArray | None
    source: FloatArray
    significance: FloatArray
    explained: bool = True

    def named(self) -> dict[str, npt.NDArray[Any]]:
        """Images by the name of their FITS extension; only those there are."""
        images: dict[str, npt.NDArray[Any]] = {"COUNTS": self.counts.astype(np.int32)}
        if self.explained:
            images["MASK"] = self.mask
            for name, template in (("TEMPLATE_GOOD", self.good), ("TEMPLATE_BAD", self.bad)):
                if template is not None:
                    images[name] = template.astype(np.float32)
            images["SOURCE"] = self.source.astype(np.float32)
            images["SIGNIFICANCE"] = self.significance.astype(np.float32)
        return images


def run_images(cube: SparseCube, expectation: Expectation) -> RunImages:
    """The images of one run."""
    used = expectation.frame_class
    frames = np.bincount(used[used >= 0], minlength=len(expectation.templates))
    templates = np.where(expectation.footprint, expectation.templates, np.nan)
    # Classes alternate, good time and bad time, for each set of cameras: the set with most frames is shown.
    good, bad = (
        templates[first::2][np.argmax(frames[first::2])] if frames[first::2].any() else None
        for first in (0, 1)
    )
    return RunImages(
        counts=cube.image(cube.frames.usable),
        mask=expectation.mask,
        footprint=expectation.footprint,
        good=good,
        bad=bad,
        source=expectation.source.sum(axis=0),
        significance=significance_image(cube, expectation),
    )


def unexplained_images(cube: SparseCube) -> RunImages:
    """The counts of a run without an expectation; of all its frames where none is usable."""
    usable = cube.frames.usable
    counts = cube.image(usable if usable.any() else None)
    nothing = np.zeros(counts.shape)
    nowhere = np.zeros(counts.shape, np.bool_)
    unknown = np.full(counts.shape, np.nan)
    return RunImages(counts, nowhere, counts > 0, None, None, nothing, unknown, explained=False)


def significance_image(cube: SparseCube, expectation: Expectation) -> FloatArray:
    """Largest significance (N, N) of any frame of each pixel, sigma; negative where an eclipse is larger."""
    peak, eclipse = _peak_image(cube, expectation), _eclipse_image(cube, expectation)
    image = np.where(peak >= eclipse, peak, -eclipse)
    return np.where(expectation.footprint, image, np.nan)


def _peak_image(cube: SparseCube, expectation: Expectation) -> FloatArray:
    i, j = cube.grid.split(cube.pixel)
    mu = np.maximum(expectation.at(i, j, cube.frame), MU_FLOOR)
    above = cube.counts > mu
    sigma = sigma_equivalent_peak(log10_bayes_peak(cube.counts[above], mu[above]))
    image = np.zeros((cube.grid.n, cube.grid.n))
    np.fmax.at(image, (j[above], i[above]), sigma)
    return image


def _eclipse_image(cube: SparseCube, expectation: Expectation) -> FloatArray:
    side = cube.grid.n
    image = np.zeros(side * side)
    frames = np.flatnonzero(expectation.frame_class >= 0)
    bound = np.where(expectation.footprint, expectation.frame_bound(), 0.0).ravel()
    pixels = np.flatnonzero(bound >= LEAST_ECLIPSE_MU)
    step = max(1, BLOCK_CELLS // max(len(frames), 1))
    for start in range(0, len(pixels), step):
        block = pixels[start : start + step]
        j, i = np.divmod(block, side)
        mu = expectation.at(i, j, frames[:, None])
        row, column = np.nonzero(mu >= LEAST_ECLIPSE_MU)
        n = counts_at(cube, frames[row] * side * side + block[column])
        below = n < mu[row, column]
        sigma = sigma_equivalent_eclipse(log10_bayes_eclipse(n[below], mu[row, column][below]))
        np.fmax.at(image, block[column[below]], sigma)
    return image.reshape(side, side)
