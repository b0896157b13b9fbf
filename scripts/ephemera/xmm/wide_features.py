"""Wide features of the light curves of an observation: a number of shapes for classification.

Reads the file of light curves. Makes one table with a row for each detection, to be joined by detid with the
table of detections. What the numbers are: `wide_statistics`.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.tables import write
from ephemera.xmm.light_curve_files import read_light_curves
from ephemera.xmm.wide_columns import WIDE_FEATURES, WIDE_NAMES
from ephemera.xmm.wide_statistics import Curve, wide_features

if TYPE_CHECKING:
    import pyarrow as pa

    from ephemera.job import Job

log = logging.getLogger(__name__)


def exposed_curve(table: pa.Table, detid: str) -> Curve:
    """The exposed frames of one light curve of the file."""
    columns = {name: table[name].to_numpy() for name in ("n", "mu", "exposure", "bti")}
    on = (columns["exposure"] > 0) & np.isfinite(columns["mu"])
    n, mu, exposure = (columns[name][on].astype(np.float64) for name in ("n", "mu", "exposure"))
    return Curve(n, mu, exposure, columns["bti"][on].astype(np.bool_), detid)


def main(job: Job) -> None:
    """Write the wide features of one observation."""
    rows: list[dict[str, Any]] = [
        {"detid": detid} | wide_features(exposed_curve(table, detid))
        for detid, table in read_light_curves(job.input.light_curves)
    ]
    columns: dict[str, Any] = {"detid": [row["detid"] for row in rows]}
    columns |= {name: np.array([row.get(name, np.nan) for row in rows], np.float64) for name in WIDE_NAMES}
    write(columns, WIDE_FEATURES, job.output.wide_features)
    log.info("%s: %d curves, %d numbers each", job.wildcards.obsid, len(rows), len(WIDE_NAMES))
