"""How each filter ended at each moment: a grid of outcomes, and words only where there are any."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ephemera.alerts.filters.moments import Moments
from ephemera.alerts.filters.prepare import Prepared
from ephemera.alerts.outcomes import FilterOutcome
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
#: Outcomes by the number that the grid holds.
OUTCOMES = tuple(FilterOutcome)
SUCCEEDED, SKIPPED, ERRORED = (
    OUTCOMES.index(one) for one in (FilterOutcome.SUCCEEDED, FilterOutcome.SKIPPED, FilterOutcome.ERRORED)
)
Words = dict[tuple[int, int], str]


class Grid:
    """Outcome of each filter (column) at each moment (row), and what was said beside it."""

    def __init__(self, rows: int, columns: int) -> None:
        self.outcome = np.full((rows, columns), SUCCEEDED, np.int8)
        self.passed = np.zeros((rows, columns), bool)
        self.tags: dict[tuple[int, int], Sequence[str]] = {}
        self.missing: list[pa.Array] = [pa.nulls(rows, pa.string())] * columns
        self.missing_there: Words = {}
        self.errors: dict[tuple[int, int], tuple[str, str, str]] = {}

    def skip(self, row: int, column: int, missing: str | None) -> None:
        """Note that a filter was skipped at one moment."""
        self.outcome[row, column] = SKIPPED
        if missing is not None:
            self.missing_there[row, column] = missing

    def table(self, moments: Moments, names: pa.Array, prepared: Sequence[Prepared]) -> pa.Table:
        """Verdicts in order of moments and, at each, of filters; `names` are those of all loci."""
        rows, columns = self.outcome.shape
        each, newest = np.repeat(np.arange(rows), columns), pa.array(np.repeat(moments.row, columns))
        alerts = moments.columns.table
        filters = np.tile(np.arange(columns), rows)
        errors = dict(sorted(self.errors.items()))
        words = [[error[k] for error in errors.values()] for k in range(3)]
        arrays = [
            _taken([one.name for one in prepared], filters),
            _taken([one.tally.version for one in prepared], filters),
            names.take(pa.array(moments.locus[each])),
            alerts["alert_key"].combine_chunks().take(newest),
            alerts["mjd_utc"].combine_chunks().take(newest),
            _taken([one.value for one in OUTCOMES], self.outcome.ravel()),
            pa.array(self.passed.ravel()),
            self._tags(),
            self._missing(),
            *(self._sparse(list(errors), words[k]) for k in range(3)),
        ]
        return pa.Table.from_arrays(arrays, schema=VERDICTS)

    def _tags(self) -> pa.Array:
        rows, columns = self.outcome.shape
        cells = sorted(self.tags)
        counts = np.zeros(rows * columns + 1, np.int32)
        counts[[row * columns + column + 1 for row, column in cells]] = [len(self.tags[c]) for c in cells]
        flat = pa.array([tag for cell in cells for tag in self.tags[cell]], pa.string())
        return pa.ListArray.from_arrays(pa.array(np.cumsum(counts, dtype=np.int32)), flat)

    def _missing(self) -> pa.Array:
        rows, columns = self.outcome.shape
        there = sorted(self.missing_there)
        noted = self._sparse(there, [self.missing_there[cell] for cell in there])
        order = np.arange(rows * columns).reshape(columns, rows).T.ravel()
        known = pa.concat_arrays(self.missing).take(pa.array(order)) if columns else noted
        return pc.coalesce(noted, known)

    def _sparse(self, cells: Sequence[tuple[int, int]], words: Sequence[str]) -> pa.Array:
        """Words at cells, null elsewhere."""
        rows, columns = self.outcome.shape
        place: npt.NDArray[np.int64] = np.full(rows * columns, -1, np.int64)
        place[[row * columns + column for row, column in cells]] = np.arange(len(cells))
        return pa.array(words, pa.string()).take(pa.array(place, mask=place < 0))


def _taken(words: Sequence[Any], indices: npt.NDArray[Any]) -> pa.Array:
    return pa.array(words, pa.string()).take(pa.array(indices.astype(np.int64)))
