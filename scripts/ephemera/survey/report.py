"""What people look at: light curves of detections, score histograms, efficiencies, rates, the sky.

Reads the tables and the summed histogram of a project. Makes figures and a page that shows them with the
outcomes and the detections as tables.
"""

from __future__ import annotations

import logging
import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ephemera.figures.style import figure, save
from ephemera.files import write_text
from ephemera.pages import Cell, Heading, Markup, figure_tag, page, section, table
from ephemera.survey import report_figures as draw
from ephemera.survey.columns import EPOCH
from ephemera.survey.histogram_files import load
from ephemera.survey.parquet_tables import read_table

if TYPE_CHECKING:
    from ephemera.config.survey import Report as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Rows of the table of detections on the page.
MOST_ROWS = 2000
UNITS = {"noise": "noise", "mean": "mean flux", "mag": "mag"}
#: Columns of detections that no page shows.
UNUSED = ("epochs", "quality", "kernel")
EPOCH_COLUMNS = ["mjd", "flux", "flux_err", "qflag", "detected"]


def strongest(detections: list[dict[str, Any]], most: int) -> list[list[dict[str, Any]]]:
    """Events of the light curves with the strongest detections, unflagged ones first."""
    by_curve: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in sorted(detections, key=lambda r: (r["quality_flag"], -abs(r["snr"] or 0.0), r["id"])):
        by_curve[row["curve_id"]].append(row)
    return list(by_curve.values())[:most]


def epochs_of(folder: Path, curve_id: str) -> dict[str, Any] | None:
    """Epochs of one light curve; files whose range of ids cannot hold it are not read."""
    for path in sorted(folder.glob("*.parquet")):
        found = pq.read_table(
            path, columns=["curve_id", *EPOCH_COLUMNS], filters=[("curve_id", "=", curve_id)]
        )
        if len(found):
            return {name: found[name].to_numpy(zero_copy_only=False) for name in EPOCH_COLUMNS}
    return None


def draw_curves(
    folder: Path, tables: Path, detections: list[dict[str, Any]], most: int
) -> list[tuple[str, str]]:
    """Draw the light curves of the strongest detections; returns file and caption of each."""
    chosen = strongest(detections, most)
    wanted = [events[0]["curve_id"] for events in chosen]
    rows = pq.read_table(tables / "curve.parquet", filters=[("curve_id", "in", wanted)]) if wanted else None
    curves = {row["curve_id"]: row for row in rows.to_pylist()} if rows is not None else {}
    made = []
    for number, events in enumerate(chosen, 1):
        curve = curves[events[0]["curve_id"]]
        columns = epochs_of(tables / "epoch", curve["curve_id"])
        if columns is None:
            continue
        name = f"light_curve_{number:02d}.png"
        with figure(2, height=2.2) as drawn:
            draw.light_curve(drawn, columns, curve, events)
            save(drawn, folder / name)
        caption = (
            f"{curve['curve_id']}: events shaded (blue brighter, green fainter), epochs of events blue, "
            "flagged epochs hollow, robust mean red. Right: around the strongest event."
        )
        made.append((name, caption))
    return made


def draw_efficiencies(folder: Path, tables: Path) -> list[tuple[str, str]]:
    """Draw efficiencies of every survey, filter, shape and sign that was injected."""
    rows = read_table(tables / "efficiency.parquet").to_pylist()
    units = set(read_table(tables / "injection.parquet", ["amplitude_unit"])["amplitude_unit"].to_pylist())
    unit = ", ".join(sorted(UNITS.get(unit, unit) for unit in units))
    groups: dict[tuple[str, str, str, int], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["survey"], row["filter"], row["shape"], row["sign"]].append(row)
    made = []
    for number, ((survey, filter_name, shape, sign), members) in enumerate(sorted(groups.items()), 1):
        word = "brightenings" if sign > 0 else "dips"
        name = f"efficiency_{survey}_{_file_part(filter_name, number)}_{shape}_{word}.png"
        with figure(2, height=2.7) as drawn:
            draw.efficiency_curves(drawn, members, f"{survey} {filter_name}, {shape} {word}", unit)
            save(drawn, folder / name)
        n, k = sum(m["n"] for m in members), sum(m["k"] for m in members)
        made.append(
            (
                name,
                f"{shape} {word} in {survey} {filter_name}: {k} of {n} recovered; errors 68.27 % (Wilson).",
            )
        )
    return made


def _file_part(text: str, number: int) -> str:
    """A filter's name as part of a file's; what is no plain name is numbered, so that it stays unique."""
    plain = re.sub(r"[^A-Za-z0-9._+-]", "_", text)[:60]
    return plain if plain == text else f"{plain}_{number}"


def plugin_thresholds(folder: Path) -> dict[str, tuple[float, bool]]:
    """Thresholds of a plug-in's quality columns, and whether they have two sides, from the table epoch."""
    schema = pq.read_schema(min(folder.glob("*.parquet")))
    facts = {f.name: f.metadata or {} for f in schema if f.name not in EPOCH.names}
    return {name: (float(f[b"threshold"]), f[b"two_sided"] == b"true") for name, f in facts.items()}


def sky_groups(properties: pa.Table) -> dict[str, Any]:
    """Sources by what became of them, in order of the table of properties."""
    data = properties["has_data"].to_numpy(zero_copy_only=False).astype(bool)
    positive, negative = (properties[n].to_numpy() > 0 for n in ("n_positive", "n_negative"))
    return {
        "no data": ~data,
        "nothing found": data & ~positive & ~negative,
        "brightening": positive,
        "dip": negative & ~positive,
    }


def outcome_table(tables: Path) -> Markup:
    """Counts of sources by survey, status and reason."""
    rows = read_table(tables / "outcome.parquet", ["survey", "status", "reason"])
    counts: Counter[tuple[str, str, str]] = Counter()
    for row in rows.group_by(["survey", "status", "reason"]).aggregate([([], "count_all")]).to_pylist():
        counts[row["survey"], row["status"], (row["reason"] or "")[:120]] += row["count_all"]
    headings = [Heading("survey"), Heading("status"), Heading("reason"), Heading("sources", numeric=True)]
    return table(
        headings, [(*key, n) for key, n in sorted(counts.items())], caption="What became of the sources"
    )


def detection_table(detections: list[dict[str, Any]]) -> Markup:
    """The strongest detections."""
    headings = [
        Heading("source"),
        Heading("survey"),
        Heading("filter"),
        Heading("kind"),
        Heading("peak", "MJD", "Time of the peak", numeric=True),
        Heading("duration", "d", "Last minus first epoch", numeric=True),
        Heading("S/N", "", "Excursion at the peak", numeric=True),
        Heading("brightening", "mag", "At the peak", numeric=True),
        Heading("epochs", numeric=True),
        Heading("flagged", "", "The peak's epoch has its quality flag set"),
    ]
    rows = [
        (
            d["source"],
            d["survey"],
            d["filter"],
            draw.WORD[d["sign"]],
            Cell(f"{d['mjd_peak']:.5f}", d["mjd_peak"]),
            Cell(f"{d['mjd_end'] - d['mjd_start']:.4f}", d["mjd_end"] - d["mjd_start"]),
            Cell(f"{d['snr']:.2f}", d["snr"]) if d["snr"] is not None else None,
            Cell(f"{d['peak_dmag']:+.3f}", d["peak_dmag"]) if d["peak_dmag"] is not None else None,
            d["n"],
            "yes" if d["quality_flag"] else "no",
        )
        for d in sorted(detections, key=lambda r: -abs(r["snr"] or 0.0))[:MOST_ROWS]
    ]
    return table(headings, rows, caption=f"{len(detections)} detections", name="detections")


def main(job: Job) -> None:
    """Draw and write the report of one project."""
    settings: Settings = job.settings
    folder, tables = job.output.report, job.input.tables
    folder.mkdir(parents=True)
    names = [f.name for f in pq.read_schema(tables / "detection.parquet") if f.name not in UNUSED]
    real = [("simulated", "=", False)]
    detections = pq.read_table(tables / "detection.parquet", columns=names, filters=real).to_pylist()
    histogram = load(job.input.histogram)
    curves = draw_curves(folder, tables, detections, settings.max_light_curves)
    thresholds = (job.settings.snr_threshold, job.settings.offset_threshold)
    panels = draw.score_panels(histogram, *thresholds, plugin_thresholds(tables / "epoch"))
    with figure(2, height=2.5 * ((len(panels) + 1) // 2)) as drawn:
        draw.score_histograms(drawn, histogram, panels)
        save(drawn, folder / "scores.png")
    efficiencies = draw_efficiencies(folder, tables)
    rates = read_table(tables / "rates.parquet").to_pylist()
    if rates:
        with figure(2, height=0.8 + 0.22 * len(rates)) as drawn:
            draw.rates_figure(drawn, rates)
            save(drawn, folder / "rates.png")
    sources = read_table(tables / "source.parquet", ["name", "ra", "dec"])
    with figure(2, height=2.9) as drawn:
        groups = sky_groups(read_table(tables / "properties.parquet"))
        draw.sky(drawn, sources["ra"].to_numpy(), sources["dec"].to_numpy(), groups)
        save(drawn, folder / "sky.png")
    shown = [figure_tag(name, caption) for name, caption in curves]
    parts = [
        section("Sources", outcome_table(tables), figure_tag("sky.png", "Sources on the sky (ICRS).")),
        section("Detections", detection_table(detections), *shown),
        section("Scores", figure_tag("scores.png", "Epochs by score; dashed lines are the thresholds.")),
        section("Efficiency", *[figure_tag(name, caption) for name, caption in efficiencies]),
    ]
    if rates:
        caption = "Events per day of live time; bars 68 %, arrows 95 % upper limits."
        parts.append(section("Rates", figure_tag("rates.png", caption)))
    body = Markup("".join(parts))
    write_text(folder / "index.html", page(f"Survey light curves: {job.wildcards.project}", body))
    log.info("%d light curves, %d efficiencies drawn", len(curves), len(efficiencies))
