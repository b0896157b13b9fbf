"""Axes of histograms, given by the centres of their bins.

Closed axes run from start to stop in steps; edges lie half a step to either side of a centre. Open axes
hold only the bins that occurred, multiples of the step from their start, and grow when histograms are
added. Text axes hold the names that occurred.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Bin numbers of values that no closed axis holds.
UNDER, OVER, UNKNOWN = -1, -2, -3


@dataclass(frozen=True)
class ClosedAxis:
    """Bins with centres start, start + step, ..., start + (n - 1) step."""

    name: str
    start: float
    step: float
    n: int
    unit: str = ""

    @property
    def centres(self) -> FloatArray:
        """Centres of the bins, rounded to what the step can tell."""
        return np.round(self.start + self.step * np.arange(self.n), 9)

    def bins(self, values: npt.ArrayLike) -> IntArray:
        """Bin number of each value, or UNDER, OVER, UNKNOWN (NaN). Lower edges belong to a bin."""
        with np.errstate(invalid="ignore", over="ignore"):
            position = (np.asarray(values, np.float64) - self.start) / self.step
            position += 0.5
        np.floor(position, out=position)
        np.clip(position, UNDER, self.n, out=position)
        position[position == self.n] = OVER
        position[np.isnan(position)] = UNKNOWN
        return position.astype(np.int64)

    def union(self, other: ClosedAxis) -> ClosedAxis:
        """The same axis; raises ValueError when it is another."""
        if self != other:
            msg = f"axis {self.name}: histograms to add must have one axis, got {self} and {other}"
            raise ValueError(msg)
        return self


@dataclass(frozen=True)
class OpenAxis:
    """Bins with centres start + k step for the numbers `k` that occurred, ascending."""

    name: str
    start: float
    step: float
    k: tuple[int, ...] = ()
    unit: str = ""

    @property
    def centres(self) -> FloatArray:
        """Centres of the bins that occurred."""
        return np.round(self.start + self.step * np.array(self.k, np.float64), 9)

    def union(self, other: OpenAxis) -> OpenAxis:
        """Bins of both; raises ValueError for another step or phase."""
        if (self.name, self.start, self.step, self.unit) != (other.name, other.start, other.step, other.unit):
            msg = f"axis {self.name}: start and step must agree, got {self} and {other}"
            raise ValueError(msg)
        return OpenAxis(self.name, self.start, self.step, tuple(sorted({*self.k, *other.k})), self.unit)


@dataclass(frozen=True)
class TextAxis:
    """Names that occurred, in alphabetical order."""

    name: str
    labels: tuple[str, ...] = ()

    def union(self, other: TextAxis) -> TextAxis:
        """Names of both."""
        return TextAxis(self.name, tuple(sorted({*self.labels, *other.labels})))
