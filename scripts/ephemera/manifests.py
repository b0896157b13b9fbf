"""Manifests of raw units: the files that a unit is made of, or why there are none.

The first step of each branch finds the files of a unit and writes `manifest.json`, which is the input of the
second step: a file that changed is noticed by its content. All versions of the results share raw files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ephemera.files import json_text, sha256_of


@dataclass(frozen=True)
class ManifestFile:
    """One file: its path as the workflow sees it, the name it is called by, and what it is for (`role`).

    Size in bytes, time stamp in ns, SHA-256 (None where the content was not read), address it came from.
    """

    path: str
    name: str
    role: str
    size: int
    mtime_ns: int
    sha256: str | None
    url: str | None = None


def manifest_file(path: Path, role: str, *, name: str | None = None, url: str | None = None) -> ManifestFile:
    """A file as it is now. Raises OSError when it cannot be read."""
    status = path.stat()
    return ManifestFile(
        str(path), name or path.name, role, status.st_size, status.st_mtime_ns, sha256_of(path), url
    )


def manifest_text(outcome: str, detail: str, files: Iterable[ManifestFile], **more: Any) -> str:
    """The manifest as text; the same files give the same text. `more` are facts that a branch adds."""
    entries = [asdict(file) for file in sorted(files, key=lambda file: file.path)]
    return json_text({**more, "outcome": outcome, "detail": detail, "files": entries})
