"""The HDF5 file of an observation's cubes: `subset_0/grid_0/dt_5/band_200_2000` holds one run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import h5py

from ephemera.cubes import groups, write_array, write_attributes
from ephemera.xmm.frames import Frames
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.observation import Band, seconds_text
from ephemera.xmm.sparse_cube import SparseCube


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
        return f"subset_{self.subset}/grid_{self.grid}/dt_{seconds_text(self.dt)}"


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
            for subset in groups(handle, "subset_")
            for grid in groups(handle[subset], "grid_")
            for dt in groups(handle[subset][grid], "dt_")
            for band in groups(handle[subset][grid][dt], "band_")
        ]


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
