"""Find raw files that are already on disk, and say which belong to no source of the catalogue.

Reads the table of sources and looks through the raw store, without network. A file belongs to the source
of its name, else to the nearest source within the radius of the position that it records. Makes a table
of matches, by which the files are used, and a list of orphans.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ephemera.survey.columns import ORPHAN, RAW
from ephemera.survey.nearest import Sky
from ephemera.survey.outcomes import Status
from ephemera.survey.parquet_tables import read_table, table_of_rows, write_table
from ephemera.survey.store import raw_files, read_metadata
from ephemera.tables import write

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pyarrow as pa

    from ephemera.job import Job

log = logging.getLogger(__name__)


def matches(
    sources: pa.Table, files: Iterable[tuple[str, Path]], survey: str, radius_arcsec: float
) -> tuple[list[dict[str, Any]], list[tuple[Path, str]]]:
    """Rows of the table `raw` for files that belong to a source, and orphans with the reason."""
    names = set(sources["name"].to_pylist())
    found: dict[str, dict[str, Any]] = {}
    orphans: list[tuple[Path, str]] = []
    strangers: list[tuple[Path, float, float]] = []
    for name, path in files:
        if name in names:
            found.setdefault(name, _row(name, survey, path, "by name"))
            continue
        try:
            row = read_metadata(path).get("row") or {}
            place = (float(row["ra"]), float(row["dec"]))
        except KeyError:
            orphans.append((path, "no source of its name, and it records no position"))
        except (TypeError, ValueError) as error:
            orphans.append((path, str(error)))
        else:
            strangers.append((path, *place))
    if strangers:
        sky = Sky(sources["ra"].to_numpy(), sources["dec"].to_numpy())
        rows, separations = sky.nearest([s[1] for s in strangers], [s[2] for s in strangers], radius_arcsec)
        for (path, _, _), at, separation in zip(strangers, rows.tolist(), separations.tolist(), strict=True):
            owner = sources["name"][at].as_py() if at >= 0 else None
            if owner is None or owner in found:
                reason = "no source near its position" if owner is None else f"{owner} has a file of its own"
                orphans.append((path, reason))
            else:
                found[owner] = _row(owner, survey, path, f"by position, {separation:.2f} arcsec away")
    return list(found.values()), orphans


def _row(name: str, survey: str, path: Path, reason: str) -> dict[str, Any]:
    return {"source": name, "survey": survey, "path": str(path), "status": Status.OK.value, "reason": reason}


def main(job: Job) -> None:
    """Look through the store of every survey."""
    sources = read_table(job.input.sources)
    rows: list[dict[str, Any]] = []
    strangers: list[dict[str, str]] = []
    for survey in job.settings.surveys:
        found, orphans = matches(
            sources, raw_files(Path(job.settings.data_root), survey), survey, job.settings.radius_arcsec
        )
        rows += found
        strangers += [{"survey": survey, "path": str(p), "reason": reason} for p, reason in sorted(orphans)]
        log.info("%s: %d files belong to sources, %d to none", survey, len(found), len(orphans))
    write_table(table_of_rows(RAW, rows), "raw", job.output.raw)
    write(table_of_rows(ORPHAN, strangers), ORPHAN, job.output.orphans)
