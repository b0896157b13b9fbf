"""The tables of a project over all its batches, and what opens them.

Reads the tables that the steps made for each batch. Makes one Parquet file a table (zstd, sorted by its
key); epochs, which are many, stay in one file a batch. Beside them `views.sql` names them for DuckDB, where
the views of detections and features hide what was simulated; `detection_all` and `features_all` do not.
On request the tables are also written as FITS, VOTable, ECSV or CSV, and light curves as HDF5.
"""

from __future__ import annotations

import csv
import logging
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from ephemera.survey.columns import (
    CURVE,
    DETECTION,
    EFFICIENCY,
    EPOCH,
    INJECTION,
    OUTCOME,
    PROPERTIES,
    RATES,
    RAW,
    SOURCE,
)
from ephemera.survey.database import views
from ephemera.survey.describing import FEATURES
from ephemera.survey.hdf5_tables import write_light_curves
from ephemera.survey.outcomes import Status
from ephemera.survey.parquet_tables import (
    join,
    parquet_schema,
    plain,
    read_table,
    table_of_rows,
    write_table,
)
from ephemera.tables import TableDeclaration, write

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Tables of a project but for epochs, in order.
DECLARATIONS: Mapping[str, TableDeclaration] = {
    d.name: d
    for d in (SOURCE, RAW, OUTCOME, CURVE, DETECTION, INJECTION, FEATURES, PROPERTIES, EFFICIENCY, RATES)
}
#: Suffix of each export format.
SUFFIXES = {"fits": ".fits", "csv": ".csv", "votable": ".vot", "ecsv": ".ecsv"}
#: Which status tells most about a source that several surveys were asked for.
RANK = [s.value for s in (Status.OK, Status.STALE, Status.EMPTY, Status.MISSING, Status.ERROR)]


def property_rows(
    names: Iterable[str],
    outcomes: pa.Table,
    curves: pa.Table,
    detections: pa.Table,
    features: pa.Table,
) -> list[dict[str, Any]]:
    """Rows of the table `properties`: exactly one for each source, also for those without data."""
    of_curves, of_events, of_outcomes = (_by_source(t) for t in (curves, detections, outcomes))
    colours = colours_of(features)
    rows = []
    for name in names:
        mine, events, told = of_curves[name], of_events[name], of_outcomes[name]
        best = min(told, key=lambda r: RANK.index(r["status"]), default={"status": None, "reason": None})
        highest = [c["snr_max"] for c in mine if c["snr_max"] is not None]
        lowest = [c["snr_min"] for c in mine if c["snr_min"] is not None]
        signs = [event["sign"] for event in events]
        rows.append(
            {
                "source": name,
                "status": best["status"],
                "reason": best["reason"],
                "has_data": bool(mine),
                "n_curves": len(mine),
                "n_epochs": sum(c["n"] for c in mine),
                "n_good": sum(c["n_good"] for c in mine),
                "best_snr": max(highest, default=None),
                "best_negative_snr": min(lowest, default=None),
                "n_detections": len(events),
                "n_positive": signs.count(1),
                "n_negative": signs.count(-1),
                "n_flagged": sum(bool(event["quality_flag"]) for event in events),
                "colours": colours.get(name, {}),
            }
        )
    return rows


def with_failures(outcomes: pa.Table, files: Iterable[Path]) -> pa.Table:
    """Outcomes in which sources that a plug-in failed for are errors, with its message."""
    reasons: dict[tuple[str, str], str] = {}
    for path in files:
        with path.open(encoding="utf-8", newline="") as handle:
            for row in csv.DictReader(handle):
                where = f"{row['curve_id']}: " if row["curve_id"] else ""
                reasons.setdefault((row["source"], row["survey"]), where + row["reason"])
    if not reasons:
        return outcomes
    rows = outcomes.to_pylist()
    for row in rows:
        reason = reasons.get((row["source"], row["survey"]))
        if reason is not None:
            row |= {"status": Status.ERROR.value, "reason": reason}
    return table_of_rows(OUTCOME, rows)


def _by_source(table: pa.Table) -> defaultdict[str, list[dict[str, Any]]]:
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    names = [n for n in table.column_names if n not in ("epochs", "quality")]
    for row in table.select(names).to_pylist():
        found[row["source"]].append(row)
    return found


def colours_of(features: pa.Table) -> dict[str, dict[str, float]]:
    """Differences of median magnitudes of each source: bluer minus redder, filters in alphabetical order.

    The median of a filter is the mean of its light curves' medians, weighted by their epochs. Only filters
    of one survey are compared, and only those that the survey names for itself (`ztf_g`).
    """
    sums: dict[tuple[str, str, str], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for row in features.select(
        ["source", "survey", "filter", "simulated", "median_mag", "n_used"]
    ).to_pylist():
        known = row["filter"].startswith(row["survey"].lower() + "_")
        if row["simulated"] or row["median_mag"] is None or not row["n_used"] or not known:
            continue
        total = sums[row["source"], row["survey"], row["filter"]]
        total[0] += row["median_mag"] * row["n_used"]
        total[1] += row["n_used"]
    by_source: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for (source, survey, filter_name), (weighted, n) in sorted(sums.items()):
        by_source[source, survey][filter_name] = weighted / n
    colours: dict[str, dict[str, float]] = defaultdict(dict)
    for (source, _), medians in by_source.items():
        names = sorted(medians, key=_wavelength)
        for k, first in enumerate(names):
            for second in names[k + 1 :]:
                colours[source][f"{first}-{second}"] = medians[first] - medians[second]
    return colours


def _wavelength(filter_name: str) -> tuple[int, str]:
    """Order of filters from blue to red by their letter."""
    letter = filter_name.rpartition("_")[2]
    return ("ugriz".find(letter) if letter in "ugriz" else 9, filter_name)


def link(source: Path, target: Path) -> None:
    """Give a file a second name; copy it where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def write_hdf5(folder: Path, epochs: Sequence[Path]) -> None:
    """Light curves as HDF5, one file a source: photometry, photometry_2, ..."""
    folder.mkdir()
    names = ["mjd", "flux", "flux_err", "mag", "mag_err", "flag", "snr", "dmag"]
    by_source: dict[str, list[Any]] = defaultdict(list)
    for path in epochs:
        table = read_table(path, ["curve_id", *names])
        encoded = table["curve_id"].combine_chunks().dictionary_encode()
        for number, identifier in enumerate(encoded.dictionary.to_pylist()):
            rows = table.filter(pa.compute.equal(encoded.indices, number))
            columns = {name: rows[name].to_numpy(zero_copy_only=False) for name in names}
            columns = {
                "time": columns["mjd"],
                "flux": columns.pop("flux"),
                "fluxerr": columns.pop("flux_err"),
                **columns,
            }
            by_source[identifier.split(":")[0]].append(({"curve_id": identifier}, columns))
    from ephemera.survey.store import file_name

    for name, curves in sorted(by_source.items()):
        stem = Path(file_name("light_curves", name)).stem
        write_light_curves(folder / f"{stem}.h5", sorted(curves, key=lambda c: c[0]["curve_id"]))


def main(job: Job) -> None:
    """Write the tables of one project."""
    files, folder = job.input, job.output.tables
    folder.mkdir(parents=True)
    (folder / "epoch").mkdir()
    tables = {
        "source": read_table(files.sources),
        "raw": join(files.raw, parquet_schema(RAW)),
        "outcome": with_failures(
            join(files.outcomes, parquet_schema(OUTCOME)), [*files.failures, *files.failed_injections]
        ),
        "curve": join(files.curves, parquet_schema(CURVE)),
        "detection": join([*files.detections, *files.simulated], parquet_schema(DETECTION)),
        "injection": join(files.injections, parquet_schema(INJECTION)),
        "features": join([*files.features, *files.simulated_features], parquet_schema(FEATURES)),
        "efficiency": join(files.efficiency, parquet_schema(EFFICIENCY)),
        "rates": join(files.rates, parquet_schema(RATES)),
    }
    real = tables["detection"].filter(pa.compute.invert(tables["detection"]["simulated"]))
    names = sorted(tables["source"]["name"].to_pylist())
    rows = property_rows(names, tables["outcome"], tables["curve"], real, tables["features"])
    tables["properties"] = table_of_rows(PROPERTIES, rows)
    meta = {"project": job.wildcards.project, "recipe": job.recipe["key"]}
    for name, declaration in DECLARATIONS.items():
        write_table(tables[name], name, folder / f"{name}.parquet", meta)
        ordered = read_table(folder / f"{name}.parquet")
        for kind in job.settings.exports:
            write(plain(ordered, declaration), declaration, folder / f"{name}{SUFFIXES[kind]}", meta)
    for path in files.epochs:
        link(path, folder / "epoch" / f"{path.parent.name}.{path.name.replace('.epochs', '')}")
    if not files.epochs:
        write_table(parquet_schema(EPOCH).empty_table(), "epoch", folder / "epoch" / "none.parquet")
    (folder / "views.sql").write_text(views(), encoding="utf-8")
    if job.settings.light_curves_hdf5:
        write_hdf5(folder / "light_curves", files.epochs)
    log.info("%s", {name: len(table) for name, table in tables.items()})
