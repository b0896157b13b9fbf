"""Three numbers of our own that describe a light curve, and the same for many light curves at once.

Stetson's J of pairs of epochs, the correlation of successive epochs, and the asymmetry of the extremes. The
functions of one light curve are the definition; `own_numbers` gives the same for a batch, in sums over pieces
of one long array, whichever light curves stand beside each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Pairs of epochs closer than this (d) enter Stetson's J.
PAIR_DAYS = 0.1
#: Share of epochs called brightest, and faintest, by the asymmetry.
EXTREME = 0.05
#: Epochs worked on at once, few enough for the processor's cache.
AT_ONCE = 1 << 14


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


def prepare(curves: Sequence[tuple[FloatArray, FloatArray, FloatArray]]) -> list[Prepared]:
    """`prepared` of many light curves (time, flux, error); those without any flaw are taken as they are."""
    found: list[Prepared] = []
    for part in _parts([len(time) for time, _, _ in curves]):
        some = [curves[k] for k in part]
        filled = [k for k, (time, _, _) in enumerate(some) if len(time)]
        clean = dict(zip(filled, _without_flaw([some[k] for k in filled]), strict=True))
        found += [
            Prepared(*curve) if clean.get(number, False) else prepared(*curve)
            for number, curve in enumerate(some)
        ]
    return found


def _without_flaw(curves: Sequence[tuple[FloatArray, FloatArray, FloatArray]]) -> list[bool]:
    """Whether all is finite, times ascend and errors are positive, for light curves with epochs."""
    if not curves:
        return []
    time, flux, error = (np.concatenate([curve[k] for curve in curves]) for k in range(3))
    n = np.array([len(curve[0]) for curve in curves])
    start = np.cumsum(n) - n
    good = np.isfinite(time) & np.isfinite(flux) & np.isfinite(error) & (error > 0)
    with np.errstate(invalid="ignore"):
        later = np.concatenate(([True], time[1:] > time[:-1]))
    later[start] = True
    return list(np.logical_and.reduceat(good & later, start).tolist())


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


def own_numbers(curves: Sequence[Prepared]) -> dict[str, FloatArray]:
    """stetson_J, autocorrelation, asymmetry and the median flux of each light curve; NaN where undefined."""
    names = ("stetson_J", "autocorrelation", "asymmetry", "median_flux")
    found = {name: np.full(len(curves), np.nan) for name in names}
    for part in _parts([len(curve) for curve in curves]):
        some = [k for k in part if len(curves[k])]
        if some:
            with np.errstate(all="ignore"):
                pieces = _Pieces([curves[k] for k in some])
                for name, values in zip(names, pieces.numbers(), strict=True):
                    found[name][some] = values
    return found


def _parts(lengths: Sequence[int]) -> Iterator[range]:
    """Numbers of successive light curves whose epochs are worked on together."""
    first = total = 0
    for k, length in enumerate(lengths):
        if total and total + length > AT_ONCE:
            yield range(first, k)
            first, total = k, 0
        total += length
    if first < len(lengths):
        yield range(first, len(lengths))


class _Pieces:
    """Light curves with epochs, laid end to end."""

    def __init__(self, curves: Sequence[Prepared]) -> None:
        self.n = np.array([len(curve) for curve in curves])
        self.start = np.cumsum(self.n) - self.n
        self.flux = np.concatenate([curve.flux for curve in curves])
        self.time = np.concatenate([curve.time for curve in curves])
        self.weighted = np.array([curve.error is not None for curve in curves])
        self.mean = self._sums(self.flux) / self.n
        self.away = self.flux - np.repeat(self.mean, self.n)
        self.power = self._sums(self.away**2)
        given = [np.ones(len(c)) if c.error is None else c.error for c in curves]
        self.error = np.concatenate(given)

    def numbers(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """The four numbers of each light curve."""
        asymmetric, median = self._asymmetry()
        return self._stetson(), self._autocorrelation(), asymmetric, median

    def _sums(self, values: FloatArray) -> FloatArray:
        return np.asarray(np.add.reduceat(values, self.start), np.float64)

    def _of_pairs(self, values: FloatArray) -> FloatArray:
        """Sum over pairs of neighbours in one light curve; `values` is one shorter than the epochs."""
        padded = np.append(values, 0.0)
        padded[self.start[1:] - 1] = 0.0
        return self._sums(padded)

    def _autocorrelation(self) -> FloatArray:
        lagged = self._of_pairs(self.away[1:] * self.away[:-1])
        return np.where((self.n >= 3) & (self.power > 0), lagged / self.power, np.nan)

    def _stetson(self) -> FloatArray:
        close = np.append(np.diff(self.time) <= PAIR_DAYS, False)
        close[self.start[1:] - 1] = False
        pairs = np.add.reduceat(close.astype(np.int64), self.start)
        weight = 1 / (self.error * self.error)  # 1 where there are no errors
        mean = self._sums(weight * self.flux) / self._sums(weight)
        spread = np.where(self.weighted, 1.0, np.sqrt(self.power / (self.n - 1)))
        spread = np.where((self.n > 1) & (spread > 0), spread, np.nan)
        scale = np.sqrt(self.n / (self.n - 1)) / spread
        delta = (self.flux - np.repeat(mean, self.n)) / self.error * np.repeat(scale, self.n)
        left = np.flatnonzero(close)
        product = delta[left] * delta[left + 1]
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
