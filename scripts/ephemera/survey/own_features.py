"""Three numbers of our own that describe a light curve, and the same for many light curves at once.

Stetson's J of pairs of epochs, the correlation of successive epochs, and the asymmetry of the extremes. The
functions of one light curve are the definition; `own_numbers` gives the same for many, in sums over pieces
of one long array, whichever light curves stand beside each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ephemera.survey.light_curve import Photometry

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: Pairs of epochs closer than this (d) enter Stetson's J.
PAIR_DAYS = 0.1
#: Share of epochs called brightest, and faintest, by the asymmetry.
EXTREME = 0.05
#: What `own_numbers` gives.
NUMBERS = ("stetson_J", "autocorrelation", "asymmetry", "median_flux")
#: Epochs worked on at once: few enough for the processor's cache, enough that calls do not count.
AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Prepared:
    """Finite epochs in strictly ascending order of time (d); `error` is None where not all are positive."""

    time: FloatArray
    flux: FloatArray
    error: FloatArray | None

    def __len__(self) -> int:
        return len(self.time)


def prepared(time: FloatArray, flux: FloatArray, error: FloatArray) -> Prepared:
    """Finite values in order of time, equal times averaged by weight."""
    use = np.isfinite(time) & np.isfinite(flux)
    time, flux, error = time[use], flux[use], error[use]
    weighted = bool(np.all(np.isfinite(error) & (error > 0))) and len(time) > 0
    order = np.argsort(time, kind="stable")
    time, flux, error = time[order], flux[order], error[order]
    first = np.concatenate(([True], np.diff(time) > 0)) if len(time) else np.zeros(0, bool)
    if not np.all(first):
        group = np.cumsum(first) - 1
        # Relative to the smallest error of each time, so that no weight outgrows all numbers.
        best = np.minimum.reduceat(error, np.flatnonzero(first)) if weighted else np.ones(int(first.sum()))
        weight = (best[group] / error) ** 2 if weighted else np.ones(len(time))
        total = np.bincount(group, weight)
        flux = np.bincount(group, weight * flux) / total
        time, error = time[first], np.asarray(best / np.sqrt(total), np.float64)
    return Prepared(time, flux, error if weighted else None)


@dataclass(frozen=True)
class Epochs:
    """Epochs of some light curves as `Prepared` has them, laid end to end.

    `n` is how many each light curve has; `error` is 1 in those that are not `weighted`.
    """

    time: FloatArray
    flux: FloatArray
    error: FloatArray
    n: IntArray
    weighted: BoolArray

    def curves(self) -> list[Prepared]:
        """Each light curve, without a copy."""
        found, first = [], 0
        for n, weighted in zip(self.n.tolist(), self.weighted.tolist(), strict=True):
            rows = slice(first, first + n)
            found.append(Prepared(self.time[rows], self.flux[rows], self.error[rows] if weighted else None))
            first += n
        return found


def lay_out(curves: Sequence[Photometry]) -> Epochs:
    """`prepared` of many light curves without their bad epochs; those without a flaw stay as they are."""
    time = np.concatenate([curve.mjd for curve in curves])
    flux = np.concatenate([curve.flux for curve in curves])
    error = np.concatenate([curve.flux_err for curve in curves])
    use = np.isfinite(time)
    use &= np.isfinite(flux)
    use &= ~np.concatenate([curve.bad for curve in curves])
    edges = np.concatenate(([0], np.cumsum([len(curve.mjd) for curve in curves])))
    rows = np.flatnonzero(use)
    if len(rows) < len(time):  # by number, where a mask would be counted for each array
        time, flux, error = time.take(rows), flux.take(rows), error.take(rows)
        edges = np.searchsorted(rows, edges)
    n = np.diff(edges)
    flawed = _flawed(time, error, edges)
    if not len(flawed):
        return Epochs(time, flux, error, n, n > 0)
    parts = [Prepared(time[a:b], flux[a:b], error[a:b]) for a, b in pairwise(edges.tolist())]
    for number in flawed.tolist():
        part = parts[number]
        assert part.error is not None  # until here
        parts[number] = prepared(part.time, part.flux, part.error)
    return Epochs(
        np.concatenate([part.time for part in parts]),
        np.concatenate([part.flux for part in parts]),
        np.concatenate([np.ones(len(part)) if part.error is None else part.error for part in parts]),
        np.array([len(part) for part in parts]),
        np.array([part.error is not None for part in parts]),
    )


def _flawed(time: FloatArray, error: FloatArray, edges: IntArray) -> IntArray:
    """Light curves, between two edges each, that are out of order or not weighted throughout, or empty."""
    good = (error > 0) & (error < np.inf)
    later = np.ones(len(time), bool)
    np.greater(time[1:], time[:-1], out=later[1:])
    later[edges[:-1][edges[:-1] < len(time)]] = True
    good &= later
    if good.all() and np.all(edges[1:] > edges[:-1]):
        return np.zeros(0, np.int64)
    wrong = np.searchsorted(edges, np.flatnonzero(~good), side="right") - 1
    return np.union1d(wrong, np.flatnonzero(edges[1:] == edges[:-1]))


def stetson_j(one: Prepared) -> float:
    """Stetson's J (1996, PASP 108, 851) of successive epochs within 0.1 d; nan without such a pair."""
    n = len(one)
    if n < 2:
        return float("nan")
    weight = np.ones(n) if one.error is None else one.error**-2
    spread = np.full(n, one.flux.std(ddof=1)) if one.error is None else one.error
    if not np.all(spread > 0):
        return float("nan")
    delta = math.sqrt(n / (n - 1)) * (one.flux - np.average(one.flux, weights=weight)) / spread
    close = np.diff(one.time) <= PAIR_DAYS
    product = (delta[1:] * delta[:-1])[close]
    return float(np.mean(np.sign(product) * np.sqrt(np.abs(product)))) if len(product) else float("nan")


def autocorrelation(flux: FloatArray) -> float:
    """Correlation of each epoch with the next; nan for fewer than three or a constant."""
    if len(flux) < 3:
        return float("nan")
    away = flux - flux.mean()
    power = float(away @ away)
    return float(away[1:] @ away[:-1]) / power if power > 0 else float("nan")


def asymmetry(flux: FloatArray) -> float:
    """Mean of the 5 % brightest and 5 % faintest, from the median, in standard deviations."""
    n = len(flux)
    if n < 2 or not flux.std() > 0:
        return float("nan")
    k = max(1, round(EXTREME * n))
    ordered = np.sort(flux)
    both = np.concatenate((ordered[:k], ordered[-k:]))
    return float((both.mean() - np.median(ordered)) / ordered.std())


def own_numbers(epochs: Epochs) -> dict[str, FloatArray]:
    """stetson_J, autocorrelation, asymmetry and the median flux of each light curve; NaN where undefined."""
    found = {name: np.full(len(epochs.n), np.nan) for name in NUMBERS}
    filled = np.flatnonzero(epochs.n)
    if len(filled):
        with np.errstate(all="ignore"):
            for name, values in zip(NUMBERS, _Pieces(epochs, filled).numbers(), strict=True):
                found[name][filled] = values
    return found


def in_parts(lengths: Sequence[int]) -> Iterator[slice]:
    """Successive light curves whose epochs are worked on together."""
    first = total = 0
    for k, length in enumerate(lengths):
        if total and total + length > AT_ONCE:
            yield slice(first, k)
            first, total = k, 0
        total += length
    if first < len(lengths):
        yield slice(first, len(lengths))


class _Pieces:
    """Sums over the light curves that have epochs."""

    def __init__(self, epochs: Epochs, filled: IntArray) -> None:
        self.time, self.flux, self.error = epochs.time, epochs.flux, epochs.error
        self.n, self.weighted = epochs.n[filled], epochs.weighted[filled]
        self.start = np.cumsum(self.n) - self.n
        self.mean = self._sums(self.flux) / self.n
        self.away = self.flux - np.repeat(self.mean, self.n)
        self.power = self._sums(self.away**2)

    def numbers(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """The four numbers of each light curve."""
        asymmetric, median = self._asymmetry()
        return self._stetson(), self._autocorrelation(), asymmetric, median

    def _sums(self, values: FloatArray) -> FloatArray:
        return np.asarray(np.add.reduceat(values, self.start), np.float64)

    def _autocorrelation(self) -> FloatArray:
        product = np.zeros(len(self.flux))
        np.multiply(self.away[1:], self.away[:-1], out=product[:-1])
        product[self.start[1:] - 1] = 0.0
        lagged = self._sums(product)
        return np.where((self.n >= 3) & (self.power > 0), lagged / self.power, np.nan)

    def _stetson(self) -> FloatArray:
        close = np.zeros(len(self.time), bool)
        np.less_equal(self.time[1:] - self.time[:-1], PAIR_DAYS, out=close[:-1])
        close[self.start[1:] - 1] = False
        left = np.flatnonzero(close)
        pairs = np.diff(np.searchsorted(left, np.append(self.start, len(self.time))))
        weight = self.error * self.error
        np.divide(1, weight, out=weight)  # 1 where there are no errors
        of_weights = self._sums(weight)
        weight *= self.flux
        mean = self._sums(weight) / of_weights
        spread = np.where(self.weighted, 1.0, np.sqrt(self.power / (self.n - 1)))
        spread = np.where((self.n > 1) & (spread > 0), spread, np.nan)
        delta = self.flux - np.repeat(mean, self.n)
        delta /= self.error
        delta *= np.repeat(np.sqrt(self.n / (self.n - 1)) / spread, self.n)
        product = delta.take(left)
        product *= delta.take(left + 1)
        terms = np.zeros(len(self.flux))
        terms[left] = np.copysign(np.sqrt(np.abs(product)), product)
        return np.where(pairs > 0, self._sums(terms) / np.maximum(pairs, 1), np.nan)

    def _asymmetry(self) -> tuple[FloatArray, FloatArray]:
        ordered = self.flux.copy()
        stop = self.start + self.n
        for first, last in zip(self.start.tolist(), stop.tolist(), strict=True):
            ordered[first:last].sort()
        median = 0.5 * (ordered[self.start + (self.n - 1) // 2] + ordered[self.start + self.n // 2])
        k = np.maximum(1, np.round(EXTREME * self.n).astype(np.int64))
        # Sums of the first k, of those between, and of the last k of each light curve.
        edges = np.stack([self.start, self.start + np.minimum(k, self.n - 1), stop - k], axis=1).ravel()
        sums = np.add.reduceat(ordered, edges).reshape(-1, 3)
        both = (sums[:, 0] + sums[:, 2]) / (2 * k)
        spread = np.sqrt(self.power / self.n)
        return np.where((self.n > 1) & (spread > 0), (both - median) / spread, np.nan), median
