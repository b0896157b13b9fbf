"""List the files of a delivery with their sizes and checksums, so that a change of content is noticed.

Reads the note of where a delivery comes from. Makes its manifest. Stops at once, naming the package, when a
library is missing that compressed packets need.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ephemera.alerts.codec import require_codecs
from ephemera.files import paths_in
from ephemera.manifests import manifest_file, manifest_text

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)


def files_of(kind: str, location: str, folder: Path) -> list[Path]:
    """Files of a delivery. Raises FileNotFoundError that names what is not there."""
    if kind == "simulate":
        return [folder / "alerts.parquet"]
    parts = paths_in(location)
    missing = [str(part) for part in parts if not part.exists()]
    if missing:
        message = f"files of this delivery are not there: {', '.join(missing)}"
        raise FileNotFoundError(message)
    return [path for path, _ in named_files(parts)]


def named_files(places: Iterable[Path]) -> list[tuple[Path, str]]:
    """Files of these places in order, each with the name by which alerts know it.

    Folders are searched through, but for what is hidden. The name is the path below the folder all share.
    """
    found = sorted({path for place in places for path in (_below(place) if place.is_dir() else [place])})
    if not found:
        return []
    root = os.path.commonpath([path.absolute().parent for path in found])
    return [(path, path.absolute().relative_to(root).as_posix()) for path in found]


def _below(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def main(job: Job) -> None:
    """Write the manifest of one delivery."""
    require_codecs()
    source = json.loads(job.input.source.read_text(encoding="utf-8"))
    paths = files_of(source["kind"], source["location"], job.input.source.parent)
    files = [manifest_file(path, "packets") for path in paths]
    text = manifest_text("ok" if files else "no_files", f"{len(files)} files", files)
    job.output.manifest.write_text(text, encoding="utf-8")
    log.info("%d files", len(files))
