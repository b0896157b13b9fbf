"""Small cubes and expectations for the tests of detection, and slow, plain twins of what they check."""

from __future__ import annotations

import math

import numpy as np
from scipy.stats import poisson

from ephemera.xmm.cells import Kind
from ephemera.xmm.expected_counts import Expectation
from ephemera.xmm.frames import Frames
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.observation import Band
from ephemera.xmm.sparse_cube import SparseCube

#: 3240 units: 16 pixels a side.
SMALL_GRID = PixelGrid(size_arcsec=162.0)
SIDE = SMALL_GRID.n


def make_frames(n_frames, *, dt=50.0, exposed=None, bccd=None, bti=None):
    exposed = np.ones(n_frames) if exposed is None else np.asarray(exposed, float)
    bccd = np.zeros(n_frames, bool) if bccd is None else np.asarray(bccd, bool)
    bti = np.zeros(n_frames, bool) if bti is None else np.asarray(bti, bool)
    exposed = np.where(bccd, 0.0, exposed)
    return Frames(
        dt=dt, t0=1000.0, t1=1000.0 + dt * n_frames, exposed=exposed,
        camera_exposed=exposed[None, :], bccd=bccd, bti=bti,
    )  # fmt: skip


def make_cube(dense, frames=None, grid=SMALL_GRID):
    """Sparse cube of a dense (frames, N, N) array of counts."""
    dense = np.asarray(dense)
    frames = make_frames(len(dense)) if frames is None else frames
    keys = np.flatnonzero(dense.ravel())
    return SparseCube(
        grid=grid, frames=frames, band=Band(200, 12000), keys=keys.astype(np.int64),
        counts=dense.ravel()[keys].astype(np.int32),
    )  # fmt: skip


def make_expectation(templates, background, source, exposed, frame_class, footprint=None):
    """Expectation from its factors; `source` (n_source, N, N) or (N, N), `exposed` likewise."""
    templates = np.asarray(templates, float)
    side = templates.shape[-1]
    source = np.asarray(source, float).reshape(-1, side, side)
    exposed = np.asarray(exposed, float).reshape(len(source), -1)
    footprint = np.ones((side, side), bool) if footprint is None else footprint
    return Expectation(
        templates=np.where(footprint, templates, 0.0), background=np.asarray(background, float),
        source=np.where(footprint, source, 0.0), exposed=exposed,
        frame_class=np.asarray(frame_class, np.int8), footprint=footprint,
        mask=source.any(axis=0), template_bti="own",
    )  # fmt: skip


def random_case(seed, *, n_frames=40, side=SIDE, level=3000.0, n_source=1, n_class=2):
    """Cube drawn from a random expectation, with masked frames, a footprint, a burst and an eclipse."""
    rng = np.random.default_rng(seed)
    templates = rng.gamma(2.0, 1.0, (n_class, side, side))
    templates /= templates.sum(axis=(1, 2), keepdims=True)
    frame_class = rng.integers(0, n_class, n_frames).astype(np.int8)
    bccd = rng.random(n_frames) < 0.1
    frame_class[bccd] = -1
    background = np.where(bccd, 0.0, rng.gamma(3.0, level / 3.0, n_frames))
    source = np.zeros((n_source, side, side))
    places = rng.integers(0, side, (5, 2))
    for k in range(n_source):
        source[k, places[:, 0], places[:, 1]] = rng.gamma(2.0, 20.0, 5)
        source[k, side // 3, side // 3] = 60.0 / n_source
    exposed = np.where(bccd, 0.0, rng.uniform(0.3, 1.0, (n_source, n_frames)))
    footprint = np.hypot(*(np.indices((side, side)) - (side - 1) / 2)) < side / 2
    expectation = make_expectation(templates, background, source, exposed, frame_class, footprint)
    mu = plain_mu(expectation)
    dense = rng.poisson(np.nan_to_num(mu, nan=0.5))
    dense[n_frames // 2, side // 2, side // 2] += 40
    dense.ravel()[np.nanargmax(mu) if np.isfinite(mu).any() else 0] = 0
    return make_cube(dense, make_frames(n_frames, exposed=exposed[0], bccd=bccd)), expectation, dense


def plain_mu(expectation):
    """Mu of every cell, one frame after the other; NaN where there is none."""
    mu = np.full((len(expectation.frame_class), *expectation.footprint.shape), np.nan)
    for t, code in enumerate(expectation.frame_class):
        if code >= 0:
            plane = expectation.templates[code] * expectation.background[t]
            for image, exposed in zip(expectation.source, expectation.exposed, strict=True):
                plane = plane + image * exposed[t]
            mu[t] = np.where(expectation.footprint, plane, np.nan)
    return mu


def plain_clean_up(i, j, frame, kind, dense, bccd):
    """Verdict on one cell by the formulas, with plain slices: True when it is kept."""
    box = np.s_[max(j - 1, 0) : j + 2, max(i - 1, 0) : i + 2]
    near = [t for t in range(frame - 5, frame + 6) if 0 <= t < len(dense) and t != frame and not bccd[t]]
    m = len(near)
    if m < 4:
        return True
    s_t, b_t = dense[frame][box].sum(), dense[frame].sum() - dense[frame][box].sum()
    s_mean = np.mean([dense[t][box].sum() for t in near])
    b_mean = np.mean([dense[t].sum() - dense[t][box].sum() for t in near])
    if s_mean == 0 or b_mean == 0:
        return True
    noise = math.sqrt(b_mean * (1 + 1 / m))
    if kind == Kind.PEAK:
        follows = (s_t - s_mean) / s_mean - (b_t - b_mean) / b_mean < 0.25
        return not ((b_t - b_mean) / noise > 3 and follows)
    follows = (s_mean - s_t) / s_mean - (b_mean - b_t) / b_mean < 0.25
    return not ((b_mean - b_t) / noise > 3 and follows)


def plain_false_alarms(mu, limits, n_min):
    """Sum over all values of mu of P(N >= n_peak) + P(N <= n_eclipse), from the counts themselves."""
    total = 0.0
    for value in mu.ravel():
        counts = np.arange(int(value + 20 * math.sqrt(value)) + 50)
        level = np.full(len(counts), value)
        peaks = counts[limits.is_peak(counts, level) & (counts >= n_min)]
        total += poisson.sf(peaks.min() - 1, value)
        eclipses = counts[limits.is_eclipse(counts, level)]
        total += poisson.cdf(eclipses.max(), value) if len(eclipses) else 0.0
    return total
