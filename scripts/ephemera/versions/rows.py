"""Rows of two catalogues that are the same thing: near on the sky, at the same time.

Two rows may be one when they lie within a radius and their times (moments or ranges) are no further apart
than a tolerance. Among all such pairs those with more equal identifiers come first, then the nearest;
each row is used once. A row without a position meets only others without; an unknown time meets any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.spatial import KDTree

from ephemera.sky.sphere import angle_arcsec, chord, unit_vectors

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Places:
    """Where and when the n rows of a table are: degrees, days, and identifiers as texts, each (n,)."""

    ra: FloatArray
    dec: FloatArray
    start: FloatArray
    stop: FloatArray
    identifiers: Sequence[npt.NDArray[np.object_]] = ()

    @property
    def middle(self) -> FloatArray:
        """Middle of the time of each row, days."""
        return (self.start + self.stop) / 2


@dataclass(frozen=True)
class Matches:
    """Rows of A and of B that are the same (paired), with separations in arcsec; and those left over."""

    in_a: IntArray
    in_b: IntArray
    separation: FloatArray
    only_a: IntArray
    only_b: IntArray


def match(a: Places, b: Places, radius_arcsec: float, tolerance_days: float) -> Matches:
    """One-to-one matches of the rows of two tables.

    Raises ValueError when the radius or the tolerance is negative.
    """
    for name, value in (("radius_arcsec", radius_arcsec), ("tolerance_days", tolerance_days)):
        if not value >= 0:
            msg = f"{name} must be zero or more, got {value}"
            raise ValueError(msg)
    i, j, separation = _near(a, b, radius_arcsec)
    gap = np.fmax(np.fmax(b.start[j] - a.stop[i], a.start[i] - b.stop[j]), 0.0)
    gap = np.nan_to_num(gap, nan=0.0)
    near = gap <= tolerance_days
    i, j, separation = i[near], j[near], separation[near]
    different = np.zeros(len(i), np.int64)
    for of_a, of_b in zip(a.identifiers, b.identifiers, strict=True):
        different += of_a[i] != of_b[j]
    apart = np.nan_to_num(np.abs(a.middle[i] - b.middle[j]), nan=0.0)
    order = np.lexsort((j, i, separation, apart, different))
    chosen = _one_to_one(i[order], j[order], len(a.ra), len(b.ra))
    pairs = order[chosen]
    pairs = pairs[np.argsort(i[pairs], kind="stable")]
    return Matches(
        in_a=i[pairs],
        in_b=j[pairs],
        separation=separation[pairs],
        only_a=np.setdiff1d(np.arange(len(a.ra)), i[pairs]),
        only_b=np.setdiff1d(np.arange(len(b.ra)), j[pairs]),
    )


def _near(a: Places, b: Places, radius_arcsec: float) -> tuple[IntArray, IntArray, FloatArray]:
    """Pairs (row of A, row of B) within the radius, and their separations in arcsec."""
    if not len(a.ra) or not len(b.ra):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    trees = [KDTree(_vectors(places)) for places in (a, b)]
    # Rounding must not lose pairs at zero distance.
    reach = chord(min(radius_arcsec, 3600 * 180)) + 1e-12
    found = trees[0].sparse_distance_matrix(trees[1], reach, output_type="ndarray")
    i, j = found["i"].astype(np.int64), found["j"].astype(np.int64)
    return i, j, angle_arcsec(found["v"])


def _vectors(places: Places) -> FloatArray:
    """Unit vectors of the rows; the centre of the sphere for rows without a position."""
    known = np.isfinite(places.ra) & np.isfinite(places.dec)
    vectors = np.zeros((len(known), 3))
    vectors[known] = unit_vectors(places.ra[known], places.dec[known])
    return vectors


def _one_to_one(i: IntArray, j: IntArray, n_a: int, n_b: int) -> IntArray:
    """Indices of pairs taken in order whenever neither row is taken yet."""
    free_a, free_b = np.ones(n_a, bool), np.ones(n_b, bool)
    chosen = []
    for k, (row, other) in enumerate(zip(i.tolist(), j.tolist(), strict=True)):
        if free_a[row] and free_b[other]:
            free_a[row] = free_b[other] = False
            chosen.append(k)
    return np.array(chosen, np.int64)
