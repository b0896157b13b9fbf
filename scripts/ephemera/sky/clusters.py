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
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist, pdist

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
    linkage: Literal["single", "complete"] = "single",  # noqa: A002
) -> IntArray:
    """Label of the cluster of each detection, int64.

    Labels count from 0 in order of the clusters' first members, members being ordered by right ascension in
    [0, 360), then declination: a permutation of the detections permutes the labels and changes none. With
    `linkage="complete"` single-linkage clusters are divided so that no two members are farther apart
    than the radius. Raises ValueError for positions that are none and a radius that is not in (0, 180 deg).
    """
    raise NotImplementedError
