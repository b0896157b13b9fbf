"""Intervals of shares and of counts, as every branch reports them.

Share k / n with Wilson's interval at z = 1 (68.27 %): centre (p + 1 / (2n)) / (1 + 1 / n), half width
sqrt(p (1 - p) / n + 1 / (4 n^2)) / (1 + 1 / n). Counts with the central interval of their expectation
(Garwood 1936, Biometrika 28, 437): the inverse P^-1 of the regularised lower incomplete gamma function at
(n, tail) and (n + 1, 1 - tail), half the quantiles of chi-squared.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

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


def poisson_range(count: float, probability: float = ONE_SIGMA) -> tuple[float, float]:
    """Central interval of the expectation of a Poisson count."""
    low, high = (float(end) for end in _poisson_ends(count, probability))
    return low, high


def poisson_errors(counts: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Lengths (2, ...) of error bars below and above counts: the central 68.27 % interval."""
    import numpy as np

    low, high = _poisson_ends(counts, ONE_SIGMA)
    return np.stack([counts - low, high - counts])


def _poisson_ends(counts: npt.ArrayLike, probability: float) -> tuple[Any, Any]:
    import numpy as np
    from scipy.special import gammaincinv  # slow to import

    n, tail = np.asarray(counts, np.float64), (1 - probability) / 2
    low = np.where(n > 0, gammaincinv(np.maximum(n, 1.0), tail), 0.0)
    return low, gammaincinv(n + 1.0, 1 - tail)
