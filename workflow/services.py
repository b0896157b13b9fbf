"""Notes of when a remote service is to be asked: asked once, and again when it did not answer.

The note is the input of the job that asks. It is written when there is none, and anew, with another content
so that the job is stale, when the last job noted that the service was not available.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

UNAVAILABLE = "unavailable"


def note_service(path: Path, status: Path) -> None:
    """Bring a note up to date with the status (JSON with `outcome`) that the last job left."""
    if path.is_file() and not (_failed(status) and status.stat().st_mtime_ns >= path.stat().st_mtime_ns):
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    attempts = _read(path).get("attempts", 0) + 1
    fresh.write_text(json.dumps({"service": path.stem, "attempts": attempts}) + "\n", encoding="utf-8")
    # The clock may have been set back since the status was written.
    moment = max(time.time_ns(), status.stat().st_mtime_ns + 1000 if status.exists() else 0)
    os.utime(fresh, ns=(moment, moment))
    with contextlib.suppress(FileNotFoundError):
        fresh.replace(path)


def _failed(status: Path) -> bool:
    return _read(status).get("outcome") == UNAVAILABLE


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}
