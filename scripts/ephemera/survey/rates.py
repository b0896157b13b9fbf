"""Efficiencies of the search in bins of what was injected, and rates of events or limits on them.

Reads injections, detections and light curves of all batches, the magnitudes of the sources and the axes of
the summed histogram. Makes the tables efficiency and rates. The exposure is the live time of usable epochs,
as in the histogram, but of each survey by itself: two surveys may have filters of one name. A bin without
injections has no efficiency and is left out of the rate, and how much exposure that concerns is told.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ephemera.confidence import wilson
from ephemera.seeds import generator
from ephemera.survey.columns import CURVE, DETECTION, EFFICIENCY, INJECTION, RATES
from ephemera.survey.efficiency import efficiency, rate_of
from ephemera.survey.histogram_files import load
from ephemera.survey.judging import finite
from ephemera.survey.light_curve import DAY
from ephemera.survey.parquet_tables import join, read_table, table_of_rows, write_table

if TYPE_CHECKING:
    from ephemera.config.survey import Rates as Settings
    from ephemera.job import Job
    from ephemera.survey.histogram_axes import ClosedAxis

log = logging.getLogger(__name__)

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Columns that are read.
OF_INJECTIONS = ("survey", "filter", "shape", "sign", "width_d", "amplitude", "mag", "recovered")
OF_DETECTIONS = ("survey", "filter", "sign", "quality_flag", "simulated")
OF_CURVES = ("source", "survey", "filter", "live")

#: A combination of survey, filter, shape and sign.
Group = tuple[str, str, str, int]


@dataclass(frozen=True)
class Injections:
    """Injections in parallel arrays; `number` tells which of `groups` each belongs to."""

    groups: Sequence[Group]
    number: npt.NDArray[np.int64]
    width: FloatArray
    amplitude: FloatArray
    mag: FloatArray
    recovered: BoolArray

    def of(self, number: int) -> Injections:
        """Those of one combination."""
        mine = self.number == number
        names = ("number", "width", "amplitude", "mag", "recovered")
        return Injections(self.groups, **{name: getattr(self, name)[mine] for name in names})


def injections_of(table: pa.Table) -> Injections:
    """Injections of a table, which needs the columns used here only."""
    names = ("survey", "filter", "shape", "sign")
    encoded = [table[name].combine_chunks().dictionary_encode() for name in names]
    number = np.zeros(len(table), np.int64)
    for column in encoded:
        number = number * max(len(column.dictionary), 1) + column.indices.to_numpy(zero_copy_only=False)
    present, first, number = np.unique(number, return_index=True, return_inverse=True)
    groups = [tuple(table[name][int(at)].as_py() for name in names) for at in first]
    order = sorted(range(len(present)), key=groups.__getitem__)
    rank = np.empty(len(present), np.int64)
    rank[order] = np.arange(len(present))
    return Injections(
        [groups[k] for k in order],
        rank[number] if len(table) else np.zeros(0, np.int64),
        _numbers(table, "width_d"),
        _numbers(table, "amplitude"),
        _numbers(table, "mag"),
        np.asarray(table["recovered"].to_numpy(zero_copy_only=False), bool),
    )


def _numbers(table: pa.Table, name: str) -> FloatArray:
    return np.asarray(table[name].cast(pa.float64()).to_numpy(), np.float64)


def exposure_of(curves: pa.Table, sources: pa.Table, mag: ClosedAxis) -> dict[tuple[str, str], FloatArray]:
    """Live time of usable epochs (d) by survey and filter, in bins of catalogue magnitude."""
    at = pc.index_in(curves["source"], value_set=sources["name"].combine_chunks())
    bins = (
        mag.bins(_numbers(sources, "mag"))[at.to_numpy(zero_copy_only=False)] if len(curves) else np.zeros(0)
    )
    live = _numbers(curves, "live")
    names = [curves[name].combine_chunks().dictionary_encode() for name in ("survey", "filter")]
    codes = [column.indices.to_numpy(zero_copy_only=False) for column in names]
    found = {}
    for survey, filter_name in product(*(range(len(column.dictionary)) for column in names)):
        mine = (codes[0] == survey) & (codes[1] == filter_name) & (bins >= 0)
        key = (names[0].dictionary[survey].as_py(), names[1].dictionary[filter_name].as_py())
        found[key] = np.bincount(bins[mine].astype(np.int64), live[mine], minlength=mag.n) / DAY
    return found


def efficiency_rows(
    injections: Injections, mag: ClosedAxis, widths: Sequence[float], amplitudes: Sequence[float]
) -> list[dict[str, Any]]:
    """Rows of the table `efficiency`: every bin of a combination that was injected, also empty ones."""
    rows = []
    outside = 0
    for number, group in enumerate(injections.groups):
        mine = injections.of(number)
        w, a, m = _bin(mine.width, widths), _bin(mine.amplitude, amplitudes), mag.bins(mine.mag)
        shape = (len(widths) - 1, len(amplitudes) - 1, mag.n)
        inside = (w >= 0) & (w < shape[0]) & (a >= 0) & (a < shape[1]) & (m >= 0)
        outside += int(np.count_nonzero(~inside))
        n, k = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        np.add.at(n, (w[inside], a[inside], m[inside]), 1)
        np.add.at(k, (w[inside], a[inside], m[inside]), mine.recovered[inside].astype(np.int64))
        for i, j, at in product(*map(range, shape)):
            rows.append(
                {
                    **_names(group),
                    "width_low": float(widths[i]),
                    "width_high": float(widths[i + 1]),
                    "amplitude_low": float(amplitudes[j]),
                    "amplitude_high": float(amplitudes[j + 1]),
                    "mag": float(mag.centres[at]),
                    **_shares(int(k[i, j, at]), int(n[i, j, at])),
                }
            )
    if outside:
        log.warning("%d injections lie outside the bins of survey.rates or survey.histogram.mag", outside)
    return rows


def _bin(values: FloatArray, edges: Sequence[float]) -> npt.NDArray[np.int64]:
    """Bin of each value; the last edge belongs to the last bin."""
    found = np.searchsorted(edges, values, side="right") - 1
    found[values == edges[-1]] = len(edges) - 2
    return found.astype(np.int64)


def _names(group: Group) -> dict[str, Any]:
    return dict(zip(("survey", "filter", "shape", "sign"), group, strict=True))


def _shares(k: int, n: int) -> dict[str, Any]:
    low, high = wilson(k, n)
    return {"n": n, "k": k, "efficiency": finite(efficiency(k, n)), "low": finite(low), "high": finite(high)}


def rate_rows(
    injections: Injections,
    detections: pa.Table,
    exposures: dict[tuple[str, str], FloatArray],
    mag: ClosedAxis,
    seed: int,
) -> list[dict[str, Any]]:
    """Rows of the table `rates`: for each combination the events of its survey, filter and sign.

    Efficiencies are those of each bin of magnitude, over all widths and amplitudes injected. Events whose
    peak is flagged, and events of injected light curves, do not count.
    """
    rows = []
    counted = detections.filter(
        pc.and_(pc.invert(detections["quality_flag"]), pc.invert(detections["simulated"]))
    )
    for number, group in enumerate(injections.groups):
        survey, filter_name, _, sign = group
        mine = injections.of(number)
        bins = mag.bins(mine.mag)
        inside = bins >= 0
        n = np.bincount(bins[inside], minlength=mag.n)
        k = np.bincount(bins[inside], mine.recovered[inside], minlength=mag.n)
        exposure = exposures.get((survey, filter_name), np.zeros(mag.n))
        same = pc.and_(pc.equal(counted["survey"], survey), pc.equal(counted["filter"], filter_name))
        real = pc.sum(pc.and_(same, pc.equal(counted["sign"], sign))).as_py() or 0
        lit = exposure > 0
        rate = rate_of(real, exposure[lit], k[lit], n[lit], generator(seed, "survey.rates", *group))
        rows.append(
            {
                **_names(group),
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
    mag = load(job.input.histogram).mag
    injections = injections_of(join(job.input.injections, INJECTION, OF_INJECTIONS))
    detections = join(job.input.detections, DETECTION, OF_DETECTIONS)
    curves = join(job.input.curves, CURVE, OF_CURVES)
    exposures = exposure_of(curves, read_table(job.input.sources, ["name", "mag"]), mag)
    found = efficiency_rows(injections, mag, settings.width_edges, settings.amplitude_edges)
    write_table(table_of_rows(EFFICIENCY, found), "efficiency", job.output.efficiency)
    rates = rate_rows(injections, detections, exposures, mag, settings.seed)
    write_table(table_of_rows(RATES, rates), "rates", job.output.rates)
    log.info("%d injections in %d bins, %d rates", len(injections.number), len(found), len(rates))
