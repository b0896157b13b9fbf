"""What a key is made of: options, code, what it reads, libraries, and the versions that use it.

A version (its number, a pinned name, a project, or `current`) is shown with its steps and those options
that differ from the defaults.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Mapping
from typing import Any

from ephemera.command import CommandError
from ephemera.recipes import checksums
from ephemera.versions.list import in_order
from ephemera.versions.store import Store, Version, add_store_argument, open_store
from ephemera.versions.text import aligned, flat, plain, short_commit, size
from ephemera.words import counted


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `ephemera versions show`."""
    parser.add_argument("key", metavar="KEY", help="first letters of a key, or a version")
    parser.add_argument("--code", action="store_true", help="also list every module with its digest")
    parser.add_argument("--json", action="store_true", help="the recipe as it is stored")
    add_store_argument(parser)


def run(arguments: Namespace) -> int:
    """Print a recipe or a version."""
    store = open_store(arguments.results)
    found = store.resolve(arguments.key)
    if isinstance(found, Version):
        document: Mapping[str, Any] = found.line
        lines = list(version_lines(store, found))
    else:
        document = _recipe(store, found)
        lines = list(recipe_lines(store, document, code=arguments.code))
    text = json.dumps(document, indent=2, sort_keys=True) if arguments.json else "\n".join(lines)
    sys.stdout.write(text + "\n")
    return 0


def _recipe(store: Store, key: str) -> dict[str, Any]:
    recipe = store.recipe(key)
    if recipe is None:
        versions = [str(v.number) for v in store.versions if key in v.keys.values()]
        where = f"versions {', '.join(versions)} used it" if versions else "no job of it has ended well"
        message = f"the recipe of {key} is not there ({where}); a run with its configuration makes it again"
        raise CommandError(message)
    return recipe


def recipe_lines(store: Store, recipe: Mapping[str, Any], *, code: bool = False) -> Iterator[str]:
    """Text of a recipe for people."""
    key = recipe["key"]
    folder = store.folders[key]
    libraries = ", ".join(f"{name} {version}" for name, version in sorted(recipe["libraries"].items()))
    users = [f"{v.number} ({v.project})" for v in store.versions if key in v.keys.values()]
    reads = [f"{step} {upstream}" for step, upstream in recipe["reads"].items()]
    rows = [
        ("folder", str(folder)),
        ("made", f"{counted(len(checksums.units(folder)), 'unit')}, {size(store.size(key))}"),
        ("versions", ", ".join(users) or "none that ended well"),
        ("commit", recipe["commit"] or "made outside git"),
        ("with", f"Python {recipe['python']}, {libraries}"),
        ("reads", ", ".join(reads) or "raw files only"),
        ("code", f"{recipe['code']['digest'][:10]}, {counted(len(recipe['code']['modules']), 'module')}"),
    ]
    yield f"{recipe['step']} {key}"
    yield from aligned(rows)
    yield from _block("options", [(name, plain(value)) for name, value in flat(recipe["parameters"])])
    yield from _block("tables", [(path, digest) for path, digest in sorted(recipe["tables"].items())])
    if code:
        yield from _block("modules", sorted(recipe["code"]["modules"].items()))


def version_lines(store: Store, version: Version) -> Iterator[str]:
    """Text of a version for people."""
    yield f"version {version.number} of {version.project}"
    yield from aligned(
        [
            ("date", version.date),
            ("commit", short_commit(version.commit)),
            ("units", str(version.units)),
            ("names", ", ".join(n for n, v in store.pins.items() if v.number == version.number) or "none"),
        ]
    )
    rows = [
        (
            step,
            key,
            size(store.size(key)) if key in store.folders else "removed",
            f"the same bytes as {version.made_by[step]}, which ran" if step in version.made_by else "",
        )
        for step, key in in_order(store, version).items()
    ]
    yield "steps"
    yield from aligned(rows, right=(2,))
    yield from _block("options that differ from the defaults", list(_changed(version.configuration)))


def _changed(configuration: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    from ephemera.config.project import Configuration  # reads the settings of all branches: 0.2 s

    defaults = dict(flat(Configuration().settings()))
    for name, value in flat(configuration):
        if name not in defaults or defaults[name] != value:
            yield name, plain(value)


def _block(title: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    if rows:
        yield title
        yield from aligned(rows)
