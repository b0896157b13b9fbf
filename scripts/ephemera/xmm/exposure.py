"""When the CCDs of a subset were exposed, from their good time intervals.

A list without any good time counts as exposed from its start to its stop.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ephemera.xmm.intervals import RESOLUTION, complement, intersect, merge_intervals, overlap
from ephemera.xmm.observation import FloatArray, ListHeader, Subset

#: Shortest silence of a camera, in s, that can be a gap in a list without good times.
MIN_SILENCE = 100.0
#: A silence is a gap if the chance of one anywhere in the list is below exp(-this).
SILENCE_LOG_CHANCE = 10.0


def exposure_tables(header: ListHeader) -> list[FloatArray]:
    """Good time (k, 2) of each kept CCD in order; one table [start, stop] without any good time."""
    if header.has_good_time:
        return [header.good_time[ccd] for ccd in header.kept_ccds]
    return [np.array([[header.start, header.stop]])]


def exposed_seconds(header: ListHeader, edges: FloatArray) -> FloatArray:
    """Exposed seconds (n_ccd, n) of each kept CCD in each interval between `edges` (n+1,)."""
    return np.array([overlap(table, edges) for table in exposure_tables(header)])


def any_exposure(subset: Subset) -> FloatArray:
    """Times (k, 2) within the span of `subset` in which any CCD of any camera was exposed."""
    tables = [table for header in subset.headers for table in exposure_tables(header)]
    return intersect(np.concatenate(tables), [[subset.t0, subset.t1]])


def missing_time(header: ListHeader, ccd: int) -> FloatArray:
    """Times (k, 2) in which `ccd` was off for more than two frame times while another CCD was on.

    Shorter pieces are lost read-outs, of which every real list has some, not a CCD that is off.
    """
    on = merge_intervals(np.concatenate(exposure_tables(header)))
    own = header.good_time[ccd]
    gaps = intersect(on, complement(own, float(on[0, 0]), float(on[-1, 1])))
    return gaps[gaps[:, 1] - gaps[:, 0] > 2 * header.frame_time + RESOLUTION]


def silences(times: npt.NDArray[np.float64], start: float, stop: float) -> FloatArray:
    """Gaps (k, 2) of a camera that has no good times, seen as silence between its sorted events.

    A silence is a gap if it lasts at least 100 s and so long that its chance at the mean rate,
    N exp(-rate x length), is below exp(-10). Within [start, stop].
    """
    if len(times) < 2:
        return np.empty((0, 2))
    rate = len(times) / max(stop - start, np.finfo(float).tiny)
    longest = max(MIN_SILENCE, (SILENCE_LOG_CHANCE + np.log(len(times))) / rate)
    points = np.concatenate([[start], times, [stop]])
    at = np.flatnonzero(np.diff(points) > longest)
    return np.column_stack([points[at], points[at + 1]])
