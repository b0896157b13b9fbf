"""The results folder as a store of versions: recorded lines, pinned names, folders of keys, links.

A *version* is one line of `versions.jsonl`: a project, its configuration and the key of each step. A
*key* is a folder `<branch>/<step>/<key>` with a `recipe.json`; versions share keys. A *pin* is a file
`named/<name>.json` with a copy of the line, so that a name means the same for ever.
"""

from __future__ import annotations

import json
import os
import re
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from ephemera.command import CommandError
from ephemera.recipes.recipe import KEY_LENGTH
from ephemera.recipes.versions import CURRENT, folder_name, recorded

NAMED = "named"
NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
_KEY = re.compile(rf"[0-9a-f]{{{KEY_LENGTH}}}")
#: Fewest letters by which a key may be called.
SHORTEST_PREFIX = 4


@dataclass(frozen=True)
class Version:
    """One version: its number among the recorded lines, and what the line says.

    `keys` are those of the folders that hold its results. Where another recipe ran that is known to give the
    same bytes as that of the folder, `made_by` has its key, by step.
    """

    number: int
    project: str
    date: str
    commit: str | None
    units: int
    keys: Mapping[str, str]
    configuration: Mapping[str, Any] = field(repr=False)
    made_by: Mapping[str, str] = field(default_factory=dict)

    @property
    def line(self) -> dict[str, Any]:
        """The version as it is recorded."""
        line = {
            "project": self.project,
            "date": self.date,
            "commit": self.commit,
            "units": self.units,
            "keys": dict(self.keys),
            "configuration": dict(self.configuration),
        }
        return line | ({"made_by": dict(self.made_by)} if self.made_by else {})

    @property
    def folder_name(self) -> str:
        """Name under which a step keeps tables over all units of this version."""
        return folder_name(self.project, str(self.configuration.get("shard", "1/1")))

    @property
    def identity(self) -> tuple[Any, ...]:
        """Equal for versions that differ in nothing but number and date."""
        return self.project, json.dumps(self.configuration, sort_keys=True), tuple(sorted(self.keys.items()))

    @property
    def branches(self) -> dict[str, dict[str, str]]:
        """Keys by branch, then by step; the order is that in which steps were declared."""
        found: dict[str, dict[str, str]] = {}
        for step, key in self.keys.items():
            branch, _, name = step.partition(".")
            found.setdefault(branch, {})[name] = key
        return found


@dataclass(frozen=True)
class Store:
    """A results folder; `root` must exist."""

    root: Path

    @cached_property
    def versions(self) -> list[Version]:
        """Recorded versions, oldest first, numbered from 1."""
        return [_version(number, line) for number, line in enumerate(recorded(self.root), 1)]

    @cached_property
    def pins(self) -> dict[str, Version]:
        """Pinned versions by name."""
        found = {}
        for path in sorted((self.root / NAMED).glob("*.json")):
            line = json.loads(path.read_text(encoding="utf-8"))
            found[path.stem] = _version(self._number_of(line), line)
        return found

    def _number_of(self, line: Mapping[str, Any]) -> int:
        wanted = _version(0, line)
        for version in reversed(self.versions):
            if version.identity == wanted.identity and version.date == wanted.date:
                return version.number
        return 0

    @cached_property
    def folders(self) -> dict[str, Path]:
        """Folder of every key that is there."""
        return {path.name: path for path in _key_folders(self.root)}

    @cached_property
    def links(self) -> dict[str, str]:
        """Key of each step to which `current` links."""
        found = {}
        top = self.root / CURRENT
        for folder, names, files in os.walk(top):
            for name in [*names, *files]:
                link = Path(folder, name)
                if link.is_symlink():
                    step = ".".join(link.relative_to(top).parts)
                    found[step] = Path(link.readlink()).name
        return found

    def recipe(self, key: str) -> dict[str, Any] | None:
        """Document of a key; None when its folder or `recipe.json` is not there."""
        folder = self.folders.get(key)
        if folder is None:
            return None
        try:
            document = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError):
            return None
        return document if isinstance(document, dict) else None

    def current(self, project: str | None = None) -> Version:
        """The version to which the links point; of one project its latest.

        Raises CommandError when there is none.
        """
        known = [v for v in self.versions if project in (None, v.project)]
        if not known:
            wanted = f" of project {project}" if project else ""
            message = f"{self.root} records no version{wanted}: a run that ends well records one"
            raise CommandError(message)
        linked = [v for v in known if v.keys and v.keys.items() <= self.links.items()]
        return linked[-1] if linked and project is None else known[-1]

    def version(self, reference: str) -> Version | None:
        """Version that `reference` means: `current`, a number, a pinned name or a project; else None."""
        if reference == "current":
            return self.current()
        if reference.isdecimal() and 1 <= int(reference) <= len(self.versions):
            return self.versions[int(reference) - 1]
        if reference in self.pins:
            return self.pins[reference]
        if any(v.project == reference for v in self.versions):
            return self.current(reference)
        return None

    def key(self, reference: str) -> str | None:
        """Key that starts with `reference`, None when there is none. Raises CommandError for several."""
        if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST_PREFIX},{KEY_LENGTH}}}", reference):
            return None
        known = set(self.folders) | {key for v in self.versions for key in v.keys.values()}
        found = sorted(key for key in known if key.startswith(reference))
        if len(found) > 1:
            message = f"{reference} may be any of the keys {', '.join(found)}: give more letters"
            raise CommandError(message)
        return found[0] if found else None

    def resolve(self, reference: str) -> Version | str:
        """Version or key that `reference` means. Raises CommandError when it means none."""
        found = self.version(reference) or self.key(reference)
        if found is None:
            message = (
                f"{self.root} knows no version or key {reference!r}; a version is called by its number, a "
                "pinned name, its project or `current`, a key by its first letters: ephemera versions list"
            )
            raise CommandError(message)
        return found

    def must_be_version(self, reference: str) -> Version:
        """Version that `reference` means. Raises CommandError when it means none."""
        found = self.resolve(reference)
        if isinstance(found, str):
            message = f"{reference} is the key of one step; name a version: ephemera versions list"
            raise CommandError(message)
        return found

    def with_upstream(self, keys: Iterable[str]) -> set[str]:
        """`keys` and all keys that they read, directly or not, as far as their recipes are there."""
        found: set[str] = set()
        waiting = list(keys)
        while waiting:
            key = waiting.pop()
            if key in found:
                continue
            found.add(key)
            recipe = self.recipe(key)
            waiting += recipe["reads"].values() if recipe else []
        return found

    @cached_property
    def _sizes(self) -> dict[str, int]:
        return {}

    def size(self, key: str) -> int:
        """Bytes in the folder of a key, 0 when it is not there."""
        if key not in self._sizes:
            folder = self.folders.get(key)
            self._sizes[key] = sum(p.lstat().st_size for p in files_in(folder)) if folder else 0
        return self._sizes[key]


def add_store_argument(parser: ArgumentParser) -> None:
    """Let a command take the results folder."""
    parser.add_argument(
        "--results", metavar="FOLDER", default="results", help="folder of results (default: results)"
    )


def open_store(folder: str) -> Store:
    """Store of a results folder. Raises CommandError when it is not there."""
    root = Path(folder)
    if not root.is_dir():
        message = f"there is no folder {root}: name the one of `results_folder` with --results FOLDER"
        raise CommandError(message)
    return Store(root)


def files_in(folder: Path) -> Iterator[Path]:
    """Files below a folder, in order of their paths."""
    for place, names, files in os.walk(folder):
        names.sort()
        for name in sorted(files):
            yield Path(place, name)


def is_key(name: str) -> bool:
    """Whether a name can be a key."""
    return _KEY.fullmatch(name) is not None


def _version(number: int, line: Mapping[str, Any]) -> Version:
    return Version(
        number=number,
        project=line["project"],
        date=line["date"],
        commit=line["commit"],
        units=line["units"],
        keys=dict(line["keys"]),
        configuration=line["configuration"],
        made_by=line.get("made_by", {}),
    )


def _key_folders(folder: Path) -> Iterator[Path]:
    """Folders named by a key, in order of their paths; hidden ones hold notes, or are being removed."""
    for path in sorted(folder.iterdir()):
        if (
            path.is_symlink()
            or not path.is_dir()
            or path.name.startswith(".")
            or path.name in (CURRENT, NAMED)
        ):
            continue
        if is_key(path.name):
            yield path
        else:
            yield from _key_folders(path)
