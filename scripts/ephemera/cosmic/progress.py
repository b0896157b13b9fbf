"""Notes in the log of how far the reading of messages is, and how fast."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

log = logging.getLogger(__name__)

#: Time between notes, s.
PROGRESS_S = 5.0
Item = TypeVar("Item")


def with_progress(items: Iterable[Item], total: int, size_of: Callable[[Item], int]) -> Iterator[Item]:
    """The items one by one, with a note in the log every five seconds; `size_of` gives their bytes."""
    start = last = time.monotonic()
    done = 0
    for number, item in enumerate(items, 1):
        yield item
        done += size_of(item)
        now = time.monotonic()
        if now - last >= PROGRESS_S:
            last = now
            log.info("%d of %d messages, %.0f MB/s", number, total, done / 1e6 / (now - start))
