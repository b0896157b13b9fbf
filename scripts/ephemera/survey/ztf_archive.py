"""ZTF light curves from IRSA's light-curve service, one request a source.

All rows in the cone are asked for, without any mask; what is cut is cut locally. The data release has to
be named, because the answer does not. Credentials, which public data do not need, come from the
environment (ZTF_USERNAME, ZTF_PASSWORD) alone.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.csv as pcsv

from ephemera.survey.archive_web import Archive, kept, now
from ephemera.survey.outcomes import SourceError
from ephemera.survey.store import Raw
from ephemera.survey.ztf import REQUIRED, outside
from ephemera.survey.ztf_positions import at_survey_epoch, search_radius
from ephemera.transfer import Answer, BadAnswer

#: Columns whose type does not depend on their values.
TYPES: Mapping[str, pa.DataType] = {
    "oid": pa.int64(),
    "expid": pa.int64(),
    **{name: pa.float64() for name in ("hjd", "mjd", "mag", "magerr", "ra", "dec", "exptime", "airmass")},
    "catflags": pa.int64(),
    "filtercode": pa.string(),
    "filefracday": pa.int64(),
    **{name: pa.string() for name in ("ccdid", "qid")},
}


def oids_of(row: Mapping[str, Any]) -> list[str]:
    """ZTF objects that the catalogue names for a source (alias `ZTF 686103400067717 ...`)."""
    for _, alias in row.get("local_ids") or []:
        match = re.fullmatch(r"ZTF((?:[\s,]+\d{9,18})+)", str(alias).strip())
        if match:
            return re.findall(r"\d+", match[1])
    return []


def check_csv(answer: Answer) -> None:
    """Check that an answer is the table asked for, to its last row. Raises BadAnswer."""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind and kind not in ("text/csv", "text/plain", "application/csv", "application/octet-stream"):
        msg = f"an answer of type {kind} came instead of a table"
        raise BadAnswer(msg)
    text = answer.body
    header = text.partition(b"\n")[0].decode("utf-8", "replace").strip()
    names = [name.strip() for name in header.split(",")]
    if any(name not in names for name in REQUIRED):
        msg = "the answer is no ZTF table"
        raise BadAnswer(msg)
    if not text.endswith(b"\n"):
        msg = "the table is cut in mid-row"
        raise BadAnswer(msg)
    commas = len(names) - 1
    for number, line in enumerate(text.splitlines(), 1):
        if line and line.count(b",") != commas:
            msg = f"row {number} of the table has {line.count(b',') + 1} fields, not {len(names)}"
            raise BadAnswer(msg)


def table_of(body: bytes) -> pa.Table:
    """Rows of an answer. Raises SourceError for values of another type than the survey's."""
    options = pcsv.ConvertOptions(column_types=dict(TYPES), strings_can_be_null=True)
    try:
        return pcsv.read_csv(io.BytesIO(body), convert_options=options)
    except pa.ArrowException as error:
        msg = f"the table cannot be read: {error}"
        raise SourceError(msg) from error


#: What columns mean.
COLUMNS = {"time": "mjd", "mag": "mag", "mag_err": "magerr", "flag": "catflags", "filter": "filtercode"}


class ZtfAsker(Archive):
    """ZTF at IRSA."""

    survey = "ZTF"
    refused = "IRSA refused access: set ZTF_USERNAME and ZTF_PASSWORD in the environment"

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.settings, self.url = settings.ztf, settings.irsa_url

    def request(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Parameters of the request for a source: its cone, wider the faster it moves."""
        objects = oids_of(row)
        ra, dec = at_survey_epoch(row)
        radius = search_radius(row, self.settings.radius_arcsec, self.settings.years)
        place = {"POS": f"CIRCLE {ra:.7f} {dec:.7f} {radius / 3600:.7f}"}
        query = {
            **({"ID": ",".join(objects)} if objects else place),
            "BANDNAME": self.settings.bands,
            "COLLECTION": self.settings.release,
            "FORMAT": "csv",
        }
        if self.settings.mjd_range is not None:
            query["TIME"] = " ".join(f"{mjd:g}" for mjd in self.settings.mjd_range)
        if self.settings.nobs_min is not None:
            query["NOBS_MIN"] = str(self.settings.nobs_min)
        return query

    def fetch(self, row: Mapping[str, Any]) -> Raw:
        """Rows of a source; an empty table with the reason where the survey cannot have any."""
        reason = outside(row["dec"], row.get("mag"))
        if reason is not None:
            empty = pa.table({name: pa.array([], TYPES[name]) for name in REQUIRED})
            return Raw(empty, {"reader": "ztf 1", "reason": reason})
        user, password = os.environ.get("ZTF_USERNAME"), os.environ.get("ZTF_PASSWORD")
        credentials = (user, password) if user and password else None
        started = now()
        answer = self.ask(self.url, self.request(row), check_csv, credentials)
        table = table_of(answer.body)
        metadata: dict[str, Any] = {
            "reader": "ztf 1",
            "fetched_utc": started,
            "headers": kept(answer.headers),
        }
        metadata |= {"time": {"column": "mjd", "scale": "UTC"}, "columns": COLUMNS}
        return Raw(table, metadata | ({} if len(table) else {"reason": "no_match"}))
