"""Light curves in the HDF5 layout of AstroRetriever: group photometry, one row an epoch.

Columns time, flux, fluxerr, ..., mjd; written plainly, read also as pandas' PyTables format stores them.
Pickled attributes and objects are never opened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def pandas_table(group: Any) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Columns and plain attributes of a group that holds a table.

    pandas packs columns of one type into blocks values_block_<k>, whose names stand in the pickled
    attribute values_block_<k>_kind; the names are read out of that text without unpickling it.
    """
    table = group.get("table", group)
    data = table[:]
    columns: dict[str, npt.NDArray[Any]] = {}
    for name in data.dtype.names:
        values = data[name]
        if values.ndim == 1:
            columns.setdefault(name, values)
            continue
        names = _block_names(table, name) or [f"{name}_{k}" for k in range(values.shape[1])]
        columns |= {label: values[:, k] for k, label in enumerate(names)}
    attributes = {}
    for key, value in group.attrs.items():
        plain = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
        if isinstance(plain, str | int | float):
            attributes[str(key)] = plain
    return columns, attributes


def _block_names(table: Any, block: str) -> list[str]:
    """Names of the columns of a block, from protocol-0 text of a pickled list of strings."""
    import pickletools

    packed = table.attrs.get(f"{block}_kind")
    if packed is None:
        return []
    raw = bytes(packed) if isinstance(packed, np.ndarray | np.bytes_ | bytes) else str(packed).encode()
    try:
        # genops only lists the operations of a pickle; it builds and imports nothing.
        operations = list(pickletools.genops(raw))
    except ValueError:
        return []
    texts = ("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "STRING", "SHORT_BINSTRING", "BINSTRING")
    return [str(argument) for operation, argument, _ in operations if operation.name in texts]


def write_light_curves(path: Path, curves: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]]) -> None:
    """Write light curves as (metadata, columns) pairs: groups photometry, photometry_2, ..."""
    import h5py

    from ephemera.cubes import create

    with create(path) as handle:
        for number, (metadata, columns) in enumerate(curves, 1):
            group = handle.create_group("photometry" if number == 1 else f"photometry_{number}")
            layout = [(name, np.asarray(values).dtype) for name, values in columns.items()]
            n = len(next(iter(columns.values()))) if columns else 0
            rows = np.zeros(n, layout)
            for name, values in columns.items():
                rows[name] = values
            group.create_dataset("table", data=rows, track_times=False)
            text = json.dumps(dict(metadata), sort_keys=True)
            group.attrs.create("metadata", text, dtype=h5py.string_dtype())
