"""What the archives of surveys share: how they are asked, what failures mean, what is kept of an answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from ephemera.survey.outcomes import SourceError, StopSurvey
from ephemera.transfer import Answer, NotThere, Refused, Web, WebError

#: Response headers that are kept with raw rows; cookies and the like are not.
KEPT_HEADERS = ("content-type", "content-length", "date", "last-modified", "etag", "server")


def web_of(settings: Any) -> Web:
    """How servers are asked, as the options say."""
    return Web(
        Path(settings.lock_folder),
        connect_timeout=settings.connect_timeout_s,
        read_timeout=settings.read_timeout_s,
        retries=settings.retries,
        per_second=settings.requests_per_s,
        connections=settings.connections,
    )


class AbsentError(SourceError):
    """The archive says that there is no such thing."""


class Archive:
    """A survey behind the network. `refused` says what the user must do when it refuses access."""

    needs_network, is_plugin = True, False
    refused: str

    def __init__(self, settings: Any) -> None:
        self._settings = settings

    @cached_property
    def _web(self) -> Web:
        if self._settings.offline:
            msg = "offline"
            raise SourceError(msg)
        return web_of(self._settings)

    def ask(
        self,
        url: str,
        query: Mapping[str, str],
        check: Callable[[Answer], None],
        credentials: tuple[str, str] | None = None,
    ) -> Answer:
        """A checked answer. Raises StopSurvey (access refused), AbsentError (404), else SourceError."""
        try:
            return self._web.get(url, query, check=check, credentials=credentials)
        except NotThere as error:
            raise AbsentError(str(error)) from error
        except Refused as error:
            msg = f"{self.refused} ({error})"
            raise StopSurvey(msg) from error
        except WebError as error:
            raise SourceError(str(error)) from error


def now() -> str:
    """The moment of a request, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def kept(headers: Any) -> dict[str, str]:
    """Headers that are kept with raw rows."""
    return {name: headers[name] for name in KEPT_HEADERS if name in headers}
