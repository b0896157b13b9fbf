"""Statistics of one light curve: moments, agreement with the expectation, local maxima.

A curve is n counts where mu are expected, frame by frame; only exposed frames enter.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import numpy as np
from scipy import special

from ephemera.xmm.observation import FloatArray, IntArray

_LN10 = math.log(10.0)
#: Frames are summed until this many counts are expected before they enter chi-square.
CHI2_GROUP_MU = 5.0
#: Up to this number of values the tail of the Kolmogorov statistic comes from the one-sided law.
_SMALL_SAMPLE = 200


@dataclass(frozen=True)
class Moments:
    """Summary of a sample; NaN where it has too few values.

    `std` has ddof 1; `skew` = m3 / m2^1.5 and `kurt` = m4 / m2^2 - 3 from the biased central moments m,
    both 0 for a constant sample.
    """

    min: float
    max: float
    mean: float
    std: float
    sum: float
    skew: float
    kurt: float


def moments(values: FloatArray) -> Moments:
    """Moments of a one-dimensional sample."""
    size = len(values)
    if not size:
        nan = math.nan
        return Moments(nan, nan, nan, nan, 0.0, nan, nan)
    low, high, total = float(values.min()), float(values.max()), float(values.sum())
    if low == high:
        return Moments(low, high, low, 0.0 if size > 1 else math.nan, total, 0.0, 0.0)
    mean = total / size
    deviation = values - mean
    square = deviation * deviation
    m2, m3, m4 = (
        float(a @ b) / size for a, b in ((deviation, deviation), (square, deviation), (square, square))
    )
    std = math.sqrt(m2 * size / (size - 1))
    return Moments(low, high, mean, std, total, m3 / m2**1.5, m4 / m2**2 - 3.0)


def reproducible_uniform(text: str, index: IntArray) -> FloatArray:
    """Numbers in [0, 1) that depend on `text` and `index` only (hash of the text, then SplitMix64)."""
    seed = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
    z = (index.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.asarray((z >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def poisson_uniform(log10_b_peak: FloatArray, log10_b_eclipse: FloatArray, v: FloatArray) -> FloatArray:
    """Counts as numbers that are uniform in (0, 1) if the expectation is right.

    u = F(n - 1; mu) + v pmf(n; mu) with the Poisson distribution function F and v uniform, so that the
    steps of F leave no trace. The Bayes factors of n and mu hold both: F(n) = B_peak / (B_peak + B_eclipse)
    and pmf(n) = 1 / (B_peak + B_eclipse).
    """
    # No double lies beyond exp(700); F is 0 there.
    odds = np.exp(np.minimum((log10_b_eclipse - log10_b_peak) * _LN10, 700.0))
    return np.asarray((1.0 - (1.0 - v) * np.exp(-log10_b_peak * _LN10)) / (1.0 + odds))


def kolmogorov_smirnov(u: FloatArray) -> tuple[float, float]:
    """Kolmogorov-Smirnov distance D of a sample from the uniform distribution on (0, 1), and its P.

    P is Kolmogorov's law at D sqrt(N) + 1 / (6 sqrt(N)) + (D sqrt(N) - 1) / (4 N), which removes the error
    of order 1 / N (Vrbik 2018, "Small-sample corrections to Kolmogorov-Smirnov test statistic"). Where
    both tails can hardly be exceeded together, P is twice the exact one-sided P. NaN for an empty sample.
    """
    size = len(u)
    if not size:
        return math.nan, math.nan
    ordered = np.sort(u)
    above = np.arange(1, size + 1) / size - ordered
    distance = float(max(above.max(), 1.0 / size - above.min()))
    if size <= _SMALL_SAMPLE:
        two_tails = 2.0 * float(special.smirnov(size, distance))
        if two_tails < 0.1 or distance >= 0.5:
            return distance, min(two_tails, 1.0)
    root = distance * math.sqrt(size)
    corrected = root + 1.0 / (6.0 * math.sqrt(size)) + (root - 1.0) / (4.0 * size)
    return distance, float(special.kolmogorov(max(corrected, 0.0)))


def chi2_probability(n: FloatArray, mu: FloatArray) -> float:
    """Probability of at least the observed X^2 = sum (n - mu)^2 / mu for Poisson counts.

    Consecutive frames are summed until mu >= 5; what is left at the end joins the last group. Each group
    has E = 1 and Var = 2 + 1 / mu, and X^2 is compared with the gamma distribution of this mean and
    variance (chi-square for large mu). NaN where less than 5 counts are expected in all.
    """
    starts = _group_starts(mu)
    if not len(starts):
        return math.nan
    expected = np.add.reduceat(mu, starts)
    observed = np.add.reduceat(n, starts)
    statistic = float(((observed - expected) ** 2 / expected).sum())
    mean = float(len(starts))
    variance = 2.0 * mean + float((1.0 / expected).sum())
    return float(special.gammaincc(mean * mean / variance, statistic * mean / variance))


def _group_starts(mu: FloatArray) -> IntArray:
    """First frames of the groups of consecutive frames with sum mu >= 5, taken greedily."""
    if not len(mu):
        return np.empty(0, np.int64)
    if mu.min() >= CHI2_GROUP_MU:
        return np.arange(len(mu))
    total = np.concatenate([[0.0], np.cumsum(mu)])
    # after[k]: where the group that starts at frame k ends; beyond the curve if mu does not suffice.
    after = np.searchsorted(total, total + CHI2_GROUP_MU).data
    starts: list[int] = []
    start = 0
    while start < len(mu) and after[start] <= len(mu):
        starts.append(start)
        start = after[start]
    return np.asarray(starts, np.int64)


def count_maxima_above(values: FloatArray, threshold: float) -> int:
    """Number of strict local maxima above `threshold`; a plateau counts once, the two ends do not."""
    if len(values) < 3 or not values.max() > threshold:
        return 0
    steps = np.flatnonzero(values[1:] != values[:-1])
    runs = values[np.concatenate([[0], steps + 1])]
    inner = runs[1:-1]
    return int(np.count_nonzero((inner > runs[:-2]) & (inner > runs[2:]) & (inner > threshold)))
