"""Bad time intervals: when soft protons flare.

Above 10 keV the mirrors hardly focus X-rays, so the curve of 10 to 12 keV events follows the flaring
background. A window is bad when its rate is above the sum of the thresholds of the cameras that were
on. EXOD2 scales its threshold by the number of lists for the whole exposure, and gives edges one window
early.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from ephemera.xmm.exposure import any_exposure, exposed_seconds
from ephemera.xmm.fits_stream import FitsError, open_fits
from ephemera.xmm.intervals import (
    bad_time_intervals,
    intersect,
    merge_intervals,
    overlap,
    regular_edges,
)
from ephemera.xmm.observation import BoolArray, Camera, FloatArray, ListHeader, Subset
from ephemera.xmm.outcomes import ListRejected, Outcome

FLARE_LOW_EV, FLARE_HIGH_EV = 10000, 12000
#: Rate in 10-12 keV, ct/s, above which the time of a camera is bad.
DEFAULT_THRESHOLDS: Mapping[Camera, float] = {Camera.PN: 0.5, Camera.M1: 0.5, Camera.M2: 0.5}
#: A window exposed for a smaller share of its length says nothing: one event would make it bad.
LEAST_EXPOSED = 0.1
#: Longest window of the flare curve when it follows the frame length, s.
LONGEST_WINDOW = 100.0

Method = Literal["he", "fbktsr", "none"]


@dataclass(frozen=True)
class FlareCurve:
    """Curve of the flaring background in windows between `edges` (n+1,), s.

    `counts` (n,) i8, or NaN f8 where only rates are known; `exposed` (n,) s in which any CCD was on;
    `rate` (n,) ct/s, NaN in windows hardly or not exposed; `threshold` (n,) ct/s.
    """

    edges: FloatArray
    counts: npt.NDArray[np.int64] | FloatArray
    exposed: FloatArray
    rate: FloatArray
    threshold: FloatArray


@dataclass(frozen=True)
class BadTime:
    """Bad time intervals (k, 2) in s, disjoint and sorted, and the curves that they come from."""

    intervals: FloatArray
    curves: tuple[FlareCurve, ...] = ()

    @property
    def curve(self) -> FlareCurve | None:
        """The only or first curve, if there is one."""
        return self.curves[0] if self.curves else None


def flare_curve(
    subset: Subset,
    window: float,
    thresholds: Mapping[Camera, float] = DEFAULT_THRESHOLDS,
    band: tuple[int, int] = (FLARE_LOW_EV, FLARE_HIGH_EV),
) -> FlareCurve:
    """Curve of events with 10000 <= PI <= 12000 in windows of `window` s from t0, the last one shorter.

    `band` are other energies (eV, both ends included) for the cameras of other missions.

    With e_j the seconds of window j in which any CCD was on and e_cj those of camera c (mean over its
    CCDs), rate_j = counts_j / e_j and threshold_j = sum over c of threshold_c e_cj / e_j: 1.5 ct/s
    for three cameras at 0.5, and 1.0 where one is off. Raises ValueError for a camera without a
    threshold or a window that is no length of time.
    """
    missing = [camera.name for camera in subset.cameras if camera not in thresholds]
    if missing:
        raise ValueError(f"thresholds must name every camera of the subset, but lack {', '.join(missing)}")
    edges = regular_edges(subset.t0, subset.t1, window)
    events = subset.events
    hard = events.time[(events.pi >= band[0]) & (events.pi <= band[1])]
    index = np.clip(np.searchsorted(edges, hard, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(index, minlength=len(edges) - 1)
    exposed = overlap(any_exposure(subset), edges)
    allowed = np.zeros(len(exposed))
    for header in subset.headers:
        allowed += thresholds[header.camera] * exposed_seconds(header, edges).mean(axis=0)
    on = exposed >= LEAST_EXPOSED * np.diff(edges)
    rate = np.divide(counts, exposed, out=np.full(len(exposed), np.nan), where=on)
    threshold = np.divide(allowed, exposed, out=np.zeros(len(exposed)), where=on)
    return FlareCurve(edges, counts, exposed, rate, threshold)


def bad_times(
    subset: Subset,
    window: float,
    thresholds: Mapping[Camera, float] = DEFAULT_THRESHOLDS,
    *,
    method: Method = "he",
    pipeline_curves: Sequence[FlareCurve] = (),
    band: tuple[int, int] = (FLARE_LOW_EV, FLARE_HIGH_EV),
) -> BadTime:
    """Bad times of `subset`, within its span.

    `he`: from its own curve of `band`, 10-12 keV. `fbktsr`: whatever any of `pipeline_curves`, read by
    `read_pipeline_curve`, calls bad. `none`: nothing is bad. Raises ValueError for another method, or
    for `fbktsr` without a curve.
    """
    if method == "none":
        return BadTime(np.empty((0, 2)))
    if method == "he":
        curve = flare_curve(subset, window, thresholds, band)
        return BadTime(bad_time_intervals(curve.edges, curve.rate, curve.threshold), (curve,))
    if method != "fbktsr":
        raise ValueError(f"method must be 'he', 'fbktsr' or 'none', not {method!r}")
    if not pipeline_curves:
        raise ValueError("pipeline_curves must hold at least one curve for method 'fbktsr'")
    parts = [bad_time_intervals(c.edges, c.rate, c.threshold) for c in pipeline_curves]
    intervals = intersect(np.concatenate(parts), [[subset.t0, subset.t1]])
    return BadTime(intervals, tuple(pipeline_curves))


def read_pipeline_curve(path: str | os.PathLike[str]) -> FlareCurve:
    """Flare curve of a pipeline product FBKTSR, with its optimum cut (BGOPTCUT, else FLCUTTHR).

    Bins are TIME +- TIMEDEL / 2; bins without exposure (FRACEXP = 0) or without a rate were not
    exposed, nor was the time between bins. Raises ListRejected (`bad_file`, `bad_columns`,
    `bad_keywords`, `no_events` without bins) for a file that is not such a product.
    """
    columns: dict[str, FloatArray] = {}
    width = cut = None
    try:
        with open_fits(path) as stream:
            for hdu in stream:
                if hdu.header.name == "RATE" and not columns:
                    width = hdu.header.number("TIMEDEL")
                    cut = cut if cut is not None else hdu.header.number("FLCUTTHR")
                    columns = hdu.read([n for n in ("TIME", "RATE", "FRACEXP") if n in hdu.column_names()])
                best = hdu.header.number("BGOPTCUT")
                cut = best if best is not None else cut
    except FitsError as error:
        raise ListRejected(Outcome.BAD_FILE, str(error)) from error
    if not {"TIME", "RATE"} <= set(columns):
        raise ListRejected(Outcome.BAD_COLUMNS, "no table RATE with columns TIME and RATE")
    if cut is None or width is None or not width > 0:
        raise ListRejected(Outcome.BAD_KEYWORDS, "missing or unreadable: BGOPTCUT or TIMEDEL")
    known = np.isfinite(columns["TIME"])
    if not known.any():
        raise ListRejected(Outcome.NO_EVENTS, "the table RATE has no bin with a time")
    time, rate = columns["TIME"][known], columns["RATE"][known]
    exposed = columns.get("FRACEXP", np.ones(len(known)))[known] * width
    return _curve_of_bins(time, width, np.where(exposed > 0, rate, np.nan), exposed, cut)


def window_of(dt: float, fixed: float | None) -> float:
    """Window length (s) of the flare curve that belongs to frames of `dt` s: `fixed`, else dt up to 100 s."""
    return fixed if fixed is not None else min(dt, LONGEST_WINDOW)


def bad_time_columns(bad: BadTime, header: ListHeader) -> dict[str, FloatArray]:
    """Columns of the bad time product: start, stop (s), start_mjd, stop_mjd, mean_rate, threshold (ct/s).

    Dates are in the time scale of the list (TT). Rate and threshold are means over the exposed seconds of the
    interval, of the curve that has most of it.
    """
    start, stop = bad.intervals[:, 0], bad.intervals[:, 1]
    means = [[_mean_over(curve, interval) for curve in bad.curves] for interval in bad.intervals]
    best = np.array([max(m) if m else (0.0, np.nan, np.nan) for m in means]).reshape(-1, 3)
    return {
        "start": start,
        "stop": stop,
        "start_mjd": header.mjd(start),
        "stop_mjd": header.mjd(stop),
        "mean_rate": best[:, 1],
        "threshold": best[:, 2],
    }


def bad_frames(bad: FloatArray, exposed: FloatArray, edges: FloatArray, min_overlap: float) -> BoolArray:
    """Frames whose exposed time is covered by bad times to at least the share `min_overlap`.

    `bad` and `exposed` are intervals (k, 2), `edges` (n+1,) those of the frames. A frame that was not
    exposed is not bad. Raises ValueError unless 0 < min_overlap <= 1.
    """
    if not 0 < min_overlap <= 1:
        raise ValueError(f"bti_min_overlap must lie above 0 and up to 1, not {min_overlap!r}")
    seconds = overlap(exposed, edges)
    covered = overlap(intersect(bad, exposed), edges)
    # A frame that is bad to exactly this share must not depend on the last digit of its times.
    return np.asarray((seconds > 0) & (covered >= min_overlap * seconds - 1e-6) & (covered > 0))


def _curve_of_bins(
    centre: FloatArray, width: float, rate: FloatArray, exposed: FloatArray, cut: float
) -> FlareCurve:
    """Curve of bins in any order; gaps between them become windows that were not exposed."""
    order = np.argsort(centre, kind="stable")
    start, stop = centre[order] - width / 2, centre[order] + width / 2
    follows = np.concatenate([start[1:] - stop[:-1] < 0.01 * width, [True]])
    # A bin that is followed by a gap keeps its own end, after which an empty window begins.
    edges = np.insert(start, np.flatnonzero(~follows) + 1, stop[~follows])
    windows = np.insert(np.arange(len(start)), np.flatnonzero(~follows) + 1, -1)
    edges = np.concatenate([edges, stop[-1:]])
    exposed = np.where(windows < 0, 0.0, exposed[order][windows])
    rate = np.where(exposed > 0, rate[order][windows], np.nan)
    return FlareCurve(edges, np.full(len(windows), np.nan), exposed, rate, np.full(len(windows), cut))


def _mean_over(curve: FlareCurve, interval: FloatArray) -> tuple[float, float, float]:
    """Exposed seconds of `curve` in `interval`, and mean rate and threshold over them."""
    length = np.diff(curve.edges)
    seconds = overlap(merge_intervals(interval[None]), curve.edges) / length * curve.exposed
    total = float(seconds.sum())
    if total <= 0:
        return 0.0, np.nan, np.nan
    rate = float((np.nan_to_num(curve.rate) * seconds).sum()) / total
    return total, rate, float((curve.threshold * seconds).sum()) / total
