"""Run filters over the loci of a night: order, requirements, three outcomes, time limits, error limits.

Loci are gone through by identifier and, inside a locus, alerts by time and filters by their order; so the
result depends on neither batches nor processes. An error never stops the stream. A filter that fails on
more than a fraction of the loci is switched off for the rest of the night.

What a filter requires of the newest alert, and where a shipped filter cannot say anything (its `screen`),
is found for all loci at once; only what is left is a call of `run`.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ephemera.alerts.filters.alarm import Alarm
from ephemera.alerts.filters.contract import Filter, Verdict, checked
from ephemera.alerts.filters.features import Anomaly
from ephemera.alerts.filters.locus import AlertColumns, Locus, by_catalogue
from ephemera.alerts.filters.moments import missing_requirement, missing_requirements, moments_of
from ephemera.alerts.filters.prepare import Limits, Prepared, Tally, prepare
from ephemera.alerts.filters.process import ProcessFilter, name_of
from ephemera.alerts.filters.verdicts import ERRORED, SKIPPED, SUCCEEDED, Grid
from ephemera.alerts.loci import LOCI
from ephemera.alerts.tagging import properties_of, property_column, tag_column, tags_of

log = logging.getLogger(__name__)
BoolArray = npt.NDArray[np.bool_]

#: Loci after which the fraction of errors counts.
ENOUGH = 20
_TRACEBACK = 2000
_OFF = "switched off after too many errors"


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


class _Night:
    """One run of all filters over all loci."""

    def __init__(
        self, loci: pa.Table, alerts: pa.Table, prepared: Sequence[Prepared], config: Mapping[str, Any],
        limits: Limits, alarm: Alarm,
    ) -> None:  # fmt: skip
        self.prepared, self.limits, self.alarm = prepared, limits, alarm
        self.loci = loci.take(pa.compute.sort_indices(loci["locus_id"]))
        self.columns = AlertColumns(alerts)
        self.names = self.loci["locus_id"].combine_chunks()
        self.moments = moments_of(
            self.columns, self.names, night=config.get("night"), new_keys=config.get("new_alerts"),
            each=limits.trigger == "alert",
        )  # fmt: skip
        self.catalogues = frozenset(config.get("catalogues", ()))
        self.grid = Grid(len(self.moments), len(prepared))
        self.tags, self.properties = tags_of(self.loci["tags"]), properties_of(self.loci["properties"])
        for one in prepared:
            one.send_night(self.loci, self.columns.table)

    def run(self) -> FilterRun:
        """All loci in order of their identifiers."""
        visits = [self._plan(one, column) for column, one in enumerate(self.prepared)]
        visited = np.argwhere(np.stack(visits, axis=1)) if visits else np.zeros((0, 2), np.int64)
        self.facts = _Facts(self.loci, self.columns, anything=len(visited) > 0)
        for row, column in visited.tolist():
            self._one(self.prepared[column], row, column)
        for column, one in enumerate(self.prepared):
            self._count(one.tally, column)
        self._finish()
        table = self.loci
        for name, values in (
            ("tags", tag_column(self.tags)),
            ("properties", property_column(self.properties)),
        ):
            table = table.set_column(LOCI.names.index(name), LOCI.field(name), values)
        verdicts = self.grid.table(self.moments, self.names, self.prepared)
        return FilterRun(verdicts, table, {one.name: one.tally for one in self.prepared})

    def _plan(self, one: Prepared, column: int) -> BoolArray:
        """Moments at which a filter is called; what becomes of it at the others is written down."""
        number, grid = len(self.moments), self.grid
        one.tally.input = number
        if one.filter is None or one.skip:
            grid.outcome[:, column] = SKIPPED if one.skip else ERRORED
            grid.missing[column] = pa.repeat(pa.scalar(one.tally.problem, pa.string()), number)
            if not one.skip:
                error = "FilterNotLoaded", one.tally.problem or "", ""
                grid.errors |= {(row, column): error for row in range(number)}
            return np.zeros(number, bool)
        one.changing = bool(one.filter.required_tags or one.filter.required_properties)
        grid.missing[column] = missing_requirements(
            one.filter, self.moments, self.catalogues, counts=not one.changing
        )
        able = np.asarray(grid.missing[column].is_null(), bool)
        grid.outcome[~able, column] = SKIPPED
        one.tried = np.cumsum(able)
        return able if one.changing else able & self._screened(one)

    def _screened(self, one: Prepared) -> BoolArray:
        """Where the filter may say something, and where its fraction of errors begins to count.

        Only a screen of the class itself is asked: one that is inherited knows nothing of a changed `run`.
        """
        everywhere = np.ones(len(self.moments), bool)
        if "screen" not in vars(type(one.filter)):
            return everywhere
        assert one.filter is not None
        start = time.perf_counter()
        try:
            found = np.array(one.filter.screen(self.moments), bool)
        except Exception:
            log.warning("the screen of filter %s failed; it is called at each locus", one.name, exc_info=True)
            return everywhere
        one.tally.seconds += time.perf_counter() - start
        return np.asarray(found | (one.tried == ENOUGH))

    def _one(self, one: Prepared, row: int, column: int) -> None:
        """Call one filter at one moment."""
        if one.tally.switched_off:
            return
        k, newest = int(self.moments.locus[row]), int(self.moments.row[row])
        tags, properties = self.tags[k], self.properties[k]
        locus = Locus(
            self.columns, int(self.moments.first[row]), newest, self.facts.of(k),
            self.facts.nights[newest], tags, properties, self.facts.matches_of(k),
        )  # fmt: skip
        assert one.filter is not None
        if one.changing:
            missing = missing_requirement(one.filter, locus, self.catalogues)
            if missing is not None:
                self.grid.skip(row, column, missing)
                one.not_tried += 1
                return
        verdict = self._call(one, locus, row, column)
        if verdict.tags:
            self.grid.tags[row, column] = verdict.tags
            time_set = locus.newest.mjd_utc
            for tag in verdict.tags:
                tags.setdefault(
                    tag,
                    {"name": tag, "filter": one.name, "version": one.tally.version, "mjd_set": time_set},
                )
        properties.update(verdict.properties)
        self.grid.passed[row, column] = bool(verdict.tags) or bool(verdict.properties)

    def _call(self, one: Prepared, locus: Locus, row: int, column: int) -> Verdict:
        assert one.filter is not None
        start = time.perf_counter()
        verdict = Verdict()
        try:
            if isinstance(one.filter, ProcessFilter):
                answer = one.filter.run(locus)
            else:
                answer = self.alarm.call(one.filter.run, locus)
            verdict = checked(one.filter, answer)
        except Exception as problem:  # noqa: BLE001  a filter may raise anything, and never stops the stream
            tail = getattr(problem, "remote_traceback", None) or "".join(traceback.format_exception(problem))
            self.grid.outcome[row, column] = ERRORED
            self.grid.errors[row, column] = name_of(problem), str(problem)[:500], tail[-_TRACEBACK:]
            one.errors += 1
        one.tally.seconds += time.perf_counter() - start
        tried = int(one.tried[row]) - one.not_tried
        if tried >= ENOUGH and one.errors > self.limits.max_error_fraction * tried:
            self._switch_off(one, row + 1, column)
        return verdict

    def _switch_off(self, one: Prepared, row: int, column: int) -> None:
        """Skip a filter at all later moments."""
        one.tally.switched_off = True
        self.grid.outcome[row:, column] = SKIPPED
        known = self.grid.missing[column]
        off = pa.repeat(pa.scalar(_OFF, pa.string()), len(known) - row)
        self.grid.missing[column] = pa.concat_arrays([known.slice(0, row), off])

    def _count(self, tally: Tally, column: int) -> None:
        outcomes = np.bincount(self.grid.outcome[:, column], minlength=3)
        tally.succeeded, tally.skipped, tally.errored = (
            int(outcomes[kind]) for kind in (SUCCEEDED, SKIPPED, ERRORED)
        )
        tally.passed = int(self.grid.passed[:, column].sum())

    def _finish(self) -> None:
        """Properties that compare all loci of the night, such as ranks."""
        names = self.names.to_pylist()
        for one in self.prepared:
            if isinstance(one.filter, Anomaly) and not one.skip:
                start = time.perf_counter()
                found = one.filter.finish(dict(zip(names, self.properties, strict=True)))
                for k, name in enumerate(names):
                    self.properties[k].update(found.get(name, {}))
                one.tally.passed += len(found)
                one.tally.seconds += time.perf_counter() - start


class _Facts:
    """Facts and matches of loci as filters see them, made when a locus is first looked at."""

    def __init__(self, loci: pa.Table, columns: AlertColumns, *, anything: bool) -> None:
        names = ("locus_id", "ra", "dec", "n_det", "scatter", "sep99", "mjd_first", "mjd_last")
        self.columns = {name: loci[name].to_pylist() for name in names} if anything else {}
        self.nights = columns.get("night")
        some = pa.compute.list_value_length(loci["matches"])
        self.matches = loci["matches"].to_pylist() if pa.compute.sum(some).as_py() else None
        self.last, self.known, self.by_catalogue = -1, {}, {}  # type: ignore[var-annotated]

    def _look(self, k: int) -> None:
        if k != self.last:
            self.last = k
            self.known = {name: values[k] for name, values in self.columns.items()}
            self.by_catalogue = {} if self.matches is None else by_catalogue(self.matches[k])

    def of(self, k: int) -> Mapping[str, Any]:
        """Identifier, position, counts and times of a locus."""
        self._look(k)
        return self.known

    def matches_of(self, k: int) -> Mapping[str, Any]:
        """Its matches by catalogue."""
        self._look(k)
        return self.by_catalogue
