"""All searches of one subset in one process: from events to regions, with nothing written.

The steps of the workflow do the same one after the other, with files in between. Injections and shuffled
events are searched here, many times each; so are events in a notebook.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

from ephemera.xmm.bti import FlareCurve, window_of
from ephemera.xmm.cube import long_enough, subset_cubes
from ephemera.xmm.cube_store import RunKey
from ephemera.xmm.detect import Found, detect, detect_again
from ephemera.xmm.events import find_bad_times
from ephemera.xmm.events_store import read_bad_times, read_subsets
from ephemera.xmm.expectation import expect, grid_footprint, list_mask, widest
from ephemera.xmm.expected_counts import Expectation
from ephemera.xmm.grid import shifted_subset
from ephemera.xmm.observation import BoolArray, FloatArray, Subset
from ephemera.xmm.regions import FoundRegions, Run, find, merge
from ephemera.xmm.source_mask import SourceList
from ephemera.xmm.sparse_cube import SparseCube

if TYPE_CHECKING:
    from ephemera.config.xmm import Xmm

#: Ways to search: the options as they are on one grid, grids shifted by half a frame, by half a frame and
#: half a pixel, and a second pass without what the first one found.
Mode = Literal["main", "time", "all", "second_pass", "smooth_few"]
#: Counts a pixel below which the mode `smooth_few` smooths templates.
FEW_COUNTS = 25.0


@dataclass(frozen=True)
class Searched:
    """One run of a subset on one grid: cube, expectation, cells, and the regions left after merging."""

    run: Run
    found: FoundRegions

    @property
    def key(self) -> RunKey:
        """Which run."""
        return self.run.key


def in_mode(options: Xmm, mode: Mode) -> Any:
    """The options with shifted grids, second pass and smoothing as `mode` says, all others as they are.

    Raises ValueError for another mode, and for a second pass of another detector than Bayes factors.
    """
    grids = {"main": "none", "time": "time", "all": "all", "second_pass": "none", "smooth_few": "none"}
    if mode not in grids:
        msg = f"mode must be one of {', '.join(grids)}, got {mode!r}"
        raise ValueError(msg)
    if mode == "second_pass" and options.detect.detector != "bayes":
        msg = f"mode second_pass needs the detector bayes, got {options.detect.detector}"
        raise ValueError(msg)
    changed = dict(vars(options))
    changed["cube"] = SimpleNamespace(**{**vars(options.cube), "shifted_grids": grids[mode]})
    changed["detect"] = SimpleNamespace(**{**vars(options.detect), "second_pass": mode == "second_pass"})
    if mode == "smooth_few":
        few = {"smooth_below_counts": FEW_COUNTS}
        changed["expectation"] = SimpleNamespace(**{**vars(options.expectation), **few})
    return SimpleNamespace(**changed)


def searchable(events: Path, options: Xmm) -> Iterator[tuple[Subset, Sequence[FlareCurve]]]:
    """Subsets of a file of events that are long enough, with the pipeline's flare curves if used."""
    bad = read_bad_times(events)
    for subset in read_subsets(events):
        if long_enough(subset, min(options.cube.time_bins_s)):
            by_pipeline = options.events.bti == "fbktsr"
            yield subset, next(iter(bad[subset.number].values())).curves if by_pipeline else ()


def bad_intervals(
    subset: Subset, options: Xmm, curves: Sequence[FlareCurve] = ()
) -> Mapping[float, FloatArray]:
    """Bad times (k, 2) of a subset for each frame length."""
    bins, fixed = options.cube.time_bins_s, options.events.bti_window_s
    bad = find_bad_times(subset, bins, options.events, curves)
    return {dt: bad[window_of(dt, fixed)].intervals for dt in bins}


def search(
    subset: Subset,
    sources: SourceList,
    options: Xmm,
    *,
    curves: Sequence[FlareCurve] = (),
) -> list[Searched]:
    """Search one subset in every grid, frame length and band that the options ask for.

    `curves` are the pipeline's flare curves, for bad times by them. Runs without an expectation (no good
    frames, no background) are left out. Regions of several grids are merged.
    """
    obsid = subset.header.obsid
    found: dict[RunKey, Searched] = {}
    for cubes in _cubes_by_grid(subset, options, curves).values():
        seen = grid_footprint(cubes[key] for key in widest(list(cubes)))
        header = subset.header
        reference = (header.reference_ra, header.reference_dec)
        listed = list_mask(sources, reference, next(iter(cubes.values())).grid, options.expectation)
        for key in list(cubes):
            one = _search_run(key, subset, cubes.pop(key), seen, listed, options, obsid)
            if one is not None:
                found[key] = one
    left = merge({key: one.found for key, one in found.items()})
    return [replace(one, found=left[key]) for key, one in found.items()]


def _cubes_by_grid(
    subset: Subset, options: Xmm, curves: Sequence[FlareCurve]
) -> dict[int, dict[RunKey, SparseCube]]:
    cubes: dict[int, dict[RunKey, SparseCube]] = {}
    bad = bad_intervals(subset, options, curves)
    for grid, band, cube in subset_cubes(subset, bad, options.cube, options.events.span):
        cubes.setdefault(grid, {})[RunKey(subset.number, grid, cube.frames.dt, band)] = cube
    return cubes


def _search_run(
    key: RunKey,
    subset: Subset,
    cube: SparseCube,
    seen: BoolArray,
    listed: BoolArray,
    options: Xmm,
    obsid: str,
) -> Searched | None:
    span = options.events.span
    expectation = expect(cube, seen, listed, options.expectation, span=span, subset=subset)
    if not isinstance(expectation, Expectation):
        return None
    found = detect(cube, expectation, options.detect, subset)
    if options.detect.second_pass and len(found.kept):
        again = detect_again(
            cube,
            found,
            options.detect,
            lambda keys: expect(
                cube, seen, listed, options.expectation, span=span, subset=subset, drop_cells=keys
            ),
        )
        if not isinstance(again, str):
            expectation, found = again
    return _regions(key, subset, cube, expectation, found, options, obsid)


def _regions(
    key: RunKey,
    subset: Subset,
    cube: SparseCube,
    expectation: Expectation,
    found: Found,
    options: Xmm,
    obsid: str,
) -> Searched:
    moved = shifted_subset(subset, cube.frames.t0 - subset.t0)
    run = Run(key, moved, cube, expectation, found.cells, found.reason)
    return Searched(run, find(run, obsid, options.regions))


def main_runs(searched: Sequence[Searched]) -> Iterator[list[Searched]]:
    """Runs of one frame length and band over all grids, in order of frame length and band."""
    groups: dict[tuple[float, int, int], list[Searched]] = {}
    for one in searched:
        groups.setdefault((one.key.dt, one.key.band.low, one.key.band.high), []).append(one)
    yield from (groups[key] for key in sorted(groups))
