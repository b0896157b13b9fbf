"""Files that appear whole or not at all, and their checksums."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: Prefix of names under which files are written before they are complete.
PARTIAL_PREFIX = ".partial."
#: How often an attempt is begun anew when another one of the same output begins or ends at that moment.
BEGINNINGS = 50


def partial_path(path: Path) -> Path:
    """Name in the same folder under which `path` is written until it is complete.

    The suffix stays, so that writers that choose a format by suffix choose the right one. The name
    does not depend on the process: a leftover of a killed job is overwritten by the next one.
    """
    return path.with_name(PARTIAL_PREFIX + path.name)


def begin_attempt(path: Path) -> Path:
    """Path under which this process writes the output `path`: `.partial.<name>/<host>-<process>/<name>`.

    What earlier attempts left is removed first. An earlier attempt that still runs, because only the
    workflow that started it was killed or its node was lost from sight, then writes into files that have
    no name any more: it can neither spoil nor name what this process writes.
    """
    attempts = partial_path(path)
    folder = attempts / _this_process()
    for again in reversed(range(BEGINNINGS)):
        try:
            if attempts.is_dir():
                # One that still runs may add files meanwhile; what then stays is found by the next one.
                shutil.rmtree(attempts, ignore_errors=True)
            else:
                # Not `remove`: what became a folder since is another attempt that has just begun.
                attempts.unlink(missing_ok=True)
            folder.mkdir(parents=True, exist_ok=True)
            break
        except (FileNotFoundError, FileExistsError, IsADirectoryError):
            if not again:
                raise
    return folder / path.name


def end_attempt(partial: Path) -> None:
    """Remove what this process wrote under the path of `begin_attempt` and did not commit."""
    shutil.rmtree(partial.parent, ignore_errors=True)
    with contextlib.suppress(OSError):  # another attempt is there, or has removed it
        partial.parents[1].rmdir()


def final_path(partial: Path) -> Path:
    """Where the output goes that is written under a path of `begin_attempt`; other paths as they are."""
    if len(partial.parts) > 2 and partial.parents[1].name == PARTIAL_PREFIX + partial.name:
        return partial.parents[2] / partial.name
    return partial


def commit(partial: Path, path: Path) -> None:
    """Give the complete file or folder `partial` its final name, durably."""
    if partial.is_dir():
        remove(path)
    else:
        with partial.open("rb") as handle:
            os.fsync(handle.fileno())
    partial.replace(path)


def remove(path: Path) -> None:
    """Remove a file or a folder with all in it, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it on success, remove it on failure.

    Raises whatever the body raises; `path` then is as it was before.
    """
    final = Path(path)
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(final)
    try:
        yield partial
        commit(partial, final)
    finally:
        remove(partial)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as partial:
        partial.write_text(text, encoding="utf-8")


def json_text(content: Any) -> str:
    """JSON that people can read, with sorted keys; names of files that are no Unicode are kept."""
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def write_shared(path: str | os.PathLike[str], text: str) -> None:
    """Write a file that jobs on many nodes may write at the same moment, all with the same meaning.

    Each writes under a name of its own, and names of others are removed only once `path` is there: who
    finds its own gone has nothing left to do.
    """
    final = Path(path)
    attempts = partial_path(final)
    fresh = attempts / _this_process()
    final.parent.mkdir(parents=True, exist_ok=True)
    while not final.exists():
        with contextlib.suppress(FileNotFoundError):
            with contextlib.suppress(FileExistsError):
                attempts.mkdir()
            fresh.write_text(text, encoding="utf-8")
            commit(fresh, final)
    if attempts.is_dir():
        shutil.rmtree(attempts, ignore_errors=True)


def _this_process() -> str:
    """Name of this process among those of all nodes."""
    return f"{os.uname().nodename}-{os.getpid()}"


def paths_in(location: str) -> list[Path]:
    """Paths that the location of a unit names, separated by semicolons."""
    return [Path(part.strip()) for part in location.split(";") if part.strip()]


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
