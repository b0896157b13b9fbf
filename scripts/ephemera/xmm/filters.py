"""Selections of detections: each filter by itself, and all combinations with at most one of each group.

Reads the catalogue of detections and their matches with catalogues. A filter is one or several comparisons
of columns with values; a missing value fulfils none. Beside the columns of the catalogue and those of the
matches there are `sigma_either` (the larger of sigma_peak and sigma_eclipse), `n_in_obsid` (detections of the
observation) and `counts_per_pixel`. Makes the table of filters, the table of combinations, and which
detections each filter keeps.
"""

from __future__ import annotations

import difflib
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ephemera.tables import Column, TableDeclaration, numbers, read, write
from ephemera.xmm.catalogue_columns import CATALOGUE_DETECTIONS
from ephemera.xmm.matches import with_matches
from ephemera.xmm.observation import BoolArray
from ephemera.xmm.sample_columns import COMBINATIONS, FILTER_MASKS, FILTERS

if TYPE_CHECKING:
    from ephemera.job import Job

OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
#: Name of the combination without any filter.
NO_FILTER = "all"

Condition = tuple[str, str, bool | float | str]


@dataclass(frozen=True)
class Filter:
    """A named filter of a group: comparisons (column, operator, value) that must all hold."""

    name: str
    group: str
    where: tuple[Condition, ...]

    @property
    def text(self) -> str:
        """The comparisons in words."""
        return " and ".join(f"{column} {op} {_plain(value)}" for column, op, value in self.where)


@dataclass(frozen=True)
class Selection:
    """What a filter does to a table: which rows it keeps, and which it cannot judge for a missing value."""

    kept: BoolArray
    unknown: BoolArray


@dataclass(frozen=True)
class Combination:
    """Filters combined, by their numbers, and what is left: detections and sources."""

    filters: tuple[int, ...]
    n_detections: int
    n_sources: int


def _plain(value: bool | float | str) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).lower()


def filters_of(groups: Sequence[Mapping[str, Any]]) -> list[Filter]:
    """Filters from the groups of the configuration, in their order."""
    return [
        Filter(each["name"], group["name"], tuple((c["column"], c["op"], c["value"]) for c in each["where"]))
        for group in groups
        for each in group["filters"]
    ]


def derived(detections: pa.Table) -> pa.Table:
    """Detections with the columns that filters may use beside their own."""
    either = np.fmax(numbers(detections, "sigma_peak"), numbers(detections, "sigma_eclipse"))
    obsids = detections["obsid"].to_numpy(zero_copy_only=False)
    _, number, count = np.unique(obsids.astype(str), return_inverse=True, return_counts=True)
    n_in_obsid = count[number].astype(np.int64) if len(obsids) else np.empty(0, np.int64)
    added = {
        "sigma_either": pa.array(either, from_pandas=True),
        "n_in_obsid": pa.array(n_in_obsid),
        "counts_per_pixel": detections["mean_pixel_counts"],
    }
    for name, values in added.items():
        detections = detections.append_column(name, values)
    return detections


def compare(table: pa.Table, condition: Condition) -> Selection:
    """Rows whose value of a column compares as asked; rows without a value are unknown.

    Raises ValueError for a column that is not there and for a comparison of numbers with text.
    """
    name, op, value = condition
    if name not in table.column_names:
        close = difflib.get_close_matches(name, table.column_names, n=3)
        hint = f"; close to it are {', '.join(close)}" if close else ""
        message = f"filter: there is no column {name}{hint}"
        raise ValueError(message)
    column = table[name]
    is_text = pa.types.is_string(column.type)
    if is_text != isinstance(value, str):
        kind = "text" if is_text else "numbers"
        message = f"filter: column {name} holds {kind}, it cannot be compared with {value!r}"
        raise ValueError(message)
    unknown = column.is_null().to_numpy()
    if is_text:
        values = column.fill_null("").to_numpy(zero_copy_only=False)
    else:
        values = numbers(table, name)
        unknown = unknown | np.isnan(values)
    kept = np.asarray(OPERATORS[op](values, value), bool) & ~unknown
    return Selection(kept, unknown)


def apply(table: pa.Table, filter_: Filter) -> Selection:
    """Rows that fulfil all comparisons of a filter; `unknown` are those that fail for a missing value alone.

    A row that another comparison removes anyway is not unknown.
    """
    parts = [compare(table, condition) for condition in filter_.where]
    kept = np.logical_and.reduce([part.kept for part in parts])
    undecided = np.logical_and.reduce([part.kept | part.unknown for part in parts])
    return Selection(kept, undecided & ~kept)


class SourceCounter:
    """Counts the sources among the rows of a mask; rows are grouped by source once."""

    def __init__(self, srcid: npt.NDArray[np.int64]) -> None:
        self.order = np.argsort(srcid, kind="stable")
        self.starts = np.flatnonzero(np.diff(srcid[self.order], prepend=-1))

    def sources(self, sorted_mask: BoolArray) -> int:
        """Sources with a row in a mask that is in the order of the sources."""
        if len(self.starts) == 0:
            return 0
        return int(np.count_nonzero(np.logical_or.reduceat(sorted_mask, self.starts)))


def combinations(
    masks: Sequence[BoolArray], groups: Sequence[str], srcid: npt.NDArray[np.int64]
) -> list[Combination]:
    """What each combination of filters keeps, with at most one filter of each group, none at all first.

    `masks` and `groups` are parallel. Masks are put into the order of the sources once, and each combination
    takes one filter more than another that is made already.
    """
    counter = SourceCounter(srcid)
    ordered = [mask[counter.order] for mask in masks]
    members: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        members.setdefault(group, []).append(number)
    return list(_branch(list(members.values()), (), np.ones(len(srcid), bool), ordered, counter))


def _branch(
    groups: Sequence[Sequence[int]],
    chosen: tuple[int, ...],
    mask: BoolArray,
    ordered: Sequence[BoolArray],
    counter: SourceCounter,
) -> Iterator[Combination]:
    if not groups:
        yield Combination(chosen, int(np.count_nonzero(mask)), counter.sources(mask))
        return
    yield from _branch(groups[1:], chosen, mask, ordered, counter)
    for number in groups[0]:
        yield from _branch(groups[1:], (*chosen, number), mask & ordered[number], ordered, counter)


def combinations_reference(
    masks: Sequence[BoolArray], groups: Sequence[str], srcid: npt.NDArray[np.int64]
) -> list[Combination]:
    """What `combinations` must equal, written for reading."""
    from itertools import product

    members = [[None, *(n for n, g in enumerate(groups) if g == group)] for group in dict.fromkeys(groups)]
    found = []
    for choice in product(*members):
        chosen = tuple(number for number in choice if number is not None)
        rows = [k for k in range(len(srcid)) if all(masks[number][k] for number in chosen)]
        found.append(Combination(chosen, len(rows), len({int(srcid[k]) for k in rows})))
    return found


def combination_columns(filters: Sequence[Filter], found: Sequence[Combination]) -> dict[str, Any]:
    """Columns of `COMBINATIONS`."""
    return {
        "combination": np.arange(len(found), dtype=np.int32),
        "name": ["+".join(filters[n].name for n in one.filters) or NO_FILTER for one in found],
        "n_filters": np.array([len(one.filters) for one in found], np.int32),
        "n_detections": np.array([one.n_detections for one in found], np.int64),
        "n_sources": np.array([one.n_sources for one in found], np.int64),
    }


def filter_columns(
    filters: Sequence[Filter], selections: Sequence[Selection], srcid: npt.NDArray[np.int64]
) -> dict[str, Any]:
    """Columns of `FILTERS`."""
    kept = [int(np.count_nonzero(one.kept)) for one in selections]
    return {
        "filter": [each.name for each in filters],
        "group": [each.group for each in filters],
        "conditions": [each.text for each in filters],
        "n_kept": np.array(kept, np.int64),
        "n_removed": np.array([len(srcid) - number for number in kept], np.int64),
        "n_unknown": np.array([int(np.count_nonzero(one.unknown)) for one in selections], np.int64),
        "n_sources": np.array([len(np.unique(srcid[one.kept])) for one in selections], np.int64),
    }


def mask_declaration(filters: Sequence[Filter]) -> TableDeclaration:
    """Table of what each filter keeps: `FILTER_MASKS` and a column for each filter."""
    columns = [
        Column(f"filter_{number}", "bool", None, "meta.code.qual", f"Kept by the filter {each.name}")
        for number, each in enumerate(filters)
    ]
    return TableDeclaration(FILTER_MASKS.name, FILTER_MASKS.description, (*FILTER_MASKS.columns, *columns))


def main(job: Job) -> None:
    """Write filters, combinations and masks of one project."""
    detections = read(job.input.detections, CATALOGUE_DETECTIONS)
    table = derived(with_matches(detections, "detid", job.input.matches))
    filters = filters_of(job.recipe["parameters"]["groups"])
    srcid = table["srcid"].to_numpy()
    selections = [apply(table, each) for each in filters]
    found = combinations([one.kept for one in selections], [each.group for each in filters], srcid)
    write(filter_columns(filters, selections, srcid), FILTERS, job.output.filters)
    write(combination_columns(filters, found), COMBINATIONS, job.output.combinations)
    masks = {f"filter_{number}": one.kept for number, one in enumerate(selections)}
    keys = {name: table[name] for name in FILTER_MASKS.names}
    write(keys | masks, mask_declaration(filters), job.output.masks)
