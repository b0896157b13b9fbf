"""Arrays in HDF5 that xarray opens: named dimensions, units and descriptions, the same bytes each time.

A file is a tree of groups. Each array names its dimensions; a dimension is a scale of the group, with
coordinate values where an array of the same name is written and a bare length otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

#: What netCDF-4 writes as the name of a dimension that has no coordinate values.
_BARE_DIMENSION = "This is a netCDF dimension but not a netCDF variable.{:10d}"


@contextmanager
def create(path: Path) -> Iterator[Any]:
    """New file whose bytes depend on its content alone (objects in order, no time stamps)."""
    with h5py.File(path, "w", libver="latest", track_order=True) as handle:
        yield handle


def write_array(
    group: Any,
    name: str,
    values: npt.ArrayLike,
    dimensions: Sequence[str],
    *,
    unit: str = "",
    description: str = "",
    compress: bool = False,
) -> None:
    """Write `values` with named `dimensions`; an array named like its only dimension is a coordinate.

    `compress` suits images and templates that are mostly zero; long columns are faster without.
    Raises ValueError when the number of dimensions or a length does not fit.
    """
    array = np.asarray(values)
    if array.ndim != len(dimensions):
        message = f"{name}: {array.ndim} dimensions, but {len(dimensions)} names: {tuple(dimensions)}"
        raise ValueError(message)
    options: dict[str, Any] = {"track_times": False}
    if compress and array.size:
        options |= {"compression": "gzip", "compression_opts": 1, "shuffle": True, "chunks": array.shape}
    dataset = group.create_dataset(name, data=array, **options)
    if unit:
        dataset.attrs["units"] = unit
    if description:
        dataset.attrs["long_name"] = description
    if tuple(dimensions) == (name,):
        dataset.make_scale(name)
        return
    for axis, dimension in enumerate(dimensions):
        scale = _scale(group, dimension, array.shape[axis])
        if len(scale) != array.shape[axis]:
            message = f"{name}: dimension {dimension} is {len(scale)} long, the array {array.shape[axis]}"
            raise ValueError(message)
        dataset.dims[axis].attach_scale(scale)


def _scale(group: Any, dimension: str, length: int) -> Any:
    """Scale of that name in the group or above; made bare when there is none."""
    above = group
    while True:
        if dimension in above:
            return above[dimension]
        if above.name == "/":
            break
        above = above.parent
    scale = group.create_dataset(dimension, shape=(length,), dtype="f4", track_times=False)
    scale.make_scale(_BARE_DIMENSION.format(length))
    return scale


def write_attributes(group: Any, values: Mapping[str, Any]) -> None:
    """Write plain values as attributes; None is left out."""
    for name, value in values.items():
        if value is not None:
            group.attrs[name] = value


def groups(group: Any, prefix: str) -> list[str]:
    """Groups of that prefix in the order in which they were written."""
    return [name for name in group if name.startswith(prefix)]


def write_json(handle: Any, name: str, content: Any) -> None:
    """Keep JSON content as text beside the arrays."""
    handle.attrs[name] = json.dumps(content, sort_keys=True)


def read_json(path: Path, name: str) -> Any:
    """Read what `write_json` wrote."""
    with h5py.File(path) as handle:
        return json.loads(handle.attrs[name])


def read_attribute(path: Path, name: str) -> Any:
    """One attribute of the file."""
    with h5py.File(path) as handle:
        return handle.attrs[name]
