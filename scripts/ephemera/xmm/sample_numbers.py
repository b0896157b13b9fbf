"""Figures of a sample's numbers: histograms, numbers above thresholds, limits of counts, Bayes factors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import LogFormatter, MaxNLocator, NullFormatter

from ephemera.figures.style import COLOURS, SERIES, margins
from ephemera.xmm.bayes import (
    LARGEST_ECLIPSE_SIGMA,
    eclipse_limit,
    peak_limit,
    sigma_equivalent_eclipse,
    sigma_equivalent_peak,
    thresholds,
)
from ephemera.xmm.observation import FloatArray
from ephemera.xmm.sample_sky import Columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Column, label, whether its axis is logarithmic.
Shown = tuple[str, str, bool]
COUNTS: tuple[Shown, ...] = (
    ("n_max", "Most counts of a frame", True),
    ("counts", "Counts of the region", True),
    ("counts_excess_q50", "Counts in excess or missing", True),
    ("best_logB", "log10 B of the best cell", True),
    ("best_sigma", "Significance of the best cell [sigma]", False),
    ("n_pixels", "Pixels of the region", False),
)
FEATURES: tuple[Shown, ...] = (
    ("duration", "Duration [s]", True),
    ("T90", "T90 [s]", True),
    ("n_peaks", "Groups of significant frames", False),
    ("ks_pval", "Probability of KS", False),
    ("chi2_pval", "Probability of chi-square", False),
    ("n_skew", "Skewness of the counts", False),
    ("n_kurt", "Excess kurtosis of the counts", False),
    ("ratio_bti", "Share of bad time", False),
    ("ratio_bccd", "Share of masked frames", False),
    ("hr", "Hardness (H - S) / (H + S)", False),
    ("off_axis", "Angle from the axis [arcmin]", False),
    ("frac_one_raw_pixel", "Share of one raw pixel", False),
)
#: Bins of a histogram.
BINS = 30
SIGMAS = (3.0, 5.0)
DECADE = 10.0


def histograms(figure: Figure, detections: Columns, shown: tuple[Shown, ...]) -> None:
    """A histogram of each column, a line for each frame length."""
    rows = -(-len(shown) // 3)
    space = margins(figure, left=0.5, right=0.1, bottom=0.75, top=0.1)
    panels = figure.subplots(rows, 3, squeeze=False, gridspec_kw=space | {"hspace": 0.55, "wspace": 0.25})
    t_bins = np.unique(detections["t_bin"])
    for axes, (name, label, logarithmic) in zip(panels.flat, shown, strict=True):
        values = detections[name].astype(np.float64)
        logarithmic = logarithmic and spans_decades(values)
        edges = bin_edges(values, logarithmic=logarithmic)
        for number, t_bin in enumerate(t_bins):
            mine = values[(detections["t_bin"] == t_bin) & np.isfinite(values)]
            axes.hist(mine, edges, histtype="step", color=SERIES[number % len(SERIES)], label=f"{t_bin:g} s")
        if logarithmic:
            axes.set_xscale("log")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlabel(label)
        axes.tick_params(top=False, right=False, which="both")
    figure.supylabel("Detections", fontsize="medium", x=0.01)
    _one_legend(figure, panels.flat[0])


def spans_decades(values: FloatArray) -> bool:
    """Whether positive values differ by more than a factor of ten."""
    good = values[np.isfinite(values) & (values > 0)]
    return bool(len(good)) and float(good.max() / good.min()) > DECADE


def bin_edges(values: FloatArray, *, logarithmic: bool) -> FloatArray:
    """Edges of bins that hold all finite (positive, where logarithmic) values."""
    good = values[np.isfinite(values) & ((values > 0) if logarithmic else True)]
    if not len(good):
        return np.array([1.0, 10.0]) if logarithmic else np.array([0.0, 1.0])
    low, high = float(good.min()), float(good.max())
    if logarithmic:
        return np.geomspace(low / 1.05, high * 1.05, BINS + 1)
    pad = 0.02 * (high - low) or 0.5
    return np.linspace(low - pad, high + pad, BINS + 1)


def numbers_above(figure: Figure, detections: Columns) -> None:
    """Number of detections whose Bayes factor, or most counts, reach a threshold; a line a frame length."""
    space = margins(figure, left=0.55, right=0.1, bottom=0.8, top=0.1)
    left, right = figure.subplots(1, 2, gridspec_kw=space | {"wspace": 0.22})
    for axes, name, label in (
        (left, "best_logB", "Threshold of log10 B"),
        (right, "n_max", "Threshold of the most counts of a frame"),
    ):
        for number, t_bin in enumerate(np.unique(detections["t_bin"])):
            values = np.sort(detections[name][detections["t_bin"] == t_bin].astype(np.float64))
            values = values[np.isfinite(values)]
            above = np.arange(len(values), 0, -1)
            colour = SERIES[number % len(SERIES)]
            axes.step(values, above, where="pre", color=colour, label=f"{t_bin:g} s")
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(LogFormatter())
            axis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(1, 0.5)))
        axes.set_xlabel(label)
    left.set_ylabel("Detections at or above it")
    for sigma, style in zip(SIGMAS, ("--", ":"), strict=True):
        peak, _ = thresholds(sigma)
        left.axvline(peak, color=COLOURS["threshold"], linestyle=style, label=f"peak of {sigma:g} sigma")
    _one_legend(figure, left)


def count_limits(figure: Figure) -> None:
    """First count that is a peak and last that is an eclipse, against the expected counts."""
    space = margins(figure, left=0.6, right=0.15, bottom=0.8, top=0.1)
    axes = figure.add_subplot(figure.add_gridspec(1, 1, **space)[0])
    mu = np.geomspace(1e-6, 1e4, 1500)
    for sigma, style in zip(SIGMAS, ("-", "--"), strict=True):
        axes.plot(mu, peak_limit(mu, sigma), style, color=COLOURS["peak"], label=f"n_peak, {sigma:g} sigma")
        low = eclipse_limit(mu, sigma).astype(np.float64)
        low[low < 0] = np.nan
        axes.plot(mu, low, style, color=COLOURS["eclipse"], label=f"n_eclipse, {sigma:g} sigma")
    axes.plot(mu, mu, ":", color=COLOURS["masked"], label="n = mu")
    axes.set_xscale("log")
    axes.set_yscale("symlog", linthresh=1, linscale=0.5)
    axes.set_ylim(-0.2, 2e4)
    axes.set_xlabel("Expected counts mu")
    axes.set_ylabel("Counts n")
    _one_legend(figure, axes)


def factor_against_sigma(figure: Figure, detections: Columns) -> None:
    """Bayes factor against its equivalent in sigma, with the detections on the curves."""
    space = margins(figure, left=0.6, right=0.15, bottom=0.8, top=0.1)
    axes = figure.add_subplot(figure.add_gridspec(1, 1, **space)[0])
    logs = detections["best_logB"].astype(np.float64)
    top = max(40.0, 1.3 * float(np.nanmax(logs, initial=0.0)))
    curve = np.geomspace(1.62, top, 600)
    axes.plot(sigma_equivalent_peak(curve), curve, color=COLOURS["peak"], label="peak")
    sigma = sigma_equivalent_eclipse(curve)
    below = sigma < LARGEST_ECLIPSE_SIGMA
    axes.plot(sigma[below], curve[below], "--", color=COLOURS["eclipse"], label="eclipse")
    for kind, marker in (("peak", "o"), ("eclipse", "s"), ("both", "D")):
        mine = detections["type"] == kind
        if mine.any():
            axes.plot(detections["best_sigma"][mine], logs[mine], marker, markersize=3, color=COLOURS[kind],
                      markeredgecolor="k", markeredgewidth=0.3, label=f"found, {kind}")  # fmt: skip
    for number in SIGMAS:
        axes.axvline(number, color=COLOURS["masked"], linestyle=":", linewidth=0.7)
    axes.set_yscale("log")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(0, None)
    axes.set_xlabel("Significance [sigma]")
    axes.set_ylabel("log10 B")
    _one_legend(figure, axes)


def _one_legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=5)
