"""All products of a dataset in one ZIP, the same bytes for the same inputs.

Collects tables, metrics, cube, figures, video and pages from the folders of their recipes, adds
`provenance.json`
(recipes, files with checksums, versions of libraries), and writes members in the order of their names with
one fixed date.
"""

from __future__ import annotations

import json
import logging
import zipfile
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ephemera.files import json_text, sha256_of
from ephemera.jwst.options import settings_of
from ephemera.jwst.progress import Progress

if TYPE_CHECKING:
    from ephemera.config.jwst import Bundle as Settings
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Date of every member, the earliest that ZIP knows.
DATE = (1980, 1, 1, 0, 0, 0)
#: Formats that are compressed already.
STORED = {".h5", ".mp4", ".png", ".pdf"}
LIBRARIES = ("numpy", "scipy", "astropy", "h5py", "matplotlib", "plotly", "imageio-ffmpeg")


def collect(folders: Iterable[Path]) -> dict[str, Path]:
    """Files of some folders by their names relative to the folder; hidden ones are not products."""
    found: dict[str, Path] = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.name.startswith("."):
                found.setdefault(str(path.relative_to(folder)), path)
    return dict(sorted(found.items()))


def provenance(recipe: Mapping[str, Any], manifest: Mapping[str, Any], files: Mapping[str, Path]) -> str:
    """What made the products: recipes, inputs and products with checksums, versions."""
    document = {
        "dataset": manifest["source"],
        "inputs": [{k: file[k] for k in ("name", "size", "sha256")} for file in manifest["files"]],
        "recipes": {"jwst.bundle": recipe["key"], **recipe["reads"]},
        "code": recipe["code"]["digest"],
        "libraries": {name: version(name) for name in LIBRARIES},
        "ephemera": version("ephemera"),
        "products": {
            name: {"size": path.stat().st_size, "sha256": sha256_of(path)} for name, path in files.items()
        },
    }
    return json_text(document)


def write_zip(path: Path, root: str, files: Mapping[str, Path]) -> None:
    """Write `files` into the folder `root` of a ZIP: sorted, one date, one set of permissions."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, source in files.items():
            entry = zipfile.ZipInfo(f"{root}/{name}", DATE)
            entry.external_attr = 0o644 << 16
            entry.create_system = 3
            stored = source.suffix in STORED
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            entry.file_size = source.stat().st_size
            with archive.open(entry, "w") as member, source.open("rb") as handle:
                while piece := handle.read(1 << 20):
                    member.write(piece)


def main(job: Job) -> None:
    """Write provenance and ZIP of one dataset."""
    settings: Settings = settings_of(job)
    progress = Progress(job.log)
    progress.stage("export", 0, 1)
    folder: Path = job.output.bundle
    folder.mkdir(parents=True)
    files = collect([job.input.products, job.input.figures, job.input.video, job.input.pages])
    manifest = json.loads(job.input.manifest.read_text(encoding="utf-8"))
    note = folder / "provenance.json"
    note.write_text(provenance(job.recipe, manifest, files), encoding="utf-8")
    dataset = str(job.wildcards.dataset)
    if settings.zip:
        write_zip(folder / f"{dataset}.zip", dataset, dict(sorted({**files, note.name: note}.items())))
        log.info("%d members", len(files) + 1)
    progress.stage("export", 1, 1)
    progress.done()
