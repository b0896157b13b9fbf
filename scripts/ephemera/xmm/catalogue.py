"""One catalogue of all observations: detections, unique sources, outcomes, regions, coverage.

Reads the detections and runs of every observation. Detections closer than the cluster radius are one
source, whichever run or observation they come from. Makes FITS, VOTable and Parquet tables with units,
UCDs and descriptions on every column, DS9 regions and the coverage of the sky. The result does not
depend on the order of the observations.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ephemera.cubes import read_attribute, read_json
from ephemera.sky.coverage import (
    COVERAGE,
    Footprint,
    coverage_columns,
    footprint_moc,
    save_moc,
    space_time_moc,
    union,
)
from ephemera.sky.regions import circles
from ephemera.tables import read, write
from ephemera.xmm.bad_candidates import candidates
from ephemera.xmm.bti import bad_time_columns
from ephemera.xmm.catalogue_columns import (
    BAD_TIMES,
    CANDIDATES,
    CATALOGUE_DETECTIONS,
    OUTCOMES,
    REGISTRY,
    SELECTION,
    SOURCES,
    catalogue_header,
)
from ephemera.xmm.cube_store import run_keys
from ephemera.xmm.detection_columns import DETECTIONS
from ephemera.xmm.events_store import read_bad_times, read_subsets
from ephemera.xmm.expectation_store import read_expectation
from ephemera.xmm.hot_regions import flag_hot
from ephemera.xmm.observation import UNIT_ARCSEC, Subset
from ephemera.xmm.registry import read_registry
from ephemera.xmm.run_columns import RUNS
from ephemera.xmm.sample_columns import HOT_FLAGS
from ephemera.xmm.sources import unique_sources

if TYPE_CHECKING:
    from ephemera.config.xmm_catalogue import Catalogue as CatalogueSettings
    from ephemera.job import Job

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """What a run searched, between two MJDs (TT)."""

    footprint: Footprint
    start: float
    stop: float


def combine(tables: Sequence[pa.Table], key: Sequence[str]) -> pa.Table:
    """All rows of `tables`, sorted by the columns `key`; their order does not matter."""
    return pa.concat_tables(tables).sort_by([(name, "ascending") for name in key])


def outcome_rows(events: Sequence[Path], runs: pa.Table) -> list[dict[str, Any]]:
    """How every list, run and observation ended."""
    rows = [row for path in events for row in read_json(path, "outcomes")]
    for run in runs.select(["obsid", "runid", "grid", "outcome", "detail"]).to_pylist():
        name = f"{run['runid']}_g{run['grid']}" if run["grid"] else run["runid"]
        rows.append(
            {"obsid": run["obsid"], "file": "", "run": name} | {k: run[k] for k in ("outcome", "detail")}
        )
    return sorted(rows, key=lambda row: tuple(str(row[name]) for name in OUTCOMES.names))


def bad_times(observations: Mapping[Path, Sequence[Subset]]) -> pa.Table:
    """Bad times of all observations (their subsets by event file), by subset and window length."""
    tables = [BAD_TIMES.empty()]
    for path, subsets in observations.items():
        obsid = read_attribute(path, "obsid")
        headers = {subset.number: subset.headers[0] for subset in subsets}
        for number, windows in read_bad_times(path).items():
            for window, bad in windows.items():
                columns = bad_time_columns(bad, headers[number])
                n = len(next(iter(columns.values())))
                key = {"obsid": [obsid] * n, "subset": np.full(n, number), "window": np.full(n, window)}
                tables.append(BAD_TIMES.arrow(key | columns))
    return pa.concat_tables(tables)


def selection_rows(events: Sequence[Path]) -> list[dict[str, Any]]:
    """Rows in and out of every cut of every list."""
    return [
        {"obsid": obsid, "file": file, "step": step, "cut": cut.pop("name"), **cut}
        for path in events
        for obsid in [read_attribute(path, "obsid")]
        for file, cuts in sorted(read_json(path, "cuts").items())
        for step, cut in enumerate(cuts)
    ]


def footprints(
    observations: Mapping[Path, Sequence[Subset]],
    expectations: Sequence[Path],
    size_arcsec: float,
    order: int,
) -> list[Seen]:
    """What each run of the main grid searched, for how long, and when; `size_arcsec` is the pixel of EPIC."""
    found: list[Seen] = []
    for several, path in zip(observations.values(), expectations, strict=True):
        subsets = {subset.number: subset for subset in several}
        mocs: dict[bytes, Any] = {}
        for key in run_keys(path):
            expectation = read_expectation(path, key)
            if key.grid or isinstance(expectation, tuple):
                continue
            header = subsets[key.subset].header
            seen = expectation.footprint
            name = bytes([key.subset]) + seen.tobytes()
            if name not in mocs:
                plane = header.plane
                units = round(subsets[key.subset].pixel_arcsec(size_arcsec) / UNIT_ARCSEC)
                mocs[name] = footprint_moc(seen, units, plane, order=order)
            exposure = float(expectation.exposed.mean(axis=0).sum() * key.dt)
            low, high = key.band.kev
            start, stop = subsets[key.subset].span_mjd
            found.append(Seen(Footprint(mocs[name], exposure, key.dt, low, high), start, stop))
    return found


def write_coverage(seen: Sequence[Seen], folder: Path, order: int, *, space_time: bool) -> None:
    """One map for each frame length and band, and the space-time map if asked for."""
    folder.mkdir(parents=True)
    runs: dict[str, list[Footprint]] = {}
    for one in seen:
        f = one.footprint
        runs.setdefault(f"t{f.t_bin:g}_{f.e_min:g}_{f.e_max:g}", []).append(f)
    for name, members in sorted(runs.items()):
        save_moc(union([f.moc for f in members], order=order), folder / f"{name}.fits")
    if space_time and seen:
        once = {(one.start, one.stop, id(one.footprint.moc)): one for one in seen}.values()
        starts, stops = [one.start for one in once], [one.stop for one in once]
        whole = space_time_moc(starts, stops, [one.footprint.moc for one in once])
        save_moc(whole, folder / "space_time.fits")


def region_text(detections: pa.Table) -> str:
    """DS9 regions of the catalogue: a circle of 20 arcsec for each detection, coloured by its type."""
    ra, dec, kinds, labels = (detections[name].to_pylist() for name in ("ra", "dec", "type", "detid"))
    return circles(ra, dec, kinds, labels)


def write_tables(job: Job, detections: pa.Table, registered: Sequence[Mapping[str, Any]]) -> pa.Table:
    """Write detections and sources in all formats, and the registry; returns the detections."""
    numbers, columns, registry = unique_sources(detections, job.settings, registered)
    detections = detections.append_column("srcid", pa.array(numbers))
    meta = catalogue_header(job, len(job.input.events))
    for table, declaration, name in (
        (detections, CATALOGUE_DETECTIONS, "detections"),
        (columns, SOURCES, "sources"),
    ):
        for suffix in ("", "_fits", "_votable"):
            write(table, declaration, getattr(job.output, name + suffix), meta)
    write(registry, REGISTRY, job.output.registry)
    log.info("%d detections, %d sources", len(detections), len(np.asarray(columns["srcid"])))
    return detections


def main(job: Job) -> None:
    """Write the catalogue of one project."""
    settings: CatalogueSettings = job.settings
    detections = combine([read(path, DETECTIONS) for path in job.input.detections], ["detid"])
    runs = combine([read(path, RUNS) for path in job.input.runs], ["runid", "grid"])
    for path in job.input.hot_flags:
        detections = flag_hot(detections, read(path, HOT_FLAGS))
    detections = write_tables(job, detections, read_registry(settings.registry))
    write(runs, RUNS, job.output.runs)
    observations = {path: read_subsets(path, with_events=False) for path in job.input.events}
    write(bad_times(observations), BAD_TIMES, job.output.bad_times)
    suspects = candidates(
        observations,
        detections,
        vars(settings.bad_objects),
        max_pointing_arcsec=settings.max_pointing_drift_arcsec,
        max_angle_deg=settings.max_angle_drift_deg,
    )
    write(outcome_rows(job.input.events, runs), OUTCOMES, job.output.outcomes)
    write(selection_rows(job.input.events), SELECTION, job.output.selection)
    write(suspects, CANDIDATES, job.output.candidates)
    job.output.regions.write_text(region_text(detections), encoding="utf-8")
    size = job.settings.size_arcsec
    seen = footprints(observations, job.input.expectations, size, settings.coverage_order)
    order = settings.coverage_order
    save_moc(union([one.footprint.moc for one in seen], order=order), job.output.coverage)
    write_coverage(seen, job.output.coverage_maps, order, space_time=settings.space_time_coverage)
    write(coverage_columns([one.footprint for one in seen]), COVERAGE, job.output.coverage_table)
