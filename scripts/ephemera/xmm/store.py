"""The HDF5 files that the steps of one observation hand on: subsets, cubes, expectations.

Each file is a tree that xarray opens group by group: `subset_0/grid_0/dt_5/band_200_2000` holds one run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ephemera.cubes import write_array, write_attributes
from ephemera.xmm.bti import BadTime, FlareCurve
from ephemera.xmm.expected_counts import Expectation
from ephemera.xmm.frames import Frames
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.observation import Band, BoolArray, Camera, Events, ListHeader, Subset
from ephemera.xmm.outcomes import Outcome
from ephemera.xmm.source_mask import SourceList
from ephemera.xmm.sparse_cube import SparseCube

#: Units of the columns of events, for readers of the file.
EVENT_UNITS = {"time": "s", "x": "0.05 arcsec", "y": "0.05 arcsec", "pi": "eV"}


@dataclass(frozen=True)
class RunKey:
    """Which run of an observation: subset, number of the grid (0 is the main one), frame length, band."""

    subset: int
    grid: int
    dt: float
    band: Band

    @property
    def path(self) -> str:
        """Group of the run in a file."""
        return f"{self.frames_path}/band_{self.band.low}_{self.band.high}"

    @property
    def frames_path(self) -> str:
        """Group that holds what the bands of a run share."""
        return f"subset_{self.subset}/grid_{self.grid}/dt_{self.dt:g}"


def write_subset(group: Any, subset: Subset) -> None:
    """Write one subset with its events and headers into a group of its own."""
    write_attributes(group, {"number": subset.number, "t0": subset.t0, "t1": subset.t1})
    events = group.create_group("events")
    for name in Events.COLUMNS:
        write_array(events, name, getattr(subset.events, name), ["event"], unit=EVENT_UNITS.get(name, ""))
    for number, header in enumerate(subset.headers):
        inside = group.create_group(f"list_{number}")
        values = {f.name: getattr(header, f.name) for f in fields(header) if f.name != "good_time"}
        values["camera"] = header.camera.name
        write_attributes(inside, {**values, "kept_ccds": list(header.kept_ccds)})
        _write_good_time(inside, header)


def _write_good_time(group: Any, header: ListHeader) -> None:
    rows = [(ccd, *interval) for ccd, intervals in header.good_time.items() for interval in intervals]
    table = np.array(rows, dtype=np.float64).reshape(-1, 3)
    write_array(group, "good_time_ccd", table[:, 0].astype(np.int16), ["interval"])
    write_array(group, "good_time", table[:, 1:], ["interval", "edge"], unit="s")
    group.attrs["good_time_ccds"] = sorted(header.good_time)


def read_subset(group: Any, *, with_events: bool = True) -> Subset:
    """Read what `write_subset` wrote; without its events where only the headers are needed."""
    number, t0, t1 = (group.attrs[name].item() for name in ("number", "t0", "t1"))
    events = Events.empty()
    if with_events:
        events = Events(*(group["events"][name][()] for name in Events.COLUMNS))
    lists = sorted((name for name in group if name.startswith("list_")), key=lambda name: int(name[5:]))
    return Subset(number, t0, t1, tuple(_read_header(group[name]) for name in lists), events)


def _read_header(group: Any) -> ListHeader:
    values = {name: _plain(value) for name, value in group.attrs.items()}
    ccds, good = group["good_time_ccd"][()], group["good_time"][()]
    values["good_time"] = {int(ccd): good[ccds == ccd] for ccd in values.pop("good_time_ccds")}
    values["kept_ccds"] = tuple(int(ccd) for ccd in values["kept_ccds"])
    values["camera"] = Camera[values["camera"]]
    values.setdefault("pa_pnt", None)
    return ListHeader(**values)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def read_subsets(path: Path, *, with_events: bool = True) -> list[Subset]:
    """All subsets of an observation, in order."""
    with h5py.File(path) as handle:
        names = _groups(handle, "subset_")
        return [read_subset(handle[name], with_events=with_events) for name in names]


def write_bad_times(group: Any, bad: Mapping[float, BadTime]) -> None:
    """Write the bad times of a subset, one group for each window length (s) of the flare curve."""
    for window, times in bad.items():
        inside = group.create_group(f"bad_time_{window:g}")
        write_array(inside, "intervals", times.intervals, ["bad_interval", "edge"], unit="s")
        for number, curve in enumerate(times.curves):
            curve_group = inside.create_group(f"curve_{number}")
            write_array(curve_group, "edges", curve.edges, ["window_edge"], unit="s")
            write_array(curve_group, "counts", curve.counts, ["window"], unit="count")
            write_array(curve_group, "exposed", curve.exposed, ["window"], unit="s")
            write_array(curve_group, "rate", curve.rate, ["window"], unit="ct/s")
            write_array(curve_group, "threshold", curve.threshold, ["window"], unit="ct/s")


def read_bad_times(path: Path) -> dict[int, dict[float, BadTime]]:
    """Bad times by subset number and window length (s)."""
    with h5py.File(path) as handle:
        return {
            int(subset[7:]): {
                float(window[9:]): _read_bad_time(handle[subset][window])
                for window in _groups(handle[subset], "bad_time_")
            }
            for subset in _groups(handle, "subset_")
        }


def _read_bad_time(group: Any) -> BadTime:
    names = [f.name for f in fields(FlareCurve)]
    curves = (FlareCurve(*(group[curve][name][()] for name in names)) for curve in _groups(group, "curve_"))
    return BadTime(group["intervals"][()], tuple(curves))


def read_source_columns(path: Path) -> SourceList:
    """The source list of an observation."""
    with h5py.File(path) as handle:
        return SourceList(*(handle["source_list"][f.name][()] for f in fields(SourceList)))


def write_frames(group: Any, frames: Frames) -> None:
    """Write the frames that the bands of a run share."""
    write_attributes(group, {"dt": frames.dt, "t0": frames.t0, "t1": frames.t1})
    write_array(group, "time", frames.edges[:-1], ["time"], unit="s", description="Start of the frame")
    write_array(group, "exposed", frames.exposed, ["time"], description="Exposed fraction")
    write_array(group, "camera_exposed", frames.camera_exposed, ["camera", "time"])
    write_array(group, "bccd", frames.bccd, ["time"], description="Frame not searched")
    write_array(group, "bti", frames.bti, ["time"], description="Bad time (flaring background)")


def read_frames(group: Any) -> Frames:
    """Read what `write_frames` wrote."""
    arrays = {name: group[name][()] for name in ("exposed", "camera_exposed", "bccd", "bti")}
    return Frames(**{name: group.attrs[name].item() for name in ("dt", "t0", "t1")}, **arrays)


def write_cube(handle: Any, key: RunKey, cube: SparseCube) -> None:
    """Write the cells of one run, and its frames unless a band before wrote them."""
    shared = handle.require_group(key.frames_path)
    if "bccd" not in shared:
        write_frames(shared, cube.frames)
        write_attributes(shared, asdict(cube.grid))
    group = handle.create_group(key.path)
    write_attributes(group, {"band_low": cube.band.low, "band_high": cube.band.high})
    write_array(group, "keys", cube.keys, ["cell"], description="(frame N + j) N + i")
    write_array(group, "counts", cube.counts, ["cell"], unit="count")


def run_keys(path: Path) -> list[RunKey]:
    """Runs in a file of cubes or expectations, in the order written."""
    with h5py.File(path) as handle:
        return [
            RunKey(int(subset[7:]), int(grid[5:]), float(dt[3:]), Band(*map(int, band.split("_")[1:])))
            for subset in _groups(handle, "subset_")
            for grid in _groups(handle[subset], "grid_")
            for dt in _groups(handle[subset][grid], "dt_")
            for band in _groups(handle[subset][grid][dt], "band_")
        ]


def _groups(group: Any, prefix: str) -> list[str]:
    """Groups of that prefix in the order in which they were written."""
    return [name for name in group if name.startswith(prefix)]


def read_cubes(path: Path, keys: Sequence[RunKey]) -> Iterator[SparseCube]:
    """The cubes of these runs, one after the other; runs of the same frames share them."""
    with h5py.File(path) as handle:
        known: dict[str, tuple[PixelGrid, Frames]] = {}
        for key in keys:
            if key.frames_path not in known:
                shared = handle[key.frames_path]
                grid = PixelGrid(*(shared.attrs[f.name].item() for f in fields(PixelGrid)))
                known = {key.frames_path: (grid, read_frames(shared))}
            grid, frames = known[key.frames_path]
            group = handle[key.path]
            yield SparseCube(grid, frames, key.band, group["keys"][()], group["counts"][()])


def write_expectation(handle: Any, key: RunKey, expectation: Expectation) -> None:
    """Write the factors of mu of one run; images are packed because most of them is empty."""
    group = handle.create_group(key.path)
    group.attrs["template_bti"] = expectation.template_bti
    image = ["y", "x"]
    write_array(
        group,
        "templates",
        expectation.templates,
        ["exposure_class", *image],
        compress=True,
        description="Share of the background counts of a frame",
    )
    write_array(
        group, "source", expectation.source, ["source_term", *image], compress=True, unit="count",
        description="Source counts per fully exposed frame",
    )  # fmt: skip
    write_array(group, "exposed", expectation.exposed, ["source_term", "time"])
    write_array(group, "background", expectation.background, ["time"], unit="count")
    write_array(group, "frame_class", expectation.frame_class, ["time"])
    write_array(group, "footprint", expectation.footprint, image, compress=True)
    write_array(group, "mask", expectation.mask, image, compress=True)


def write_no_expectation(handle: Any, key: RunKey, outcome: Outcome, detail: str) -> None:
    """Note why a run has no expectation."""
    write_attributes(handle.create_group(key.path), {"outcome": outcome.value, "detail": detail})


def write_list_mask(handle: Any, subset: int, grid: int, seen: BoolArray, listed: BoolArray) -> None:
    """Write what all runs of a subset share on one grid: footprint and mask of listed sources."""
    group = handle.require_group(f"subset_{subset}/grid_{grid}")
    write_array(group, "shared_footprint", seen, ["y", "x"], compress=True)
    write_array(group, "list_mask", listed, ["y", "x"], compress=True)


def read_list_mask(path: Path, subset: int, grid: int) -> tuple[BoolArray, BoolArray]:
    """Footprint and mask of listed sources of a subset on one grid."""
    with h5py.File(path) as handle:
        group = handle[f"subset_{subset}/grid_{grid}"]
        return group["shared_footprint"][()], group["list_mask"][()]


def read_expectation(path: Path, key: RunKey) -> Expectation | tuple[Outcome, str]:
    """The expectation of one run, or the outcome and the words that say why there is none."""
    with h5py.File(path) as handle:
        group = handle[key.path]
        if "outcome" in group.attrs:
            return Outcome(group.attrs["outcome"]), str(group.attrs["detail"])
        arrays = {
            f.name: group[f.name][()] if f.name != "template_bti" else group.attrs["template_bti"]
            for f in fields(Expectation)
        }
    return Expectation(**arrays)


def write_json(handle: Any, name: str, content: Any) -> None:
    """Keep JSON content as text beside the arrays."""
    handle.attrs[name] = json.dumps(content, sort_keys=True)


def read_json(path: Path, name: str) -> Any:
    """Read what `write_json` wrote."""
    with h5py.File(path) as handle:
        return json.loads(handle.attrs[name])
