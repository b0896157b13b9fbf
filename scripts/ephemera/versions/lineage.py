"""From a file back to the raw files: which job made it, what that job read, and so on.

Read from the records that every job leaves beside its outputs, and at the end of the chain from the
manifests of raw units (JSON with `files`: path, size, sha256, url) or the tables of what was fetched.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ephemera.recipes import checksums
from ephemera.recipes.checksums import Checksum, Record
from ephemera.versions.store import Store

#: Names of manifests, and of the steps whose tables list raw files.
MANIFEST, FETCH = "manifest.json", "fetch"


@dataclass(frozen=True)
class RawFile:
    """A file from outside: where it is, what it must look like, the address it came from, if any."""

    path: str
    size: int | None
    sha256: str | None
    url: str | None


@dataclass
class Lineage:
    """All that stands behind a file.

    `records` are the jobs by (key, unit), the nearest to the file first; `raw` the files from
    outside by path; `unknown` paths that no record and no manifest explains.
    """

    records: dict[tuple[str, str], Record] = field(default_factory=dict)
    raw: dict[str, RawFile] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


class Records:
    """Finds the record of a file, reading each folder's records at most once."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._indices: dict[Path, dict[str, Record]] = {}
        self._elsewhere: dict[str, Record] | None = None

    def of(self, path: Path) -> Record | None:
        """Record of the job that made a file or folder, in the folder of a key or elsewhere."""
        folder = checksums.key_folder(path)
        if folder is None:
            return self._made_elsewhere().get(str(path))
        name = path.absolute().relative_to(folder).as_posix()
        return self._by_name_of_unit(folder, name) or self._index(folder).get(name)

    def _by_name_of_unit(self, folder: Path, name: str) -> Record | None:
        """Most outputs begin with the name of their unit: one small file to read instead of all."""
        ends = [k for k, letter in enumerate(name) if letter in "./"] + [len(name)]
        for end in ends:
            record = checksums.read(folder, name[:end])
            if record is not None and name in _names(record):
                return record
        return None

    def _index(self, folder: Path) -> dict[str, Record]:
        if folder not in self._indices:
            self._indices[folder] = {
                name: record for record in checksums.records(folder) for name in _names(record)
            }
        return self._indices[folder]

    def _made_elsewhere(self) -> dict[str, Record]:
        """Records of files outside the results, such as manifests; of several keys the one linked to."""
        if self._elsewhere is None:
            linked = set(self.store.links.values())
            found: dict[str, Record] = {}
            for key in sorted(self.store.folders, key=lambda key: (key in linked, key)):
                for record in _with_elsewhere(self.store.folders[key]):
                    found |= dict.fromkeys(record.elsewhere, record)
            self._elsewhere = found
        return self._elsewhere


def _with_elsewhere(folder: Path) -> Iterator[Record]:
    """Records of a key that makes files outside its folder; nothing when the first one makes none."""
    for record in checksums.records(folder):
        if not record.elsewhere:
            return
        yield record


def _names(record: Record) -> set[str]:
    """Names of a record's outputs and of the folders in which they lie."""
    names = set(record.outputs)
    for name in record.outputs:
        parts = name.split("/")
        names |= {"/".join(parts[:k]) for k in range(1, len(parts))}
    return names


def recorded_checksum(records: Records, path: Path) -> Checksum | None:
    """Checksum noted for a file when it was made."""
    record = records.of(path)
    folder = checksums.key_folder(path)
    if record is None:
        return None
    if folder is None:
        return record.elsewhere.get(str(path))
    return record.outputs.get(path.absolute().relative_to(folder).as_posix())


def lineage(records: Records, path: Path) -> Lineage:
    """All jobs and raw files behind a file."""
    found = Lineage()
    waiting = [path]
    seen: set[str] = set()
    while waiting:
        following: list[Path] = []
        for file in waiting:
            if str(file) in seen:
                continue
            seen.add(str(file))
            following += _step_back(records, file, found)
        waiting = following
    found.unknown.sort()
    found.raw = dict(sorted(found.raw.items()))
    return found


def _step_back(records: Records, path: Path, found: Lineage) -> list[Path]:
    """Note who made a file and return what it was made from."""
    raw = manifest_files(path)
    found.raw |= {file.path: file for file in raw}
    record = records.of(path)
    if record is None:
        if not raw and path.name != "source.json":
            _note_outsider(path, found)
        return []
    if (record.key, record.name) in found.records:
        return []
    found.records[record.key, record.name] = record
    return [Path(name) for names in record.inputs.values() for name in names]


def _note_outsider(path: Path, found: Lineage) -> None:
    """A file without a record: raw when it is outside the results, unknown when it should have one."""
    if checksums.key_folder(path) is not None or not path.is_file():
        found.unknown.append(str(path))
    elif str(path) not in found.raw:
        (checksum,) = checksums.measured(path, str(path)).values()
        found.raw[str(path)] = RawFile(str(path), checksum.size, checksum.sha256, None)


def lists_raw_files(path: Path) -> bool:
    """Whether a file is, by its name, a list of raw files: a manifest, or a table of the step `fetch`."""
    return path.name == MANIFEST or (path.suffix == ".parquet" and FETCH in path.parts)


def manifest_files(path: Path) -> list[RawFile]:
    """Raw files of a manifest or of a table of fetched files; none when `path` is something else."""
    if path.suffix == ".parquet" and lists_raw_files(path):
        return _fetched_files(path)
    if path.suffix != ".json" or not path.is_file():
        return []
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    entries = document.get("files") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        return []
    return [_raw_file(entry) for entry in entries if isinstance(entry, dict) and "path" in entry]


def _fetched_files(path: Path) -> list[RawFile]:
    """Files in a store, from a table with `path`, `bytes` and `sha256` (null where nothing was got)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows = pq.read_table(path, columns=["path", "bytes", "sha256"], partitioning=None).to_pylist()
    except (OSError, KeyError, pa.ArrowException):
        return []
    return [RawFile(r["path"], r["bytes"], r["sha256"], None) for r in rows if r["sha256"]]


def _raw_file(entry: Mapping[str, Any]) -> RawFile:
    return RawFile(str(entry["path"]), entry.get("size"), entry.get("sha256"), entry.get("url"))
