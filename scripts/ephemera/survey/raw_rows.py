"""Rows that a survey returned, as columns, whichever library's table they come in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def column_names(table: Any) -> list[str]:
    """Names of the columns of a pandas or Arrow table, a mapping of arrays or a structured array."""
    if hasattr(table, "column_names"):
        return list(table.column_names)
    if hasattr(table, "columns"):
        return [str(name) for name in table.columns]
    names = getattr(getattr(table, "dtype", None), "names", None)
    return list(names) if names else list(table)


def column(table: Any, name: str) -> npt.NDArray[Any]:
    """One column as an array; integers stay integers, missing values of floats are NaN."""
    values = table[name]
    if hasattr(values, "to_numpy"):
        return np.asarray(values.to_numpy())
    return np.asarray(values)


def require_columns(table: Any, names: Sequence[str], what: str) -> None:
    """Raises ValueError for a table without the columns that `what` has."""
    missing = sorted(set(names) - set(column_names(table)))
    if missing:
        msg = f"{what} needs the columns {', '.join(names)}; missing: {', '.join(missing)}"
        raise ValueError(msg)


def floats(table: Any, name: str, n: int) -> npt.NDArray[np.float64]:
    """One column as float64; NaN throughout where there is no such column."""
    if name not in column_names(table):
        return np.full(n, np.nan)
    values = column(table, name)
    if values.dtype.kind == "O":
        return np.array([np.nan if value is None else float(value) for value in values], np.float64)
    return values.astype(np.float64)


def field_of(source: Any, name: str, default: Any = None) -> Any:
    """A value of a catalogue row given as mapping, pandas row or object; `default` where absent or null."""
    if isinstance(source, Mapping) or hasattr(source, "keys"):
        value = source.get(name, default)
    else:
        value = getattr(source, name, default)
    return default if value is None or value != value else value
