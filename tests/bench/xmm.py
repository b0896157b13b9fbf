"""Speed of the XMM branch on the comparison case: 45 ks, 965,645 rows in three lists, 300 listed sources.

Nine searches (three frame lengths, three bands) in one process, from the gzipped files to regions, light
curves and features, beside a dense and readable evaluation of the same formulas timed in the same run;
and the chain of one observation through Snakemake on one core.

EXOD2 took 94 s and 3.5 GB for these nine searches of a case of the same size, on another machine.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

#: What EXOD2 took for nine searches without figures, imports included: seconds and megabytes.
EXOD2 = (94.0, 3485.0)

Row = tuple[str, float, str, str]


def run() -> list[Row]:
    """Rows of name, value, unit, note."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        from ephemera.xmm.simulate import peer_case

        peer_case(path / "0800000101")
        rows = _in_child("--nine", path)
        rows += _in_child("--dense", path)
        seconds = {name: value for name, value, _, _ in rows}
        fast, dense = seconds["xmm nine searches"], seconds["xmm dense twin, peaks of 50 s full band"]
        one = seconds["xmm sparse, peaks of 50 s full band"]
        rows.append(("xmm dense twin / sparse, 50 s full band", dense / one, "x", "same cells found"))
        rows.append(("xmm EXOD2 elsewhere / here", EXOD2[0] / fast, "x", "94 s on another machine"))
        rows += _in_child("--modes", path)
        rows += _through_snakemake(path)
    return rows


def _in_child(what: str, folder: Path) -> list[Row]:
    """Run a part of this file in a process of its own, so that its memory is its own."""
    answer = subprocess.run(
        [sys.executable, __file__, what, str(folder)], capture_output=True, text=True, check=True
    )
    rows = []
    for line in answer.stdout.splitlines():
        name, value, unit, note = line.split("\t")
        rows.append((name, float(value), unit, note))
    return rows


@contextmanager
def _timed(times: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    times[name] = times.get(name, 0.0) + time.perf_counter() - start


def nine(folder: Path) -> list[Row]:
    """All nine searches in one process, files to features."""
    start = time.perf_counter()
    from ephemera.config.xmm import Xmm
    from ephemera.job import peak_memory_mb
    from ephemera.xmm.bti import window_of
    from ephemera.xmm.cube import subset_cubes
    from ephemera.xmm.cube_store import RunKey
    from ephemera.xmm.detect import by_chance, detect
    from ephemera.xmm.events import find_bad_times, select_lists, sources_of
    from ephemera.xmm.expectation import expect, grid_footprint, list_mask, widest
    from ephemera.xmm.features import feature_values
    from ephemera.xmm.regions import Run, band_pair, find, light_curves
    from ephemera.xmm.subsets import SHORTEST_SPAN, subsets

    imports = time.perf_counter() - start
    times: dict[str, float] = {}
    options = Xmm()
    bins = options.cube.time_bins_s
    obsid = "0800000101"
    files = sorted((folder / obsid).glob("*IEVLI*.FTZ"))
    begin = time.perf_counter()
    with _timed(times, "read and select"):
        lists = select_lists(obsid, files, options.events).lists
        subset = subsets(lists, span="common", minimum_span=SHORTEST_SPAN)[0][0]
        sources = sources_of(obsid, sorted((folder / obsid).glob("*OBSMLI*")))[0]
    with _timed(times, "bad times"):
        bad = find_bad_times(subset, bins, options.events, [])
        intervals = {dt: bad[window_of(dt, None)].intervals for dt in bins}
    with _timed(times, "cells"):
        cubes = {
            RunKey(0, grid, cube.frames.dt, band): cube
            for grid, band, cube in subset_cubes(subset, intervals, options.cube)
        }
    header = subset.headers[0]
    with _timed(times, "expectation"):
        seen = grid_footprint(cubes[key] for key in widest(list(cubes)))
        reference = (header.reference_ra, header.reference_dec)
        listed = list_mask(sources, reference, next(iter(cubes.values())).grid, options.expectation)
    full, soft, hard = band_pair([key.band for key in cubes])
    n_regions = n_curves = 0
    for dt in bins:
        here = {key: cube for key, cube in cubes.items() if key.dt == dt}
        for key, cube in here.items():
            with _timed(times, "expectation"):
                factors = expect(cube, seen, listed, options.expectation)
            with _timed(times, "detection"):
                found = detect(cube, factors, options.detect)
                by_chance(factors, options.detect)
            one = Run(key, subset, cube, factors, found.cells, found.reason)
            with _timed(times, "regions"):
                regions = find(one, obsid, options.regions)
            parts = tuple(here[RunKey(0, 0, dt, band)] for band in (soft, hard)) if key.band == full else None
            with _timed(times, "light curves"):
                curves = light_curves(one, regions.regions, options.regions, parts)
            with _timed(times, "features"):
                for detid, curve in curves.curves():
                    feature_values(curve, detid=detid, t_bin=dt)
                    n_curves += 1
            n_regions += len(regions.regions)
        for key in here:
            del cubes[key]
    total = time.perf_counter() - begin
    peak = peak_memory_mb()
    note = f"{len(subset.events)} events searched, {n_regions} regions, {n_curves} light curves"
    rows = [("xmm nine searches", total, "s", note)]
    rows += [(f"xmm   {name}", value, "s", "") for name, value in times.items()]
    rows.append(("xmm   imports before", imports, "s", ""))
    return [*rows, ("xmm peak memory", peak, "MB", f"EXOD2 {EXOD2[1]:.0f} MB")]


def dense(folder: Path) -> list[Row]:
    """The search of one run, every cell of the dense cube, beside the sparse one."""
    from ephemera.config.xmm import Xmm
    from ephemera.xmm.bayes import thresholds
    from ephemera.xmm.bayes_factors import log10_bayes_peak
    from ephemera.xmm.bti import window_of
    from ephemera.xmm.cube import subset_cubes
    from ephemera.xmm.detect import detect
    from ephemera.xmm.events import find_bad_times, select_lists, sources_of
    from ephemera.xmm.expectation import expect, grid_footprint, list_mask
    from ephemera.xmm.subsets import SHORTEST_SPAN, subsets

    options = Xmm().model_copy(
        update={"cube": Xmm().cube.model_copy(update={"time_bins_s": [50.0], "bands_kev": [[0.2, 12.0]]})}
    )
    obsid = "0800000101"
    files = sorted((folder / obsid).glob("*IEVLI*.FTZ"))
    subset = subsets(
        select_lists(obsid, files, options.events).lists, span="common", minimum_span=SHORTEST_SPAN
    )[0][0]
    sources = sources_of(obsid, sorted((folder / obsid).glob("*OBSMLI*")))[0]
    bad = find_bad_times(subset, [50.0], options.events, [])[window_of(50.0, None)].intervals
    cube = next(cube for _, _, cube in subset_cubes(subset, {50.0: bad}, options.cube))
    header = subset.headers[0]
    listed = list_mask(sources, (header.reference_ra, header.reference_dec), cube.grid, options.expectation)
    factors = expect(cube, grid_footprint([cube]), listed, options.expectation)
    detect(cube, factors, options.detect)
    start = time.perf_counter()
    found = detect(cube, factors, options.detect)
    sparse = time.perf_counter() - start
    start = time.perf_counter()
    n = np.zeros((cube.frames.n_frames, cube.grid.n, cube.grid.n), np.int64)
    n.ravel()[cube.keys] = cube.counts
    mu = np.maximum(factors.dense(), options.detect.mu_floor)
    known = np.isfinite(mu) & (n >= options.detect.n_min)
    peaks = np.zeros(n.shape, bool)
    limit = thresholds(options.detect.threshold_sigma)[0]
    for frame in range(len(n)):
        here = known[frame]
        peaks[frame][here] = log10_bayes_peak(n[frame][here], mu[frame][here]) >= limit
    seconds = time.perf_counter() - start
    if int(peaks.sum()) != int(found.cells.is_peak.sum()):
        message = f"the dense twin finds {peaks.sum()} peaks, the sparse search {found.cells.is_peak.sum()}"
        raise AssertionError(message)
    return [
        ("xmm sparse, peaks of 50 s full band", sparse, "s", "eclipses, clean-up and false alarms too"),
        ("xmm dense twin, peaks of 50 s full band", seconds, "s", f"{n.size} cells"),
    ]


def modes(folder: Path) -> list[Row]:
    """The nine searches on one grid, beside those on shifted grids and with a second pass."""
    from ephemera.config.xmm import Xmm
    from ephemera.xmm.events import select_lists, sources_of
    from ephemera.xmm.search import in_mode, search
    from ephemera.xmm.subsets import SHORTEST_SPAN, subsets

    options = Xmm()
    obsid = "0800000101"
    files = sorted((folder / obsid).glob("*IEVLI*.FTZ"))
    lists = select_lists(obsid, files, options.events).lists
    subset = subsets(lists, span="common", minimum_span=SHORTEST_SPAN)[0][0]
    sources = sources_of(obsid, sorted((folder / obsid).glob("*OBSMLI*")))[0]
    seconds, rows = {}, []
    for mode in ("main", "time", "all", "second_pass"):
        start = time.perf_counter()
        found = sum(len(one.found.regions) for one in search(subset, sources, in_mode(options, mode)))
        seconds[mode] = time.perf_counter() - start
        ratio = seconds[mode] / seconds["main"]
        rows.append((f"xmm mode {mode} / one grid", ratio, "x", f"{seconds[mode]:.2f} s, {found} detections"))
    return rows


def _through_snakemake(folder: Path) -> list[Row]:
    """One observation on one core, every start included, without figures: seven steps, and the catalogue."""
    seven, _ = _run_snakemake(folder, "seven", "--until", "xmm_features")
    whole, work = _run_snakemake(folder, "whole")
    rows: list[Row] = [
        ("xmm one observation through Snakemake", seven, "s", "one core, its seven steps; wanted 6"),
        ("xmm the same, into a catalogue", whole, "s", "one core"),
    ]
    for path in sorted((work / "benchmarks/xmm").rglob("*.tsv"), key=lambda p: p.stat().st_mtime):
        names, values = (line.split("\t") for line in path.read_text().splitlines()[:2])
        rows.append((f"xmm   rule xmm_{path.parts[-3]}", float(values[names.index("s")]), "s", ""))
    return rows


def _run_snakemake(folder: Path, name: str, *arguments: str) -> tuple[float, Path]:
    """Seconds of a run from nothing in a folder of its own, and that folder."""
    repository = Path(__file__).resolve().parents[2]
    work = folder / name
    work.mkdir()
    for part in ("config", "profiles", "resources", "rules", "scripts", "workflow"):
        (work / part).symlink_to(repository / part)
    (work / "sheet.tsv").write_text(f"obsid\tsource\tlocation\n0800000101\tfolder\t{folder}/0800000101\n")
    (work / "overlay.yaml").write_text(
        "xmm: {samples: sheet.tsv, figures: {enabled: false}, sample_products: []}\n"
    )
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    options = ("--cores", "1", "--quiet", "all", "--configfile", "overlay.yaml")
    start = time.perf_counter()
    subprocess.run(
        ["snakemake", *options, *arguments], cwd=work, env=environment, check=True, capture_output=True
    )
    return time.perf_counter() - start, work


if __name__ == "__main__":
    parts = {"--nine": nine, "--dense": dense, "--modes": modes}
    if len(sys.argv) > 2:
        for row in parts[sys.argv[1]](Path(sys.argv[2])):
            sys.stdout.write("\t".join(map(str, row)) + "\n")
    else:
        for name, value, unit, note in run():
            sys.stdout.write(f"{name:45} {value:10.3f} {unit:4} {note}\n")
