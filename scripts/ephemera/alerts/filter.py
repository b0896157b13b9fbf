"""Run the filters over the loci of a night.

Reads the loci that the night touched, their history and matches, and the tags and properties of the night
before. Makes the verdict of each filter on each locus, the loci with all their columns, the state of tags
and properties, the counts before and after each filter, and how long each took.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
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
from ephemera.alerts.tagging import Tags, properties_of, property_column, tag_column, tags_of
from ephemera.files import json_text
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


def _set_before(tag: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether a tag was set earlier; one that a new region set on a locus of the past has no time."""
    if tag["mjd_set"] is None:
        return False
    return other["mjd_set"] is None or bool(tag["mjd_set"] < other["mjd_set"])


def with_state(loci: pa.Table, tagged: pa.Table, matches: pa.Table, aliases: dict[str, str]) -> pa.Table:
    """Loci with the tags, properties and matches that they have; those of merged loci go to the survivor."""
    tags: dict[str, Tags] = {}
    properties: dict[str, dict[str, Any]] = {}
    columns = tagged["locus_id"].to_pylist(), tags_of(tagged["tags"]), properties_of(tagged["properties"])
    for own_name, own_tags, own_properties in zip(*columns, strict=True):
        name = aliases.get(own_name, own_name)
        mine = tags.setdefault(name, {})
        for tag in own_tags.values():
            if tag["name"] not in mine or _set_before(tag, mine[tag["name"]]):
                mine[tag["name"]] = tag
        properties.setdefault(name, {}).update(own_properties)
    names = loci["locus_id"].to_pylist()
    found = {
        "tags": tag_column([tags.get(name, {}) for name in names]),
        "properties": property_column([properties.get(name, {}) for name in names]),
        "matches": _matches_of(loci, matches),
    }
    for name, values in found.items():
        loci = loci.set_column(LOCI.names.index(name), LOCI.field(name), values)
    return loci


def _matches_of(loci: pa.Table, matches: pa.Table) -> pa.Array:
    """Matches of each locus, an empty list for those that were not matched."""
    none = pa.array([[]], LOCI.field("matches").type)
    known = pa.concat_arrays([matches["matches"].combine_chunks(), none])
    place = pc.index_in(loci["locus_id"].combine_chunks(), value_set=matches["locus_id"].combine_chunks())
    return known.take(place.fill_null(len(matches)))


def past_matches(
    watch: WatchDynamic, state: Path, after: float, until: float, touched: set[str]
) -> list[Past]:
    """Loci of the last days inside regions that are new tonight."""
    from ephemera.sky.sphere import positions

    found = []
    for region in watch.new_regions(after, until):
        ra, dec = positions(region.centre)
        vector = region.centre.reshape(1, 3)
        reach = max(region.radius_arcsec, 1.0)
        cells = store.cells_near(vector, reach) if reach < 3600 else np.array(store.cells_in(state / "loci"))
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
    (job.output.state / "night.json").write_text(json.dumps({"night": night}) + "\n", encoding="utf-8")
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
    job.output.counts.write_text(json_text(summary), encoding="utf-8")
    times = {name: {"seconds": t.seconds, "loci": t.input} for name, t in run.tallies.items()}
    job.output.times.write_text(json_text(times), encoding="utf-8")


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
    """What regions that are new tonight say of loci of earlier nights, where their filter ran at all."""
    tally = run.tallies.get(WatchDynamic.name)
    if previous is None or tally is None or tally.problem is not None:
        return []
    parameters = job.recipe["parameters"]
    watch = WatchDynamic()
    files = {k: Path(v) for k, v in parameters["files"].get(watch.name, {}).items()}
    watch.setup(parameters["options"].get(watch.name, {}), files)
    before = json.loads((previous / "night.json").read_text(encoding="utf-8"))["night"]
    return past_matches(watch, job.input.state, before + 1.0, night + 1.0, touched)


def _tag_counts(run: FilterRun) -> dict[str, int]:
    names = pc.struct_field(pc.list_flatten(run.loci["tags"]), "name")
    return dict(sorted((one["values"], one["counts"]) for one in pc.value_counts(names).to_pylist()))


def _write_state(
    target: Path, previous: Path | None, run: FilterRun, old: dict[int, pa.Table], renamed: dict[str, str],
    past: list[Past], home: dict[str, int],
) -> None:  # fmt: skip
    """Write tags and properties of the cells that the night touched, and link the others."""
    target.mkdir(parents=True)
    changed = dict.fromkeys(old, TAGGED.empty_table()) | state_by_cell(run.loci, old, renamed, home)
    rows = {
        cell: {row["locus_id"]: row for row in changed[cell].to_pylist()}
        for cell in {one.cell for one in past}
        if cell in changed
    }
    _add_past(rows, past, previous, set(old))
    changed |= {cell: pa.Table.from_pylist([r[n] for n in sorted(r)], TAGGED) for cell, r in rows.items()}
    store.advance(previous and previous / "tagged", target / "tagged", changed)


def state_by_cell(
    loci: pa.Table, old: dict[int, pa.Table], renamed: dict[str, str], home: dict[str, int]
) -> dict[int, pa.Table]:
    """Rows of the state by cell and locus: those of before, and instead of them those that filters made.

    A locus without tags and properties is not written; what it had stays.
    """
    said = [pc.greater(pc.list_value_length(loci["tags"]), 0), _map_length(loci["properties"]) > 0]
    fresh = loci.select(TAGGED.names).filter(pc.or_(said[0].fill_null(False), pa.array(said[1])))
    fresh = pa.Table.from_arrays(fresh.columns, schema=TAGGED)
    fresh_cells = np.array([home[name] for name in fresh["locus_id"].to_pylist()], np.int64)
    before = store.joined(old, TAGGED)
    cells = np.repeat(np.array(sorted(old), np.int64), [len(old[cell]) for cell in sorted(old)])
    names = before["locus_id"].combine_chunks()
    place = pc.index_in(names, value_set=fresh["locus_id"].combine_chunks())
    again = np.append(fresh_cells, -1)[np.asarray(place.fill_null(-1))] == cells
    gone = np.asarray(pc.is_in(names, value_set=pa.array(list(renamed), pa.string())), bool)
    kept = ~(again | gone)
    rows = pa.concat_tables([before.filter(pa.array(kept)), fresh]).combine_chunks()
    cells = np.concatenate([cells[kept], fresh_cells])
    order = np.asarray(pc.sort_indices(rows["locus_id"]))
    order = order[np.argsort(cells[order], kind="stable")]
    numbers, starts = np.unique(cells[order], return_index=True)
    spans = zip(numbers.tolist(), starts.tolist(), [*starts[1:].tolist(), len(order)], strict=False)
    # Each cell is taken by itself: the file of a slice would hold words of the cells beside it.
    return {cell: rows.take(pa.array(order[start:end])) for cell, start, end in spans}


def _map_length(column: pa.ChunkedArray) -> npt.NDArray[np.int64]:
    """Number of entries in each map; none in a null."""
    one = column.combine_chunks()
    return np.asarray(np.diff(np.asarray(one.offsets)) * np.asarray(one.is_valid(), bool), np.int64)


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
                {"name": tag, "filter": WatchDynamic.name, "version": WatchDynamic.version, "mjd_set": None},
            ]
        stored = dict(row["properties"] or ()) | {k: as_value(v) for k, v in one.properties.items()}
        row["properties"] = sorted(stored.items())
