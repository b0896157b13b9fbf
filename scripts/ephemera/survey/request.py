"""Place the requests of a batch with a survey that works for hours, such as ZTF's forced photometry.

Reads the batch. Makes a list of what was requested when; `survey_fetch` collects the results, in this run
where they are ready and else in a later one. What is on disk or was requested before is not requested again.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ephemera.files import json_text, write_text
from ephemera.survey.outcomes import SourceError
from ephemera.survey.parquet_tables import read_table
from ephemera.survey.store import raw_path
from ephemera.survey.ztf_forced_archive import ForcedAsker

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)


def main(job: Job) -> None:
    """Place the requests of one batch; sources that cannot be requested are told by the collection."""
    settings = job.settings
    asker = ForcedAsker(settings)
    placed: dict[str, str] = {}
    for row in read_table(job.input.batch).to_pylist():
        path = raw_path(
            Path(settings.data_root),
            asker.survey,
            row["name"],
            row["ra"],
            minutes=settings.ra_minutes,
            seconds=settings.ra_seconds,
        )
        if settings.offline or path.exists():
            continue
        try:
            note = asker.place(row)
        except SourceError as error:
            log.warning("%s: %s", row["name"], error)
            continue
        if note is not None:
            placed[row["name"]] = note["placed_utc"]
    write_text(job.output.placed, json_text(placed))
    log.info("%d requests are placed", len(placed))
