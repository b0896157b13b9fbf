"""Small cubes, expectations and cells for the tests of regions, positions and light curves."""

from __future__ import annotations

import numpy as np

from ephemera.xmm.cells import Cells
from ephemera.xmm.expected_counts import Expectation
from ephemera.xmm.frames import Frames
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.observation import Band, Camera, Events, ListHeader, Subset
from ephemera.xmm.sparse_cube import SparseCube

OBSID = "0724210501"
FULL = Band(200, 12000)
#: 10 by 10 pixels of 5184 sky units.
COARSE = PixelGrid(259.2)
MAIN = PixelGrid(20.0)


def make_frames(n, *, dt=5.0, t0=1000.0, last=1.0, bccd=(), bti=(), exposed=None):
    """Frames of which the last is `last` long (in units of dt); `bccd` and `bti` list frame numbers."""
    f = np.ones(n) if exposed is None else np.array(exposed, dtype=float)
    f[-1] *= last
    masked = np.isin(np.arange(n), bccd)
    f[masked] = 0.0
    return Frames(
        dt=dt,
        t0=t0,
        t1=t0 + dt * (n - 1 + last),
        exposed=f,
        camera_exposed=f[None, :],
        bccd=masked,
        bti=np.isin(np.arange(n), bti),
    )


def sparse(dense, frames, grid=COARSE, band=FULL):
    """Cube of dense counts (frame, j, i)."""
    keys = np.flatnonzero(dense)
    return SparseCube(grid, frames, band, keys.astype(np.int64), dense.ravel()[keys].astype(np.int32))


def empty_cube(n_frames=3, grid=COARSE, **options):
    """Cube without events."""
    return sparse(np.zeros((n_frames, grid.n, grid.n), int), make_frames(n_frames, **options), grid)


def make_cells(rows):
    """Cells from rows (i, j, frame, kind) or (i, j, frame, kind, n, mu, log10_b, sigma), sorted."""
    full = [tuple(row) + (5, 0.5, 6.0, 3.1)[len(row) - 4 :] if len(row) < 8 else tuple(row) for row in rows]
    if not full:
        return Cells.empty()
    i, j, frame, kind, n, mu, log10_b, sigma = (np.array(column) for column in zip(*full, strict=True))
    return Cells.merge(
        [
            Cells(
                i.astype("i8"), j.astype("i8"), frame.astype("i8"), kind.astype("i1"),
                n.astype("i8"), mu.astype("f8"), log10_b.astype("f8"), sigma.astype("f8"),
            )
        ]
    )  # fmt: skip


def make_expectation(frames, *, templates, background, source, exposed=None, frame_class=None):
    """Expectation of the separable model, everywhere inside the footprint."""
    templates, source = np.asarray(templates, float), np.asarray(source, float)
    shape = templates.shape[1:]
    if frame_class is None:
        frame_class = np.where(frames.bccd, -1, 0)
    return Expectation(
        templates=templates,
        background=np.asarray(background, float),
        source=source,
        exposed=frames.exposed[None, :] if exposed is None else np.asarray(exposed, float),
        frame_class=np.asarray(frame_class, np.int8),
        footprint=np.ones(shape, bool),
        mask=np.zeros(shape, bool),
        template_bti="own",
    )


def flat_expectation(frames, grid=COARSE, mu=0.1):
    """The same expected counts in all cells of usable frames."""
    shape = (1, grid.n, grid.n)
    return make_expectation(
        frames, templates=np.full(shape, mu), background=np.ones(frames.n_frames), source=np.zeros(shape)
    )


def make_events(time, x, y, pi=1000, camera=0):
    """Events at these times and places, sorted by time."""
    time = np.asarray(time, float)
    order = np.argsort(time, kind="stable")
    zeros = np.zeros(len(time))
    columns = {"time": time, "x": x, "y": y, "pi": zeros + pi, "ccd": zeros + 1, "camera": zeros + camera}
    columns |= dict.fromkeys(("rawx", "rawy", "detx", "dety"), zeros)
    empty = Events.empty()
    return Events(
        *(np.asarray(columns[name])[order].astype(getattr(empty, name).dtype) for name in Events.COLUMNS)
    )


def make_subset(events, cameras=(0, 1, 2)):
    """Subset of lists of these cameras that holds `events`, which start at 1000 s."""
    headers = tuple(
        ListHeader(
            file=f"{camera}.fits", camera=Camera(camera), obsid=OBSID, exposure_id="S001",
            submode="PrimeFullWindow", filter="Thin1", revolution=1000, ontime=60.0,
            start=1000.0, stop=1060.0, mjdref=50814.0, timezero=0.0, frame_time=2.6,
            reference_ra=195.4, reference_dec=27.8, pa_pnt=30.0, object_name="", date_obs="",
        )
        for camera in cameras
    )  # fmt: skip
    return Subset(number=0, t0=1000.0, t1=1058.0, headers=headers, events=events)
