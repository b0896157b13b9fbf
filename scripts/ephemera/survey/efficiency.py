"""Efficiencies with errors, and rates or limits from them.

Efficiency e = k / n with Wilson's interval at z = 1 (68.27 %):
centre (p + 1 / (2n)) / (1 + 1 / n), half width sqrt(p (1 - p) / n + 1 / (4 n^2)) / (1 + 1 / n). A bin
without injections has no efficiency, which is not 0.

Rate R = N / sum(X e) over bins with exposure X (d). The 68.27 % range of N comes from chi-squared quantiles
(Garwood 1936); N = 0 gives the 95 % limit 2.9957 / sum(X e). The error of the efficiencies enters by
seeded draws from Beta(k + 1/2, n - k + 1/2) per bin, added in quadrature to the Poisson range.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ephemera.confidence import poisson_range, wilson

#: `wilson` is imported from here by notebooks.
__all__ = ["Rate", "efficiency", "poisson_limit", "poisson_range", "rate_of", "wilson"]

#: Confidence of upper limits.
LIMIT = 0.95
#: Draws of the efficiency of each bin.
DRAWS = 1000


def efficiency(k: float, n: float) -> float:
    """K / n; nan for n = 0."""
    return k / n if n else float("nan")


def poisson_limit(count: int, probability: float = LIMIT) -> float:
    """Upper limit on the expectation of a Poisson count; 2.9957 for 0 at 95 %."""
    from scipy.stats import chi2

    return float(chi2.ppf(probability, 2 * count + 2)) / 2


@dataclass(frozen=True)
class Rate:
    """Events per day, its 68.27 % range, and the 95 % upper limit (d^-1); nan where undefined.

    `effective_exposure` is sum(X e) in days; `without_injections` the exposure (d) of bins that had none and
    are left out.
    """

    count: int
    rate: float
    low: float
    high: float
    limit: float
    effective_exposure: float
    efficiency_error: float
    without_injections: float


def rate_of(
    count: int,
    exposure_days: Sequence[float] | npt.ArrayLike,
    recovered: Sequence[float] | npt.ArrayLike,
    injected: Sequence[float] | npt.ArrayLike,
    rng: np.random.Generator | None = None,
) -> Rate:
    """Rate of `count` events in bins with exposures (d) and recovered / injected counts.

    Without `rng` the error of the efficiencies is left out.
    """
    exposure = np.atleast_1d(np.asarray(exposure_days, np.float64))
    k = np.atleast_1d(np.asarray(recovered, np.float64))
    n = np.atleast_1d(np.asarray(injected, np.float64))
    known = n > 0
    left_out = float(exposure[~known].sum())
    total = float(np.sum(exposure[known] * k[known] / n[known]))
    if not total > 0:
        nan = float("nan")
        return Rate(count, nan, nan, nan, nan, total, nan, left_out)
    error, inverse = 0.0, 1 / total
    if rng is not None:
        drawn = rng.beta(k[known] + 0.5, n[known] - k[known] + 0.5, size=(DRAWS, int(known.sum())))
        sums = drawn @ exposure[known]
        error, inverse = float(sums.std() / total), float(np.mean(1 / sums))
    low, high = poisson_range(count)
    rate = count / total
    spread = rate * error
    return Rate(
        count=count,
        rate=rate,
        low=max(0.0, rate - math.hypot(rate - low / total, spread)),
        high=rate + math.hypot(high / total - rate, spread),
        limit=poisson_limit(count) * (inverse if rng is not None else 1 / total),
        effective_exposure=total,
        efficiency_error=error,
        without_injections=left_out,
    )
