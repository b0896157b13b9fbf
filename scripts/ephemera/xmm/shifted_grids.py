"""Merging of detections made on grids shifted by half a pixel or half a frame.

A burst that falls on the border of pixels or frames is stronger in a shifted grid. All grids search the
same events, so that one burst is found several times: detections less than 1.5 pixels apart with
overlapping significant frames are the same, and the most significant one stands for all. The number of
grids searched is the trials factor of the result.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ephemera.xmm.observation import FloatArray, IntArray

#: Detections closer than this, in pixels, may be the same.
REACH_PIXELS = 1.5


@dataclass(frozen=True)
class GridDetections:
    """Detections of one run on one grid.

    `x`, `y` (n,) positions in sky units of 0.05 arcsec; `sigma` (n,) their significance;
    `label` (k,) the detection, 0 to n - 1, of each of its significant frames, whose times are
    `start`, `stop` (k,) in s. A frame with several significant pixels may be given several times.
    """

    x: FloatArray
    y: FloatArray
    sigma: FloatArray
    label: IntArray
    start: FloatArray
    stop: FloatArray

    def __post_init__(self) -> None:
        if not len(self.x) == len(self.y) == len(self.sigma):
            raise ValueError(
                f"x, y and sigma must have one length, got {len(self.x)}, {len(self.y)}, {len(self.sigma)}"
            )
        if not len(self.label) == len(self.start) == len(self.stop):
            raise ValueError(
                "label, start and stop must have one length, got "
                f"{len(self.label)}, {len(self.start)}, {len(self.stop)}"
            )
        if len(self.label) and not (self.label.min() >= 0 and self.label.max() < len(self.x)):
            raise ValueError(
                f"label must lie in 0..{len(self.x) - 1}, got {self.label.min()} to {self.label.max()}"
            )

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows: IntArray) -> GridDetections:
        """Detections `rows` (different ones), renumbered by place, with their frames."""
        place = np.full(len(self), -1)
        place[rows] = np.arange(len(rows))
        label = place[self.label]
        mine = label >= 0
        return GridDetections(
            self.x[rows], self.y[rows], self.sigma[rows], label[mine], self.start[mine], self.stop[mine]
        )


@dataclass(frozen=True)
class MergedDetections:
    """What is left after merging.

    `grid`, `row` (k,) the grid and the detection on it that is kept, ordered by (grid, row);
    `found_on` (k,) on how many grids it was found; `n_grids` how many were searched;
    `absorbed` one (k', 3) array of (grid, row, index of the kept one) for the others.
    """

    grid: IntArray
    row: IntArray
    found_on: IntArray
    n_grids: int
    absorbed: IntArray


def merge_grids(grids: Sequence[GridDetections], pixel: float) -> MergedDetections:
    """Merge the detections of one run on several grids; the first is the main grid.

    Detections are visited from the most significant down (equal ones: lower grid, then lower row, first).
    Each that is left is kept, and takes away all detections of *other* grids whose positions are less
    than 1.5 pixels away and of which a significant frame overlaps one of its own for more than an instant.
    Detections of one grid are apart by construction and never take each other away.

    `pixel` is the pixel width in sky units. Raises ValueError when there is no grid or `pixel` <= 0.
    """
    if not grids:
        raise ValueError("grids must hold at least the main grid, got none")
    if not pixel > 0:
        raise ValueError(f"pixel must be a positive width in sky units, got {pixel}")
    grid = np.repeat(np.arange(len(grids)), [len(g) for g in grids])
    row = np.concatenate([np.arange(len(g)) for g in grids])
    x, y, sigma = (np.concatenate([getattr(g, name) for g in grids]) for name in ("x", "y", "sigma"))
    spans = [_spans(g, k) for g in grids for k in range(len(g))]

    keeper = np.full(len(grid), -1)
    for place in np.lexsort((row, grid, -sigma)):
        if keeper[place] >= 0:
            continue
        keeper[place] = place
        near = np.hypot(x - x[place], y - y[place]) < REACH_PIXELS * pixel
        for other in np.flatnonzero(near & (grid != grid[place]) & (keeper < 0)):
            if _overlap(spans[place], spans[other]):
                keeper[other] = place
    return _merged(grid, row, keeper, len(grids))


def _merged(grid: IntArray, row: IntArray, keeper: IntArray, n_grids: int) -> MergedDetections:
    """Results from the index of the kept detection of each detection."""
    kept = np.flatnonzero(keeper == np.arange(len(keeper)))
    gone = np.flatnonzero(keeper != np.arange(len(keeper)))
    position = np.searchsorted(kept, keeper)
    pairs = np.unique(position * n_grids + grid)
    return MergedDetections(
        grid=grid[kept],
        row=row[kept],
        found_on=np.bincount(pairs // n_grids, minlength=len(kept)),
        n_grids=n_grids,
        absorbed=np.stack([grid[gone], row[gone], position[gone]], axis=1),
    )


def _spans(detections: GridDetections, label: int) -> tuple[FloatArray, FloatArray]:
    """Starts and stops of the significant frames of one detection, each frame once, ascending."""
    mine = detections.label == label
    start, first = np.unique(detections.start[mine], return_index=True)
    return start, detections.stop[mine][first]


def _overlap(one: tuple[FloatArray, FloatArray], two: tuple[FloatArray, FloatArray]) -> bool:
    """Whether an interval of `one` overlaps one of `two`, both ascending and free of overlap."""
    begun = np.searchsorted(two[0], one[1], side="left")
    ended = np.searchsorted(two[1], one[0], side="right")
    return bool(np.any(begun > ended))
