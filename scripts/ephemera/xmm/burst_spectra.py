"""Spectrum of a burst, and how hard it is from frame to frame.

Of each peak, in its significant frames, the energies of the events in its pixels are counted; beside them
the counts that the same pixels and frames would have without the burst. Those come from its neighbours: the
same frames in a ring of pixels around the region, scaled by what the model expects in both,

    b_k = n_ring,k  mu_region / mu_ring,

with k the energy bin and mu summed over the significant frames. Where the ring has fewer than ten events the
region's own pixels in all its other frames are the neighbours (with mu summed over those). Hardness in time
is (H - S) / (H + S) of the counts above expectation in every significant frame, with the interval of the
flat-prior posterior, as for the whole burst.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ephemera.xmm.expected_counts import Expectation
from ephemera.xmm.feature_outbursts import hardness_ratio
from ephemera.xmm.observation import BoolArray, Events, FloatArray, IntArray
from ephemera.xmm.sparse_cube import SparseCube

#: Ring of neighbours: pixels this far from the region and no further (Chebyshev distance).
RING = (2, 5)
#: With fewer events than this the ring says too little of the shape of the background.
LEAST_RING_EVENTS = 10


@dataclass(frozen=True)
class BurstSpectrum:
    """Counts by energy bin (k,): in the burst, and of its neighbours; `scale` turns those into background.

    `background` says which neighbours: "ring" or "other frames". `exposure` is that of the frames, s.
    """

    counts: IntArray
    neighbours: IntArray
    scale: float
    background: str
    exposure: float

    @property
    def expected(self) -> FloatArray:
        """Background counts expected in each bin."""
        return np.asarray(self.neighbours * self.scale, np.float64)


def ring_around(pixels: IntArray, expectation: Expectation) -> BoolArray:
    """Pixels (N, N) of the ring around `pixels` (j N + i): in the footprint, outside the source mask."""
    side = expectation.footprint.shape[0]
    inside = np.zeros((side, side), np.bool_)
    inside.ravel()[pixels] = True
    square = np.ones((3, 3), np.bool_)
    inner = ndimage.binary_dilation(inside, square, iterations=RING[0] - 1)
    outer = ndimage.binary_dilation(inside, square, iterations=RING[1])
    return np.asarray(outer & ~inner & expectation.footprint & ~expectation.mask)


def expected_in(expectation: Expectation, pixels: IntArray, frames: IntArray) -> float:
    """Sum of mu over pixels (j N + i) and frames; frames and pixels without expectation count nothing."""
    if not len(pixels) or not len(frames):
        return 0.0
    j, i = np.divmod(pixels, expectation.footprint.shape[0])
    mu = expectation.at(i[None, :], j[None, :], frames[:, None])
    return float(np.nansum(mu))


@dataclass(frozen=True)
class Located:
    """Frame, pixel (j N + i) and energy (eV) of every event of a subset, of all energies."""

    frame: IntArray
    pixel: IntArray
    energy: npt.NDArray[np.uint16]

    @classmethod
    def of(cls, events: Events, cube: SparseCube) -> Located:
        """Where the events lie in the frames and on the grid of a cube."""
        frames = cube.frames
        frame = np.searchsorted(frames.edges, events.time, side="right") - 1
        frame = np.minimum(frame, frames.n_frames - 1).astype(np.int64)
        return cls(frame, cube.grid.pixels(events.x, events.y).astype(np.int64), events.pi)


def burst_spectrum(
    events: Located,
    cube: SparseCube,
    expectation: Expectation,
    pixels: IntArray,
    frames: IntArray,
    edges_ev: IntArray,
) -> BurstSpectrum:
    """Spectrum of the events in `pixels` and `frames`, in half-open bins between `edges_ev` (k + 1,).

    Raises ValueError for edges that do not rise.
    """
    if len(edges_ev) < 2 or np.any(np.diff(edges_ev) <= 0):
        raise ValueError(f"edges_ev must be at least two rising energies, got {list(edges_ev)}")
    in_region = np.isin(events.pixel, pixels)
    in_frames = np.isin(events.frame, frames)
    counts = _histogram(events.energy[in_region & in_frames], edges_ev)
    exposure = float((cube.frames.exposed[frames] * cube.frames.dt).sum())
    ring = np.flatnonzero(ring_around(pixels, expectation))
    neighbours = np.isin(events.pixel, ring) & in_frames
    mine = expected_in(expectation, pixels, frames)
    theirs = expected_in(expectation, ring, frames)
    name = "ring"
    if np.count_nonzero(neighbours) < LEAST_RING_EVENTS or theirs <= 0:
        others = np.setdiff1d(np.flatnonzero(cube.frames.usable), frames)
        neighbours = in_region & np.isin(events.frame, others)
        theirs = expected_in(expectation, pixels, others)
        name = "other frames"
    scale = mine / theirs if theirs > 0 else 0.0
    return BurstSpectrum(counts, _histogram(events.energy[neighbours], edges_ev), scale, name, exposure)


def hardness_curve(
    n_soft: FloatArray, n_hard: FloatArray, mu: FloatArray, frames: IntArray
) -> Mapping[str, FloatArray]:
    """Hardness of a peak in `frames`: columns soft, hard (counts above expectation), hr, hr_low, hr_high.

    `n_soft`, `n_hard`, `mu` (n,) are the exposed frames of a light curve; mu is shared between the bands as
    the counts of all frames outside `frames` are, plus 1/2 each.
    """
    quiet = np.ones(len(mu), np.bool_)
    quiet[frames] = False
    shares = np.array([n_soft[quiet].sum() + 0.5, n_hard[quiet].sum() + 0.5])
    shares /= shares.sum()
    columns: dict[str, list[float]] = {name: [] for name in ("soft", "hard", "hr", "hr_low", "hr_high")}
    for frame in frames:
        counts = np.array([n_soft[frame], n_hard[frame]], np.float64)
        ratio = hardness_ratio(1, counts, mu[frame] * shares)
        for name, value in zip(columns, ratio, strict=True):
            columns[name].append(value)
    return {name: np.array(values, np.float64) for name, values in columns.items()}


def _histogram(energy: npt.NDArray[np.uint16], edges_ev: IntArray) -> IntArray:
    """Counts between half-open edges."""
    place = np.searchsorted(edges_ev, energy.astype(np.int64), side="right") - 1
    inside = (place >= 0) & (place < len(edges_ev) - 1)
    return np.bincount(place[inside], minlength=len(edges_ev) - 1)


def energy_edges(edges_kev: Sequence[float]) -> IntArray:
    """Edges in eV of edges in keV."""
    return np.array([round(1000 * edge) for edge in edges_kev], np.int64)
