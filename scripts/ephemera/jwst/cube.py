"""Series in HDF5 that xarray opens: written fast, in parallel when compressed, and read back exactly.

A single series lies at the root of the file, several in one group each. Matrices are (time, wavelength)
float32, axes float64. `time` counts days from the reference in the attributes.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ephemera.cubes import create, write_array, write_attributes
from ephemera.jwst.flags import MEANINGS
from ephemera.jwst.observation import REFERENCE_JD, SCALE_NAMES, Series

#: Bytes of a chunk before compression, about; compression level of gzip.
CHUNK_BYTES, LEVEL = 1 << 20, 4
MATRICES = ("flux", "error", "mask")


def group_names(series: Sequence[Series]) -> list[str]:
    """Name of the group of each series: the root for one, else detector and order, numbered when repeated."""
    if len(series) == 1:
        return ["/"]
    names: list[str] = []
    for one in series:
        name, number = one.name, 2
        while name in names:
            name, number = f"{one.name}-{number}", number + 1
        names.append(name)
    return names


def write_series(
    path: Path,
    series: Sequence[Series],
    *,
    compress: bool,
    threads: int = 1,
    extra: Sequence[Mapping[str, tuple[npt.ArrayLike, tuple[str, ...], str, str]]] = (),
    attributes: Mapping[str, Any] | None = None,
) -> None:
    """Write all series of a dataset.

    `extra` holds for each series more variables by name: values, dimensions, unit, description. `attributes`
    are facts about the whole file.
    """
    with create(path) as handle:
        write_attributes(handle, attributes or {})
        for k, (name, one) in enumerate(zip(group_names(series), series, strict=True)):
            group = handle if name == "/" else handle.create_group(name, track_order=True)
            _write_one(group, one, extra[k] if extra else {}, compress=compress, threads=threads)


def _write_one(
    group: Any,
    series: Series,
    extra: Mapping[str, tuple[npt.ArrayLike, tuple[str, ...], str, str]],
    *,
    compress: bool,
    threads: int,
) -> None:
    write_attributes(group, series_attributes(series))
    scale = SCALE_NAMES[series.time_scale]
    write_array(group, "time", series.time, ("time",), unit="d", description=f"mid-time, {scale}")
    write_array(group, "wavelength", series.wavelength, ("wavelength",), unit="um", description="wavelength")
    plane = ("time", "wavelength")
    meanings = "; ".join(f"{int(bit)} {text}" for bit, text in MEANINGS.items())
    variables: dict[str, tuple[npt.ArrayLike, tuple[str, ...], str, str]] = {
        "flux": (series.flux.T, plane, series.flux_unit, "flux"),
        "error": (series.error.T, plane, series.flux_unit, "standard error of the flux"),
        "mask": (series.mask.T, plane, "", f"bits: {meanings}"),
        "integration_number": (series.integration_number, ("time",), "", "integration number, unwrapped"),
        "flags": (series.flags, ("time",), "", "bits: 1 time repaired; 2 regridded; 4 few valid channels"),
    }
    if series.out_of_transit is not None:
        values = series.out_of_transit.astype(np.uint8)
        variables["out_of_transit"] = (values, ("time",), "", "1 where the input says out of transit")
    for name, (array, dimensions, unit, text) in {**variables, **extra}.items():
        values = np.asarray(array)
        if compress and dimensions == plane and values.size:
            _write_compressed(group, name, values, unit=unit, description=text, threads=threads)
        else:
            write_array(group, name, values, dimensions, unit=unit, description=text)


def series_attributes(series: Series) -> dict[str, Any]:
    """Attributes of the group of a series."""
    return {
        "target": series.target,
        "instrument": series.facts.get("INSTRUME", ""),
        "detector": series.detector,
        "order": series.order,
        "flux_unit": series.flux_unit,
        "time_scale": series.time_scale,
        "time_scale_name": SCALE_NAMES[series.time_scale],
        "reference": REFERENCE_JD,
        "files": json.dumps(dict(series.files), sort_keys=True),
        "keywords": json.dumps(dict(series.facts), sort_keys=True),
    }


def _write_compressed(
    group: Any, name: str, values: npt.NDArray[Any], *, unit: str, description: str, threads: int
) -> None:
    """Write (time, wavelength) in chunks of whole integrations: shuffle and gzip 4, by several threads.

    The filters are those of HDF5, applied here, because HDF5 itself uses one core.
    """
    rows, width = values.shape
    step = max(1, min(rows, CHUNK_BYTES // max(1, width * values.dtype.itemsize)))
    dataset = group.create_dataset(
        name, values.shape, values.dtype, chunks=(step, width), shuffle=True, compression="gzip",
        compression_opts=LEVEL, track_times=False, fillvalue=values.dtype.type(0),
    )  # fmt: skip
    dataset.attrs.update({k: v for k, v in (("units", unit), ("long_name", description)) if v})
    for axis, dimension in enumerate(("time", "wavelength")):
        dataset.dims[axis].attach_scale(group[dimension])
    starts = range(0, rows, step)
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for start, packed in zip(starts, pool.map(lambda s: _packed(values, s, step), starts), strict=True):
            dataset.id.write_direct_chunk((start, 0), packed)


def _packed(values: npt.NDArray[Any], start: int, step: int) -> bytes:
    """One chunk, filled up with zeros, shuffled and compressed."""
    block = np.zeros((step, values.shape[1]), values.dtype)
    part = values[start : start + step]
    block[: len(part)] = part
    size = values.dtype.itemsize
    shuffled = np.ascontiguousarray(block.view(np.uint8).reshape(-1, size).T) if size > 1 else block
    return zlib.compress(shuffled.tobytes(), LEVEL)


def read_series_file(path: Path, names: Sequence[str] | None = None) -> list[Series]:
    """All series of a file written here, in their order; `names` limits them to some groups."""
    with h5py.File(path, "r") as handle:
        groups = ["/"] if "flux" in handle else list(handle)
        return [_read_one(handle[name]) for name in groups if names is None or name in names]


def _read_one(group: Any) -> Series:
    attributes = group.attrs
    outside = group["out_of_transit"][()].astype(bool) if "out_of_transit" in group else None
    flux, error, mask = (group[name][()].T for name in MATRICES)
    return Series(
        group["wavelength"][()], group["time"][()], str(attributes["time_scale"]), flux, error, mask,
        str(attributes["detector"]), int(attributes["order"]), group["integration_number"][()],
        str(attributes["flux_unit"]), group["flags"][()], str(attributes["target"]), outside,
        json.loads(attributes["files"]), json.loads(attributes["keywords"]),
    )  # fmt: skip
