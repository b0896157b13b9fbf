"""The table `properties`: what is known of each source, one row each, also for those without data.

Worked out by DuckDB over the sorted tables, source after source, in bounded memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ephemera.survey.columns import PROPERTIES
from ephemera.survey.merging import bounded, pieces, write_pieces
from ephemera.survey.outcomes import Status
from ephemera.survey.parquet_tables import parquet_schema, table_of_rows

if TYPE_CHECKING:
    import pyarrow as pa

#: Which status tells most about a source that several surveys were asked for, best first.
RANK = tuple(s.value for s in (Status.OK, Status.STALE, Status.EMPTY, Status.MISSING, Status.ERROR))

#: Simulated rows count nowhere. Filters enter colours where the survey names them for itself (ztf_g).
QUERY = """
WITH told AS (
    SELECT source, arg_min({{'status': status, 'reason': reason}}, list_position({rank}, status)) AS best
    FROM (FROM read_parquet($outcome) ORDER BY source, survey) GROUP BY source
), curves AS (
    SELECT source, count(*) AS n_curves, sum(n)::BIGINT AS n_epochs, sum(n_good)::BIGINT AS n_good,
           max(snr_max) AS best_snr, min(snr_min) AS best_negative_snr
    FROM read_parquet($curve) GROUP BY source
), events AS (
    SELECT source, count(*) AS n_detections, count(*) FILTER (sign > 0) AS n_positive,
           count(*) FILTER (sign < 0) AS n_negative,
           count(*) FILTER (quality_flag) AS n_flagged
    FROM read_parquet($detection) WHERE NOT simulated GROUP BY source
), filters AS (
    SELECT source, survey, filter, sum(median_mag * n_used) / sum(n_used) AS mag
    FROM (FROM read_parquet($features) ORDER BY curve_id)
    WHERE NOT simulated AND median_mag IS NOT NULL AND n_used > 0
          AND starts_with(filter, lower(survey) || '_')
    GROUP BY source, survey, filter
), medians AS (
    SELECT source, list({{'survey': survey, 'filter': filter, 'mag': mag}} ORDER BY survey, filter) AS mags
    FROM filters GROUP BY source HAVING count(*) > 1
)
SELECT s.name AS source, best.status AS status, best.reason AS reason,
       n_curves IS NOT NULL AS has_data, coalesce(n_curves, 0) AS n_curves,
       coalesce(n_epochs, 0) AS n_epochs, coalesce(n_good, 0) AS n_good, best_snr, best_negative_snr,
       coalesce(n_detections, 0) AS n_detections, coalesce(n_positive, 0) AS n_positive,
       coalesce(n_negative, 0) AS n_negative, coalesce(n_flagged, 0) AS n_flagged, medians.mags AS medians
FROM read_parquet($source) s
LEFT JOIN told ON told.source = s.name LEFT JOIN curves ON curves.source = s.name
LEFT JOIN events ON events.source = s.name LEFT JOIN medians ON medians.source = s.name
ORDER BY s.name
"""
#: Rows worked on at once.
ROWS = 1 << 15


def colours_of(medians: Sequence[Mapping[str, Any]] | None) -> dict[str, float]:
    """Differences of median magnitudes, bluer minus redder; only filters of one survey are compared.

    `medians` are rows with survey, filter and mag, the mean of the light curves' medians weighted by epochs.
    """
    found = {}
    ordered = sorted(medians or (), key=lambda row: (row["survey"], *_wavelength(row["filter"])))
    for k, first in enumerate(ordered):
        for second in ordered[k + 1 :]:
            if second["survey"] == first["survey"]:
                found[f"{first['filter']}-{second['filter']}"] = first["mag"] - second["mag"]
    return found


def _wavelength(filter_name: str) -> tuple[int, str]:
    """Order of filters from blue to red by their letter."""
    letter = filter_name.rpartition("_")[2]
    return ("ugriz".find(letter) if letter in "ugriz" else 9, filter_name)


def write_properties(folder: Path, path: Path, meta: Mapping[str, str] | None = None) -> int:
    """Write the table of the tables in `folder` (source, outcome, curve, detection, features)."""
    names = ("source", "outcome", "curve", "detection", "features")
    files = {name: [folder / f"{name}.parquet"] for name in names}
    with bounded(path.parent) as connection:
        found = pieces(connection, QUERY.format(rank=list(RANK)), files, ROWS)
        return write_pieces(_tables(found), parquet_schema(PROPERTIES), path, meta)


def _tables(found: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    for batch in found:
        rows = batch.to_pylist()
        yield table_of_rows(PROPERTIES, [{**row, "colours": colours_of(row["medians"])} for row in rows])
