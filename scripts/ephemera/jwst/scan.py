"""Find the files of a dataset and say in a manifest what they are.

Reads the note of where a dataset comes from: a folder (with all below it), or files (FITS, HDF5, ZIP). Makes
`manifest.json` with path, size, time stamp and SHA-256 of every file; that manifest is the input of the
reading step, so that a file that changed is noticed by its content.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ephemera.files import paths_in
from ephemera.jwst.inputs import find_files
from ephemera.jwst.problems import Outcome, Problem
from ephemera.manifests import manifest_file, manifest_text

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Folder below the raw folder of a simulated dataset.
SIMULATED = "simulated"


@dataclass(frozen=True)
class Found:
    """A file and the name by which it is spoken of."""

    path: Path
    name: str


def find(kind: str, location: str) -> tuple[list[Found], list[Problem], str]:
    """Files of a dataset, those ignored, and what is missing (empty when nothing is).

    Raises ValueError for a kind of source that this branch does not have.
    """
    if kind in ("folder", "simulate"):
        folder = Path(location)
        if not folder.is_dir():
            return [], [], f"{location} is not a folder"
        paths, ignored = find_files(folder)
        return [Found(path, str(path.relative_to(folder))) for path in paths], ignored, ""
    if kind == "files":
        named = paths_in(location)
        missing = [str(path) for path in named if not path.is_file()]
        return [Found(p, p.name) for p in named], [], f"not found: {', '.join(missing)}" if missing else ""
    message = f"a JWST dataset is a folder, files or simulate, not {kind!r}: download from MAST first"
    raise ValueError(message)


def manifest(
    kind: str, location: str, found: Sequence[Found], ignored: Sequence[Problem], missing: str
) -> str:
    """The manifest as text; the same files give the same text."""
    files = [
        manifest_file(file.path, file.path.suffix.lower().lstrip("."), name=file.name)
        for file in (found if not missing else ())
    ]
    outcome = Outcome.DOWNLOAD_FAILED if missing else Outcome.OK if files else Outcome.NO_FILES
    listed = ", ".join(p.file for p in list(ignored)[:20]) or "nothing"
    detail = missing or ("" if files else f"no FITS, HDF5 or ZIP file; it holds {listed}")
    rows = [{**asdict(problem), "action": problem.action.value} for problem in ignored]
    source = {"kind": kind, "value": location}
    return manifest_text(outcome.value, detail, files, source=source, ignored=rows)


def main(job: Job) -> None:
    """Write the manifest of one dataset."""
    note = json.loads(job.input.source.read_text(encoding="utf-8"))
    kind, location = note["kind"], note["location"]
    if kind == "simulate":
        location = str(job.input.source.parent / SIMULATED)
    found, ignored, missing = find(kind, location)
    log.info("%s: %d files, %d ignored. %s", note["unit"], len(found), len(ignored), missing)
    job.output.manifest.write_text(manifest(kind, location, found, ignored, missing), encoding="utf-8")
