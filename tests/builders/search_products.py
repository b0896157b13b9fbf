"""Everything that the search of one small observation saves, for tests of what reads it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from ephemera.cubes import create, write_json
from ephemera.job import Job
from ephemera.tables import write
from ephemera.xmm.background import NoBackground
from ephemera.xmm.bti import BadTime, flare_curve
from ephemera.xmm.connected_regions import find_regions
from ephemera.xmm.cube_store import RunKey, write_cube
from ephemera.xmm.detect import Found, detect, found_row, run_row
from ephemera.xmm.events_store import write_bad_times, write_subset
from ephemera.xmm.expectation_store import write_expectation, write_no_expectation
from ephemera.xmm.expected_counts import Expectation, build_expectation
from ephemera.xmm.frames import Frames
from ephemera.xmm.light_curve_files import write_light_curves
from ephemera.xmm.light_curves import region_light_curves
from ephemera.xmm.observation import Band, Camera, Events, Subset, run_id
from ephemera.xmm.outcomes import Outcome
from ephemera.xmm.positions import positions
from ephemera.xmm.region_columns import ALERTS, DETECTOR_COLUMNS, REGIONS
from ephemera.xmm.region_tables import cell_table, region_table
from ephemera.xmm.run_columns import RUNS
from ephemera.xmm.sparse_cube import SparseCube
from xmm_cubes import frames_of, grid_of, header_of, subset_of

OBSID = "0000000001"
DT, T0 = 10.0, 1000.0
SETTINGS = SimpleNamespace(
    detector="bayes",
    threshold_sigma=3.0,
    n_min=2,
    mu_floor=1e-6,
    gauss_above_1000=False,
    clean_up=False,
    second_pass=False,
)
LIST_ROW = {"obsid": OBSID, "file": "P0.FTZ", "run": "", "outcome": "ok", "detail": "9 events"}


def quiet_counts(n_frames: int = 60, side: int = 24, mean: float = 0.5, seed: int = 1) -> np.ndarray:
    """Counts (n_frames, side, side) of a steady background in the middle of the image."""
    counts = np.zeros((n_frames, side, side), np.int64)
    inside = counts[:, 3:-3, 3:-3]
    inside[:] = np.random.default_rng(seed).poisson(mean, inside.shape)
    return counts


def lively_counts() -> np.ndarray:
    """The same with a burst of 30 counts in pixel (12, 8), frame 20, and an eclipsed source at (6, 15)."""
    counts = quiet_counts()
    counts[20, 8, 12] += 30
    counts[:, 15, 6] += np.random.default_rng(2).poisson(40, len(counts))
    counts[40:43, 15, 6] = 0
    return counts


def write_observation(
    folder: Path, counts: Mapping[Band, np.ndarray], *, bti=(), bccd=(), object_name: str = "Field"
) -> Job:
    """Search `counts` (dense cells by band, frames of 10 s) and save all; returns the job that draws it."""
    folder.mkdir(parents=True)
    columns: dict[str, list[dict]] = {"regions": [], "cells": [], "runs": []}
    curves = []
    with (
        create(folder / "events.h5") as events,
        create(folder / "cube.h5") as cubes,
        create(folder / "expectation.h5") as expectations,
        create(folder / "second_pass.h5"),
    ):
        rows = [LIST_ROW] if counts else [{**LIST_ROW, "outcome": "no_lists", "detail": "nothing there"}]
        write_json(events, "outcomes", rows)
        if counts:
            frames, subset = _span(next(iter(counts.values())), bti, bccd, object_name)
            group = events.create_group("subset_0")
            write_subset(group, subset)
            bad = np.array([[T0 + DT * k, T0 + DT * (k + 1)] for k in bti]).reshape(-1, 2)
            write_bad_times(group, {DT: BadTime(bad, (flare_curve(subset, DT),))})
        for band, dense in counts.items():
            cube, key = _cube(dense, frames, band), RunKey(0, 0, DT, band)
            write_cube(cubes, key, cube)
            row = run_row(key, OBSID, subset, cube, [])
            expectation = _expectation(cube)
            if isinstance(expectation, str):
                write_no_expectation(expectations, key, Outcome(expectation), "made so")
                columns["runs"].append(row | {"outcome": expectation, "detail": "made so"})
                continue
            write_expectation(expectations, key, expectation)
            found = detect(cube, expectation, SETTINGS)
            columns["runs"].append(row | found_row(expectation, found, SETTINGS))
            curves.append(_add_regions(columns, found, cube, expectation, band))
    write({n: [row.get(n) for row in columns["runs"]] for n in RUNS.names}, RUNS, folder / "runs.parquet")
    for name, declaration in (("regions", REGIONS), ("cells", ALERTS)):
        parts = columns[name]
        table = {n: np.concatenate([p[n] for p in parts]) if parts else [] for n in declaration.names}
        write(table, declaration, folder / f"{name}.parquet")
    write_light_curves(folder / "light_curves.parquet", curves)
    return figure_job(folder)


def figure_job(folder: Path, most: int = 12, output: str = "figures", **asked: int) -> Job:
    """The job that draws what `write_observation` saved; `asked` are figures that are off by default."""
    extras = {"raw_images": False, "max_pixel_curves": 0, "max_animations": 0} | asked
    suffixes = {"events": "h5", "cube": "h5", "expectation": "h5", "second_pass": "h5"}
    tables = dict.fromkeys(("regions", "cells", "light_curves", "runs"), "parquet")
    inputs = {name: folder / f"{name}.{suffix}" for name, suffix in (suffixes | tables).items()}
    return Job(
        input=SimpleNamespace(**inputs), output=SimpleNamespace(figures=folder / output),
        settings=SimpleNamespace(max_light_curves=most, **extras), wildcards=SimpleNamespace(obsid=OBSID),
        recipe={}, threads=1,
    )  # fmt: skip


def _span(dense: np.ndarray, bti, bccd, object_name: str) -> tuple[Frames, Subset]:
    t1 = T0 + DT * len(dense)
    subset = subset_of(Events.empty(), T0, t1)
    header = replace(header_of(subset.cameras[0]), start=T0, stop=t1, object_name=object_name, kept_ccds=(1,))
    return frames_of(T0, t1, DT, bti=bti, bccd=bccd), replace(subset, headers=(header,))


def _cube(dense: np.ndarray, frames: Frames, band: Band) -> SparseCube:
    keys = np.flatnonzero(dense)
    return SparseCube(grid_of(dense.shape[1]), frames, band, keys, dense.ravel()[keys].astype(np.int32))


def _expectation(cube: SparseCube) -> Expectation | str:
    if not cube.frames.usable.any():
        return Outcome.NO_GOOD_FRAMES.value
    seen = cube.image(cube.frames.usable) > 0
    try:
        return build_expectation(cube, seen, np.zeros(seen.shape, bool))
    except NoBackground:
        return Outcome.NO_BACKGROUND.value


def _add_regions(columns: dict, found: Found, cube: SparseCube, expectation: Expectation, band: Band):
    regions = find_regions(found.kept, cube, OBSID, 0)
    where = positions(regions, found.kept, cube, expectation, None, 10.0, 0.0)
    curves = region_light_curves(cube, expectation, regions, header=header_of(Camera.PN))
    raw = {"frac_one_raw_pixel": np.full(len(regions), np.nan), "raw_pixel": np.full(len(regions), None)}
    raw |= {name: np.full(len(regions), np.nan) for name in (column.name for column in DETECTOR_COLUMNS)}
    columns["regions"].append(region_table(regions, where | raw, curves))
    runid = run_id(OBSID, 0, DT, band)
    columns["cells"].append(cell_table(found.cells, found.reason, cube, runid, regions))
    return curves
