"""What was put into observations, simulated ones or by injection, against what the search found there.

Reads the truth of each simulated observation and the detections of the catalogue, and what was injected into
observations with what each search found of it. A burst or eclipse is found when a detection of its kind lies
within the match radius and its significant frames overlap the time of the burst or eclipse. Makes one row for
each simulated burst and eclipse with its most significant match; of the injections the completeness in bins,
the fluences at which 50 % and 90 % are found, bias and pull, what shifted grids and a second pass gain and
cost, and figures.

`python -m ephemera.xmm.recover TABLE` prints the table of the simulated ones.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ephemera.confidence import poisson_range
from ephemera.sky.sphere import separation_arcsec
from ephemera.tables import TableDeclaration, arrays, read, write
from ephemera.xmm.catalogue_columns import CATALOGUE_DETECTIONS
from ephemera.xmm.completeness import bias_rows, completeness_rows, fluence_rows, mode_rows, tried
from ephemera.xmm.completeness_columns import (
    BIASES,
    COMPLETENESS,
    FALSE_ALARMS,
    FLUENCES,
    RECOVERY,
    SEARCH_MODES,
)
from ephemera.xmm.flag_selections import judged
from ephemera.xmm.injection_columns import FOUND, INJECTIONS

if TYPE_CHECKING:
    from ephemera.config.xmm_completeness import Recover as RecoverSettings
    from ephemera.job import Job

log = logging.getLogger(__name__)

Columns = Mapping[str, npt.NDArray[Any]]
#: Columns of the detections that are looked at, beside the significance in the sense of the truth.
USED = ("detid", "obsid", "type", "ra", "dec", "t_start", "t_stop", "counts_excess_q50")


def injected(truth: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Bursts and eclipses of one observation as rows of the table, without what was found."""
    common = {"obsid": truth["obsid"]}
    rows = [
        common | _place(item) | {"kind": "peak", "counts_asked": item["asked"], "counts_kept": item["kept"]}
        for item in truth["bursts"]
    ]
    removed = [
        (item, {"counts_asked": item["removed"], "counts_kept": item["removed"]})
        for item in truth["eclipses"]
    ]
    return rows + [common | _place(item) | {"kind": "eclipse"} | counts for item, counts in removed]


def _place(item: Mapping[str, Any]) -> dict[str, Any]:
    names = {"id": "id", "ra": "ra", "dec": "dec", "t_start": "start", "t_stop": "stop"}
    return {name: item[key] for name, key in names.items()}


def match(row: Mapping[str, Any], columns: Columns, radius_arcsec: float) -> dict[str, Any]:
    """`row` completed by the detection that matches it and is most significant as what it is of."""
    sigma = columns[f"sigma_{row['kind']}"]
    separation = separation_arcsec(columns["ra"], columns["dec"], row["ra"], row["dec"])
    here = (columns["obsid"] == row["obsid"]) & np.isin(columns["type"], [row["kind"], "both"])
    overlap = (columns["t_start"] < row["t_stop"]) & (columns["t_stop"] > row["t_start"])
    matches = np.flatnonzero(here & overlap & (separation <= radius_arcsec))
    found = {"found": len(matches) > 0, "n_runs": len(matches)}
    if len(matches):
        best = matches[np.lexsort((columns["detid"][matches], -sigma[matches]))[0]]
        found |= {
            "detid": columns["detid"][best],
            "sigma": sigma[best],
            "separation": separation[best],
            "counts_excess": columns["counts_excess_q50"][best],
        }
    return dict(row) | found


def recovery_rows(job: Job) -> list[dict[str, Any]]:
    """Rows of RECOVERY of all simulated observations of a project; none without a catalogue of them."""
    truths = [json.loads(path.read_text(encoding="utf-8")) for path in job.input.truths]
    detections = read(job.input.detections, CATALOGUE_DETECTIONS)
    columns = arrays(detections, [*USED, "sigma_peak", "sigma_eclipse"])
    radius = job.settings.radius_arcsec
    return [match(row, columns, radius) for truth in truths for row in injected(truth)]


def joined(paths: Sequence[Path], declaration: TableDeclaration) -> Columns:
    """Columns of one table over all observations; missing numbers are NaN, missing texts None."""
    parts = [declaration.empty(), *(read(path, declaration) for path in paths)]
    return arrays(pa.concat_tables(parts))


def with_false_alarms(rows: Sequence[Mapping[str, Any]], alarms: Columns) -> list[dict[str, Any]]:
    """Rows of SEARCH_MODES with the detections in a search of shuffled events, over all runs."""
    complete = []
    for row in rows:
        mine = (alarms["method"] == "shuffled") & (alarms["mode"] == row["mode"])
        mine &= (alarms["selection"] == "all") & (alarms["sigma"] == row["sigma"])
        if mine.any():
            shuffles, found = int(alarms["n_draws"][mine].max()), int(alarms["n_regions_found"][mine].sum())
            searches = shuffles * len(set(alarms["obsid"][mine].tolist()))
            low, high = poisson_range(found)
            row = dict(row) | {
                "n_shuffles": searches, "false_per_search": found / searches,
                "false_low": low / searches, "false_high": high / searches,
            }  # fmt: skip
        complete.append(dict(row))
    return complete


def main(job: Job) -> None:
    """Write what was recovered of a project, in tables and figures."""
    from ephemera.xmm.completeness_figures import draw_recovery  # figures need 0.5 s to load

    settings: RecoverSettings = job.settings
    sigmas = judged(settings.sigmas, job.settings.threshold_sigma)
    if sigmas != settings.sigmas:
        log.warning(
            "the search keeps nothing below %g sigma: judged at %s", job.settings.threshold_sigma, sigmas
        )
    injections, found = joined(job.input.injections, INJECTIONS), joined(job.input.found, FOUND)
    alarms = joined(job.input.false_alarms, FALSE_ALARMS)
    seen = list(tried(injections, found))
    modes = with_false_alarms(mode_rows(seen, sigmas), alarms)
    products = (
        (recovery_rows(job), RECOVERY, job.output.recovery),
        (completeness_rows(seen, sigmas), COMPLETENESS, job.output.completeness),
        (fluence_rows(seen, sigmas), FLUENCES, job.output.fluences),
        (bias_rows(injections, found), BIASES, job.output.biases),
        (modes, SEARCH_MODES, job.output.search_modes),
    )
    for rows, declaration, path in products:
        write(rows, declaration, path)
    draw_recovery(job.output.figures, {declaration.name: rows for rows, declaration, _ in products}, seen)


def report(rows: Sequence[Mapping[str, Any]]) -> str:
    """The table for a terminal."""
    lines = ["observation  kind     counts   length  found  runs  sigma   offset  excess"]
    for row in rows:
        length = row["t_stop"] - row["t_start"]
        line = f"{row['obsid']:11}  {row['kind']:8} {row['counts_kept']:6d} {length:6.0f} s"
        if row["found"]:
            line += f"  {'yes':5} {row['n_runs']:5d} {row['sigma']:6.1f}"
            line += f' {row["separation"]:7.1f}" {row["counts_excess"]:7.0f}'
        else:
            line += "  NO"
        lines.append(line)
    found = sum(bool(row["found"]) for row in rows)
    return "\n".join([*lines, f"{found} of {len(rows)} injected bursts and eclipses found"]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(report(read(Path(sys.argv[1]), RECOVERY).to_pylist()))
