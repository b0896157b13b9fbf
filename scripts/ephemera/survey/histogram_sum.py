"""Add the histograms of all batches.

Reads the histograms of batches and makes their sum, which does not depend on their order or on how sources
were dealt out to them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from ephemera.survey.histogram_arrays import Histogram, add
from ephemera.survey.histogram_files import load, save

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)


def total_of(histograms: Iterable[Histogram]) -> Histogram:
    """Sum of one or more histograms, taken one by one.

    Sums of equally many are added to each other, as in a binary counter: the lists of sources are joined a
    few times instead of once a histogram, and only a few sums are in memory. Raises ValueError for none.
    """
    waiting: list[tuple[int, Histogram]] = []
    for histogram in histograms:
        rank, total = 0, histogram
        while waiting and waiting[-1][0] == rank:
            total = add(waiting.pop()[1], total)
            rank += 1
        waiting.append((rank, total))
    if not waiting:
        msg = "there are no histograms to add"
        raise ValueError(msg)
    _, total = waiting.pop()
    while waiting:
        total = add(waiting.pop()[1], total)
    return total


def main(job: Job) -> None:
    """Write the sum."""
    total = total_of(map(load, job.input.histograms))
    save(total, job.output.histogram)
    log.info("%d histograms, %d sources", len(job.input.histograms), len(total.sources))
