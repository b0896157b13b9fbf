"""Receive the body of one HTTP reply into a file, patiently and within bounds.

A connection may hang, drip, break off or come back with a page of apologies. The body is written as it
comes; when it breaks off and the server can continue it (RFC 9110, Range and If-Range), the next request
asks only for the rest. Whether the result is good is not judged here but by reading the file.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import Any

import requests
import urllib3

from ephemera.transfer.errors import BadAnswer, NotThere, WebError
from ephemera.transfer.status import check_status

#: Largest body that is believed, in bytes.
MAX_BODY_BYTES = 32 * 1024**3

_CHUNK = 1 << 18
_CONTENT_RANGE = re.compile(r"bytes ([0-9]+)-[0-9]+/(?:[0-9]+|\*)")


class Deadline:
    """The moment at which one product has taken long enough."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left; raises WebError when there are none."""
        left = self._end - time.monotonic()
        if left <= 0:
            msg = f"not complete within {self._seconds:g} s"
            raise WebError(msg)
        return left


@dataclass(frozen=True)
class Reply:
    """A complete body: the base name the server gave it, and where it came from."""

    name: str
    url: str
    path: Path


def name_from_header(disposition: str) -> str | None:
    """Base name in a content-disposition header (RFC 6266), without any folder; None without a name."""
    message = Message()
    message["content-disposition"] = disposition
    name = message.get_filename()
    if not name:
        return None
    return PurePosixPath(name.replace("\\", "/")).name or None


class Body:
    """A file being received; knows how to go on after a break.

    A small note beside the file says what it is the beginning of, so that a process that was killed can be
    followed by another one that asks for the rest.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._note = path.with_name(path.name + ".json")
        self._validator: str | None = None
        self._can_continue = False
        self._received = 0

    def discard(self) -> None:
        """Forget what came: the next request starts from the first byte."""
        self.path.unlink(missing_ok=True)
        self.forget()

    def forget(self) -> None:
        """Note that the file is complete and in other hands: the next request starts a new one."""
        self._note.unlink(missing_ok=True)
        self._validator, self._can_continue, self._received = None, False, 0

    def resume(self, url: str, query: Mapping[str, str]) -> None:
        """Go on with what another process received of this very body, if there is such a thing."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
            received = self.path.stat().st_size
        except (OSError, ValueError):
            return
        validator = note.pop("validator", None) if isinstance(note, dict) else None
        if received and validator is not None and note == _question(url, query):
            self._validator, self._can_continue, self._received = validator, True, received

    def receive(
        self,
        session: requests.Session,
        url: str,
        query: Mapping[str, str],
        time_limits: tuple[float, float],
        deadline: Deadline,
    ) -> Reply:
        """Ask once, write what comes, and return when the body is complete.

        `time_limits` (s) are to connect and between two reads. Raises BadAnswer when it broke off (what
        came is kept if it can be continued), NotThere when there is no such thing, WebError otherwise.
        """
        if not self._can_continue:
            self.discard()
        left = deadline.left()
        connect, read = time_limits
        try:
            response = session.get(
                url,
                params=dict(query),
                headers=self._headers(),
                stream=True,
                timeout=(min(connect, left), min(read, left)),
            )
        except requests.Timeout as error:
            deadline.left()
            kind = "connection" if isinstance(error, requests.ConnectTimeout) else "reply"
            msg = f"no {kind} in time"
            raise BadAnswer(msg) from error
        except requests.RequestException as error:
            msg = f"connection failed ({type(error).__name__})"
            raise BadAnswer(msg) from error
        with response:
            self._check_status(response)
            name = _name(response)
            self._prepare(response)
            if self._can_continue and self._validator is not None:
                note = {**_question(url, query), "validator": self._validator}
                self._note.write_text(json.dumps(note), encoding="utf-8")
            self._write(response, deadline)
            return Reply(name, response.url, self.path)

    def _headers(self) -> dict[str, str]:
        headers = {"Accept-Encoding": "identity"}
        if self._can_continue:
            headers["Range"] = f"bytes={self._received}-"
            if self._validator is not None:
                headers["If-Range"] = self._validator
        return headers

    def _check_status(self, response: requests.Response) -> None:
        if response.status_code == requests.codes.requested_range_not_satisfiable:
            self._can_continue = False
        check_status(response)

    def _prepare(self, response: requests.Response) -> None:
        """Decide whether this reply continues the file or starts it, and whether a break can be mended."""
        if response.status_code == requests.codes.partial_content:
            match = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
            if match is None or int(match[1]) != self._received:
                self._can_continue = False
                msg = "the server continued at another byte"
                raise BadAnswer(msg)
            return
        self.discard()
        tag = response.headers.get("ETag", "")
        strong_tag = tag if tag.startswith('"') else None
        self._validator = strong_tag or response.headers.get("Last-Modified")
        encoded = response.headers.get("Content-Encoding", "identity") != "identity"
        self._can_continue = response.headers.get("Accept-Ranges") == "bytes" and not encoded

    def _write(self, response: requests.Response, deadline: Deadline) -> None:
        with self.path.open("ab") as handle:
            while True:
                deadline.left()
                try:
                    # read1 hands over whatever one read of the socket gave, so that the deadline is
                    # looked at however slowly the bytes drip.
                    data = response.raw.read1(_CHUNK, decode_content=True)
                except urllib3.exceptions.HTTPError as error:
                    deadline.left()
                    msg = f"the body broke off ({type(error).__name__})"
                    raise BadAnswer(msg) from error
                if not data:
                    return
                self._received += len(data)
                if self._received > MAX_BODY_BYTES:
                    msg = f"the body is larger than {MAX_BODY_BYTES} bytes"
                    raise WebError(msg)
                handle.write(data)


def _question(url: str, query: Mapping[str, str]) -> dict[str, Any]:
    return {"url": url, "query": dict(query)}


def _name(response: requests.Response) -> str:
    """The name of the file sent; an answer without one is no file."""
    name = name_from_header(response.headers.get("Content-Disposition", ""))
    if name is not None:
        return name
    if response.headers.get("Content-Length") == "0":
        msg = "empty reply"
        raise NotThere(msg)
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    msg = f"a page of type {kind or 'unknown'} came instead of a file"
    raise BadAnswer(msg)
