"""Run the filters over the loci of a night.

Reads the loci that the night touched, their history and matches, and the tags and properties of the night
before. Makes the verdict of each filter on each locus, the loci with all their columns, the state of tags
and properties, the counts before and after each filter, and how long each took.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ephemera.alerts import store
from ephemera.alerts.associate import HISTORY
from ephemera.alerts.crossmatch import MATCHES
from ephemera.alerts.filters.locus import plain_properties
from ephemera.alerts.filters.runner import FilterRun, run_filters
from ephemera.alerts.filters.watch import WatchDynamic
from ephemera.alerts.loci import LOCI, as_value
from ephemera.alerts.outcomes import AccountError
from ephemera.tables.nested import TEXT, nested_schema

if TYPE_CHECKING:
    from ephemera.config.alerts import Filters as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)

TAGGED = pa.schema(
    [LOCI.field(name) for name in ("locus_id", "tags", "properties", "night_updated")],
    metadata={"name": "tagged", "description": "What filters have said of loci so far."},
)
PAST = nested_schema(
    "past",
    "Tags that a region which is new tonight gives to loci of earlier nights.",
    (
        ("locus_id", TEXT, None, "meta.id;meta.main", "Locus"),
        ("tag", TEXT, None, "meta.code", "Tag"),
        ("region", TEXT, None, "meta.id", "Region of the list"),
    ),
)


@dataclass(frozen=True)
class Past:
    """A tag that a region which is new tonight gives to a locus of earlier nights, and that locus's cell."""

    locus_id: str
    tag: str
    properties: dict[str, Any]
    cell: int


def with_state(loci: pa.Table, tagged: pa.Table, matches: pa.Table, aliases: dict[str, str]) -> pa.Table:
    """Loci with the tags, properties and matches that they have; those of merged loci go to the survivor."""
    tags: dict[str, dict[str, Any]] = {}
    properties: dict[str, dict[str, Any]] = {}
    for row in tagged.to_pylist():
        name = aliases.get(row["locus_id"], row["locus_id"])
        for tag in row["tags"] or ():
            mine = tags.setdefault(name, {})
            if tag["name"] not in mine or tag["mjd_set"] < mine[tag["name"]]["mjd_set"]:
                mine[tag["name"]] = tag
        properties.setdefault(name, {}).update(dict(row["properties"] or ()))
    matched = dict(zip(matches["locus_id"].to_pylist(), matches["matches"].to_pylist(), strict=True))
    names = loci["locus_id"].to_pylist()
    columns = {
        "tags": [[tags.get(n, {})[t] for t in sorted(tags.get(n, {}))] for n in names],
        "properties": [sorted(properties.get(n, {}).items()) for n in names],
        "matches": [matched.get(n, []) for n in names],
    }
    for name, values in columns.items():
        field = LOCI.field(name)
        loci = loci.set_column(LOCI.names.index(name), field, pa.array(values, field.type))
    return loci


def past_matches(
    filters: dict[str, WatchDynamic], state: Path, after: float, until: float, touched: set[str]
) -> list[Past]:
    """Loci of the last days inside regions that are new tonight."""
    import numpy as np

    from ephemera.sky.sphere import positions

    found = []
    for watch in filters.values():
        for region in watch.new_regions(after, until):
            ra, dec = positions(region.centre)
            vector = region.centre.reshape(1, 3)
            reach = max(region.radius_arcsec, 1.0)
            cells = (
                store.cells_near(vector, reach) if reach < 3600 else np.array(store.cells_in(state / "loci"))
            )
            log.info("looking back around %s at %.4f %.4f", region.name, ra, dec)
            for cell, table in store.read(state / "loci", cells, LOCI).items():
                columns = (table[name].to_pylist() for name in ("locus_id", "ra", "dec", "mjd_last"))
                for name, locus_ra, locus_dec, last in zip(*columns, strict=True):
                    verdict = watch.past(region, locus_ra, locus_dec, last) if name not in touched else None
                    if verdict is not None:
                        found += [Past(name, tag, dict(verdict.properties), cell) for tag in verdict.tags]
    return sorted(found, key=lambda row: (row.locus_id, row.tag))


def main(job: Job) -> None:
    """Write verdicts, loci, state, counts and times of one night."""
    import pyarrow.parquet as pq

    settings: Settings = job.settings
    parameters = job.recipe["parameters"]
    night = int(job.wildcards.night)
    previous = getattr(job.input, "previous", None)
    association = pq.read_table(job.input.association)
    aliases = pq.read_table(job.input.aliases)
    renamed = dict(zip(aliases["old"].to_pylist(), aliases["new"].to_pylist(), strict=True))
    touched = {renamed.get(name, name) for name in association["locus_id"].to_pylist() if name}
    cells = store.cells_of_alerts(job.input.alerts)
    loci_by_cell = store.read(job.input.state / "loci", cells, LOCI)
    home = {name: cell for cell, table in loci_by_cell.items() for name in table["locus_id"].to_pylist()}
    loci = _of(store.joined(loci_by_cell, LOCI), touched)
    history = _of(store.joined(store.read(job.input.state / "history", cells, HISTORY), HISTORY), touched)
    tagged_by_cell = store.read(previous and previous / "tagged", cells, TAGGED)
    tagged = store.joined(tagged_by_cell, TAGGED)
    matches = store.joined(store.read(job.input.matches / "matches", cells, MATCHES), MATCHES)
    loci = with_state(loci, tagged, matches, renamed)
    note = json.loads((job.input.matches / "catalogues.json").read_text(encoding="utf-8"))
    limits = {"seconds": settings.time_limit_s, "max_error_fraction": settings.max_error_fraction,
              "trigger": settings.trigger, "memory_mb": settings.memory_limit_mb}  # fmt: skip
    run = run_filters(loci, history, settings.run, {
        **parameters["options"], "files": parameters["files"], "limits": limits, "night": night,
        "catalogues": sorted(note["sha256"]), "before": _before(previous, settings.run),
        "new_alerts": set(association["alert_key"].to_pylist()),
    })  # fmt: skip
    _check(run, len(loci), settings.trigger)
    past = _past(job, run, previous, night, touched)
    _write_state(job.output.state, previous, run, tagged_by_cell, renamed, past, home)
    pq.write_table(run.verdicts, job.output.verdicts, compression="zstd")
    pq.write_table(run.loci, job.output.loci, compression="zstd")
    rows = [
        {"locus_id": one.locus_id, "tag": one.tag, "region": str(one.properties.get("watch_dynamic_name"))}
        for one in past
    ]
    pq.write_table(pa.Table.from_pylist(rows, PAST), job.output.past)
    counts = {
        name: {k: v for k, v in asdict(tally).items() if k != "seconds"}
        for name, tally in run.tallies.items()
    }
    summary = {"filters": counts, "loci": len(loci), "catalogues": note, "tags": _tag_counts(run)}
    job.output.counts.write_text(json.dumps(summary, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    times = {name: {"seconds": t.seconds, "loci": t.input} for name, t in run.tallies.items()}
    job.output.times.write_text(json.dumps(times, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _of(table: pa.Table, names: set[str]) -> pa.Table:
    return table.filter(pc.is_in(table["locus_id"], pa.array(sorted(names), pa.string())))


def _before(previous: Path | None, names: list[str]) -> list[dict[str, Any]]:
    """Properties of the loci of the night before, to train on."""
    if previous is None or "anomaly" not in names:
        return []
    table = store.joined(store.read(previous / "tagged", store.cells_in(previous / "tagged"), TAGGED), TAGGED)
    if len(table) == 0:
        return []
    last = pc.max(table["night_updated"])
    return [
        plain_properties(row)
        for row in table.filter(pc.equal(table["night_updated"], last))["properties"].to_pylist()
    ]


def _check(run: FilterRun, loci: int, trigger: str) -> None:
    """Each filter must have seen each locus. Raises AccountError."""
    for name, tally in run.tallies.items():
        ended = tally.succeeded + tally.skipped + tally.errored
        if ended != tally.input or (trigger == "night" and tally.input != loci):
            message = f"filter {name}: {loci} loci, {tally.input} went in, {ended} came out"
            raise AccountError(message)


def _past(job: Job, run: FilterRun, previous: Path | None, night: int, touched: set[str]) -> list[Past]:
    del run
    if "watch_dynamic" not in job.settings.run or previous is None:
        return []
    parameters = job.recipe["parameters"]
    watch = WatchDynamic()
    files = {k: Path(v) for k, v in parameters["files"].get("watch_dynamic", {}).items()}
    watch.setup(parameters["options"].get("watch_dynamic", {}), files)
    before = json.loads((previous / "night.json").read_text(encoding="utf-8"))["night"]
    return past_matches({"watch_dynamic": watch}, job.input.state, before + 1.0, night + 1.0, touched)


def _tag_counts(run: FilterRun) -> dict[str, int]:
    counts: dict[str, int] = {}
    for tags in run.loci["tags"].to_pylist():
        for tag in tags or ():
            counts[tag["name"]] = counts.get(tag["name"], 0) + 1
    return dict(sorted(counts.items()))


def _write_state(
    target: Path, previous: Path | None, run: FilterRun, old: dict[int, pa.Table], renamed: dict[str, str],
    past: list[Past], home: dict[str, int],
) -> None:  # fmt: skip
    """Write tags and properties of the cells that the night touched, and link the others."""
    target.mkdir(parents=True)
    cells = set(old)
    fresh = run.loci.select(TAGGED.names)
    rows: dict[int, dict[str, Any]] = {}
    for cell, table in old.items():
        kept = {row["locus_id"]: row for row in table.to_pylist() if row["locus_id"] not in renamed}
        rows.setdefault(cell, {}).update(kept)
    for row in fresh.to_pylist():
        if row["tags"] or row["properties"]:
            rows.setdefault(home[row["locus_id"]], {})[row["locus_id"]] = row
    _add_past(rows, past, previous, cells)
    changed = {cell: pa.Table.from_pylist([r[n] for n in sorted(r)], TAGGED) for cell, r in rows.items()}
    store.advance(previous and previous / "tagged", target / "tagged", changed)
    night = int(pc.max(run.loci["night_updated"]).as_py() or 0) if len(run.loci) else 0
    (target / "night.json").write_text(json.dumps({"night": night}) + "\n", encoding="utf-8")


def _add_past(
    rows: dict[int, dict[str, Any]], past: list[Past], previous: Path | None, cells: set[int]
) -> None:
    """Tags that a new region gives to loci of earlier nights."""
    for one in past:
        name, tag, cell = one.locus_id, one.tag, one.cell
        if cell not in cells and cell not in rows:
            table = store.read(previous and previous / "tagged", [cell], TAGGED).get(cell)
            rows[cell] = {row["locus_id"]: row for row in (table.to_pylist() if table is not None else [])}
        row = rows.setdefault(cell, {}).setdefault(
            name, {"locus_id": name, "tags": [], "properties": [], "night_updated": None}
        )
        if tag not in [t["name"] for t in row["tags"] or ()]:
            row["tags"] = [
                *(row["tags"] or ()),
                {"name": tag, "filter": tag, "version": "1", "mjd_set": None},
            ]
        stored = dict(row["properties"] or ()) | {k: as_value(v) for k, v in one.properties.items()}
        row["properties"] = sorted(stored.items())
