"""Bayes factors of a peak and of an eclipse, for counts n where mu are expected.

With P and Q the regularised lower and upper incomplete gamma functions and pmf the Poisson
probability of n when mu are expected,

    B_peak    = Q(n + 1, mu) / pmf(n; mu) = integral over s >= 0 of (1 + s / mu)^n exp(-s)
    B_eclipse = P(n + 1, mu) / pmf(n; mu) = sum over k >= 1 of mu^k n! / (n + k)!

so that B_peak + B_eclipse = 1 / pmf. B_peak rises with n and falls with mu, B_eclipse falls with n
and rises with mu; B_peak(0, mu) = 1 and B_eclipse(0, mu) = exp(mu) - 1. Both compare "some rate above
(below) mu, all equally likely" with "the rate is mu".

The quotients underflow for ordinary pairs. Here only logarithms meet: with W = -ln pmf, the smaller of
P and Q enters as log(tail), or by its own series where it is tiny, and the larger as log1p(-tail).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import special

from ephemera.xmm.observation import FloatArray

_LN10 = math.log(10.0)
#: Tails below this are evaluated by series, which then converge fast and do not cancel against W.
_SMALL_TAIL = 1e-20
#: From here on -ln pmf comes from the saddle-point form, whose terms do not cancel.
_SADDLE_POINT_FROM = 16.0
_MAX_TERMS = 20_000
_TOLERANCE = 1e-15


def log10_bayes_factors(n: npt.ArrayLike, mu: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
    """log10 B_peak and log10 B_eclipse together, at the cost of little more than one of them.

    `n` (counts, any real >= 0) and `mu` (expected counts, > 0) are broadcast against each other.
    Finite for 0 <= n <= 1e6 and 1e-12 <= mu <= 1e6, within 1e-10 (1 + |log10 B|); NaN where n is
    negative or not finite, or mu is not positive and finite. log10 B_peak of n = 0 is exactly 0.
    """
    n_in, mu_in = np.broadcast_arrays(np.asarray(n, np.float64), np.asarray(mu, np.float64))
    valid = (n_in >= 0) & (n_in < np.inf) & (mu_in > 0) & (mu_in < np.inf)
    counts = np.where(valid, n_in, 0.0).ravel()
    expected = np.where(valid, mu_in, 1.0).ravel()
    peak, eclipse = _log_factors(counts, expected)
    peak[counts == 0] = 0.0
    invalid = ~valid.ravel()
    peak[invalid] = np.nan
    eclipse[invalid] = np.nan
    return (peak / _LN10).reshape(n_in.shape), (eclipse / _LN10).reshape(n_in.shape)


def log10_bayes_peak(n: npt.ArrayLike, mu: npt.ArrayLike) -> FloatArray:
    """log10 of B_peak = Q(n + 1, mu) / pmf(n; mu); see `log10_bayes_factors`."""
    return log10_bayes_factors(n, mu)[0]


def log10_bayes_eclipse(n: npt.ArrayLike, mu: npt.ArrayLike) -> FloatArray:
    """log10 of B_eclipse = P(n + 1, mu) / pmf(n; mu); see `log10_bayes_factors`."""
    return log10_bayes_factors(n, mu)[1]


def negative_log_pmf(n: FloatArray, mu: FloatArray) -> FloatArray:
    """-ln of the Poisson probability of `n` >= 0 when `mu` > 0 are expected (natural logarithm).

    W = lnGamma(n + 1) + mu - n ln mu. For n >= 16 its large terms are cancelled by hand, W = D(n, mu) +
    delta(n) + ln(2 pi n) / 2, with the deviance D = n ln(n / mu) + mu - n and the error delta of
    Stirling's formula (Loader 2000, "Fast and accurate computation of binomial probabilities").
    """
    result: FloatArray = special.gammaln(n + 1.0) + mu - n * np.log(mu)
    large = np.flatnonzero(n >= _SADDLE_POINT_FROM)
    if large.size:
        n_large = n[large]
        stirling = 0.5 * np.log(2.0 * np.pi * n_large) + _stirling_error(n_large)
        result[large] = _deviance(n_large, mu[large]) + stirling
    return result


def _stirling_error(n: FloatArray) -> FloatArray:
    """lnGamma(n + 1) - (n + 1/2) ln n + n - ln(2 pi) / 2 for n >= 16, to double precision."""
    inverse = 1.0 / n
    square = inverse * inverse
    series = 1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188)))
    return np.asarray(inverse * series)


def _deviance(n: FloatArray, mu: FloatArray) -> FloatArray:
    """Half the Poisson deviance, n ln(n / mu) + mu - n, without cancellation near n = mu."""
    difference = n - mu
    v = difference / (n + mu)
    square = v * v
    tail = np.zeros_like(v)
    for odd in range(19, 1, -2):
        tail = tail * square + 1.0 / odd
    near = difference * v + 2.0 * n * v * square * tail
    return np.where(np.abs(v) < 0.1, near, n * np.log(n / mu) + mu - n)


def _log_factors(n: FloatArray, mu: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Natural logarithms of B_peak and B_eclipse for valid one-dimensional `n`, `mu`."""
    w = negative_log_pmf(n, mu)
    below = mu < n + 1.0
    above = ~below
    tail = np.empty_like(mu)
    tail[below] = special.gammainc(n[below] + 1.0, mu[below])
    tail[above] = special.gammaincc(n[above] + 1.0, mu[above])
    # The larger of P and Q is 1 - tail; the tail never exceeds 0.633, so log1p keeps every digit.
    larger = w + np.log1p(-tail)
    smaller = w + np.log(np.maximum(tail, _SMALL_TAIL))
    tiny = np.flatnonzero(tail < _SMALL_TAIL)
    if tiny.size:
        series, fraction = tiny[below[tiny]], tiny[above[tiny]]
        smaller[series] = _log_eclipse_series(n[series], mu[series])
        smaller[fraction] = _log_peak_fraction(n[fraction], mu[fraction])
    return np.where(below, larger, smaller), np.where(below, smaller, larger)


def _log_eclipse_series(n: FloatArray, mu: FloatArray) -> FloatArray:
    """Ln B_eclipse from the sum over k >= 1 of mu^k n! / (n + k)!, for mu < n + 1.

    Consecutive terms have the ratio mu / (n + k); converged elements leave the loop.
    """
    # The first term can underflow (mu near 1e-300), its logarithm cannot: the sum starts from 1.
    total = np.ones_like(mu)
    active = np.arange(mu.size)
    term = np.ones_like(mu)
    for k in range(2, _MAX_TERMS):
        if not active.size:
            break
        term = term * mu[active] / (n[active] + k)
        total[active] += term
        going = term > _TOLERANCE * total[active]
        active, term = active[going], term[going]
    return np.asarray(np.log(mu) - np.log(n + 1.0) + np.log(total))


def _log_peak_fraction(n: FloatArray, mu: FloatArray) -> FloatArray:
    """Ln B_peak = ln(mu F), F the continued fraction of Gamma(n + 1, mu), for mu >= n + 1.

    Gamma(a, x) = exp(-x) x^a F, evaluated by the modified method of Lentz; the large factor
    exp(-mu) mu^(n + 1) / n! is exactly mu pmf and drops out of B_peak.
    """
    fraction = 1.0 / (mu - n)
    active = np.arange(mu.size)
    b = mu - n
    d = fraction.copy()
    c = np.full_like(mu, 1e300)
    remaining = n.copy()
    for i in range(1, _MAX_TERMS):
        if not active.size:
            break
        a = i * (remaining + 1.0 - i)
        b = b + 2.0
        d = 1.0 / (a * d + b)
        c = b + a / c
        step = c * d
        fraction[active] *= step
        going = np.abs(step - 1.0) > _TOLERANCE
        active, remaining = active[going], remaining[going]
        b, c, d = b[going], c[going], d[going]
    return np.asarray(np.log(mu) + np.log(fraction))
