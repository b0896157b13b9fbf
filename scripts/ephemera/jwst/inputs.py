"""Opening whatever a user handed in: by content, not by name; archives in a private folder."""

from __future__ import annotations

import gzip
import logging
import mmap
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from ephemera.jwst.archive import WANTED, Limits, check_directory, free_bytes, opened, pieces, unpack
from ephemera.jwst.eureka import read_eureka
from ephemera.jwst.exoiris import is_exoiris, read_exoiris
from ephemera.jwst.fits_blocks import Layouts, walk
from ephemera.jwst.problems import Action, Problem, Unusable
from ephemera.jwst.unusual import rewritten
from ephemera.jwst.x1dints import Contents, Opened, read_x1dints

log = logging.getLogger(__name__)

_ZIP, _GZIP, _HDF5 = b"PK\x03\x04", b"\x1f\x8b", b"\x89HDF\r\n\x1a\n"
_EMPTY_ZIP = b"PK\x05\x06"


@dataclass(frozen=True)
class Reading:
    """How files are read: options of the configuration and limits."""

    eureka_flux: str = "auto"
    axis_order: str = "auto"
    dq_bits: tuple[int, ...] = (0,)
    limits: Limits = field(default_factory=Limits)
    cells: int = 2_000_000_000


def read_files(paths: Sequence[Path], reading: Reading, names: Sequence[str] | None = None) -> Contents:
    """Everything that the files hold; what cannot be used becomes problems.

    `names` are the names by which problems and series speak of the files.
    """
    contents = Contents()
    shown = list(names) if names is not None else [path.name for path in paths]
    for path, name in sorted(zip(paths, shown, strict=True), key=lambda pair: (pair[1], str(pair[0]))):
        log.info("reading %s", name)
        try:
            found = _read_one(path, name, reading)
        except Unusable as error:
            contents.problems.append(error.row(name))
            continue
        contents.pieces += found.pieces
        contents.problems += found.problems
    return contents


def _read_one(path: Path, name: str, reading: Reading) -> Contents:
    start = _first_bytes(path)
    if start[:4] in (_ZIP, _EMPTY_ZIP):
        return _read_zip(path, name, reading)
    if start[:2] == _GZIP:
        return _read_gzip(path, name, reading)
    return _read_plain(path, name, reading, start)


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as handle:
            start = handle.read(16)
    except OSError as error:
        raise Unusable("unreadable", f"cannot be read: {error.strerror or error}") from error
    if not start:
        raise Unusable("empty_file", "the file has no bytes")
    return start


def _read_plain(path: Path, name: str, reading: Reading, start: bytes) -> Contents:
    if start[:8] == _HDF5:
        return read_eureka(path, name, reading.eureka_flux, reading.axis_order, reading.cells)
    if start[:6] == b"SIMPLE":
        with mapped(path) as opened_map, memoryview(opened_map) as view:
            return _read_fits(view, name, reading, opened_map)
    if name.lower().endswith(".zip"):
        raise Unusable("zip_damaged", "not a ZIP archive, or damaged: its first bytes are wrong")
    raise Unusable("not_fits", "neither FITS, nor HDF5, nor ZIP")


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """A file as memory, of which only what is looked at is read."""
    with path.open("rb") as handle:
        content = mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)
        try:
            yield content
        finally:
            try:
                content.close()
            except BufferError:  # an exception that is on its way still holds a view
                log.debug("%s stays mapped until its last view is gone", path)


def _read_fits(view: memoryview, name: str, reading: Reading, source: mmap.mmap | None) -> Contents:
    extensions = walk(view)
    whole = Opened(name, view, extensions, source)
    if is_exoiris(whole):
        return read_exoiris(whole)
    layouts = Layouts()
    if any(e.name == "EXTRACT1D" and layouts.of(e).odd for e in extensions):
        log.info("%s: unusual tables, read by astropy", name)
        try:
            content = rewritten(bytes(view))
        except ValueError as error:
            raise Unusable("damaged", f"unusual tables that astropy cannot read: {error}") from error
        with memoryview(content) as plain:
            return read_x1dints(Opened(name, plain, walk(plain)), reading.dq_bits, reading.cells)
    return read_x1dints(whole, reading.dq_bits, reading.cells)


def _read_gzip(path: Path, name: str, reading: Reading) -> Contents:
    """Unpack a gzip file into a private folder, counting bytes."""
    limit = min(reading.limits.total_bytes, int(reading.limits.disk_share * free_bytes(path.parent)))
    with tempfile.TemporaryDirectory(prefix="ephemera-") as folder:
        target = Path(folder, "00000.fits")
        count = 0
        with gzip.open(path) as source, target.open("xb") as handle:
            for piece in pieces(source, "damaged"):
                count += len(piece)
                if count > limit:
                    raise Unusable("too_large", f"more than {limit} bytes when unpacked")
                handle.write(piece)
        return _read_plain(target, name, reading, _first_bytes(target))


def _read_zip(path: Path, name: str, reading: Reading) -> Contents:
    contents = Contents()
    with tempfile.TemporaryDirectory(prefix="ephemera-") as folder, opened(path) as archive:
        directory = check_directory(archive, name, reading.limits, free_bytes(Path(folder)))
        contents.problems += directory.problems
        for member, target in unpack(archive, directory, Path(folder), reading.limits):
            _take(contents, member.name, target, reading)
    return contents


def _take(contents: Contents, name: str, target: Path | Unusable, reading: Reading) -> None:
    """Read an unpacked member and remove it."""
    try:
        if isinstance(target, Unusable):
            raise target
        found = _read_one(target, name, reading)
    except Unusable as error:
        contents.problems.append(error.row(name))
    else:
        contents.pieces += found.pieces
        contents.problems += found.problems
    if isinstance(target, Path):
        target.unlink()


def find_files(folder: Path) -> tuple[list[Path], list[Problem]]:
    """Wanted files in a folder and all below it, and what was ignored; links out of it are not followed."""
    wanted, ignored = [], []
    root = folder.resolve()
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        name = str(path.relative_to(folder))
        if not path.resolve().is_relative_to(root):
            ignored.append(Problem(name, "", "link", "a link out of the folder", Action.IGNORED))
        elif WANTED.search(path.name) or path.name.lower().endswith(".zip"):
            wanted.append(path)
        else:
            ignored.append(
                Problem(name, "", "not_wanted", "not a file of spectra by its name", Action.IGNORED)
            )
    return wanted, ignored
