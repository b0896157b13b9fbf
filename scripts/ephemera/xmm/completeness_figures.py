"""Figures of completeness and of false alarms, drawn from the rows of the tables in `completeness_columns`.

recovery.png           simulated bursts and eclipses: counts, significance, found or not
completeness.png       share of injected bursts found against fluence, for each frame length
circumstances.png      against duration, angle from the axis, background, mask
eclipses.png           share of eclipses found against depth and photons removed
search_modes.png       shifted grids and second pass against one grid and one pass
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.confidence import poisson_errors
from ephemera.figures.style import COLOURS, SERIES, figure, margins, save
from ephemera.xmm.completeness import DURATIONS, Tried, binned
from ephemera.xmm.detection_curve import fit_curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Rows = Sequence[Mapping[str, Any]]

MARKERS = ("o", "s", "D", "^", "v", "P", "X")
#: Labels of the quantities of the bins.
LABELS: Mapping[str, str] = {
    "fluence": "Fluence [counts, all cameras]",
    "duration": "Duration [s]",
    "off_axis": "Angle from the axis [arcmin]",
    "depth": "Depth of the eclipse",
    "n_removed": "Photons removed [counts]",
    "background": "Background at the peak",
    "masked": "On a known source",
    "shape": "Shape",
}
MODE_LABELS: Mapping[str, str] = {
    "main": "one grid",
    "time": "half a frame (2 grids)",
    "all": "half a frame, half a pixel (8 grids)",
    "second_pass": "second pass",
    "smooth_few": "smoothing only below 25 counts",
}


def draw_recovery(folder: Path, rows: Mapping[str, Rows], seen: Sequence[Tried]) -> None:
    """Draw the figures for which there is something to show into a new folder."""
    folder.mkdir(parents=True)
    completeness = rows["completeness"]
    if rows["recovery"]:
        _simulated(folder, rows["recovery"])
    if any(row["kind"] == "peak" for row in completeness):
        _against_fluence(folder, seen, sorted({row["sigma"] for row in completeness}))
        _circumstances(folder, completeness, "peak", ("duration", "off_axis", "background", "masked"))
    if any(row["kind"] == "eclipse" for row in completeness):
        _circumstances(folder, completeness, "eclipse", ("depth", "n_removed"))
    if len({row["mode"] for row in rows["search_modes"]}) > 1:
        _search_modes(folder, rows["search_modes"])


def _simulated(folder: Path, rows: Rows) -> None:
    with figure(1, height=2.6) as drawn:
        axes = drawn.add_subplot(drawn.add_gridspec(1, 1, **margins(drawn, 0.55, 0.1, 0.45, 0.3))[0])
        for kind, marker in (("peak", "o"), ("eclipse", "s")):
            mine = [row for row in rows if row["kind"] == kind]
            for found, face in ((True, COLOURS[kind]), (False, "none")):
                some = [row for row in mine if bool(row["found"]) == found]
                if some:
                    axes.plot(
                        [row["counts_kept"] for row in some],
                        [row.get("sigma") or 0.0 for row in some],
                        marker, markersize=4, markerfacecolor=face, markeredgecolor=COLOURS[kind],
                        linestyle="none",
                        label=f"{kind}, {'found' if found else 'missed'} ({len(some)})",
                    )  # fmt: skip
        axes.set_xscale("log")
        axes.set_ylim(bottom=-0.5)
        axes.set_xlabel("Photons put in, of selected quality [counts]")
        axes.set_ylabel("Largest significance [sigma]")
        axes.set_title("Simulated bursts and eclipses")
        _legend(axes, "best")
        save(drawn, folder / "recovery.png")


def look(place: int) -> dict[str, Any]:
    """Marker and colour of one of several series, however many there are."""
    return {"fmt": MARKERS[place % len(MARKERS)], "color": SERIES[place % len(SERIES)]}


def _points(axes: Axes, rows: Rows, place: int, label: str) -> None:
    """Shares with Wilson intervals at the means of their bins."""
    if not rows:
        return
    middle = np.array([row["mean"] for row in rows], float)
    share, ends = _shares(rows)
    axes.errorbar(
        middle, share, yerr=ends, capsize=0, linewidth=0.8, label=label, **look(place),
    )  # fmt: skip


def _shares(rows: Rows) -> tuple[Any, Any]:
    share = np.array([row["completeness"] for row in rows])
    below = share - np.array([row["ci_low"] for row in rows])
    above = np.array([row["ci_high"] for row in rows]) - share
    return share, np.maximum([below, above], 0.0)


def _against_fluence(folder: Path, seen: Sequence[Tried], sigmas: Sequence[float]) -> None:
    """Above: widest band, each frame length and any run, all durations. Below: any run, durations apart."""
    with figure(2, height=5.0) as drawn:
        space = margins(drawn, 0.55, 0.1, 0.45, 0.3)
        grid = drawn.add_gridspec(2, len(sigmas), wspace=0.06, hspace=0.28, **space)
        for column, sigma in enumerate(sigmas):
            for line, series in enumerate((_by_run(seen), _by_duration(seen))):
                axes = drawn.add_subplot(grid[line, column])
                for place, (label, bursts) in enumerate(series.items()):
                    _curve(axes, bursts, sigma, place, label)
                _share_axes(axes, column == 0)
                axes.set_xscale("log")
                if line:
                    axes.set_xlabel(LABELS["fluence"])
                what = "any run, by duration" if line else "widest band, by frame length"
                axes.set_title(f"{sigma:g} sigma: {what}")
                if column == len(sigmas) - 1:
                    _legend(axes, "upper left")
        save(drawn, folder / "completeness.png")


def _legend(axes: Axes, place: Any) -> None:
    """A legend, where there is anything to explain."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc=place, handlelength=1.2)


def _by_run(seen: Sequence[Tried]) -> dict[str, Tried]:
    series = {}
    for one in _shown(seen):
        plain = (one.columns["kind"] == "peak") & ~one.columns["adaptive"].astype(bool)
        series["any run" if one.run is None else f"{one.run[0]:g} s"] = one.take(plain)
    return series


def _by_duration(seen: Sequence[Tried]) -> dict[str, Tried]:
    series = {}
    for one in _shown(seen)[:1]:
        bursts = one.take(one.columns["kind"] == "peak")
        duration = bursts.columns["duration"].astype(float)
        for low, high in DURATIONS[:-1]:
            some = bursts.take((duration >= low) & (duration < high))
            if len(some.significance):
                shortest, longest = (f(some.columns["duration"].astype(float)) for f in (np.min, np.max))
                series[f"{shortest:.0f} to {longest:.0f} s"] = some
    return series


def _curve(axes: Axes, bursts: Tried, sigma: float, place: int, label: str) -> None:
    """Shares in bins of fluence and the fit."""
    hit = bursts.found(sigma)
    rows = list(binned(bursts, hit, np.ones(len(hit), np.bool_), "fluence"))
    _points(axes, rows, place, label)
    fluence = bursts.columns["fluence"].astype(float)
    curve = fit_curve(fluence, hit)
    if curve is not None:
        x = np.geomspace(fluence.min(), fluence.max(), 200)
        axes.plot(x, curve.share(x), color=SERIES[place % len(SERIES)])


def _shown(seen: Sequence[Tried]) -> list[Tried]:
    """Any run of mode main, and its runs in the widest band, by frame length."""
    main = [one for one in seen if one.mode == "main"]
    runs = [one for one in main if one.run is not None]
    widest = max(((one.run[2] - one.run[1]) for one in runs if one.run), default=0.0)
    return [
        *(one for one in main if one.run is None),
        *(one for one in runs if one.run and one.run[2] - one.run[1] >= widest - 1e-9),
    ]


def _share_axes(axes: Axes, labelled: bool) -> None:
    axes.set_ylim(-0.03, 1.03)
    axes.axhline(0.5, color=COLOURS["masked"], linewidth=0.5, zorder=0)
    axes.axhline(0.9, color=COLOURS["masked"], linewidth=0.5, zorder=0)
    if labelled:
        axes.set_ylabel("Share found")
    else:
        axes.tick_params(labelleft=False)


def _circumstances(folder: Path, completeness: Rows, kind: str, quantities: Sequence[str]) -> None:
    """One panel for each quantity, any run of mode main, every significance."""
    name = "circumstances" if kind == "peak" else "eclipses"
    main = [
        row for row in completeness if row["kind"] == kind and row["mode"] == "main" and row["t_bin"] is None
    ]
    rows_of_panels = -(-len(quantities) // 2)
    with figure(2, height=0.3 + 2.3 * rows_of_panels) as drawn:
        space = margins(drawn, 0.55, 0.1, 0.45, 0.3)
        grid = drawn.add_gridspec(rows_of_panels, 2, wspace=0.08, hspace=0.28, **space)
        for number, quantity in enumerate(quantities):
            axes = drawn.add_subplot(grid[number // 2, number % 2])
            for place, sigma in enumerate(sorted({row["sigma"] for row in main})):
                mine = [row for row in main if row["quantity"] == quantity and row["sigma"] == sigma]
                if mine and mine[0].get("low") is None:
                    _classes(axes, mine, place, f"{sigma:g} sigma")
                else:
                    _points(axes, mine, place, f"{sigma:g} sigma")
            if quantity in ("duration", "n_removed"):
                axes.set_xscale("log")
            _share_axes(axes, number % 2 == 0)
            axes.set_xlabel(LABELS[quantity])
            if number == 0:
                _legend(axes, "upper left" if kind == "eclipse" else "lower left")
        drawn.text(space["left"], 1 - 0.17 / drawn.get_size_inches()[1], _subject(kind), va="center")
        save(drawn, folder / f"{name}.png")


def _subject(kind: str) -> str:
    what = "Bursts" if kind == "peak" else "Eclipses"
    return f"{what} found in any run; bins hold everything injected there, of any other property"


def _classes(axes: Axes, rows: Rows, place: int, label: str) -> None:
    share, ends = _shares(rows)
    x = np.arange(len(rows)) + 0.12 * (place - 0.5)
    axes.errorbar(x, share, yerr=ends, capsize=0, linewidth=0.8, label=label, **look(place))
    plain = {"True": "yes", "False": "no"}
    names = [plain.get(row["value"], row["value"]) for row in rows]
    axes.set_xticks(
        np.arange(len(rows)), [f"{name} ({row['n']})" for name, row in zip(names, rows, strict=True)]
    )
    axes.set_xticks([], minor=True)
    axes.set_xlim(-0.5, len(rows) - 0.5)


def _search_modes(folder: Path, rows: Rows) -> None:
    """Fluence found half of the time, and false alarms, for each mode and significance."""
    modes = [mode for mode in MODE_LABELS if any(row["mode"] == mode for row in rows)]
    with figure(2, height=0.9 + 0.35 * len(modes)) as drawn:
        grid = drawn.add_gridspec(1, 2, wspace=0.08, **margins(drawn, 1.95, 0.1, 0.45, 0.1))
        panels = (
            ("fluence_50", "fluence_50_low", "fluence_50_high", "Fluence found half of the time [counts]"),
            ("false_per_search", "false_low", "false_high", "Detections in shuffled events"),
        )
        for column, (value, low, high, label) in enumerate(panels):
            axes = drawn.add_subplot(grid[0, column])
            for place, sigma in enumerate(sorted({row["sigma"] for row in rows})):
                known = [
                    r
                    for r in rows
                    if r["sigma"] == sigma and np.isfinite(np.array(r.get(value), dtype=float))
                ]
                if not known:
                    continue
                x = np.array([row[value] for row in known])
                ends = [x - [row[low] for row in known], np.array([row[high] for row in known]) - x]
                y = np.array([modes.index(row["mode"]) for row in known]) + 0.12 * (place - 0.5)
                axes.errorbar(
                    x, y, xerr=np.maximum(ends, 0), capsize=0, label=f"{sigma:g} sigma", **look(place),
                )  # fmt: skip
            labels = [MODE_LABELS[mode] for mode in modes] if column == 0 else [""] * len(modes)
            axes.set_yticks(range(len(modes)), labels)
            axes.set_yticks([], minor=True)
            axes.set_ylim(len(modes) - 0.5, -0.5)
            axes.set_xlabel(label)
            if column == 1:
                _legend(axes, "upper right")
        save(drawn, folder / "search_modes.png")


def draw_false_alarms(path: Path, rows: Rows) -> None:
    """Significant cells found in Poisson draws of each run against those expected, and their ratio by mu."""
    drawn_rows = [row for row in rows if row["method"] == "poisson"]
    with figure(2, height=2.9) as drawn:
        grid = drawn.add_gridspec(1, 2, wspace=0.3, **margins(drawn, 0.6, 0.1, 0.45, 0.3))
        _found_against_expected(drawn, grid[0, 0], drawn_rows)
        _per_million(drawn, grid[0, 1], drawn_rows)
        save(drawn, path)


def _found_against_expected(drawn: Figure, place: Any, rows: Rows) -> None:
    axes = drawn.add_subplot(place)
    top = 1.0
    for number, sigma in enumerate(sorted({row["sigma"] for row in rows})):
        mine = [row for row in rows if row["sigma"] == sigma]
        expected = np.array([row["n_false_expected"] * row["n_draws"] for row in mine])
        found = np.array([row["n_cells_found"] for row in mine])
        axes.errorbar(
            expected, found, yerr=poisson_errors(found), capsize=0, linewidth=0.7, **look(number),
            label=f"{sigma:g} sigma: {found.sum()} found, {expected.sum():.3g} expected",
        )  # fmt: skip
        top = max(top, float(found.max(initial=1)), float(expected.max(initial=1.0)))
    axes.plot([0, 1.1 * top], [0, 1.1 * top], color=COLOURS["expectation"], zorder=0)
    axes.set_xlim(-0.03 * top, 1.1 * top)
    axes.set_ylim(-0.03 * top, 1.25 * top)
    axes.set_xlabel("Cells expected by chance in all draws of a run")
    axes.set_ylabel("Cells found")
    if rows:
        _legend(axes, "upper left")


def _per_million(drawn: Figure, place: Any, rows: Rows) -> None:
    """Cells per million searched, found and expected, by frame length, at the lowest significance."""
    axes = drawn.add_subplot(place)
    lowest = min((row["sigma"] for row in rows), default=3.0)
    bins = sorted({row["t_bin"] for row in rows})
    for number, t_bin in enumerate(bins):
        mine = [row for row in rows if row["t_bin"] == t_bin and row["sigma"] == lowest]
        cells = sum(row["n_cells"] * row["n_draws"] for row in mine) / 1e6
        found = sum(row["n_cells_found"] for row in mine)
        axes.errorbar(
            [number], [found / cells], yerr=poisson_errors([found]) / cells, fmt="o", color=COLOURS["data"],
            label="found" if number == 0 else None,
        )  # fmt: skip
        expected = sum(row["n_false_expected"] * row["n_draws"] for row in mine) / cells
        axes.plot(
            [number - 0.3, number + 0.3], [expected, expected], color=COLOURS["expectation"],
            label="expected" if number == 0 else None,
        )  # fmt: skip
    axes.set_xticks(range(len(bins)), [f"{t_bin:g}" for t_bin in bins])
    axes.set_xticks([], minor=True)
    axes.set_xlim(-0.6, max(len(bins), 1) - 0.4)
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])
    axes.set_xlabel("Frame length [s]")
    axes.set_ylabel(f"Cells per million at {lowest:g} sigma")
    if bins:
        _legend(axes, "best")
