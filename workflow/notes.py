"""Small notes (JSON) that are inputs of rules: one that is newer than what was made of it makes it stale."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ephemera.files import json_text


def read_note(path: Path) -> dict[str, Any] | None:
    """Content of a note; None when there is none that can be read."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


def write_note(path: Path, note: Mapping[str, Any], newer_than: Path | None) -> None:
    """Write a note that is newer than a file, or (None) that keeps the time of the one it replaces."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json_text(note), encoding="utf-8")
    if newer_than is None:
        moment = path.stat().st_mtime_ns
    else:
        # The clock may have been set back since the other file was written.
        moment = max(time.time_ns(), newer_than.stat().st_mtime_ns + 1000 if newer_than.exists() else 0)
    os.utime(fresh, ns=(moment, moment))
    # Another process that plans at the same time has written the same note when ours is gone.
    with contextlib.suppress(FileNotFoundError):
        fresh.replace(path)
    for leftover in path.parent.glob(f".{path.name}.*"):  # of a run that was killed just here
        leftover.unlink(missing_ok=True)


def note_attempt(path: Path, made: Path, *, failed: bool) -> None:
    """Note that something is to be tried: when there is no note yet, and anew when the last attempt failed.

    `made` is the file that the last attempt left; the note counts the attempts.
    """
    if path.is_file() and not (failed and made.stat().st_mtime_ns >= path.stat().st_mtime_ns):
        return
    attempts = (read_note(path) or {}).get("attempts", 0) + 1
    write_note(path, {"of": path.stem, "attempts": attempts}, newer_than=made)
