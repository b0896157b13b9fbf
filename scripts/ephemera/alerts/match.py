"""Which locus each detection belongs to: the kernel of the association, on arrays.

Existing loci are matched by their means as they were at the start of the night (a KD-tree of unit
vectors). What is left founds new loci in canonical order, each alert joining the nearest running mean of
this night within its radius. Alerts with no other near them found a locus at once; only the rest is gone
through one by one, on a grid of cells twice the radius wide, so that the time is linear in the alerts.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.sky.sphere import ARCSEC_PER_RADIAN, angle_arcsec, chord

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


#: Separations that differ by less are equal; the smaller founding key then wins.
TIE_ARCSEC = 1e-6
#: A detection can only join a mean that has members within this many radii of it.
_REACH = 3.0


@dataclass(frozen=True)
class Matches:
    """For each detection the index of its locus (-1 for none) and its separation from the mean, arcsec.

    `n_candidates` counts the loci within the radius, `second` is the separation of the second; NaN where
    there is none.
    """

    index: IntArray
    separation: FloatArray
    n_candidates: IntArray
    second: FloatArray


def _tree(vectors: FloatArray) -> Any:
    """KD-tree that is quick to build; imported here because few steps need it."""
    from scipy.spatial import cKDTree

    return cKDTree(vectors, balanced_tree=False, compact_nodes=False)


class Index:
    """The means of existing loci, to be asked for what is near; built once for any number of batches."""

    def __init__(self, means: FloatArray, founders: Sequence[str]) -> None:
        self.means, self.founders = means, founders
        self.tree = _tree(means) if len(means) else None

    def match(self, vectors: FloatArray, radius_arcsec: FloatArray) -> Matches:
        """Nearest locus of each unit vector (n, 3) within its radius (n,), arcsec."""
        n = len(vectors)
        index, separation = np.full(n, -1, np.int64), np.full(n, np.nan)
        second, count = np.full(n, np.nan), np.zeros(n, np.int64)
        if self.tree is None or n == 0:
            return Matches(index, separation, count, second)
        limit = chord(radius_arcsec)
        distance, near = self.tree.query(
            vectors, k=[1, 2], distance_upper_bound=float(limit.max()) * (1 + 1e-12)
        )
        joined = distance[:, 0] <= limit
        two = joined & (distance[:, 1] <= limit)
        index[joined], separation[joined] = near[joined, 0], angle_arcsec(distance[joined, 0])
        count[joined] = 1
        second[two] = angle_arcsec(distance[two, 1])
        for k in np.flatnonzero(two).tolist():
            candidates = self.tree.query_ball_point(vectors[k], limit[k])
            count[k] = len(candidates)
            index[k] = self._first_of_ties(vectors[k], candidates)
        return Matches(index, separation, count, second)

    def _first_of_ties(self, vector: FloatArray, candidates: list[int]) -> int:
        apart = angle_arcsec(np.linalg.norm(self.means[candidates] - vector, axis=1))
        nearest = [c for c, a in zip(candidates, apart, strict=True) if a <= apart.min() + TIE_ARCSEC]
        return min(nearest, key=lambda c: self.founders[c])


def found(
    vectors: FloatArray, radius_arcsec: FloatArray, keys: Sequence[str], weights: FloatArray
) -> Matches:
    """New loci of detections in canonical order: numbers from 0 in order of founding.

    A founder has separation 0 and is its own only candidate.
    """
    n = len(vectors)
    alone = ~_has_neighbour(vectors, radius_arcsec)
    group = np.flatnonzero(~alone)
    part = found_one_by_one(
        vectors[group], radius_arcsec[group], [keys[k] for k in group.tolist()], weights[group]
    )
    founder = alone.copy()
    is_founder = np.zeros(len(group), bool)
    is_founder[np.unique(part.index, return_index=True)[1]] = True
    founder[group] = is_founder
    number = np.cumsum(founder) - 1
    index = number.copy()
    index[group] = number[group[is_founder]][part.index]
    separation, second = np.zeros(n), np.full(n, np.nan)
    count = np.ones(n, np.int64)
    separation[group], second[group], count[group] = part.separation, part.second, part.n_candidates
    return Matches(index, separation, count, second)


def _has_neighbour(vectors: FloatArray, radius_arcsec: FloatArray) -> BoolArray:
    """Whether another detection is so near that the two could share a locus."""
    if len(vectors) < 2:
        return np.zeros(len(vectors), bool)
    reach = chord(_REACH * float(radius_arcsec.max()))
    distance, _ = _tree(vectors).query(vectors, k=2, distance_upper_bound=reach)
    return np.asarray(np.isfinite(distance[:, 1]))


def found_one_by_one(
    vectors: FloatArray, radius_arcsec: FloatArray, keys: Sequence[str], weights: FloatArray
) -> Matches:
    """As `found`, one detection after the other, on a grid of cells twice the largest radius wide."""
    n = len(vectors)
    index, separation = np.empty(n, np.int64), np.zeros(n)
    count, second = np.ones(n, np.int64), np.full(n, np.nan)
    if n == 0:
        return Matches(index, separation, count, second)
    limits = chord(radius_arcsec).tolist()
    step = 2 * max(limits)
    cells: defaultdict[tuple[int, int, int], list[int]] = defaultdict(list)
    means: list[tuple[float, float, float]] = []
    sums: list[tuple[float, float, float]] = []
    founders: list[str] = []
    weight_list = weights.tolist()
    for k, (x, y, z) in enumerate(vectors.tolist()):
        near = []
        for cell in _cells_around(x / step, y / step, z / step):
            for j in cells.get(cell, ()):
                a, b, c = means[j]
                d = math.sqrt((a - x) ** 2 + (b - y) ** 2 + (c - z) ** 2)
                if d <= limits[k]:
                    near.append((d, j))
        w = weight_list[k]
        if not near:
            index[k] = len(means)
            cells[math.floor(x / step), math.floor(y / step), math.floor(z / step)].append(len(means))
            means.append((x, y, z))
            sums.append((w * x, w * y, w * z))
            founders.append(keys[k])
            continue
        near.sort()
        tie = near[0][0] + TIE_ARCSEC / ARCSEC_PER_RADIAN
        j = min((j for d, j in near if d <= tie), key=lambda j: founders[j])
        index[k], separation[k] = j, float(angle_arcsec(near[0][0]))
        count[k] = len(near)
        if len(near) > 1:
            second[k] = float(angle_arcsec(near[1][0]))
        a, b, c = sums[j]
        a, b, c = a + w * x, b + w * y, c + w * z
        sums[j] = a, b, c
        _move(cells, means, j, (a, b, c), step)
    return Matches(index, separation, count, second)


def _cells_around(x: float, y: float, z: float) -> itertools.product[tuple[int, int, int]]:
    """The eight cells that hold everything within half a cell of a point."""
    i, j, k = math.floor(x), math.floor(y), math.floor(z)
    return itertools.product(
        (i, i + 1 if x - i >= 0.5 else i - 1), (j, j + 1 if y - j >= 0.5 else j - 1),
        (k, k + 1 if z - k >= 0.5 else k - 1),
    )  # fmt: skip


def _move(
    cells: defaultdict[tuple[int, int, int], list[int]], means: list[tuple[float, float, float]], j: int,
    total: tuple[float, float, float], step: float,
) -> None:  # fmt: skip
    """Give a locus its new mean, and its place on the grid."""
    length = math.sqrt(total[0] ** 2 + total[1] ** 2 + total[2] ** 2)
    old, new = means[j], (total[0] / length, total[1] / length, total[2] / length)
    before = math.floor(old[0] / step), math.floor(old[1] / step), math.floor(old[2] / step)
    after = math.floor(new[0] / step), math.floor(new[1] / step), math.floor(new[2] / step)
    if before != after:
        cells[before].remove(j)
        cells[after].append(j)
    means[j] = new


def found_reference(
    vectors: FloatArray, radius_arcsec: FloatArray, keys: Sequence[str], weights: FloatArray
) -> IntArray:
    """What `found` must equal, written for reading: every detection is compared with every new locus."""
    sums: list[FloatArray] = []
    founders: list[str] = []
    index = np.empty(len(vectors), np.int64)
    for k, vector in enumerate(vectors):
        apart = [float(angle_arcsec(np.linalg.norm(s / np.linalg.norm(s) - vector))) for s in sums]
        near = [j for j, a in enumerate(apart) if a <= radius_arcsec[k]]
        if near:
            best = min(apart[j] for j in near)
            index[k] = min((j for j in near if apart[j] <= best + TIE_ARCSEC), key=lambda j: founders[j])
            sums[index[k]] = sums[index[k]] + weights[k] * vector
        else:
            index[k] = len(sums)
            sums.append(weights[k] * vector)
            founders.append(keys[k])
    return index


def close_pairs(means: FloatArray, reach_arcsec: float) -> list[tuple[int, int, float]]:
    """Pairs of loci whose means are within `reach_arcsec`: indices (smaller first) and separation."""
    if len(means) < 2:
        return []
    pairs = _tree(means).query_pairs(chord(reach_arcsec), output_type="ndarray")
    apart = angle_arcsec(np.linalg.norm(means[pairs[:, 0]] - means[pairs[:, 1]], axis=1))
    return sorted((int(min(a, b)), int(max(a, b)), float(s)) for (a, b), s in zip(pairs, apart, strict=True))


def groups_of(pairs: Sequence[tuple[int, int, float]], n: int) -> IntArray:
    """Number of the connected group of each of `n` loci."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows, columns = (np.array([p[k] for p in pairs], np.int64) for k in (0, 1))
    graph = coo_matrix((np.ones(len(pairs)), (rows, columns)), (n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)
