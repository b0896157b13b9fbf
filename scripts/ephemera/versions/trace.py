"""What made a file: the jobs behind it, step by step, back to the raw files with their checksums.

The exit code is 1 when the file is not as it was made, with --check also when a raw file is not.
Run it in the folder in which the workflow runs.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ephemera.command import CommandError
from ephemera.files import json_text, sha256_of
from ephemera.recipes.checksums import CHECKSUMS
from ephemera.versions.lineage import Lineage, RawFile, Records, lineage, manifest_files, recorded_checksum
from ephemera.versions.store import Store, is_key, open_store
from ephemera.versions.text import aligned, short_commit, size
from ephemera.words import counted

#: Raw files and units shown without --all.
SHOWN = 20


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `ephemera trace`."""
    parser.add_argument("file", metavar="FILE", help="a file or folder of the results")
    parser.add_argument("--all", action="store_true", help=f"show all units and raw files, not {SHOWN}")
    parser.add_argument(
        "--check", action="store_true", help="also compare the raw files with their checksums"
    )
    parser.add_argument("--json", action="store_true", help="every job with its inputs and outputs")
    parser.add_argument("--results", metavar="FOLDER", help="folder of results (default: that of the file)")


def run(arguments: Namespace) -> int:
    """Print the lineage of a file."""
    path = real_place(Path(arguments.file))
    store = open_store(arguments.results or str(results_of(path)))
    records = Records(store)
    found = lineage(records, path)
    if not found.records and not manifest_files(path):
        message = f"no job noted that it made {path}, and it is no manifest of raw files"
        raise CommandError(message)
    state = state_of(records, path)
    bad = [text for file in found.raw.values() if (text := raw_problem(file))] if arguments.check else []
    if arguments.json:
        sys.stdout.write(json_text(document(path, state, found)))
    else:
        limit = None if arguments.all else SHOWN
        sys.stdout.write("\n".join([str(path), f"  {state}", *lines_of(store, found, limit)]) + "\n")
        checked = f"raw files: {counted(len(bad), 'problem')}" if bad else "raw files: all as noted"
        sys.stdout.write("\n".join([*bad, checked, ""]) if arguments.check else "")
    return 1 if bad or state.startswith("NOT") else 0


def real_place(path: Path) -> Path:
    """`path` with the links of `current` followed, named from the working folder where it can be."""
    if not path.exists():
        message = f"there is no {path}"
        raise CommandError(message)
    place = path.resolve()
    here = Path.cwd().resolve()
    return place.relative_to(here) if place.is_relative_to(here) else place


def results_of(path: Path) -> Path:
    """Results folder of a file: above `<branch>/<step>/<key>`; `results` for files outside of any."""
    for parent in [path, *path.parents]:
        if is_key(parent.name) and ((parent / CHECKSUMS).is_dir() or (parent / "recipe.json").is_file()):
            return parent.parents[2]
    return Path("results")


def state_of(records: Records, path: Path) -> str:
    """Whether a file is as it was made."""
    if path.is_dir():
        return "a folder"
    digest = sha256_of(path)
    noted = recorded_checksum(records, path)
    if noted is None:
        return f"sha256 {digest}, of which nothing was noted" + (
            "" if not manifest_files(path) else " (a manifest of raw files)"
        )
    if noted.sha256 == digest:
        return f"sha256 {digest}, as it was made"
    return f"NOT as it was made: sha256 is {digest}, was {noted.sha256}"


def raw_problem(file: RawFile) -> str | None:
    """What is wrong with a raw file, if anything is."""
    if not Path(file.path).is_file():
        return f"missing     {file.path}"
    if file.sha256 is not None and sha256_of(file.path) != file.sha256:
        return f"changed     {file.path}"
    return None


def lines_of(store: Store, found: Lineage, limit: int | None) -> Iterator[str]:
    """Text of a lineage: each step once, the nearest first, then the raw files."""
    by_key: dict[str, list[str]] = {}
    for key, unit in found.records:
        by_key.setdefault(key, []).append(unit)
    yield "made by"
    rows = []
    for key, units in by_key.items():
        recipe = store.recipe(key) or {}
        step = next(r.step for (k, _), r in found.records.items() if k == key)
        shown = sorted(units)[:3]
        more = f" and {len(units) - len(shown)} more" if len(units) > len(shown) else ""
        reads = ", ".join(sorted(name.partition(".")[2] for name in recipe.get("reads", {})))
        commit = short_commit(recipe.get("commit"))
        rows.append((step, key, commit, ", ".join(shown) + more, f"reads {reads}" if reads else ""))
    yield from aligned(rows)
    raw = list(found.raw.values())
    yield f"from {counted(len(raw), 'raw file')}"
    yield from aligned(
        [
            (f.sha256 or "no checksum", "" if f.size is None else size(f.size), f.path, f.url or "")
            for f in raw[:limit]
        ],
        right=(1,),
    )
    if limit is not None and len(raw) > limit:
        yield f"  and {len(raw) - limit} more: --all shows them"
    for path in found.unknown:
        yield f"unknown: no job noted that it made {path}"


def document(path: Path, state: str, found: Lineage) -> dict[str, Any]:
    """The lineage for programs."""
    return {
        "file": str(path),
        "state": state,
        "jobs": [asdict(record) for record in found.records.values()],
        "raw": [asdict(file) for file in found.raw.values()],
        "unknown": found.unknown,
    }
