"""A local HTTP server that answers like the CDS X-Match service, with faults at will.

    with XMatchService({"vizier:II/328/allwise": rows}) as service:
        requests.post(service.url, data={"request": "xmatch", ...}, files={"cat1": ...})

`rows` are a table (list of dicts with `ra_name`, `dec_name` columns). Like the service it wants the six
parameters by their names, answers CSV with the column angDist first, then the uploaded columns, then those of
the catalogue, refuses unknown tables and parameters with status 400, and takes at most 50,000 rows here.
`service.asked` lists the requests: form fields and uploaded rows.
"""

from __future__ import annotations

import csv
import enum
import io
import math
from collections import deque
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from servers.local import PAGE, LocalServer

MOST_ROWS = 50_000


class Fault(enum.Enum):
    """What goes wrong with one reply."""

    BUSY = "503"
    PAGE = "a page with status 200"
    EMPTY = "nothing with status 200"
    CUT = "half of a body of which nobody said how long it is"


@dataclass(frozen=True)
class Table:
    """A catalogue of the service: rows, and the names of its positions (degrees)."""

    rows: list[dict[str, Any]]
    ra: str
    dec: str


@dataclass(frozen=True)
class Asked:
    """One request."""

    fields: dict[str, str]
    uploaded: list[dict[str, str]]


class XMatchService(LocalServer):
    """The server."""

    def __init__(self, tables: dict[str, Table]) -> None:
        self.tables = tables
        self.asked: list[Asked] = []
        self.faults: deque[Fault] = deque()

        class Handler(_Handler):
            service = self

        super().__init__(Handler)

    @property
    def url(self) -> str:
        """Address of the service."""
        return f"{self.root}/xmatch/api/v1/sync"


class _Handler(BaseHTTPRequestHandler):
    service: XMatchService

    def log_message(self, *_: object) -> None:
        """Be quiet."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fields, files = _form(self.headers, body)
        if self.service.faults:
            self._fail(self.service.faults.popleft())
            return
        try:
            answer = self._answer(fields, files)
        except ValueError as error:
            self._send(400, str(error).encode(), "text/plain")
            return
        self._send(200, answer.encode(), "text/csv")

    def _answer(self, fields: dict[str, str], files: dict[str, bytes]) -> str:
        if fields.get("request") != "xmatch" or fields.get("RESPONSEFORMAT") != "csv":
            raise ValueError("request must be xmatch and RESPONSEFORMAT csv")
        table = self.service.tables.get(fields.get("cat2", ""))
        if table is None:
            raise ValueError(f"Table {fields.get('cat2')} does not exist")
        reader = csv.DictReader(io.StringIO(files["cat1"].decode()))
        uploaded = list(reader)
        if len(uploaded) > MOST_ROWS:
            raise ValueError("too many rows")
        self.service.asked.append(Asked(fields, uploaded))
        names = list(table.rows[0]) if table.rows else []
        sent = list(reader.fieldnames or [])
        output = io.StringIO()
        writer = csv.writer(output, lineterminator="\n")
        writer.writerow(["angDist", *(f"{n}_in" if n in names else n for n in sent), *names])
        limit = float(fields["distMaxArcsec"])
        for row, match, separation in _pairs(uploaded, table, fields["colRA1"], fields["colDec1"], limit):
            writer.writerow([f"{separation:.6f}", *row.values(), *match.values()])
        return output.getvalue()

    def _fail(self, fault: Fault) -> None:
        if fault is Fault.BUSY:
            self._send(503, b"busy", "text/plain")
        elif fault is Fault.PAGE:
            self._send(200, PAGE, "text/html")
        elif fault is Fault.EMPTY:
            self._send(200, b"", "text/csv")
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"angDist,ephemera_row,ephemera_ra,ephemera_dec,main_id\n0.5,1,2")
            self.close_connection = True

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _form(headers: Message, body: bytes) -> tuple[dict[str, str], dict[str, bytes]]:
    """Fields and files of a multipart form."""
    head = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    fields, files = {}, {}
    for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts():  # type: ignore[attr-defined]
        name = part.get_param("name", header="content-disposition")
        content = part.get_payload(decode=True)
        if part.get_filename() is None:
            fields[name] = content.decode()
        else:
            files[name] = content
    return fields, files


def _pairs(uploaded, table, ra, dec, limit):
    """All pairs closer than the limit, in the order of the uploaded rows."""
    if not uploaded or not table.rows:
        return
    here = _vectors([(float(row[ra]), float(row[dec])) for row in uploaded])
    there = _vectors([(float(row[table.ra]), float(row[table.dec])) for row in table.rows])
    chord = 2 * math.sin(math.radians(limit / 3600) / 2)
    for k, near in enumerate(cKDTree(there).query_ball_point(here, chord)):
        for m in sorted(near):
            separation = 2 * math.asin(min(1.0, np.linalg.norm(here[k] - there[m]) / 2))
            yield uploaded[k], table.rows[m], math.degrees(separation) * 3600


def _vectors(positions):
    a, d = np.radians(np.array(positions)).T
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=1)
