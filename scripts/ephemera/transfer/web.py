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
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from ephemera.files import atomic_path
from ephemera.seeds import generator
from ephemera.transfer.turnstile import Turnstile

log = logging.getLogger(__name__)

#: Longest pause that a server may ask for, s.
LONGEST_PAUSE = 300.0
#: Largest body taken into memory, bytes.
LARGEST_BODY = 1 << 30
#: Letters of a wrong answer that go into the log.
QUOTED = 200
_CHUNK = 1 << 18
_AGAIN = frozenset({408, 425, 429})
_REFUSED = frozenset({401, 403})
_ABSENT = frozenset({404, 410})


class WebError(Exception):
    """The answer was not got; asking again will not help, or has not helped."""


class NotThere(WebError):  # noqa: N818  names what the server said
    """The server answered that there is no such thing (404, 410)."""


class Refused(WebError):  # noqa: N818
    """The server refused (401, 403): credentials are missing or wrong."""


class BadAnswer(Exception):  # noqa: N818
    """What came is not what was asked for; raised by checks, and worth asking again."""


class _Again(Exception):  # noqa: N818
    """Worth asking again, after the server's wish (s) where it had one."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


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
    """How servers are asked: time limits (s), repeats, limits per host, where these are kept."""

    lock_folder: Path
    connect_timeout: float = 10.0
    read_timeout: float = 120.0
    retries: int = 6
    per_second: float = 5.0
    connections: int = 4
    seed: int = 0
    pause: Callable[[float], None] = time.sleep
    session: requests.Session = field(default_factory=requests.Session)

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
        return self._repeat(url, query, credentials, self._whole(url, check))

    def post(
        self,
        url: str,
        fields: Mapping[str, str],
        files: Mapping[str, tuple[str, bytes]],
        *,
        check: Callable[[Answer], None] = _no_check,
    ) -> Answer:
        """The answer to a form with fields and files (name and content of each), as `get` gives it.

        Asking again must do no harm: for services that compute an answer and change nothing.
        """
        form = {"data": dict(fields), "files": dict(files)}
        return self._repeat(url, None, None, self._whole(url, check), form)

    def _whole(self, url: str, check: Callable[[Answer], None]) -> Callable[[requests.Response], Answer]:
        """Reader of a body into memory, checked."""

        def attempt(response: requests.Response) -> Answer:
            body = bytearray()
            for part in response.raw.stream(_CHUNK, decode_content=False):
                body += part
                if len(body) > LARGEST_BODY:
                    msg = f"the answer is larger than {LARGEST_BODY} bytes"
                    raise WebError(msg)
            plain = _decoded(bytes(body), response.headers.get("Content-Encoding", "identity"))
            answer = Answer(plain, _headers(response), _bare(response.url))
            try:
                check(answer)
            except BadAnswer as error:
                start = answer.body[:QUOTED].decode("utf-8", "replace")
                log.warning("%s: %s; the answer starts with %r", _bare(url), error, start)
                raise _Again(str(error)) from error
            return answer

        return attempt

    def download(self, url: str, path: Path, *, check: Callable[[Path], None] | None = None) -> None:
        """Bring a file to `path`, which appears whole or not at all; `check` looks at it before.

        Raises as `get` does.
        """

        def attempt(response: requests.Response) -> Answer:
            with atomic_path(path) as partial:
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    msg = "the server encoded the file, though asked not to"
                    raise _Again(msg)
                with partial.open("wb") as handle:
                    for part in response.raw.stream(_CHUNK, decode_content=False):
                        handle.write(part)
                if check is not None:
                    try:
                        check(partial)
                    except BadAnswer as error:
                        raise _Again(str(error)) from error
            return Answer(b"", _headers(response), _bare(response.url))

        self._repeat(url, None, None, attempt)

    def _repeat(
        self,
        url: str,
        query: Mapping[str, str] | None,
        credentials: tuple[str, str] | None,
        attempt: Callable[[requests.Response], Answer],
        form: Mapping[str, Any] | None = None,
    ) -> Answer:
        host = urlsplit(url).netloc.rpartition("@")[2]
        turnstile = Turnstile(
            self.lock_folder, host, connections=self.connections, per_second=self.per_second, pause=self.pause
        )
        jitter = generator(self.seed, "transfer.web", url, sorted((query or {}).items()))
        for number in range(self.retries + 1):
            try:
                with turnstile.turn():
                    return self._once(url, query, credentials, attempt, form)
            except _Again as error:
                if number == self.retries:
                    msg = f"{_bare(url)}: {error}, after {number + 1} attempts"
                    raise WebError(msg) from error
                wait = 2.0**number * (0.5 + jitter.random()) if error.wait is None else error.wait
                wait = min(wait, LONGEST_PAUSE)
                log.info("%s: %s; asking again in %.1f s", _bare(url), error, wait)
                self.pause(wait)
        raise AssertionError

    def _once(
        self,
        url: str,
        query: Mapping[str, str] | None,
        credentials: tuple[str, str] | None,
        attempt: Callable[[requests.Response], Answer],
        form: Mapping[str, Any] | None,
    ) -> Answer:
        try:
            response = self.session.request(
                "GET" if form is None else "POST",
                url,
                **(form or {}),
                params=dict(query or {}),
                auth=credentials,
                # Libraries that decode on the way do not tell when the end of a gzip body is missing.
                headers={"Accept-Encoding": "identity"},
                stream=True,
                timeout=(self.connect_timeout, self.read_timeout),
            )
            with response:
                _check_status(response, url)
                return attempt(response)
        except requests.Timeout as error:
            msg = "no answer in time"
            raise _Again(msg) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            # The message of the library may hold the address with all its parameters.
            msg = f"the connection failed ({type(error).__name__})"
            raise _Again(msg) from error


def _decoded(body: bytes, encoding: str) -> bytes:
    """A body as it was before it was encoded, gzip checked to its last byte."""
    if encoding == "identity":
        return body
    if encoding not in ("gzip", "x-gzip"):
        msg = f"the answer is encoded as {encoding!r}, though asked not to be"
        raise _Again(msg)
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        msg = "the gzip body is damaged"
        raise _Again(msg) from error


def _check_status(response: requests.Response, url: str) -> None:
    status = response.status_code
    if status == requests.codes.ok:
        return
    if status in _REFUSED:
        msg = f"{_bare(url)}: status {status}: access refused; check the credentials"
        raise Refused(msg)
    if status in _ABSENT:
        msg = f"{_bare(url)}: status {status}: there is no such thing"
        raise NotThere(msg)
    if status in _AGAIN or status >= requests.codes.server_error:
        msg = f"status {status}"
        raise _Again(msg, wait=retry_after(response.headers.get("Retry-After")))
    msg = f"{_bare(url)}: status {status}"
    raise WebError(msg)


def retry_after(text: str | None, now: datetime | None = None) -> float | None:
    """Seconds of a Retry-After header, given as seconds or as a date, 0 to 300; None without."""
    if not text:
        return None
    if text.strip().isdecimal():
        return min(float(text), LONGEST_PAUSE)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    left = (moment - (now or datetime.now(UTC))).total_seconds()
    return min(max(left, 0.0), LONGEST_PAUSE)


def _headers(response: requests.Response) -> dict[str, str]:
    return {key.lower(): value for key, value in response.headers.items()}


def _bare(url: str) -> str:
    """Address without credentials and parameters."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
