"""The page that sums up a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.cosmic.stamp_figures import small_png
from ephemera.figures.style import OKABE_ITO, figure, margins
from ephemera.pages import Cell, Heading, Markup, figure_tag, link, page, section, table

STYLE = "code { overflow-wrap: anywhere; }"


@dataclass(frozen=True)
class Summary:
    """Everything on the page."""

    project: str
    observations: Sequence[Mapping[str, Any]]
    verdicts: Mapping[str, int]
    counts: Sequence[Mapping[str, Any]]
    bad_inputs: Sequence[Mapping[str, Any]]
    hit_snr: npt.NDArray[np.float64]
    stamp_snr: npt.NDArray[np.float64]
    drift: npt.NDArray[np.float64]
    occupancy: Mapping[int, int]
    antennas: Sequence[Mapping[str, Any]]
    events: Sequence[Mapping[str, Any]]
    completeness: Sequence[Mapping[str, Any]]
    galleries: Mapping[str, str]


def summary_page(summary: Summary) -> str:
    """HTML of the summary."""
    parts = [
        section("Observations", _observations(summary)),
        section("Verdicts", _verdicts(summary)),
        section("Hits before and after each filter", _table(summary.counts, _COUNTS)),
        section("Signal to noise, drift, occupancy", _histograms(summary)),
        section("Antennas in stamps of interference", _table(summary.antennas, _ANTENNAS)),
    ]
    if summary.events:
        parts.append(section("Events of the cadence", _table(summary.events, _EVENTS)))
    if summary.completeness:
        parts.append(section("Simulated signals", _table(summary.completeness, _COMPLETENESS)))
    parts.append(section("Bad inputs", _table(summary.bad_inputs, _BAD)))
    return page(f"Hits and stamps of {summary.project}", Markup("".join(parts)), styles=[STYLE])


#: Columns of each table: key, heading, unit, whether a number.
Columns = tuple[tuple[str, str, str, bool], ...]
_OBSERVATIONS: Columns = (
    ("prefix", "Observation", "", False),
    ("hits", "Hits", "", True),
    ("kept", "Kept", "", True),
    ("stamps", "Stamps", "", True),
    ("unmatched", "without a hit", "", True),
    ("verdicts", "Verdicts", "", False),
)
_COUNTS: Columns = (
    ("step", "Filter", "", False),
    ("parameters", "Options", "", False),
    ("n_in", "Before", "", True),
    ("n_out", "After", "", True),
    ("n_removed", "Removed", "", True),
    ("by_reason", "by reason", "", False),
)
_ANTENNAS: Columns = (
    ("antenna", "Antenna", "", False),
    ("n_rfi", "Stamps", "", True),
    ("n_single", "in it alone", "", True),
    ("share", "Share", "", True),
)
_EVENTS: Columns = (
    ("event_id", "Event", "", False),
    ("level", "Level", "", True),
    ("source", "Source", "", False),
    ("freq_mhz", "Frequency", "MHz", True),
    ("drift_rate_hz_s", "Drift", "Hz/s", True),
    ("snr", "SNR", "", True),
    ("seen", "Seen", "", False),
    ("hits", "Hits", "", False),
    ("absent", "Absent", "", False),
)
_COMPLETENESS: Columns = (
    ("kind", "Signal", "", False),
    ("snr", "SNR", "", True),
    ("n", "Stamps", "", True),
    ("completeness", "Right", "", True),
    ("low", "from", "", True),
    ("high", "to", "", True),
    ("n_sky", "Sky-like", "", True),
    ("false_positive", "False in 1000", "", True),
    ("verdicts", "Verdicts", "", False),
)
_BAD: Columns = (
    ("file", "File", "", False),
    ("kind", "Kind", "", False),
    ("position", "Message", "", True),
    ("code", "Code", "", False),
    ("message", "What is wrong", "", False),
    ("action", "Action", "", False),
)


def _table(rows: Sequence[Mapping[str, Any]], columns: Columns) -> Markup:
    if not rows:
        return Markup("<p>None.</p>\n")
    headings = [Heading(title, unit, numeric=numeric) for _, title, unit, numeric in columns]
    return table(headings, [[_shown(row[key], key) for key, *_ in columns] for row in rows])


def _observations(summary: Summary) -> Markup:
    """The table of observations, each with a link to its gallery."""
    linked = [
        {**row, "prefix": link(summary.galleries[row["prefix"]], row["prefix"])}
        if row["prefix"] in summary.galleries
        else row
        for row in summary.observations
    ]
    return _table(linked, _OBSERVATIONS)


def _shown(value: Any, key: str) -> object:
    if key == "freq_mhz" and value is not None:
        return Cell(f"{value:.6f}", value)
    return Cell(f"{value:.4g}", value) if isinstance(value, float) and value == value else value


def _verdicts(summary: Summary) -> Markup:
    total = sum(summary.verdicts.values())
    if not total:
        return Markup("<p>No stamps.</p>\n")
    ordered = sorted(summary.verdicts.items(), key=lambda entry: -entry[1])
    rows = [[name, number, Cell(f"{number / total:.1%}", number)] for name, number in ordered]
    return table([Heading("Class"), Heading("Stamps", numeric=True), Heading("Share", numeric=True)], rows)


def _histograms(summary: Summary) -> Markup:
    if not len(summary.hit_snr) and not len(summary.stamp_snr):
        return Markup("<p>Nothing to show.</p>\n")
    with figure(2, height=4.4) as drawn:
        panels = drawn.subplots(
            2, 2, gridspec_kw={**margins(drawn, 0.6, 0.15, 0.5, 0.25), "hspace": 0.55, "wspace": 0.28}
        )
        _spread(panels[0, 0], summary.hit_snr, "SNR of hits (detector)")
        _spread(panels[0, 1], summary.stamp_snr, "Local SNR of stamps")
        if len(summary.drift):
            panels[1, 0].hist(summary.drift, bins=40, color=OKABE_ITO["blue"])
        panels[1, 0].set_xlabel("Drift rate of hits [Hz/s]")
        _occupied(panels[1, 1], summary.occupancy)
        for axes in panels.flat:
            axes.set_ylabel("Number")
        image = small_png(drawn)
    return figure_tag(image, "Hits and stamps by signal to noise, drift rate and frequency (bins of 1 MHz)")


def _spread(axes: Any, values: npt.NDArray[np.float64], label: str) -> None:
    positive = values[values > 0]
    if len(positive):
        low, high = float(positive.min()), float(positive.max())
        edges = np.geomspace(max(low, 0.1) * 0.999, max(high, low * 1.1, 0.2) * 1.001, 31)
        axes.hist(positive, bins=edges, color=OKABE_ITO["blue"])
        axes.set_xscale("log")
    below = len(values) - len(positive)
    axes.set_xlabel(label + (f" ({below} not above 0)" if below else ""))


def _occupied(axes: Any, occupancy: Mapping[int, int]) -> None:
    if occupancy:
        first = min(occupancy)
        places = [mhz - first + 0.5 for mhz in occupancy]
        axes.bar(places, list(occupancy.values()), width=1.0, color=OKABE_ITO["blue"])
        axes.set_xlabel(f"Frequency of hits from {first} MHz [MHz]")
