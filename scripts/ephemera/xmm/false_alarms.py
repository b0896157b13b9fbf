"""What the search finds where nothing comes or goes: Poisson draws of every run, and shuffled events.

Reads the events, cubes and expectations of an observation. Draws cells from the expectation of each run and
counts the significant ones, beside the number that chance should give; and searches the events with their
times shuffled, in every way of searching that is asked for, as the observation itself was searched.
Makes one table with a row for each run, significance and selection of flags.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.seeds import generator
from ephemera.tables import write
from ephemera.xmm.bti import FlareCurve
from ephemera.xmm.completeness_columns import FALSE_ALARMS
from ephemera.xmm.connected_regions import label_regions
from ephemera.xmm.cube_store import RunKey, read_cubes, run_keys
from ephemera.xmm.detect import detect
from ephemera.xmm.events_store import read_source_columns
from ephemera.xmm.expectation_store import read_expectation
from ephemera.xmm.expected_counts import Expectation
from ephemera.xmm.expected_false import expected_false
from ephemera.xmm.features import detection_row, feature_values
from ephemera.xmm.flag_selections import judged, selected
from ephemera.xmm.observation import Subset
from ephemera.xmm.poisson_sky import draw_cube
from ephemera.xmm.region_tables import region_table
from ephemera.xmm.regions import light_curves
from ephemera.xmm.search import Mode, Searched, bad_intervals, in_mode, main_runs, search, searchable
from ephemera.xmm.shuffled_events import shuffled
from ephemera.xmm.source_mask import SourceList
from ephemera.xmm.sparse_cube import SparseCube

if TYPE_CHECKING:
    from ephemera.config.xmm import Xmm
    from ephemera.job import Job

log = logging.getLogger(__name__)

Row = dict[str, Any]


def drawn_rows(
    cube: SparseCube, expectation: Expectation, options: Xmm, rng: np.random.Generator
) -> list[Row]:
    """Rows of one run for Poisson draws: significant cells before the clean-up, regions after it.

    The cells are judged by Bayes factors, whatever the detector: cells have no events, and only Bayes factors
    say how many chance gives.

    Raises ValueError when `draws` is not positive.
    """
    settings = options.false_alarms
    if settings.draws < 1:
        msg = f"draws must be at least 1, got {settings.draws}"
        raise ValueError(msg)
    cells, regions = Counter[float](), Counter[float]()
    cubes = [draw_cube(cube, expectation, rng) for _ in range(settings.draws)]
    for sigma in settings.sigmas:
        at = SimpleNamespace(**{**vars(options.detect), "threshold_sigma": sigma, "detector": "bayes"})
        for drawn in cubes:
            found = detect(drawn, expectation, at)  # type: ignore[arg-type]
            cells[sigma] += len(found.cells)
            regions[sigma] += int(label_regions(found.kept, cube.grid.n).max(initial=-1)) + 1
    usable = int((expectation.frame_class >= 0).sum())
    detection = options.detect
    return [
        {
            "sigma": sigma, "selection": "all", "n_draws": settings.draws,
            "n_cells": int(expectation.footprint.sum()) * usable,
            "n_cells_found": cells[sigma], "n_regions_found": regions[sigma],
            "n_false_expected": expected_false(
                expectation, sigma, n_min=detection.n_min, mu_floor=detection.mu_floor
            ),
        }
        for sigma in settings.sigmas
    ]  # fmt: skip


def shuffled_rows(
    subset: Subset, sources: SourceList, options: Xmm, curves: Sequence[FlareCurve], seed: int
) -> Iterator[Row]:
    """Rows of one subset for shuffled events: detections by run, way of searching and selection of flags.

    Significances below the threshold of the search are left out.
    """
    settings = options.false_alarms
    untouched = search(subset, sources, in_mode(options, "main"), curves=curves)
    if not untouched:
        return
    first = untouched[0].run
    bad = next(iter(bad_intervals(subset, options, curves).values()))
    found: Counter[tuple[Mode, RunKey, float, str]] = Counter()
    cells: dict[tuple[Mode, RunKey], int] = {}
    for number in range(settings.shuffles):
        rng = generator(seed, subset.headers[0].obsid, subset.number, "shuffle", number)
        mixed = shuffled(subset, bad, first.expectation.mask, first.cube.grid, rng)
        for mode in settings.modes:
            for grids in main_runs(search(mixed, sources, in_mode(options, mode), curves=curves)):
                key = grids[0].key
                cells[mode, key] = sum(_cells_searched(one) for one in grids)
                rows = flagged(grids, sources, options)
                for sigma in judged(settings.sigmas, options.detect.threshold_sigma):
                    strong = [row for row in rows if row["best_sigma"] >= sigma]
                    for selection, count in selected(strong).items():
                        found[mode, key, sigma, selection] += count
    for (mode, key, sigma, selection), count in found.items():
        yield _run_of(key) | {
            "method": "shuffled", "mode": mode, "sigma": sigma, "selection": selection,
            "n_draws": settings.shuffles, "n_cells": cells[mode, key], "n_regions_found": count,
        }  # fmt: skip


def flagged(grids: Sequence[Searched], sources: SourceList, options: Xmm) -> list[Row]:
    """Detections of one frame length and band, on all grids, with their features and flags."""
    rows: list[Row] = []
    total = sum(len(one.found.regions) for one in grids)
    for one in grids:
        regions = one.found.regions
        if not len(regions):
            continue
        curves = light_curves(one.run, regions, options.regions, None)
        table = region_table(regions, one.found.columns, curves)
        subset = one.run.subset
        for k in range(len(regions)):
            region = {name: _plain(values[k]) for name, values in table.items()}
            values = feature_values(
                curves.curve(k), t_bin=one.key.dt, detid=region["detid"], min_gap=options.features.min_gap_s
            )
            row = detection_row(
                region, values, subset.header, sources,
                size_arcsec=subset.pixel_arcsec(options.cube.size_arcsec), n_regions=total,
                bad_observations=(), flux=False,
            )  # fmt: skip
            rows.append(row)
    return rows


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _cells_searched(one: Searched) -> int:
    expectation = one.run.expectation
    return int(expectation.footprint.sum()) * int((expectation.frame_class >= 0).sum())


def _run_of(key: RunKey) -> Row:
    low, high = key.band.kev
    return {"subset": key.subset, "t_bin": key.dt, "e_min": low, "e_max": high}


def poisson_rows(job: Job, options: Xmm) -> Iterator[Row]:
    """Rows of all runs on the main grid for Poisson draws."""
    keys = [key for key in run_keys(job.input.cube) if key.grid == 0]
    for key, cube in zip(keys, read_cubes(job.input.cube, keys), strict=True):
        expectation = read_expectation(job.input.expectation, key)
        if isinstance(expectation, tuple):
            continue
        rng = generator(job.settings.seed, job.wildcards.obsid, "draw", key.path)
        for row in drawn_rows(cube, expectation, options, rng):
            yield _run_of(key) | row | {"method": "poisson", "mode": "main"}
        log.info("%s: %d draws", key.path, options.false_alarms.draws)


def main(job: Job) -> None:
    """Write what is found in draws and shuffled events of one observation."""
    options = job.settings
    rows: list[Row] = list(poisson_rows(job, options)) if options.false_alarms.draws else []
    if options.false_alarms.shuffles:
        sources = read_source_columns(job.input.events)
        for subset, curves in searchable(job.input.events, options):
            rows += shuffled_rows(subset, sources, options, curves, options.seed)
            log.info("subset %d: %d shuffles", subset.number, options.false_alarms.shuffles)
    write([row | {"obsid": job.wildcards.obsid} for row in rows], FALSE_ALARMS, job.output.false_alarms)
