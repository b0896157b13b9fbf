"""Time frames of a subset: what was exposed in each, and which are bad.

Frame k covers [t0 + k dt, t0 + (k+1) dt); the last one ends at t1, is shorter and keeps its events. All
frame lengths share t0 and one base step, their greatest common divisor, so that rebinning is exact.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ephemera.xmm import partial_ccd
from ephemera.xmm.bti import bad_frames
from ephemera.xmm.exposure import any_exposure, exposed_seconds, silences
from ephemera.xmm.intervals import count_steps, overlap, regular_edges
from ephemera.xmm.observation import BoolArray, FloatArray, ListHeader, Subset
from ephemera.xmm.subsets import Span

#: A frame with a smaller exposed fraction is not used.
MIN_EXPOSED = 0.1


@dataclass(frozen=True)
class Frames:
    """Frames of length `dt` s between `t0` and `t1`; n of them.

    `camera_exposed` (n_cam, n) is the exposed fraction e_c of each camera, in order of its code: mean over
    its kept CCDs of the exposed seconds, divided by dt. `exposed` (n,) is f, the mean of e_c over
    cameras. Both are 0 in frames that are not used, `bccd`. `bti` marks frames in bad time intervals.
    """

    dt: float
    t0: float
    t1: float
    exposed: FloatArray
    camera_exposed: FloatArray
    bccd: BoolArray
    bti: BoolArray

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.exposed)

    @cached_property
    def edges(self) -> FloatArray:
        """Edges (n+1,) of the frames in s; the last is t1."""
        return regular_edges(self.t0, self.t1, self.dt)

    @property
    def usable(self) -> BoolArray:
        """Frames that are searched."""
        return ~self.bccd

    @property
    def good(self) -> BoolArray:
        """Frames that are searched and in no bad time."""
        return ~self.bccd & ~self.bti


def base_step(dts: Sequence[float]) -> float:
    """Greatest common divisor of frame lengths, in s; all are whole milliseconds, else ValueError."""
    if not len(dts):
        raise ValueError("dts must hold at least one frame length")
    milliseconds = [round(1000 * dt) if math.isfinite(dt) else 0 for dt in dts]
    for dt, value in zip(dts, milliseconds, strict=True):
        if value < 1 or abs(1000 * dt - value) > 1e-6:
            raise ValueError(f"dts must be whole milliseconds above 0, not {dt!r} s")
    return math.gcd(*milliseconds) / 1000


def base_frame(time: npt.NDArray[np.float64], t0: float, t1: float, step: float) -> npt.NDArray[np.int32]:
    """Frame number int32 of each event at the base step: floor((time - t0) / step).

    An event at exactly t1 belongs to the last frame. The number in frames of m steps is this // m.
    Raises ValueError for times outside [t0, t1].
    """
    if len(time) and not (time.min() >= t0 and time.max() <= t1):
        raise ValueError(f"time must lie in [{t0!r}, {t1!r}], but runs from {time.min()!r} to {time.max()!r}")
    last = count_steps(t0, t1, step) - 1
    return np.minimum(((time - t0) / step).astype(np.int32), np.int32(last))


def make_frames(
    subset: Subset,
    dt: float,
    bad_intervals: FloatArray,
    *,
    mask_partial_ccd: bool = True,
    mask_before: bool = True,
    bti_min_overlap: float = 0.5,
    gti_only: bool = False,
    span: Span = "common",
) -> Frames:
    """Frames of `subset` of length `dt` s, with `bad_intervals` (k, 2) as its bad times.

    A frame is bti if bad times cover at least the share `bti_min_overlap` of its exposed time. It is
    bccd if f < 0.1; if a camera is fully off while others are on (`span` common only); with
    `mask_partial_ccd` if a CCD is off (see `partial_ccd`), and with `mask_before` then the frame before
    it too, because what fails in one frame may begin in the one before; with `gti_only` if it is bti.
    """
    edges = regular_edges(subset.t0, subset.t1, dt)
    seconds = [_seconds(subset, header, edges) for header in subset.headers]
    # Nine digits are more than times in double precision have, and make full exposure exactly 1.
    fraction = np.round(np.array([s.mean(axis=0) for s in seconds]) / dt, 9)
    bti = bad_frames(bad_intervals, any_exposure(subset), edges, bti_min_overlap)
    counts = _counts_needed(subset, edges, bti)
    for camera, off in _silent_cameras(subset, counts).items():
        fraction[camera, off] = 0.0
    bccd = fraction.mean(axis=0) < MIN_EXPOSED
    if span == "common":
        bccd |= (fraction == 0).any(axis=0)
    if mask_partial_ccd:
        partial = _partial(subset, seconds, counts, edges, bti)
        if mask_before:
            partial[:-1] |= partial[1:]
        bccd |= partial
    if gti_only:
        bccd |= bti
    fraction[:, bccd] = 0.0
    return Frames(dt, subset.t0, subset.t1, fraction.mean(axis=0), fraction, bccd, bti)


def classes(frames: Frames, span: Span = "common") -> npt.NDArray[np.int8]:
    """Exposure class (n,) of each frame, int8: 2 k + 1 in bad times, 2 k else, -1 where bccd.

    `common`: k = 0. `union`: k numbers the sets of active cameras that occur, from the largest; of
    equally large ones the set with the lower camera codes comes first.
    """
    result = frames.bti.astype(np.int8)
    if span == "union":
        active = frames.camera_exposed > 0
        n_cameras = len(active)
        weight = 2 ** np.arange(n_cameras)[::-1]
        code = active.sum(axis=0) * 2**n_cameras + weight @ active
        present = np.unique(code[~frames.bccd])[::-1]
        rank = np.searchsorted(-present, -code)
        result += (2 * rank).astype(np.int8)
    result[frames.bccd] = -1
    return result


def _seconds(subset: Subset, header: ListHeader, edges: FloatArray) -> FloatArray:
    """Exposed seconds (n_ccd, n) in each frame; without good times, also silent times do not count."""
    seconds = exposed_seconds(header, edges)
    if not header.has_good_time:
        events = subset.events
        times = events.time[events.camera == header.camera]
        silent = silences(times, max(header.start, subset.t0), min(header.stop, subset.t1))
        seconds = np.maximum(0.0, seconds - overlap(silent, edges))
    return seconds


def _counts_needed(subset: Subset, edges: FloatArray, bti: BoolArray) -> list[npt.NDArray[np.int64]]:
    """Counts (n, 13) by frame and CCD of each camera, in order.

    With good times they are needed in bad frames only, which saves most of the work.
    """
    n = len(edges) - 1
    events = subset.events
    everywhere = not all(header.has_good_time for header in subset.headers)
    first = np.searchsorted(events.time, edges[:-1])
    held = np.diff(first, append=len(events))
    wanted = np.ones(n, bool) if everywhere else bti
    frame = np.repeat(np.arange(n), np.where(wanted, held, 0))
    chosen = slice(None) if wanted.all() else np.repeat(wanted, held)
    ccd, camera = events.ccd[chosen], events.camera[chosen]
    return [partial_ccd.counts_by_ccd(frame[camera == c], ccd[camera == c], n) for c in subset.cameras]


def _silent_cameras(subset: Subset, counts: list[npt.NDArray[np.int64]]) -> dict[int, BoolArray]:
    """Frames in which a camera without good times must have been off, by its place in the order."""
    totals = np.array([c.sum(axis=1) for c in counts])
    return {
        k: partial_ccd.frames_with_silent_camera(totals[k], totals.sum(axis=0) - totals[k])
        for k, header in enumerate(subset.headers)
        if not header.has_good_time
    }


def _partial(
    subset: Subset,
    seconds: list[FloatArray],
    counts: list[npt.NDArray[np.int64]],
    edges: FloatArray,
    bti: BoolArray,
) -> BoolArray:
    """Frames in which a part of any camera was off."""
    partial = np.zeros(len(edges) - 1, bool)
    for header, own_seconds, own_counts in zip(subset.headers, seconds, counts, strict=True):
        if header.has_good_time:
            partial |= partial_ccd.frames_without_ccd(header, own_seconds, edges)
        else:
            partial |= partial_ccd.frames_with_silent_ccd(own_counts, header.kept_ccds)
        weak = partial_ccd.frames_with_weak_quadrant(own_counts[bti], header.kept_ccds, header.camera)
        partial[np.flatnonzero(bti)[weak]] = True
    return partial
