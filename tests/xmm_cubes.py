"""Small subsets, frames and cubes for tests."""

from __future__ import annotations

import numpy as np

from ephemera.xmm.frames import Frames
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.observation import SKY_SIZE, UNIT_ARCSEC, Band, Camera, Events, ListHeader, Subset
from ephemera.xmm.sparse_cube import SparseCube

FULL = Band(200, 12000)
SOFT = Band(200, 2000)
HARD = Band(2000, 12000)


def events_of(time, x, y, pi, camera=0) -> Events:
    """Events sorted by time, with the columns a cube does not read set to zero."""
    time = np.asarray(time, "f8")
    order = np.argsort(time, kind="stable")
    n = len(time)
    columns = {"time": time, "x": x, "y": y, "pi": pi, "camera": camera}
    empty = Events.empty()
    arrays = [
        np.broadcast_to(np.asarray(columns.get(name, 0)), n).astype(getattr(empty, name).dtype)[order]
        for name in Events.COLUMNS
    ]
    return Events(*arrays)


def header_of(camera: Camera) -> ListHeader:
    return ListHeader(
        file=f"{camera.name}.FTZ", camera=camera, obsid="0000000001", exposure_id="S001",
        submode="PrimeFullWindow", filter="Medium", revolution=1, ontime=1.0, start=0.0, stop=1.0,
        mjdref=50814.0, timezero=0.0, frame_time=0.07, reference_ra=10.0, reference_dec=0.0, pa_pnt=None,
        object_name="", date_obs="",
    )  # fmt: skip


def subset_of(events: Events, t0: float, t1: float, cameras=(Camera.PN,)) -> Subset:
    return Subset(0, t0, t1, tuple(header_of(camera) for camera in cameras), events)


def frames_of(
    t0: float, t1: float, dt: float, *, bti=(), bccd=(), exposed=None, camera_exposed=None
) -> Frames:
    """Frames of a span, fully exposed unless told; `bti` and `bccd` list frame numbers."""
    n = max(int(np.ceil((t1 - t0) / dt)), 1)
    flaring, unusable = np.zeros(n, bool), np.zeros(n, bool)
    flaring[list(bti)] = True
    unusable[list(bccd)] = True
    camera_exposed = np.ones((1, n)) if camera_exposed is None else np.array(camera_exposed, float)
    exposed = camera_exposed.mean(axis=0) if exposed is None else np.array(exposed, float)
    return Frames(
        dt=dt, t0=t0, t1=t1, exposed=np.where(unusable, 0.0, exposed), camera_exposed=camera_exposed,
        bccd=unusable, bti=flaring,
    )  # fmt: skip


def grid_of(n: int) -> PixelGrid:
    """Grid of n x n large pixels; n must divide 51840."""
    assert SKY_SIZE % n == 0
    return PixelGrid(SKY_SIZE // n * UNIT_ARCSEC)


def cube_of(counts, *, band: Band = FULL, **frame_options) -> SparseCube:
    """Cube of a dense array of counts (n_frames, N, N) in frames of 10 s."""
    counts = np.asarray(counts)
    keys = np.flatnonzero(counts)
    frames = frames_of(0.0, 10.0 * len(counts), 10.0, **frame_options)
    values = counts.ravel()[keys].astype(np.int32)
    return SparseCube(grid_of(counts.shape[1]), frames, band, keys.astype(np.int64), values)


def dense_counts(cube: SparseCube) -> np.ndarray:
    """All cells (n_frames, N, N) of a small cube."""
    counts = np.zeros((cube.frames.n_frames, cube.grid.n, cube.grid.n), np.int64)
    counts.ravel()[cube.keys] = cube.counts
    return counts
