"""Find the cells of an observation whose counts the expectation cannot explain.

Reads the cubes and expectations of all runs. Makes a table of significant cells with the verdict of the
clean-up, a table with one row for each run (outcome, numbers, what chance alone gives), and the
expectations of a second pass where one is asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ephemera.cubes import create, read_json
from ephemera.tables import write
from ephemera.xmm.bayes_limits import limits
from ephemera.xmm.cells import Cells
from ephemera.xmm.clean_up import Reason, clean_up
from ephemera.xmm.connected_regions import label_regions
from ephemera.xmm.cube_store import RunKey, read_cubes, run_keys
from ephemera.xmm.events_store import read_subsets
from ephemera.xmm.expectation import expect
from ephemera.xmm.expectation_store import read_expectation, read_list_mask, write_expectation
from ephemera.xmm.expected_counts import Expectation
from ephemera.xmm.expected_false import expected_false
from ephemera.xmm.observation import Band, IntArray, Subset, run_id
from ephemera.xmm.outcomes import Caution, Outcome
from ephemera.xmm.run_columns import RUNS, SIGNIFICANT_CELLS
from ephemera.xmm.significant_cells import region_cells, significant_cells
from ephemera.xmm.sparse_cube import SparseCube

if TYPE_CHECKING:
    from ephemera.config.xmm import Detect as DetectSettings
    from ephemera.config.xmm import Expectation as ExpectationSettings
    from ephemera.job import Job

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Found:
    """Significant cells of one run: all of them, and the clean-up's verdict on each."""

    cells: Cells
    reason: npt.NDArray[np.int8]

    @property
    def kept(self) -> Cells:
        """Cells that the clean-up keeps."""
        return self.cells.take(self.reason == Reason.KEPT)


def detect(
    cube: SparseCube, expectation: Expectation, settings: DetectSettings, subset: Subset | None = None
) -> Found:
    """Search one run as the options ask for.

    `subset` has the events, from which the published detector of 2020 works.
    """
    if settings.detector == "bayes":
        cells = significant_cells(
            cube,
            expectation,
            limits(settings.threshold_sigma),
            n_min=settings.n_min,
            mu_floor=settings.mu_floor,
            gauss_above_1000=settings.gauss_above_1000,
        )
    else:
        cells = older_cells(cube, expectation, settings, subset)
    return Found(cells, clean_up(cells, cube) if settings.clean_up else np.zeros(len(cells), np.int8))


def older_cells(
    cube: SparseCube, expectation: Expectation, settings: DetectSettings, subset: Subset | None
) -> Cells:
    """Cells of one of the older detectors; raises ValueError when the published one has no events."""
    from ephemera.xmm.varimage import varimage_cells
    from ephemera.xmm.varimage_published import published_cells

    if settings.detector == "varimage":
        return varimage_cells(cube, expectation, settings.varimage_sigma)
    if subset is None:
        msg = "detector varimage_published needs the events of the subset, got none"
        raise ValueError(msg)
    return published_cells(subset, cube, expectation)


def by_chance(expectation: Expectation, settings: DetectSettings) -> float | None:
    """Number of cells that chance alone gives; None for the older detectors, which do not say."""
    if settings.detector != "bayes":
        return None
    return expected_false(
        expectation, settings.threshold_sigma, n_min=settings.n_min, mu_floor=settings.mu_floor
    )


def detect_again(
    cube: SparseCube,
    first: Found,
    settings: DetectSettings,
    rebuild: Callable[[IntArray], Expectation | tuple[Outcome, str]],
) -> tuple[Expectation, Found] | str:
    """Second pass: the expectation without what was found first, and what it shows; or why there is none.

    A burst raises the images from which the expectation is made and so hides itself, and an eclipse lowers
    them; both make the rest of their pixels look wrong. `rebuild` makes the expectation without the cells of
    the regions in their significant frames, given their keys (see `region_cells`; empty cells are among
    them).
    """
    side = cube.grid.n
    expectation = rebuild(region_cells(first.kept, label_regions(first.kept, side), side))
    if isinstance(expectation, tuple):
        return f"no second pass: {expectation[1]}"
    return expectation, detect(cube, expectation, settings)


def run_row(key: RunKey, obsid: str, subset: Subset, cube: SparseCube, cautions: list[str]) -> dict[str, Any]:
    """Columns of the table of runs that do not depend on what was found."""
    frames = cube.frames
    low, high = key.band.kev
    n_events = int(cube.counts.sum())
    return {
        "runid": run_id(obsid, key.subset, key.dt, key.band),
        "obsid": obsid,
        "subset": key.subset,
        "grid": key.grid,
        "t_bin": key.dt,
        "e_min": low,
        "e_max": high,
        "cautions": " ".join(cautions + [Caution.ALL_BTI.value] * bool(frames.bti[frames.usable].all())),
        **subset.in_words,
        "t_start": frames.t0,
        "t_stop": frames.t1,
        "n_frames": frames.n_frames,
        "n_bti": int(frames.bti.sum()),
        "n_bccd": int(frames.bccd.sum()),
        "exposure": float(frames.exposed.sum() * frames.dt),
        "n_events": n_events,
        "mean_rate": n_events / (frames.t1 - frames.t0),
        "n_filled": len(cube.keys),
    }


def too_short_row(key: RunKey, obsid: str, subset: Subset) -> dict[str, Any]:
    """The row of a run that the span of its subset is too short for."""
    low, high = key.band.kev
    detail = f"the span of {subset.span:.0f} s is shorter than two frames of {key.dt:g} s"
    return {
        "runid": run_id(obsid, key.subset, key.dt, key.band), "obsid": obsid, "subset": key.subset, "grid": 0,
        "t_bin": key.dt, "e_min": low, "e_max": high, "t_start": subset.t0, "t_stop": subset.t1,
        "outcome": Outcome.NO_COMMON_TIME.value, "detail": detail,
    }  # fmt: skip


def found_row(
    expectation: Expectation, found: Found, settings: DetectSettings, detail: str = ""
) -> dict[str, Any]:
    """Columns of the table of runs that say what was found, and what there is to say about it."""
    kept = found.kept
    return {
        "outcome": (Outcome.OK if len(kept) else Outcome.OK_NO_REGIONS).value,
        "detail": detail,
        "n_cells": int(expectation.footprint.sum()) * int((expectation.frame_class >= 0).sum()),
        "n_pixels": int(expectation.footprint.sum()),
        "n_masked": int(expectation.mask.sum()),
        "template_bti": expectation.template_bti,
        "threshold_sigma": settings.threshold_sigma,
        "n_peaks": int(kept.is_peak.sum()),
        "n_eclipses": int(kept.is_eclipse.sum()),
        "n_rejected": len(found.cells) - len(kept),
        "n_false_expected": by_chance(expectation, settings),
    }


def main(job: Job) -> None:
    """Write the significant cells of all runs of one observation, and a row for each run."""
    settings: DetectSettings = job.settings
    obsid = job.wildcards.obsid
    # Only the source terms of single cameras are made from events again, and raw pixels are of events.
    with_events = settings.second_pass and job.settings.span == "union"
    with_events |= settings.detector == "varimage_published"
    subsets = {s.number: s for s in read_subsets(job.input.events, with_events=with_events)}
    known = {caution.value for caution in Caution}
    cautions = sorted({row["outcome"] for row in read_json(job.input.events, "outcomes")} & known)
    keys = run_keys(job.input.cube)
    rows, parts = [], []
    with create(job.output.second_pass) as handle:
        for key, cube in zip(keys, read_cubes(job.input.cube, keys), strict=True):
            row = run_row(key, obsid, subsets[key.subset], cube, cautions)
            expectation = read_expectation(job.input.expectation, key)
            if isinstance(expectation, tuple):
                rows.append(row | {"outcome": expectation[0].value, "detail": expectation[1]})
                continue
            found, detail = detect(cube, expectation, settings, subsets[key.subset]), ""
            if settings.second_pass and len(found.kept):
                again = detect_again(cube, found, settings, _rebuilder(job, key, cube, subsets[key.subset]))
                if isinstance(again, str):
                    detail = again
                else:
                    expectation, found = again
                    write_expectation(handle, key, expectation)
            rows.append(row | found_row(expectation, found, settings, detail))
            parts.append(_cell_columns(key, found))
            log.info("%s: %d cells kept. %s", key.path, len(found.kept), detail)
    for number, dt in read_json(job.input.cube, "too_short"):
        bands = [Band.from_kev(*band) for band in job.settings.bands_kev]
        rows += [too_short_row(RunKey(number, 0, dt, band), obsid, subsets[number]) for band in bands]
    names = SIGNIFICANT_CELLS.names
    cells: dict[str, npt.ArrayLike] = {
        n: np.concatenate([p[n] for p in parts]) if parts else [] for n in names
    }
    write(cells, SIGNIFICANT_CELLS, job.output.cells)
    write(rows, RUNS, job.output.runs)


def _rebuilder(
    job: Job, key: RunKey, cube: SparseCube, subset: Subset
) -> Callable[[IntArray], Expectation | tuple[Outcome, str]]:
    """Makes the expectation of a run anew without some cells."""
    settings: ExpectationSettings = job.settings.expectation
    seen, listed = read_list_mask(job.input.expectation, key.subset, key.grid)
    span = job.settings.span
    return lambda keys: expect(cube, seen, listed, settings, span=span, subset=subset, drop_cells=keys)


def _cell_columns(key: RunKey, found: Found) -> dict[str, npt.NDArray[Any]]:
    n = len(found.cells)
    run = {"subset": key.subset, "grid": key.grid, "band_low": key.band.low, "band_high": key.band.high}
    columns = {name: np.full(n, value, np.int32) for name, value in run.items()}
    cells = {f.name: getattr(found.cells, f.name) for f in fields(found.cells)}
    cells |= {name: cells[name].astype(np.int32) for name in ("i", "j", "frame")}
    columns |= {"t_bin": np.full(n, key.dt), "reason": found.reason.astype(np.uint8)}
    return columns | cells | {"kind": cells["kind"].astype(np.uint8)}
