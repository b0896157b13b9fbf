"""Give a version a name, such as that of a paper, under which it is kept until the name is taken away.

The name then stands for the version in every command, also when other versions are pruned.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace

from ephemera.command import CommandError
from ephemera.files import json_text, write_text
from ephemera.versions.store import NAME, NAMED, Store, Version, add_store_argument, open_store


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `ephemera versions pin`."""
    parser.add_argument("name", metavar="NAME", help="letters, digits and . _ - after a letter")
    parser.add_argument(
        "version", metavar="VERSION", nargs="?", default="current", help="default: the current version"
    )
    parser.add_argument("--remove", action="store_true", help="take the name away; nothing else is removed")
    add_store_argument(parser)


def run(arguments: Namespace) -> int:
    """Pin a version, or take a name away."""
    store = open_store(arguments.results)
    if arguments.remove:
        unpin(store, arguments.name)
        sys.stdout.write(f"{arguments.name} is no longer the name of a version\n")
        return 0
    version = store.must_be_version(arguments.version)
    pin(store, arguments.name, version)
    sys.stdout.write(f"{arguments.name} is version {version.number} of {version.project}, {version.date}\n")
    return 0


def pin(store: Store, name: str, version: Version) -> None:
    """Name a version. Raises CommandError for a name that is taken or unfit, or a version not all there."""
    if not NAME.fullmatch(name) or name == "current":
        message = f"{name!r} is no name: letters, digits and . _ - after a letter, at most 64, not `current`"
        raise CommandError(message)
    if any(v.project == name for v in store.versions):
        message = f"{name} is the name of a project and means its latest version: choose another name"
        raise CommandError(message)
    known = store.pins.get(name)
    if known is not None and (known.identity, known.date) != (version.identity, version.date):
        message = (
            f"{name} already names version {known.number} of {known.project}, {known.date}: choose another "
            f"name, or take this one away with: ephemera versions pin {name} --remove"
        )
        raise CommandError(message)
    missing = [f"{step} {key}" for step, key in version.keys.items() if key not in store.folders]
    if missing:
        message = (
            f"version {version.number} is not all there any more ({', '.join(missing)}): run the workflow "
            "with its configuration first"
        )
        raise CommandError(message)
    write_text(store.root / NAMED / f"{name}.json", json_text(version.line))


def unpin(store: Store, name: str) -> None:
    """Take a name away. Raises CommandError when there is no such name."""
    if name not in store.pins:
        message = f"{name} names no version; named are: {', '.join(store.pins) or 'none'}"
        raise CommandError(message)
    (store.root / NAMED / f"{name}.json").unlink()
