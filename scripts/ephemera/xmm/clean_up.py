"""Clean-up of significant cells: those that only follow a change of the whole frame.

The flaring edge of a CCD looks like a peak, and merged partial exposures look like eclipses. In both
cases the rest of the frame changes along with the box around the cell. With s the counts of the box of
3 x 3 pixels (clipped to the grid), b those of the rest of the frame, t the frame of the cell and a bar
for the mean over the m neighbours (frames t-5 to t+5 without t and without masked frames), a cell is
rejected when

    peak:     (b_t - b̄)/√(b̄ (1 + 1/m)) > 3  and  (s_t - s̄)/s̄ - (b_t - b̄)/b̄ < 0.25
    eclipse:  (b̄ - b_t)/√(b̄ (1 + 1/m)) > 3  and  (s̄ - s_t)/s̄ - (b̄ - b_t)/b̄ < 0.25

so the rest of the frame must have changed in the same sense, significantly, and the box not much more.
Cells with fewer than 4 neighbours, or with s̄ = 0 or b̄ = 0, cannot be judged and are kept. EXOD2
subtracts the other way round for eclipses, which rejects deep eclipses for a background one count low.
"""

from __future__ import annotations

import enum

import numpy as np
import numpy.typing as npt

from ephemera.xmm.cells import Cells
from ephemera.xmm.observation import FloatArray, IntArray
from ephemera.xmm.sparse_cube import SparseCube

#: Neighbours are the frames up to this far before and after.
REACH = 5
#: Fewest neighbours with which a cell can be judged.
MIN_NEIGHBOURS = 4
#: Significance above which the rest of the frame has changed, sigma.
MIN_CHANGE = 3.0
#: Excess of the relative change of the box over that of the rest below which the cell only follows.
MAX_EXCESS = 0.25
#: Cells judged at once; bounds memory.
CHUNK = 4096


class Reason(enum.IntEnum):
    """Why a significant cell is kept or not."""

    KEPT = 0
    FLARING_CCD_EDGE = 1
    PARTIAL_EXPOSURES = 2


def clean_up(cells: Cells, cube: SparseCube) -> npt.NDArray[np.int8]:
    """The `Reason` of each cell, as int8.

    `cube` is the cube in which the cells were found. The verdict on a cell does not depend on other cells.
    """
    reason = np.zeros(len(cells), dtype=np.int8)
    running = np.concatenate(([0], np.cumsum(cube.counts, dtype=np.int64)))
    totals = cube.frame_totals()
    for start in range(0, len(cells), CHUNK):
        part = slice(start, start + CHUNK)
        reason[part] = _reasons(cells.take(part), cube, running, totals)
    return reason


def _reasons(cells: Cells, cube: SparseCube, running: IntArray, totals: FloatArray) -> npt.NDArray[np.int8]:
    """The `Reason` of each cell."""
    n_frames = cube.frames.n_frames
    frames = cells.frame[:, None] + np.arange(-REACH, REACH + 1)
    inside = (frames >= 0) & (frames < n_frames)
    frames = np.clip(frames, 0, n_frames - 1)
    neighbour = inside & ~cube.frames.bccd[frames]
    neighbour[:, REACH] = False
    m = neighbour.sum(axis=1)

    box = _box_counts(cells, frames, cube, running)
    rest = totals[frames] - box
    s, b = box[:, REACH], rest[:, REACH]
    s_mean = (box * neighbour).sum(axis=1) / np.maximum(m, 1)
    b_mean = (rest * neighbour).sum(axis=1) / np.maximum(m, 1)

    known = (m >= MIN_NEIGHBOURS) & (s_mean > 0) & (b_mean > 0)
    s_mean, b_mean, m = np.where(known, s_mean, 1.0), np.where(known, b_mean, 1.0), np.maximum(m, 1)
    sense = np.where(cells.is_peak, 1.0, -1.0)
    change = sense * (b - b_mean) / np.sqrt(b_mean * (1 + 1 / m))
    excess = sense * ((s - s_mean) / s_mean - (b - b_mean) / b_mean)
    follows = known & (change > MIN_CHANGE) & (excess < MAX_EXCESS)
    rejected = np.where(cells.is_peak, Reason.FLARING_CCD_EDGE, Reason.PARTIAL_EXPOSURES)
    return np.where(follows, rejected, Reason.KEPT).astype(np.int8)


def _box_counts(cells: Cells, frames: IntArray, cube: SparseCube, running: IntArray) -> FloatArray:
    """Counts of the 3 x 3 boxes around the cells in these frames (len(cells), n), clipped to the grid.

    `running` (len(cube.keys) + 1,) is the running sum of the counts: a row of a box is one stretch of keys.
    """
    side = cube.grid.n
    first = np.maximum(cells.i - 1, 0)[:, None]
    last = np.minimum(cells.i + 1, side - 1)[:, None]
    counts = np.zeros(frames.shape)
    for step in (-1, 0, 1):
        j = cells.j[:, None] + step
        row = (frames * side + np.clip(j, 0, side - 1)) * side
        stretch = running[np.searchsorted(cube.keys, row + last, side="right")]
        stretch = stretch - running[np.searchsorted(cube.keys, row + first, side="left")]
        counts += np.where((j >= 0) & (j < side), stretch, 0)
    return counts
