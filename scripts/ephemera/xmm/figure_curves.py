"""Figures over time: the light curve of a detection, and the curve of the flaring background."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import MaxNLocator

from ephemera.confidence import poisson_errors
from ephemera.figures.axes import (
    frame_axis,
    runs,
    shade,
    shade_intervals,
    spread_axis,
    step_band,
    steps,
    time_axis,
)
from ephemera.figures.style import COLOURS, SERIES, margins
from ephemera.xmm.bayes import eclipse_limit, peak_limit
from ephemera.xmm.bti import BadTime
from ephemera.xmm.observation import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Significances between whose limits the counts are no detection, sigma.
BAND_SIGMAS = (3.0, 5.0)
#: Curves with more frames in view than this are drawn as a line, without error bars.
MOST_BARS = 300
#: Frames on either side of the best one in a close view, at least.
CLOSE_FRAMES = 30
#: Significant frames at most this far apart belong to one event.
JOINED_FRAMES = 5
KILO = 1e3
#: First words of the names in legends, in order.
LEGEND_ORDER = ("observed", "rate", "expected", "threshold", "within", "peak", "eclipse", "bad", "masked")


@dataclass(frozen=True, eq=False)
class Curve:
    """Counts of a region by frame.

    `edges` (T+1,) s from `start_mjd` (MJD, TT); `n` (T,) observed and `mu` (T,) expected, NaN where masked;
    `bti`, `bccd` (T,) bad time and masked frames; `peaks`, `eclipses` (T,) frames with significant cells of
    the region, which are tested pixel by pixel, not in the sum that the curve shows.
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


def light_curve_height(curve: Curve, best_frame: int) -> float:
    """Height of the figure of one detection, inch."""
    return 3.0 if close_view(curve, best_frame) is None else 4.6


def light_curve(figure: Figure, curve: Curve, best_frame: int, title: str) -> None:
    """Draw the curve of one detection; a second panel below shows the frames around `best_frame` closely."""
    close = close_view(curve, best_frame)
    views = [slice(0, len(curve.n))] + ([] if close is None else [close])
    space = margins(figure, left=0.55, right=0.12, bottom=0.83, top=0.72)
    panels = figure.subplots(len(views), 1, squeeze=False, gridspec_kw=space | {"hspace": 0.38})[:, 0]
    figure.text(space["left"], 0.99, title, va="top", linespacing=1.4, parse_math=False)
    for axes, view in zip(panels, views, strict=True):
        curve_panel(axes, curve, view, first=axes is panels[0])
    if close is not None:
        low, high = curve.edges[[close.start, close.stop]] / KILO
        panels[0].plot(
            [low, high], [1, 1], color=COLOURS["data"], linewidth=3, solid_capstyle="butt",
            transform=panels[0].get_xaxis_transform(),
        )  # fmt: skip
    time_axis(panels[-1], curve.start_mjd)
    _legend(figure, panels, ncols=5)


def _legend(figure: Figure, panels: Iterable[Axes], ncols: int) -> None:
    """One legend for all panels below them, counts first, then what is expected, then what is shaded."""
    known: dict[str, Any] = {}
    for axes in panels:
        known |= {label: handle for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    names = [name for first in LEGEND_ORDER for name in known if name.startswith(first)]
    figure.legend([known[name] for name in names], names, loc="lower center", ncols=ncols)


def curve_panel(axes: Axes, curve: Curve, view: slice, *, first: bool = True) -> None:
    """Draw the frames of `view`: counts, expectation, bands of chance, bad and masked time."""
    bars = view.stop - view.start <= MOST_BARS
    part = curve.part(view)
    edges = part.edges / KILO
    top = _bands(axes, part)
    shade(axes, edges, part.bti, facecolor=COLOURS["bad time"], alpha=0.25, label="bad time", zorder=0)
    masked = {"facecolor": "#F2F2F2", "edgecolor": COLOURS["masked"], "hatch": "//////"}
    shade(axes, edges, part.bccd, **masked, label="masked", zorder=0)
    _counts(axes, part, bars=bars)
    _significant(axes, part)
    axes.set_xlim(edges[0], edges[-1])
    reach = part.n + (poisson_errors(part.n)[1] if bars else 0)
    top = 1.15 * max(float(np.max(reach, initial=1.0)), top)
    # Symbols of empty frames must not be cut in halves.
    axes.set_ylim(-0.03 * top, top)
    axes.set_ylabel("Counts per frame")
    axes.yaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True))
    frame_axis(axes, float(np.median(np.diff(curve.edges))), label=first)


def _bands(axes: Axes, part: Curve) -> float:
    """Expectation and the bands in which counts are no detection; returns the top of what is drawn."""
    edges, top = part.edges / KILO, 1.0
    mu = np.where(part.known, part.mu, np.nan)
    steps(axes, edges, mu, color=COLOURS["expectation"], label="expected", zorder=3)
    for sigma, opacity in zip(BAND_SIGMAS, (0.45, 0.22), strict=True):
        low, high = part.limits(sigma)
        look = {"facecolor": COLOURS["band"], "alpha": opacity, "label": f"within {sigma:g} sigma"}
        step_band(axes, edges, low, high, zorder=1, **look)
        top = max(top, float(np.nanmax(high, initial=1.0)))
    return top


def _counts(axes: Axes, part: Curve, *, bars: bool) -> None:
    """Counts: with error bars, or as a line where frames are many; open symbols where nothing is expected."""
    colour, centres = COLOURS["data"], part.centres / KILO
    if not bars:
        counts = np.where(part.known, part.n, np.nan)
        steps(axes, part.edges / KILO, counts, color=colour, linewidth=0.4, label="observed", zorder=4)
        return
    for chosen, face, label in ((part.known, colour, "observed"), (~part.known, "white", "observed, masked")):
        if chosen.any():
            n = part.n[chosen]
            axes.errorbar(
                centres[chosen], n, poisson_errors(n), fmt="o", color=colour, linewidth=0.4,
                markersize=2.5, markerfacecolor=face, markeredgewidth=0.5, label=label, zorder=4,
            )  # fmt: skip


def _significant(axes: Axes, part: Curve) -> None:
    """Symbols on the frames whose counts are significant, and signs above those of significant cells."""
    low, high = part.limits(min(BAND_SIGMAS))
    centres, span = part.centres / KILO, axes.get_xaxis_transform()
    for kind, outside, cells in (
        ("peak", part.n > high, part.peaks), ("eclipse", part.n < low, part.eclipses),
    ):  # fmt: skip
        look: dict[str, Any] = {
            "linestyle": "none",
            "markeredgecolor": COLOURS["data"],
            "markeredgewidth": 0.4,
            "zorder": 5,
        }
        look["markerfacecolor"] = COLOURS[kind]
        if outside.any():
            label = f"{kind} beyond {min(BAND_SIGMAS):g} sigma"
            axes.plot(centres[outside], part.n[outside], marker="o", markersize=4.5, label=label, **look)
        if cells.any():
            at = np.full(int(cells.sum()), 0.945)
            axes.plot(centres[cells], at, marker="v", transform=span, label=f"{kind} in a pixel", **look)


def flare_figure_height(bad: Mapping[float, BadTime]) -> float:
    """Height of the figure of the flare curves, inch."""
    return 1.1 + 1.35 * max(len(bad), 1)


def flare_curves(
    figure: Figure, bad: Mapping[float, BadTime], t0: float, t1: float, start_mjd: float, title: str
) -> None:
    """Draw the flare curves of a subset, a panel for each window length (s), with threshold and bad times.

    The span is [`t0`, `t1`] s, `start_mjd` the date of t0.
    """
    space = margins(figure, left=0.55, right=0.12, bottom=0.65, top=0.3)
    panels = figure.subplots(
        max(len(bad), 1), 1, sharex=True, squeeze=False, gridspec_kw=space | {"hspace": 0.08}
    )
    figure.text(space["left"], 1 - 0.1 / figure.get_figheight(), title, va="top", parse_math=False)
    for axes, (window, times) in zip(panels[:, 0], sorted(bad.items()), strict=False):
        flare_panel(axes, times, t0)
        seconds = float(np.diff(times.intervals, axis=1).sum())
        note = f"windows of {window:g} s: bad time {seconds / KILO:.2f} of {(t1 - t0) / KILO:.2f} ks"
        axes.text(0.014, 0.93, note, transform=axes.transAxes, va="top", fontsize="small", zorder=6)
    panels[-1, 0].set_xlim(0, (t1 - t0) / KILO)
    time_axis(panels[-1, 0], start_mjd)
    figure.supylabel("Rate of the flaring background [ct/s]", fontsize="medium", x=0.012)
    _legend(figure, panels[:, 0], ncols=6)


def flare_panel(axes: Axes, times: BadTime, t0: float) -> None:
    """Draw the curves of one window length, their thresholds and the bad times."""
    if not times.curves:
        axes.text(0.5, 0.5, "no curve: no time is called bad", transform=axes.transAxes, ha="center")
    allowed, top = 0.1, 0.2
    for number, curve in enumerate(times.curves):
        edges, several = (curve.edges - t0) / KILO, f" {number + 1}" if len(times.curves) > 1 else ""
        colour = SERIES[number % len(SERIES)]
        limit = np.where(curve.exposed > 0, curve.threshold, np.nan)
        steps(axes, edges, curve.rate, color=colour, linewidth=0.5, label=f"rate{several}", zorder=2)
        look = {"color": COLOURS["threshold"], "linestyle": "--", "label": f"threshold{several}", "zorder": 3}
        steps(axes, edges, limit, **look)
        allowed = max(allowed, float(np.nanmax(limit, initial=0.0)))
        top = max(top, allowed, float(np.nanmax(curve.rate, initial=0.0)))
    look = {"facecolor": COLOURS["bad time"], "alpha": 0.3, "label": "bad time", "zorder": 0}
    shade_intervals(axes, (times.intervals - t0) / KILO, **look)
    # Flares are a hundred times the threshold; the quiet time must stay visible beside them.
    spread_axis(axes, allowed, 2.5 * top)
