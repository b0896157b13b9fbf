"""Columns of Arrow tables as NumPy arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa


def arrays(table: pa.Table, names: Sequence[str] | None = None) -> dict[str, npt.NDArray[Any]]:
    """Columns (all, or those named) as arrays; missing numbers are NaN, other missing values None."""
    chosen = table.column_names if names is None else names
    return {name: table[name].to_numpy(zero_copy_only=False) for name in chosen}


def numbers(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """A column of numbers or truth values as float64, rounded above 2^53; what is missing is NaN."""
    import numpy as np  # declarations are imported without it

    return np.asarray(table[name].cast("float64", safe=False).to_numpy(), np.float64)
