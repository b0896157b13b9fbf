"""Rows of the tables that the search of one run fills: detections and significant cells."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ephemera.xmm.bayes import REPORTED_QUANTILES, eclipse_counts, peak_counts
from ephemera.xmm.cells import Cells
from ephemera.xmm.clean_up import Reason
from ephemera.xmm.connected_regions import Columns, Regions
from ephemera.xmm.light_curves import LightCurves
from ephemera.xmm.observation import FloatArray
from ephemera.xmm.sparse_cube import SparseCube

#: Columns of the quantiles of the counts of a peak or eclipse.
QUANTILES = dict(zip(("counts_q16", "counts_q50", "counts_q84"), REPORTED_QUANTILES, strict=True))


def region_table(regions: Regions, positions: Columns, curves: LightCurves) -> Columns:
    """Columns of `REGION_COLUMNS` for all regions of a run; `positions` may hold more than positions."""
    significance = {"lc_sigma_peak": curves.lc_sigma_peak, "lc_sigma_eclipse": curves.lc_sigma_eclipse}
    return regions.columns | positions | significance


def cell_table(
    cells: Cells, reason: npt.NDArray[np.int8], cube: SparseCube, runid: str, regions: Regions
) -> Columns:
    """Columns of `CELL_COLUMNS` for all significant cells of a run, those rejected included.

    `reason` is the clean-up's verdict on each cell; `regions` were made from the cells that it keeps.
    Raises ValueError when the numbers of cells disagree.
    """
    kept = reason == Reason.KEPT
    if len(reason) != len(cells) or int(kept.sum()) != len(regions.cell_region):
        raise ValueError(
            f"reason must keep the {len(regions.cell_region)} cells of regions out of {len(cells)}, "
            f"got {int(kept.sum())} out of {len(reason)}"
        )
    detid = np.full(len(cells), None, dtype=object)
    detid[kept] = regions["detid"][regions.cell_region]
    why = np.array([None if code == Reason.KEPT else code.name.lower() for code in Reason], dtype=object)
    kinds = np.array(["peak", "eclipse"], dtype=object)
    edges = cube.frames.edges
    columns: Columns = {
        "runid": np.full(len(cells), runid, dtype=object),
        "detid": detid,
        "i": cells.i.astype(np.int32),
        "j": cells.j.astype(np.int32),
        "frame": cells.frame.astype(np.int32),
        "x": cube.grid.centre(cells.i, "x"),
        "y": cube.grid.centre(cells.j, "y"),
        "time": (edges[cells.frame] + edges[cells.frame + 1]) / 2,
        "type": kinds[cells.kind],
        "n": cells.n.astype(np.int32),
        "mu": cells.mu,
        "logB": cells.log10_b,
        "sigma": cells.sigma,
        "rejected": why[reason],
    }
    return columns | {name: _count_quantile(cells, p) for name, p in QUANTILES.items()}


def _count_quantile(cells: Cells, p: float) -> FloatArray:
    """Quantile `p` of the counts above (peaks) or below (eclipses) the expectation."""
    counts = np.empty(len(cells))
    for mine, quantile in ((cells.is_peak, peak_counts), (cells.is_eclipse, eclipse_counts)):
        counts[mine] = quantile(p, cells.n[mine], cells.mu[mine])
    return counts
