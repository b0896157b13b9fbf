"""Bin the events of an observation into cells of sky pixel and time frame.

Reads the subsets of an observation with their bad times. Makes one HDF5 file with the sparse cube of
every run: each subset, grid, frame length and energy band, all from one pass over the events.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ephemera.cubes import create, write_json
from ephemera.xmm.bti import window_of
from ephemera.xmm.cube_store import RunKey, write_cube
from ephemera.xmm.events_store import read_bad_times, read_subsets
from ephemera.xmm.frames import Frames, make_frames
from ephemera.xmm.grid import shifted_grids, shifted_subset
from ephemera.xmm.observation import Band, FloatArray, Subset
from ephemera.xmm.sparse_cube import SparseCube, build_cubes
from ephemera.xmm.subsets import SHORTEST_SPAN, Span

if TYPE_CHECKING:
    from ephemera.config.xmm import Cube as CubeSettings
    from ephemera.job import Job

log = logging.getLogger(__name__)


def frames_of(
    subset: Subset, dt: float, bad_intervals: FloatArray, settings: CubeSettings, span: Span
) -> Frames:
    """Frames of one length as the options ask for."""
    return make_frames(
        subset,
        dt,
        bad_intervals,
        mask_partial_ccd=settings.mask_partial_ccd,
        mask_before=settings.mask_frame_before,
        bti_min_overlap=settings.bti_min_overlap,
        gti_only=settings.gti_only,
        span=span,
    )


def long_enough(subset: Subset, dt: float) -> bool:
    """Whether the span of a subset holds two frames of `dt` s, and is worth a search at all."""
    return subset.span >= max(2 * dt, SHORTEST_SPAN)


def subset_cubes(
    subset: Subset, bad_intervals: Mapping[float, FloatArray], settings: CubeSettings, span: Span = "common"
) -> Iterator[tuple[int, Band, SparseCube]]:
    """All runs of a subset as (number of the grid, band, cube): every frame length, band and grid.

    `bad_intervals` maps each frame length (s) to the bad times (k, 2) that belong to it. Frame lengths
    for which the span is too short (less than two frames) are left out.
    """
    bands = [Band.from_kev(*band) for band in settings.bands_kev]
    dts = [dt for dt in settings.time_bins_s if long_enough(subset, dt)]
    if not dts:
        return
    size = subset.pixel_arcsec(settings.size_arcsec)
    grids = {dt: shifted_grids(settings.shifted_grids, size, dt) for dt in dts}
    for number in range(len(grids[dts[0]])):
        together = [[dt] for dt in dts] if grids[dts[0]][number].time_shift else [dts]
        for some in together:
            shifted = grids[some[0]][number]
            moved = shifted_subset(subset, shifted.time_shift)
            frames = {dt: frames_of(moved, dt, bad_intervals[dt], settings, span) for dt in some}
            for (_, band), cube in build_cubes(moved, shifted.grid, frames, bands).items():
                yield number, band, cube


def main(job: Job) -> None:
    """Write the cubes of all runs of one observation."""
    settings: CubeSettings = job.settings
    fixed, span = job.settings.bti_window_s, job.settings.span
    bad = read_bad_times(job.input.events)
    with create(job.output.cube) as handle:
        too_short = []
        for subset in read_subsets(job.input.events):
            too_short += [(subset.number, dt) for dt in settings.time_bins_s if not long_enough(subset, dt)]
            intervals = {
                dt: bad[subset.number][window_of(dt, fixed)].intervals for dt in settings.time_bins_s
            }
            for grid, band, cube in subset_cubes(subset, intervals, settings, span):
                key = RunKey(subset.number, grid, cube.frames.dt, band)
                write_cube(handle, key, cube)
                log.info("%s: %d cells hold events", key.path, len(cube.keys))
        write_json(handle, "too_short", too_short)
