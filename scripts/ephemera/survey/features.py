"""Describe every light curve of a batch by numbers, and, where asked for, look for its period.

Reads reduced light curves. Makes the table of features with one row a light curve; undefined numbers are
null, and no light curve, however short or odd, stops the batch.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ephemera.survey.curve_files import read_curves
from ephemera.survey.describing import FEATURES, Extractor, feature_row, prepared
from ephemera.survey.judging import finite, search_curve, search_of
from ephemera.survey.light_curve import LightCurve
from ephemera.survey.outcomes import SourceError
from ephemera.survey.parquet_tables import read_table, table_of_rows, write_table
from ephemera.survey.periods import Series, find_boxes, find_period
from ephemera.survey.plugins import finder_of, quality_of

if TYPE_CHECKING:
    from ephemera.config.survey import Features as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)


def period_columns(curve: LightCurve, shortest: float, longest: float, n_terms: int = 1) -> dict[str, Any]:
    """Columns of the period search of one light curve."""
    usable = curve.usable
    series = Series(*prepared(curve.mjd[usable], curve.flux[usable], curve.flux_err[usable]))
    columns: dict[str, Any] = {}
    best = find_period([series], shortest, longest, n_terms)
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
    by_name = {row["name"]: row for row in read_table(job.input.batch).to_pylist()}
    search = search_of(
        job.settings, job.wildcards.survey, quality_of(job.settings, by_name), finder_of(job.settings)
    )
    extractor = Extractor(settings.library)
    rows = []
    for curve in read_curves(job.input.curves):
        try:
            searched = search_curve(curve, search)
        except SourceError as error:
            log.warning("%s: %s", curve.curve_id, error)
            continue
        periods = None
        if settings.periods:
            periods = period_columns(curve, settings.min_period, settings.max_period, settings.period_terms)
        rows.append(feature_row(searched, extractor, periods=periods))
    write_table(table_of_rows(FEATURES, rows), "features", job.output.features)
    log.info("%d light curves described", len(rows))
