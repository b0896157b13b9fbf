"""Requests with repeats: what is worth asking again is asked again, what came is checked first.

Repeated are time-outs, broken connections, statuses 408, 425, 429 and 5xx, bodies shorter than announced,
and bodies that the caller's check refuses (a page of apologies with status 200). Pauses follow Retry-After
(seconds or a date, at most 300 s), else double from one second on with seeded jitter. Statuses 400 and 404
are answers; 401 and 403 stop. Credentials come from the caller and are in no message.
"""

from __future__ import annotations

import gzip
import logging
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
import urllib3

from ephemera.files import atomic_path
from ephemera.seeds import generator
from ephemera.transfer.errors import BadAnswer, WebError
from ephemera.transfer.resume import Body, Deadline, Reply
from ephemera.transfer.status import LONGEST_PAUSE, check_status
from ephemera.transfer.turnstile import Turnstile

log = logging.getLogger(__name__)
Got = TypeVar("Got")

#: First pause before asking again, s, where the server has no wish; it doubles each time.
FIRST_PAUSE = 1.0
#: Largest body taken into memory, bytes.
LARGEST_BODY = 1 << 30
#: Letters of a wrong answer that go into the log.
QUOTED = 200
_CHUNK = 1 << 18


@dataclass(frozen=True)
class Answer:
    """A body with status 200 that passed the check, and its headers (keys in lower case)."""

    body: bytes
    headers: Mapping[str, str]
    url: str


def _no_check(_: Answer) -> None:
    return None


@dataclass
class Web:
    """How servers are asked: time limits (s), repeats, limits per host, where these are kept.

    Raises ValueError for time limits that are not positive or repeats below 0.
    """

    lock_folder: Path
    connect_timeout: float = 10.0
    read_timeout: float = 120.0
    retries: int = 6
    per_second: float = 5.0
    connections: int = 4
    seed: int = 0
    pause: Callable[[float], None] = time.sleep
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        if min(self.connect_timeout, self.read_timeout) <= 0 or self.retries < 0:
            limits = (self.connect_timeout, self.read_timeout, self.retries)
            msg = f"time limits must be positive and retries at least 0, got {limits}"
            raise ValueError(msg)
        self.session.headers["User-Agent"] = "ephemera"

    def get(
        self,
        url: str,
        query: Mapping[str, str] | None = None,
        *,
        check: Callable[[Answer], None] = _no_check,
        credentials: tuple[str, str] | None = None,
    ) -> Answer:
        """The answer to a request, once `check` (which raises BadAnswer) is content with it.

        Raises NotThere, Refused, or WebError that says what went wrong last.
        """
        asked = {"params": dict(query or {}), "auth": credentials}
        return self._repeat(url, query, lambda: self._once("GET", url, asked, lambda r: _read(r, check)))

    def post(
        self,
        url: str,
        fields: Mapping[str, str],
        files: Mapping[str, tuple[str, bytes]],
        *,
        check: Callable[[Answer], None] = _no_check,
    ) -> Answer:
        """The answer to a form with files (name and content by field). Raises as `get` does.

        Asking again must do no harm: for services that compute an answer and change nothing.
        """
        asked = {"data": dict(fields), "files": dict(files)}
        return self._repeat(url, fields, lambda: self._once("POST", url, asked, lambda r: _read(r, check)))

    def download(self, url: str, path: Path, *, check: Callable[[Path], None] | None = None) -> None:
        """Bring a file to `path`, which appears whole or not at all; `check` looks at it before.

        Raises as `get` does.
        """

        def write(response: requests.Response) -> None:
            with atomic_path(path) as partial:
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    msg = "the server encoded the file, though asked not to"
                    raise BadAnswer(msg)
                with partial.open("wb") as handle:
                    for part in response.raw.stream(_CHUNK, decode_content=False):
                        handle.write(part)
                if check is not None:
                    check(partial)

        self._repeat(url, None, lambda: self._once("GET", url, {}, write))

    def receive(
        self,
        url: str,
        query: Mapping[str, str],
        path: Path,
        *,
        seconds: float,
        take: Callable[[Reply], Got],
    ) -> Got:
        """Receive a large body into the file `path`, go on after breaks, and hand it to `take`.

        What an earlier process received of this very body is continued. `take` raises BadAnswer for a body
        that is worth asking for again. All of it may last `seconds`. Raises as `get` does.
        """
        deadline = Deadline(seconds)
        body = Body(path)
        body.resume(url, query)

        def attempt() -> Got:
            limits = (self.connect_timeout, self.read_timeout)
            reply = body.receive(self.session, url, query, limits, deadline)
            body.forget()
            return take(reply)

        return self._repeat(url, query, attempt, deadline)

    def _repeat(
        self,
        url: str,
        query: Mapping[str, str] | None,
        attempt: Callable[[], Got],
        deadline: Deadline | None = None,
    ) -> Got:
        """What `attempt` gives, tried again after each BadAnswer; errors say which address it was."""
        try:
            return self._tried(url, query, attempt, deadline)
        except WebError as error:
            raise type(error)(_placed(url, str(error))) from error

    def _tried(
        self,
        url: str,
        query: Mapping[str, str] | None,
        attempt: Callable[[], Got],
        deadline: Deadline | None,
    ) -> Got:
        host = urlsplit(url).netloc.rpartition("@")[2]
        turnstile = Turnstile(
            self.lock_folder, host, connections=self.connections, per_second=self.per_second, pause=self.pause
        )
        jitter = generator(self.seed, "transfer.web", url, sorted((query or {}).items()))
        for number in range(self.retries + 1):
            try:
                with turnstile.turn():
                    return attempt()
            except BadAnswer as error:
                if number == self.retries:
                    msg = f"{error}, after {number + 1} attempts"
                    raise WebError(msg) from error
                wait = error.wait or FIRST_PAUSE * 2.0**number * (0.5 + jitter.random())
                wait = min(wait, LONGEST_PAUSE, deadline.left() if deadline else LONGEST_PAUSE)
                log.info("%s; asking again in %.1f s", _placed(url, str(error)), wait)
                self.pause(wait)
        raise AssertionError

    def _once(
        self, method: str, url: str, asked: Mapping[str, Any], use: Callable[[requests.Response], Got]
    ) -> Got:
        try:
            response = self.session.request(
                method,
                url,
                # Libraries that decode on the way do not tell when the end of a gzip body is missing.
                headers={"Accept-Encoding": "identity"},
                stream=True,
                timeout=(self.connect_timeout, self.read_timeout),
                **asked,
            )
            with response:
                check_status(response)
                return use(response)
        except requests.Timeout as error:
            msg = "no answer in time"
            raise BadAnswer(msg) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # The message of the library may hold the address with all its parameters.
            msg = f"the connection failed ({type(error).__name__})"
            raise BadAnswer(msg) from error


def _read(response: requests.Response, check: Callable[[Answer], None]) -> Answer:
    """The body of a response in memory, checked."""
    body = bytearray()
    for part in response.raw.stream(_CHUNK, decode_content=False):
        body += part
        if len(body) > LARGEST_BODY:
            msg = f"the answer is larger than {LARGEST_BODY} bytes"
            raise WebError(msg)
    plain = _decoded(bytes(body), response.headers.get("Content-Encoding", "identity"))
    headers = {key.lower(): value for key, value in response.headers.items()}
    answer = Answer(plain, headers, _bare(response.url))
    try:
        check(answer)
    except BadAnswer as error:
        start = answer.body[:QUOTED].decode("utf-8", "replace")
        log.warning("%s: %s; the answer starts with %r", answer.url, error, start)
        raise
    return answer


def _decoded(body: bytes, encoding: str) -> bytes:
    """A body as it was before it was encoded, gzip checked to its last byte."""
    if encoding == "identity":
        return body
    if encoding not in ("gzip", "x-gzip"):
        msg = f"the answer is encoded as {encoding!r}, though asked not to be"
        raise BadAnswer(msg)
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        msg = "the gzip body is damaged"
        raise BadAnswer(msg) from error


def _bare(url: str) -> str:
    """Address without credentials and parameters."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _placed(url: str, message: str) -> str:
    return f"{_bare(url)}: {message}"
