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
from ephemera.files import paths_in
from ephemera.manifests import ManifestFile, manifest_file, manifest_text

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)


def describe(path: Path) -> ManifestFile:
    """Entry of a file; without a checksum for one that cannot be read or is still being written."""
    named = parse_name(path)
    role = named.kind if named else "other"
    try:
        if role != "tmp":
            return manifest_file(path, role)
        status = path.stat()
        return ManifestFile(str(path), path.name, role, status.st_size, status.st_mtime_ns, None)
    except OSError as error:
        log.warning("%s cannot be read: %s", path, error)
        return ManifestFile(str(path), path.name, role, 0, 0, None)


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
    text = manifest_text("ok", f"{len(files)} files", files)
    job.output.manifest.write_text(text, encoding="utf-8")
    log.info(
        "%s: %d files, %.1f MB", job.wildcards.prefix, len(files), sum(file.size for file in files) / 1e6
    )
