"""Two versions of a table over many units: rows that appear, vanish or change.

The columns say themselves what they are: position by name or UCD, times by UCD (`time.epoch`; a range of
`time.start` and `time.end`, or of the smallest and largest `time.epoch`) in days, identifiers by UCD.
Integers that identify (`meta.id`) are running numbers, which one new row shifts: they are not compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ephemera.tables import Column, TableDeclaration
from ephemera.versions.rows import Places, match

DIFFERENCES = TableDeclaration(
    "differences",
    "Rows that appear, vanish or change from one version to another.",
    (
        Column("table", "str", None, "meta.id;meta.table", "Table in which the row is"),
        Column("status", "str", None, "meta.code", "appears, vanishes or changes"),
        Column("row", "str", None, "meta.id", "First text of the row that identifies it, in B if there"),
        Column("row_before", "str", None, "meta.id", "The same in A"),
        Column("ra", "f8", "deg", "pos.eq.ra;meta.main", "Right ascension, in B if the row is there"),
        Column("dec", "f8", "deg", "pos.eq.dec;meta.main", "Declination"),
        Column("time", "f8", "d", "time.epoch", "Time as in the table, middle of a range"),
        Column("separation", "f8", "arcsec", "pos.angDistance", "From the position in A"),
        Column("changes", "str", None, "meta.note", "Columns that changed, with their values in A and B"),
    ),
)

#: UCDs of first and last moment, in order of preference.
_TIMES = (
    ("time.epoch", "time.epoch"),
    ("time.epoch;meta.main", "time.epoch;meta.main"),
    ("time.start", "time.end"),
    ("time.start", "time.start"),
    ("time.epoch;stat.min", "time.epoch;stat.max"),
)


@dataclass(frozen=True)
class TableDifference:
    """What differs in one table: `rows` are those of `DIFFERENCES`; None where it has no positions."""

    name: str
    n_a: int
    n_b: int
    counts: Mapping[str, int]
    rows: Sequence[Mapping[str, Any]]
    columns: Mapping[str, int]
    matched_by: str


def compare(
    name: str, a: Path, b: Path, *, radius_arcsec: float, tolerance_days: float, relative: float = 0.0
) -> TableDifference:
    """Differences of two Parquet tables; numbers within `relative` of each other are equal.

    Rows are matched by position and time; where the tables have no such columns, by the columns that identify
    them, and where those do not tell rows apart, whole rows are counted.
    """
    before, after = pq.read_table(a), pq.read_table(b)
    sky_a, sky_b = _positions(before), _positions(after)
    if sky_a is None or sky_b is None:
        return _without_positions(name, before, after, relative)
    times = _times(before)
    times = times if times is not None and set(times) <= set(after.column_names) else None
    identifiers = [n for n in _identifiers(before) if n in after.column_names]
    rows_a = _Rows(before, _places(before, sky_a, times, identifiers), identifiers)
    rows_b = _Rows(after, _places(after, sky_b, times, identifiers), identifiers)
    found = match(rows_a.places, rows_b.places, radius_arcsec, tolerance_days)
    changed = _changed(before, after, found.in_a, found.in_b, relative)
    rows = [rows_b.at(k) | {"table": name, "status": "appears"} for k in found.only_b.tolist()]
    rows += [rows_a.at(k) | {"table": name, "status": "vanishes"} for k in found.only_a.tolist()]
    for k, text in sorted(changed.texts.items()):
        row = rows_b.at(int(found.in_b[k])) | {"table": name, "status": "changes", "changes": text}
        row["row_before"] = rows_a.at(int(found.in_a[k]))["row"]
        rows.append(row | {"separation": float(found.separation[k])})
    counts = {
        "appear": len(found.only_b),
        "vanish": len(found.only_a),
        "change": len(changed.texts),
        "stay": len(found.in_a) - len(changed.texts),
    }
    by = "position" + (f" and {' to '.join(dict.fromkeys(times))}" if times else "")
    return TableDifference(name, len(before), len(after), counts, rows, changed.columns, by)


def _ucd(field: pa.Field) -> str:
    return str((field.metadata or {}).get(b"ucd", b""), "utf-8")


def _unit(field: pa.Field) -> str:
    return str((field.metadata or {}).get(b"unit", b""), "utf-8")


def _positions(table: pa.Table) -> tuple[str, str] | None:
    """Columns of right ascension and declination: `ra`, `dec`, else by UCD."""
    if {"ra", "dec"} <= set(table.column_names):
        return "ra", "dec"
    named = {_ucd(field): field.name for field in table.schema}
    pair = named.get("pos.eq.ra;meta.main"), named.get("pos.eq.dec;meta.main")
    return (pair[0], pair[1]) if pair[0] and pair[1] else None


def _times(table: pa.Table) -> tuple[str, str] | None:
    """Columns of the first and last moment of each row, in days."""
    by_ucd: dict[str, str] = {}
    for field in table.schema:
        if _unit(field) == "d":
            by_ucd.setdefault(_ucd(field), field.name)
    for first, last in _TIMES:
        if first in by_ucd and last in by_ucd:
            return by_ucd[first], by_ucd[last]
    return None


def _identifiers(table: pa.Table) -> list[str]:
    return [f.name for f in table.schema if _ucd(f).startswith("meta.id") and pa.types.is_string(f.type)]


def _places(
    table: pa.Table, sky: tuple[str, str], times: tuple[str, str] | None, identifiers: Sequence[str]
) -> Places:
    unknown = np.full(len(table), np.nan)
    start, stop = (_numbers(table[name]) if times else unknown for name in (times or ("", "")))
    texts = [np.asarray(table[name].to_pylist(), object) for name in identifiers]
    return Places(_numbers(table[sky[0]]), _numbers(table[sky[1]]), start, stop, texts)


def _numbers(column: pa.ChunkedArray) -> npt.NDArray[np.float64]:
    """A column as float64, null as NaN."""
    return np.asarray(column.cast(pa.float64()).to_numpy(), np.float64)


class _Rows:
    """Rows of one table as they are reported."""

    def __init__(self, table: pa.Table, places: Places, identifiers: Sequence[str]) -> None:
        self.names = table[identifiers[0]].to_pylist() if identifiers else [None] * len(table)
        self.places = places

    def at(self, k: int) -> dict[str, Any]:
        """Row `k` without what only a pair of rows has."""
        return {
            "row": self.names[k],
            "row_before": None,
            "ra": self.places.ra[k],
            "dec": self.places.dec[k],
            "time": self.places.middle[k],
            "separation": None,
            "changes": None,
        }


@dataclass(frozen=True)
class _Changed:
    """By number of the pair what changed, and by column how often."""

    texts: Mapping[int, str]
    columns: Mapping[str, int]


def _changed(
    a: pa.Table, b: pa.Table, in_a: npt.NDArray[Any], in_b: npt.NDArray[Any], relative: float
) -> _Changed:
    """Cells of matched rows that differ, in columns that both tables have."""
    parts: dict[int, list[str]] = {}
    columns: dict[str, int] = {}
    for name in _compared(a, b):
        before, after = a[name].take(pa.array(in_a)), b[name].take(pa.array(in_b))
        different = np.flatnonzero(_differs(before, after, relative))
        if len(different):
            columns[name] = len(different)
        for k in different.tolist():
            parts.setdefault(k, []).append(f"{name}: {_cell(before[k])} -> {_cell(after[k])}")
    return _Changed({k: "; ".join(texts) for k, texts in parts.items()}, columns)


def _compared(a: pa.Table, b: pa.Table) -> Iterator[str]:
    for field in a.schema:
        running = _ucd(field).startswith("meta.id") and pa.types.is_integer(field.type)
        if field.name in b.column_names and not running:
            yield field.name


def _differs(before: pa.ChunkedArray, after: pa.ChunkedArray, relative: float) -> npt.NDArray[np.bool_]:
    if pa.types.is_floating(before.type) and pa.types.is_floating(after.type):
        x, y = _numbers(before), _numbers(after)
        return ~np.isclose(x, y, rtol=relative, atol=0, equal_nan=True)
    if before.type != after.type:
        return np.array([u != v for u, v in zip(before.to_pylist(), after.to_pylist(), strict=True)], bool)
    if pa.types.is_nested(before.type):
        return np.array([u != v for u, v in zip(before.to_pylist(), after.to_pylist(), strict=True)], bool)
    same = pc.fill_null(pc.equal(before, after), fill_value=False)
    both_null = pc.and_(pc.is_null(before), pc.is_null(after))
    return np.asarray(pc.invert(pc.or_(same, both_null)).to_numpy(), bool)


def _cell(value: pa.Scalar) -> str:
    content = value.as_py()
    return f"{content:.7g}" if isinstance(content, float) else str(content)


def _without_positions(name: str, a: pa.Table, b: pa.Table, relative: float) -> TableDifference:
    """Rows of tables without positions: matched by their identifiers, else how many are in one only."""
    names = [f.name for f in a.schema if _ucd(f).startswith("meta.id") and f.name in b.column_names]
    keys = [list(zip(*(table[n].to_pylist() for n in names), strict=True)) for table in (a, b)]
    if names and all(len(set(of_table)) == len(of_table) for of_table in keys):
        return _by_identifiers(name, a, b, keys, relative)
    before, after = (Counter(_texts(table)) for table in (a, b))
    counts = {
        "appear": (after - before).total(),
        "vanish": (before - after).total(),
        "stay": (before & after).total(),
    }
    return TableDifference(name, len(a), len(b), counts, (), {}, "whole rows")


def _by_identifiers(
    name: str, a: pa.Table, b: pa.Table, keys: Sequence[Sequence[Any]], relative: float
) -> TableDifference:
    """Rows of tables without positions whose identifiers, taken together, name one row each."""
    place_a, place_b = ({key: k for k, key in enumerate(of_table)} for of_table in keys)
    both = [key for key in keys[0] if key in place_b]
    in_a, in_b = (np.array([place[key] for key in both], np.int64) for place in (place_a, place_b))
    changed = _changed(a, b, in_a, in_b, relative)
    counts = {
        "appear": len(b) - len(both),
        "vanish": len(a) - len(both),
        "change": len(changed.texts),
        "stay": len(both) - len(changed.texts),
    }
    return TableDifference(name, len(a), len(b), counts, (), changed.columns, "identifiers")


def _texts(table: pa.Table) -> Iterator[str]:
    names = sorted(table.column_names)
    for row in zip(*(table[name].to_pylist() for name in names), strict=True):
        yield repr(row)
