"""How pure what was found is: 1 - false alarms expected / found, by run and by selection of flags.

Reads the runs and detections of a project and what was found in draws and shuffled events of its
observations. Makes a table of purities, a table of all false alarms, and a figure of those found against
those expected.

By run the false ones are `n_false_expected` and the found ones are cells, the unit in which it is given. Over
the project, and by selection of flags, they are detections: the mean number of them in a draw (for all) or in
shuffled events (for every selection, since only events have raw pixels and cameras).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ephemera.tables import read, write
from ephemera.xmm.catalogue_columns import CATALOGUE_DETECTIONS
from ephemera.xmm.completeness_columns import FALSE_ALARMS, PURITY
from ephemera.xmm.flag_selections import selected
from ephemera.xmm.run_columns import RUNS

if TYPE_CHECKING:
    from ephemera.job import Job

Row = dict[str, Any]


def purity(n_found: float, n_false: float) -> float | None:
    """1 - n_false / n_found, not below 0; None when nothing was found."""
    return max(0.0, 1 - n_false / n_found) if n_found else None


def run_purities(runs: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Rows of PURITY for every run that was searched, in cells."""
    rows = []
    for run in runs:
        if run["n_false_expected"] is None:
            continue
        found = (run["n_peaks"] or 0) + (run["n_eclipses"] or 0)
        rows.append(
            {
                "scope": "run", "runid": run["runid"], "sigma": run["threshold_sigma"], "selection": "all",
                "method": "expected", "n_found": found, "n_false": run["n_false_expected"],
                "purity": purity(found, run["n_false_expected"]),
            }
        )  # fmt: skip
    return rows


def project_purities(
    detections: Sequence[Mapping[str, Any]], alarms: Sequence[Mapping[str, Any]], threshold: float
) -> list[Row]:
    """Rows of PURITY over all observations that have draws or shuffled events, in detections.

    Draws are judged at any significance, detections are kept above `threshold`: below it there is no purity.
    """
    rows = []
    for method in ("poisson", "shuffled"):
        mine = [row for row in alarms if row["method"] == method and row["mode"] == "main"]
        tested = {row["obsid"] for row in mine}
        for sigma in sorted({row["sigma"] for row in mine if row["sigma"] >= threshold}):
            strong = [d for d in detections if d["obsid"] in tested and (d["best_sigma"] or 0) >= sigma]
            found = selected(strong)
            here = [row for row in mine if row["sigma"] == sigma]
            for selection in dict.fromkeys(row["selection"] for row in here):
                false = sum(
                    row["n_regions_found"] / row["n_draws"] for row in here if row["selection"] == selection
                )
                rows.append(
                    {
                        "scope": "project", "sigma": sigma, "selection": selection, "method": method,
                        "n_found": found[selection], "n_false": false,
                        "purity": purity(found[selection], false),
                    }
                )  # fmt: skip
    return rows


def main(job: Job) -> None:
    """Write purities and all false alarms of a project, and the figure of false alarms."""
    from ephemera.xmm.completeness_figures import draw_false_alarms  # figures need 0.5 s to load

    alarms = pa.concat_tables([read(path, FALSE_ALARMS) for path in job.input.false_alarms])
    runs = read(job.input.runs, RUNS).to_pylist()
    detections = read(job.input.detections, CATALOGUE_DETECTIONS).to_pylist()
    threshold = max((run["threshold_sigma"] or 0.0 for run in runs), default=0.0)
    rows = run_purities(runs) + project_purities(detections, alarms.to_pylist(), threshold)
    write(rows, PURITY, job.output.purity)
    write(alarms, FALSE_ALARMS, job.output.false_alarms)
    draw_false_alarms(job.output.figure, alarms.to_pylist())
