"""How good a series is: scatter, errors, red noise, completeness; over the baseline only.

Each metric is a number with a definition, and where it says something is wrong, a flag.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.jwst.flags import Integration
from ephemera.jwst.normalised import LightCurve, Normalised, column_medians, robust_scatter
from ephemera.jwst.observation import BoolArray, FloatArray, SingleArray

#: error_ratio outside these limits, and beta above this one, raise flags.
ERRORS_TOO_LARGE, ERRORS_TOO_SMALL, RED_NOISE = 0.5, 2.0, 1.5
#: Bins are made while there are at least this many.
LEAST_BINS = 8


class Flag(enum.Enum):
    """What a metric says is wrong."""

    ERRORS_TOO_LARGE = "errors_too_large"
    ERRORS_TOO_SMALL = "errors_too_small"
    RED_NOISE = "red_noise"


@dataclass(frozen=True)
class ChannelMetrics:
    """Per channel: robust scatter of N, scatter of successive differences, median relative error, excess."""

    scatter: FloatArray
    scatter_diff: FloatArray
    error: FloatArray
    excess: FloatArray

    @property
    def error_ratio(self) -> FloatArray:
        """Scatter over median relative error."""
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio: FloatArray = self.scatter / self.error
        return ratio


def baseline_runs(baseline: BoolArray, ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Runs of consecutive integrations of the baseline inside visits."""
    runs = []
    for start, stop in ranges:
        inside = np.concatenate([[False], baseline[start:stop], [False]])
        edges = np.flatnonzero(np.diff(inside.astype(np.int8)))
        runs += [(start + int(a), start + int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return runs


def channel_metrics(norm: Normalised, matrix: SingleArray, errors: SingleArray) -> ChannelMetrics:
    """Metrics of each channel; `matrix` is N and `errors` e/m, both (time, wavelength)."""
    baseline = norm.baseline
    middle, _ = column_medians(matrix, baseline)
    scatter = robust_scatter(matrix, baseline, middle)
    error, _ = column_medians(errors, baseline)
    runs = baseline_runs(baseline, norm.ranges)
    with np.errstate(invalid="ignore"):
        excess = np.sqrt(np.maximum(0.0, scatter**2 - error**2))
    return ChannelMetrics(scatter, _scatter_diff(matrix, runs), error, excess)


def _scatter_diff(matrix: SingleArray, runs: list[tuple[int, int]]) -> FloatArray:
    """Population standard deviation of successive differences over sqrt 2, inside runs."""
    n, total, squares = (np.zeros(matrix.shape[1]) for _ in range(3))
    for start, stop in runs:
        for first in range(start, stop - 1, 512):
            part = matrix[first : min(first + 513, stop)]
            step = np.diff(part, axis=0).astype(float)
            known = np.isfinite(step)
            step = np.where(known, step, 0)
            n += known.sum(axis=0)
            total += step.sum(axis=0)
            squares += (step**2).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = squares / n - (total / n) ** 2
        spread: FloatArray = np.sqrt(np.maximum(variance, 0) / 2)
    return np.where(n > 1, spread, np.nan)


@dataclass(frozen=True)
class TimeAveraging:
    """rms of means of n integrations beside the expectation for white noise; beta is the largest ratio."""

    n: list[int]
    bins: list[int]
    rms: list[float]
    expected: list[float]

    @property
    def beta(self) -> float:
        """Largest ratio of measured to expected rms."""
        ratios = [a / b for a, b in zip(self.rms, self.expected, strict=True) if b > 0]
        return max(ratios, default=float("nan"))


def time_averaging(curve: npt.ArrayLike, runs: list[tuple[int, int]]) -> TimeAveraging:
    """Time averaging of a light curve over runs of its baseline.

    Bins of n = 1, 2, 4, ... inside runs, incomplete ones dropped, while at least 8 are left. Expected:
    rms_1 / sqrt(n) x sqrt(M / (M - 1)) for M bins.
    """
    flux = np.asarray(curve, float)
    n, result = 1, TimeAveraging([], [], [], [])
    first = 0.0
    while True:
        means = []
        for start, stop in runs:
            part = flux[start:stop]
            part = part[np.isfinite(part)]
            count = len(part) // n
            means.append(part[: count * n].reshape(count, n).mean(axis=1) if count else part[:0])
        values = np.concatenate(means) if means else np.zeros(0)
        m = len(values)
        if m < LEAST_BINS:
            return result
        rms = float(values.std())
        first = rms if n == 1 else first
        result.n.append(n)
        result.bins.append(m)
        result.rms.append(rms)
        result.expected.append(first / np.sqrt(n) * np.sqrt(m / (m - 1)))
        n *= 2


def series_metrics(
    norm: Normalised, metrics: ChannelMetrics, curve: LightCurve, line: FloatArray | None
) -> dict[str, Any]:
    """Metrics of a series from its white light; `line` is a straight line divided out first, or None."""
    one, baseline = norm.series, norm.baseline
    runs = baseline_runs(baseline, norm.ranges)
    if len(one.time) < 2:
        return {"completeness": completeness(norm), "flags": []}
    flat = curve.flux if line is None else curve.flux / line
    averaging = time_averaging(flat, runs)
    ratio = _median(metrics.error_ratio)
    flags = []
    if np.isfinite(ratio) and ratio < ERRORS_TOO_LARGE:
        flags.append(Flag.ERRORS_TOO_LARGE.value)
    if np.isfinite(ratio) and ratio > ERRORS_TOO_SMALL:
        flags.append(Flag.ERRORS_TOO_SMALL.value)
    if averaging.beta > RED_NOISE:
        flags.append(Flag.RED_NOISE.value)
    flat_baseline = flat[baseline]
    return {
        "scatter_ppm": _ppm(_median(metrics.scatter)),
        "scatter_diff_ppm": _ppm(_median(metrics.scatter_diff)),
        "error_ppm": _ppm(_median(metrics.error)),
        "error_ratio": _number(ratio),
        "excess_ppm": _ppm(_median(metrics.excess)),
        "white_light_rms_ppm": _ppm(float(np.nanstd(flat_baseline)) if len(flat_baseline) else float("nan")),
        "trend_ppm_per_hour": trend(one.hours[baseline], curve.flux[baseline]),
        "time_averaging": {
            "n": averaging.n,
            "bins": averaging.bins,
            "rms_ppm": [1e6 * v for v in averaging.rms],
            "expected_ppm": [1e6 * v for v in averaging.expected],
        },
        "beta": _number(averaging.beta),
        "completeness": completeness(norm),
        "flags": flags,
    }


def trend(hours: FloatArray, flux: FloatArray) -> float | None:
    """Slope of a light curve, ppm per hour; None for fewer than two valid points."""
    good = np.isfinite(flux)
    if good.sum() < 2:
        return None
    x = hours[good] - hours[good].mean()
    if not (x**2).sum():
        return None
    return 1e6 * float((x * flux[good]).sum() / (x**2).sum())


def amplitude(flux: FloatArray) -> float | None:
    """95th minus 5th percentile of a light curve, percent."""
    good = flux[np.isfinite(flux)]
    if len(good) < 2:
        return None
    low, high = np.percentile(good, [5, 95])
    return 100 * float(high - low)


def completeness(norm: Normalised) -> dict[str, Any]:
    """Shares and counts of what is valid, masked, repaired, and how even the cadence is."""
    one = norm.series
    good = one.valid
    steps = np.concatenate([np.diff(one.time[a:b]) for a, b in norm.ranges]) * 86400
    middle = float(np.median(steps)) if len(steps) else float("nan")
    spread = 1.4826 * float(np.median(np.abs(steps - middle))) if len(steps) else float("nan")
    return {
        "valid_fraction": float(good.mean()),
        "channels": good.shape[0],
        "channels_all_masked": int((~good.any(axis=1)).sum()),
        "channels_not_normalised": int(np.isnan(norm.median).sum()),
        "integrations": good.shape[1],
        "integrations_all_masked": int((~good.any(axis=0)).sum()),
        "repaired_times": int(((one.flags & Integration.TIME_REPAIRED) > 0).sum()),
        "regridded": int(((one.flags & Integration.REGRIDDED) > 0).sum()),
        "cadence_s": _number(middle),
        "cadence_spread_s": _number(spread),
        "visits": len(norm.ranges),
    }


def _median(values: FloatArray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else float("nan")


def _ppm(value: float) -> float | None:
    return _number(1e6 * value)


def _number(value: float) -> float | None:
    """A number that JSON has; None for NaN and infinities."""
    return float(value) if np.isfinite(value) else None
