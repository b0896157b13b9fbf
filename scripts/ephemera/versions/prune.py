"""Remove the keys that no kept version needs. Shows what it would do; removes only with --delete.

Kept are the pinned versions, what `current` links to, and with --keep N the last N versions of every
project; with each key those that it reads. Never removed is what a running workflow reads or makes, by its
locks. Keys of which no version is recorded belong to runs that did not end well, whose next
attempt goes on with them: they stay, unless --unfinished is given. What a recipe made that turned out to
give the same bytes as an older one is there twice and goes: versions use the older one's.
"""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ephemera.command import CommandError
from ephemera.files import remove
from ephemera.recipes.recipe import KEY_LENGTH
from ephemera.versions.store import Store, Version, add_store_argument, open_store
from ephemera.versions.text import aligned, size
from ephemera.words import counted

#: Prefix of folders that are being removed.
REMOVED_PREFIX = ".removed."
_KEY_IN_PATH = re.compile(rf"/([0-9a-f]{{{KEY_LENGTH}}})(?:/|$)", re.MULTILINE)


@dataclass(frozen=True)
class Plan:
    """Which keys go and which stay, and why the latter do."""

    remove: tuple[str, ...]
    needed: frozenset[str]
    running: frozenset[str]
    unfinished: frozenset[str]


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the arguments of `ephemera versions prune`."""
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--keep", metavar="N", type=int, help="keep the last N versions of every project")
    how.add_argument("--keep-named", action="store_true", help="keep pinned versions and the current one")
    parser.add_argument("--unfinished", action="store_true", help="also remove keys of no recorded version")
    parser.add_argument("--delete", action="store_true", help="remove, instead of showing what would be")
    add_store_argument(parser)


def run(arguments: Namespace) -> int:
    """Print the plan and carry it out when asked to."""
    if arguments.keep is not None and arguments.keep < 1:
        message = f"--keep must be 1 or more, got {arguments.keep}; --keep-named keeps pinned versions only"
        raise CommandError(message)
    store = open_store(arguments.results)
    locks = lock_files(store.root)
    plan = make_plan(store, 0 if arguments.keep_named else arguments.keep, locks, arguments.unfinished)
    sys.stdout.write("\n".join(lines_of(store, plan)) + "\n")
    if not arguments.delete:
        if plan.remove:
            sys.stdout.write("nothing was removed: --delete removes\n")
        return 0
    for key in plan.remove:
        if lock_files(store.root) - locks:
            message = "a workflow has started meanwhile: what is left stays; ask again when it is done"
            raise CommandError(message)
        discard(store.folders[key])
    _clear_leftovers(store.root)
    sys.stdout.write(f"{counted(len(plan.remove), 'key')} removed\n")
    return 0


def make_plan(store: Store, keep: int, locks: set[Path], unfinished: bool) -> Plan:
    """Which keys to remove when the last `keep` versions of each project stay."""
    needed = set(store.links.values())
    for version in [*store.pins.values(), *latest(store, keep)]:
        needed |= set(version.keys.values())
    needed = store.with_upstream(needed)
    running = store.with_upstream(locked_keys(locks))
    recorded = {
        key for version in store.versions for key in [*version.keys.values(), *version.made_by.values()]
    }
    loose = set() if unfinished else set(store.folders) - store.with_upstream(recorded)
    going = set(store.folders) - needed - running - loose
    return Plan(
        tuple(sorted(going, key=lambda key: (str(store.folders[key].parent), key))),
        frozenset(needed & store.folders.keys()),
        frozenset(running & store.folders.keys()),
        frozenset(loose - needed - running),
    )


def latest(store: Store, keep: int) -> Iterator[Version]:
    """The last `keep` versions of every project; versions of equal keys count once."""
    for project in sorted({version.project for version in store.versions}):
        seen: set[tuple[tuple[str, str], ...]] = set()
        for version in reversed(store.versions):
            keys = tuple(sorted(version.keys.items()))
            if version.project == project and keys not in seen and len(seen) < keep:
                seen.add(keys)
                yield version


def lock_files(results: Path) -> set[Path]:
    """Locks of workflows that may use these results: run here, or in a folder around the results."""
    places = {Path.cwd(), *results.resolve().parents}
    return {lock for place in places for lock in (place / ".snakemake" / "locks").glob("*.lock")}


def locked_keys(locks: set[Path]) -> set[str]:
    """Keys that the locked paths of running workflows name."""
    found: set[str] = set()
    for lock in locks:
        try:
            text = lock.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            continue  # the workflow has ended meanwhile
        found |= set(_KEY_IN_PATH.findall(text))
    return found


def discard(folder: Path) -> None:
    """Remove the folder of a key; it disappears at once, however long the removal takes."""
    aside = folder.with_name(REMOVED_PREFIX + folder.name)
    remove(aside)
    folder.rename(aside)
    remove(aside)


def _clear_leftovers(results: Path) -> None:
    """Remove what an interrupted removal left."""
    for path in results.glob(f"*/*/{REMOVED_PREFIX}*"):
        remove(path)


def lines_of(store: Store, plan: Plan) -> Iterator[str]:
    """Text of a plan."""
    rows = []
    for key in plan.remove:
        users = [str(v.number) for v in store.versions if key in v.keys.values()]
        step = ".".join(store.folders[key].parent.relative_to(store.root).parts)
        rows.append((step, key, size(store.size(key)), f"of version {', '.join(users)}" if users else ""))
    if rows:
        yield "to remove"
        yield from aligned(rows, right=(2,))
    total = size(sum(store.size(key) for key in plan.remove))
    yield f"{counted(len(plan.remove), 'key')} to remove, {total}; {len(plan.needed)} needed by what is kept"
    if plan.running:
        yield f"{counted(len(plan.running), 'key')} locked by a workflow that runs, or was killed"
    if plan.unfinished:
        yield f"{counted(len(plan.unfinished), 'key')} of runs that ended badly: --unfinished removes them"
