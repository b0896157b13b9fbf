"""The tables of a project over all its batches, and what opens them.

Reads the tables that the steps made for each batch. Makes one Parquet file a table (zstd, sorted by its
key); epochs, which are many, stay in one file a batch. Beside them `views.sql` names them for DuckDB, where
the views of detections and features hide what was simulated; `detection_all` and `features_all` do not.
On request the tables are also written as FITS, VOTable, ECSV or CSV, and light curves as HDF5.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ephemera.survey.columns import (
    CURVE,
    DETECTION,
    EFFICIENCY,
    EPOCH,
    FAILURE,
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
from ephemera.survey.merging import merge
from ephemera.survey.outcomes import Status
from ephemera.survey.parquet_tables import (
    join,
    parquet_schema,
    plain,
    read_table,
    table_of_rows,
    write_table,
)
from ephemera.survey.properties import write_properties
from ephemera.survey.store import file_name
from ephemera.tables import SUFFIX_OF, TableDeclaration, read, write

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Tables of a project but for epochs, in order.
DECLARATIONS: Mapping[str, TableDeclaration] = {
    d.name: d
    for d in (SOURCE, RAW, OUTCOME, CURVE, DETECTION, INJECTION, FEATURES, PROPERTIES, EFFICIENCY, RATES)
}


def with_failures(outcomes: pa.Table, files: Iterable[Path]) -> pa.Table:
    """Outcomes in which sources that a plug-in failed for are errors, with its message."""
    reasons: dict[tuple[str, str], str] = {}
    for path in files:
        for row in read(path, FAILURE).to_pylist():
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


def link(source: Path, target: Path) -> None:
    """Give a file a second name; copy it where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def write_hdf5(folder: Path, epochs: Sequence[Path], curves: Path) -> None:
    """Light curves as HDF5, one file a source: photometry, photometry_2, ...

    `curves` is the table that tells whose the light curves are. Sources of one batch are in one file of
    epochs of each survey, so that those files are read one after the other.
    """
    folder.mkdir()
    names = ["mjd", "flux", "flux_err", "mag", "mag_err", "flag", "snr", "dmag"]
    told = read_table(curves, ["curve_id", "source"])
    owner = dict(zip(told["curve_id"].to_pylist(), told["source"].to_pylist(), strict=True))
    for group in _by_batch(epochs):
        by_source: dict[str, list[Any]] = defaultdict(list)
        for path in group:
            table = read_table(path, ["curve_id", *names])
            encoded = table["curve_id"].combine_chunks().dictionary_encode()
            for number, identifier in enumerate(encoded.dictionary.to_pylist()):
                rows = table.filter(pc.equal(encoded.indices, number))
                columns = {name: rows[name].to_numpy(zero_copy_only=False) for name in names}
                first = {"time": columns["mjd"], "flux": columns.pop("flux")}
                columns = {**first, "fluxerr": columns.pop("flux_err"), **columns}
                by_source[owner[identifier]].append(({"curve_id": identifier}, columns))
        for name, found in sorted(by_source.items()):
            stem = Path(file_name("light_curves", name)).stem
            write_light_curves(folder / f"{stem}.h5", sorted(found, key=lambda c: c[0]["curve_id"]))


def _by_batch(epochs: Sequence[Path]) -> list[list[Path]]:
    """Files of epochs by batch, whatever the survey."""
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in epochs:
        groups[path.name].append(path)
    return list(groups.values())


def write_epochs(folder: Path, epochs: Sequence[Path], formats: Sequence[str]) -> None:
    """Epochs under second names, a file a batch, and beside each the other formats asked for."""
    folder.mkdir()
    for path in epochs:
        name = f"{path.parent.name}.{path.name.replace('.epochs', '')}"
        link(path, folder / name)
        for kind in formats:
            table = read_table(path)
            target = folder / f"{name.removesuffix('.parquet')}{SUFFIX_OF[kind]}"
            write(plain(table.select(EPOCH.names), EPOCH), EPOCH, target)
    if not epochs:
        write_table(parquet_schema(EPOCH).empty_table(), "epoch", folder / "none.parquet")


def main(job: Job) -> None:
    """Write the tables of one project."""
    files, folder = job.input, job.output.tables
    folder.mkdir(parents=True)
    meta = {"project": job.wildcards.project, "recipe": job.recipe["key"]}
    parts: dict[str, Sequence[Path]] = {
        "source": [files.sources],
        "raw": files.raw,
        "curve": files.curves,
        "detection": [*files.detections, *files.simulated],
        "injection": files.injections,
        "features": [*files.features, *files.simulated_features],
        "efficiency": files.efficiency,
        "rates": files.rates,
    }
    counts = {n: merge(p, DECLARATIONS[n], folder / f"{n}.parquet", meta) for n, p in parts.items()}
    outcomes = with_failures(join(files.outcomes, OUTCOME), [*files.failures, *files.failed_injections])
    write_table(outcomes, "outcome", folder / "outcome.parquet", meta)
    counts["properties"] = write_properties(folder, folder / "properties.parquet", meta)
    for name, declaration in DECLARATIONS.items():
        for kind in job.settings.formats:
            ordered = read_table(folder / f"{name}.parquet")
            write(plain(ordered, declaration), declaration, folder / f"{name}{SUFFIX_OF[kind]}", meta)
    write_epochs(folder / "epoch", files.epochs, job.settings.formats)
    (folder / "views.sql").write_text(views(), encoding="utf-8")
    if job.settings.light_curves_hdf5:
        write_hdf5(folder / "light_curves", files.epochs, folder / "curve.parquet")
    log.info("%s", counts)
