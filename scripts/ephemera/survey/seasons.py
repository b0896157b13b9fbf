"""Cut the times of one object into seasons."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ephemera.survey.light_curve import LightCurve


def seasons(mjd: npt.NDArray[np.float64], gap_days: float | None) -> list[npt.NDArray[np.int64]]:
    """Rows of each season, in order of time; null cuts nothing.

    A season ends where successive times of all rows, flagged ones included, differ by more than
    `gap_days`. Rows without a finite time join the last season.
    """
    if len(mjd) == 0:
        return []
    known = np.where(np.isfinite(mjd), mjd, np.nan)
    order = np.argsort(known, kind="stable")  # NaN last
    if gap_days is None:
        return [order]
    cuts = np.flatnonzero(np.diff(known[order]) > gap_days) + 1
    return np.split(order, cuts)


def in_seasons(whole: LightCurve, gap_days: float | None, *, drop_bad: bool = False) -> list[LightCurve]:
    """Light curves of the seasons of one object in one filter; `exptime` becomes each season's median.

    `drop_bad` removes bad epochs after the cut; a season without any epoch left is no light curve.
    """
    parts = seasons(whole.mjd, gap_days)
    curves = []
    for number, part in enumerate(parts, 1):
        rows = part[~whole.bad[part]] if drop_bad else part
        if len(rows):
            some = whole.take(rows)
            exptime = float(np.median(some.live))
            curves.append(replace(some, season=number, season_of=len(parts), exptime=exptime))
    return curves
