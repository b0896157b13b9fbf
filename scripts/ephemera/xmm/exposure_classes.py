"""Exposure classes of the frames of a run, and cells left out of its templates.

Frames of one class share a background template: good frames and flaring ones, and where cameras come and go,
each set of active cameras. Sums over the frames of a class, all of them or those that are left in a pixel,
are what templates and source terms are made from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ephemera.xmm.frames import classes
from ephemera.xmm.observation import BoolArray, FloatArray, IntArray
from ephemera.xmm.sparse_cube import SparseCube
from ephemera.xmm.subsets import Span


@dataclass(frozen=True, eq=False)
class ExposureClasses:
    """Of each frame its class, `of_frame` (n_frames,), -1 for none; of each class, flaring `bti` and size."""

    of_frame: npt.NDArray[np.int8]
    bti: BoolArray
    n_frames: IntArray

    @classmethod
    def of(cls, cube: SparseCube, span: Span) -> ExposureClasses:
        """Classes of the frames of `cube`: pairs of a good and a flaring one; either may be empty."""
        of_frame = classes(cube.frames, span)
        n_pairs = int(of_frame.max(initial=0)) // 2 + 1
        n_frames = np.bincount(of_frame[of_frame >= 0], minlength=2 * n_pairs)
        return cls(of_frame, np.arange(2 * n_pairs) % 2 == 1, n_frames)

    @property
    def n(self) -> int:
        """Number of classes."""
        return len(self.bti)

    @property
    def used(self) -> BoolArray:
        """Frames (n_frames,) that belong to a class."""
        return self.of_frame >= 0

    @property
    def feeding(self) -> BoolArray:
        """Classes (n,) that give the source terms: the good ones, unless they have no more frames."""
        n_bti, n_good = self.n_frames[self.bti].sum(), self.n_frames[~self.bti].sum()
        return self.bti if n_bti >= n_good else ~self.bti

    @property
    def searched(self) -> BoolArray:
        """Classes (n,) whose images show bright sources: the good ones, or all when no frame is good."""
        return ~self.bti if self.n_frames[~self.bti].any() else np.ones_like(self.bti)

    def sums(self, values: FloatArray) -> FloatArray:
        """Sum of `values` (n_frames,) over the frames of each class (n,)."""
        sums = np.bincount(self.of_frame[self.used], weights=values[self.used], minlength=self.n)
        return np.asarray(sums, np.float64)


def source_frames(cube: SparseCube, span: Span = "common") -> BoolArray:
    """Frames (n_frames,) whose images give the source terms: good ones, or flaring ones if not fewer."""
    known = ExposureClasses.of(cube, span)
    return known.used & known.feeding[known.of_frame]


@dataclass(frozen=True, eq=False)
class DroppedCells:
    """Cells left out of images and curves: their `frame` and `pixel` (m,), on a grid of `shape`."""

    frame: IntArray
    pixel: IntArray
    shape: tuple[int, int]

    @classmethod
    def of(cls, cube: SparseCube, keys: IntArray) -> DroppedCells:
        """From keys of cells of `cube`, which may name empty cells too."""
        frame, pixel = np.divmod(np.unique(keys), cube.n_pixels)
        return cls(frame, pixel, (cube.grid.n, cube.grid.n))

    def __len__(self) -> int:
        return len(self.frame)

    def taken_from(self, cube: SparseCube) -> SparseCube:
        """`cube` without these cells."""
        if not len(self):
            return cube
        kept = ~np.isin(cube.keys, self.frame * cube.n_pixels + self.pixel, assume_unique=True)
        return SparseCube(cube.grid, cube.frames, cube.band, cube.keys[kept], cube.counts[kept])

    def remaining(self, values: FloatArray, known: ExposureClasses) -> FloatArray:
        """Sum of `values` (n_frames,) over the frames of each class that remain in each pixel.

        Shape (n_class, N, N), or (n_class, 1, 1) when no cell is dropped.
        """
        sums = known.sums(values)[:, None, None]
        if not len(self):
            return sums
        size = self.shape[0] * self.shape[1]
        plane = known.of_frame[self.frame].astype(np.int64) + 1
        lost = np.bincount(
            plane * size + self.pixel, weights=values[self.frame], minlength=(known.n + 1) * size
        )
        left = sums - lost.reshape(known.n + 1, *self.shape)[1:]
        # What rounding leaves of nothing is nothing.
        return np.where(left > 1e-9 * sums, left, 0.0)

    def hidden(self, shares: FloatArray, known: ExposureClasses) -> FloatArray | float:
        """Sum over the cells dropped in each frame (n_frames,) of `shares` (n_class, N, N) of its class."""
        if not len(self):
            return 0.0
        plane = np.maximum(known.of_frame, 0)[self.frame]
        weights = shares.reshape(known.n, -1)[plane, self.pixel]
        return np.asarray(np.bincount(self.frame, weights=weights, minlength=len(known.of_frame)), np.float64)
