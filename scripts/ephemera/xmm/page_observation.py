"""The page of an observation: its lists and how they ended, its runs, images, curves and detections."""

from __future__ import annotations

from ephemera.pages import Heading, Markup, escape, link, section, table
from ephemera.pages.drawing import facts
from ephemera.words import counted
from ephemera.xmm.page_data import Report, Row
from ephemera.xmm.page_parts import (
    CAPTIONS,
    band_of,
    caption_of,
    detection_table,
    figures,
    fixed,
    paragraph,
    report_page,
    short,
    source_link,
)


def observation_page(report: Report, obsid: str) -> str:
    """The page of one observation."""
    observed = report.observations[obsid]
    found = report.by_observation.get(obsid, [])
    parts = [section(f"Subset {number}", facts(subset)) for number, subset in enumerate(observed.subsets)]
    if not observed.subsets:
        parts.append(paragraph("No event list of this observation could be searched; its outcomes say why."))
    parts.append(_figures(report, obsid))
    parts.append(
        section(
            "Detections",
            detection_table(report, found, "../", counted(len(found), "detection")),
        )
    )
    parts.append(section("Sources", _sources(report, found)))
    parts.append(section("Runs", _runs([run for run in report.runs if run["obsid"] == obsid])))
    parts.append(section("Outcomes", _outcomes([row for row in report.outcomes if row["obsid"] == obsid])))
    return report_page(report, f"Observation {obsid}", *parts, place=f"observation/{obsid}.html")


def _figures(report: Report, obsid: str) -> Markup:
    names = report.figures.get(obsid, ())
    if not names:
        return paragraph("No figures were drawn in this run (xmm.figures.enabled).")
    order = [first for first, _ in CAPTIONS]
    known = [(name, caption_of(name)) for name in names]
    drawn = sorted(
        ((next(k for k, first in enumerate(order) if name.startswith(first)), name, caption)
         for name, caption in known if caption)
    )  # fmt: skip
    shown = [(f"../figures/{obsid}/{name}", caption) for _, name, caption in drawn]
    files = [name for name in names if name.endswith((".fits", ".reg"))]
    links = ", ".join(link(f"../figures/{obsid}/{name}", name) for name in files)
    beside = f"<p>Images with sky coordinates and DS9 regions: {links}</p>" if files else ""
    return section("Figures", figures(shown), Markup(beside))


def _sources(report: Report, found: list[Row]) -> Markup:
    numbers = dict.fromkeys(row["srcid"] for row in found)
    if not numbers:
        return paragraph("None.")
    items = "".join(f"<li>{escape(source_link(report, srcid, '../'))}</li>" for srcid in numbers)
    return Markup(f"<ul>{items}</ul>")


def _runs(runs: list[Row]) -> Markup:
    headings = (
        Heading("Run"), Heading("Grid", numeric=True), Heading("Frames", "s", numeric=True),
        Heading("Band", "keV"), Heading("Outcome"), Heading("Detail"), Heading("Cautions"),
        Heading("Exposure", "s", numeric=True), Heading("Events", "count", numeric=True),
        Heading("Rate", "ct/s", numeric=True), Heading("Bad frames", "", "Flaring background", numeric=True),
        Heading("Masked frames", "", "Not or only partly exposed", numeric=True),
        Heading("Cells", "", "Cells searched", numeric=True),
        Heading("Peaks", "", "Significant cells", numeric=True), Heading("Eclipses", numeric=True),
        Heading("By chance", "", "Significant cells that chance alone gives", numeric=True),
    )  # fmt: skip
    cells = [
        (
            run["runid"], run["grid"], short(run["t_bin"], 6), band_of(run), run["outcome"], run["detail"],
            run["cautions"], fixed(run["exposure"], 0), run["n_events"], short(run["mean_rate"]),
            run["n_bti"], run["n_bccd"], run["n_cells"], run["n_peaks"], run["n_eclipses"],
            short(run["n_false_expected"]),
        )
        for run in runs
    ]  # fmt: skip
    return table(headings, cells, caption=counted(len(runs), "run"), name="runs")


def _outcomes(rows: list[Row]) -> Markup:
    headings = (Heading("File"), Heading("Run"), Heading("Outcome"), Heading("Detail"))
    cells = [(row["file"], row["run"], row["outcome"], row["detail"]) for row in rows]
    return table(headings, cells, caption="Outcomes of lists and runs", name="outcomes")
