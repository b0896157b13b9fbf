"""List the files of a delivery with their sizes and checksums, so that a change of content is noticed.

Reads the note of where a delivery comes from. Makes its manifest. Stops at once, naming the package, when a
library is missing that compressed packets need.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ephemera.alerts.avro import require_codecs
from ephemera.files import sha256_of

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)


def files_of(kind: str, location: str, folder: Path) -> list[Path]:
    """Files of a delivery. Raises FileNotFoundError that names what is not there."""
    if kind == "simulate":
        return [folder / "alerts.parquet"]
    parts = [Path(part.strip()) for part in location.split(";") if part.strip()]
    missing = [str(part) for part in parts if not part.exists()]
    if missing:
        message = f"files of this delivery are not there: {', '.join(missing)}"
        raise FileNotFoundError(message)
    found: list[Path] = []
    for part in parts:
        inside = sorted(p for p in part.rglob("*") if p.is_file()) if part.is_dir() else [part]
        found += [p for p in inside if not p.name.startswith(".")]
    return found


def entry(path: Path) -> dict[str, Any]:
    """What the manifest says of a file."""
    status = path.stat()
    return {
        "path": str(path),
        "role": "packets",
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "sha256": sha256_of(path),
        "url": None,
    }


def main(job: Job) -> None:
    """Write the manifest of one delivery."""
    require_codecs()
    source = json.loads(job.input.source.read_text(encoding="utf-8"))
    if source["kind"] == "archive":
        message = "alerts have no archive to download from: give a folder, files or a scenario"
        raise ValueError(message)
    files = [entry(path) for path in files_of(source["kind"], source["location"], job.input.source.parent)]
    manifest = {"outcome": "complete" if files else "empty", "detail": f"{len(files)} files", "files": files}
    job.output.manifest.write_text(json.dumps(manifest, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    log.info("%d files", len(files))
