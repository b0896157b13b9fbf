"""Cut the times of one object into seasons."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def seasons(mjd: npt.NDArray[np.float64], gap_days: float | None) -> list[npt.NDArray[np.int64]]:
    """Rows of each season, in order of time; null cuts nothing.

    A season ends where successive times of all rows, flagged ones included, differ by more than
    `gap_days`. Rows without a time join the last season.
    """
    if len(mjd) == 0:
        return []
    order = np.argsort(mjd, kind="stable")  # NaN last
    if gap_days is None:
        return [order]
    with np.errstate(invalid="ignore"):
        cuts = np.flatnonzero(np.diff(mjd[order]) > gap_days) + 1
    return np.split(order, cuts)
