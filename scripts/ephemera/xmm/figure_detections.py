"""Detections as figures show them: places on the sky, boxes on images, which light curves are drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.sky import regions as ds9
from ephemera.sky.clusters import cluster
from ephemera.sky.tan import Plane
from ephemera.xmm.grid import Axis, PixelGrid
from ephemera.xmm.observation import FloatArray, IntArray

#: Detections closer than this, arcsec, are at one place on the sky.
PLACE_ARCSEC = 20.0
#: Columns of the corners of a box, and the axes on which they lie.
_CORNERS: tuple[tuple[str, Axis], ...] = (("x0", "x"), ("y0", "y"), ("x1", "x"), ("y1", "y"))


@dataclass(frozen=True, eq=False)
class Detections:
    """Columns of `region_columns.REGION_COLUMNS`, one row a detection of any run of an observation."""

    columns: Mapping[str, npt.NDArray[Any]]

    def __len__(self) -> int:
        return len(self.columns["detid"])

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.columns[name]

    @cached_property
    def sigma(self) -> FloatArray:
        """Significance of each, 0 where it is not known."""
        return np.nan_to_num(self["best_sigma"].astype(np.float64))

    @cached_property
    def place(self) -> IntArray:
        """Number of the place of each: from 1, in order of the most significant detection there."""
        if not len(self):
            return np.empty(0, np.int64)
        label = cluster(self["ra"], self["dec"], PLACE_ARCSEC)
        best = np.zeros(label.max() + 1)
        np.maximum.at(best, label, self.sigma)
        number = np.empty(len(best), np.int64)
        number[np.argsort(-best, kind="stable")] = np.arange(1, len(best) + 1)
        return number[label]

    def most_significant(self, most: int) -> IntArray:
        """Rows of at most `most` detections: the best one of every place first, then the second best ones.

        A bright burst is found in all runs; so it does not fill all figures of an observation.
        """
        order = np.lexsort((-self.sigma, self.place))
        place = self.place[order]
        first = np.searchsorted(place, place)
        turn = np.arange(len(order)) - first
        return order[np.lexsort((-self.sigma[order], turn))][:most]

    def edges(self, rows: IntArray, grid: PixelGrid) -> FloatArray:
        """Left, bottom, right and top (4, rows) of the boxes on `grid`, sky coordinates X, Y."""
        corners = [grid.centre(self[name][rows], axis) for name, axis in _CORNERS]
        # An index names the centre of its pixel; its lower edge is half a pixel below.
        return np.array(corners) - grid.width / 2


def region_file(detections: Detections, planes: Mapping[int, Plane], grids: Mapping[int, PixelGrid]) -> str:
    """DS9 region file (fk5) with the box of every detection, named by its detid.

    `planes` are the tangent planes of the subsets, `grids` the grids by number.
    """
    parts = [ds9.HEADER]
    for subset in sorted(set(detections["subset"].tolist())):
        for number in sorted(set(detections["grid"].tolist())):
            rows = np.flatnonzero((detections["subset"] == subset) & (detections["grid"] == number))
            if len(rows):
                left, bottom, right, top = detections.edges(rows, grids[number])
                kinds, names = detections["type"][rows], detections["detid"][rows]
                text = ds9.boxes(left, bottom, right, top, kinds, names, plane=planes[subset])
                parts.append(text.removeprefix(ds9.HEADER))
    return "".join(parts)
