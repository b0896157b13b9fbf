"""IPAC's forced-photometry service, which works for hours: requests are placed first and collected later.

A note of each request lies in the raw store, so that nothing is requested twice. What is not ready counts as
not had, and is looked for again by the next run. The service wants an account: ZTF_FORCED_EMAIL and
ZTF_FORCED_PASSWORD, and the login of its web pages, ZTF_FORCED_HTTP as user:password, from the environment
alone. Its list of requests goes back 30 days.
"""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from ephemera.files import write_text
from ephemera.survey import ztf_forced
from ephemera.survey.archive_web import Archive, kept, now
from ephemera.survey.outcomes import SourceError, StopSurvey
from ephemera.survey.store import Raw, raw_path
from ephemera.survey.time_columns import MJD_ZERO
from ephemera.survey.ztf import SOUTHERN_LIMIT
from ephemera.survey.ztf_positions import at_survey_epoch
from ephemera.transfer import Answer, BadAnswer

VARIABLES = ("ZTF_FORCED_EMAIL", "ZTF_FORCED_PASSWORD", "ZTF_FORCED_HTTP")
#: Requests and positions in the list agree to this many decimals.
DECIMALS = 4
#: Columns of the list of requests that are read.
LISTED = ("ra", "dec", "startJD", "endJD", "ended", "lightcurve")


def check_list(answer: Answer) -> None:
    """Check that an answer is the list of requests, to its end. Raises BadAnswer."""
    text = answer.body.decode("utf-8", "replace")
    if "<table" not in text.lower() or "</html>" not in text.lower():
        msg = "the list of requests did not come whole"
        raise BadAnswer(msg)


def check_taken(answer: Answer) -> None:
    """Check that a request was taken. Raises BadAnswer."""
    if b"<html" not in answer.body.lower() or b"error" in answer.body.lower():
        msg = "the service did not take the request"
        raise BadAnswer(msg)


def check_table(answer: Answer) -> None:
    """Check that an answer is a table of forced photometry. Raises BadAnswer."""
    try:
        ztf_forced.table_of(answer.body.decode("utf-8", "replace"))
    except ValueError as error:
        raise BadAnswer(str(error)) from error


def listed(text: str) -> list[dict[str, str]]:
    """Rows of the list of requests by the names in its header. Raises BadAnswer for another table."""
    rows = re.findall(r"<tr[^>]*>(.*?)(?=<tr|</table)", text, re.IGNORECASE | re.DOTALL)
    cells = [re.findall(r"<t[hd][^>]*>(.*?)(?=<t[hd]|</tr|$)", r, re.IGNORECASE | re.DOTALL) for r in rows]
    plain = [[html.unescape(re.sub(r"<[^>]*>", "", cell)).strip() for cell in row] for row in cells]
    header = plain[0] if plain else []
    if any(name not in header for name in LISTED):
        msg = f"the list of requests must have the columns {', '.join(LISTED)}, it has {', '.join(header)}"
        raise BadAnswer(msg)
    return [dict(zip(header, row, strict=False)) for row in plain[1:] if len(row) == len(header)]


class ForcedAsker(Archive):
    """ZTF's forced photometry."""

    survey = ztf_forced.SURVEY
    refused = f"IPAC refused access: check {', '.join(VARIABLES)} in the environment"

    def __init__(self, settings: Any) -> None:
        super().__init__(settings)
        self.settings, self.url = settings.ztf_forced, settings.ztf_forced_url.rstrip("/")
        self.root = Path(settings.data_root)

    @cached_property
    def _account(self) -> tuple[dict[str, str], tuple[str, str]]:
        """Account as the service wants it in requests, and the login of its pages. Raises StopSurvey."""
        absent = [name for name in VARIABLES if not os.environ.get(name)]
        if absent:
            msg = f"forced photometry needs an account at IPAC: set {', '.join(absent)} in the environment"
            raise StopSurvey(msg)
        email, password, login = (os.environ[name] for name in VARIABLES)
        user, _, secret = login.partition(":")
        return {"email": email, "userpass": password}, (user, secret)

    def request(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Position and dates that are asked for."""
        ra, dec = at_survey_epoch(row)
        first, last = (mjd + MJD_ZERO for mjd in self.settings.mjd_range)
        return {"ra": f"{ra:.7f}", "dec": f"{dec:.7f}", "jdstart": f"{first:.5f}", "jdend": f"{last:.5f}"}

    def note_of(self, row: Mapping[str, Any]) -> Path:
        """Note of a source's request in the store."""
        path = raw_path(self.root, self.survey, row["name"], row["ra"])
        return path.with_name(path.name.replace("_photometry_", "_request_")).with_suffix(".json")

    def place(self, row: Mapping[str, Any]) -> dict[str, Any] | None:
        """Place the request of a source unless it is placed; its note, None where there can be no rows."""
        if row["dec"] < SOUTHERN_LIMIT:
            return None
        note, wanted = self.note_of(row), self.request(row)
        if note.exists():
            known: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
            if known["request"] == wanted:
                return known
        self._get("requestForcedPhotometry.cgi", wanted, check_taken)
        placed = {"request": wanted, "placed_utc": now()}
        write_text(note, json.dumps(placed, sort_keys=True) + "\n")
        return placed

    def fetch(self, row: Mapping[str, Any]) -> Raw:
        """Rows of a source. Raises SourceError while the service has not worked them out."""
        placed = self.place(row)
        if placed is None:
            empty = pa.table({"jd": pa.array([], pa.float64())})
            return Raw(empty, {"reader": "ztf forced 1", "reason": "outside_survey"})
        entry = next((e for e in self._list if _same(e, placed["request"])), None)
        path = entry["lightcurve"] if entry is not None else ""
        if not path:
            msg = f"requested {placed['placed_utc']}, not ready yet: the next run looks again"
            raise SourceError(msg)
        answer = self._get(path, {}, check_table)
        table = ztf_forced.table_of(answer.body.decode("utf-8"))
        metadata = {
            "reader": "ztf forced 1",
            "fetched_utc": now(),
            "placed_utc": placed["placed_utc"],
            "headers": kept(answer.headers),
            "columns": {"time": "jd", "flux": "forcediffimflux", "flux_err": "forcediffimfluxunc"},
            "time": {"column": "jd", "scale": "UTC"},
        }
        return Raw(table, metadata | ({} if len(table) else {"reason": "no_rows"}))

    @cached_property
    def _list(self) -> list[dict[str, str]]:
        wanted = {"option": "All recent jobs", "action": "Query Database"}
        answer = self._get("getForcedPhotometryRequests.cgi", wanted, check_list)
        try:
            return listed(answer.body.decode("utf-8", "replace"))
        except BadAnswer as error:
            raise SourceError(str(error)) from error

    def _get(self, name: str, query: Mapping[str, str], check: Any) -> Answer:
        """Ask one of the service's pages."""
        account, login = self._account
        page = name.startswith("/")
        if page and not re.fullmatch(r"(/[\w.-]+)+", name):
            msg = f"the service names a strange file: {name[:80]!r}"
            raise SourceError(msg)
        url = f"{self.url}{name}" if page else f"{self.url}/cgi-bin/{name}"
        return self.ask(url, {} if page else {**query, **account}, check, login)


def _same(entry: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    pairs = (("ra", "ra"), ("dec", "dec"), ("startJD", "jdstart"), ("endJD", "jdend"))
    try:
        return all(round(float(entry[a]) - float(wanted[b]), DECIMALS) == 0 for a, b in pairs)
    except ValueError:
        return False
