"""How far a job has come: lines for people in the log, and one JSON line each for programs."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path

log = logging.getLogger(__name__)

#: Stages of a dataset and their shares of the whole.
STAGES = {
    "scan": 2,
    "read": 28,
    "align": 5,
    "normalise": 10,
    "metrics": 10,
    "figures": 15,
    "video": 20,
    "export": 10,
}
#: At most this many lines a second.
RATE = 2.0


class Progress:
    """Progress of one job; the overall percentage never falls.

    JSON lines are written beside the job's `logfile`, into `<name>.progress.jsonl` (None writes none).
    """

    def __init__(self, logfile: Path | None = None) -> None:
        path = None if logfile is None else logfile.with_suffix(".progress.jsonl")
        self._path = path
        self._begin = time.monotonic()
        self._last = -1.0
        self._percent = 0.0
        self._stage = "scan"
        if path is not None:
            path.write_text("", encoding="utf-8")

    def stage(self, name: str, done: int, total: int) -> None:
        """Say that `done` of `total` are done in a stage; a change of stage is always written."""
        before = sum(share for stage, share in STAGES.items() if _earlier(stage, name))
        self._percent = max(self._percent, before + STAGES[name] * done / max(total, 1))
        now = time.monotonic()
        if name == self._stage and now - self._last < 1 / RATE and done < total:
            return
        self._stage, self._last = name, now
        self._write(name, done, total, now - self._begin)

    def done(self) -> None:
        """The last line of a job."""
        self._write(self._stage, 1, 1, time.monotonic() - self._begin)

    def _write(self, name: str, done: int, total: int, elapsed: float) -> None:
        remaining = elapsed * (100 - self._percent) / self._percent if self._percent > 0 else None
        log.info("%s: %d of %d, %.0f %%, %.1f s", name, done, total, self._percent, elapsed)
        if self._path is not None:
            line = {
                "stage": name,
                "done": done,
                "total": total,
                "percent": round(self._percent, 1),
                "elapsed_s": round(elapsed, 2),
                "remaining_s": None if remaining is None else round(remaining, 1),
            }
            with self._path.open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(line) + "\n")


def _earlier(stage: str, name: str) -> bool:
    order = list(STAGES)
    return order.index(stage) < order.index(name)
