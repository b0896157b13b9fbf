"""Describe every light curve of a batch by numbers, and, where asked for, look for its period.

Reads reduced light curves and the events found in them. Makes the table of features with one row a light
curve that was searched; undefined numbers are null, and no light curve, however odd, stops the batch.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from ephemera.survey.curve_files import read_photometry
from ephemera.survey.describing import Extractor, feature_table, usable_epochs
from ephemera.survey.judging import finite
from ephemera.survey.light_curve import Photometry
from ephemera.survey.own_features import prepared
from ephemera.survey.parquet_tables import read_table, write_table
from ephemera.survey.periods import Series, find_boxes, find_period

if TYPE_CHECKING:
    from ephemera.config.survey import Features as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)


def period_columns(curve: Photometry, shortest: float, longest: float, n_terms: int = 1) -> dict[str, Any]:
    """Columns of the period search of one light curve; none where it is too long for the shortest period."""
    epochs = prepared(*usable_epochs(curve))
    series = Series(epochs.time, epochs.flux, epochs.error)
    columns: dict[str, Any] = {}
    try:
        best = find_period([series], shortest, longest, n_terms)
    except ValueError as error:
        log.warning("%s: no period searched: %s", curve.curve_id, error)
        return {}
    if best is not None:
        columns = {
            "period": finite(best.period),
            "period_power": finite(best.power),
            "period_false_alarm": finite(best.false_alarm),
            "period_alias": ",".join(best.aliases),
        }
    boxes = find_boxes(series, shortest, longest) or {}
    return columns | {name: finite(value) for name, value in boxes.items()}


def main(job: Job) -> None:
    """Describe one batch of one survey."""
    settings: Settings = job.settings
    searched = set(read_table(job.input.searched, ["curve_id"])["curve_id"].to_pylist())
    curves = [curve for curve in read_photometry(job.input.curves) if curve.curve_id in searched]
    signs: dict[str, list[int]] = defaultdict(list)
    for row in read_table(job.input.detections, ["curve_id", "sign"]).to_pylist():
        signs[row["curve_id"]].append(row["sign"])
    periods = None
    if settings.periods:
        limits = (settings.min_period, settings.max_period, settings.period_terms)
        periods = [period_columns(curve, *limits) for curve in curves]
    of_curves = [signs[curve.curve_id] for curve in curves]
    table = feature_table(curves, of_curves, Extractor(settings.library), periods=periods)
    write_table(table, "features", job.output.features)
    log.info("%d light curves described", len(curves))
