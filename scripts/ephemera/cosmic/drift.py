"""The columns that a drifting signal takes, step by step, as the detector's Taylor tree sums them.

The total drift D counts over R time steps, the number of steps T rounded up to a power of two. The tree
halves the time again and again; each half carries floor(D/2), and the second starts where the first ended
plus D mod 2 (Taylor 1974). Whole columns per step are taken out first.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ephemera.cosmic.metadata import rounded_steps

IntArray = npt.NDArray[np.int64]


def drift_path(total_drift: int, n_time: int) -> IntArray:
    """Columns of `n_time` steps relative to the first, for a drift of `total_drift` columns over R steps.

    Raises ValueError for fewer than one time step.
    """
    if n_time < 1:
        message = f"a path needs at least one time step, got {n_time}"
        raise ValueError(message)
    path = _tree(abs(int(total_drift)), int(rounded_steps(n_time)))[:n_time]
    return path if total_drift >= 0 else -path


def _tree(drift: int, steps: int) -> IntArray:
    """Path of a drift >= 0 over a power of two of steps."""
    if steps == 1:
        return np.zeros(1, np.int64)
    whole, rest = divmod(drift, steps - 1)
    if whole:
        return whole * np.arange(steps) + _tree(rest, steps)
    if steps == 2:
        return np.array([0, drift], np.int64)
    half = _tree(drift // 2, steps // 2)
    return np.concatenate((half, half + half[-1] + drift % 2))


def line_end(total_drift: int, n_time: int) -> float:
    """Columns that a straight line drifts from the first to the last step: D (T-1)/(R-1)."""
    return total_drift * (n_time - 1) / max(int(rounded_steps(n_time)) - 1, 1)
