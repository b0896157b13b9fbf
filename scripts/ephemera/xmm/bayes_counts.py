"""How many counts a peak has in excess, or an eclipse lacks.

The posterior of the true rate with a flat prior is a gamma distribution of shape n + 1. Cut at mu, its
upper part is the posterior of a peak's rate and its lower part that of an eclipse's. With P and Q the
regularised incomplete gamma functions at (n + 1, mu), the quantile p is

    peak     x - mu  with  Q(n + 1, x) = (1 - p) Q
    eclipse  mu - x  with  P(n + 1, x) = (1 - p) P.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import special

from ephemera.xmm.bayes_factors import log10_bayes_eclipse, log10_bayes_peak, negative_log_pmf
from ephemera.xmm.observation import FloatArray

#: Probabilities of the quantiles that are reported: the median and one sigma on either side.
REPORTED_QUANTILES = (0.1587, 0.5, 0.8413)
#: Below this probability the root is sought in logarithms, which do not underflow.
_SMALL_PROBABILITY = 1e-200
_LN10 = math.log(10.0)
_MAX_STEPS = 60


def peak_counts(p: npt.ArrayLike, n: npt.ArrayLike, mu: npt.ArrayLike) -> FloatArray:
    """Quantile `p` (0 < p < 1) of the excess counts of a peak, given that the excess is >= 0.

    `p`, `n` and `mu` broadcast; NaN where n is negative or mu not positive or either not finite.
    """
    return _quantiles(p, n, mu, special.gammaincc, special.gammainccinv, _far_peak_rate, 1.0)


def eclipse_counts(p: npt.ArrayLike, n: npt.ArrayLike, mu: npt.ArrayLike) -> FloatArray:
    """Quantile `p` (0 < p < 1) of the counts an eclipse lacks, given that it lacks some.

    `p`, `n` and `mu` broadcast; NaN where n is negative or mu not positive or either not finite.
    """
    return _quantiles(p, n, mu, special.gammainc, special.gammaincinv, _far_eclipse_rate, -1.0)


def _quantiles(
    p: npt.ArrayLike,
    n: npt.ArrayLike,
    mu: npt.ArrayLike,
    tail_of: Callable[[FloatArray, FloatArray], FloatArray],
    inverse: Callable[[FloatArray, FloatArray], FloatArray],
    far_rate: Callable[[FloatArray, FloatArray, FloatArray], FloatArray],
    sign: float,
) -> FloatArray:
    """The distance sign (x - mu) to the rate x beyond which (1 - p) of the tail beyond mu lies."""
    inputs = (np.asarray(a, np.float64) for a in (p, n, mu))
    probability, counts, expected = np.broadcast_arrays(*inputs)
    if probability.size and not ((probability > 0) & (probability < 1)).all():
        msg = f"p must lie between 0 and 1 (both excluded), got {np.asarray(p)!r}"
        raise ValueError(msg)
    shape = probability.shape
    result = np.full(probability.size, np.nan)
    valid = (counts >= 0) & (counts < np.inf) & (expected > 0) & (expected < np.inf)
    keep = (1.0 - probability)[valid]
    counts, expected = counts[valid], expected[valid]
    tail = tail_of(counts + 1.0, expected)
    rate = inverse(counts + 1.0, keep * tail)
    far = np.flatnonzero(tail < _SMALL_PROBABILITY)
    if far.size:
        rate[far] = far_rate(counts[far], expected[far], np.log(keep[far]))
    # Both inverses are good to rounding, which must not turn a small excess negative.
    result[valid.ravel()] = np.maximum(sign * (rate - expected), 0.0)
    return result.reshape(shape)


def _far_peak_rate(n: FloatArray, mu: FloatArray, log_keep: FloatArray) -> FloatArray:
    """The x > mu with ln Q(n + 1, x) = ln Q(n + 1, mu) + `log_keep`, for mu far above n.

    ln Q = ln B_peak + ln pmf is concave with slope -1 / B_peak: Newton's method overshoots once and then
    approaches from above.
    """
    target = _log_upper(n, mu) + log_keep
    rate = mu.copy()
    for _ in range(_MAX_STEPS):
        step = (_log_upper(n, rate) - target) * np.exp(log10_bayes_peak(n, rate) * _LN10)
        rate = rate + step
        if (np.abs(step) <= 1e-14 * rate).all():
            break
    return rate


def _far_eclipse_rate(n: FloatArray, mu: FloatArray, log_keep: FloatArray) -> FloatArray:
    """The x < mu with ln P(n + 1, x) = ln P(n + 1, mu) + `log_keep`, for mu far below n.

    There P is x^(n + 1) times a slowly falling factor. In ln x the logarithm is concave with slope
    x / B_eclipse, so Newton's method converges from any start near the power law.
    """
    target = _log_lower(n, mu) + log_keep
    log_rate = np.log(mu) + log_keep / (n + 1.0)
    for _ in range(_MAX_STEPS):
        rate = np.exp(log_rate)
        step = (_log_lower(n, rate) - target) * np.exp(log10_bayes_eclipse(n, rate) * _LN10) / rate
        log_rate = log_rate - step
        if (np.abs(step) <= 1e-15).all():
            break
    return np.asarray(np.exp(log_rate))


def _log_upper(n: FloatArray, x: FloatArray) -> FloatArray:
    return np.asarray(log10_bayes_peak(n, x) * _LN10 - negative_log_pmf(n, x))


def _log_lower(n: FloatArray, x: FloatArray) -> FloatArray:
    return np.asarray(log10_bayes_eclipse(n, x) * _LN10 - negative_log_pmf(n, x))
