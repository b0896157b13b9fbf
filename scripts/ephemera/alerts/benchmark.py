"""Design filters that find your object: how complete, pure and fast each filter is on a simulated survey.

Reads the truth of the simulated deliveries, where their alerts were joined, and the verdicts of all nights.
Makes a table by filter, a table by injected object with its rank of oddness, and a page with both; and, from
a training set of light curves, its ten oddest objects.
"""

from __future__ import annotations

import csv
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.alerts.oddness import features, read_training_set, scores
from ephemera.pages import Heading, Markup, escape, page, section, table

if TYPE_CHECKING:
    import pyarrow as pa

    from ephemera.config.alerts import Benchmark as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)
_ODDEST = 10


@dataclass(frozen=True)
class FilterScore:
    """One filter on the truth: sources passed, of which injected, completeness, purity, median delay."""

    filter: str
    sources_passed: int
    injected_passed: int
    injected: int
    completeness: float | None
    purity: float | None
    delay_d: float | None


@dataclass(frozen=True)
class ObjectScore:
    """One injected object: alerts, loci, first alert, filters that passed it with the delay, its rank."""

    source_id: str
    label: str
    alerts: int
    loci: int
    first_mjd: float
    passed_by: str
    rank: int | None
    of: int


def filter_scores(
    truth: Mapping[str, Mapping[str, Any]], verdicts: Sequence[Mapping[str, Any]]
) -> list[FilterScore]:
    """Scores of filters that set a tag. `truth` by alert key, `verdicts` in time order."""
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
            FilterScore(
                name, len(passed), len(good), len(injected),
                len(good) / len(injected) if injected else None,
                len(good) / len(passed) if passed else None,
                float(median(delays)) if delays else None,
            )
        )  # fmt: skip
    return found


def object_scores(
    truth: Mapping[str, Mapping[str, Any]], verdicts: Sequence[Mapping[str, Any]],
    locus_of: Mapping[str, str], ranks: Mapping[str, int],
) -> list[ObjectScore]:  # fmt: skip
    """Scores of injected objects; the rank is the best of the loci that hold at least half of its alerts."""
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
            ObjectScore(source, rows[0]["label"], len(rows), len(loci), first, delays, rank, len(ranks))
        )
    return found


def locus_ranks(alerts: Sequence[Mapping[str, Any]], seed: int) -> tuple[dict[str, int], str]:
    """Rank of oddness of each locus with at least three detections, 1 the oddest."""
    curves: defaultdict[str, defaultdict[str, list[tuple[float, float]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row in alerts:
        if row["kind"] == 0 and row["mag"] is not None:
            curves[row["locus_id"]][row["band"]].append((row["mjd_utc"], row["mag"]))
    names = sorted(name for name, bands in curves.items() if sum(map(len, bands.values())) >= 3)
    rows = []
    for name in names:
        arrays = {band: np.array(points).T for band, points in curves[name].items()}
        rows.append(
            features({b: (a[0], a[1], np.full(a.shape[1], np.nan)) for b, a in arrays.items()}, fluxes=False)
        )
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
    filters: Sequence[FilterScore], objects: Sequence[ObjectScore], method: str, extra: Sequence[Markup]
) -> str:
    """The page with both tables."""
    headings = (
        Heading("Filter"), Heading("Sources passed", numeric=True), Heading("Injected passed", numeric=True),
        Heading("Injected", numeric=True), Heading("Completeness", numeric=True),
        Heading("Purity", numeric=True),
        Heading("Median delay", "d", "after the object's first alert", numeric=True),
    )  # fmt: skip
    parts = [
        section("Filters", table(headings, [astuple(one) for one in filters], caption="Sources, not alerts"))
    ]
    columns = (
        Heading("Object"), Heading("Class"), Heading("Alerts", numeric=True), Heading("Loci", numeric=True),
        Heading("First alert", "MJD", numeric=True), Heading("Passed by"), Heading("Rank", numeric=True),
        Heading("Of", "loci", numeric=True),
    )  # fmt: skip
    caption = f"Injected objects; rank 1 is the oddest locus ({method})"
    parts.append(
        section("Injected objects", table(columns, [astuple(one) for one in objects], caption=caption))
    )
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
    truth = {
        row["alert_key"]: row
        for path in _many(job.input, "truths")
        for row in pq.read_table(path).to_pylist()
    }
    associations = _tables(_many(job.input, "associations"), ["alert_key", "locus_id"])
    locus_of = dict(
        zip(associations["alert_key"].to_pylist(), associations["locus_id"].to_pylist(), strict=True)
    )
    columns = ["filter", "alert_key", "mjd_utc", "tags", "locus_id"]
    verdicts = _tables(_many(job.input, "verdicts"), columns).to_pylist()
    alerts = _tables(_many(job.input, "alerts"), ["alert_key", "kind", "band", "mag", "mjd_utc"]).to_pylist()
    joined = [
        {**row, "locus_id": locus_of[row["alert_key"]]} for row in alerts if locus_of.get(row["alert_key"])
    ]
    ranks, method = locus_ranks(joined, seed)
    filters, objects = filter_scores(truth, verdicts), object_scores(truth, verdicts, locus_of, ranks)
    extra = [training_section(Path(settings.training_set), seed)] if settings.training_set else []
    job.output.page.write_text(benchmark_page(filters, objects, method, extra), encoding="utf-8")
    _write(job.output.filters, FilterScore, filters)
    _write(job.output.objects, ObjectScore, objects)
    log.info("%d filters, %d injected objects", len(filters), len(objects))


def _many(inputs: Any, name: str) -> list[Path]:
    paths = getattr(inputs, name, [])
    return paths if isinstance(paths, list) else [paths]


def _tables(paths: Sequence[Path], columns: list[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    return pa.concat_tables([pq.read_table(path, columns=columns) for path in paths])


def _write(path: Path, kind: type, rows: Sequence[Any]) -> None:
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow([one.name for one in fields(kind)])
        writer.writerows(astuple(row) for row in rows)
