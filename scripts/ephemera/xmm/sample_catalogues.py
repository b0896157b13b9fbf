"""Figures of a sample beside catalogues: separations and chance, types, the HR diagram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.figures.axes import steps
from ephemera.figures.style import COLOURS, SERIES, margins, plain
from ephemera.xmm.observation import FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Rows = Sequence[Mapping[str, Any]]
#: Types shown as bars; of more, those with most members.
MOST_TYPES = 20


def separations(figure: Figure, chance: Rows, name: str) -> None:
    """Separations of the nearest matches, those of shifted positions, and the model fitted to them."""
    space = margins(figure, left=0.55, right=0.55, bottom=0.8, top=0.3)
    axes = figure.add_subplot(figure.add_gridspec(1, 1, **space)[0])
    edges = np.array([row["sep_low"] for row in chance] + [chance[-1]["sep_high"]])
    columns = {
        key: np.array([np.nan if row[key] is None else row[key] for row in chance], np.float64)
        for key in ("n_matches", "n_chance", "n_model", "false_fraction_within")
    }
    steps(axes, edges, columns["n_matches"], color=COLOURS["data"], label="matches")
    for key, look in (
        ("n_chance", {"color": SERIES[1], "linestyle": "--", "label": "positions shifted by 1-5 arcmin"}),
        ("n_model", {"color": COLOURS["expectation"], "label": "Rayleigh + chance"}),
    ):
        if np.isfinite(columns[key]).any():
            steps(axes, edges, columns[key], **look)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(0, None)
    axes.set_xlabel("Separation of the nearest match [arcsec]")
    axes.set_ylabel("Sources")
    axes.set_title(f"Sources and {plain(name)}", parse_math=False)
    handles = axes.get_legend_handles_labels()[0]
    if np.isfinite(columns["false_fraction_within"]).any():
        axes.tick_params(right=False, which="both")
        share = axes.twinx()
        handles += share.plot(
            edges[1:], columns["false_fraction_within"], ":", color=SERIES[3],
            label="false share within (right)",
        )  # fmt: skip
        share.set_ylim(0, 1.02)
        share.set_ylabel("Share of false matches")
    figure.legend(handles=handles, loc="lower center", ncols=4)


def types(figure: Figure, rows: Rows, level: str) -> None:
    """Share of each SIMBAD type or class in every population, as bars."""
    mine = [row for row in rows if row["level"] == level]
    populations = list(dict.fromkeys(row["population"] for row in mine))
    most: dict[str, int] = {}
    for row in mine:
        most[row["value"]] = max(most.get(row["value"], 0), row["n"] if _ours(row["population"]) else 0)
    values = sorted(most, key=lambda value: (-most[value], value))[:MOST_TYPES]
    height = 0.8 / max(len(populations), 1)
    space = margins(figure, left=1.3, right=0.15, bottom=0.9, top=0.1)
    axes = figure.add_subplot(figure.add_gridspec(1, 1, **space)[0])
    for number, population in enumerate(populations):
        share = {row["value"]: row["percent"] or 0.0 for row in mine if row["population"] == population}
        places = np.arange(len(values)) + number * height
        axes.barh(places, [share.get(value, 0.0) for value in values], height,
                  color=SERIES[number % len(SERIES)], label=plain(population, 30))  # fmt: skip
    axes.set_yticks(np.arange(len(values)) + 0.4 - height / 2, [plain(value, 20) for value in values])
    axes.tick_params(axis="y", which="both", length=0)
    axes.invert_yaxis()
    axes.set_xscale("symlog", linthresh=0.1)
    axes.set_xlim(0, 100)
    axes.set_xlabel("Share of the population [%]")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3)


def _ours(population: str) -> bool:
    return population.startswith("ours")


def stars_of(matches: Rows, names: Sequence[str]) -> FloatArray:
    """G, BP, RP (mag) and distance (pc) of the matches that have all four, (k, 4)."""
    known = [[row.get(name) for name in names] for row in matches]
    stars = np.array([row for row in known if None not in row], np.float64).reshape(-1, 4)
    return stars[np.isfinite(stars).all(axis=1) & (stars[:, 3] > 0)]


def hr_diagram(figure: Figure, stars: FloatArray) -> None:
    """Absolute G against BP - RP of `stars`: M_G = G - 5 log10(d / 10 pc), no extinction taken off."""
    space = margins(figure, left=0.5, right=0.1, bottom=0.45, top=0.1)
    axes = figure.add_subplot(figure.add_gridspec(1, 1, **space)[0])
    magnitude = stars[:, 0] - 5 * np.log10(stars[:, 3] / 10)
    axes.plot(
        stars[:, 1] - stars[:, 2],
        magnitude,
        "o",
        markersize=3,
        color=SERIES[1],
        markeredgecolor=COLOURS["data"],
        markeredgewidth=0.3,
    )
    axes.invert_yaxis()
    axes.set_xlabel("BP - RP [mag]")
    axes.set_ylabel("Absolute G [mag]")
