"""Figures over time: the light curve of a detection, and the curve of the flaring background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import gammaincinv

from ephemera.figures.axes import frame_axis, runs, shade, shade_intervals, time_axis
from ephemera.figures.style import COLOURS, SERIES
from ephemera.xmm.bayes import eclipse_limit, peak_limit
from ephemera.xmm.bti import BadTime
from ephemera.xmm.observation import BoolArray, FloatArray, IntArray

#: Significances between whose limits the counts are no detection, sigma.
BAND_SIGMAS = (5.0, 3.0)
#: Share of a Poisson distribution on either side of an error bar.
TAIL = 0.15865525393145707
#: Curves with more frames in view than this are drawn as a line, without error bars.
MOST_BARS = 300
#: Frames on either side of the best one in a close view, at least.
CLOSE_FRAMES = 30
#: Significant frames at most this far apart belong to one event.
JOINED_FRAMES = 5
KILO = 1e3


@dataclass(frozen=True, eq=False)
class Curve:
    """Counts of a region by frame: `edges` (T+1,) s from `start_mjd` (TT), `n` (T,), `mu` (T,) NaN where masked.

    `bti`, `bccd` (T,) are bad time and masked frames; `peaks`, `eclipses` (T,) say which frames hold
    significant cells of the region, which are tested pixel by pixel, not in the sum that the curve shows.
    """

    edges: FloatArray
    start_mjd: float
    n: IntArray
    mu: FloatArray
    bti: BoolArray
    bccd: BoolArray
    peaks: BoolArray
    eclipses: BoolArray

    def part(self, view: slice) -> Curve:
        """The frames of `view`; times stay those of the whole."""
        names = ("n", "mu", "bti", "bccd", "peaks", "eclipses")
        edges = self.edges[view.start : view.stop + 1]
        return Curve(edges, self.start_mjd, *(getattr(self, name)[view] for name in names))

    @property
    def centres(self) -> FloatArray:
        """Middle of each frame, s."""
        return (self.edges[:-1] + self.edges[1:]) / 2

    @cached_property
    def known(self) -> BoolArray:
        """Frames with an expectation."""
        return np.asarray(~self.bccd & (self.mu > 0))

    def limits(self, sigma: float) -> tuple[FloatArray, FloatArray]:
        """Counts half way between the last that is nothing and the first that is an eclipse or a peak.

        Low is 0 where no count is an eclipse; both are NaN in frames without an expectation.
        """
        mu = np.where(self.known, self.mu, 1.0)
        low = np.maximum(eclipse_limit(mu, sigma) + 0.5, 0.0)
        low[eclipse_limit(mu, sigma) < 0] = 0.0
        high = peak_limit(mu, sigma) - 0.5
        return np.where(self.known, low, np.nan), np.where(self.known, high, np.nan)


def curve_of(
    columns: Mapping[str, npt.NDArray[Any]], stop: float, peak_frames: IntArray, eclipse_frames: IntArray
) -> Curve:
    """Curve of one detection from the columns of the file of light curves.

    `stop` (s) is the end of the last frame; the others are the frames of its significant cells.
    """
    time = columns["time"]
    edges = np.append(time, stop) - time[0]
    frames = np.arange(len(time))
    return Curve(
        edges=edges,
        start_mjd=float(columns["time_mjd"][0] - edges[1] / 2 / 86400.0),
        n=columns["n"].astype(np.int64),
        mu=columns["mu"],
        bti=columns["bti"],
        bccd=columns["bccd"],
        peaks=np.isin(frames, peak_frames),
        eclipses=np.isin(frames, eclipse_frames),
    )


def poisson_errors(n: npt.ArrayLike) -> FloatArray:
    """Lengths (2, ...) of error bars below and above `n`: the central 68.27 % interval for the mean.

    The ends are the means for which n or more, n or less, has probability 15.87 % (Garwood 1936); the lower
    one is 0 for n = 0.
    """
    counts = np.asarray(n, np.float64)
    low = np.where(counts > 0, gammaincinv(np.maximum(counts, 1.0), TAIL), 0.0)
    return np.stack([counts - low, gammaincinv(counts + 1.0, 1.0 - TAIL) - counts])


def close_view(curve: Curve, best_frame: int) -> slice | None:
    """Frames around the event of `best_frame`; None where they would be most of the curve."""
    n_frames = len(curve.n)
    near = np.convolve(curve.peaks | curve.eclipses, np.ones(2 * JOINED_FRAMES + 1), "same") > 0
    first, last = best_frame, best_frame + 1
    for start, stop in zip(*runs(near), strict=True):
        if start <= best_frame < stop:
            first, last = int(start), int(stop)
    margin = max(CLOSE_FRAMES, last - first)
    view = slice(max(first - margin, 0), min(last + margin, n_frames))
    return view if view.stop - view.start < 0.6 * n_frames else None


def light_curve(figure: Figure, curve: Curve, best_frame: int, title: str) -> None:
    """Draw the curve of one detection; a second panel below shows the frames around `best_frame` closely."""
    view = close_view(curve, best_frame)
    panels = figure.subplots(2 if view is not None else 1, 1, squeeze=False)[:, 0]
    panels[0].set_title(title, parse_math=False, pad=4)
    whole = slice(0, len(curve.n))
    for axes, frames in zip(panels, (whole, view), strict=False):
        curve_panel(axes, curve, whole if frames is None else frames)
    if view is not None:
        low, high = curve.edges[[view.start, view.stop]] / KILO
        panels[0].axvspan(low, high, ymin=0.985, color=COLOURS["data"], linewidth=0)
    time_axis(panels[-1], curve.start_mjd)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, columnspacing=1.2
    )


def curve_panel(axes: Axes, curve: Curve, view: slice) -> None:
    """Draw the frames of `view`: counts, expectation, bands of chance, bad and masked time."""
    edges = curve.edges / KILO
    inside = slice(max(view.start - 1, 0), view.stop + 1)
    part = curve.part(inside)
    top = _bands(axes, part)
    shade(axes, edges, curve.bti, facecolor=COLOURS["bad time"], alpha=0.22, label="bad time", zorder=0)
    masked = {"facecolor": "#EDEDED", "edgecolor": COLOURS["masked"], "hatch": "//////"}
    shade(axes, edges, curve.bccd, **masked, label="masked", zorder=0)
    _counts(axes, part, bars=view.stop - view.start <= MOST_BARS)
    _significant(axes, part)
    axes.set_xlim(edges[view.start], edges[view.stop])
    seen = part.n + poisson_errors(part.n)[1]
    axes.set_ylim(0, 1.12 * max(float(np.max(seen, initial=1.0)), top))
    axes.set_ylabel("Counts per frame")
    frame_axis(axes, float(np.median(np.diff(curve.edges))))


def _bands(axes: Axes, part: Curve) -> float:
    """Expectation and the bands in which counts are no detection; returns the top of what is drawn."""
    edges, top = part.edges / KILO, 1.0
    for sigma, shade_of_band in zip(BAND_SIGMAS, (0.22, 0.4), strict=True):
        low, high = (np.append(limit, limit[-1:]) for limit in part.limits(sigma))
        axes.fill_between(
            edges, low, high, step="post", linewidth=0, facecolor=COLOURS["band"], alpha=shade_of_band,
            label=f"within {sigma:g} sigma", zorder=1,
        )  # fmt: skip
        top = max(top, float(np.nanmax(high, initial=1.0)))
    mu = np.where(part.known, part.mu, np.nan)
    axes.stairs(mu, edges, baseline=None, color=COLOURS["expectation"], label="expected", zorder=3)
    return top


def _counts(axes: Axes, part: Curve, *, bars: bool) -> None:
    """Counts: with error bars, or as a line where frames are many; open symbols where nothing is expected."""
    look = {"color": COLOURS["data"], "zorder": 4}
    centres = part.centres / KILO
    if not bars:
        axes.stairs(
            np.where(part.known, part.n, np.nan), part.edges / KILO, baseline=None, linewidth=0.4,
            label="observed", **look,
        )  # fmt: skip
        return
    for chosen, face, label in ((part.known, COLOURS["data"], "observed"), (~part.known, "white", None)):
        axes.errorbar(
            centres[chosen], part.n[chosen], poisson_errors(part.n[chosen]), fmt="o", linewidth=0.5,
            markerfacecolor=face, markeredgewidth=0.5, label=label if chosen.any() else None, **look,
        )  # fmt: skip


def _significant(axes: Axes, part: Curve) -> None:
    """Symbols on the frames whose counts are significant, and signs above those of significant cells."""
    low, high = part.limits(min(BAND_SIGMAS))
    centres = part.centres / KILO
    for kind, chosen in (("peak", part.n > high), ("eclipse", (part.n < low) & part.known)):
        axes.plot(
            centres[chosen], part.n[chosen], "o", markersize=4.5, markerfacecolor=COLOURS[kind],
            markeredgecolor=COLOURS["data"], markeredgewidth=0.5, label=f"{kind} above 3 sigma", zorder=5,
        )  # fmt: skip
    for kind, chosen in (("peak", part.peaks), ("eclipse", part.eclipses)):
        axes.plot(
            centres[chosen], np.full(int(chosen.sum()), 0.955), "v", markersize=3.5, color=COLOURS[kind],
            transform=axes.get_xaxis_transform(), label=f"{kind} in a pixel", zorder=5,
        )  # fmt: skip


def flare_curves(
    figure: Figure, bad: Mapping[float, BadTime], t0: float, t1: float, start_mjd: float, title: str
) -> None:
    """Draw the flare curves of a subset, a panel for each window length (s), with threshold and bad times.

    The span is [`t0`, `t1`] s, `start_mjd` the date of t0.
    """
    panels = figure.subplots(max(len(bad), 1), 1, sharex=True, squeeze=False)[:, 0]
    panels[0].set_title(title, parse_math=False, pad=4)
    for axes, (window, times) in zip(panels, sorted(bad.items()), strict=False):
        flare_panel(axes, times, t0)
        seconds = float(np.diff(times.intervals, axis=1).sum())
        note = f"windows of {window:g} s: {seconds / KILO:.2f} of {(t1 - t0) / KILO:.2f} ks is bad"
        axes.text(0.01, 0.94, note, transform=axes.transAxes, va="top", fontsize="small")
    panels[-1].set_xlim(0, (t1 - t0) / KILO)
    time_axis(panels[-1], start_mjd)
    figure.supylabel("Rate, 10-12 keV [ct/s]", fontsize="medium")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)


def flare_panel(axes: Axes, times: BadTime, t0: float) -> None:
    """Draw the curves of one window length, their thresholds and the bad times."""
    if not times.curves:
        axes.text(0.5, 0.5, "no curve: no time is called bad", transform=axes.transAxes, ha="center")
    threshold = 1.0
    for number, curve in enumerate(times.curves):
        edges = (curve.edges - t0) / KILO
        several = f" {number + 1}" if len(times.curves) > 1 else ""
        axes.stairs(
            curve.rate, edges, baseline=None, color=SERIES[number % len(SERIES)], label=f"rate{several}"
        )
        limit = np.where(curve.exposed > 0, curve.threshold, np.nan)
        axes.stairs(
            limit,
            edges,
            baseline=None,
            color=COLOURS["threshold"],
            linestyle="--",
            label=f"threshold{several}",
        )
        threshold = float(np.nanmax(limit, initial=0.1))
    bad = (times.intervals - t0) / KILO
    shade_intervals(axes, bad, facecolor=COLOURS["bad time"], alpha=0.3, label="bad time", zorder=0)
    # Flares are a hundred times the threshold; the quiet time must stay visible beside them.
    axes.set_yscale("asinh", linear_width=threshold)
    axes.set_ylim(bottom=0)
