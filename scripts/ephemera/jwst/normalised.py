"""A series relative to its median spectrum, and light curves of bands of it.

m[c] is the median over valid integrations of the baseline, N = F / m, V = 100 (N - 1) percent. A channel
whose median is not positive, or rests on fewer than max(3, 10 %) valid values, has no N; its flux is still
shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ephemera.jwst.grids import band_channels
from ephemera.jwst.observation import BoolArray, FloatArray, IntArray, Series, SingleArray
from ephemera.jwst.problems import RangeError
from ephemera.jwst.visits import visits

#: A median needs this many valid values, or this share of the baseline.
LEAST_COUNT, LEAST_SHARE = 3, 0.1
#: Channels whose medians are found together; integrations summed together.
CHANNELS_AT_ONCE, ROWS_AT_ONCE = 128, 512

Baseline = Sequence[tuple[float, float]] | npt.NDArray[np.bool_] | None
Weights = Literal["flux", "equal", "scatter"]


def baseline_of(series: Series, baseline: Baseline) -> BoolArray:
    """Integrations of the baseline: all, those in intervals (days), or those of a truth array.

    Raises RangeError, naming the range of the data, when none is left.
    """
    if baseline is None:
        return np.ones(len(series.time), bool)
    if isinstance(baseline, np.ndarray) and baseline.dtype == bool:
        chosen = baseline
    else:
        chosen = np.zeros(len(series.time), bool)
        for start, stop in baseline:
            chosen |= (series.time >= start) & (series.time <= stop)
    if not chosen.any():
        first, last = series.time[0], series.time[-1]
        message = (
            f"the baseline (jwst.series.baseline) holds no integration of {series.name}; times are "
            f"{first:.6f} to {last:.6f} ({series.time_scale})"
        )
        raise RangeError(message)
    return chosen


def column_medians(flux: SingleArray, rows: BoolArray) -> tuple[FloatArray, IntArray]:
    """Median over chosen rows of each channel of `flux` (time, channel) without NaN, and the counts."""
    medians = np.full(flux.shape[1], np.nan)
    counts = np.zeros(flux.shape[1], np.int64)
    chosen = slice(None) if rows.all() else rows
    for first in range(0, flux.shape[1], CHANNELS_AT_ONCE):
        block = slice(first, first + CHANNELS_AT_ONCE)
        ordered = np.array(flux[:, block][chosen].T, order="C")  # a copy, whatever the order of the input
        ordered.sort(axis=1)
        n = ordered.shape[1] - np.isnan(ordered).sum(axis=1)
        at = np.arange(len(n))
        low, high = (
            ordered[at, np.maximum(n - 1, 0) // 2],
            ordered[at, np.minimum(n // 2, ordered.shape[1] - 1)],
        )
        medians[block] = np.where(n > 0, 0.5 * (low.astype(float) + high.astype(float)), np.nan)
        counts[block] = n
    return medians, counts


def robust_scatter(values: SingleArray, rows: BoolArray, middle: FloatArray) -> FloatArray:
    """1.4826 MAD of each channel of `values` (time, channel) about `middle` over chosen rows."""
    scatter = np.full(values.shape[1], np.nan)
    chosen = slice(None) if rows.all() else rows
    for first in range(0, values.shape[1], CHANNELS_AT_ONCE):
        block = slice(first, first + CHANNELS_AT_ONCE)
        part = values[:, block][chosen]
        away = np.abs(part - middle[block].astype(np.float32))
        scatter[block] = 1.4826 * column_medians(away, np.ones(len(away), bool))[0]
    return scatter


@dataclass(frozen=True)
class Normalised:
    """The median spectrum of a series and its matrix relative to it.

    `median` (wavelength) over the whole baseline, NaN where a channel cannot be normalised; `level` (visit,
    wavelength) is what values are divided by, the same for every visit unless normalised by visit; `ranges`
    are the visits; `n_valid` counts.
    """

    series: Series
    median: FloatArray
    level: FloatArray
    ranges: list[tuple[int, int]]
    n_valid: IntArray
    baseline: BoolArray

    @property
    def visit(self) -> IntArray:
        """Index of the visit of each integration, from 0."""
        index = np.zeros(len(self.series.time), np.int64)
        for k, (start, stop) in enumerate(self.ranges):
            index[start:stop] = k
        return index

    def matrix(self, times: slice = slice(None)) -> SingleArray:
        """N (wavelength, time)."""
        level = self.level[self.visit[times]].T.astype(np.float32)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio: SingleArray = self.series.flux[:, times] / level
        return ratio

    def errors(self, times: slice = slice(None)) -> SingleArray:
        """E / m (wavelength, time)."""
        level = self.level[self.visit[times]].T.astype(np.float32)
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio: SingleArray = self.series.error[:, times] / level
        return ratio

    def variability(self, times: slice = slice(None)) -> SingleArray:
        """V = 100 (N - 1), percent (wavelength, time)."""
        percent: SingleArray = np.float32(100) * (self.matrix(times) - np.float32(1))
        return percent


def normalise(
    series: Series, baseline: Baseline = None, *, by_visit: bool = False, gap_hours: float = 0.5
) -> Normalised:
    """Median spectrum of the baseline and what the series is relative to it."""
    chosen = baseline_of(series, baseline)
    ranges = visits(series.hours, gap_hours)
    median, counts = _medians(series, chosen)
    level = np.repeat(median[None, :], max(len(ranges), 1), axis=0)
    if by_visit:
        for k, (start, stop) in enumerate(ranges):
            part = np.zeros(len(chosen), bool)
            part[start:stop] = chosen[start:stop]
            if not part.any():
                part[start:stop] = True
            level[k] = _medians(series, part)[0]
    return Normalised(series, median, level, ranges, counts, chosen)


def _medians(series: Series, chosen: BoolArray) -> tuple[FloatArray, IntArray]:
    medians, counts = column_medians(series.flux.T, chosen)
    total = int(chosen.sum())
    needed = min(max(LEAST_COUNT, int(np.ceil(LEAST_SHARE * total))), total)
    with np.errstate(invalid="ignore"):
        usable = (medians > 0) & (counts >= needed)
    return np.where(usable, medians, np.nan), counts


@dataclass(frozen=True)
class LightCurve:
    """Light curve of a band: relative flux with error, channels that entered, plain sum of the flux."""

    flux: FloatArray
    error: FloatArray
    n_channels: IntArray
    flux_sum: FloatArray
    sum_incomplete: BoolArray


def light_curve(
    series: Series | Normalised,
    low: float | None = None,
    high: float | None = None,
    weights: Weights = "flux",
    scatter: FloatArray | None = None,
) -> LightCurve:
    """Light curve W[t] = sum w N M / sum w M of the channels from `low` to `high` um.

    Error sqrt(sum w^2 e^2 M) / sum w M. Weights: `flux` w = m, so that a masked channel does not make a jump;
    `equal`; `scatter` w = 1 / robust variance. Raises ValueError for other weights.
    """
    norm = series if isinstance(series, Normalised) else normalise(series)
    one = norm.series
    inside = band_channels(one.wavelength, low, high)
    w = _weights(norm, weights, scatter)
    used = np.flatnonzero(inside & np.isfinite(w) & np.isfinite(norm.median))
    span = slice(used[0], used[-1] + 1) if len(used) else slice(0, 0)
    w = np.where(inside & np.isfinite(w) & np.isfinite(norm.median), w, 0.0)[span]
    n_time = len(one.time)
    above, below, squares, known, counts, total = (np.zeros(n_time) for _ in range(6))
    used_at_all = (w > 0).astype(float)
    with np.errstate(divide="ignore"):
        inverse = np.nan_to_num(1.0 / norm.level[:, span], posinf=0.0)
    for rows, visit in _blocks(norm.ranges):
        # A visit has one level: it joins the weights, and the matrix is only summed.
        scaled = w * inverse[visit]
        flux, error = one.flux[span, rows].T, one.error[span, rows].T
        good = np.isfinite(flux)
        flux = np.where(good, flux, np.float32(0)).astype(np.float64)
        above[rows] = flux @ scaled
        total[rows] = flux @ used_at_all
        weight = good.astype(np.float64)
        below[rows] = weight @ w
        counts[rows] = weight @ used_at_all
        with_error = good & np.isfinite(error)
        squares[rows] = np.where(with_error, error, np.float32(0)).astype(np.float64) ** 2 @ scaled**2
        known[rows] = with_error.astype(np.float64) @ used_at_all
    with np.errstate(invalid="ignore", divide="ignore"):
        curve = np.where(below > 0, above / below, np.nan)
        sigma = np.sqrt(squares * counts / known) / below
    n_channels = counts.astype(np.int64)
    return LightCurve(
        curve, np.where(known > 0, sigma, np.nan), n_channels, np.where(counts > 0, total, np.nan),
        n_channels < int((w > 0).sum()),
    )  # fmt: skip


def _blocks(ranges: Sequence[tuple[int, int]]) -> Iterator[tuple[slice, int]]:
    """Blocks of integrations that lie in one visit each, with the index of the visit."""
    for visit, (start, stop) in enumerate(ranges):
        for first in range(start, stop, ROWS_AT_ONCE):
            yield slice(first, min(first + ROWS_AT_ONCE, stop)), visit


def _weights(norm: Normalised, weights: str, scatter: FloatArray | None) -> FloatArray:
    if weights == "flux":
        return norm.median
    if weights == "equal":
        return np.where(np.isfinite(norm.median), 1.0, np.nan)
    if weights == "scatter":
        if scatter is None:
            matrix: Any = norm.matrix().T
            scatter = robust_scatter(matrix, norm.baseline, column_medians(matrix, norm.baseline)[0])
        with np.errstate(divide="ignore"):
            return np.where(scatter > 0, 1.0 / scatter**2, np.nan)
    message = f"weights are flux, equal or scatter, got {weights!r}"
    raise ValueError(message)
