"""A local HTTP server that answers like the XMM-Newton Science Archive, with faults at will.

It speaks the query `?obsno=&level=PPS&name=&instname=`: one matching file comes under its own name in the
content-disposition header, several come as a tar named `GUEST...` with members two folders deep, none is
404. A fault is put in a queue for one product and spent by one request:

    with XmmArchive() as archive:
        archive.add("P0884250101PNS003PIEVLI0000.FTZ", content)
        archive.fail("PIEVLI", Fault.BUSY, Fault.TRUNCATED)
        requests.get(archive.url, params={"obsno": "0884250101", "level": "PPS", "name": "PIEVLI"})

`archive.asked` lists the requests served.
"""

from __future__ import annotations

import contextlib
import enum
import gzip
import io
import re
import socket
import tarfile
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from servers.local import PAGE, LocalServer

PRODUCT = re.compile(r"P(?P<obsid>[0-9]{10})(?P<instrument>..)[SUX][0-9]{3}(?P<rest>.+)")


class Fault(enum.Enum):
    """What goes wrong with one reply."""

    BUSY = "503, with Retry-After"
    GONE = "404"
    FORBIDDEN = "403"
    TRUNCATED = "half of the announced body, then the connection closes"
    CHUNKED_TRUNCATED = "half of a chunked body, then the connection closes"
    CUT_UNANNOUNCED = "half of a body of unknown length, then the connection closes"
    PAGE = "an error page with status 200"
    PAGE_AS_FILE = "an error page with status 200 under the name of the file"
    EMPTY = "status 200, length 0"
    BAD_REQUEST = "400"
    UNSATISFIABLE = "416"
    MISPLACED = "a part of the body that was not asked for"
    STALLED = "half of the announced body, then nothing until the server stops"
    SILENT = "no reply until the server stops"
    DRIPPING = "a few bytes now and then, for ever"
    RESET = "the connection is reset before any reply"


STATUS = {
    Fault.BUSY: 503,
    Fault.GONE: 404,
    Fault.FORBIDDEN: 403,
    Fault.BAD_REQUEST: 400,
    Fault.UNSATISFIABLE: 416,
}


@dataclass
class Asked:
    """One request: its query and the byte range asked for."""

    query: dict[str, str]
    range: str | None


@dataclass
class _State:
    files: dict[str, bytes] = field(default_factory=dict)
    replies: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    faults: defaultdict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    asked: list[Asked] = field(default_factory=list)
    ranges: bool = True
    etag: bool = True
    encode: bool = False
    retry_after: str = "0"


class XmmArchive(LocalServer):
    """The server."""

    def __init__(self) -> None:
        self.state = _State()

        class Handler(_Handler):
            archive = self

        super().__init__(Handler)

    @property
    def url(self) -> str:
        """Address to ask."""
        return f"{self.root}/nxsa-sl/servlet/data-action-aio"

    @property
    def asked(self) -> list[Asked]:
        """Requests served, in order."""
        return self.state.asked

    def names_asked(self) -> list[str]:
        """Product of each request, as `PN PIEVLI` or `OBSMLI`."""
        return [f"{a.query.get('instname', '')} {a.query['name']}".strip() for a in self.asked]

    def add(self, name: str, content: bytes) -> None:
        """Serve a file."""
        self.state.files[name] = content

    def add_folder(self, folder: Path) -> None:
        """Serve the pipeline products of a folder and its subfolders."""
        for path in sorted(folder.rglob("P*")):
            if path.is_file() and PRODUCT.fullmatch(path.name):
                self.add(path.name, path.read_bytes())

    def reply_with(self, product: str, name: str, content: bytes) -> None:
        """Answer requests for a product (`PN PIEVLI`, `OBSMLI`) with any content under any name."""
        self.state.replies[product] = (name, content)

    def fail(self, product: str, *faults: Fault) -> None:
        """Let the next requests for a product (`PN PIEVLI`, `OBSMLI`) fail, one fault each."""
        self.state.faults[product].extend(faults)


def bundle(members: Iterable[tuple[str, bytes]]) -> bytes:
    """A tar of named contents, the same bytes each time."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    archive: XmmArchive

    @property
    def state(self) -> _State:
        return self.archive.state

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
        self.state.asked.append(Asked(query, self.headers.get("Range")))
        product = f"{query.get('instname', '')} {query.get('name', '')}".strip()
        fault = self.state.faults[product].popleft() if self.state.faults[product] else None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._answer(query, product, fault)

    def _answer(self, query: dict[str, str], product: str, fault: Fault | None) -> None:
        if fault is Fault.SILENT:
            self.archive.stopping.wait()
            self.close_connection = True
        elif fault is Fault.RESET:
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif fault in STATUS:
            self._send(
                STATUS[fault], PAGE, {"Content-Type": "text/html", "Retry-After": self.state.retry_after}
            )
        elif fault is Fault.PAGE:
            self._send(200, PAGE, {"Content-Type": "text/html;charset=UTF-8"})
        elif fault is Fault.EMPTY:
            self._send(200, b"", {})
        else:
            self._send_product(query, product, fault)

    def _send_product(self, query: dict[str, str], product: str, fault: Fault | None) -> None:
        found = self.state.replies.get(product) or _select(self.state.files, query)
        if found is None or query.get("level") != "PPS":
            self._send(404, PAGE, {"Content-Type": "text/html"})
            return
        name, body = found
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        if fault is Fault.PAGE_AS_FILE:
            self._send(200, PAGE, headers)
            return
        if self.state.ranges:
            headers["Accept-Ranges"] = "bytes"
        if self.state.etag:
            headers["ETag"] = f'"{hash(body):x}"'
        if self.state.encode:
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body)
        first = 1 if fault is Fault.MISPLACED else self._first_byte(headers)
        if first:
            headers["Content-Range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
        self._send(206 if first else 200, body[first:], headers, fault)

    def _first_byte(self, headers: dict[str, str]) -> int:
        match = re.fullmatch(r"bytes=([0-9]+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if not self.state.ranges or match is None:
            return 0
        if condition is not None and condition != headers.get("ETag"):
            return 0
        return int(match[1])

    def _send(self, status: int, body: bytes, headers: dict[str, str], fault: Fault | None = None) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        half = body[: len(body) // 2]
        if fault is Fault.CHUNKED_TRUNCATED:
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(f"{len(half):x}\r\n".encode() + half + b"\r\n")
            self.close_connection = True
        elif fault is Fault.CUT_UNANNOUNCED:
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(half)
        elif fault is Fault.DRIPPING:
            self.send_header("Content-Length", str(10**9))
            self.end_headers()
            while not self.archive.stopping.wait(0.02):
                self.wfile.write(b"..")
        else:
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            cut = fault in (Fault.TRUNCATED, Fault.STALLED)
            self.wfile.write(half if cut else body)
            if fault is Fault.STALLED:
                self.archive.stopping.wait()
            self.close_connection = self.close_connection or cut


def _select(files: dict[str, bytes], query: dict[str, str]) -> tuple[str, bytes] | None:
    """The one file that matches, or a tar of all that do, or None."""
    names = []
    for name in sorted(files):
        match = PRODUCT.fullmatch(name)
        if match is None or match["obsid"] != query.get("obsno"):
            continue
        if match["instrument"] == query.get("instname", match["instrument"]):
            names += [name] * match["rest"].startswith(query.get("name", ""))
    if len(names) < 2:
        return (names[0], files[names[0]]) if names else None
    return "GUEST12345678.tar", bundle((f"{query['obsno']}/pps/{name}", files[name]) for name in names)
