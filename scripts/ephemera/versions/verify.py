"""Compare every output of a version, and the raw files behind it, with the checksums that were noted.

Names what is missing, damaged, or in a key's folder without a record. The exit code is 0 when all is as it
was made, 1 otherwise. Run it in the folder in which the workflow runs.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ephemera.command import CommandError
from ephemera.recipes import checksums
from ephemera.recipes.checksums import Checksum, Problem
from ephemera.versions.lineage import lists_raw_files, manifest_files
from ephemera.versions.store import Store, add_store_argument, files_in, open_store
from ephemera.versions.text import size
from ephemera.words import counted

#: Files in a key's folder that are not outputs.
NOT_OUTPUTS = ("recipe.json",)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `ephemera verify`."""
    parser.add_argument(
        "version", metavar="VERSION", nargs="?", help="default: what the links in current/ point to"
    )
    parser.add_argument("--sizes-only", action="store_true", help="do not read the files")
    parser.add_argument("--cores", metavar="N", type=int, default=os.cpu_count(), help="default: all")
    add_store_argument(parser)


def run(arguments: Namespace) -> int:
    """Print the problems and a summary."""
    store = open_store(arguments.results)
    keys = store.must_be_version(arguments.version).keys if arguments.version else store.links
    if not keys:
        message = f"{store.root} has no current version: a run that ends well links to one"
        raise CommandError(message)
    found = verify(store, keys, content=not arguments.sizes_only, cores=max(arguments.cores or 1, 1))
    for problem in found.problems:
        sys.stdout.write(f"{problem.kind:10}  {problem.path}  {problem.detail}\n")
    verdict = counted(len(found.problems), "problem") if found.problems else "all as they were made"
    counts = f"{counted(len(keys), 'step')}, {counted(found.n_files, 'file')}, {size(found.n_bytes)}"
    counts += f", {counted(found.n_raw, 'raw file')}" if found.n_raw else ""
    sys.stdout.write(f"{counts}: {verdict}\n")
    return 1 if found.problems else 0


@dataclass(frozen=True)
class Found:
    """Problems in order of steps and units, and how many files of how many bytes were recorded.

    `n_raw` is the number of raw files, whose problems come last.
    """

    problems: tuple[Problem, ...]
    n_files: int
    n_bytes: int
    n_raw: int


@dataclass(frozen=True)
class _Checked:
    """One record against its files; `inputs` are the paths that the job read."""

    problems: Sequence[Problem]
    files: Mapping[Path, int]
    inputs: Sequence[str]
    reader: str


def verify(store: Store, keys: Mapping[str, str], *, content: bool = True, cores: int = 1) -> Found:
    """Compare what lies in the folders of `keys` (by step) with the records; `content` reads the files."""
    problems: list[Problem] = []
    jobs: list[tuple[Path, str]] = []
    for step, key in sorted(keys.items()):
        folder = store.folders.get(key)
        if folder is None:
            problems.append(
                Problem(Path(store.root, *step.split("."), key), "missing", "the folder of the key")
            )
        else:
            jobs += [(folder, unit) for unit in checksums.units(folder)]
    with ThreadPoolExecutor(cores) as pool:
        checked = list(pool.map(lambda job: _check(*job, content=content), jobs))
        raw = _raw_files(checked)
        of_raw = list(pool.map(lambda item: checksums.compare(*item, content=content), raw.items()))
    files: dict[Path, int] = {}
    for record in checked:
        problems += record.problems
        files |= record.files
    for key in sorted(set(keys.values()) & store.folders.keys()):
        problems += _without_record(store.folders[key], files)
    named = {problem.path for problem in problems}
    problems += [p for p in _read_but_gone(store, checked) if p.path not in named]
    problems += [Problem(p.path, p.kind, f"raw file: {p.detail}") for p in of_raw if p is not None]
    return Found(tuple(problems), len(files), sum(files.values()), len(raw))


def _check(folder: Path, unit: str, *, content: bool) -> _Checked:
    record = checksums.read(folder, unit)
    if record is None:
        return _Checked(list(checksums.verify(folder, [unit])), {}, (), unit)
    files = {path: checksum.size for path, checksum in record.files(folder).items()}
    inputs = [name for names in record.inputs.values() for name in names]
    problems = checksums.problems(folder, record, content=content)
    return _Checked(problems, files, inputs, f"{record.step} {record.name}")


def _raw_files(checked: Iterable[_Checked]) -> dict[Path, Checksum]:
    """Raw files named by the manifests and tables that jobs made or read, in order of path."""
    lists = {path for record in checked for path in record.files if lists_raw_files(path)}
    lists |= {path for record in checked for name in record.inputs if lists_raw_files(path := Path(name))}
    found = {}
    for file in (file for path in sorted(lists) for file in manifest_files(path)):
        if file.size is not None and file.sha256 is not None:
            found[Path(file.path)] = Checksum(file.size, file.sha256)
    return dict(sorted(found.items()))


def _without_record(folder: Path, recorded: Mapping[Path, int]) -> Iterator[Problem]:
    """Files in the folder of a key that no record names."""
    for path in files_in(folder):
        parts = path.relative_to(folder).parts
        if path in recorded or parts[0] in NOT_OUTPUTS or any(part.startswith(".") for part in parts):
            continue
        yield Problem(path, "unrecorded", "no job noted that it made this")


def _read_but_gone(store: Store, checked: Iterable[_Checked]) -> Iterator[Problem]:
    """Results that a later step read and that are gone together with their record."""
    seen: set[str] = set()
    for record in checked:
        for name in record.inputs:
            if name in seen:
                continue
            seen.add(name)
            path = Path(name)
            if store.folders.keys() & set(path.parts) and not path.exists():
                yield Problem(path, "missing", f"{record.reader} read it")
