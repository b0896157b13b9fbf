"""Note what files an observation is made of: `manifest.json` with their sizes, times and checksums.

Reads the note of where the observation comes from. The manifest is the first input of all steps, so that a
file with other content makes them stale, and one that was only touched does not.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ephemera.cosmic.names import Observation, observations, parse_name
from ephemera.files import paths_in, sha256_of, write_text

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)


def describe(path: Path) -> dict[str, Any]:
    """Entry of a file; the checksum is empty for a file that cannot be read or is still being written."""
    named = parse_name(path)
    entry: dict[str, Any] = {"path": str(path), "role": named.kind if named else "other", "url": None}
    try:
        status = path.stat()
        entry |= {"size": status.st_size, "mtime_ns": status.st_mtime_ns}
        entry["sha256"] = "" if entry["role"] == "tmp" else sha256_of(path)
    except OSError as error:
        log.warning("%s cannot be read: %s", path, error)
        entry = {"size": 0, "mtime_ns": 0, **entry, "sha256": ""}
    return entry


def paths_of(note: dict[str, Any], simulated: Path) -> list[Path]:
    """Files of an observation: those its note names, or all that were simulated."""
    if note["kind"] == "simulate":
        found: dict[str, Observation] = observations([str(simulated)])
        return [path for observation in found.values() for path in observation.paths]
    return paths_in(note["location"])


def main(job: Job) -> None:
    """Write the manifest of one observation."""
    note = json.loads(job.input.source.read_text(encoding="utf-8"))
    paths = paths_of(note, getattr(job.input, "simulated", Path()))
    files = [describe(path) for path in paths]
    document = {"outcome": "ok", "detail": f"{len(files)} files", "files": files}
    write_text(job.output.manifest, json.dumps(document, indent=1) + "\n")
    log.info("%s: %d files, %.1f MB", job.wildcards.prefix, len(files), sum(f["size"] for f in files) / 1e6)
