"""One catalogue of all observations: detections, unique sources, outcomes, regions, coverage.

Reads the detections and runs of every observation. Detections closer than the cluster radius are one
source, whichever run or observation they come from. Makes FITS, VOTable and Parquet tables with units,
UCDs and descriptions on every column, DS9 regions and the coverage of the sky. The result does not
depend on the order of the observations.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ephemera.cubes import read_attribute, read_json
from ephemera.sky.clusters import cluster
from ephemera.sky.clusters import sources as cluster_sources
from ephemera.sky.coverage import COVERAGE, Footprint, coverage_columns, footprint_moc, save_moc, union
from ephemera.sky.names import iau_names
from ephemera.sky.regions import circles
from ephemera.sky.tan import Plane
from ephemera.tables import read, write
from ephemera.xmm.bti import bad_time_columns
from ephemera.xmm.catalogue_columns import (
    BAD_TIMES,
    CANDIDATES,
    CATALOGUE_DETECTIONS,
    OUTCOMES,
    SELECTION,
    SOURCES,
)
from ephemera.xmm.cube_store import run_keys
from ephemera.xmm.detection_columns import DETECTIONS
from ephemera.xmm.events_store import read_bad_times, read_subsets
from ephemera.xmm.expectation_store import read_expectation
from ephemera.xmm.feature_flags import MANY_REGIONS
from ephemera.xmm.observation import UNIT_ARCSEC, Subset
from ephemera.xmm.run_columns import RUNS

if TYPE_CHECKING:
    from ephemera.config.xmm import Catalogue as CatalogueSettings
    from ephemera.job import Job

log = logging.getLogger(__name__)


def combine(tables: Sequence[pa.Table], key: Sequence[str]) -> pa.Table:
    """All rows of `tables`, sorted by the columns `key`; their order does not matter."""
    return pa.concat_tables(tables).sort_by([(name, "ascending") for name in key])


def unique_sources(
    detections: pa.Table, settings: CatalogueSettings
) -> tuple[npt.NDArray[np.int64], Mapping[str, npt.ArrayLike]]:
    """Source number of each detection, and the columns of the table of sources.

    Sources are numbered from 1 in order of right ascension, then declination, of their first member.
    """
    ra, dec, poserr = (detections[name].to_numpy() for name in ("ra", "dec", "poserr"))
    labels = cluster(ra, dec, settings.cluster_radius_arcsec, settings.linkage)
    found = cluster_sources(ra, dec, poserr, labels)
    sigma = np.fmax(*(_real(detections, name) for name in ("sigma_peak", "sigma_eclipse")))
    detid, obsid = (detections[name].to_numpy(zero_copy_only=False) for name in ("detid", "obsid"))
    order = np.lexsort((detid, -sigma, labels))
    best = order[np.flatnonzero(np.diff(labels[order], prepend=-1))]
    pairs = sorted(set(zip(labels.tolist(), obsid.tolist(), strict=True)))
    peak = _real(detections, "mjd_peak")
    columns: dict[str, npt.ArrayLike] = {
        "srcid": found.label + 1,
        "name": iau_names(found.ra, found.dec, settings.name_prefix),
        "ra": found.ra,
        "dec": found.dec,
        "poserr": found.poserr,
        "n_detections": found.n_members.astype(np.int32),
        "n_obs": np.bincount([label for label, _ in pairs], minlength=len(best)).astype(np.int32),
        "best_sigma": sigma[best],
        "best_detid": detid[best],
        "max_sep": found.max_sep_arcsec,
        "first_seen": _extreme(peak, labels, np.fmin),
        "last_seen": _extreme(peak, labels, np.fmax),
        "n_peaks_total": _sum(_real(detections, "n_peaks"), labels),
        "hr": _real(detections, "hr")[best],
        "chain": found.chain,
    }
    return labels + 1, columns


def _real(table: pa.Table, name: str) -> npt.NDArray[np.float64]:
    """A column as float64, null as NaN."""
    return np.asarray(table[name].cast(pa.float64()).to_numpy(), np.float64)


def _extreme(
    values: npt.NDArray[np.float64], labels: npt.NDArray[np.int64], choose: np.ufunc
) -> npt.NDArray[np.float64]:
    result = np.full(int(labels.max(initial=-1)) + 1, np.nan)
    choose.at(result, labels, values)
    return result


def _sum(values: npt.NDArray[np.float64], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    total = np.bincount(labels, np.nan_to_num(values), minlength=int(labels.max(initial=-1)) + 1)
    return total.astype(np.int32)


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


def candidates(
    observations: Mapping[Path, Sequence[Subset]],
    detections: pa.Table,
    bad_objects: Mapping[str, Sequence[str]],
) -> list[dict[str, Any]]:
    """Observations with more than 20 regions in a run, or of an object that makes false detections.

    `bad_objects` maps a reason to names; a name counts where OBJECT holds it, whatever its case.
    """
    rows = []
    in_run = Counter(zip(detections["obsid"].to_pylist(), detections["runid"].to_pylist(), strict=True))
    for (obsid, runid), number in sorted(in_run.items()):
        if number > MANY_REGIONS:
            rows.append({"obsid": obsid, "reason": None, "evidence": f"{number} regions in run {runid}"})
    for path, subsets in observations.items():
        names = {header.object_name for subset in subsets for header in subset.headers}
        for reason, known in bad_objects.items():
            for name in sorted(names):
                if any(bad.lower() in name.lower() for bad in known):
                    evidence = {"reason": reason, "evidence": f"OBJECT is {name}"}
                    rows.append({"obsid": read_attribute(path, "obsid")} | evidence)
    return sorted(rows, key=lambda row: (row["obsid"], row["evidence"]))


def footprints(
    observations: Mapping[Path, Sequence[Subset]],
    expectations: Sequence[Path],
    pixel_units: float,
    order: int,
) -> list[Footprint]:
    """What each run of the main grid searched, and for how long."""
    found = []
    for several, path in zip(observations.values(), expectations, strict=True):
        subsets = {subset.number: subset for subset in several}
        mocs: dict[bytes, Any] = {}
        for key in run_keys(path):
            expectation = read_expectation(path, key)
            if key.grid or isinstance(expectation, tuple):
                continue
            header = subsets[key.subset].headers[0]
            seen = expectation.footprint
            name = bytes([key.subset]) + seen.tobytes()
            if name not in mocs:
                plane = Plane(header.reference_ra, header.reference_dec)
                mocs[name] = footprint_moc(seen, pixel_units, plane, order=order)
            exposure = float(expectation.exposed.mean(axis=0).sum() * key.dt)
            found.append(Footprint(mocs[name], exposure, key.dt, *key.band.kev))
    return found


def region_text(detections: pa.Table) -> str:
    """DS9 regions of the catalogue: a circle of 20 arcsec for each detection, coloured by its type."""
    ra, dec, kinds, labels = (detections[name].to_pylist() for name in ("ra", "dec", "type", "detid"))
    return circles(ra, dec, kinds, labels)


def main(job: Job) -> None:
    """Write the catalogue of one project."""
    settings: CatalogueSettings = job.settings
    detections = combine([read(path, DETECTIONS) for path in job.input.detections], ["detid"])
    runs = combine([read(path, RUNS) for path in job.input.runs], ["runid", "grid"])
    numbers, columns = unique_sources(detections, settings)
    detections = detections.append_column("srcid", pa.array(numbers))
    meta = {"project": job.wildcards.project, "recipe": job.recipe["key"], "n_obs": len(job.input.events)}
    for table, declaration, name in (
        (detections, CATALOGUE_DETECTIONS, "detections"),
        (columns, SOURCES, "sources"),
    ):
        for suffix in ("", "_parquet", "_votable"):
            write(table, declaration, getattr(job.output, name + suffix), meta)
    write(runs, RUNS, job.output.runs)
    rows = outcome_rows(job.input.events, runs)
    write({n: [row[n] for row in rows] for n in OUTCOMES.names}, OUTCOMES, job.output.outcomes)
    observations = {path: read_subsets(path, with_events=False) for path in job.input.events}
    write(bad_times(observations), BAD_TIMES, job.output.bad_times)
    for name, declaration, table in (
        ("selection", SELECTION, selection_rows(job.input.events)),
        ("candidates", CANDIDATES, candidates(observations, detections, vars(settings.bad_objects))),
    ):
        columns_of = {column: [row[column] for row in table] for column in declaration.names}
        write(columns_of, declaration, getattr(job.output, name))
    job.output.regions.write_text(region_text(detections), encoding="utf-8")
    width = round(job.settings.size_arcsec / UNIT_ARCSEC)
    seen = footprints(observations, job.input.expectations, width, settings.coverage_order)
    save_moc(union([f.moc for f in seen], order=settings.coverage_order), job.output.coverage)
    write(coverage_columns(seen), COVERAGE, job.output.coverage_table)
    log.info("%d detections, %d sources", len(detections), len(np.asarray(columns["srcid"])))
