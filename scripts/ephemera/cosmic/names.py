"""What the names of files say: kind, observation, number of the stamps file. No file is opened.

`X.seticore.0000.stamps`, `X.seticore.hits` and `X.bfr5` belong to the observation of prefix `X`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from glob import glob, has_magic
from pathlib import Path

#: Kind of file by the end of its name.
SUFFIXES: Mapping[str, str] = {
    ".hits": "hits",
    ".stamps": "stamps",
    ".stamp": "stamps",
    ".bfr5": "recipe",
}
UNFINISHED = ".tmp"
#: Part of a stamps file without a number in its name.
SINGLE = "single"
#: Prefixes become names of folders; what a shell or Snakemake would take apart is refused.
SAFE_PREFIX = r"[^/{}\s.][^/{}\x00-\x1f]{0,199}"
_NUMBER = re.compile(r"\.(\d{4})$")


@dataclass(frozen=True)
class Named:
    """A file by its name: `kind` hits, stamps, recipe or tmp; `part` is the number of a stamps file."""

    path: Path
    kind: str
    prefix: str
    part: str = ""


@dataclass
class Observation:
    """Files of one prefix: all of them in order, and the recipes that may belong to it."""

    prefix: str
    files: list[Named] = field(default_factory=list)
    recipes: list[Path] = field(default_factory=list)

    @property
    def parts(self) -> list[str]:
        """Parts of the stamps files that can be read, in numeric order."""
        return sorted({file.part for file in self.files if file.kind == "stamps"})

    @property
    def paths(self) -> list[Path]:
        """Everything the observation is made from."""
        return [*(file.path for file in self.files), *self.recipes]


def parse_name(path: Path) -> Named | None:
    """What a file is by its name; None for a file that is none of ours."""
    name, unfinished = path.name, path.name.endswith(UNFINISHED)
    finished = Path(name.removesuffix(UNFINISHED))
    kind = SUFFIXES.get(finished.suffix)
    if kind is None or name.startswith("."):
        return None
    part = ""
    if kind == "stamps":
        number = _NUMBER.search(finished.stem)
        part = number[1] if number else SINGLE
    return Named(path, "tmp" if unfinished else kind, prefix_of(path.name), part)


def prefix_of(name: str) -> str:
    """Prefix of a file name: without its suffix, the number of a stamps file, and `.seticore`."""
    finished = Path(name.removesuffix(UNFINISHED))
    stem = finished.stem
    if SUFFIXES.get(finished.suffix) == "stamps":
        stem = _NUMBER.sub("", stem)
    return stem.removesuffix(".seticore")


def find_files(places: Iterable[str]) -> list[Path]:
    """Files named, matched by patterns, or anywhere below folders, sorted. Raises FileNotFoundError."""
    found: set[Path] = set()
    for place in places:
        matches = sorted(glob(place, recursive=True)) if has_magic(place) else [place]  # noqa: PTH207  also absolute patterns
        for match in map(Path, matches):
            if match.is_dir():
                found.update(_below(match))
            elif match.is_file():
                found.add(match)
            else:
                message = f"{match} is neither a file nor a folder"
                raise FileNotFoundError(message)
    return sorted(found)


def observations(inputs: Sequence[str], recipes: Sequence[str] = ()) -> dict[str, Observation]:
    """Observations by prefix, of files below `inputs`; `recipes` are more places of recipes.

    The recipes of an observation are those in the folders of its files, in the folders above these, and in
    `recipes`. Raises FileNotFoundError for a place that does not exist, ValueError for a prefix that cannot
    be the name of a folder.
    """
    named = [entry for entry in map(parse_name, find_files(inputs)) if entry is not None]
    shared = [p for p in find_files(recipes) if p.suffix == ".bfr5"]
    pool: dict[Path, list[Path]] = {}
    for entry in named:
        if entry.kind == "recipe":
            pool.setdefault(entry.path.parent.absolute(), []).append(entry.path)
    found: dict[str, Observation] = {}
    for entry in named:
        if entry.kind == "recipe" or (entry.kind == "tmp" and entry.path.name.endswith(".bfr5.tmp")):
            continue
        if not re.fullmatch(SAFE_PREFIX, entry.prefix):
            message = f"{entry.path}: {entry.prefix!r} cannot be the name of an observation: rename the file"
            raise ValueError(message)
        if ";" in str(entry.path):
            message = f"{entry.path}: a semicolon separates files in lists of them: rename the file or folder"
            raise ValueError(message)
        found.setdefault(entry.prefix, Observation(entry.prefix)).files.append(entry)
    for observation in found.values():
        folders = {entry.path.parent.absolute() for entry in observation.files}
        near = folders | {folder.parent for folder in folders}
        mine = [path for folder in sorted(near) for path in pool.get(folder, _recipes_in(folder))]
        observation.recipes = sorted({path.absolute(): path for path in [*mine, *shared]}.values())
    return dict(sorted(found.items()))


def _recipes_in(folder: Path) -> list[Path]:
    """Recipes in a folder that was not searched itself."""
    return sorted(folder.glob("*.bfr5")) if folder.is_dir() else []


def _below(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root, name) for name in files if not name.startswith("."))
