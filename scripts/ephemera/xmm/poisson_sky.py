"""Draws of a run in which nothing comes or goes: Poisson counts of every cell, mean mu, without a cube.

mu = T_c(x, y) L(t) + sum over s of S_s(x, y) f_s(t) is a sum of products, and a Poisson process with such a
mean is a sum of independent ones: their totals are Poisson, the frames of their events follow the vector and
the pixels the image. The cost is that of the events.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ephemera.xmm.expected_counts import Expectation
from ephemera.xmm.observation import FloatArray, IntArray
from ephemera.xmm.sparse_cube import SparseCube


def draw_cube(cube: SparseCube, expectation: Expectation, rng: np.random.Generator) -> SparseCube:
    """Poisson draw of all cells that have an expectation, as a cube like `cube`."""
    side = cube.grid.n
    parts = [np.empty(0, np.int64)]
    for image, curve in _products(expectation):
        number = int(rng.poisson(image.sum() * curve.sum()))
        if number:
            frame, pixel = _drawn(curve, rng, number), _drawn(image.ravel(), rng, number)
            parts.append(frame * side**2 + pixel)
    keys, counts = np.unique(np.concatenate(parts), return_counts=True)
    return SparseCube(cube.grid, cube.frames, cube.band, keys, counts.astype(np.int32))


def _products(expectation: Expectation) -> Iterator[tuple[FloatArray, FloatArray]]:
    """The images and curves whose products add up to mu."""
    inside = expectation.footprint
    for number, template in enumerate(expectation.templates):
        mine = expectation.frame_class == number
        yield np.where(inside, template, 0.0), np.where(mine, expectation.background, 0.0)
    used = expectation.frame_class >= 0
    for source, exposed in zip(expectation.source, expectation.exposed, strict=True):
        yield np.where(inside, source, 0.0), np.where(used, exposed, 0.0)


def _drawn(weights: FloatArray, rng: np.random.Generator, number: int) -> IntArray:
    """Indices of `weights`, drawn with these odds."""
    cumulative = np.cumsum(weights)
    index = np.searchsorted(cumulative, rng.random(number) * cumulative[-1], side="right")
    # Rounding at the very end must not reach beyond the last positive weight.
    return np.asarray(np.minimum(index, int(np.flatnonzero(weights)[-1])), np.int64)
