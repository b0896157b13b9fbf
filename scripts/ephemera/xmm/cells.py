"""Significant cells: the pixels and frames in which counts are too many or too few.

`Cells` is what detection makes and what regions, clean-up and the merging of shifted grids read.
`counts_at` looks up the counts of arbitrary cells, empty ones included, in a sparse cube.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from ephemera.xmm.observation import BoolArray, FloatArray, IntArray
from ephemera.xmm.sparse_cube import SparseCube


class Kind(enum.IntEnum):
    """What a significant cell is; the value is the code stored with each cell."""

    PEAK = 0
    ECLIPSE = 1


@dataclass(frozen=True)
class Cells:
    """Significant cells of one run as parallel arrays, sorted by (frame, j, i, kind).

    `i`, `j`, `frame` int64: pixel column (from X), pixel row (from Y), frame, all from 0;
    `kind` int8, a `Kind`; `n` int64 observed and `mu` float64 expected counts;
    `log10_b` float64 log10 of the Bayes factor of this kind; `sigma` float64 its equivalent in sigma.
    """

    i: IntArray
    j: IntArray
    frame: IntArray
    kind: npt.NDArray[np.int8]
    n: IntArray
    mu: FloatArray
    log10_b: FloatArray
    sigma: FloatArray

    def __post_init__(self) -> None:
        lengths = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"columns of cells must have one length, got {lengths}")

    def __len__(self) -> int:
        return len(self.i)

    @property
    def is_peak(self) -> BoolArray:
        """Which cells are peaks."""
        return np.asarray(self.kind == Kind.PEAK)

    @property
    def is_eclipse(self) -> BoolArray:
        """Which cells are eclipses."""
        return np.asarray(self.kind == Kind.ECLIPSE)

    def keys(self, side: int) -> IntArray:
        """Cell keys (frame * side + j) * side + i on a grid of `side` by `side` pixels."""
        return (self.frame * side + self.j) * side + self.i

    def take(self, index: npt.NDArray[np.integer] | BoolArray | slice) -> Cells:
        """Cells at `index` (an index array, a boolean mask or a slice), in that order."""
        return Cells(*(getattr(self, field.name)[index] for field in fields(self)))

    @classmethod
    def empty(cls) -> Cells:
        """No cells, with the declared dtypes."""
        return cls(
            i=np.empty(0, "i8"), j=np.empty(0, "i8"), frame=np.empty(0, "i8"), kind=np.empty(0, "i1"),
            n=np.empty(0, "i8"), mu=np.empty(0), log10_b=np.empty(0), sigma=np.empty(0),
        )  # fmt: skip

    @classmethod
    def merge(cls, parts: Sequence[Cells]) -> Cells:
        """All cells of `parts` in the order of the class."""
        columns = [np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(cls)]
        joined = cls(*columns)
        return joined.take(np.lexsort((joined.kind, joined.i, joined.j, joined.frame)))


def counts_at(cube: SparseCube, keys: IntArray) -> IntArray:
    """Counts of the cells with these keys, 0 for empty cells; int64, same shape as `keys`.

    Keys outside the cube (negative, or beyond its last frame) count 0 as well.
    """
    if len(cube.keys) == 0:
        return np.zeros(np.shape(keys), dtype=np.int64)
    place = np.minimum(np.searchsorted(cube.keys, keys), len(cube.keys) - 1)
    return np.where(cube.keys[place] == keys, cube.counts[place], 0).astype(np.int64)
