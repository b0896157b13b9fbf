"""A local HTTP server that answers like IRSA's ZTF light-curve service and like MAST, with faults at will.

    with SurveyArchives() as archives:
        archives.ztf_rows = csv_text
        archives.fail("ztf", Fault.BUSY, Fault.TRUNCATED)   # one fault a request
        requests.get(archives.irsa_url, params={"POS": "CIRCLE 10 20 0.001", "FORMAT": "csv"})

`archives.asked` lists the requests: kind (ztf, tic, caom, product, gaia, forced, list, lightcurve), query and
the moment they came. Forced photometry is worked out once `archives.forced` holds its text, by its RA.
"""

from __future__ import annotations

import contextlib
import csv
import enum
import gzip
import io
import json
import math
import socket
import threading
import time
from collections import defaultdict, deque
from dataclasses import dataclass
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from servers.local import PAGE, LocalServer

IPAC_ERROR = b'[struct stat="ERROR", msg="Catalog is not available at the moment"]\n'


class Fault(enum.Enum):
    """What goes wrong with one reply."""

    BUSY = "503"
    TOO_MANY = "429 with Retry-After in seconds"
    TOO_MANY_DATE = "429 with Retry-After as a date"
    SERVER_ERROR = "500"
    GATEWAY = "502"
    GATEWAY_TIMEOUT = "504"
    BAD_REQUEST = "400"
    GONE = "404"
    UNAUTHORISED = "401"
    FORBIDDEN = "403"
    TRUNCATED = "half of the announced body"
    CUT_UNANNOUNCED = "half of a body of unknown length"
    BAD_GZIP = "an encoding that is not what it says"
    PAGE = "a page with status 200"
    IPAC_ERROR = "an error text with status 200"
    EMPTY = "nothing with status 200"
    SILENT = "no reply until the server stops"
    RESET = "the connection is reset"


STATUS = {
    Fault.BUSY: 503,
    Fault.TOO_MANY: 429,
    Fault.TOO_MANY_DATE: 429,
    Fault.SERVER_ERROR: 500,
    Fault.GATEWAY: 502,
    Fault.GATEWAY_TIMEOUT: 504,
    Fault.BAD_REQUEST: 400,
    Fault.GONE: 404,
    Fault.UNAUTHORISED: 401,
    Fault.FORBIDDEN: 403,
}


@dataclass
class Asked:
    """One request."""

    kind: str
    query: dict[str, str]
    moment: float
    authorization: str | None


class SurveyArchives(LocalServer):
    """The server."""

    def __init__(self) -> None:
        self.ztf_rows = ""
        self.stars: list[dict[str, Any]] = []
        self.observations: list[dict[str, Any]] = []
        self.products: dict[str, bytes] = {}
        self.gaia_rows: list[dict[str, Any]] = []
        self.forced: dict[str, str] = {}
        self.requested: list[dict[str, str]] = []
        self.faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self.asked: list[Asked] = []
        self.at_once = 0
        self.most_at_once = 0
        self.lock = threading.Lock()

        class Handler(_Handler):
            archives = self

        super().__init__(Handler)

    @property
    def irsa_url(self) -> str:
        """Address of the light-curve service."""
        return f"{self.root}/cgi-bin/ZTF/nph_light_curves"

    @property
    def mast_url(self) -> str:
        """Address of MAST's services."""
        return f"{self.root}/api/v0"

    @property
    def gaia_url(self) -> str:
        """Address of the Gaia archive's synchronous service."""
        return f"{self.root}/tap-server/tap/sync"

    @property
    def forced_url(self) -> str:
        """Address of the forced-photometry service."""
        return self.root

    def fail(self, kind: str, *faults: Fault) -> None:
        """Let the next requests of a kind fail, one fault each."""
        self.faults[kind].extend(faults)

    def kinds(self) -> list[str]:
        """Kind of each request, in order."""
        return [a.kind for a in self.asked]


class _Handler(BaseHTTPRequestHandler):
    archives: SurveyArchives
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        kind, body, content_type = self._answer(parts.path, query)
        archives = self.archives
        with archives.lock:
            archives.asked.append(Asked(kind, query, time.monotonic(), self.headers.get("Authorization")))
            archives.at_once += 1
            archives.most_at_once = max(archives.most_at_once, archives.at_once)
            fault = archives.faults[kind].popleft() if archives.faults[kind] else None
        try:
            if body is None and fault is None:
                fault = Fault.GONE
            with contextlib.suppress(OSError):
                self._send(fault, body or b"", content_type)
        finally:
            with archives.lock:
                archives.at_once -= 1

    def _answer(self, path: str, query: dict[str, str]) -> tuple[str, bytes | None, str]:
        if path.endswith("/nph_light_curves"):
            return "ztf", self._cone(query), "text/csv"
        if path.endswith("/invoke"):
            request = json.loads(query["request"])
            cone = request["service"] == "Mast.Catalogs.Tic.Cone"
            data = self.archives.stars if cone else self._filtered(request)
            body = json.dumps({"status": "COMPLETE", "data": data}).encode()
            return "tic" if cone else "caom", body, "application/json"
        if path.endswith("/tap/sync"):
            return "gaia", self._gaia(query["QUERY"]), "text/csv"
        if path.startswith("/ztf/ops/"):
            text = self.archives.forced.get(path.rpartition("_")[2].removesuffix(".txt"))
            return "lightcurve", text.encode() if text is not None else None, "text/plain"
        if path.endswith("/requestForcedPhotometry.cgi"):
            self.archives.requested.append(query)
            return "forced", b"<html><body>Your request was taken.</body></html>\n", "text/html"
        if path.endswith("/getForcedPhotometryRequests.cgi"):
            return "list", self._list(query), "text/html"
        name = query.get("uri", "").rpartition("/")[2]
        return "product", self.archives.products.get(name), "application/fits"

    def _gaia(self, query: str) -> bytes:
        """Rows of the cone in an ADQL query, without any motion, as the archive gives them."""
        circle = query.partition("CIRCLE('ICRS', ")[2].partition(")")[0]
        ra, dec, radius = (float(part) for part in circle.split(","))
        names = query.removeprefix("SELECT ").partition(" FROM")[0].split(", ")
        lines = [",".join(names)]
        for row in self.archives.gaia_rows:
            east = ((row["ra"] - ra + 180) % 360 - 180) * math.cos(math.radians(dec))
            if math.hypot(east, row["dec"] - dec) <= radius:
                lines.append(",".join("" if row.get(name) is None else str(row[name]) for name in names))
        return ("\n".join(lines) + "\n").encode()

    def _list(self, query: dict[str, str]) -> bytes:
        """The table of a user's requests; those worked out name their file."""
        head = ["reqid", "ra", "dec", "startJD", "endJD", "created", "started", "ended", "exitcode"]
        head += ["emailed", "lightcurve"]
        rows = []
        for number, asked in enumerate(self.archives.requested):
            ready = asked["ra"] in self.archives.forced and asked["email"] == query["email"]
            file = (
                f"/ztf/ops/forcedphot/lc/0/{number}/forcedphotometry_req0_lc_{asked['ra']}.txt"
                if ready
                else ""
            )
            cells = [
                number,
                asked["ra"],
                asked["dec"],
                asked["jdstart"],
                asked["jdend"],
                "",
                "",
                "",
                "",
                "",
                file,
            ]
            rows.append("<tr>" + "".join(f"<td> {cell} </td>" for cell in cells) + "</tr>")
        header = "<tr>" + "".join(f"<th> {name} </th>" for name in head) + "</tr>"
        return f"<html><body><table>{header}{''.join(rows)}</table></body></html>\n".encode()

    def _cone(self, query: dict[str, str]) -> bytes:
        """Rows in the cone, as IRSA gives them."""
        wanted = set(query["ID"].split(",")) if "ID" in query else None
        _, ra, dec, radius = query.get("POS", "CIRCLE 0 0 0").split()
        out = io.StringIO()
        reader = csv.DictReader(io.StringIO(self.archives.ztf_rows))
        writer = csv.DictWriter(out, reader.fieldnames or [], lineterminator="\n")
        writer.writeheader()
        for row in reader:
            east = (float(row["ra"]) - float(ra) + 180) % 360 - 180
            north = float(row["dec"]) - float(dec)
            inside = math.hypot(east * math.cos(math.radians(float(dec))), north) <= float(radius)
            if inside if wanted is None else row["oid"] in wanted:
                writer.writerow(row)
        return out.getvalue().encode()

    def _filtered(self, request: dict[str, Any]) -> list[dict[str, Any]]:
        wanted = {f["paramName"]: f["values"] for f in request["params"]["filters"]}
        return [o for o in self.archives.observations if all(o.get(k) in v for k, v in wanted.items())]

    def _send(self, fault: Fault | None, body: bytes, content_type: str) -> None:
        if fault is Fault.SILENT:
            self.archives.stopping.wait(30)
            return
        if fault is Fault.RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self.close_connection = True
            self.connection.close()
            return
        headers = {"Content-Type": content_type, "Set-Cookie": "session=secret"}
        if fault in STATUS:
            self.send_response(STATUS[fault])
            if fault is Fault.TOO_MANY:
                self.send_header("Retry-After", "1")
            if fault is Fault.TOO_MANY_DATE:
                self.send_header("Retry-After", formatdate(time.time() + 3600, usegmt=True))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if fault in (Fault.PAGE, Fault.IPAC_ERROR, Fault.EMPTY):
            body = {Fault.PAGE: PAGE, Fault.IPAC_ERROR: IPAC_ERROR, Fault.EMPTY: b""}[fault]
            headers["Content-Type"] = "text/html" if fault is Fault.PAGE else "text/plain"
        if fault is Fault.BAD_GZIP:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body)[:-20] + b"nonsense at the end."
        self.send_response(200)
        for name, value in headers.items():
            self.send_header(name, value)
        half = fault in (Fault.TRUNCATED, Fault.CUT_UNANNOUNCED)
        if fault is not Fault.CUT_UNANNOUNCED:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        # One byte short of a half, so that tables are cut in mid-row.
        self.wfile.write(body[: len(body) // 2 - 1] if half else body)
        self.close_connection = half
