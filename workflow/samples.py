"""Sample sheets: which units a branch works on, and where each comes from.

A sheet is a tab-separated table with a header; lines that start with `#` are comments. While parsing,
each unit gets a small file `source.json` in the raw folder that says where it comes from and how its
files look (size and time, never their content). That file is the input of the unit's first rule, so
a change of place or of content makes the unit stale, and a mere touch does not.
"""

from __future__ import annotations

import csv
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ephemera.files import paths_in, sha256_of
from notes import read_note, write_note

KINDS = ("archive", "folder", "files", "simulate")


class SampleSheetError(Exception):
    """The sample sheet cannot be used; the message names file, line, column and what is allowed."""


@dataclass(frozen=True)
class Sample:
    """One unit of a branch: its name, the kind of source, and where (a folder, files, a scenario).

    `more` holds the values of optional columns that are not the usual ones.
    """

    unit: str
    source: str
    location: str
    more: Mapping[str, str] = field(default_factory=dict)


def read_samples(
    path: str | os.PathLike[str],
    unit: str,
    pattern: str,
    optional: Mapping[str, Sequence[str]] | None = None,
    kinds: Sequence[str] = KINDS,
) -> list[Sample]:
    """Units of a sheet in the order of their names.

    `unit` is the name of the first column, `pattern` what its values must match as a whole; `optional`
    are columns that may follow the third one, with the values allowed; an empty cell stands for the first.
    `kinds` are the sources that the branch has. Raises SampleSheetError.
    """
    sheet = Path(path)
    try:
        lines = sheet.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"it is no UTF-8 ({error.reason})"
        message = f"sample sheet {sheet} cannot be read: {reason}"
        raise SampleSheetError(message) from error
    numbered = [(k, text) for k, text in enumerate(lines, 1) if text.strip() and not text.startswith("#")]
    if not numbered:
        message = f"sample sheet {sheet} is empty: it needs the columns {unit}, source, location"
        raise SampleSheetError(message)
    rows = [_cells(text) for _, text in numbered]
    header = [name.strip() for name in rows[0]]
    extra = dict(optional or {})
    if header[:3] != [unit, "source", "location"] or not _differ_within(header[3:], extra):
        more = f", and may go on with {', '.join(extra)}" if extra else ""
        message = (
            f"sample sheet {sheet}, line {numbered[0][0]}: the columns are {header}; "
            f"they must be {unit}, source, location, separated by tabs{more}"
        )
        raise SampleSheetError(message)
    samples: dict[str, Sample] = {}
    for (number, _), row in zip(numbered[1:], rows[1:], strict=True):
        sample = _sample(row, f"sample sheet {sheet}, line {number}", unit, pattern, kinds)
        cells = {name: cell.strip() for name, cell in zip(header[3:], row[3:], strict=False)}
        for name, cell in cells.items():
            if cell and cell not in extra[name]:
                known = ", ".join(extra[name])
                message = f"sample sheet {sheet}, line {number}: {name} {cell!r} is none of {known}"
                raise SampleSheetError(message)
        sample = replace(sample, more={n: cell for n, cell in cells.items() if cell not in ("", extra[n][0])})
        if sample.unit in samples:
            message = f"sample sheet {sheet}, line {number}: {unit} {sample.unit} is there twice"
            raise SampleSheetError(message)
        samples[sample.unit] = sample
    return [samples[name] for name in sorted(samples)]


def _cells(line: str) -> list[str]:
    """Cells of a line by itself: a quotation mark without its twin swallows no other line."""
    try:
        return next(csv.reader([line], delimiter="\t"))
    except csv.Error:
        return line.split("\t")


def _differ_within(names: list[str], allowed: Mapping[str, Any]) -> bool:
    """Whether all names are allowed and none is there twice."""
    return set(names) <= set(allowed) and len(set(names)) == len(names)


def _sample(row: list[str], where: str, unit: str, pattern: str, kinds: Sequence[str]) -> Sample:
    name, source, location = ([cell.strip() for cell in row] + ["", ""])[:3]
    if not re.fullmatch(pattern, name):
        message = f"{where}: {unit} {name!r} does not match {pattern}"
        raise SampleSheetError(message)
    if source not in kinds:
        message = f"{where}: source {source!r} is none of {', '.join(kinds)}"
        raise SampleSheetError(message)
    if source != "archive" and not location:
        message = f"{where}: a source of kind {source} needs a location"
        raise SampleSheetError(message)
    return Sample(name, source, location)


def in_shard(samples: Iterable[Sample], shard: str) -> list[Sample]:
    """Samples of share i/n; a unit's share depends on its name alone, so that new units move none."""
    index, count = (int(part) for part in shard.split("/"))
    if count == 1:
        return list(samples)
    return [s for s in samples if _bucket(s.unit) % count == index - 1]


def _bucket(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def note_sources(samples: Iterable[Sample], raw: Path, generator: Callable[[], str] | None = None) -> None:
    """Bring each unit's `source.json` up to date.

    A file whose size or time is not that of the unit's manifest is compared by content: the same
    content only makes the note remember the new look, without becoming newer than the manifest. A
    unit whose download failed becomes stale, so that the next run tries again. `generator` gives the
    digest of the code that simulates units.
    """
    digest: str | None = None
    for sample in samples:
        if sample.source == "simulate" and digest is None and generator is not None:
            digest = generator()
        _note(sample, raw / sample.unit, digest)


def _note(sample: Sample, folder: Path, digest: str | None) -> None:
    path = folder / "source.json"
    identity = {"unit": sample.unit, "kind": sample.source, "location": sample.location, **sample.more}
    if sample.source == "simulate" and digest is not None:
        identity["code"] = digest
    before = read_note(path)
    if before is None or any(before.get(name) != value for name, value in identity.items()):
        write_note(path, identity, newer_than=folder / "manifest.json")
        return
    manifest = read_note(folder / "manifest.json")
    if manifest is None:
        return
    if manifest["outcome"] == "download_failed":
        write_note(path, before, newer_than=folder / "manifest.json")
        return
    _compare(sample, before, manifest, path)


def _compare(sample: Sample, before: dict[str, Any], manifest: dict[str, Any], path: Path) -> None:
    """Renew the note when files are not those of the manifest, by content where they look different."""
    known = {entry["path"]: entry for entry in manifest["files"]}
    looks = {name: _look(Path(name)) for name in known}
    for newcomer in _newcomers(sample, known, path.with_name("manifest.json").stat().st_mtime_ns):
        looks[str(newcomer)] = _look(newcomer)
    if looks == before.get("changed"):
        return
    verified = dict(before.get("verified", {}))
    changed = looks.keys() != known.keys()
    for name, entry in known.items():
        look = looks[name]
        if look is None:
            changed = True
        elif look in ([entry["size"], entry["mtime_ns"]], verified.get(name)):
            continue
        elif sha256_of(name) == entry["sha256"]:
            verified[name] = look
        else:
            changed = True
    if changed:
        note = {**before, "changed": looks, "verified": {}}
        write_note(path, note, newer_than=path.with_name("manifest.json"))
    elif verified != before.get("verified", {}):
        write_note(path, {**before, "verified": verified}, newer_than=None)


def _newcomers(sample: Sample, known: Mapping[str, Any], since: int) -> list[Path]:
    """Files of a local unit that are not in its manifest and came after it was written."""
    if sample.source == "files":
        paths = paths_in(sample.location)
    elif sample.source == "folder":
        folders = {Path(sample.location), *(Path(name).parent for name in known)}
        # A file that came makes its folder younger; other folders need no listing.
        young = [f for f in sorted(folders) if f.is_dir() and f.stat().st_mtime_ns > since]
        paths = [path for folder in young for path in sorted(folder.iterdir())]
    else:
        return []
    return [p for p in paths if str(p) not in known and p.is_file() and p.stat().st_ctime_ns > since]


def _look(path: Path) -> list[int] | None:
    """Size and time of a file; None when it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]
