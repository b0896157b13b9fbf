"""What the step `jwst.series` knows of each series, kept for pages, video, figures and comparison."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ephemera.cubes import create, write_array, write_attributes
from ephemera.jwst.bands import Band
from ephemera.jwst.normalised import LightCurve, Normalised
from ephemera.jwst.observation import BoolArray, FloatArray, IntArray, Series
from ephemera.jwst.quality import ChannelMetrics

_CURVE = ("flux", "error", "n_channels", "flux_sum", "sum_incomplete")
_CHANNEL = ("scatter", "scatter_diff", "error", "excess")


@dataclass(frozen=True)
class Analysis:
    """A series by its name: median spectrum, levels of visits, light curves by band, metrics, ranges shown.

    `channels` and `times` are the parts of the whole series that products show; `hours` has the zero of the
    dataset.
    """

    name: str
    wavelength: FloatArray
    time: FloatArray
    hours: FloatArray
    median: FloatArray
    level: FloatArray
    ranges: list[tuple[int, int]]
    baseline: BoolArray
    n_valid: IntArray
    curves: dict[str, LightCurve]
    channel: ChannelMetrics
    metrics: dict[str, Any]
    channels: slice
    times: slice

    def normalised(self, whole: Series) -> Normalised:
        """The normalised series again, from the whole one as it was read."""
        part = whole.part(self.channels, self.times)
        return Normalised(part, self.median, self.level, self.ranges, self.n_valid, self.baseline)


def write_analyses(
    path: Path, analyses: Sequence[Analysis], bands: Sequence[Band], facts: dict[str, Any]
) -> None:
    """Write all series of a dataset; `facts` are about the dataset."""
    with create(path) as handle:
        listed = [[band.name, band.start, band.end] for band in bands]
        write_attributes(handle, {"bands": json.dumps(listed), "facts": json.dumps(facts, sort_keys=True)})
        for number, one in enumerate(analyses):
            group = handle.create_group(f"{number:03d}", track_order=True)
            write_attributes(
                group,
                {
                    "name": one.name,
                    "metrics": json.dumps(one.metrics, sort_keys=True),
                    "channels": [one.channels.start, one.channels.stop],
                    "times": [one.times.start, one.times.stop],
                    "curves": json.dumps(list(one.curves)),
                },
            )
            write_array(group, "time", one.time, ("time",), unit="d")
            write_array(group, "wavelength", one.wavelength, ("wavelength",), unit="um")
            write_array(group, "hours", one.hours, ("time",), unit="h")
            write_array(group, "baseline", one.baseline.astype(np.uint8), ("time",))
            write_array(group, "median", one.median, ("wavelength",))
            write_array(group, "n_valid", one.n_valid, ("wavelength",))
            write_array(group, "level", one.level, ("visit", "wavelength"))
            write_array(group, "ranges", np.array(one.ranges, np.int64).reshape(-1, 2), ("visit", "edge"))
            for name in _CHANNEL:
                write_array(group, f"channel_{name}", getattr(one.channel, name), ("wavelength",))
            for k, curve in enumerate(one.curves.values()):
                for name in _CURVE:
                    values = np.asarray(getattr(curve, name))
                    values = values.astype(np.uint8) if values.dtype == bool else values
                    write_array(group, f"curve{k}_{name}", values, ("time",))


@dataclass(frozen=True)
class Store:
    """All analyses of a dataset, its bands and facts."""

    analyses: list[Analysis]
    bands: list[Band]
    facts: dict[str, Any]


def read_analyses(path: Path) -> Store:
    """What `write_analyses` wrote."""
    with h5py.File(path, "r") as handle:
        bands = [Band(str(n), float(a), float(b)) for n, a, b in json.loads(handle.attrs["bands"])]
        facts: dict[str, Any] = json.loads(handle.attrs["facts"])
        return Store([_read_one(handle[name]) for name in sorted(handle)], bands, facts)


def _read_one(group: Any) -> Analysis:
    names = json.loads(group.attrs["curves"])
    curves = {}
    for k, name in enumerate(names):
        arrays = [group[f"curve{k}_{part}"][()] for part in _CURVE]
        arrays[-1] = arrays[-1].astype(bool)
        curves[name] = LightCurve(*arrays)
    channel = ChannelMetrics(*(group[f"channel_{name}"][()] for name in _CHANNEL))
    ranges = [(int(a), int(b)) for a, b in group["ranges"][()]]
    return Analysis(
        str(group.attrs["name"]), group["wavelength"][()], group["time"][()], group["hours"][()],
        group["median"][()], group["level"][()], ranges, group["baseline"][()].astype(bool),
        group["n_valid"][()], curves, channel, json.loads(group.attrs["metrics"]),
        slice(*map(int, group.attrs["channels"])), slice(*map(int, group.attrs["times"])),
    )  # fmt: skip
