"""Compare every output of a version with the checksum noted when it was made.

Names what is missing, damaged, or in a key's folder without a record. The exit code is 0 when all is as it
was made, 1 otherwise. Run it in the folder in which the workflow runs.
"""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ephemera.command import CommandError
from ephemera.recipes import checksums
from ephemera.recipes.checksums import Problem
from ephemera.versions.store import Store, add_store_argument, files_in, open_store
from ephemera.versions.text import number, size

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
    found = list(problems(store, keys, content=not arguments.sizes_only, cores=max(arguments.cores, 1)))
    for problem in found:
        sys.stdout.write(f"{problem.kind:10}  {problem.path}  {problem.detail}\n")
    files, n_bytes = _recorded(store, keys)
    bad = f"{number(len(found), 'problem')}" if found else "all as they were made"
    sys.stdout.write(f"{number(len(keys), 'step')}, {number(files, 'file')}, {size(n_bytes)}: {bad}\n")
    return 1 if found else 0


def problems(
    store: Store, keys: Mapping[str, str], *, content: bool = True, cores: int = 1
) -> Iterator[Problem]:
    """What is not as recorded in the folders of `keys` (by step), in order of steps and units."""
    jobs = []
    for step, key in sorted(keys.items()):
        folder = store.folders.get(key)
        if folder is None:
            yield Problem(Path(store.root, *step.split("."), key), "missing", "the folder of the key")
        else:
            jobs += [(folder, unit) for unit in checksums.units(folder)]

    def check(job: tuple[Path, str]) -> list[Problem]:
        return list(checksums.verify(job[0], [job[1]], content=content))

    named = set()
    with ThreadPoolExecutor(cores) as pool:
        for found in pool.map(check, jobs):
            named |= {problem.path for problem in found}
            yield from found
    for key in sorted(set(keys.values()) & store.folders.keys()):
        yield from (p for p in _without_record(store.folders[key]) if p.path not in named)
    yield from (p for p in _read_but_gone(store, keys) if p.path not in named)


def _without_record(folder: Path) -> Iterator[Problem]:
    """Files in the folder of a key that no record names."""
    recorded = {path for record in checksums.records(folder) for path in record.files(folder)}
    for path in files_in(folder):
        parts = path.relative_to(folder).parts
        if path in recorded or parts[0] in NOT_OUTPUTS or any(part.startswith(".") for part in parts):
            continue
        yield Problem(path, "unrecorded", "no job noted that it made this")


def _read_but_gone(store: Store, keys: Mapping[str, str]) -> Iterator[Problem]:
    """Results that a later step read and that are gone together with their record."""
    seen = set()
    for key in sorted(set(keys.values()) & store.folders.keys()):
        for record in checksums.records(store.folders[key]):
            for name in (name for names in record.inputs.values() for name in names):
                path = Path(name)
                if name not in seen and not path.exists() and set(path.parts) & store.folders.keys():
                    yield Problem(path, "missing", f"{record.step} {record.name} read it")
                seen.add(name)


def _recorded(store: Store, keys: Mapping[str, str]) -> tuple[int, int]:
    """Number and bytes of the files that the records of `keys` name."""
    entries = [
        checksum
        for key in sorted(set(keys.values()) & store.folders.keys())
        for record in checksums.records(store.folders[key])
        for checksum in record.files(store.folders[key]).values()
    ]
    return len(entries), sum(entry.size for entry in entries)
