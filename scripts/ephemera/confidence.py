"""Intervals of shares and of counts, as every branch reports them.

Share k / n with Wilson's interval at z = 1 (68.27 %): centre (p + 1 / (2n)) / (1 + 1 / n), half width
sqrt(p (1 - p) / n + 1 / (4 n^2)) / (1 + 1 / n). Counts with the central interval of their expectation from
chi-squared quantiles (Garwood 1936, Biometrika 28, 437).
"""

from __future__ import annotations

import math

#: Probability within one sigma.
ONE_SIGMA = 0.6826894921370859


def wilson(k: float, n: float) -> tuple[float, float]:
    """Wilson interval (68.27 %) of the share k / n; (nan, nan) for n = 0.

    Raises ValueError unless 0 <= k <= n.
    """
    if not 0 <= k <= n:
        msg = f"k must be in 0..n, got {k!r} of {n!r}"
        raise ValueError(msg)
    if n == 0:
        return float("nan"), float("nan")
    p = k / n
    centre = (p + 1 / (2 * n)) / (1 + 1 / n)
    half = math.sqrt(p * (1 - p) / n + 1 / (4 * n**2)) / (1 + 1 / n)
    # At the ends rounding must not leave the interval short of the share itself.
    return (max(0.0, centre - half) if k else 0.0), (min(1.0, centre + half) if k < n else 1.0)


def poisson_range(count: int, probability: float = ONE_SIGMA) -> tuple[float, float]:
    """Central interval of the expectation of a Poisson count, from chi-squared quantiles."""
    from scipy.stats import chi2  # slow to import

    tail = (1 - probability) / 2
    low = float(chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    return low, float(chi2.ppf(1 - tail, 2 * count + 2)) / 2
