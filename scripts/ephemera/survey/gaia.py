"""Motions, parallaxes and magnitudes of the sources from the Gaia archive, where the catalogue lacks them.

Reads the catalogue and asks the archive for a cone around each source; answers are kept in the raw store and
never asked for twice. Candidates are moved from Gaia's epoch to that of the catalogue before the nearest is
chosen: a fast star is a whole second away after a few years. Makes one row a source that has a match;
sources that could not be asked for offline are asked for by the next run that is not.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pcsv

from ephemera.sky.motion import moved
from ephemera.survey.archive_web import Archive, kept, now
from ephemera.survey.catalogue import in_range, in_shard, load
from ephemera.survey.columns import GAIA
from ephemera.survey.fetch import Batch, mark_incomplete
from ephemera.survey.nearest import Sky
from ephemera.survey.outcomes import Status
from ephemera.survey.parquet_tables import table_of_rows, write_table
from ephemera.survey.store import Raw, read_raw
from ephemera.transfer import Answer, BadAnswer

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Epoch of Gaia's positions (EDR3, DR3), Julian year.
EPOCH = 2016.0
NUMBERS = (
    "ra",
    "dec",
    "pmra",
    "pmdec",
    "parallax",
    "phot_g_mean_mag",
    "phot_bp_mean_mag",
    "phot_rp_mean_mag",
)
TYPES = {"source_id": pa.int64(), **dict.fromkeys(NUMBERS, pa.float64())}


def check_csv(answer: Answer) -> None:
    """Check that an answer is the table asked for; a query that failed is an answer too. Raises BadAnswer."""
    header = answer.body.partition(b"\n")[0].decode("utf-8", "replace").strip()
    if [name.strip('"') for name in header.split(",")] != list(TYPES) or not answer.body.endswith(b"\n"):
        msg = "the answer is no complete table of Gaia sources"
        raise BadAnswer(msg)


class GaiaAsker(Archive):
    """The Gaia archive's cones."""

    survey, refused = "GAIA", "the Gaia archive refused access"

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.settings, self.url = settings, settings.gaia_url

    def request(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """The query for a source."""
        circle = f"{row['ra']:.8f}, {row['dec']:.8f}, {self.settings.cone_arcsec / 3600:.8f}"
        query = (
            f"SELECT {', '.join(TYPES)} FROM {self.settings.table} "  # noqa: S608  names that options check
            f"WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), CIRCLE('ICRS', {circle})) "
            f"AND phot_g_mean_mag < {self.settings.mag_limit:g} ORDER BY source_id"
        )
        return {"REQUEST": "doQuery", "LANG": "ADQL", "FORMAT": "csv", "QUERY": query}

    def fetch(self, row: Mapping[str, Any]) -> Raw:
        """Candidates of a source."""
        started = now()
        answer = self.ask(self.url, self.request(row), check_csv)
        table = pcsv.read_csv(
            io.BytesIO(answer.body), convert_options=pcsv.ConvertOptions(column_types=TYPES)
        )
        metadata = {"reader": "gaia 1", "fetched_utc": started, "headers": kept(answer.headers)}
        return Raw(table, metadata | ({} if len(table) else {"reason": "no_match"}))


def nearest(candidates: pa.Table, row: Mapping[str, Any], radius_arcsec: float) -> dict[str, Any] | None:
    """The candidate nearest to a source at the source's epoch, as a row of the table; None if too far."""
    if len(candidates) == 0:
        return None
    columns = {name: candidates[name].to_numpy(zero_copy_only=False) for name in NUMBERS}
    years = np.full(len(candidates), float(row["epoch"]) - EPOCH)
    ra, dec = moved(columns["ra"], columns["dec"], columns["pmra"], columns["pmdec"], years)
    at, separation = Sky(ra, dec).nearest([row["ra"]], [row["dec"]], radius_arcsec)
    if at[0] < 0:
        return None
    found = {name: candidates[name][int(at[0])].as_py() for name in TYPES if name not in ("ra", "dec")}
    return {"name": row["name"], "separation": float(separation[0]), **found}


def main(job: Job) -> None:
    """Ask for all sources of a project."""
    settings = job.settings
    sources = load(getattr(job.input, "catalogue", None), settings.catalogue).table
    rows = in_shard(in_range(sources, settings.catalogue.range), settings.shard).to_pylist()
    batch = Batch(GaiaAsker(settings), settings)
    with ThreadPoolExecutor(max_workers=settings.connections) as pool:
        entries = list(pool.map(batch.one, rows))
    failed = [entry for entry in entries if entry["status"] == Status.ERROR.value]
    if failed:
        msg = f"{len(failed)} of {len(entries)} sources could not be asked for, first {failed[0]['source']}: "
        msg += f"{failed[0]['reason']}; what came is kept, the next run asks for the rest"
        raise RuntimeError(msg)
    found = []
    for row, entry in zip(rows, entries, strict=True):
        if entry["status"] in (Status.OK.value, Status.STALE.value):
            best = nearest(read_raw(Path(entry["path"])).table, row, settings.match_arcsec)
            found += [] if best is None else [best]
    write_table(table_of_rows(GAIA, found), "gaia", job.output.matches)
    missing = [entry["source"] for entry in entries if entry["status"] == Status.MISSING.value]
    if missing:
        log.warning("offline: %d of %d sources are not in the raw store", len(missing), len(rows))
    mark_incomplete(job.output.matches, missing)
    log.info("%d of %d sources have a match", len(found), len(rows))
