"""Write a version as one RO-Crate 1.1, a folder or a zip: what a paper's archive needs.

It holds the tables over many units, the recipe of every step, the configuration and its sample sheets, the
locked environment, the raw files' checksums and addresses, and what to cite for the branches that ran.
The same version gives the same bytes. Run it in the folder in which the workflow runs.
"""

from __future__ import annotations

import csv
import hashlib
import io
import subprocess
import sys
import zipfile
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from importlib import metadata as packages
from pathlib import Path

from ephemera.command import CommandError
from ephemera.files import atomic_path, json_text, sha256_of
from ephemera.recipes.code import package_folder
from ephemera.versions.crate import METADATA, CrateFile, CrateStep, metadata
from ephemera.versions.difference import project_files
from ephemera.versions.lineage import RawFile, Records, lineage
from ephemera.versions.list import in_order
from ephemera.versions.store import Store, Version, add_store_argument, open_store
from ephemera.versions.text import flat, size
from ephemera.words import counted

LOCK = "envs/requirements.txt"
SUMS = "SHA256SUMS"
#: The first moment that a zip can hold, so that its bytes do not depend on when it is written.
ZIP_TIME = (1980, 1, 1, 0, 0, 0)

Content = Path | bytes


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `ephemera versions export`."""
    parser.add_argument("name", metavar="NAME", help="pinned name, or another name of a version")
    parser.add_argument("--output", metavar="PATH", help="folder, or zip by its suffix (default: NAME.zip)")
    parser.add_argument(
        "--licence",
        default="No licence has been stated for these data.",
        help="licence of the data: an address",
    )
    add_store_argument(parser)


def run(arguments: Namespace) -> int:
    """Write the crate."""
    store = open_store(arguments.results)
    version = store.must_be_version(arguments.name)
    output = Path(arguments.output or f"{arguments.name}.zip")
    if output.exists():
        message = f"{output} is there already: remove it or give another --output"
        raise CommandError(message)
    content = crate_content(store, version, arguments.name, arguments.licence, checkout_folder())
    with atomic_path(output) as partial:
        (write_zip if output.suffix == ".zip" else write_folder)(content, partial)
    total = sum(_size(item) for item in content.values())
    sys.stdout.write(f"{output}: {counted(len(content), 'file')}, {size(total)}\n")
    return 0


def checkout_folder() -> Path:
    """Folder of the checkout, with the lock of the environment and the citations."""
    folder = package_folder().parents[1]
    if not (folder / LOCK).is_file():
        message = f"{folder} is no checkout of the workflow: install with `make install` and run it there"
        raise CommandError(message)
    return folder


def crate_content(
    store: Store, version: Version, name: str, licence: str, checkout: Path
) -> dict[str, Content]:
    """All files of the crate by their path there. Raises CommandError when the version is not complete."""
    recipes = {step: store.recipe(key) for step, key in in_order(store, version).items()}
    missing = [f"{step} {version.keys[step]}" for step, recipe in recipes.items() if recipe is None]
    if missing:
        message = f"version {version.number} is not all there any more: {', '.join(missing)}"
        raise CommandError(message)
    described: dict[str, tuple[Content, str]] = {}
    steps = []
    for step, recipe in recipes.items():
        assert recipe is not None
        place = step.replace(".", "/")
        results = {
            f"catalogue/{place}/{file}": path
            for file, path in sorted(project_files(store, recipe["key"], version.folder_name).items())
        }
        described |= {file: (path, f"Made by {step}") for file, path in results.items()}
        document = json_text(recipe)
        described[f"recipes/{step}.json"] = (document.encode(), f"Recipe of {step}: options, code, libraries")
        steps.append(CrateStep(recipe, f"recipes/{step}.json", list(results)))
    tables = [item for item, _ in described.values() if isinstance(item, Path)]
    described |= dict(_configuration(version))
    described |= dict(_environment(version, checkout))
    described |= dict(_raw_files(store, tables))
    described["citations.bib"] = (citations(version, checkout).encode(), "What to cite for what ran")
    files = [
        CrateFile(path, text, _size(item), _sha256(item)) for path, (item, text) in sorted(described.items())
    ]
    content = {path: item for path, (item, _) in sorted(described.items())}
    branches = ", ".join(version.branches)
    content[METADATA] = metadata(
        name=f"{name}: results of the project {version.project}",
        description=f"Tables made by Ephemera ({branches}) from {counted(version.units, 'unit')}.",
        date=version.date,
        licence=licence,
        files=files,
        steps=steps,
        version=packages.version("ephemera"),
        commit=version.commit,
    ).encode()
    sums = "".join(f"{_sha256(item)}  {path}\n" for path, item in sorted(content.items()))
    return content | {SUMS: sums.encode()}


def _configuration(version: Version) -> Iterator[tuple[str, tuple[Content, str]]]:
    """The whole configuration as YAML, and the sample sheets that it names as they are now."""
    import yaml

    text = yaml.safe_dump(dict(version.configuration), sort_keys=True, allow_unicode=True)
    yield "config/config.yaml", (text.encode(), "Configuration with all defaults: give it with --configfile")
    for option, value in flat(version.configuration):
        if option.endswith(".samples") and isinstance(value, str) and Path(value).is_file():
            branch = option.removesuffix(".samples").replace(".", "-")
            text = f"Sample sheet of the branch {branch} when this was exported"
            yield f"config/{branch}-{Path(value).name}", (Path(value), text)


def _environment(version: Version, checkout: Path) -> Iterator[tuple[str, tuple[Content, str]]]:
    """The lock of the version's commit; where git does not know it, that of now."""
    commit = (version.commit or "").removesuffix("+")
    try:
        if not commit:
            raise FileNotFoundError
        answer = subprocess.run(  # noqa: S603  the commit is an argument, not shell text
            ["git", "show", f"{commit}:{LOCK}"],  # noqa: S607
            cwd=checkout, capture_output=True, timeout=30, check=True,
        )  # fmt: skip
        text = f"Locked environment at commit {commit}"
        yield "environment/requirements.txt", (answer.stdout, text)
    except (OSError, subprocess.SubprocessError):
        text = "Locked environment when this was exported; recipes name the libraries that ran"
        yield "environment/requirements.txt", (checkout / LOCK, text)


def _raw_files(store: Store, results: list[Path]) -> Iterator[tuple[str, tuple[Content, str]]]:
    """Table of the raw files behind the results."""
    records = Records(store)
    found: dict[str, RawFile] = {}
    for path in results:
        found |= lineage(records, path).raw
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["path", "size", "sha256", "url"])
    for file in (found[path] for path in sorted(found)):
        writer.writerow([file.path, file.size, file.sha256, file.url or ""])
    yield "raw_files.csv", (text.getvalue().encode(), "Raw files behind the tables, with checksums")


def citations(version: Version, checkout: Path) -> str:
    """BibTeX of the workflow and of the branches that ran."""
    folder = checkout / "resources" / "citations"
    paths = [folder / f"{name}.bib" for name in ("ephemera", *sorted(version.branches))]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths if path.is_file())


def write_folder(content: Mapping[str, Content], folder: Path) -> None:
    """Write the files of a crate into a new folder."""
    for path, item in content.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(_bytes(item))


def write_zip(content: Mapping[str, Content], path: Path) -> None:
    """Write the files of a crate into a zip; the same content gives the same bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, item in sorted(content.items()):
            entry = zipfile.ZipInfo(name, ZIP_TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, _bytes(item), zipfile.ZIP_DEFLATED)


def _bytes(item: Content) -> bytes:
    return item.read_bytes() if isinstance(item, Path) else item


def _size(item: Content) -> int:
    return item.stat().st_size if isinstance(item, Path) else len(item)


def _sha256(item: Content) -> str:
    return sha256_of(item) if isinstance(item, Path) else hashlib.sha256(item).hexdigest()
