"""Figure of a burst's spectrum: counts and background by energy, hardness in time, hardness against rate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.ticker import MaxNLocator

from ephemera.confidence import poisson_errors
from ephemera.figures.style import COLOURS, SERIES, figure, margins, plain, save

Columns = Mapping[str, npt.NDArray[Any]]


def draw_burst(path: Path, region: Mapping[str, Any], spectrum: Columns, hardness: Columns | None) -> None:
    """Draw one burst; without hardness only its spectrum."""
    with figure(2, height=2.9 if hardness is None else 5.6) as drawn:
        rows = 1 if hardness is None else 2
        space = margins(drawn, left=0.75, right=0.15, bottom=0.5, top=0.38)
        cells = drawn.add_gridspec(rows, 2, **space, hspace=0.38, wspace=0.28)
        _spectrum(drawn.add_subplot(cells[0, :]), spectrum)
        if hardness is not None:
            _in_time(drawn.add_subplot(cells[1, 0]), hardness)
            _against_rate(drawn.add_subplot(cells[1, 1]), hardness)
        title = (
            f"{region['detid']}   {region['best_sigma']:.1f} sigma   {spectrum['exposure'][0]:.0f} s exposed"
        )
        drawn.text(
            space["left"], 1 - 0.1 / drawn.get_figheight(), plain(title, 110), va="top", parse_math=False
        )
        save(drawn, path)


def _spectrum(axes: Any, spectrum: Columns) -> None:
    """Counts per keV with errors, and the background expected."""
    low, high, n = spectrum["e_min"], spectrum["e_max"], spectrum["counts"].astype(np.float64)
    width = high - low
    middle = np.sqrt(low * high)
    # The upper end of an empty narrow bin would hide the others.
    bars = np.where(n > 0, poisson_errors(n), 0.0) / width
    edges = np.append(low, high[-1])
    neighbours = "ring of pixels" if spectrum["source"][0] == "ring" else "other frames"
    axes.stairs(
        spectrum["background"] / width, edges, color=COLOURS["expectation"], fill=False,
        label=f"background expected ({neighbours})",
    )  # fmt: skip
    axes.errorbar(
        middle, n / width, yerr=bars,
        xerr=[middle - low, high - middle], fmt="o", markersize=3, color=COLOURS["data"],
        label="counts in the significant frames",
    )  # fmt: skip
    axes.set_xscale("log")
    ticks = [tick for tick in (0.2, 0.3, 0.5, 1, 2, 3, 5, 10) if low[0] <= tick <= high[-1]]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_xticks([], minor=True)
    axes.set_xlim(low[0], high[-1])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("Energy [keV]")
    axes.set_ylabel("Counts per keV")
    axes.legend(loc="upper right")


def _in_time(axes: Any, hardness: Columns) -> None:
    start = hardness["time"] - hardness["time"][0]
    _points(axes, start, hardness)
    if len(start) == 1:
        axes.set_xlim(-1, 1)
    axes.set_xlabel("Time since the first frame [s]")
    axes.set_ylabel("Hardness (H - S) / (H + S)")


def _against_rate(axes: Any, hardness: Columns) -> None:
    _points(axes, hardness["rate"], hardness)
    axes.set_xlim(left=min(0.0, float(hardness["rate"].min(initial=0.0))))
    axes.set_xlabel("Rate above expectation [ct/s]")
    axes.set_ylabel("Hardness")


def _points(axes: Any, x: npt.NDArray[np.float64], hardness: Columns) -> None:
    """Points with their posterior intervals; those outside the interval keep both ends of it."""
    hr, low, high = (hardness[name].astype(np.float64) for name in ("hr", "hr_low", "hr_high"))
    known = np.isfinite(hr)
    bars = [np.maximum(hr - low, 0)[known], np.maximum(high - hr, 0)[known]]
    axes.errorbar(x[known], hr[known], yerr=bars, fmt="o", markersize=3, color=SERIES[0])
    axes.set_ylim(-1.08, 1.08)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.axhline(0, linewidth=0.6, color=COLOURS["masked"])
