"""The few pixels of a stamp that all numbers are made from: its path, its edges, its outer columns.

Sums over the whole stamp are not needed: of 16 x 524 pixels some 16 x 41 enter. Everything here equals what
follows from the full arrays of `Stamp` with `snr.measure`, which the tests compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ephemera.cosmic.beamform import FloatArray, Voltages, coherent, phasors
from ephemera.cosmic.snr import PathStatistics, edge_columns, inside, outer_columns, path_statistics
from ephemera.cosmic.stamp import Stamp

IntArray = npt.NDArray[np.int64]


class Pixels(NamedTuple):
    """A quantity on the path (time, ...) and in the columns of the cut (time, column, ...)."""

    path: npt.NDArray[np.float64]
    columns: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cut:
    """Voltages of live antennas on the path (time, polarisation, antenna) and in some columns.

    `steps` are the time steps at which the path is inside, `path` its columns there; `edges` and `outer`
    (2, k) are places in `columns`.
    """

    stamp: Stamp
    antennas: IntArray
    steps: IntArray
    path: IntArray
    columns: IntArray
    edges: IntArray
    outer: IntArray
    on_path: Voltages
    in_columns: Voltages

    def statistics(self, pixels: Pixels) -> PathStatistics:
        """Path against edges of a power; more axes, such as antennas, come after time."""
        on_path = np.moveaxis(pixels.path, 0, -1)
        columns = np.moveaxis(pixels.columns, (0, 1), (-2, -1))
        return path_statistics(on_path, columns[..., self.edges], columns[..., self.outer])

    def powers(self) -> Pixels:
        """|V|^2 of each polarisation and antenna."""
        return Pixels(_square(self.on_path), _square(self.in_columns))

    def beam(self, number: int, *, unit: bool = False) -> Pixels:
        """Power of a coherent beam; `unit` takes only the phases of its coefficients."""
        stamp, recipe = self.stamp, self.stamp.recipe
        assert recipe is not None
        gains = recipe.calibration(stamp.calibration_channel)[:, self.antennas]
        if unit:
            size = np.abs(gains)
            gains = np.divide(gains, size, out=np.zeros_like(gains), where=size > 0)
        ghz = stamp.frequencies_mhz * 1e-3
        rows = stamp.recipe_rows()[self.steps]
        delays = recipe.delays[:, number][:, self.antennas]
        phases = phasors(ghz[self.path], delays[rows])
        on_path = coherent(self.on_path, gains * phases[:, np.newaxis])
        in_columns = np.empty(self.in_columns.shape[:2])
        for row in np.unique(rows):
            weights = gains * phasors(ghz[self.columns], delays[row])[:, np.newaxis]
            in_columns[rows == row] = coherent(self.in_columns[rows == row], weights)
        return Pixels(on_path, in_columns)


def cut_of(stamp: Stamp, per_side: int) -> Cut | None:
    """The cut of a stamp; None without a path, or without room for edges beside it."""
    path = stamp.path()
    if path is None:
        return None
    n_chan = stamp.metadata.numChannels
    edges = edge_columns(path, n_chan, per_side)
    steps = np.flatnonzero(inside(path, n_chan))
    if edges is None or len(steps) == 0:
        return None
    outer = outer_columns(n_chan, per_side)
    columns = np.unique(np.concatenate((edges.ravel(), outer.ravel())))
    antennas = np.flatnonzero(stamp.live_antennas)
    on_path, in_columns = _gather(stamp, steps, path[steps], columns)
    if len(antennas) < stamp.metadata.numAntennas:
        on_path, in_columns = on_path[..., antennas], in_columns[..., antennas]
    return Cut(
        stamp=stamp,
        antennas=antennas,
        steps=steps,
        path=path[steps],
        columns=columns,
        edges=np.searchsorted(columns, edges),
        outer=np.searchsorted(columns, outer),
        on_path=on_path,
        in_columns=in_columns,
    )


def _gather(stamp: Stamp, steps: IntArray, path: IntArray, columns: IntArray) -> tuple[Voltages, Voltages]:
    """Voltages on the path and in the columns, 0 where they are not finite."""
    voltages, bad = stamp.voltages, stamp.bad_pixels
    on_path = voltages[steps, path]
    in_columns = voltages[steps[:, np.newaxis], columns]
    if bad is not None:
        on_path[bad[steps, path]] = 0
        in_columns[bad[steps[:, np.newaxis], columns]] = 0
    return on_path, in_columns


def _square(voltages: Voltages) -> FloatArray:
    squared: FloatArray = np.square(voltages.real, dtype=np.float64)
    squared += np.square(voltages.imag, dtype=np.float64)
    return squared
