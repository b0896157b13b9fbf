"""Histograms as netCDF files that xarray opens: one group a set, `<score>_counts` on named axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ephemera.cubes import create, write_array, write_attributes
from ephemera.survey.histogram_arrays import MICROSECONDS, Counts, Histogram
from ephemera.survey.histogram_axes import ClosedAxis, OpenAxis, TextAxis


def save(histogram: Histogram, path: Path) -> None:
    """Write a histogram; the same content gives the same bytes."""
    with create(path) as handle:
        write_array(
            handle, "mag", histogram.mag.centres, ("mag",), unit="mag", description="Catalogue magnitude"
        )
        write_array(handle, "exptime", histogram.exptime.centres, ("exptime",), unit="s")
        _texts(handle, "filter", histogram.filter.labels)
        _texts(handle, "source", histogram.sources)
        write_attributes(handle["mag"], _axis(histogram.mag))
        write_attributes(
            handle["exptime"], {"start": histogram.exptime.start, "step": histogram.exptime.step}
        )
        write_array(
            handle,
            "exposure_seconds",
            histogram.exposure,
            ("mag", "filter"),
            unit="s",
            description="Live time of usable epochs",
        )
        for (kind, name), counts in sorted(histogram.scores.items()):
            group = handle.require_group(kind)
            write_array(group, name, counts.axis.centres, (name,), unit=counts.axis.unit)
            write_attributes(group[name], _axis(counts.axis))
            dimensions = (name, "mag", "exptime", "filter")
            write_array(group, f"{name}_counts", counts.counts, dimensions, unit="1", compress=True)
            outside = {k: getattr(counts, k) for k in ("underflow", "overflow", "unknown")}
            write_attributes(group[f"{name}_counts"], {key: np.int64(n) for key, n in outside.items()})


def load(path: Path) -> Histogram:
    """Read a histogram written by `save`."""
    with h5py.File(path) as handle:
        mag = _closed(handle["mag"], "mag", "mag")
        start, step = float(handle["exptime"].attrs["start"]), float(handle["exptime"].attrs["step"])
        k = tuple(int(v) for v in np.round((handle["exptime"][:] - start) / step))
        scores = {}
        for kind in sorted(name for name, item in handle.items() if isinstance(item, h5py.Group)):
            for name in sorted(handle[kind]):
                if not name.endswith("_counts"):
                    continue
                data, score = handle[kind][name], name.removesuffix("_counts")
                axis = _closed(handle[kind][score], score, str(handle[kind][score].attrs.get("units", "")))
                outside = (int(data.attrs[key]) for key in ("underflow", "overflow", "unknown"))
                scores[kind, score] = Counts(axis, data[:], *outside)
        return Histogram(
            mag,
            OpenAxis("exptime", start, step, k, "s"),
            TextAxis("filter", _labels(handle["filter"])),
            scores,
            np.round(handle["exposure_seconds"][:] * MICROSECONDS).astype(np.int64),
            _labels(handle["source"]),
        )


def _texts(handle: Any, name: str, labels: tuple[str, ...]) -> None:
    data = np.array(labels, dtype=object) if labels else np.array([], dtype=object)
    dataset = handle.create_dataset(name, data=data, dtype=h5py.string_dtype(), track_times=False)
    dataset.make_scale(name)


def _labels(dataset: Any) -> tuple[str, ...]:
    return tuple(str(label) for label in dataset.asstr()[:])


def _axis(axis: ClosedAxis) -> dict[str, float]:
    return {"start": axis.start, "step": axis.step}


def _closed(dataset: Any, name: str, unit: str) -> ClosedAxis:
    return ClosedAxis(name, float(dataset.attrs["start"]), float(dataset.attrs["step"]), len(dataset), unit)
