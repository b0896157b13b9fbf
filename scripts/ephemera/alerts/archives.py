"""Files inside of archives and of packed files, read as streams: nothing is ever written to disk.

Links and devices are left out, members larger than any packet refused. Damage to one member of a zip archive
costs none of the others; what follows damage in a tar archive is lost.
"""

from __future__ import annotations

import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from ephemera.alerts.avro import Failure
from ephemera.alerts.outcomes import PacketError, Reason, Stage

#: Larger members of archives are refused: no packet is that large.
LARGEST_MEMBER = 2**30

#: Name and content of a file in an archive, or why it was not got.
Member = tuple[str, bytes] | Failure


def members_of(path: Path, head: bytes, name: str) -> Iterator[Member] | None:
    """Files inside an archive or a packed file that starts with `head`; None for one that is neither."""
    if head[:2] == b"\x1f\x8b":
        return _gzip(path, name)
    if head[:4] == b"PK\x03\x04":
        return _zip(path, name)
    return _tar(path, name, "r|") if _is_tar(head) else None


def lost(name: str, size: int, reason: Reason, detail: str, raw: bytes | None = None) -> Failure:
    """A file that gave no packet."""
    return Failure(name, 0, size, (raw or b"")[:64], PacketError(Stage.OPEN, reason, detail), 1, raw)


def _is_tar(head: bytes) -> bool:
    return head[257:262] == b"ustar"


def _gzip(path: Path, name: str) -> Iterator[Member]:
    try:
        with gzip.open(path) as stream:
            head = stream.read(512)
            content = b"" if _is_tar(head) else head + stream.read(LARGEST_MEMBER)
    except (OSError, EOFError, zlib.error) as error:
        yield lost(name, path.stat().st_size, Reason.TRUNCATED, str(error))
        return
    if _is_tar(head):
        yield from _tar(path, name, "r|gz")
    elif len(content) > LARGEST_MEMBER:
        yield _too_large(name, path.stat().st_size)
    else:
        yield name, content


def _tar(path: Path, name: str, mode: Literal["r|", "r|gz"]) -> Iterator[Member]:
    try:
        with tarfile.open(path, mode) as archive:
            for member in archive:
                stream = archive.extractfile(member) if member.isfile() else None
                if stream is None:
                    continue
                label = f"{name}/{member.name}"
                if member.size > LARGEST_MEMBER:
                    yield _too_large(label, member.size)
                else:
                    yield label, stream.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        yield lost(name, path.stat().st_size, Reason.TRUNCATED, f"{type(error).__name__}: {error}")


def _zip(path: Path, name: str) -> Iterator[Member]:
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    yield _zip_member(archive, member, f"{name}/{member.filename}")
    except (zipfile.BadZipFile, OSError) as error:
        yield lost(name, path.stat().st_size, Reason.TRUNCATED, f"{type(error).__name__}: {error}")


def _zip_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, label: str) -> Member:
    """One file of a zip archive; what is wrong with it costs none of the others."""
    if member.file_size > LARGEST_MEMBER:
        return _too_large(label, member.file_size)
    try:
        return label, archive.read(member)
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        return lost(label, member.file_size, Reason.TRUNCATED, f"{type(error).__name__}: {error}")
    except RuntimeError as error:  # encrypted, or packed in a way that is not known here
        return lost(label, member.file_size, Reason.OTHER, str(error))


def _too_large(name: str, size: int) -> Failure:
    return lost(name, size, Reason.OTHER, f"larger than any packet: more than {LARGEST_MEMBER} bytes")
