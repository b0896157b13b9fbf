"""Limits on requests to one host that hold over all processes of a machine.

A slot is a locked file: at most so many requests run at once. The moment of the last start stands in another
file, so that starts keep their distance.
"""

from __future__ import annotations

import fcntl
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

#: How long one waits before looking for a free slot again, s.
LOOK_AGAIN = 0.02


class Turnstile:
    """Lets at most `connections` requests to a host run at once, `per_second` start in a second."""

    def __init__(
        self,
        folder: Path,
        host: str,
        *,
        connections: int,
        per_second: float,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder = folder / ".turnstile" / re.sub(r"[^A-Za-z0-9.-]", "_", host)
        self._connections, self._distance, self._pause = connections, 1 / per_second, pause

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for one's turn; the slot is free again when the body ends, however it ends."""
        self._folder.mkdir(parents=True, exist_ok=True)
        slot = self._slot()
        try:
            self._keep_distance()
            yield
        finally:
            slot.close()

    def _slot(self) -> IO[str]:
        while True:
            for number in range(self._connections):
                handle = (self._folder / f"slot-{number}").open("a", encoding="ascii")
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    handle.close()
                else:
                    return handle
            self._pause(LOOK_AGAIN)

    def _keep_distance(self) -> None:
        path = self._folder / "last"
        with path.open("a+", encoding="ascii") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            handle.seek(0)
            text = handle.read().strip()
            now = time.time()
            try:
                wait = min(float(text) + self._distance - now, self._distance) if text else 0.0
            except ValueError:
                wait = 0.0
            if wait > 0:
                self._pause(wait)
            handle.truncate(0)
            handle.write(repr(now + max(wait, 0.0)))
