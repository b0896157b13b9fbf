"""Significant cells: those in which the counts differ significantly from the expectation.

Reads a sparse cube and its expectation, makes the significant cells of the run. A cell with n counts where
mu are expected is

- a peak    if log10 B_peak(n, mu)    >= T_peak(sigma) and n >= n_min,
- an eclipse if log10 B_eclipse(n, mu) >= T_eclipse(sigma).

Both Bayes factors are monotone in mu, so that the test of a cell is one comparison of mu with the limit
of its n. Only cells that can pass are looked at. Peaks need counts: the non-empty cells suffice. Eclipses
need at least mu_E(0) expected counts, the smallest mu at which no counts at all are an eclipse: only the
pixels and frames that reach it are evaluated. The expectation is never a cube.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ephemera.xmm.bayes import (
    log10_bayes_eclipse,
    log10_bayes_peak,
    sigma_equivalent_eclipse,
    sigma_equivalent_peak,
    thresholds,
)
from ephemera.xmm.bayes_limits import Limits
from ephemera.xmm.cells import Cells, Kind, counts_at
from ephemera.xmm.expected_counts import MU_FLOOR, Expectation, check_fits
from ephemera.xmm.observation import BoolArray, FloatArray, IntArray
from ephemera.xmm.sparse_cube import SparseCube

#: Cells of a block of the eclipse scan; bounds its memory (8 bytes a cell, a few arrays of this size).
BLOCK_CELLS = 1 << 20
#: Relative slack of the coarse eclipse tests, far above rounding and far below any effect.
SLACK = 1e-9
#: Expected counts above which `gauss_above_1000` replaces the Bayes factors.
GAUSS_FROM = 1000.0


def significant_cells(
    cube: SparseCube,
    expectation: Expectation,
    limits: Limits,
    *,
    n_min: int = 2,
    mu_floor: float = MU_FLOOR,
    gauss_above_1000: bool = False,
) -> Cells:
    """Peaks and eclipses of one run, sorted by (frame, j, i, kind).

    `n_min` is the least n of a peak; mu below `mu_floor` is raised to it. Cells without an expectation
    (frames masked as not usable, pixels outside the footprint) are neither peak nor eclipse.
    With `gauss_above_1000`, cells with mu > 1000 are compared by |n - mu| / sqrt(n + mu) >= sigma
    instead of the Bayes factors; their `log10_b` and `sigma` are those of the Bayes factors still.

    Raises ValueError when `n_min` < 1, `mu_floor` <= 0, or cube and expectation differ in shape.
    """
    _check(cube, expectation, n_min, mu_floor)
    peaks = _peaks(cube, expectation, limits, n_min, mu_floor, gauss=gauss_above_1000)
    eclipses = _eclipses(cube, expectation, limits, mu_floor, gauss=gauss_above_1000)
    return Cells.merge([peaks, eclipses])


def _check(cube: SparseCube, expectation: Expectation, n_min: int, mu_floor: float) -> None:
    """Refuse settings and pairs that make no sense."""
    if n_min < 1:
        raise ValueError(f"n_min must be at least 1, got {n_min}")
    if not mu_floor > 0:
        raise ValueError(f"mu_floor must be positive, got {mu_floor}")
    check_fits(cube, expectation)


def _peaks(
    cube: SparseCube, expectation: Expectation, limits: Limits, n_min: int, mu_floor: float, *, gauss: bool
) -> Cells:
    """Peaks among the non-empty cells."""
    enough = np.flatnonzero(cube.counts >= n_min)
    keys, n = cube.keys[enough], cube.counts[enough].astype(np.int64)
    i, j, frame = _indices(keys, cube.grid.n)
    mu = np.maximum(expectation.at(i, j, frame), mu_floor)
    hit = is_peak(n, mu, limits, gauss=gauss)
    return _cells(i[hit], j[hit], frame[hit], Kind.PEAK, n[hit], mu[hit])


def _eclipses(
    cube: SparseCube, expectation: Expectation, limits: Limits, mu_floor: float, *, gauss: bool
) -> Cells:
    """Eclipses among the pixels and frames that reach mu_E(0)."""
    side = cube.grid.n
    least = min(float(limits.mu_eclipse[0]), GAUSS_FROM if gauss else np.inf) * (1 - SLACK)
    found = [Cells.empty()]
    for pixels, frames in _blocks(expectation, least):
        mu = _block(expectation, pixels, frames)
        row, column = np.nonzero(mu >= least)
        keys = frames[row] * (side * side) + pixels[column]
        n = counts_at(cube, keys)
        coarse = is_eclipse(n, mu[row, column] * (1 + SLACK), limits, gauss=gauss)
        n = n[coarse]
        i, j, frame = _indices(keys[coarse], side)
        exact = np.maximum(expectation.at(i, j, frame), mu_floor)
        hit = is_eclipse(n, exact, limits, gauss=gauss)
        found.append(_cells(i[hit], j[hit], frame[hit], Kind.ECLIPSE, n[hit], exact[hit]))
    return Cells.merge(found)


def _blocks(expectation: Expectation, least: float) -> Iterator[tuple[IntArray, IntArray]]:
    """Pixels and frames, both ascending, outside which no cell is expected to hold `least` counts.

    Pixels with and without a source go apart: without one, only the frames of strong background are
    left. Blocks hold at most `BLOCK_CELLS` cells (but always one pixel).
    """
    bound = np.where(expectation.footprint, expectation.frame_bound(), 0.0).ravel()
    lit = expectation.source.any(axis=0).ravel()
    for group in (lit, ~lit):
        pixels = np.flatnonzero(group & (bound >= least))
        frames = _reaching(expectation, pixels, least)
        if len(frames) == 0:
            continue
        step = max(1, BLOCK_CELLS // len(frames))
        for start in range(0, len(pixels), step):
            part = pixels[start : start + step]
            yield part, _reaching(expectation, part, least)


def _reaching(expectation: Expectation, pixels: IntArray, least: float) -> IntArray:
    """Frames in which any of these pixels may be expected to hold `least` counts."""
    usable = np.flatnonzero(expectation.frame_class >= 0)
    if len(pixels) == 0 or len(usable) == 0:
        return np.empty(0, dtype=np.int64)
    template, source = _planes(expectation, pixels)
    most = template.max(axis=1)[expectation.frame_class[usable]] * expectation.background[usable]
    most = most + source.max(axis=1) @ expectation.exposed[:, usable]
    return np.asarray(usable[most >= least])


def _planes(expectation: Expectation, pixels: IntArray) -> tuple[FloatArray, FloatArray]:
    """Templates (n_class, m) and sources (n_source, m) at m pixels."""
    template = expectation.templates.reshape(len(expectation.templates), -1)[:, pixels]
    source = expectation.source.reshape(len(expectation.source), -1)[:, pixels]
    return template, source


def _block(expectation: Expectation, pixels: IntArray, frames: IntArray) -> FloatArray:
    """Mu of all these pixels in all these frames, (n_frames, n_pixels)."""
    template, source = _planes(expectation, pixels)
    mu = template[expectation.frame_class[frames]]
    mu *= expectation.background[frames, None]
    if source.any():
        mu += expectation.exposed[:, frames].T @ source
    return mu


def is_peak(n: IntArray, mu: FloatArray, limits: Limits, *, gauss: bool) -> BoolArray:
    """Which cells pass the threshold of a peak; NaN in mu never does."""
    hit = limits.is_peak(n, mu)
    return np.where(mu > GAUSS_FROM, (n > mu) & _deviates(n, mu, limits), hit) if gauss else hit


def is_eclipse(n: IntArray, mu: FloatArray, limits: Limits, *, gauss: bool) -> BoolArray:
    """Which cells pass the threshold of an eclipse; NaN in mu never does."""
    hit = limits.is_eclipse(n, mu)
    return np.where(mu > GAUSS_FROM, (n < mu) & _deviates(n, mu, limits), hit) if gauss else hit


def _deviates(n: IntArray, mu: FloatArray, limits: Limits) -> BoolArray:
    """Whether |n - mu| / sqrt(n + mu) reaches sigma, both n and mu taken as Poisson counts."""
    return np.asarray((n - mu) ** 2 >= limits.sigma**2 * (n + mu))


def _indices(keys: IntArray, side: int) -> tuple[IntArray, IntArray, IntArray]:
    """Pixel column, pixel row and frame of cell keys."""
    row, i = np.divmod(keys, side)
    frame, j = np.divmod(row, side)
    return i, j, frame


def _cells(i: IntArray, j: IntArray, frame: IntArray, kind: Kind, n: IntArray, mu: FloatArray) -> Cells:
    """Cells of one kind with their Bayes factors."""
    if kind is Kind.PEAK:
        log10_b = log10_bayes_peak(n, mu)
        sigma = sigma_equivalent_peak(log10_b)
    else:
        log10_b = log10_bayes_eclipse(n, mu)
        sigma = sigma_equivalent_eclipse(log10_b)
    return Cells(i, j, frame, np.full(len(i), kind, dtype=np.int8), n, mu, log10_b, sigma)


def region_cells(cells: Cells, labels: IntArray, side: int) -> IntArray:
    """Keys of all cells of the regions in their own significant frames, sorted and unique.

    `labels` (len(cells),) is the region of each cell, negative for none; a region's cells are all pairs of
    its pixels and the frames in which any of them is significant. Keys as in the cube, on `side` x `side`
    pixels. Raises ValueError when `labels` is not as long as `cells`.
    """
    if len(labels) != len(cells):
        raise ValueError(f"labels must be as long as cells, {len(cells)}, got {len(labels)}")
    pixel = cells.j * side + cells.i
    order = np.argsort(labels, kind="stable")
    bounds = np.flatnonzero(np.diff(labels[order])) + 1
    parts = [np.empty(0, dtype=np.int64)]
    for region in np.split(order, bounds):
        if len(region) and labels[region[0]] >= 0:
            frames = np.unique(cells.frame[region])
            parts.append((frames[:, None] * (side * side) + np.unique(pixel[region])).ravel())
    return np.unique(np.concatenate(parts))


def significant_cells_reference(
    cube: SparseCube, expectation: Expectation, sigma: float, *, n_min: int = 2, mu_floor: float = MU_FLOOR
) -> Cells:
    """Readable twin of `significant_cells`: every cell of the dense cube against the Bayes factors.

    For small cubes only: memory is frames x N x N doubles, several times.
    """
    side = cube.grid.n
    n = np.zeros((cube.frames.n_frames, side, side), dtype=np.int64)
    n.ravel()[cube.keys] = cube.counts
    mu = np.maximum(expectation.dense(), mu_floor)
    peak_threshold, eclipse_threshold = thresholds(sigma)
    known = np.isfinite(mu)
    safe = np.where(known, mu, 1.0)
    peak = known & (n >= n_min) & (log10_bayes_peak(n, safe) >= peak_threshold)
    eclipse = known & (log10_bayes_eclipse(n, safe) >= eclipse_threshold)
    parts = []
    for kind, hit in ((Kind.PEAK, peak), (Kind.ECLIPSE, eclipse)):
        frame, j, i = np.nonzero(hit)
        parts.append(_cells(i, j, frame, kind, n[hit], mu[hit]))
    return Cells.merge(parts)
