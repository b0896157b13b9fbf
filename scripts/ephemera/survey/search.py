"""Look for events in the light curves of a batch: scores, quality, events, curve statistics.

Reads reduced light curves. Makes the tables curve, epoch (with scores and marks) and detection, and a list of
the light curves that a plug-in failed for. Nothing is remembered between light curves, and none is altered.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ephemera.survey.columns import CURVE, DETECTION, EPOCH, FAILURE
from ephemera.survey.curve_files import read_curves
from ephemera.survey.judging import Searched, curve_row, detection_rows, search_curve, search_of
from ephemera.survey.outcomes import SourceError
from ephemera.survey.parquet_tables import parquet_schema, read_table, table_of, table_of_rows, write_table
from ephemera.survey.plugins import check_failures, declared_quality
from ephemera.tables import write

if TYPE_CHECKING:
    from ephemera.config.survey import Search as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)


def epoch_columns(searched: Sequence[Searched]) -> dict[str, Any]:
    """Columns of the table `epoch` of several light curves, one after the other."""

    def joined(parts: list[Any], kind: type = float) -> Any:
        return np.concatenate(parts) if parts else np.zeros(0, kind)

    curves = [s.curve for s in searched]

    def optional(name: str) -> Any:
        parts = [getattr(c, name) for c in curves]
        return joined(
            [np.full(len(c), np.nan) if p is None else p for c, p in zip(curves, parts, strict=True)]
        )

    ids = pa.array([c.curve_id for c in curves], pa.string())
    number = np.repeat(np.arange(len(curves)), [len(c) for c in curves])
    return {
        "curve_id": ids.take(pa.array(number)),
        **{name: joined([getattr(c, name) for c in curves]) for name in ("mjd", "flux", "flux_err", "live")},
        "mag": joined([c.magnitudes[0] for c in curves]),
        "mag_err": joined([c.magnitudes[1] for c in curves]),
        **{
            n: joined([getattr(s.scores, n) for s in searched]) for n in ("snr", "snr_flux", "dmag", "offset")
        },
        "score": joined(
            [np.full(len(s.curve), np.nan) if s.score is s.scores.snr else s.score for s in searched]
        ),
        "flag": joined([c.flag for c in curves], int),
        "bad": joined([c.bad for c in curves], bool),
        "qflag": joined([s.scores.qflag for s in searched], bool),
        "detected": joined([s.detected for s in searched], bool),
        **{name: optional(name) for name in ("time_bjd_tdb", "x", "y")},
    }


def write_epochs(
    searched: Sequence[Searched],
    path: Path,
    quality: Mapping[str, tuple[float, bool]] | None = None,
    method: str = "runs",
) -> None:
    """Write the table `epoch`; rows stay in the order of curves and time.

    `quality` are the columns that a plug-in declares, which follow those of the table with threshold and
    sidedness in their metadata. `method` is kept as the file's finder.
    """
    columns = epoch_columns(searched)
    for name in ("mag", "mag_err", "snr", "snr_flux", "dmag", "score", "offset"):
        with np.errstate(over="ignore"):
            columns[name] = columns[name].astype(np.float32)
    table = table_of(EPOCH, columns) if searched else parquet_schema(EPOCH).empty_table()
    for name, (threshold, two_sided) in (quality or {}).items():
        parts = [s.scores.quality[name].values for s in searched]
        values = np.concatenate([*parts, np.zeros(0)]).astype(np.float32)
        facts = {
            "ucd": "meta.code.qual",
            "description": f"Quality column of a plug-in, flagged beyond {threshold:g}",
            "threshold": repr(threshold),
            "two_sided": str(two_sided).lower(),
        }
        table = table.append_column(
            pa.field(name, pa.float32(), metadata=facts), pa.array(values, from_pandas=True)
        )
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), "finder": method})
    pq.write_table(table, path, compression="zstd", row_group_size=1 << 18)


def main(job: Job) -> None:
    """Search one batch of one survey."""
    settings: Settings = job.settings
    survey = job.wildcards.survey
    rows_by_name = {row["name"]: row for row in read_table(job.input.batch).to_pylist()}
    search = search_of(settings, survey, rows_by_name)
    searched: list[Searched] = []
    failures: list[dict[str, str]] = []
    for curve in read_curves(job.input.curves):
        try:
            searched.append(search_curve(curve, search))
        except SourceError as error:
            log.warning("%s: %s", curve.curve_id, error)
            row = {"source": curve.source, "survey": survey, "curve_id": curve.curve_id, "reason": str(error)}
            failures.append(row)
    told = [f"{row['curve_id']}: {row['reason']}" for row in failures]
    check_failures("light curves", told, len(failures) + len(searched), job.settings.max_failures)
    write_epochs(searched, job.output.epochs, declared_quality(job.settings), search.method)
    write_table(table_of_rows(CURVE, [curve_row(s) for s in searched]), "curve", job.output.curves)
    rows = [row for s in searched for row in detection_rows(s, search)]
    write_table(table_of_rows(DETECTION, rows), "detection", job.output.detections)
    write(table_of_rows(FAILURE, failures), FAILURE, job.output.failures)
    log.info("%d light curves, %d events", len(searched), len(rows))
