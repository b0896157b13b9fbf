"""Versions of the results, oldest first: project, date, commit, steps with their keys, units, sizes.

A step whose key differs from that of the project's version before is marked with `*`; a key whose folder
is no longer there stands in brackets. `own` is what only this version needs.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator

from ephemera.versions.store import Store, Version, add_store_argument, open_store
from ephemera.versions.text import short_commit, size
from ephemera.words import counted

#: Longest line.
WIDTH = 110


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `ephemera versions list`."""
    parser.add_argument("--project", help="only versions of this project")
    parser.add_argument("--no-sizes", action="store_true", help="do not look at the files")
    add_store_argument(parser)


def run(arguments: Namespace) -> int:
    """Print the versions."""
    store = open_store(arguments.results)
    lines = list(lines_of(store, arguments.project, sizes=not arguments.no_sizes))
    if not lines:
        lines = [f"{store.root} records no version yet: a run that ends well records one"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


def lines_of(store: Store, project: str | None = None, *, sizes: bool = True) -> Iterator[str]:
    """Text of all versions, or of those of one project."""
    before: dict[str, Version] = {}
    current = store.current() if store.versions else None
    for version in store.versions:
        if project in (None, version.project):
            yield _headline(store, version, is_current=version == current, sizes=sizes)
            yield from _steps(store, version, before.get(version.project))
        before[version.project] = version


def _headline(store: Store, version: Version, *, is_current: bool, sizes: bool) -> str:
    parts = [
        f"{version.number:3d}  {version.project}",
        version.date.replace("T", " ").replace("+00:00", " UTC"),
        short_commit(version.commit),
        counted(version.units, "unit"),
    ]
    if sizes:
        others = {key for v in store.versions if v.identity != version.identity for key in v.keys.values()}
        keys = set(version.keys.values())
        total = sum(store.size(key) for key in keys)
        parts.append(f"{size(total)}, own {size(sum(store.size(key) for key in keys - others))}")
    names = [name for name, pinned in store.pins.items() if pinned.number == version.number]
    notes = [*(["current"] if is_current else []), *(f"pinned as {name}" for name in names)]
    return "  ".join(parts + ([f"[{', '.join(notes)}]"] if notes else []))


def _steps(store: Store, version: Version, before: Version | None) -> Iterator[str]:
    for branch in version.branches:
        line = f"       {branch:8}"
        for step, key in in_order(store, version).items():
            if step.partition(".")[0] != branch:
                continue
            changed = before is not None and before.keys.get(step) != key
            shown = key if key in store.folders else f"({key})"
            word = f"  {step.partition('.')[2]} {shown}{'*' if changed else ''}"
            if len(line) + len(word) > WIDTH:
                yield line.rstrip()
                line = " " * 15
            line += word
        yield line.rstrip()


def in_order(store: Store, version: Version) -> dict[str, str]:
    """Keys of a version by step, each step after those that it reads."""

    def depth(key: str) -> int:
        return len(store.with_upstream([key]))

    return dict(sorted(version.keys.items(), key=lambda item: (depth(item[1]), item[0])))
