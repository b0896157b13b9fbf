"""Files that appear whole or not at all, and their checksums."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Prefix of names under which files are written before they are complete.
PARTIAL_PREFIX = ".partial."


def partial_path(path: Path) -> Path:
    """Name in the same folder under which `path` is written until it is complete.

    The suffix stays, so that writers that choose a format by suffix choose the right one. The name
    does not depend on the process: a leftover of a killed job is overwritten by the next one.
    """
    return path.with_name(PARTIAL_PREFIX + path.name)


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


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Hexadecimal SHA-256 of a file's bytes."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
