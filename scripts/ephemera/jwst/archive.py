"""ZIP files that users hand us, taken as hostile until checked.

The directory is checked before a byte is unpacked, and every byte is counted while unpacking. Members get
numbered names of our own in a private folder, which is removed at the end, also after errors.
"""

from __future__ import annotations

import gzip
import lzma
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ephemera.jwst.problems import Action, Problem, Unusable

#: Names of files that may hold spectra, in any case.
WANTED = re.compile(r"(\.fits|\.fits\.gz|\.h5|\.hdf5|\.nc)$", re.IGNORECASE)
ARCHIVES = re.compile(r"\.(zip|tar|tgz|7z|rar|tar\.gz|bz2|xz)$", re.IGNORECASE)
_BAD_SIGNS = re.compile(r"[\x00-\x1f\x7f]")
_PIECE = 1 << 20
#: What the library raises for archives and packed data that are damaged or of a kind that it does not know.
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError, OSError)


@dataclass(frozen=True)
class Limits:
    """What an archive may hold: members, bytes, share of the free disk, ratio of big members."""

    members: int = 20000
    total_bytes: int = 20 * 10**9
    disk_share: float = 0.9
    ratio: float = 1000.0
    ratio_above_bytes: int = 100 * 10**6


@dataclass(frozen=True)
class Member:
    """A wanted member: its entry, and its name for people."""

    entry: zipfile.ZipInfo
    name: str


@dataclass(frozen=True)
class Directory:
    """Members to unpack, in the order of their names, and what was said about the others."""

    members: tuple[Member, ...]
    problems: tuple[Problem, ...]


def bad_name(name: str) -> str | None:
    """Why a member's name cannot be accepted; None when it can."""
    path = name.replace("\\", "/")
    if _BAD_SIGNS.search(path):
        return "control characters"
    if path.startswith("/"):
        return "an absolute path"
    if re.match(r"^[A-Za-z]:", path):
        return "a drive letter"
    if ".." in path.split("/"):
        return "a step to the folder above"
    return None


def _kind(entry: zipfile.ZipInfo) -> str | None:
    """Why an entry is no plain file; None when it is."""
    mode = entry.external_attr >> 16
    if entry.flag_bits & 0x1:
        return "encrypted"
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "not a plain file"
    return None


def check_directory(archive: zipfile.ZipFile, file: str, limits: Limits, free_bytes: int) -> Directory:
    """Decide about every member; raises Unusable when the archive as a whole is refused."""
    entries = archive.infolist()
    if len(entries) > limits.members:
        message = f"{len(entries)} members; at most {limits.members} are allowed"
        raise Unusable("zip_too_many", message)
    members: dict[str, Member] = {}
    problems: list[Problem] = []
    for entry in sorted(entries, key=lambda e: (e.filename, e.header_offset)):
        if entry.is_dir() and bad_name(entry.orig_filename) is None:
            continue
        # The library cuts names at NUL; the name as stored is what is judged.
        key = entry.orig_filename.casefold().replace("\\", "/")
        member = Member(entry, f"{file}:{_shown(entry.orig_filename)}")
        problem = _judge(member, limits, known=key in members)
        if problem is None:
            members[key] = member
        else:
            problems.append(problem)
    total = sum(member.entry.file_size for member in members.values())
    allowed = min(limits.total_bytes, int(limits.disk_share * free_bytes))
    if total > allowed:
        raise Unusable("zip_too_large", f"{total} bytes when unpacked; at most {allowed} are allowed here")
    if not members:
        names = ", ".join(_shown(e.orig_filename) for e in entries[:20]) or "nothing"
        raise Unusable("zip_nothing", f"no usable file in the archive; it holds {names}")
    return Directory(tuple(members[key] for key in sorted(members)), tuple(problems))


def _judge(member: Member, limits: Limits, *, known: bool) -> Problem | None:
    """Why a member is not unpacked; None when it is. Raises Unusable for a wanted one with a bad name."""
    entry, original = member.entry, member.entry.orig_filename
    wanted = bool(WANTED.search(original) or WANTED.search(original.split("\x00", maxsplit=1)[0]))
    reason, kind = bad_name(original), _kind(entry)
    if reason is not None:
        if wanted:
            message = f"member {_shown(original)} has {reason}: the archive is refused"
            raise Unusable("zip_bad_name", message)
        return Problem(member.name, "", "zip_bad_name", f"the name has {reason}", Action.REFUSED)
    if kind is not None:
        return Problem(member.name, "", "zip_bad_kind", f"the member is {kind}", Action.REFUSED)
    if not wanted:
        return _ignored(original, member.name)
    if known:
        text = "a member of that name was there before"
        return Problem(member.name, "", "zip_duplicate", text, Action.REFUSED)
    big = entry.file_size > limits.ratio_above_bytes
    if big and entry.file_size > limits.ratio * max(entry.compress_size, 1):
        text = f"{entry.file_size} bytes from {entry.compress_size}: more than {limits.ratio:g} to 1"
        return Problem(member.name, "", "zip_ratio", text, Action.REFUSED)
    return None


def _ignored(name: str, shown: str) -> Problem:
    if ARCHIVES.search(name):
        return Problem(shown, "", "nested_archive", "archives in archives are never opened", Action.IGNORED)
    return Problem(shown, "", "not_wanted", "not a file of spectra by its name", Action.IGNORED)


def _shown(name: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in name)[:200]


@contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """An archive whose directory could be read. Raises Unusable otherwise."""
    try:
        archive = zipfile.ZipFile(path)
    except _DAMAGE as error:
        raise Unusable("zip_damaged", f"not a ZIP archive, or damaged: {error}") from error
    with archive:
        yield archive


def pieces(packed: IO[bytes] | gzip.GzipFile, code: str) -> Iterator[bytes]:
    """Unpacked bytes piece by piece. Raises Unusable with `code` where the packed ones are damaged.

    Only reading is guarded: a disk that is full is no fault of the archive, and ends the step.
    """
    while True:
        try:
            piece = packed.read(_PIECE)
        except _DAMAGE as error:
            raise Unusable(code, f"cannot be unpacked: {error}") from error
        if not piece:
            return
        yield piece


def unpack(
    archive: zipfile.ZipFile, directory: Directory, folder: Path, limits: Limits
) -> Iterator[tuple[Member, Path | Unusable]]:
    """Unpack members one by one into numbered files of `folder`.

    Gives the path, or why that member cannot be used (damaged, longer than declared).
    """
    written = 0
    for number, member in enumerate(directory.members):
        suffix = "".join(WANTED.findall(member.entry.filename.lower())[-1:])
        target = folder / f"{number:05d}{suffix}"
        try:
            written += _copy(archive, member, target, limits.total_bytes - written)
        except Unusable as error:
            target.unlink(missing_ok=True)
            yield member, error
        else:
            yield member, target


def _copy(archive: zipfile.ZipFile, member: Member, target: Path, allowed: int) -> int:
    declared = member.entry.file_size
    try:
        source = archive.open(member.entry)
    except _DAMAGE as error:
        raise Unusable("zip_damaged", f"cannot be unpacked: {error}") from error
    count = 0
    with source, target.open("xb") as handle:
        for piece in pieces(source, "zip_damaged"):
            count += len(piece)
            if count > min(declared, allowed):
                raise Unusable("zip_longer", f"longer than the {declared} bytes that it declares")
            handle.write(piece)
    if count != declared:
        raise Unusable("zip_damaged", f"{count} bytes instead of the {declared} that it declares")
    return count


def free_bytes(folder: Path) -> int:
    """Free space of the disk of a folder."""
    return shutil.disk_usage(folder).free
