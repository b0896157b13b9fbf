"""Bring the raw rows of a batch of sources to the store, from the survey or from where they already are.

Reads the batch. Makes the raw files that are not there yet and a table with the status of each source: ok,
empty, missing (offline), stale (asked for with other parameters) or error. One source that cannot be had
does not stop the others; a batch that is not complete is tried again by the next run.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from ephemera.files import final_path, sha256_of
from ephemera.survey.asking import Asker, StopSurvey, make_asker
from ephemera.survey.columns import RAW
from ephemera.survey.outcomes import SourceError, Status
from ephemera.survey.parquet_tables import read_table, table_of_rows, write_table
from ephemera.survey.plugins import too_many
from ephemera.survey.store import Raw, raw_path, read_metadata, read_raw, write_raw

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Columns that hold times, by survey, and what to add for MJD.
TIMES = ("mjd", "TIME", "time", "bjd", "jd")


def span_of(table: pa.Table, metadata: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """First and last MJD of raw rows, where they have a column of times that is known."""
    name = next((n for n in TIMES if n in table.column_names), None)
    if name is None or len(table) == 0 or not pa.types.is_floating(table[name].type):
        return None, None
    values = table[name].filter(pc.is_finite(table[name]))
    limits = pc.min_max(values).as_py()
    zero = float(metadata.get("mjd_zero", 0.0))
    return (None, None) if limits["min"] is None else (limits["min"] + zero, limits["max"] + zero)


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
        except StopSurvey:
            raise
        except (SourceError, ValueError) as error:
            log.warning("%s: %s", row["name"], error)
            return {**entry, "status": Status.ERROR.value, "reason": str(error)}
        if status is Status.MISSING:
            return {**entry, "status": status.value, "reason": reason}
        return {**entry, **self._described(path, status, reason)}

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
        first, last = span_of(raw.table, raw.metadata)
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


def again_path(raw: Path) -> Path:
    """Mark beside a table of statuses that says: not complete, try again."""
    final = final_path(raw)
    return final.with_name(final.name.removesuffix(".parquet") + ".again")


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
    failed = [entry for entry in entries if entry["status"] == Status.ERROR.value]
    if asker.is_plugin and too_many(len(failed), len(entries), settings.max_failures):
        first = f"first {failed[0]['source']}: {failed[0]['reason']}"
        msg = f"{len(failed)} of {len(entries)} sources failed, {first}"
        raise RuntimeError(msg)
    write_table(table_of_rows(RAW, entries), "raw", job.output.raw)
    mark = again_path(job.output.raw)
    incomplete = [e for e in entries if e["status"] in (Status.ERROR.value, Status.MISSING.value)]
    if incomplete:
        mark.write_text("\n".join(e["source"] for e in incomplete) + "\n", encoding="utf-8")
    else:
        mark.unlink(missing_ok=True)
    counts = {kind.value: sum(e["status"] == kind.value for e in entries) for kind in Status}
    log.info("%s: %s", job.wildcards.batch, counts)
