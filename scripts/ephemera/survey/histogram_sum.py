"""Add the histograms of all batches.

Reads the histograms of batches and makes their sum, which does not depend on their order or on how sources
were dealt out to them.
"""

from __future__ import annotations

import logging
from functools import reduce
from typing import TYPE_CHECKING

from ephemera.survey.histogram_arrays import add
from ephemera.survey.histogram_files import load, save

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)


def main(job: Job) -> None:
    """Write the sum."""
    total = reduce(add, map(load, job.input.histograms))
    save(total, job.output.histogram)
    log.info("%d histograms, %d sources", len(job.input.histograms), len(total.sources))
