"""Figures of a survey: light curves with their events, score histograms, efficiencies, rates, the sky."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ephemera.figures.style import OKABE_ITO, SERIES, margins, plain
from ephemera.survey.histogram_arrays import Histogram
from ephemera.survey.light_curve import DAY

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FloatArray = npt.NDArray[np.float64]

BRIGHT, FAINT, FLAGGED = OKABE_ITO["sky blue"], OKABE_ITO["bluish green"], "#8C8C8C"
WORD = {1: "brightening", -1: "dip"}
#: Epochs around an event that its second panel shows, in widths of the event.
AROUND = 3.0
#: Least span of the second panel, in cadences.
LEAST_AROUND = 12.0


def light_curve(
    drawn: Figure,
    columns: Mapping[str, FloatArray],
    curve: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
) -> None:
    """All epochs of a light curve, and beside them those around its most significant event; events shaded.

    `columns` are mjd, flux, flux_err, qflag, detected; `events` rows of the table detection, strongest first.
    """
    layout = drawn.add_gridspec(
        1, 2, width_ratios=[2.2, 1], wspace=0.1, **margins(drawn, 0.75, 0.15, 0.5, 0.42)
    )
    whole = drawn.add_subplot(layout[0])
    close = drawn.add_subplot(layout[1], sharey=whole)
    best = events[0]
    zero = np.floor(np.nanmin(columns["mjd"]))
    step = (curve["cadence"] or 0.0) / DAY
    seen = float(np.ptp(columns["mjd"][np.isfinite(columns["mjd"])]))
    half = max(AROUND * (best["mjd_end"] - best["mjd_start"]), LEAST_AROUND * step, 1e-3)
    middle = best["mjd_peak"]
    for axes in (whole, close):
        _epochs(axes, columns, zero)
        for event in events:
            pad = max(0.35 * step, 0.0015 * seen if axes is whole else 0.0)
            axes.axvspan(
                event["mjd_start"] - zero - pad,
                event["mjd_end"] - zero + pad,
                color=BRIGHT if event["sign"] > 0 else FAINT,
                alpha=0.3,
                lw=0,
                zorder=0,
            )
        if curve["mean"] is not None:
            axes.axhline(curve["mean"], color=OKABE_ITO["vermillion"], lw=0.8)
        axes.set_xlabel(f"MJD - {zero:.0f} [d]")
    close.set_xlim(middle - half - zero, middle + half - zero)
    close.tick_params(labelleft=False)
    unit = {"uJy": "\N{MICRO SIGN}Jy", "e-/s": "e$^-$/s"}.get(
        curve["flux_unit"], plain(str(curve["flux_unit"]))
    )
    whole.set_ylabel(f"Flux [{unit}]")
    n = len(events)
    whole.set_title(plain(curve["curve_id"], 70), parse_math=False)
    snr = "" if best["snr"] is None else f", S/N {best['snr']:.1f}"
    close.set_title(WORD[best["sign"]] + snr + (f" (1 of {n})" if n > 1 else ""))


def _epochs(axes: Any, columns: Mapping[str, FloatArray], zero: float) -> None:
    """Epochs with errors; flagged ones hollow, those of events filled in colour."""
    flagged, found = columns["qflag"].astype(bool), columns["detected"].astype(bool)
    many = len(flagged) > 2000
    size = 1.0 if many else 2.5
    time = columns["mjd"] - zero
    for which, colour, face, order in (
        (flagged & ~found, FLAGGED, "none", 1),
        (~flagged & ~found, OKABE_ITO["black"], OKABE_ITO["black"], 2),
        (found, OKABE_ITO["blue"], OKABE_ITO["blue"], 3),
    ):
        error = None if many else np.nan_to_num(columns["flux_err"][which])
        axes.errorbar(
            time[which],
            columns["flux"][which],
            yerr=error,
            fmt="o",
            ms=size,
            mfc=face,
            mec=colour,
            mew=0.5,
            ecolor=colour,
            elinewidth=0.5,
            zorder=order,
            rasterized=many,
        )


#: Names of scores on axes; quality columns of a plug-in go by their own.
LABELS = {"snr": "Excursion S/N", "score": "Score of the finder", "offset": "Offset score [MAD]"}


@dataclass(frozen=True)
class Panel:
    """A score to draw: its set of histograms, its name, its threshold and whether that has two sides."""

    kind: str
    score: str
    threshold: float
    two_sided: bool = True


def score_panels(
    histogram: Histogram,
    snr_threshold: float,
    offset_threshold: float,
    quality: Mapping[str, tuple[float, bool]],
) -> list[Panel]:
    """Panels of all that has a threshold: the score events are found by, offset, a plug-in's columns."""
    found = "score" if ("all_scores", "score") in histogram.scores else "snr"
    panels = [Panel("all_scores", found, snr_threshold), Panel("quality_values", "offset", offset_threshold)]
    return panels + [Panel("quality_values", name, *rule) for name, rule in sorted(quality.items())]


def score_histograms(drawn: Figure, histogram: Histogram, panels: Sequence[Panel]) -> None:
    """Distributions over all sources, two panels a row, with the thresholds."""
    rows = (len(panels) + 1) // 2
    layout = drawn.add_gridspec(rows, 2, wspace=0.28, hspace=0.75, **margins(drawn, 0.62, 0.12, 0.48, 0.35))
    for number, panel in enumerate(panels):
        axes = drawn.add_subplot(layout[number])
        score, threshold = panel.score, panel.threshold
        kinds = [(panel.kind, "all epochs")]
        if panel.kind == "all_scores":
            kinds.append(("good_scores", "not flagged"))
        outside = 0
        for colour, (kind, name) in zip((SERIES[0], SERIES[1]), kinds, strict=False):
            counts = histogram.scores[kind, score]
            total = counts.counts.sum(axis=(1, 2, 3), dtype=np.int64)
            outside = max(outside, counts.underflow + counts.overflow + counts.unknown)
            axes.step(
                counts.axis.centres, np.where(total > 0, total, np.nan), where="mid", color=colour, label=name
            )
        for sign in (-1, 1) if panel.two_sided else (1,):
            axes.axvline(sign * threshold, color=OKABE_ITO["vermillion"], ls="--", lw=0.8)
        axes.set_yscale("log")
        axes.set_ylim(bottom=0.7)
        axes.set_xlabel(LABELS.get(score, plain(score)))
        axes.set_ylabel("Epochs per bin")
        axes.set_title(f"threshold {threshold:g}; {outside} epochs outside")
        axes.legend(loc="lower center")  # under the bell, where no line is


def efficiency_curves(drawn: Figure, rows: Sequence[Mapping[str, Any]], title: str, unit: str) -> None:
    """Efficiency against amplitude for each width, with Wilson intervals, and the map of both.

    `rows` are those of the table efficiency of one survey, filter, shape and sign; magnitudes are summed.
    """
    from ephemera.confidence import wilson

    widths = sorted({(r["width_low"], r["width_high"]) for r in rows})
    amplitudes = sorted({(r["amplitude_low"], r["amplitude_high"]) for r in rows})
    n, k = (np.zeros((len(widths), len(amplitudes)), np.int64) for _ in range(2))
    for row in rows:
        at = (
            widths.index((row["width_low"], row["width_high"])),
            amplitudes.index((row["amplitude_low"], row["amplitude_high"])),
        )
        n[at] += row["n"]
        k[at] += row["k"]
    layout = drawn.add_gridspec(1, 2, wspace=0.34, **margins(drawn, 0.6, 0.75, 0.48, 0.35))
    axes = drawn.add_subplot(layout[0])
    centres = np.array([np.sqrt(low * high) for low, high in amplitudes])
    markers = "os^Dv<>p"
    for number, (low, high) in enumerate(widths):
        known = n[number] > 0
        if not known.any():
            continue
        share = k[number][known] / n[number][known]
        bounds = np.array([wilson(a, b) for a, b in zip(k[number][known], n[number][known], strict=True)]).T
        error = np.clip([share - bounds[0], bounds[1] - share], 0, None)
        axes.errorbar(
            centres[known] * (1 + 0.02 * (number - len(widths) / 2)),
            share,
            yerr=error,
            color=SERIES[number % len(SERIES)],
            marker=markers[number % len(markers)],
            ms=3,
            capsize=1.5,
            lw=0.8,
            label=f"{low:g} to {high:g} d",
        )
    axes.set_xscale("log")
    axes.set_ylim(-0.03, 1.03)
    axes.set_xlabel(f"Amplitude [{unit}]")
    axes.set_ylabel("Efficiency")
    axes.set_title(plain(title, 60), parse_math=False)
    axes.legend(title="Width (FWHM)", loc="best")
    ticks = [
        edge for edge in (1, 2, 3, 5, 10, 20, 30, 50, 100) if centres[0] * 0.7 <= edge <= centres[-1] * 1.4
    ]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    _map(drawn, layout[1], n, k, widths, amplitudes, unit)


def _map(
    drawn: Figure,
    place: Any,
    n: npt.NDArray[np.int64],
    k: npt.NDArray[np.int64],
    widths: Sequence[tuple[float, float]],
    amplitudes: Sequence[tuple[float, float]],
    unit: str,
) -> None:
    """Efficiency as colour, with the half width of its interval written in each bin."""
    from ephemera.confidence import wilson

    axes = drawn.add_subplot(place)
    share = np.where(n > 0, k / np.maximum(n, 1), np.nan)
    image = axes.imshow(share, vmin=0, vmax=1, cmap="cividis", aspect="auto", origin="lower")
    for (i, j), tried in np.ndenumerate(n):
        if tried:
            low, high = wilson(int(k[i, j]), int(tried))
            colour = "white" if share[i, j] < 0.5 else "black"
            text = f"{share[i, j]:.2f}\n\N{PLUS-MINUS SIGN}{(high - low) / 2:.2f}"
            axes.text(j, i, text, ha="center", va="center", fontsize=3.6, color=colour)
    axes.set_xticks(
        np.arange(len(amplitudes) + 1) - 0.5,
        [f"{e:g}" for e in [amplitudes[0][0], *(a[1] for a in amplitudes)]],
    )
    axes.set_yticks(
        np.arange(len(widths) + 1) - 0.5, [f"{e:g}" for e in [widths[0][0], *(w[1] for w in widths)]]
    )
    axes.minorticks_off()
    axes.set_xlabel(f"Amplitude [{unit}]")
    axes.set_ylabel("Width (FWHM) [d]")
    bar = drawn.colorbar(image, cax=axes.inset_axes((1.03, 0, 0.04, 1)))
    bar.set_label("Efficiency")


def rates_figure(drawn: Figure, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rates with their 68 % ranges, and 95 % limits as arrows where nothing was found."""
    axes = drawn.add_subplot(drawn.add_gridspec(1, 1, **margins(drawn, 2.3, 0.15, 0.48, 0.2))[0])
    labels = []
    for number, row in enumerate(rows):
        labels.append(plain(f"{row['survey']} {row['filter']} {row['shape']} {WORD[row['sign']]}", 48))
        colour = BRIGHT if row["sign"] > 0 else FAINT
        if row["rate"] is None:
            axes.text(
                0.5, number, "no efficiency", transform=axes.get_yaxis_transform(), va="center", ha="center"
            )
        elif row["n_events"]:
            error = [[row["rate"] - row["low"]], [row["high"] - row["rate"]]]
            axes.errorbar(row["rate"], number, xerr=error, fmt="o", color=colour, capsize=2)
        else:
            axes.errorbar(
                row["limit_95"],
                number,
                xerr=0.25 * row["limit_95"],
                xuplims=True,
                fmt="|",
                color=colour,
                ms=8,
            )
    axes.set_yticks(range(len(labels)), labels)
    axes.minorticks_off()
    axes.set_ylim(len(labels) - 0.5, -0.5)
    if any(row["rate"] is not None for row in rows):
        axes.set_xscale("log")
    axes.set_xlabel("Events per day of live time (bars 68 %, arrows 95 % limits)")


def sky(drawn: Figure, ra: FloatArray, dec: FloatArray, groups: Mapping[str, npt.NDArray[np.bool_]]) -> None:
    """Sources on the sky in Mollweide projection, RA growing to the left, by what became of them."""
    axes = drawn.add_subplot(
        drawn.add_gridspec(1, 1, **margins(drawn, 0.35, 1.5, 0.1, 0.1))[0], projection="mollweide"
    )
    x = -np.radians(np.mod(np.asarray(ra) + 180, 360) - 180)
    looks = ((FLAGGED, "o", 3), (OKABE_ITO["black"], "o", 4), (BRIGHT, "^", 16), (FAINT, "v", 16))
    for (name, which), (colour, marker, size) in zip(groups.items(), looks, strict=False):
        axes.scatter(
            x[which],
            np.radians(dec[which]),
            s=size,
            c=colour,
            marker=marker,
            lw=0.2,
            ec="black" if size > 10 else colour,
            label=f"{name} ({int(which.sum())})",
            rasterized=True,
        )
    hours = np.arange(-150, 151, 30)
    axes.set_xticks(np.radians(hours), [f"{(-h) % 360 / 15:.0f}h" for h in hours])
    axes.tick_params(axis="x", colors="#555555", labelsize=6)
    axes.grid(lw=0.3, color="#BBBBBB")
    axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5), handletextpad=0.3)
