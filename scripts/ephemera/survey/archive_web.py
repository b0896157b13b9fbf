"""What the archives of ZTF and TESS share: how they are asked, and when."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ephemera.transfer import Web


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


def now() -> str:
    """The moment of a request, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


#: Response headers that are kept with raw rows.
KEPT_HEADERS = ("content-type", "content-length", "date", "last-modified", "etag", "server")


def kept(headers: Any) -> dict[str, str]:
    """Headers that are kept with raw rows; cookies and the like are not."""
    return {name: headers[name] for name in KEPT_HEADERS if name in headers}
