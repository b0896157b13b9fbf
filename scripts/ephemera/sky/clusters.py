"""Detections that are one source: clustering on the sphere and the position of each cluster.

Single linkage: detections closer than the radius are joined, and clusters are the connected components of
these joins. The answer does not depend on the order of the detections, and is the same at right ascension 0
and at the poles, because distances are chords between unit vectors.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ephemera.sky.sphere import angle_arcsec, chord, positions, unit_vectors
from ephemera.sky.tan import wrap_degrees

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: Members farther apart than this, in arcsec, make a source a chain.
CHAIN_ARCSEC = 40.0
#: Pairs that are listed at once; crowds with more are joined cell by cell in bounded memory.
MOST_PAIRS = 20_000_000
#: Members of one component that complete linkage can divide: its distance matrix takes 8 n^2 / 2 bytes.
MOST_COMPLETE = 10_000
#: Distances computed at once.
MOST_DISTANCES = 4_000_000


@dataclass(frozen=True)
class Sources:
    """Clusters as parallel arrays, in order of their label (`label` ascending).

    `ra`, `dec` in degrees are the normalised mean unit vector weighted by 1 / poserr^2; `poserr` in arcsec is
    1 / sqrt(sum 1 / poserr^2), members taken as independent; `n_members`; `max_sep_arcsec`, the largest
    separation of two members; `chain`, whether that exceeds 40 arcsec.
    """

    label: IntArray
    ra: FloatArray
    dec: FloatArray
    poserr: FloatArray
    n_members: IntArray
    max_sep_arcsec: FloatArray
    chain: BoolArray


def cluster(
    ra_deg: npt.ArrayLike,
    dec_deg: npt.ArrayLike,
    radius_arcsec: float,
    linkage: Literal["single", "complete"] = "single",
) -> IntArray:
    """Label of the cluster of each detection, int64.

    Labels count from 0 in order of the clusters' first members, members being ordered by right ascension in
    [0, 360), then declination: a permutation of the detections permutes the labels and changes none. With
    `linkage="complete"` single-linkage clusters are divided so that no two members of a part are farther
    apart than the radius. Raises ValueError for positions that are none, a radius outside (0, 180 deg), an
    unknown linkage, and for complete linkage of more than `MOST_COMPLETE` joined detections.
    """
    vectors = unit_vectors(ra_deg, dec_deg)
    if vectors.ndim != 2:
        msg = f"ra_deg and dec_deg must be one-dimensional, got shape {vectors.shape[:-1]}"
        raise ValueError(msg)
    if not 0 < radius_arcsec < 180 * 3600:
        msg = f"radius_arcsec must be positive and below 180 degrees, got {radius_arcsec!r}"
        raise ValueError(msg)
    if linkage not in ("single", "complete"):
        msg = f"linkage must be 'single' or 'complete', got {linkage!r}"
        raise ValueError(msg)
    if len(vectors) == 0:
        return np.empty(0, np.int64)
    limit = chord(radius_arcsec)
    order = np.lexsort((np.asarray(dec_deg, float), wrap_degrees(ra_deg)))
    vectors = vectors[order]
    # Equal positions are taken once: trees of many equal points are slow.
    new = np.append(True, np.any(vectors[1:] != vectors[:-1], axis=1))
    components = _components(vectors[new], limit)
    if linkage == "complete":
        components = _divided(vectors[new], components, limit)
    labels = np.empty(len(vectors), np.int64)
    labels[order] = _numbered(components)[np.cumsum(new) - 1]
    return labels


def sources(
    ra_deg: npt.ArrayLike, dec_deg: npt.ArrayLike, poserr_arcsec: npt.ArrayLike, labels: npt.ArrayLike
) -> Sources:
    """Position, error and extent of each cluster; see `Sources`.

    `poserr_arcsec` is the radial 1 sigma error of each detection, `labels` as `cluster` gives them (any
    integers). Raises ValueError for unequal lengths and errors that are not positive.
    """
    vectors = unit_vectors(ra_deg, dec_deg)
    poserr, labels = np.asarray(poserr_arcsec, float), np.asarray(labels, np.int64)
    if not len(vectors) == len(poserr) == len(labels):
        lengths = f"{len(vectors)}, {len(poserr)}, {len(labels)}"
        msg = f"ra_deg, poserr_arcsec and labels must be of one length, got {lengths}"
        raise ValueError(msg)
    if not np.all(np.isfinite(poserr) & (poserr > 0)):
        msg = f"poserr_arcsec must be positive and finite, got {poserr[~(poserr > 0) | np.isinf(poserr)][0]}"
        raise ValueError(msg)
    label, number = np.unique(labels, return_inverse=True)
    weight = poserr**-2.0
    sums = [np.bincount(number, weight * axis, len(label)) for axis in vectors.T]
    ra, dec = positions(np.stack(sums, axis=-1))
    separation = angle_arcsec(_largest_chords(vectors, number, len(label)))
    return Sources(
        label=label,
        ra=ra,
        dec=dec,
        poserr=np.power(np.bincount(number, weight, len(label)), -0.5),
        n_members=np.bincount(number, minlength=len(label)),
        max_sep_arcsec=separation,
        chain=separation > CHAIN_ARCSEC,
    )


def _components(vectors: FloatArray, limit: float) -> IntArray:
    """Connected components of the points with joins shorter than the chord `limit`."""
    tree = cKDTree(vectors)
    if tree.count_neighbors(tree, limit) <= 2 * MOST_PAIRS:
        links = tree.query_pairs(limit, output_type="ndarray")
    else:
        links = _crowd_links(vectors, limit)
    n = len(vectors)
    graph = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _crowd_links(vectors: FloatArray, limit: float) -> IntArray:
    """Joins (k, 2) that connect what all joins would, without listing the pairs of a crowd.

    Points of one cubic cell of side limit / 2 are all closer than the limit and are joined in a row; two
    cells are joined once, by their closest pair of points, if that is closer than the limit.
    """
    side = limit / 2
    cells, number = np.unique(np.floor(vectors / side).astype(np.int64), axis=0, return_inverse=True)
    order = np.argsort(number, kind="stable")
    inside = number[order[:-1]] == number[order[1:]]
    rows = np.stack([order[:-1][inside], order[1:][inside]], axis=1)
    members = np.split(order, np.flatnonzero(np.diff(number[order])) + 1)
    trees = [cKDTree(vectors[member]) for member in members]
    reach = limit + np.sqrt(3) * side
    between = []
    for a, b in cKDTree((cells + 0.5) * side).query_pairs(reach, output_type="ndarray"):
        distance, nearest = trees[a].query(vectors[members[b]])
        closest = int(np.argmin(distance))
        if distance[closest] <= limit:
            between.append((members[a][nearest[closest]], members[b][closest]))
    return np.concatenate([rows, np.array(between, np.int64).reshape(-1, 2)])


def _divided(vectors: FloatArray, components: IntArray, limit: float) -> IntArray:
    """Components divided by complete linkage where their extent exceeds the limit."""
    from scipy.cluster import hierarchy  # rarely used and slow to import

    parts = components.copy()
    n_components = int(components.max()) + 1
    wide = np.flatnonzero(_largest_chords(vectors, components, n_components) > limit)
    for component in wide:
        members = np.flatnonzero(components == component)
        if len(members) > MOST_COMPLETE:
            msg = f"complete linkage divides at most {MOST_COMPLETE} joined detections, got {len(members)}"
            raise ValueError(msg)
        tree = hierarchy.linkage(vectors[members], "complete")
        parts[members] = parts.max() + hierarchy.fcluster(tree, limit, "distance")
    return parts


def _numbered(components: IntArray) -> IntArray:
    """Components renumbered from 0 in order of first appearance."""
    _, first, number = np.unique(components, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[number]


def _largest_chords(vectors: FloatArray, number: IntArray, n_clusters: int) -> FloatArray:
    """Largest distance of two members of each cluster; all clusters of one size are taken together."""
    order = np.argsort(number, kind="stable")
    grouped = vectors[order]
    sizes = np.bincount(number, minlength=n_clusters)
    starts = np.cumsum(sizes) - sizes
    largest = np.zeros(n_clusters)
    for size in np.unique(sizes[sizes > 1]):
        which = np.flatnonzero(sizes == size)
        if size**2 > MOST_DISTANCES:
            for one in which:
                rim = _rim(grouped[starts[one] : starts[one] + size])
                largest[one] = _extent(rim[None])[0]
            continue
        step = max(1, MOST_DISTANCES // int(size) ** 2)
        for at in range(0, len(which), step):
            some = which[at : at + step]
            points = grouped[starts[some][:, None] + np.arange(size)]
            largest[some] = _extent(points)
    return largest


def _rim(points: FloatArray) -> FloatArray:
    """Those of m points (m, 3), equal ones once, that can belong to the pair farthest apart.

    With R the largest distance from the mean and D that of some pair, both points of the farthest pair are at
    least D - R from the mean, or the triangle inequality would make them closer than D.
    """
    from_mean = np.linalg.norm(points - points.mean(axis=0), axis=1)
    farthest = int(np.argmax(from_mean))
    known = np.linalg.norm(points - points[farthest], axis=1).max()
    far_out: BoolArray = from_mean >= (known - from_mean[farthest]) * (1 - 1e-9)
    return np.unique(points[far_out], axis=0)


def _extent(points: FloatArray) -> FloatArray:
    """Largest distance within each of g groups of m points (g, m, 3), in bounded memory."""
    n_groups, size, _ = points.shape
    squared = np.zeros(n_groups)
    step = max(1, MOST_DISTANCES // (n_groups * size))
    for at in range(0, size, step):
        apart = points[:, at : at + step, None, :] - points[:, None, :, :]
        np.maximum(squared, np.einsum("gijk,gijk->gij", apart, apart).max(axis=(1, 2)), out=squared)
    return np.sqrt(squared)
