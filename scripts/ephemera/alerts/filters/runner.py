"""Run filters over the loci of a night: order, requirements, three outcomes, time limits, error limits.

Loci are gone through by identifier and, inside a locus, alerts by time and filters by their order; so the
result depends on neither batches nor processes. An error never stops the stream. A filter that fails on
more than a fraction of the loci is switched off for the rest of the night.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from ephemera.alerts.filters.alarm import Alarm
from ephemera.alerts.filters.contract import (
    Filter,
    RequirementMissingError,
    Verdict,
    check_declaration,
    check_options,
    checked,
)
from ephemera.alerts.filters.features import Anomaly
from ephemera.alerts.filters.load import load_filter
from ephemera.alerts.filters.locus import AlertColumns, Locus, by_catalogue, plain_properties
from ephemera.alerts.filters.process import ProcessFilter
from ephemera.alerts.loci import LOCI, as_value
from ephemera.alerts.outcomes import FilterOutcome, Kind
from ephemera.tables.nested import F8, FLAG, TEXT, nested_schema

VERDICTS = nested_schema(
    "verdicts",
    "How each filter ended on each locus.",
    (
        ("filter", TEXT, None, "meta.id", "Filter"),
        ("version", TEXT, None, "meta.version", "Its version"),
        ("locus_id", TEXT, None, "meta.id;meta.main", "Locus"),
        ("alert_key", TEXT, None, "meta.id", "Newest alert of the locus"),
        ("mjd_utc", F8, "d", "time.epoch", "Time of that alert"),
        ("outcome", TEXT, None, "meta.code.status", "succeeded, skipped or errored"),
        ("passed", FLAG, None, "meta.code", "Whether it set a tag"),
        ("tags", pa.list_(TEXT), None, "meta.code", "Tags it set"),
        ("missing", TEXT, None, "meta.note", "Requirement that was missing, for skipped"),
        ("error", TEXT, None, "meta.code.error", "Name of the exception, for errored"),
        ("message", TEXT, None, "meta.note", "Its message"),
        ("traceback", TEXT, None, "meta.note", "The end of its traceback"),
    ),
)
#: Loci after which the fraction of errors counts.
ENOUGH = 20
_TRACEBACK = 2000


@dataclass(frozen=True)
class Limits:
    """Seconds a locus may take, fraction of errors that switches a filter off, and when filters run.

    `trigger` is "night" (once, at the newest alert of the night) or "alert" (at each alert of the night).
    """

    seconds: float = 1.0
    max_error_fraction: float = 0.05
    trigger: str = "night"
    memory_mb: int = 2000


@dataclass
class Tally:
    """Counts of one filter over a night, and the time it took."""

    version: str = ""
    input: int = 0
    succeeded: int = 0
    skipped: int = 0
    errored: int = 0
    passed: int = 0
    seconds: float = 0.0
    switched_off: bool = False
    problem: str | None = None


@dataclass
class FilterRun:
    """Verdicts, loci with their new tags and properties, and counts by filter in the order of running."""

    verdicts: pa.Table
    loci: pa.Table
    tallies: dict[str, Tally] = field(default_factory=dict)


def run_filters(
    loci: pa.Table, alerts: pa.Table, filters: Sequence[str | Filter], config: Mapping[str, Any] | None = None
) -> FilterRun:
    """Run filters over loci.

    `alerts` are the canonical alerts of these loci with a column `locus_id` (join the association table);
    `filters` are names of shipped filters, `package.module:Name`, `file.py:Name`, or filters themselves.
    `config` has options by filter name and, under `limits`, those of `Limits`; under `files` files by
    filter and name; under `night` the night whose alerts trigger (default: the newest alert of each locus),
    under `catalogues` the names of those that were matched, under `before` properties of the last night.
    """
    config = dict(config or {})
    if "locus_id" not in alerts.column_names:
        message = "alerts need a column locus_id: join the association table that associate() returned"
        raise ValueError(message)
    limits = Limits(**config.get("limits", {}))
    prepared = prepare(filters, config, limits)
    try:
        with Alarm(limits.seconds) as alarm:
            return _Night(loci, alerts, prepared, config, limits, alarm).run()
    finally:
        for one in prepared:
            one.close()


class Prepared:
    """A filter that is set up, or why it cannot run."""

    def __init__(
        self, name: str, candidate: Filter | None, problem: str | None, *, skip: bool = False
    ) -> None:
        self.name, self.filter, self.skip = name, candidate, skip
        self.tally = Tally(getattr(candidate, "version", "") or "", problem=problem)

    def close(self) -> None:
        """End a process of its own."""
        if isinstance(self.filter, ProcessFilter):
            self.filter.close()


def prepare(filters: Sequence[str | Filter], config: Mapping[str, Any], limits: Limits) -> list[Prepared]:
    """Filters set up and in order; those that cannot be loaded stay in the list with their problem."""
    prepared = []
    for given in filters:
        label = given if isinstance(given, str) else given.name
        try:
            candidate = (
                load_filter(given, limits.seconds, limits.memory_mb) if isinstance(given, str) else given
            )
            check_declaration(candidate)
            files = {k: Path(v) for k, v in config.get("files", {}).get(candidate.name, {}).items()}
            check_options(candidate, config.get(candidate.name, {}))
            candidate.setup(config.get(candidate.name, {}), files)
            check_declaration(candidate)
            if isinstance(candidate, Anomaly):
                candidate.train(config.get("before", []))
        except RequirementMissingError as error:
            prepared.append(Prepared(candidate.name, candidate, str(error), skip=True))
        except Exception as error:  # noqa: BLE001  a filter of a user may raise anything
            prepared.append(Prepared(label, None, f"{type(error).__name__}: {error}"))
        else:
            prepared.append(Prepared(candidate.name, candidate, None))
    return ordered(prepared)


def ordered(prepared: Sequence[Prepared]) -> list[Prepared]:
    """Topological order by required tags, properties and `order_after`, then by name.

    Raises ValueError for filters that wait for each other and for two of one name.
    """
    names = [one.name for one in prepared]
    if len(set(names)) != len(names):
        message = f"filters must have names of their own, got {', '.join(sorted(names))}"
        raise ValueError(message)
    makers: dict[str, set[str]] = {}
    for one in prepared:
        for output in (
            *getattr(one.filter, "output_tags", ()),
            *getattr(one.filter, "output_properties", ()),
        ):
            makers.setdefault(output.name, set()).add(one.name)
    waits = {}
    for one in prepared:
        f = one.filter
        needed = (*getattr(f, "required_tags", ()), *getattr(f, "required_properties", ()))
        before = {maker for name in needed for maker in makers.get(name, ())} | set(
            getattr(f, "order_after", ())
        )
        waits[one.name] = (before & set(names)) - {one.name}
    done: list[str] = []
    while len(done) < len(names):
        ready = sorted(n for n in names if n not in done and waits[n] <= set(done))
        if not ready:
            message = f"filters wait for each other: {', '.join(sorted(set(names) - set(done)))}"
            raise ValueError(message)
        done.append(ready[0])
    by_name = {one.name: one for one in prepared}
    return [by_name[name] for name in done]


class _Night:
    """One run of all filters over all loci."""

    def __init__(
        self,
        loci: pa.Table,
        alerts: pa.Table,
        prepared: Sequence[Prepared],
        config: Mapping[str, Any],
        limits: Limits,
        alarm: Alarm,
    ) -> None:
        self.prepared, self.limits, self.alarm = prepared, limits, alarm
        self.loci = loci.take(pa.compute.sort_indices(loci["locus_id"]))
        self.columns = AlertColumns(alerts)
        self.night = config.get("night")
        self.catalogues = frozenset(config.get("catalogues", ()))
        self.rows: list[tuple[Any, ...]] = []
        self.new_keys = config.get("new_alerts")
        for one in prepared:
            if isinstance(one.filter, ProcessFilter):
                one.filter.send_night(self.loci, self.columns.table)

    def run(self) -> FilterRun:
        """All loci in order of their identifiers."""
        spans = self.columns.spans()
        names = self.loci["locus_id"].to_pylist()
        facts = {
            name: self.loci[name].to_pylist()
            for name in ("ra", "dec", "n_det", "scatter", "sep99", "mjd_first", "mjd_last")
        }
        tags = [{t["name"]: t for t in row or ()} for row in self.loci["tags"].to_pylist()]
        properties = [plain_properties(row) for row in self.loci["properties"].to_pylist()]
        matches = self.loci["matches"].to_pylist()
        for k, name in enumerate(names):
            if name not in spans:
                continue
            known = {"locus_id": name, **{fact: values[k] for fact, values in facts.items()}}
            catalogues = by_catalogue(matches[k])
            first, end = spans[name]
            for row in self._triggers(first, end):
                for one in self.prepared:
                    locus = Locus(
                        self.columns,
                        first,
                        row,
                        known,
                        self.columns.get("night")[row],
                        tags[k],
                        properties[k],
                        catalogues,
                    )
                    self._one(one, locus, k, row, tags[k], properties[k])
        self._finish(names, properties)
        table = self.loci.set_column(LOCI.names.index("tags"), LOCI.field("tags"), pa.array(
            [[tag[n] for n in sorted(tag)] for tag in tags], LOCI.field("tags").type))  # fmt: skip
        stored = [[(n, as_value(p[n])) for n in sorted(p)] for p in properties]
        kind = LOCI.field("properties")
        table = table.set_column(LOCI.names.index("properties"), kind, pa.array(stored, kind.type))
        columns = list(zip(*self.rows, strict=True)) or [()] * len(VERDICTS)
        verdicts = pa.Table.from_arrays(
            [pa.array(list(c), f.type) for c, f in zip(columns, VERDICTS, strict=True)], schema=VERDICTS
        )
        return FilterRun(verdicts, table, {one.name: one.tally for one in self.prepared})

    def _triggers(self, first: int, end: int) -> list[int]:
        """Rows at which filters run: alerts of the night, or only the newest of them."""
        nights, kinds = self.columns.get("night"), self.columns.get("kind")
        rows = list(range(first, end))
        if self.new_keys is not None:
            keys = self.columns.get("alert_key")
            rows = [row for row in rows if keys[row] in self.new_keys]
        if self.night is not None:
            own = [row for row in rows if nights[row] == self.night]
            rows = own or rows
        detections = [row for row in rows if kinds[row] == Kind.DETECTION]
        rows = detections or rows
        return rows if self.limits.trigger == "alert" else rows[-1:]

    def _one(
        self,
        one: Prepared,
        locus: Locus,
        index: int,
        row: int,
        tags: dict[str, Any],
        properties: dict[str, Any],
    ) -> None:
        tally = one.tally
        tally.input += 1
        outcome, verdict, missing, error = FilterOutcome.SKIPPED, Verdict(), None, None
        if one.filter is None or one.skip:
            missing = tally.problem
            outcome = FilterOutcome.SKIPPED if one.skip else FilterOutcome.ERRORED
            error = None if one.skip else ("FilterNotLoaded", tally.problem or "", "")
        elif tally.switched_off:
            missing = "switched off after too many errors"
        elif (missing := missing_requirement(one.filter, locus, self.catalogues)) is None:
            outcome, verdict, error = self._call(one, locus, index, row)
        passed = bool(verdict.tags) or bool(verdict.properties)
        setattr(tally, outcome.value, getattr(tally, outcome.value) + 1)
        tally.passed += passed
        time_set = locus.newest.mjd_utc
        for tag in verdict.tags:
            tags.setdefault(
                tag, {"name": tag, "filter": one.name, "version": tally.version, "mjd_set": time_set}
            )
        properties.update(verdict.properties)
        self.rows.append(
            (one.name, tally.version, locus.locus_id, locus.newest.alert_key, time_set, outcome.value, passed,
             list(verdict.tags), missing, *(error or (None, None, None)))
        )  # fmt: skip

    def _call(
        self, one: Prepared, locus: Locus, index: int, row: int
    ) -> tuple[FilterOutcome, Verdict, tuple[str, str, str] | None]:
        assert one.filter is not None
        start = time.perf_counter()
        error = None
        verdict = Verdict()
        try:
            if isinstance(one.filter, ProcessFilter):
                answer = one.filter.ask(index, row, locus.tags, locus.properties)
            else:
                answer = self.alarm.call(one.filter.run, locus)
            verdict = checked(one.filter, answer)
            outcome = FilterOutcome.SUCCEEDED
        except Exception as problem:  # noqa: BLE001  a filter may raise anything, and never stops the stream
            outcome = FilterOutcome.ERRORED
            tail = getattr(problem, "remote_traceback", None) or "".join(traceback.format_exception(problem))
            name = getattr(problem, "remote_name", None) or type(problem).__name__
            error = name, str(problem)[:500], tail[-_TRACEBACK:]
        one.tally.seconds += time.perf_counter() - start
        tried = one.tally.succeeded + one.tally.errored + 1
        errors = one.tally.errored + (outcome is FilterOutcome.ERRORED)
        if tried >= ENOUGH and errors > self.limits.max_error_fraction * tried:
            one.tally.switched_off = True
        return outcome, verdict, error

    def _finish(self, names: Sequence[str], properties: list[dict[str, Any]]) -> None:
        """Properties that compare all loci of the night, such as ranks."""
        for one in self.prepared:
            if isinstance(one.filter, Anomaly) and not one.skip:
                start = time.perf_counter()
                found = one.filter.finish(dict(zip(names, properties, strict=True)))
                for k, name in enumerate(names):
                    properties[k].update(found.get(name, {}))
                one.tally.passed += len(found)
                one.tally.seconds += time.perf_counter() - start


def missing_requirement(candidate: Filter, locus: Locus, catalogues: frozenset[str]) -> str | None:
    """What a filter needs and the locus does not have; None when all is there."""
    newest = locus.newest
    if candidate.surveys and newest.survey not in candidate.surveys:
        return f"survey {newest.survey}"
    if candidate.bands and newest.band not in candidate.bands:
        return f"band {newest.band}"
    for name in candidate.required_fields:
        value = newest.get(name)
        if value is None or value != value:
            return name
    needed = (
        *(("catalogue", name) for name in candidate.required_catalogues if name not in catalogues),
        *(("tag", name) for name in candidate.required_tags if name not in locus.tags),
        *(("property", n) for n in candidate.required_properties if locus.properties.get(n) is None),
    )
    if needed:
        return " ".join(needed[0])
    few = candidate.min_detections and locus.n_detections < candidate.min_detections
    return f"{candidate.min_detections} detections" if few else None
