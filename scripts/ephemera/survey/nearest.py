"""Nearest rows of a catalogue on the sphere: unit vectors in a tree, so that no pole and no RA is an edge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.sky.motion import moved
from ephemera.sky.sphere import angle_arcsec, chord, unit_vectors

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


class Sky:
    """Positions that can be asked for their nearest row."""

    def __init__(self, ra_deg: npt.ArrayLike, dec_deg: npt.ArrayLike) -> None:
        from scipy.spatial import cKDTree

        self.vectors = unit_vectors(ra_deg, dec_deg)
        # Cells cut at the middle of their box are faster to build and as fast to ask on the sphere.
        self._tree = cKDTree(self.vectors, balanced_tree=False, compact_nodes=False)

    def nearest(
        self, ra_deg: npt.ArrayLike, dec_deg: npt.ArrayLike, radius_arcsec: float = 2.0
    ) -> tuple[IntArray, FloatArray]:
        """Row nearest to each position and the separation (arcsec); -1 and inf beyond the radius."""
        wanted = np.atleast_2d(unit_vectors(np.atleast_1d(ra_deg), np.atleast_1d(dec_deg)))
        if len(self.vectors) == 0:
            return np.full(len(wanted), -1), np.full(len(wanted), np.inf)
        limit = chord(radius_arcsec) * (1 + 1e-12)
        distance, row = self._tree.query(wanted, distance_upper_bound=limit)
        found = np.isfinite(distance)
        separation = np.where(found, angle_arcsec(np.where(found, distance, 0.0)), np.inf)
        return np.where(found, row, -1).astype(np.int64), separation

    def pairs(self, radius_arcsec: float) -> IntArray:
        """Pairs of rows (k, 2) closer than the radius."""
        return np.asarray(self._tree.query_pairs(chord(radius_arcsec), output_type="ndarray"), np.int64)


def at_epoch(row: Mapping[str, Any], epoch: float) -> tuple[float, float]:
    """Position of a catalogue row (deg) moved to `epoch` (Julian year), where its motion is known."""
    pmra, pmdec = row.get("pmra") or 0.0, row.get("pmdec") or 0.0
    if not (pmra or pmdec):
        return float(row["ra"]), float(row["dec"])
    ra, dec = moved([row["ra"]], [row["dec"]], [pmra], [pmdec], [epoch - float(row.get("epoch") or epoch)])
    return float(ra[0]), float(dec[0])
