"""Bayes factors as equivalent numbers of sigma.

sigma_eq(B) is the s >= 0 with log10 B_peak(n+(1000, s), 1000) = B, where n+ = n+(mu, s) is the real,
unrounded root of the two-Poisson rule (the same with n- for eclipses). It is continuous and strictly
monotone, and it is at least s for everything that passes the thresholds at s, because these round n+
up and n- down.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ephemera.xmm.bayes_factors import log10_bayes_eclipse, log10_bayes_peak
from ephemera.xmm.bayes_limits import ANCHOR_MU, two_poisson_counts
from ephemera.xmm.observation import FloatArray

#: Largest sigma an eclipse can reach at the anchor: there n- is 0.
LARGEST_ECLIPSE_SIGMA = math.sqrt(ANCHOR_MU)
#: End of the table for peaks; beyond it the last slope continues.
_TABLE_END_PEAK = 1e6
_PEAK_NODES = 8192
#: More for eclipses, whose curve bends on the scale of one count where few are left.
_ECLIPSE_NODES = 32768


def sigma_equivalent_peak(log10_b: npt.ArrayLike) -> FloatArray:
    """Sigma equivalent of log10 B_peak; 0 below 1.6053 (s = 0), without upper limit; NaN stays NaN."""
    return _peak_table().sigma(log10_b)


def sigma_equivalent_eclipse(log10_b: npt.ArrayLike) -> FloatArray:
    """Sigma equivalent of log10 B_eclipse; 0 below 1.5907 (s = 0), at most sqrt(1000); NaN stays NaN."""
    return np.minimum(_eclipse_table().sigma(log10_b), LARGEST_ECLIPSE_SIGMA)


@dataclass(frozen=True)
class _SigmaTable:
    """z = ln(1 + sigma) tabulated against y = ln(1 + log10 B - `floor`), for cubic interpolation.

    In these variables the curve is smooth and nearly straight from sigma = 0 to 1e6. `z` is evenly
    spaced; `slope` is dz/dy at the nodes; `floor` is log10 B at sigma = 0.
    """

    floor: float
    y: FloatArray
    z: FloatArray
    slope: FloatArray

    def sigma(self, log10_b: npt.ArrayLike) -> FloatArray:
        """Sigma at log10 B, by cubic Hermite interpolation (error below 1e-8 (1 + sigma))."""
        b = np.asarray(log10_b, np.float64)
        y = np.log1p(np.maximum(b - self.floor, 0.0))
        k = np.clip(np.searchsorted(self.y, y, side="right") - 1, 0, len(self.y) - 2)
        width = self.y[k + 1] - self.y[k]
        t = np.minimum((y - self.y[k]) / width, 1.0)
        left, right = self.slope[k] * width, self.slope[k + 1] * width
        rise = self.z[k + 1] - self.z[k]
        z = self.z[k] + t * (left + t * (3.0 * rise - 2.0 * left - right + t * (left + right - 2.0 * rise)))
        beyond = np.maximum(y - self.y[-1], 0.0)
        return np.asarray(np.expm1(z + self.slope[-1] * beyond))


def _table(log10_b_at: Callable[[FloatArray], FloatArray], end: float, nodes: int) -> _SigmaTable:
    """Table of the curve log10 B(sigma) for sigma from 0 to `end`, at `nodes` nodes."""
    z, step = np.linspace(0.0, math.log1p(end), nodes, retstep=True)
    sigma = np.expm1(z)
    sigma[-1] = end
    log10_b = log10_b_at(sigma)
    y = np.log1p(log10_b - log10_b[0])
    return _SigmaTable(float(log10_b[0]), y, z, 1.0 / _derivative(y, float(step)))


def _derivative(y: FloatArray, step: float) -> FloatArray:
    """Derivative of evenly spaced values to fourth order, one-sided at the two first and last ones."""
    inner = y[:-4] - 8.0 * y[1:-3] + 8.0 * y[3:-1] - y[4:]
    one_sided = np.array([[-25.0, 48.0, -36.0, 16.0, -3.0], [-3.0, -10.0, 18.0, -6.0, 1.0]])
    first, last = one_sided @ y[:5], -(one_sided @ y[:-6:-1])[::-1]
    return np.concatenate([first, inner, last]) / (12.0 * step)


@lru_cache(maxsize=1)
def _peak_table() -> _SigmaTable:
    def log10_b(sigma: FloatArray) -> FloatArray:
        return log10_bayes_peak(two_poisson_counts(ANCHOR_MU, sigma)[1], ANCHOR_MU)

    return _table(log10_b, _TABLE_END_PEAK, _PEAK_NODES)


@lru_cache(maxsize=1)
def _eclipse_table() -> _SigmaTable:
    def log10_b(sigma: FloatArray) -> FloatArray:
        # Rounding may leave the last root a hair below zero.
        return log10_bayes_eclipse(np.maximum(two_poisson_counts(ANCHOR_MU, sigma)[0], 0.0), ANCHOR_MU)

    return _table(log10_b, LARGEST_ECLIPSE_SIGMA, _ECLIPSE_NODES)
