"""Tables of matches beside the tables of sources and detections that they belong to.

Their files are called `<set>.<what>.parquet`; their rows are in the order of the table they belong to.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq


class SetOutcome(enum.Enum):
    """How matching with a set ended: `unavailable` is asked again by the next run, `offline` is not."""

    OK = "ok"
    UNAVAILABLE = "unavailable"
    OFFLINE = "offline"


def set_of(path: Path) -> str:
    """Name of the set that a file of matches is of."""
    return path.name.split(".", 1)[0]


def with_matches(table: pa.Table, key: str, paths: Sequence[Path]) -> pa.Table:
    """A table with the columns of its matches. Raises ValueError for matches of another table."""
    for path in paths:
        found = pq.read_table(path)
        if not found[key].equals(table[key]):
            message = f"{path}: the matches are of another catalogue, their {key} differ"
            raise ValueError(message)
        for name in found.column_names[1:]:
            table = table.append_column(name, found[name])
    return table


def matched_values(path: Path, name: str) -> list[Any] | None:
    """Values of a column that a set hands on; None where it does not."""
    if name not in pq.read_schema(path).names:
        return None
    values: list[Any] = pq.read_table(path, columns=[name])[name].to_pylist()
    return values
