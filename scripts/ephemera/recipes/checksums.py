"""Checksums of everything that was made: one small JSON file for each job, beside its outputs.

`<results>/<branch>/<step>/<key>/.checksums/<unit>.json` says which job made which files, from which
inputs, with size and SHA-256. Each job writes a file of its own, so that parallel jobs on many nodes share
none. It is there before the outputs get their final names: an output without a record was not made
by the workflow. Names of outputs are relative to the key's folder, so that a folder can be moved and two
keys can be compared; outputs that lie elsewhere (notes of raw data) are named from the working folder.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ephemera.files import json_text, remove, sha256_of, write_text

CHECKSUMS = ".checksums"
#: Empty files named after the units that another recipe than that of the folder made.
GUESTS = ".guests"


@dataclass(frozen=True)
class Checksum:
    """What a file must look like: size in bytes and hexadecimal SHA-256."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Record:
    """What one job made.

    `step` is the dotted name, `key` the key of the folder, `made_by` the key of the recipe that ran (another
    one when the two are known to give equal results), `unit` the wildcards of the job by name, `inputs`
    the paths it read by the name of the input, `outputs` the files in the key's folder by their name there,
    `elsewhere` files outside it by their path.
    """

    step: str
    key: str
    made_by: str
    unit: Mapping[str, str]
    inputs: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    outputs: Mapping[str, Checksum] = field(default_factory=dict)
    elsewhere: Mapping[str, Checksum] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the unit, as in the name of the record's file."""
        return unit_name(self.unit)

    def files(self, folder: str | os.PathLike[str]) -> dict[Path, Checksum]:
        """All files of the record by path; `folder` is that of the key."""
        inside = {Path(folder) / name: checksum for name, checksum in self.outputs.items()}
        return inside | {Path(name): checksum for name, checksum in self.elsewhere.items()}


@dataclass(frozen=True)
class Problem:
    """A file that is not what was recorded: `kind` is `missing`, `damaged` or `unreadable`."""

    path: Path
    kind: str
    detail: str


def unit_name(unit: Mapping[str, str]) -> str:
    """Name of a job among those of its step, fit for a file name: its wildcards' values, joined by `+`."""
    name = "+".join(quote(str(value), safe=" ,=@") for value in unit.values()) or "all"
    if name.startswith("."):
        name = "%2E" + name[1:]
    if len(name) > 200:
        name = name[:120] + "+" + hashlib.sha256(name.encode()).hexdigest()
    return name


def record_path(folder: str | os.PathLike[str], unit: str) -> Path:
    """Where the record of a unit (by name) of the key in `folder` is."""
    return Path(folder) / CHECKSUMS / f"{unit}.json"


def measured(path: Path, name: str) -> dict[str, Checksum]:
    """Checksum of a file under `name`, or of each file in a folder under `name/...`, sorted.

    Files and folders whose names begin with a dot, such as Snakemake's time stamps, are left out.
    """
    if not path.is_dir():
        return {name: Checksum(path.stat().st_size, sha256_of(path))}
    found: dict[str, Checksum] = {}
    for entry in sorted(path.iterdir()):
        if not entry.name.startswith("."):
            found |= measured(entry, f"{name}/{entry.name}")
    return found


def write(folder: str | os.PathLike[str], record: Record) -> None:
    """Write the record of a job of the key in `folder`, whole or not at all."""
    marker = Path(folder, GUESTS, record.name)
    if record.made_by != record.key:
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    document = asdict(record)
    write_text(record_path(folder, record.name), json_text(document))
    if record.made_by == record.key:
        marker.unlink(missing_ok=True)


def read(folder: str | os.PathLike[str], unit: str) -> Record | None:
    """Record of a unit (by name); None when there is none that can be read."""
    return _parsed(record_path(folder, unit))


def units(folder: str | os.PathLike[str]) -> list[str]:
    """Names of the units that the key in `folder` has records of, sorted."""
    try:
        names = os.listdir(Path(folder) / CHECKSUMS)  # noqa: PTH208  15,000 names: no Path objects
    except FileNotFoundError:
        return []
    return sorted(name.removesuffix(".json") for name in names if not name.startswith("."))


def guests(folder: str | os.PathLike[str]) -> list[str]:
    """Names of the units in `folder` that another recipe than that of the folder made, sorted."""
    try:
        return sorted(os.listdir(Path(folder) / GUESTS))  # noqa: PTH208  names are enough
    except FileNotFoundError:
        return []


def records(folder: str | os.PathLike[str]) -> Iterator[Record]:
    """All records of the key in `folder` that can be read, sorted by unit."""
    for unit in units(folder):
        record = read(folder, unit)
        if record is not None:
            yield record


def key_folder(path: str | os.PathLike[str]) -> Path | None:
    """Folder of the key in which a file of the results lies; None for other files."""
    for parent in Path(path).absolute().parents:
        if (parent / CHECKSUMS).is_dir():
            return parent
    return None


def problems(folder: str | os.PathLike[str], record: Record, *, content: bool = True) -> list[Problem]:
    """Files of a record that are missing or damaged; without `content` only sizes are compared."""
    return [
        problem
        for path, checksum in sorted(record.files(folder).items())
        if (problem := compare(path, checksum, content=content)) is not None
    ]


def verify(
    folder: str | os.PathLike[str], names: Iterable[str] | None = None, *, content: bool = True
) -> Iterator[Problem]:
    """What is not as recorded in the key's folder, for these units or (None) all of them."""
    for unit in units(folder) if names is None else names:
        record = read(folder, unit)
        if record is None:
            path = record_path(folder, unit)
            yield Problem(path, "unreadable" if path.exists() else "missing", "the record itself")
        else:
            yield from problems(folder, record, content=content)


def compare(path: Path, checksum: Checksum, *, content: bool) -> Problem | None:
    """What is wrong with a file, if anything is; without `content` only its size is compared."""
    try:
        size = path.stat().st_size
        if size != checksum.size:
            return Problem(path, "damaged", f"{size} bytes instead of {checksum.size}")
        if content and sha256_of(path) != checksum.sha256:
            return Problem(path, "damaged", "other content than was noted")
    except FileNotFoundError:
        return Problem(path, "missing", f"{checksum.size} bytes were noted")
    except OSError as error:
        return Problem(path, "unreadable", str(error.strerror))
    return None


def forget(folder: str | os.PathLike[str], unit: str) -> None:
    """Remove the record of a unit."""
    remove(record_path(folder, unit))
    remove(Path(folder, GUESTS, unit))


def _parsed(path: Path) -> Record | None:
    try:
        content = json.loads(path.read_bytes())
        return Record(
            step=content["step"],
            key=content["key"],
            made_by=content["made_by"],
            unit=content["unit"],
            inputs={name: tuple(paths) for name, paths in content["inputs"].items()},
            outputs=_checksums(content["outputs"]),
            elsewhere=_checksums(content["elsewhere"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def _checksums(content: Mapping[str, Mapping[str, Any]]) -> dict[str, Checksum]:
    return {name: Checksum(int(entry["size"]), str(entry["sha256"])) for name, entry in content.items()}
