"""From a number of sigma to thresholds on the Bayes factors, and from these to limits on n and mu.

"s sigma" is anchored at mu = 1000 by the two-Poisson rule |n - mu| / sqrt(n + mu) = s, whose roots are

    n+-(mu, s) = (2 mu + s^2 +- sqrt(8 mu s^2 + s^4)) / 2.

The thresholds are T_peak = log10 B_peak(ceil n+, 1000) and T_eclipse = log10 B_eclipse(floor n-, 1000),
and the same two numbers hold at every mu: a cell is a peak if log10 B_peak >= T_peak, an eclipse if
log10 B_eclipse >= T_eclipse.

Bayes factors are monotone in mu, so each n has one limit: n is a peak for mu <= mu_peak[n] and an
eclipse for mu >= mu_eclipse[n]. Tables of these turn the test of a cell into one comparison.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy import special

from ephemera.xmm.bayes_factors import log10_bayes_eclipse, log10_bayes_peak
from ephemera.xmm.observation import BoolArray, FloatArray, IntArray

#: Expected counts at which a number of sigma is translated into Bayes factors.
ANCHOR_MU = 1000.0
#: Tables grow to this n and no further; larger counts are rare and compared directly.
LARGEST_TABULATED = 1 << 14
#: peak_limit where no count can be a peak because there is no expectation.
NO_PEAK = int(np.iinfo(np.int64).max)
#: eclipse_limit where no count is low enough to be an eclipse.
NO_ECLIPSE = -1
_FIRST_SIZE = 2048
_SMALLEST_MU = 1e-300
_LN10 = math.log(10.0)


def two_poisson_counts(mu: npt.ArrayLike, sigma: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Real counts n-, n+ that lie `sigma` >= 0 from `mu` in the sense |n - mu| / sqrt(n + mu) = sigma.

    n- is negative where no count is that far below, which is where mu < sigma^2.
    """
    expected, s = np.asarray(mu, np.float64), np.asarray(sigma, np.float64)
    centre = expected + 0.5 * s * s
    half_width = 0.5 * s * np.sqrt(8.0 * expected + s * s)
    return centre - half_width, centre + half_width


@lru_cache(maxsize=64)
def thresholds(sigma: float) -> tuple[float, float]:
    """Thresholds (T_peak, T_eclipse) on log10 B for `sigma` > 0.

    T_eclipse is infinite beyond sigma = sqrt(1000) = 31.6: even n = 0 is not that far below the anchor.
    """
    _check_sigma(sigma)
    low, high = _anchor_counts(sigma)
    peak = float(log10_bayes_peak(high, ANCHOR_MU))
    return peak, float(log10_bayes_eclipse(low, ANCHOR_MU)) if low >= 0 else math.inf


def _check_sigma(sigma: float) -> None:
    if not (math.isfinite(sigma) and sigma > 0):
        msg = f"sigma must be a positive finite number, got {sigma!r}"
        raise ValueError(msg)


def _anchor_counts(sigma: float) -> tuple[int, int]:
    """Integers floor n-, ceil n+ at the anchor; roots that are whole up to rounding count as whole."""
    low, high = two_poisson_counts(ANCHOR_MU, sigma)
    return math.floor(round(float(low), 9)), math.ceil(round(float(high), 9))


class Limits:
    """Limits on mu for each count n at a given sigma, in tables that grow on demand.

    `mu_peak[n]` is the largest mu at which n is a peak (0 for n = 0: never) and `mu_eclipse[n]` the
    smallest mu at which n is an eclipse. Each entry is the last double that passes the threshold, with
    its neighbour failing, so that comparisons with the tables and the Bayes factors themselves agree.
    """

    def __init__(self, sigma: float) -> None:
        self.sigma = float(sigma)
        self.peak_threshold, self.eclipse_threshold = thresholds(sigma)
        self._anchors = _anchor_counts(sigma)
        self.mu_peak: FloatArray = np.zeros(1)
        self.mu_eclipse: FloatArray = np.empty(0)
        self.grow(_FIRST_SIZE - 1)

    def grow(self, n_max: int) -> None:
        """Make sure that the tables reach `n_max`, or LARGEST_TABULATED if that is less."""
        wanted = min(n_max, LARGEST_TABULATED) + 1
        if wanted > len(self.mu_eclipse):
            size = min(max(wanted, 2 * len(self.mu_eclipse)), LARGEST_TABULATED + 1)
            peak_n = np.arange(len(self.mu_peak), size, dtype=np.float64)
            peak = _peak_limits(peak_n, self.peak_threshold)
            self.mu_peak = np.concatenate([self.mu_peak, peak])
            eclipse_n = np.arange(len(self.mu_eclipse), size, dtype=np.float64)
            eclipse = _eclipse_limits(eclipse_n, self.eclipse_threshold)
            self.mu_eclipse = np.concatenate([self.mu_eclipse, eclipse])
            low, high = self._anchors
            # The thresholds are defined here, so these two roots are known without rounding.
            if high < size:
                self.mu_peak[high] = ANCHOR_MU
            if 0 <= low < size:
                self.mu_eclipse[low] = ANCHOR_MU

    def is_peak(self, n: npt.ArrayLike, mu: npt.ArrayLike) -> BoolArray:
        """Whether log10 B_peak(n, mu) >= T_peak.

        `n` are whole counts in an integer dtype (else ValueError) and broadcast against `mu`; False where
        mu is NaN or not positive.
        """
        counts, expected = self._checked(n, mu)
        result = (expected <= self.mu_peak[np.minimum(counts, len(self.mu_peak) - 1)]) & (expected > 0)
        return self._with_large(result, counts, expected, log10_bayes_peak, self.peak_threshold)

    def is_eclipse(self, n: npt.ArrayLike, mu: npt.ArrayLike) -> BoolArray:
        """Whether log10 B_eclipse(n, mu) >= T_eclipse; arguments as for `is_peak`."""
        counts, expected = self._checked(n, mu)
        result = expected >= self.mu_eclipse[np.minimum(counts, len(self.mu_eclipse) - 1)]
        result &= expected < np.inf
        return self._with_large(result, counts, expected, log10_bayes_eclipse, self.eclipse_threshold)

    def _checked(self, n: npt.ArrayLike, mu: npt.ArrayLike) -> tuple[IntArray, FloatArray]:
        counts = np.asarray(n)
        if counts.dtype.kind not in "iu":
            msg = f"n must be whole counts in an integer dtype, got {counts.dtype}"
            raise ValueError(msg)
        if counts.size:
            if counts.min() < 0:
                msg = f"n must be >= 0, got {counts.min()}"
                raise ValueError(msg)
            self.grow(int(counts.max()))
        return counts, np.asarray(mu, np.float64)

    def _with_large(
        self,
        result: BoolArray,
        counts: IntArray,
        expected: FloatArray,
        log10_bayes: Callable[[npt.ArrayLike, npt.ArrayLike], FloatArray],
        threshold: float,
    ) -> BoolArray:
        """`result` with the counts beyond the tables decided by the Bayes factor itself."""
        if counts.size and int(counts.max()) >= len(self.mu_peak):
            counts, expected = np.broadcast_arrays(counts, expected)
            large = counts >= len(self.mu_peak)
            result = np.array(np.broadcast_to(result, counts.shape))
            result[large] = log10_bayes(counts[large], expected[large]) >= threshold
        return np.asarray(result)

    def peak_limit(self, mu: npt.ArrayLike) -> IntArray:
        """Smallest n that is a peak where `mu` are expected (i8).

        NO_PEAK, which no count reaches, where mu is not positive and finite.
        """
        expected, valid = _expected(mu)
        if valid.any():
            # Enough for the anchor rule with room to spare; what lies beyond is solved directly.
            _, high = two_poisson_counts(expected[valid].max(), 1.2 * self.sigma)
            self.grow(int(min(float(high), LARGEST_TABULATED)) + 16)
        limit = np.searchsorted(self.mu_peak, expected.ravel(), side="left").reshape(expected.shape)
        beyond = valid & (limit == len(self.mu_peak))
        limit[beyond] = self._solved_peak_limit(expected[beyond])
        limit[~valid] = NO_PEAK
        return limit.astype(np.int64)

    def eclipse_limit(self, mu: npt.ArrayLike) -> IntArray:
        """Largest n that is an eclipse where `mu` are expected (i8); -1 where there is none."""
        expected, valid = _expected(mu)
        if valid.any():
            self.grow(int(min(expected[valid].max(), LARGEST_TABULATED)))
        limit = np.searchsorted(self.mu_eclipse, expected.ravel(), side="right") - 1
        limit = limit.reshape(expected.shape)
        beyond = valid & (limit == len(self.mu_eclipse) - 1)
        limit[beyond] = self._solved_eclipse_limit(expected[beyond])
        limit[~valid] = NO_ECLIPSE
        return limit.astype(np.int64)

    def _solved_peak_limit(self, mu: FloatArray) -> IntArray:
        """peak_limit for counts beyond the tables: bisection over n of the Bayes factor."""
        fails = np.full(mu.shape, len(self.mu_peak) - 1, np.int64)
        passes = np.maximum(2 * fails, np.ceil(2.0 * mu).astype(np.int64))
        while (short := log10_bayes_peak(passes, mu) < self.peak_threshold).any():
            passes[short] *= 2
        return _bisect_counts(passes, fails, lambda n: log10_bayes_peak(n, mu) >= self.peak_threshold)

    def _solved_eclipse_limit(self, mu: FloatArray) -> IntArray:
        """eclipse_limit for counts beyond the tables; at n = 2 mu the factor is near 1, never an eclipse."""
        passes = np.full(mu.shape, len(self.mu_eclipse) - 1, np.int64)
        fails = np.maximum(2 * passes, np.ceil(2.0 * mu).astype(np.int64))
        return _bisect_counts(passes, fails, lambda n: log10_bayes_eclipse(n, mu) >= self.eclipse_threshold)


def _expected(mu: npt.ArrayLike) -> tuple[FloatArray, BoolArray]:
    expected = np.asarray(mu, np.float64)
    return expected, np.asarray((expected > 0) & (expected < np.inf))


def _bisect_counts(passes: IntArray, fails: IntArray, test: Callable[[IntArray], BoolArray]) -> IntArray:
    """The last count that passes `test`, between counts that pass and counts that fail."""
    while (np.abs(passes - fails) > 1).any():
        middle = (passes + fails) // 2
        ok = test(middle)
        passes, fails = np.where(ok, middle, passes), np.where(ok, fails, middle)
    return passes


def _peak_limits(n: FloatArray, threshold: float) -> FloatArray:
    """Largest mu at which each n >= 1 is a peak; 0 where it would be below 1e-300.

    ln B_peak is convex in ln mu (an integral of log-convex functions), so Newton's method started
    where B_peak is above the threshold approaches the root from that side and never crosses it. The
    start follows from B_peak > n! / mu^n. Derivative: d ln B_peak / d ln mu = mu - n - mu / B_peak.
    """
    log_start = (special.gammaln(n + 1.0) - threshold * _LN10) / n
    mu = np.exp(np.maximum(log_start, math.log(_SMALLEST_MU)))
    for _ in range(40):
        log_factor = log10_bayes_peak(n, mu) * _LN10
        step = (threshold * _LN10 - log_factor) / (mu - n - mu * np.exp(-log_factor))
        mu = mu * np.exp(np.maximum(step, 0.0))
        if (step < 1e-13).all():
            break
    limits = _last_passing(mu, lambda m: log10_bayes_peak(n, m) >= threshold, upward=True)
    return np.where(log10_bayes_peak(n, _SMALLEST_MU) >= threshold, limits, 0.0)


def _eclipse_limits(n: FloatArray, threshold: float) -> FloatArray:
    """Smallest mu at which each n >= 0 is an eclipse; infinite if the threshold is.

    ln B_eclipse is convex in ln mu (a sum of powers with positive coefficients), so Newton's method
    started above the root stays above it. The start solves (mu - n)^2 / (2 mu) = T ln 10, where the
    deviance alone exceeds the threshold. Derivative: d ln B_eclipse / d ln mu = mu - n + mu / B_eclipse.
    """
    if not math.isfinite(threshold):
        return np.full(n.shape, np.inf)
    a = max(threshold, 1.0) * _LN10
    mu = n + a + np.sqrt(a * a + 2.0 * a * n)
    for _ in range(40):
        log_factor = log10_bayes_eclipse(n, mu) * _LN10
        step = (log_factor - threshold * _LN10) / (mu - n + mu * np.exp(-log_factor))
        mu = mu * np.exp(-np.maximum(step, 0.0))
        if (step < 1e-13).all():
            break
    return _last_passing(mu, lambda m: log10_bayes_eclipse(n, m) >= threshold, upward=False)


def _last_passing(mu: FloatArray, test: Callable[[FloatArray], BoolArray], *, upward: bool) -> FloatArray:
    """Last double near each `mu` that passes `test`; its neighbour upward (downward) fails.

    `mu` are roots up to rounding. They are bracketed first, then bisected down to adjacent doubles.
    """
    sign = 1.0 if upward else -1.0
    width = 1e-14
    passes, fails = mu * (1.0 - sign * width), mu * (1.0 + sign * width)
    while not (inside := test(passes) & ~test(fails)).all() and width < 1.0:
        width *= 8.0
        passes = np.where(inside, passes, mu * (1.0 - sign * width))
        fails = np.where(inside, fails, mu * (1.0 + sign * width))
    while True:
        middle = passes + 0.5 * (fails - passes)
        if ((middle == passes) | (middle == fails)).all():
            return passes
        ok = test(middle)
        passes, fails = np.where(ok, middle, passes), np.where(ok, fails, middle)


@lru_cache(maxsize=16)
def limits(sigma: float) -> Limits:
    """The limits at `sigma`, built once per sigma and process."""
    return Limits(sigma)


def peak_limit(mu: npt.ArrayLike, sigma: float) -> IntArray:
    """Smallest n that is a peak at `sigma` where `mu` are expected; NO_PEAK where nothing is expected."""
    return limits(sigma).peak_limit(mu)


def eclipse_limit(mu: npt.ArrayLike, sigma: float) -> IntArray:
    """Largest n that is an eclipse at `sigma` where `mu` are expected; -1 where there is none."""
    return limits(sigma).eclipse_limit(mu)


def expected_false_alarms(
    values_mu: npt.ArrayLike, weights: npt.ArrayLike, sigma: float, n_min: int = 2
) -> float:
    """Number of peaks and eclipses that chance alone makes among cells of constant sources.

    sum of weights x (P(N >= max(n_peak, n_min)) + P(N <= n_eclipse)) for Poisson N of mean mu.
    `values_mu` and `weights` have one shape: a histogram of mu, the weight being its number of cells.
    Values that are not positive and finite are not searched and count nothing.
    """
    mu, weight = np.asarray(values_mu, np.float64), np.asarray(weights, np.float64)
    if mu.shape != weight.shape:
        msg = f"weights must have the shape of values_mu, {mu.shape}, got {weight.shape}"
        raise ValueError(msg)
    _, valid = _expected(mu)
    mu, weight = mu[valid], weight[valid]
    if not mu.size:
        return 0.0
    table = limits(sigma)
    low = table.eclipse_limit(mu)
    false_peaks = special.gammainc(np.maximum(table.peak_limit(mu), n_min).astype(np.float64), mu)
    false_eclipses = np.where(low >= 0, special.gammaincc(np.maximum(low, 0) + 1.0, mu), 0.0)
    return float(np.sum(weight * (false_peaks + false_eclipses)))
