"""Design filters that find your object: how complete, pure and fast each filter is on a simulated survey.

Reads the truth of the simulated deliveries, where their alerts were joined, and the verdicts of all nights.
Makes a table by filter, a table by injected object with its rank of oddness, and a page with both; and, from
a training set of light curves, its ten oddest objects.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.alerts.oddness import features, read_training_set, scores
from ephemera.alerts.outcomes import Kind
from ephemera.pages import Heading, Markup, declared_table, escape, page, section, table
from ephemera.tables import Column, TableDeclaration, write

if TYPE_CHECKING:
    import pyarrow as pa

    from ephemera.config.alerts import Benchmark as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)
_ODDEST = 10


FILTERS = TableDeclaration(
    "filters",
    "Filters on the simulated survey; counts are of sources, not of alerts.",
    (
        Column("filter", "str", None, "meta.id;meta.main", "Filter"),
        Column("sources_passed", "i8", None, "meta.number", "Sources that it tagged"),
        Column("injected_passed", "i8", None, "meta.number", "Injected ones among them"),
        Column("injected", "i8", None, "meta.number", "Injected sources"),
        Column("completeness", "f8", None, "arith.ratio", "Share of the injected sources that it tagged"),
        Column("purity", "f8", None, "arith.ratio", "Share of injected sources in what it tagged"),
        Column("delay_d", "f8", "d", "time.interval", "Median delay after the first alert of a source"),
    ),
)
OBJECTS = TableDeclaration(
    "objects",
    "Injected objects, with the rank of the oddest locus that holds alerts of it; 1 is the oddest.",
    (
        Column("source_id", "str", None, "meta.id;meta.main", "Object"),
        Column("label", "str", None, "meta.code.class", "Class"),
        Column("alerts", "i8", None, "meta.number", "Alerts of it"),
        Column("loci", "i8", None, "meta.number", "Loci that hold them"),
        Column("first_mjd", "f8", "d", "time.epoch", "Time of its first alert (MJD)"),
        Column("passed_by", "str", None, "meta.note", "Filters that tagged it, with the delay"),
        Column("rank", "i8", None, "meta.code", "Rank of oddness"),
        Column("of", "i8", None, "meta.number", "Loci that have a rank"),
    ),
)


def filter_scores(
    truth: Mapping[str, Mapping[str, Any]], verdicts: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """Rows of the table of filters that set a tag. `truth` by alert key, `verdicts` in time order."""
    first_alert: dict[str, float] = {}
    injected: set[str] = set()
    for row in truth.values():
        source = row["source_id"]
        first_alert[source] = min(row["mjd_utc"], first_alert.get(source, np.inf))
        if row["injected"]:
            injected.add(source)
    first_pass: defaultdict[str, dict[str, float]] = defaultdict(dict)
    names: set[str] = set()
    for verdict in verdicts:
        names.add(verdict["filter"])
        known = truth.get(verdict["alert_key"])
        if known is not None and verdict["tags"]:
            times = first_pass[verdict["filter"]]
            times[known["source_id"]] = min(verdict["mjd_utc"], times.get(known["source_id"], np.inf))
    found = []
    for name in sorted(names):
        passed = first_pass[name]
        good = [source for source in passed if source in injected]
        delays = [passed[source] - first_alert[source] for source in good]
        found.append(
            {
                "filter": name,
                "sources_passed": len(passed),
                "injected_passed": len(good),
                "injected": len(injected),
                "completeness": len(good) / len(injected) if injected else None,
                "purity": len(good) / len(passed) if passed else None,
                "delay_d": float(median(delays)) if delays else None,
            }
        )
    return found


def object_scores(
    truth: Mapping[str, Mapping[str, Any]], verdicts: Sequence[Mapping[str, Any]],
    locus_of: Mapping[str, str], ranks: Mapping[str, int],
) -> list[dict[str, Any]]:  # fmt: skip
    """Rows of the table of injected objects; the rank is the best of the loci that hold alerts of it."""
    alerts: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in truth.values():
        if row["injected"]:
            alerts[row["source_id"]].append(row)
    passed: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for verdict in verdicts:
        mine = truth.get(verdict["alert_key"])
        if mine is not None and mine["injected"] and verdict["tags"]:
            times = passed[mine["source_id"]]
            times[verdict["filter"]] = min(verdict["mjd_utc"], times.get(verdict["filter"], np.inf))
    found = []
    for source, rows in sorted(alerts.items()):
        first = min(row["mjd_utc"] for row in rows)
        loci = {locus_of[row["alert_key"]] for row in rows if row["alert_key"] in locus_of}
        delays = ", ".join(f"{name} (+{time - first:.2f} d)" for name, time in sorted(passed[source].items()))
        rank = min((ranks[name] for name in loci if name in ranks), default=None)
        found.append(
            {
                "source_id": source,
                "label": rows[0]["label"],
                "alerts": len(rows),
                "loci": len(loci),
                "first_mjd": first,
                "passed_by": delays,
                "rank": rank,
                "of": len(ranks),
            }
        )
    return found


def locus_ranks(alerts: Sequence[Mapping[str, Any]], seed: int) -> tuple[dict[str, int], str]:
    """Rank of oddness of each locus with at least three detections, 1 the oddest."""
    curves: defaultdict[str, defaultdict[str, list[tuple[float, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row in alerts:
        if row["kind"] == Kind.DETECTION and row["mag"] is not None:
            curves[row["locus_id"]][row["band"]].append((row["mjd_utc"], row["mag"]))
    names = sorted(name for name, bands in curves.items() if sum(map(len, bands.values())) >= 3)
    rows = []
    for name in names:
        arrays = {band: np.array(points).T for band, points in curves[name].items()}
        rows.append(features({band: (a[0], a[1]) for band, a in arrays.items()}, fluxes=False))
    values, method = scores(rows, seed)
    order = sorted(range(len(names)), key=lambda k: (-values[k], names[k]))
    return {names[k]: rank for rank, k in enumerate(order, 1)}, method


def oddest(path: Path, seed: int) -> tuple[list[tuple[str, str, float]], str, int, int]:
    """Ten oddest curves of a training set as (identifier, class, score); method, curves and points."""
    curves = read_training_set(path)
    names = list(curves)
    values, method = scores([features(curves[name][1], fluxes=True) for name in names], seed)
    order = sorted(range(len(names)), key=lambda k: (-values[k], names[k]))[:_ODDEST]
    points = sum(len(c[0]) for _, bands in curves.values() for c in bands.values())
    return [(names[k], curves[names[k]][0], float(values[k])) for k in order], method, len(names), points


def benchmark_page(
    filters: Sequence[Mapping[str, Any]], objects: Sequence[Mapping[str, Any]], method: str,
    extra: Sequence[Markup],
) -> str:  # fmt: skip
    """The page with both tables."""
    titles = {"source_id": "Object", "label": "Class", "first_mjd": "First alert", "of": "Of loci"}
    caption = f"Injected objects; rank 1 is the oddest locus ({method})"
    parts = [
        section("Filters", declared_table(FILTERS, filters, titles={"delay_d": "Median delay"})),
        section("Injected objects", declared_table(OBJECTS, objects, caption=caption, titles=titles)),
    ]
    return page("How filters do on the simulated survey", Markup("\n".join([*parts, *extra])))


def training_section(path: Path, seed: int) -> Markup:
    """Section with the ten oddest curves of a training set."""
    rows, method, curves, points = oddest(path, seed)
    headings = (Heading("Object"), Heading("Class"), Heading("Score", numeric=True))
    caption = f"Ten oddest of {curves} light curves with {points} points ({method})"
    note = Markup(f"<p>Read from {escape(path.name)}.</p>")
    return section("Oddest light curves of the training set", note, table(headings, rows, caption=caption))


def main(job: Job) -> None:
    """Write the two tables and the page."""
    import pyarrow.parquet as pq

    settings: Settings = job.settings
    seed = job.settings.seed
    truth = {row["alert_key"]: row for path in job.input.truths for row in pq.read_table(path).to_pylist()}
    associations = _tables(job.input.associations, ["alert_key", "locus_id"])
    locus_of = dict(
        zip(associations["alert_key"].to_pylist(), associations["locus_id"].to_pylist(), strict=True)
    )
    columns = ["filter", "alert_key", "mjd_utc", "tags", "locus_id"]
    verdicts = _tables(job.input.verdicts, columns).to_pylist()
    alerts = _tables(job.input.alerts, ["alert_key", "kind", "band", "mag", "mjd_utc"]).to_pylist()
    joined = [
        {**row, "locus_id": locus_of[row["alert_key"]]} for row in alerts if locus_of.get(row["alert_key"])
    ]
    ranks, method = locus_ranks(joined, seed)
    filters, objects = filter_scores(truth, verdicts), object_scores(truth, verdicts, locus_of, ranks)
    extra = [training_section(Path(settings.training_set), seed)] if settings.training_set else []
    job.output.page.write_text(benchmark_page(filters, objects, method, extra), encoding="utf-8")
    write(filters, FILTERS, job.output.filters)
    write(objects, OBJECTS, job.output.objects)
    log.info("%d filters, %d injected objects", len(filters), len(objects))


def _tables(paths: Sequence[Path], columns: list[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pa.concat_tables([pq.read_table(path, columns=columns) for path in paths])
