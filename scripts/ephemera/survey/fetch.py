"""Bring the raw rows of a batch of sources to the store, from the survey or from where they already are.

Reads the batch. Makes the raw files that are not there yet and a table with the status of each source: ok,
empty, missing (offline), stale (asked for with other parameters) or error. One source that cannot be had
does not stop the others; a batch that is not complete is tried again by the next run.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.files import final_path, sha256_of
from ephemera.survey.asking import Asker, make_asker
from ephemera.survey.columns import RAW
from ephemera.survey.outcomes import SourceError, Status
from ephemera.survey.parquet_tables import read_table, table_of_rows, write_table
from ephemera.survey.plugins import check_failures
from ephemera.survey.raw_rows import column
from ephemera.survey.store import Raw, raw_path, read_metadata, read_raw, write_raw
from ephemera.survey.time_columns import find_time

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)


def span_of(raw: Raw) -> tuple[float | None, float | None]:
    """First and last MJD of raw rows, where a column of times says by its name or is told what it counts."""
    told, means = raw.metadata.get("time_told"), raw.metadata.get("meanings") or {}
    try:
        name, kind = find_time(raw.table.column_names, told, means.get("time"))
        mjd = kind.mjd(column(raw.table, name))
    except ValueError:
        return None, None
    known = mjd[np.isfinite(mjd)]
    return (float(known.min()), float(known.max())) if len(known) else (None, None)


class Batch:
    """Fetching of one batch: where raw files live, how the survey is asked, what counts as stale."""

    def __init__(self, asker: Asker, settings: Any, found: Mapping[str, str] | None = None) -> None:
        self.asker, self.settings = asker, settings
        self.root = Path(settings.data_root)
        self.found = dict(found or {})

    def path_of(self, row: Mapping[str, Any]) -> Path:
        """Raw file of a source: where it was found, else where it belongs."""
        if row["name"] in self.found:
            return Path(self.found[row["name"]])
        return raw_path(
            self.root,
            self.asker.survey,
            row["name"],
            row["ra"],
            minutes=self.settings.ra_minutes,
            seconds=self.settings.ra_seconds,
        )

    def one(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Row of the table `raw` of one source, whose file is fetched when it has to be."""
        entry: dict[str, Any] = {"source": row["name"], "survey": self.asker.survey}
        try:
            path = self.path_of(row)
            entry["path"] = str(path)
            request = self.asker.request(row)
            entry["request"] = json.dumps(request, sort_keys=True)
            status, reason = self._obtain(path, row, request)
            if status is Status.MISSING:
                return {**entry, "status": status.value, "reason": reason}
            return {**entry, **self._described(path, status, reason)}
        except (SourceError, ValueError) as error:
            log.warning("%s: %s", row["name"], error)
            return {**entry, "status": Status.ERROR.value, "reason": str(error)}

    def _obtain(
        self, path: Path, row: Mapping[str, Any], request: Mapping[str, Any]
    ) -> tuple[Status | None, str]:
        """Fetch a file unless it is there; its status where that is no matter of its rows."""
        if path.exists():
            asked = read_metadata(path).get("request")
            if asked is None or asked == request:
                return None, ""
            if self.settings.refetch == "never" or self.settings.offline:
                return Status.STALE, "asked for with other parameters; survey.fetch.refetch: params renews it"
        elif self.settings.offline and self.asker.needs_network:
            return (
                Status.MISSING,
                "offline; fetch it with: snakemake --config 'survey={network: {offline: false}}'",
            )
        raw = self.asker.fetch(row)
        write_raw(path, Raw(raw.table, {**raw.metadata, "row": _plain(row), "request": dict(request)}))
        return None, ""

    def _described(self, path: Path, status: Status | None, reason: str) -> dict[str, Any]:
        """Columns of the table that tell what a raw file holds."""
        raw = read_raw(path)
        first, last = span_of(raw)
        if status is None:
            status = Status.OK if len(raw.table) else Status.EMPTY
            reason = str(raw.metadata.get("reason", "")) or ("" if len(raw.table) else "no_rows")
        return {
            "status": status.value,
            "reason": reason or None,
            "n_rows": len(raw.table),
            "bytes": path.stat().st_size,
            "mjd_first": first,
            "mjd_last": last,
            "fetched_utc": raw.metadata.get("fetched_utc"),
            "sha256": sha256_of(path),
        }


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """A catalogue row as JSON types; numbers that are none are left out."""
    return {k: (dict(v) if isinstance(v, list) else v) for k, v in row.items() if v == v}


def again_path(output: Path) -> Path:
    """Mark beside a table that says: not complete, try again."""
    final = final_path(output)
    return final.with_name(final.name.removesuffix(".parquet") + ".again")


def mark_incomplete(output: Path, sources: Sequence[str]) -> None:
    """Leave the mark beside a table that lacks some sources, or take it away."""
    mark = again_path(output)
    if sources:
        mark.write_text("\n".join(sources) + "\n", encoding="utf-8")
    else:
        mark.unlink(missing_ok=True)


def main(job: Job) -> None:
    """Fetch one batch of one survey."""
    settings = job.settings
    asker = make_asker(job.wildcards.survey, settings)
    found = {}
    if getattr(job.input, "populated", None) is not None:
        known = read_table(job.input.populated, ["source", "survey", "path"]).to_pylist()
        found = {r["source"]: r["path"] for r in known if r["survey"] == asker.survey}
    batch = Batch(asker, settings, found)
    rows = read_table(job.input.batch).to_pylist()
    with ThreadPoolExecutor(max_workers=settings.connections if asker.needs_network else 1) as pool:
        entries = list(pool.map(batch.one, rows))
    if asker.is_plugin:
        failed = [f"{e['source']}: {e['reason']}" for e in entries if e["status"] == Status.ERROR.value]
        check_failures("sources", failed, len(entries), settings.max_failures)
    write_table(table_of_rows(RAW, entries), "raw", job.output.raw)
    again = (Status.ERROR.value, Status.MISSING.value)
    mark_incomplete(job.output.raw, [e["source"] for e in entries if e["status"] in again])
    counts = {kind.value: sum(e["status"] == kind.value for e in entries) for kind in Status}
    log.info("%s: %s", job.wildcards.batch, counts)
