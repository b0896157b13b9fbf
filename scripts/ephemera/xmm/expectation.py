"""Predict the counts of every cell of an observation from background templates and steady sources.

Reads the cubes of all runs, the source list and (for each camera's source term) the events. Makes one
HDF5 file with the factors of the expectation of every run; a run without one says why. The model itself
is in `expected_counts`, its background in `background`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from ephemera.cubes import create
from ephemera.xmm.background import NoBackground, background_template, footprint
from ephemera.xmm.cube_store import RunKey, read_cubes, run_keys
from ephemera.xmm.events_store import read_source_columns, read_subsets
from ephemera.xmm.expectation_store import write_expectation, write_list_mask, write_no_expectation
from ephemera.xmm.expected_counts import Expectation, build_expectation
from ephemera.xmm.exposure_classes import source_frames
from ephemera.xmm.grid import PixelGrid, shifted_subset
from ephemera.xmm.observation import BoolArray, IntArray, Subset
from ephemera.xmm.outcomes import Outcome
from ephemera.xmm.source_mask import SourceList, source_mask
from ephemera.xmm.sparse_cube import SparseCube, camera_images
from ephemera.xmm.subsets import Span

if TYPE_CHECKING:
    from ephemera.config.xmm import Expectation as ExpectationSettings
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Names that notebooks find here, wherever they are defined.
__all__ = ["Expectation", "background_template", "build_expectation", "expect", "list_mask"]


def grid_footprint(cubes: Iterable[SparseCube]) -> BoolArray:
    """Footprint shared by all runs of a subset on one grid: pixels with counts in any searched frame."""
    return footprint(*(cube.image(cube.frames.usable) for cube in cubes))


def widest(keys: Sequence[RunKey]) -> list[RunKey]:
    """Runs whose band lies in no other band of the same frames; their counts hold those of all runs."""

    def holds(outer: RunKey, inner: RunKey) -> bool:
        wider = outer.band.low <= inner.band.low and inner.band.high <= outer.band.high
        return wider and outer.band != inner.band and outer.frames_path == inner.frames_path

    return [key for key in keys if not any(holds(other, key) for other in keys)]


def list_mask(
    sources: SourceList, reference: tuple[float, float], grid: PixelGrid, settings: ExpectationSettings
) -> BoolArray:
    """Pixels of the listed sources of an observation, on one grid."""
    radii = settings.radii_arcsec
    return source_mask(
        sources,
        *reference,
        grid,
        radii_arcsec=(radii.faint, radii.medium, radii.bright),
        det_ml=settings.source_det_ml,
    )


def expect(
    cube: SparseCube,
    seen: BoolArray,
    listed: BoolArray,
    settings: ExpectationSettings,
    *,
    span: Span = "common",
    subset: Subset | None = None,
    drop_cells: IntArray | None = None,
) -> Expectation | tuple[Outcome, str]:
    """Expectation of one run as the options ask for, or why there is none.

    `seen` and `listed` (N, N) are footprint and source list mask; `subset` (for `span` union) has the
    events from which each camera's source term is made; `drop_cells` are keys to leave out.
    """
    if not (cube.frames.usable & (cube.frames.exposed > 0)).any():
        return Outcome.NO_GOOD_FRAMES, f"none of {cube.frames.n_frames} frames can be searched"
    images = None
    if span == "union" and subset is not None:
        feeding = source_frames(cube, span)
        subset = shifted_subset(subset, cube.frames.t0 - subset.t0)
        images = camera_images(subset, cube.grid, cube.frames, cube.band, feeding, drop_cells)
    try:
        return build_expectation(
            cube,
            seen,
            listed,
            span=span,
            percentile_factor=settings.percentile_factor,
            min_source_counts=settings.min_source_counts,
            fill=settings.fill,
            smooth_sigma=settings.smooth_sigma_pix,
            smooth_below=settings.smooth_below_counts,
            camera_images=images,
            drop_cells=drop_cells,
        )
    except NoBackground as reason:
        return Outcome.NO_BACKGROUND, str(reason)


def main(job: Job) -> None:
    """Write the expectations of all runs of one observation; a run without one says why."""
    settings: ExpectationSettings = job.settings
    span = job.settings.span
    subsets = {subset.number: subset for subset in read_subsets(job.input.events)}
    sources = read_source_columns(job.input.events)
    keys = run_keys(job.input.cube)
    with create(job.output.expectation) as handle:
        for (number, grid), run in groupby(keys, key=lambda key: (key.subset, key.grid)):
            here = list(run)
            seen = grid_footprint(read_cubes(job.input.cube, widest(here)))
            header = subsets[number].header
            listed: BoolArray | None = None
            for key, cube in zip(here, read_cubes(job.input.cube, here), strict=True):
                if listed is None:
                    reference = (header.reference_ra, header.reference_dec)
                    listed = list_mask(sources, reference, cube.grid, settings)
                    write_list_mask(handle, number, grid, seen, listed)
                found = expect(cube, seen, listed, settings, span=span, subset=subsets[number])
                if isinstance(found, Expectation):
                    write_expectation(handle, key, found)
                else:
                    write_no_expectation(handle, key, *found)
                    log.warning("%s: %s, %s", key.path, found[0].value, found[1])
