"""A clock that was set back: files made before it seem to come from the future.

Whatever is made next would look older than its inputs, be refused and be made again and again. So the
files from the future get the present time, in the order that they had.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path

log = logging.getLogger(__name__)

#: Clocks of file servers differ by as much, in s; only a larger step counts.
TOLERANCE_S = 10.0
#: Files of the raw folder that rules make; data files keep their times.
RAW_SUFFIXES = (".json", ".parquet", ".snakemake_timestamp")


def was_set_back(logs: Path) -> bool:
    """Whether a log of an earlier run in this folder is newer than now."""
    limit = time.time() + TOLERANCE_S
    try:
        with os.scandir(logs) as entries:
            return any(entry.stat().st_mtime > limit for entry in entries)
    except FileNotFoundError:
        return False


def mend_times(results: Path, raw: Path, logs: Path) -> int:
    """Give files from the future the present time, keeping their order; returns how many there were."""
    now = time.time_ns()
    future = [
        *_newer_than(now, results),
        *(entry for entry in _newer_than(now, raw) if entry[1].endswith(RAW_SUFFIXES)),
    ]
    # Snakemake reads times as floating-point seconds, which tell microseconds apart.
    moments = {moment: now + 1000 * k for k, moment in enumerate(sorted({when for when, _ in future}), 1)}
    for moment, path in future:
        os.utime(path, ns=(moments[moment], moments[moment]), follow_symlinks=False)
    for _, path in _newer_than(now, logs):
        os.utime(path, ns=(now, now))
    if future:
        log.warning("The clock was set back: %d files from the future now have the present time", len(future))
    return len(future)


def _newer_than(moment: int, *folders: Path) -> Iterator[tuple[int, str]]:
    waiting: list[str | Path] = list(folders)
    while waiting:
        folder = waiting.pop()
        if not os.path.isdir(folder):  # noqa: PTH112  100,000 files: no Path objects
            continue
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif (when := entry.stat(follow_symlinks=False).st_mtime_ns) > moment:
                    yield when, entry.path
