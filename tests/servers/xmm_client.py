"""The archive with a whole observation, and a client of it, for tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ephemera.transfer import Web
from servers.xmm_archive import XmmArchive
from servers.xmm_products import whole_observation

if TYPE_CHECKING:
    import pytest

RETRIES = 3
SECONDS = 30.0


@contextmanager
def whole_archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[XmmArchive]:
    """A running archive that holds every product of one observation."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with XmmArchive() as running:
        for name, content in whole_observation().items():
            running.add(name, content)
        yield running


def asking(folder: Path, pause: Callable[[float], Any], **limits: Any) -> Web:
    """A client that is not held back by limits per host, and tells of the pauses between attempts."""

    def told(seconds: float) -> None:
        if seconds > 0.01:
            pause(seconds)

    limits = {"connect_timeout": 5.0, "read_timeout": 5.0, "retries": RETRIES} | limits
    return Web(folder / "locks", per_second=1e6, pause=told, **limits)
