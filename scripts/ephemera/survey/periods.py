"""Periods: Lomb-Scargle for all shapes, box fits for dips.

Frequencies run from 1 / longest to 1 / shortest period in steps of 0.1 / T, T the span of the data. With
several bands the periodograms of all are added, each weighted by what it explains: power = sum(chi2_0 P) /
sum(chi2_0). nifty-ls does the sums by a non-uniform FFT where it is installed, astropy otherwise.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: Steps of frequency per 1 / T.
OVERSAMPLING = 10
#: Fewer epochs have no period.
LEAST_EPOCHS = 5
#: Share of the best power above which half and double the period are told as aliases.
COMPARABLE = 0.8
#: Most frequencies of one periodogram.
MOST_FREQUENCIES = 5_000_000
#: Cycles per day of the Sun and of its harmonics.
DAILY = (0.5, 1.0, 2.0)
#: Accuracy of the sums of nifty-ls: powers are good to 1e-6, in three quarters of the time of its own choice.
ACCURACY: dict[str, float] = {"eps": 1e-6, "upsampfac": 0}  # 0: finufft chooses


@dataclass(frozen=True)
class Series:
    """One band: times (d), values, and errors or None."""

    time: FloatArray
    value: FloatArray
    error: FloatArray | None = None


@dataclass(frozen=True)
class Period:
    """Best period (d), its power (0 to 1), its false-alarm probability, and the aliases it may be."""

    period: float
    power: float
    false_alarm: float
    aliases: tuple[str, ...]


def frequencies(span: float, shortest: float, longest: float) -> FloatArray:
    """Frequencies (d^-1) searched for data over `span` days. Raises ValueError for too many."""
    step = 1 / (OVERSAMPLING * span)
    n = int(np.ceil((1 / shortest - 1 / longest) / step)) + 1
    if n > MOST_FREQUENCIES:
        msg = f"{n} frequencies are more than {MOST_FREQUENCIES}: raise survey.features.min_period"
        raise ValueError(msg)
    return np.asarray(1 / longest + step * np.arange(n), np.float64)


def periodogram(series: Series, frequency: FloatArray, n_terms: int = 1) -> FloatArray:
    """Standard Lomb-Scargle power of one band, with a floating mean."""
    error = series.error if series.error is not None else np.ones(len(series.time))
    if importlib.util.find_spec("nifty_ls") is not None:
        import nifty_ls

        kind = {"nterms": n_terms} if n_terms > 1 else {}
        found = nifty_ls.lombscargle(
            series.time - series.time.min(),
            series.value,
            error,
            fmin=float(frequency[0]),
            fmax=float(frequency[-1]),
            Nf=len(frequency),
            nthreads=1,  # jobs already run side by side
            finufft_kwargs=ACCURACY,
            **kind,
        )
        return np.nan_to_num(np.asarray(found.power, np.float64))
    return periodogram_by_astropy(series, frequency, n_terms)


def periodogram_by_astropy(series: Series, frequency: FloatArray, n_terms: int = 1) -> FloatArray:
    """The same by an FFT of the epochs spread on a grid: good to a per cent."""
    from astropy.timeseries import LombScargle

    error = series.error if series.error is not None else np.ones(len(series.time))
    model = LombScargle(series.time, series.value, error, nterms=n_terms)
    method = "fast" if n_terms == 1 else "fastchi2"
    return np.asarray(model.power(frequency, method=method, assume_regular_frequency=True), np.float64)


def find_period(bands: Sequence[Series], shortest: float, longest: float, n_terms: int = 1) -> Period | None:
    """Best common period of one or more bands; None where no band has enough epochs or varies."""
    used = [b for b in bands if len(b.time) >= max(LEAST_EPOCHS, 2 * n_terms + 2) and np.ptp(b.value) > 0]
    if not used:
        return None
    span = max(b.time.max() for b in used) - min(b.time.min() for b in used)
    if not span > 0:
        return None
    frequency = frequencies(float(span), shortest, longest)
    weights = np.array([_reference(b) for b in used])
    powers = np.array([periodogram(b, frequency, n_terms) for b in used])
    power = np.clip(weights @ powers / weights.sum(), 0, 1)
    best = int(np.argmax(power))
    f0 = float(frequency[best])
    return Period(
        1 / f0,
        float(power[best]),
        _false_alarm(used, power[best], frequency, n_terms),
        _aliases(frequency, power, best),
    )


def _reference(series: Series) -> float:
    """Chi-squared of a constant."""
    weight = np.ones(len(series.time)) if series.error is None else series.error**-2
    mean = np.average(series.value, weights=weight)
    return float(np.sum(weight * (series.value - mean) ** 2))


def _false_alarm(bands: Sequence[Series], power: float, frequency: FloatArray, n_terms: int) -> float:
    """Baluev's (2008, MNRAS 385, 1279) upper bound for the standard normalisation, bands taken as one."""
    n = sum(len(b.time) for b in bands)
    free = n - 1 - 2 * n_terms * len(bands)
    if free <= 0 or power >= 1:
        return 0.0 if power >= 1 else 1.0
    time = np.concatenate([b.time - b.time.mean() for b in bands])
    width = float(frequency[-1]) * np.sqrt(4 * np.pi * time.var())
    single = (1 - power) ** (0.5 * free)
    tau = width * single * np.sqrt(0.5 * free * power)
    return float(1 - (1 - single) * np.exp(-tau))


def _aliases(frequency: FloatArray, power: FloatArray, best: int) -> tuple[str, ...]:
    f0, step = float(frequency[best]), float(frequency[1] - frequency[0]) if len(frequency) > 1 else 0.0
    found = []
    if any(abs(f0 - daily) < OVERSAMPLING * step for daily in DAILY):
        found.append("day")
    for name, other in (("half", 2 * f0), ("double", f0 / 2)):
        near = np.abs(frequency - other) < OVERSAMPLING * step
        if near.any() and power[near].max() > COMPARABLE * power[best]:
            found.append(name)
    return tuple(found)


def find_boxes(
    series: Series, shortest: float, longest: float, durations: Sequence[float] | None = None
) -> dict[str, float] | None:
    """Best period of box-shaped dips (Kovacs, Zucker and Mazeh 2002, A&A 391, 369); None without data.

    `durations` in days; by default 1, 3 and 10 % of the shortest period. Depth is a share of the median.
    """
    from astropy.timeseries import BoxLeastSquares

    if len(series.time) < LEAST_EPOCHS or not np.median(series.value) > 0:
        return None
    span = float(np.ptp(series.time))
    if not span > 0:
        return None
    scaled = series.value / np.median(series.value)
    error = None if series.error is None else series.error / np.median(series.value)
    model = BoxLeastSquares(series.time, scaled, error)
    lengths = [d for d in durations or (0.01 * shortest, 0.03 * shortest, 0.1 * shortest) if d < shortest]
    longest = min(longest, span)
    if not lengths or longest <= shortest:
        return None
    step = max(min(lengths) / (OVERSAMPLING * span) * shortest / shortest**2, 1e-9)
    n = min(int((1 / shortest - 1 / longest) / step) + 2, 20_000)
    period = 1 / np.linspace(1 / longest, 1 / shortest, n)
    found: Any = model.power(period, lengths, oversample=5)
    best = int(np.argmax(found.power))
    return {
        "box_period": float(found.period[best]),
        "box_power": float(found.power[best]),
        "box_depth": float(found.depth[best]),
        "box_epoch": float(found.transit_time[best]),
    }
