"""Event cubes: photons of a subset counted in cells of sky pixel and time frame.

Reads the events of a subset and the frames of each time step; makes one sparse cube for each time step and
energy band. A cube lists only the cells that hold events (0.6 % of them for a 45 ks observation in frames
of 5 s), so its size follows the number of events, never the number of frames.

The cells of all runs come from one pass: every event gets the number of its pixel, of its frame at the
greatest common divisor of the time steps, and of its elementary energy interval. Frames of a longer step are
exact unions of base frames, and bands are unions of elementary intervals.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.xmm.frames import Frames, base_frame, base_step
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.observation import TOP_EDGE_EV, Band, BoolArray, FloatArray, IntArray, Subset

#: Keys of the working sort: uint32 where that is wide enough, which sorts twice as fast, else int64.
Keys = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class SparseCube:
    """The cells of one run that hold events, in order of (frame, j, i).

    `keys` (m,) int64, sorted and unique, are (frame N + j) N + i with i the pixel index of X, j of Y and N
    `grid.n`; `counts` (m,) int32 are at least 1. Frames of every kind are here, also those not searched.
    """

    grid: PixelGrid
    frames: Frames
    band: Band
    keys: IntArray
    counts: npt.NDArray[np.int32]

    @property
    def n_pixels(self) -> int:
        """Number of pixels of one frame, N x N."""
        return self.grid.n**2

    @cached_property
    def frame(self) -> npt.NDArray[np.int32]:
        """Frame of each cell, ascending."""
        return np.repeat(np.arange(self.frames.n_frames, dtype=np.int32), np.diff(self._frame_starts))

    @cached_property
    def pixel(self) -> npt.NDArray[np.int32]:
        """Pixel number j N + i of each cell."""
        return (self.keys - self.frame.astype(np.int64) * self.n_pixels).astype(np.int32)

    @cached_property
    def _frame_starts(self) -> npt.NDArray[np.intp]:
        """Index of the first cell of each frame, and the number of cells (n_frames + 1,)."""
        edges = np.arange(self.frames.n_frames + 1, dtype=np.int64) * self.n_pixels
        return np.searchsorted(self.keys, edges)

    def image(self, frame_mask: BoolArray | None = None) -> FloatArray:
        """Counts per pixel (N, N) [j, i], over all frames or those of `frame_mask` (n_frames,)."""
        if frame_mask is None:
            frame_mask = np.ones(self.frames.n_frames, np.bool_)
        images = self.class_images(np.where(frame_mask, 0, -1).astype(np.int8), 1)
        return images.reshape(self.grid.n, self.grid.n)

    def class_images(self, frame_class: npt.NDArray[np.int8], n_classes: int) -> FloatArray:
        """Counts per pixel (n_classes, N, N) of the frames of each class; class -1 is left out.

        Raises ValueError unless `frame_class` has one entry for each frame.
        """
        if frame_class.shape != (self.frames.n_frames,):
            msg = f"frame classes must have shape ({self.frames.n_frames},), got {frame_class.shape}"
            raise ValueError(msg)
        # The class left out is one plane more, at the front: cheaper than selecting cells.
        plane = (frame_class.astype(np.int64) + 1) * self.n_pixels
        images = np.bincount(
            plane[self.frame] + self.pixel, weights=self.counts, minlength=(n_classes + 1) * self.n_pixels
        )
        return np.asarray(images, np.float64).reshape(n_classes + 1, self.grid.n, self.grid.n)[1:]

    def frame_totals(self, pixel_mask: BoolArray | None = None) -> FloatArray:
        """Counts of each frame (n_frames,), over all pixels or those of `pixel_mask` (N, N)."""
        counts = self.counts if pixel_mask is None else self.counts * pixel_mask.ravel()[self.pixel]
        running = np.concatenate(([0], np.cumsum(counts, dtype=np.int64)))
        return np.diff(running[self._frame_starts]).astype(np.float64)


@dataclass(frozen=True)
class BandIntervals:
    """Elementary energy intervals: the finest cut of the energies by the edges of several bands.

    `breaks` are the edges in eV, ascending; interval k (1 <= k < len(breaks)) covers [breaks[k - 1],
    breaks[k]); 0 and len(breaks) stand for energies below and above all bands.
    """

    breaks: npt.NDArray[np.int64]

    @classmethod
    def of(cls, bands: Sequence[Band]) -> BandIntervals:
        """The intervals that the edges of `bands` cut."""
        return cls(np.unique([edge for band in bands for edge in (band.low, _top(band))]).astype(np.int64))

    @property
    def n(self) -> int:
        """Number of interval codes, the two outside all bands included."""
        return len(self.breaks) + 1

    def codes(self, pi: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
        """Interval code of each channel energy (eV), looked up in a table of all 16-bit values."""
        table = np.searchsorted(self.breaks, np.arange(1 << 16), side="right")
        return table.astype(np.uint16)[pi]

    def span(self, band: Band) -> tuple[int, int]:
        """Half-open range of the codes that make up `band`."""
        first, stop = np.searchsorted(self.breaks, [band.low, _top(band)], side="right")
        return int(first), int(stop)


def _top(band: Band) -> int:
    """First whole eV above the band: its upper edge, one more where the band is closed."""
    return band.high + 1 if band.high == TOP_EDGE_EV else band.high


def build_cubes(
    subset: Subset, grid: PixelGrid, frames_by_dt: Mapping[float, Frames], bands: Sequence[Band]
) -> dict[tuple[float, Band], SparseCube]:
    """Sparse cubes of every time step and band, from one pass over the events.

    The result has one entry (dt, band) for each pair, in the order given. Every event of a band is counted
    once in each of its cubes; an event at exactly t1 belongs to the last frame. Equal to
    `build_cube_reference`. Raises ValueError when there is no band or time step, or when frames do not
    belong to the span of the subset or to the step they are listed under.
    """
    _check(subset, frames_by_dt, bands)
    step = base_step(list(frames_by_dt))
    intervals = BandIntervals.of(bands)
    fine = _event_keys(subset, grid, intervals, step)
    sorted_keys: dict[float, tuple[Keys, npt.NDArray[np.int64]]] = {}
    for dt, keys in _rebin(fine, grid.n**2 * intervals.n, step, sorted(frames_by_dt)):
        sorted_keys[dt] = _run_lengths(keys)
    return {
        (dt, band): SparseCube(grid, frames, band, *_band_cells(*sorted_keys[dt], intervals, band))
        for dt, frames in frames_by_dt.items()
        for band in bands
    }


def _check(subset: Subset, frames_by_dt: Mapping[float, Frames], bands: Sequence[Band]) -> None:
    """Refuse empty requests and frames of another span or step."""
    if not frames_by_dt or not bands:
        msg = f"need at least one time step and one band, got {list(frames_by_dt)} and {list(bands)}"
        raise ValueError(msg)
    for dt, frames in frames_by_dt.items():
        if frames.dt != dt or frames.t0 != subset.t0 or frames.t1 != subset.t1:
            msg = (
                f"frames_by_dt[{dt}] must cover [{subset.t0}, {subset.t1}] in steps of {dt} s, "
                f"got [{frames.t0}, {frames.t1}] in steps of {frames.dt} s"
            )
            raise ValueError(msg)


def _event_keys(subset: Subset, grid: PixelGrid, intervals: BandIntervals, step: float) -> Keys:
    """Key (base frame N^2 + pixel) K + code of each event, K energy intervals, in order of time."""
    events = subset.events
    frame = base_frame(events.time, subset.t0, subset.t1, step)
    last = int(frame[-1]) if len(frame) else 0
    wide = (last + 1) * grid.n**2 * intervals.n > np.iinfo(np.uint32).max
    dtype = np.int64 if wide else np.uint32
    keys: Keys = frame.astype(dtype)
    keys *= dtype(grid.n**2)
    keys += grid.pixels(events.x, events.y).astype(dtype)
    keys *= dtype(intervals.n)
    keys += intervals.codes(events.pi)
    return keys


def _rebin(keys: Keys, per_frame: int, step: float, dts: Sequence[float]) -> Iterator[tuple[float, Keys]]:
    """Sorted keys at each of the ascending steps `dts`, made from keys at the base step.

    Events come in order of time, so the keys of one frame stand together; and the frames of a longer step
    are runs of sorted shorter ones: a merging sort uses both.
    """
    base, base_ratio = np.sort(keys, kind="stable"), 1
    previous, previous_ratio = base, base_ratio
    for dt in dts:
        ratio = round(dt / step)
        if ratio % previous_ratio:
            previous, previous_ratio = base, base_ratio
        if ratio != previous_ratio:
            size = keys.dtype.type(per_frame)
            frame = previous // size
            inside = previous - frame * size
            previous = np.sort(
                frame // keys.dtype.type(ratio // previous_ratio) * size + inside, kind="stable"
            )
            previous_ratio = ratio
        yield dt, previous


def _run_lengths(keys: Keys) -> tuple[Keys, npt.NDArray[np.int64]]:
    """Unique values of sorted keys, and how often each occurs."""
    if not len(keys):
        return keys, np.empty(0, np.int64)
    first = _first_of_each(keys)
    return keys[first], np.diff(first, append=len(keys))


def _first_of_each(keys: Keys) -> npt.NDArray[np.intp]:
    """Where each new value of non-empty sorted keys begins."""
    new = np.empty(len(keys), np.bool_)
    new[0] = True
    np.not_equal(keys[1:], keys[:-1], out=new[1:])
    return np.flatnonzero(new)


def _band_cells(
    keys: Keys, counts: npt.NDArray[np.int64], intervals: BandIntervals, band: Band
) -> tuple[IntArray, npt.NDArray[np.int32]]:
    """Cells (keys, counts) of one band: the energy intervals it is made of, added."""
    first, stop = intervals.span(band)
    n_codes = keys.dtype.type(intervals.n)
    cell = keys // n_codes
    code = keys - cell * n_codes
    inside = (code >= first) & (code < stop)
    cell, counts = cell[inside], counts[inside]
    if stop - first > 1 and len(cell):
        starts = _first_of_each(cell)
        running = np.concatenate(([0], np.cumsum(counts)))
        cell, counts = cell[starts], np.diff(running[starts], append=running[-1])
    return cell.astype(np.int64), counts.astype(np.int32)


def build_cube_reference(subset: Subset, grid: PixelGrid, frames: Frames, band: Band) -> SparseCube:
    """The cube of one run, event by event: what `build_cubes` must equal, written for reading."""
    cells: Counter[int] = Counter()
    events = subset.events
    for time, x, y, pi in zip(events.time, events.x, events.y, events.pi, strict=True):
        top = band.high + 1 if band.high == TOP_EDGE_EV else band.high
        if band.low <= pi < top:
            frame = min(int((time - frames.t0) // frames.dt), frames.n_frames - 1)
            i = (int(x) - 1 + grid.shift_x) // grid.width
            j = (int(y) - 1 + grid.shift_y) // grid.width
            cells[(frame * grid.n + j) * grid.n + i] += 1
    keys = sorted(cells)
    return SparseCube(
        grid, frames, band, np.array(keys, np.int64), np.array([cells[key] for key in keys], np.int32)
    )


def camera_images(
    subset: Subset,
    grid: PixelGrid,
    frames: Frames,
    band: Band,
    frame_mask: BoolArray,
    dropped: IntArray | None = None,
) -> FloatArray:
    """Counts per camera and pixel (n_cameras, N, N) of one band in the frames of `frame_mask` (n_frames,).

    Cameras in the order of `subset.cameras`, which is that of `frames.camera_exposed`. Cells whose keys are
    in `dropped` are left out.
    """
    events = subset.events
    frame = base_frame(events.time, frames.t0, frames.t1, frames.dt)
    pixel = grid.pixels(events.x, events.y)
    chosen = band.contains(events.pi) & frame_mask[frame]
    if dropped is not None:
        chosen &= ~np.isin(frame.astype(np.int64) * grid.n**2 + pixel, dropped)
    plane = np.searchsorted(np.array(subset.cameras), events.camera[chosen])
    shape = (len(subset.cameras), grid.n, grid.n)
    images = np.bincount(plane * grid.n**2 + pixel[chosen], minlength=shape[0] * grid.n**2)
    return images.astype(np.float64).reshape(shape)
