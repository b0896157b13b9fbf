"""Efficiencies of the search in bins of what was injected, and rates of events or limits on them.

Reads injections and detections of all batches and the summed histogram, whose live times are the exposure.
Makes the tables efficiency and rates. A bin without injections has no efficiency and is left out of the
rate, and how much exposure that concerns is told.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ephemera.confidence import wilson
from ephemera.seeds import generator
from ephemera.survey.columns import DETECTION, EFFICIENCY, INJECTION, RATES
from ephemera.survey.efficiency import efficiency, rate_of
from ephemera.survey.histogram_arrays import Histogram
from ephemera.survey.histogram_files import load
from ephemera.survey.judging import finite
from ephemera.survey.light_curve import DAY
from ephemera.survey.parquet_tables import join, parquet_schema, table_of_rows, write_table

if TYPE_CHECKING:
    from ephemera.config.survey import Rates as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]


def _numbers(table: pa.Table, name: str) -> FloatArray:
    return np.asarray(table[name].cast(pa.float64()).to_numpy(), np.float64)


def _texts(table: pa.Table, name: str) -> npt.NDArray[Any]:
    return np.asarray(table[name].to_pylist(), object)


def groups_of(injections: pa.Table) -> list[tuple[str, str, str, int]]:
    """Combinations of survey, filter, shape and sign that were injected, in order."""
    names = ("survey", "filter", "shape", "sign")
    return sorted(set(zip(*(injections[name].to_pylist() for name in names), strict=True)))


def members(injections: pa.Table, group: tuple[str, str, str, int]) -> npt.NDArray[np.bool_]:
    """Which injections belong to a combination."""
    survey, filter_name, shape, sign = group
    return np.asarray(
        (_texts(injections, "survey") == survey)
        & (_texts(injections, "filter") == filter_name)
        & (_texts(injections, "shape") == shape)
        & (_numbers(injections, "sign") == sign),
        bool,
    )


def efficiency_rows(
    injections: pa.Table, histogram: Histogram, widths: Sequence[float], amplitudes: Sequence[float]
) -> list[dict[str, Any]]:
    """Rows of the table `efficiency`: every bin of a combination that was injected, also empty ones."""
    rows = []
    mags = histogram.mag.centres
    for group in groups_of(injections):
        mine = members(injections, group)
        w = np.searchsorted(widths, _numbers(injections, "width_d")[mine], side="right") - 1
        a = np.searchsorted(amplitudes, _numbers(injections, "amplitude")[mine], side="right") - 1
        w[_numbers(injections, "width_d")[mine] == widths[-1]] = len(widths) - 2
        a[_numbers(injections, "amplitude")[mine] == amplitudes[-1]] = len(amplitudes) - 2
        m = histogram.mag.bins(_numbers(injections, "mag")[mine])
        recovered = np.asarray(injections["recovered"].to_numpy(zero_copy_only=False), bool)[mine]
        shape = (len(widths) - 1, len(amplitudes) - 1, len(mags))
        inside = (w >= 0) & (w < shape[0]) & (a >= 0) & (a < shape[1]) & (m >= 0)
        n, k = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        np.add.at(n, (w[inside], a[inside], m[inside]), 1)
        np.add.at(k, (w[inside], a[inside], m[inside]), recovered[inside].astype(np.int64))
        for i, j, at in product(*map(range, shape)):
            tried, got = int(n[i, j, at]), int(k[i, j, at])
            low, high = wilson(got, tried)
            rows.append(
                {
                    **dict(zip(("survey", "filter", "shape", "sign"), group, strict=True)),
                    "width_low": float(widths[i]),
                    "width_high": float(widths[i + 1]),
                    "amplitude_low": float(amplitudes[j]),
                    "amplitude_high": float(amplitudes[j + 1]),
                    "mag": float(mags[at]),
                    "n": tried,
                    "k": got,
                    "efficiency": finite(efficiency(got, tried)),
                    "low": finite(low),
                    "high": finite(high),
                }
            )
    return rows


def rate_rows(
    injections: pa.Table, detections: pa.Table, histogram: Histogram, seed: int
) -> list[dict[str, Any]]:
    """Rows of the table `rates`: for each combination the events of its survey, filter and sign.

    Efficiencies are those of each bin of magnitude, over all widths and amplitudes injected.
    """
    rows = []
    passed = ~np.asarray(detections["quality_flag"].to_numpy(zero_copy_only=False), bool)
    for group in groups_of(injections):
        survey, filter_name, _, sign = group
        mine = members(injections, group)
        bins = histogram.mag.bins(_numbers(injections, "mag")[mine])
        recovered = np.asarray(injections["recovered"].to_numpy(zero_copy_only=False), bool)[mine]
        inside = bins >= 0
        n = np.bincount(bins[inside], minlength=histogram.mag.n)
        k = np.bincount(bins[inside], recovered[inside], minlength=histogram.mag.n)
        column = (
            histogram.filter.labels.index(filter_name) if filter_name in histogram.filter.labels else None
        )
        exposure = np.zeros(histogram.mag.n) if column is None else histogram.exposure[:, column] / DAY
        real = (
            (_texts(detections, "survey") == survey)
            & (_texts(detections, "filter") == filter_name)
            & (_numbers(detections, "sign") == sign)
        )
        rng = generator(seed, "survey.rates", *group)
        lit = exposure > 0
        rate = rate_of(int(np.count_nonzero(real & passed)), exposure[lit], k[lit], n[lit], rng)
        rows.append(
            {
                **dict(zip(("survey", "filter", "shape", "sign"), group, strict=True)),
                "n_events": rate.count,
                "exposure": float(exposure.sum()),
                "effective_exposure": rate.effective_exposure,
                "without_injections": rate.without_injections,
                "rate": finite(rate.rate),
                "low": finite(rate.low),
                "high": finite(rate.high),
                "limit_95": finite(rate.limit),
                "efficiency_error": finite(rate.efficiency_error),
            }
        )
    return rows


def main(job: Job) -> None:
    """Write efficiencies and rates of a project."""
    settings: Settings = job.settings
    histogram = load(job.input.histogram)
    injections = join(job.input.injections, parquet_schema(INJECTION))
    detections = join(job.input.detections, parquet_schema(DETECTION))
    found = efficiency_rows(injections, histogram, settings.width_edges, settings.amplitude_edges)
    write_table(table_of_rows(EFFICIENCY, found), "efficiency", job.output.efficiency)
    rates = rate_rows(injections, detections, histogram, settings.seed)
    write_table(table_of_rows(RATES, rates), "rates", job.output.rates)
    log.info("%d injections in %d bins, %d rates", len(injections), len(found), len(rates))
