"""Turn the raw rows of a batch into light curves: one survey, filter, object and season each.

Reads the batch, the statuses of its raw files and the files themselves, whose checksums must be those that
were recorded. Makes the light curves and the outcome of each source; a source that cannot be used is a row
of the outcomes and stops nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ephemera.files import sha256_of
from ephemera.survey.columns import OUTCOME
from ephemera.survey.curve_files import write_curves
from ephemera.survey.light_curve import LightCurve
from ephemera.survey.outcomes import SourceError, Status
from ephemera.survey.parquet_tables import read_table, table_of_rows, write_table
from ephemera.survey.plugins import check_failures
from ephemera.survey.reducing import reduce_raw
from ephemera.survey.store import read_raw

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: How a raw file comes back.
FETCH_AGAIN = "fetch it again: add --forcerun survey_fetch to the command"
USABLE = (Status.OK.value, Status.STALE.value)


def reduce_source(entry: Mapping[str, Any], row: Mapping[str, Any], settings: Any) -> list[LightCurve]:
    """Light curves of one source. Raises SourceError or ValueError when its rows cannot be used."""
    path = Path(entry["path"])
    if not path.exists():
        msg = f"{path} is not there any more; {FETCH_AGAIN}"
        raise SourceError(msg)
    if sha256_of(path) != entry["sha256"]:
        msg = f"{path} is not the file that was recorded: its checksum differs; remove it and {FETCH_AGAIN}"
        raise SourceError(msg)
    return reduce_raw(entry["survey"], read_raw(path), row, settings)


def main(job: Job) -> None:
    """Reduce one batch of one survey."""
    rows = {row["name"]: row for row in read_table(job.input.batch).to_pylist()}
    curves: list[LightCurve] = []
    outcomes: list[dict[str, Any]] = []
    failures: list[str] = []
    for entry in read_table(job.input.raw).to_pylist():
        outcome = {name: entry[name] for name in ("source", "survey", "status", "reason")}
        found: list[LightCurve] = []
        if entry["status"] in USABLE:
            try:
                found = reduce_source(entry, rows[entry["source"]], job.settings)
            except (SourceError, ValueError) as error:
                log.warning("%s: %s", entry["source"], error)
                outcome |= {"status": Status.ERROR.value, "reason": str(error)}
                failures.append(f"{entry['source']}: {error}")
        curves += found
        outcomes.append({**outcome, "n_curves": len(found)})
    if job.settings.survey_plugin is not None:
        check_failures("sources", failures, len(outcomes), job.settings.max_failures)
    curves.sort(key=lambda curve: curve.curve_id)
    write_curves(curves, job.output.curves)
    write_table(table_of_rows(OUTCOME, outcomes), "outcome", job.output.outcomes)
    log.info("%d light curves of %d sources", len(curves), len(outcomes))
