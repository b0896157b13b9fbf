"""When a light curve does something: groups of significant frames, their times and their counts.

An outburst here is a group of significant frames of one curve, a peak or an eclipse. Times are those of
the curve (s since MJDREF, TT); counts are "in excess" for a peak and "lacking" for an eclipse, both positive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ephemera.xmm.bayes import (
    REPORTED_QUANTILES,
    eclipse_counts,
    log10_bayes_factors,
    peak_counts,
    sigma_equivalent_eclipse,
    sigma_equivalent_peak,
)
from ephemera.xmm.observation import BoolArray, FloatArray, IntArray

#: log10 B above which a frame counts as significant here, a little above 3 sigma.
PEAK_LEVEL = 6.4
ECLIPSE_LEVEL = 5.5
#: Points per band on which the posterior of the hardness ratio is evaluated.
_POSTERIOR_POINTS = 32


@dataclass(frozen=True)
class ExposedCurve:
    """The exposed frames of a light curve: parallel arrays.

    `frame` is the index in the whole curve, `start` and `exposure` are in s, all frames are `t_bin` s long.
    """

    t_bin: float
    frame: IntArray
    start: FloatArray
    exposure: FloatArray
    bti: BoolArray
    n: FloatArray
    mu: FloatArray
    b_peak: FloatArray
    b_eclipse: FloatArray

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True)
class Outburst:
    """The most significant group of frames: positions in an `ExposedCurve`.

    `sign` is +1 for a peak and -1 for an eclipse; `best` is the most significant frame; the group spans
    `first`..`last`; `frames` are those of the group in which it is significant in the sense of `sign`.
    """

    sign: int
    best: int
    first: int
    last: int
    frames: IntArray


def find_outburst(
    curve: ExposedCurve, sigma_peak: float, sigma_eclipse: float, min_gap: float
) -> tuple[Outburst | None, int]:
    """The most significant outburst and the number of groups of significant frames.

    Frames with log10 B_peak > 6.4 or log10 B_eclipse > 5.5 are significant; frames whose starts are more
    than `min_gap` s apart belong to different groups. Without such frames there are 0 groups, and the
    outburst is the one frame with the largest equivalent sigma; None if `sigma_peak` and
    `sigma_eclipse`, the largest of the curve, are both 0.
    """
    if max(sigma_peak, sigma_eclipse) <= 0.0:
        return None, 0
    sign = 1 if sigma_peak >= sigma_eclipse else -1
    best = int(np.nanargmax(curve.b_peak if sign > 0 else curve.b_eclipse))
    significant = np.flatnonzero((curve.b_peak > PEAK_LEVEL) | (curve.b_eclipse > ECLIPSE_LEVEL))
    if not len(significant):
        return Outburst(sign, best, best, best, np.array([best])), 0
    gap = np.diff(curve.start[significant]) > min_gap
    group = np.concatenate([[0], np.cumsum(gap)])
    n_groups = int(group[-1]) + 1
    place = np.searchsorted(significant, best)
    if place == len(significant) or significant[place] != best:
        return Outburst(sign, best, best, best, np.array([best])), n_groups
    members = significant[group == group[place]]
    same = curve.b_peak[members] > PEAK_LEVEL if sign > 0 else curve.b_eclipse[members] > ECLIPSE_LEVEL
    return Outburst(sign, best, int(members[0]), int(members[-1]), members[same]), n_groups


def outburst_times(curve: ExposedCurve, outburst: Outburst) -> dict[str, float]:
    """Features t_start, t_stop, duration, t_peak, T90, rise and decay of an outburst, s.

    t_start and t_stop are the edges of the group, t_peak the middle of its most significant frame,
    rise = t_peak - t_start, decay = t_stop - t_peak. T90 is the time from 5 % to 95 % of the counts of
    the group that exceed (or fall short of) the expectation, first passage, linear within a frame;
    NaN if there are none.
    """
    group = slice(outburst.first, outburst.last + 1)
    start = curve.start[group]
    t_start, t_stop = float(start[0]), float(start[-1]) + curve.t_bin
    t_peak = float(curve.start[outburst.best]) + 0.5 * curve.t_bin
    return {
        "t_start": t_start,
        "t_stop": t_stop,
        "duration": t_stop - t_start,
        "t_peak": t_peak,
        "T90": _t90(start, curve.t_bin, outburst.sign * (curve.n[group] - curve.mu[group])),
        "rise": t_peak - t_start,
        "decay": t_stop - t_peak,
    }


def _t90(start: FloatArray, t_bin: float, excess: FloatArray) -> float:
    cumulative = np.concatenate([[0.0], np.cumsum(excess)])
    total = cumulative[-1]
    if total <= 0:
        return math.nan
    reached = np.maximum.accumulate(cumulative)
    time = np.stack([start, start + t_bin], axis=1).ravel()
    level = np.stack([reached[:-1], reached[1:]], axis=1).ravel()
    # Frames that add nothing would make the inverse ambiguous; the first passage is what is meant.
    t05, t95 = (_first_passage(time, level, share * total) for share in (0.05, 0.95))
    return t95 - t05


def _first_passage(time: FloatArray, level: FloatArray, wanted: float) -> float:
    """First time at which the rising polygon (`time`, `level`) reaches `wanted`."""
    k = int(np.searchsorted(level, wanted, side="left"))
    share = (wanted - level[k - 1]) / (level[k] - level[k - 1])
    return float(time[k - 1] + share * (time[k] - time[k - 1]))


def outburst_counts(curve: ExposedCurve, outburst: Outburst) -> dict[str, float]:
    """Features counts_excess_q16, _q50, _q84 (counts), rate_peak and rate_mean (counts per s of exposure).

    Posterior quantiles 0.1587, 0.5, 0.8413 of the summed significant frames; rate_peak is |n - mu| signed
    as the outburst, per exposure, of the most significant frame; rate_mean that of all significant frames.
    """
    n, mu = float(curve.n[outburst.frames].sum()), float(curve.mu[outburst.frames].sum())
    q16, q50, q84 = (float(q) for q in excess_quantiles(outburst.sign, REPORTED_QUANTILES, n, mu))
    best = outburst.best
    rate = outburst.sign * float(curve.n[best] - curve.mu[best]) / float(curve.exposure[best])
    mean = outburst.sign * (n - mu) / float(curve.exposure[outburst.frames].sum())
    counts = {"counts_excess_q16": q16, "counts_excess_q50": q50, "counts_excess_q84": q84}
    return counts | {"rate_peak": rate, "rate_mean": mean}


def excess_quantiles(sign: int, p: tuple[float, ...] | FloatArray, n: object, mu: object) -> FloatArray:
    """Posterior quantiles of the counts in excess (`sign` = +1) or lacking (-1)."""
    quantiles = peak_counts if sign > 0 else eclipse_counts
    return quantiles(np.asarray(p), np.asarray(n, np.float64), np.asarray(mu, np.float64))


def hardness(curve: ExposedCurve, outburst: Outburst, soft: FloatArray, hard: FloatArray) -> dict[str, float]:
    """Features fluence_soft, fluence_hard (counts), hr, hr_low and hr_high of an outburst.

    `soft` and `hard` are counts per exposed frame of the two halves of the band. The expectation mu is
    shared between them as the counts of the other frames are. With the excess counts H and S (not below
    0), hr = (H - S) / (H + S), NaN if both are 0; hr_low and hr_high are the quantiles 0.1587 and 0.8413
    of its posterior, from independent flat-prior posteriors of H and S (Park et al. 2006).
    """
    counts, expected = split_expectation(curve, outburst, np.stack([soft, hard]))
    names = ("fluence_soft", "fluence_hard", "hr", "hr_low", "hr_high")
    return dict(zip(names, hardness_ratio(outburst.sign, counts, expected), strict=True))


def hardness_ratio(
    sign: int, counts: FloatArray, expected: FloatArray
) -> tuple[float, float, float, float, float]:
    """Excess S and H, (H - S) / (H + S) of what is positive of them, and quantiles 0.1587 and 0.8413 of it.

    `counts`, `expected` (2,) are those of the soft and the hard band; `sign` is -1 for missing counts.
    """
    soft, hard = (float(e) for e in sign * (counts - expected))
    s, h = max(soft, 0.0), max(hard, 0.0)
    low, high = _hardness_interval(sign, counts, expected)
    return soft, hard, (h - s) / (h + s) if h + s > 0 else math.nan, low, high


def split_expectation(
    curve: ExposedCurve, outburst: Outburst, parts: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Counts of an outburst in each part of the events, and the counts expected there.

    `parts` (k, frames) are the counts of k parts (bands, cameras) that make up the curve. The summed mu
    is shared out by the parts' counts outside the significant frames, plus 1/2 each for small numbers.
    """
    counts = parts[:, outburst.frames].sum(axis=1)
    quiet = parts.sum(axis=1) - counts + 0.5
    return counts, float(curve.mu[outburst.frames].sum()) * quiet / quiet.sum()


def _hardness_interval(sign: int, counts: FloatArray, expected: FloatArray) -> tuple[float, float]:
    """Quantiles 0.1587 and 0.8413 of the hardness ratio over a grid of equally probable S and H."""
    p = (np.arange(_POSTERIOR_POINTS) + 0.5) / _POSTERIOR_POINTS
    soft, hard = excess_quantiles(sign, p, counts[:, None], expected[:, None])
    ratio = np.sort(((hard[:, None] - soft) / (hard[:, None] + soft)).ravel())
    low, _, high = (ratio[round(q * len(ratio))] for q in REPORTED_QUANTILES)
    return float(low), float(high)


def edge_excess(curve: ExposedCurve) -> dict[str, float]:
    """Features edge_excess_start and edge_excess_end: whether the curve is high where it begins or ends.

    Equivalent sigma of the summed counts against the summed expectation of the first (last) 2 % of the
    exposed frames, at least 3.
    """
    size = max(3, math.ceil(0.02 * len(curve)))
    ends = (slice(None, size), slice(-size, None))
    n = [float(curve.n[end].sum()) for end in ends]
    mu = [float(curve.mu[end].sum()) for end in ends]
    start, end = sigma_equivalent_peak(log10_bayes_factors(n, mu)[0])
    return {"edge_excess_start": float(start), "edge_excess_end": float(end)}


def largest_sigma(curve: ExposedCurve) -> dict[str, float]:
    """Features B_peak_log_max and B_eclipse_log_max, and in sigma sigma_max_B_peak, sigma_max_B_eclipse."""
    peak, eclipse = float(np.fmax.reduce(curve.b_peak)), float(np.fmax.reduce(curve.b_eclipse))
    return {
        "B_peak_log_max": peak,
        "B_eclipse_log_max": eclipse,
        "sigma_max_B_peak": float(sigma_equivalent_peak(peak)),
        "sigma_max_B_eclipse": float(sigma_equivalent_eclipse(eclipse)),
    }
