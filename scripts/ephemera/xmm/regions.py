"""Join significant cells into regions: one detection each, with a position and a light curve.

Reads the events, cubes, expectations and significant cells of an observation. Makes the table of its
detections, the table of its cells (kept and rejected) and the file of light curves. Runs on shifted
grids find the same burst several times: of those the most significant detection stays.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ephemera.tables import TableDeclaration, arrays, read, write
from ephemera.xmm.cells import Cells
from ephemera.xmm.connected_regions import Columns, Regions, find_regions
from ephemera.xmm.cube_store import RunKey, read_cubes, run_keys
from ephemera.xmm.detector_positions import median_detector, pointing_angle, rotated
from ephemera.xmm.events_store import read_source_columns, read_subsets
from ephemera.xmm.expectation_store import read_expectation
from ephemera.xmm.expected_counts import Expectation
from ephemera.xmm.feature_events import raw_pixel_share
from ephemera.xmm.grid import shifted_subset
from ephemera.xmm.light_curve_files import write_light_curves
from ephemera.xmm.light_curves import LightCurves, region_light_curves
from ephemera.xmm.observation import Band, Events, Subset, run_id
from ephemera.xmm.positions import astrometric_shift, positions, shifted
from ephemera.xmm.region_columns import ALERTS, REGIONS
from ephemera.xmm.region_events import RegionEvents, region_events, significant_frames
from ephemera.xmm.region_tables import cell_table, region_table
from ephemera.xmm.run_columns import SIGNIFICANT_CELLS
from ephemera.xmm.shifted_grids import GridDetections, merge_grids
from ephemera.xmm.sparse_cube import SparseCube

if TYPE_CHECKING:
    from ephemera.config.xmm import Regions as RegionSettings
    from ephemera.job import Job

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Run:
    """One run with what detection found in it: all cells, and the verdict of the clean-up (0 is kept)."""

    key: RunKey
    subset: Subset
    cube: SparseCube
    expectation: Expectation
    cells: Cells
    reason: npt.NDArray[np.int8]

    @property
    def kept(self) -> Cells:
        """Cells that make regions."""
        return self.cells.take(self.reason == 0)


@dataclass(frozen=True)
class FoundRegions:
    """Regions of one run and their columns of positions and raw pixels."""

    regions: Regions
    columns: Columns
    spans: GridDetections


def find(
    run: Run, obsid: str, settings: RegionSettings, shift: tuple[float, float] = (0.0, 0.0)
) -> FoundRegions:
    """Regions of one run with positions, moved by `shift` (degrees), as the options ask for."""
    regions = find_regions(
        run.kept,
        run.cube,
        obsid,
        run.subset.number,
        connectivity=settings.connectivity,
        max_area=settings.max_area,
        grid_number=run.key.grid,
    )
    header = run.subset.header
    events = run.subset.events
    where = positions(
        regions,
        run.kept,
        run.cube,
        run.expectation,
        events if settings.event_position else None,
        header.reference_ra,
        header.reference_dec,
        header.telescope,
    )
    where = shifted(where, shift)
    frames = significant_frames(run.kept, regions)
    edges = run.cube.frames.edges
    spans = GridDetections(
        x=where["x"],
        y=where["y"],
        sigma=regions["best_sigma"],
        label=frames.region,
        start=edges[frames.frame],
        stop=edges[frames.frame + 1],
    )
    return FoundRegions(regions, where | _on_detectors(run, regions, where), spans)


def _on_detectors(run: Run, regions: Regions, where: Columns) -> Columns:
    """Where on the detectors the events of each region lie; sky coordinates turned back to them."""
    inside = region_events(run.subset.events, run.kept, run.cube, regions)
    angle = np.full(len(regions), pointing_angle(run.subset))
    x, y = rotated(where["x"], where["y"], angle)
    median = median_detector(run.subset.events, inside, len(regions))
    return (
        _raw_pixels(run.subset.events, inside, regions) | median | {"pa_pnt": angle, "rot_x": x, "rot_y": y}
    )


def _raw_pixels(events: Events, inside: RegionEvents, regions: Regions) -> Columns:
    """Largest share of the events of each region in one raw pixel of a detector."""
    start = np.searchsorted(inside.region, np.arange(len(regions) + 1))
    shares = []
    for first, last in pairwise(start):
        mine = inside.event[first:last]
        raw = (events.camera[mine], events.ccd[mine], events.rawx[mine], events.rawy[mine])
        shares.append(raw_pixel_share(*raw))
    return {
        "frac_one_raw_pixel": np.array([share.fraction for share in shares], np.float64),
        "raw_pixel": np.array([share.raw_pixel for share in shares], object),
    }


def merge(found: Mapping[RunKey, FoundRegions]) -> dict[RunKey, FoundRegions]:
    """What is left of each run's regions when those found on several grids are merged."""
    left: dict[RunKey, FoundRegions] = {}
    order = sorted(found, key=lambda key: (key.subset, key.dt, key.band.low, key.band.high, key.grid))
    for _, group in groupby(order, key=lambda key: (key.subset, key.dt, key.band)):
        keys = list(group)
        merged = merge_grids([found[key].spans for key in keys], found[keys[0]].regions.grid.width)
        for number, key in enumerate(keys):
            rows = merged.row[merged.grid == number]
            one = found[key]
            n_found = merged.found_on[merged.grid == number].astype(np.int32)
            grids = {"n_grids": np.full(len(rows), merged.n_grids, np.int32), "n_grids_found": n_found}
            columns = {name: values[rows] for name, values in one.columns.items()} | grids
            left[key] = replace(
                one, regions=one.regions.take(rows), columns=columns, spans=one.spans.take(rows)
            )
    return left


def band_pair(bands: Sequence[Band]) -> tuple[Band, Band, Band] | None:
    """The full band among `bands` and the soft and the hard band that make it up; None without such three."""
    for full in bands:
        for soft in bands:
            hard = Band(soft.high, full.high)
            if soft.low == full.low and soft.high < full.high and hard in bands:
                return full, soft, hard
    return None


def light_curves(run: Run, regions: Regions, settings: RegionSettings, parts: Parts | None) -> LightCurves:
    """Light curves of some regions of a run; `parts` are the soft and hard cubes of the full band."""
    return region_light_curves(
        run.cube,
        run.expectation,
        regions,
        header=run.subset.header,
        area=settings.light_curve_area,
        soft=parts[0] if parts else None,
        hard=parts[1] if parts else None,
        subset=run.subset if parts else None,
    )


Parts = tuple[SparseCube, SparseCube]


@dataclass(frozen=True)
class Observation:
    """The files of one observation that this step reads."""

    events: Path
    cube: Path
    expectation: Path
    second_pass: Path
    cells: Path

    def runs(self) -> Iterator[tuple[Run, Parts | None]]:
        """All runs that have an expectation; with the soft and hard cubes where it is the full band."""
        subsets = {subset.number: subset for subset in read_subsets(self.events)}
        table = arrays(read(self.cells, SIGNIFICANT_CELLS))
        keys = run_keys(self.cube)
        for _, group in groupby(keys, key=lambda key: key.frames_path):
            here = list(group)
            cubes = dict(zip(here, read_cubes(self.cube, here), strict=True))
            bands = band_pair([key.band for key in here])
            for key, cube in cubes.items():
                expectation = read_expectation(self.expectation, key, self.second_pass)
                if isinstance(expectation, tuple):
                    continue
                subset = subsets[key.subset]
                subset = shifted_subset(subset, cube.frames.t0 - subset.t0)
                cells, reason = _cells_of(table, key)
                parts = None
                if bands is not None and key.band == bands[0]:
                    parts = (cubes[replace(key, band=bands[1])], cubes[replace(key, band=bands[2])])
                yield Run(key, subset, cube, expectation, cells, reason), parts


def _cells_of(table: Mapping[str, npt.NDArray[Any]], key: RunKey) -> tuple[Cells, npt.NDArray[np.int8]]:
    mine = (
        (table["subset"] == key.subset)
        & (table["grid"] == key.grid)
        & (table["t_bin"] == key.dt)
        & (table["band_low"] == key.band.low)
        & (table["band_high"] == key.band.high)
    )
    part = {name: values[mine] for name, values in table.items()}
    whole = {name: part[name].astype(np.int64) for name in ("i", "j", "frame", "n")}
    real = {name: part[name] for name in ("mu", "log10_b", "sigma")}
    return Cells(kind=part["kind"].astype(np.int8), **whole, **real), part["reason"].astype(np.int8)


def main(job: Job) -> None:
    """Write regions, cells and light curves of one observation."""
    settings: RegionSettings = job.settings
    obsid: str = job.wildcards.obsid
    files = Observation(*(getattr(job.input, name) for name in Observation.__dataclass_fields__))
    cell_rows: list[Columns] = []
    found: dict[RunKey, FoundRegions] = {}
    shift = (0.0, 0.0)
    if settings.astrometric_shift:
        sources = read_source_columns(files.events)
        shift = astrometric_shift(sources.ra, sources.dec, sources.ra_corr, sources.dec_corr)
    for run, _ in files.runs():
        if len(run.cells):
            found[run.key] = find(run, obsid, settings, shift)
            runid = run_id(obsid, run.key.subset, run.key.dt, run.key.band)
            cell_rows.append(cell_table(run.cells, run.reason, run.cube, runid, found[run.key].regions))
    left = merge(found)
    region_rows: list[Columns] = []

    def curves() -> Iterator[LightCurves]:
        for run, parts in files.runs():
            if run.key in left and len(left[run.key].regions):
                here = left[run.key]
                made = light_curves(run, here.regions, settings, parts)
                region_rows.append(region_table(here.regions, here.columns, made))
                yield made

    write_light_curves(job.output.light_curves, curves())
    write(_joined(region_rows, REGIONS), REGIONS, job.output.regions)
    write(_joined(cell_rows, ALERTS), ALERTS, job.output.cells)
    log.info("%s: %d detections", obsid, sum(len(rows["detid"]) for rows in region_rows))


def _joined(parts: Sequence[Columns], declaration: TableDeclaration) -> Mapping[str, npt.ArrayLike]:
    """Tables of all runs, one below the other; empty columns when there are none."""
    nothing = [np.empty(0, object)] * (not parts)
    return {name: np.concatenate([*nothing, *(part[name] for part in parts)]) for name in declaration.names}
