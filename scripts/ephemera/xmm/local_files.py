"""Find the files of one observation in a folder, or among named files.

Names of the pipeline and of `epproc`/`emproc` tell what a file is; any other file is asked through its
headers. An observation's files may lie in a folder of its own, or in one that holds several observations.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from ephemera.xmm.fits_stream import FitsError, open_fits
from ephemera.xmm.observation import INSTRUMENTS
from ephemera.xmm.product_headers import Identity, identify
from ephemera.xmm.product_names import (
    OBSID_PATTERN,
    SIMULATED,
    ProductName,
    Role,
    parse_name,
    pipeline_obsid,
)
from ephemera.xmm.products import Product

#: Levels of folders searched below the one given.
FOLDER_DEPTH = 3
#: Endings of files that may be FITS under a name of the user's.
FITS_SUFFIXES = (".fits", ".fit", ".ftz", ".evt", ".ds", ".fits.gz", ".fit.gz", ".evt.gz", ".ds.gz")

_CHECKED_ROLES = (Role.EVENT_LIST, Role.SOURCE_LIST)


@dataclass(frozen=True)
class LocalFile:
    """A file and its role; `exposure` is (instrument, exposure id, timing mode) of an event list."""

    path: Path
    role: Role
    exposure: tuple[str, str, bool] | None
    rank: int


@dataclass(frozen=True)
class Found:
    """Files of the observation, remarks for the reader, and what is of another observation or not there."""

    files: tuple[LocalFile, ...]
    remarks: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def in_folder(folder: Path, obsid: str, extra: Sequence[Product] = ()) -> Found:
    """Files of an observation in a folder (or in its subfolder named after the observation).

    Event lists, source lists, flare curves, attitude files, and products in `extra`. Of an exposure
    that is there twice the pipeline's list is taken, then the reprocessed one, then any other.
    """
    if not folder.is_dir():
        return Found((), missing=(str(folder),))
    files: list[LocalFile] = []
    remarks: list[str] = []
    foreign: list[str] = []
    for path in files_of(folder, obsid):
        named = parse_name(path.name)
        if named is not None and named.obsid == obsid:
            file = _from_name(path, named)
            if file.role is Role.OTHER and not any(product.matches(named) for product in extra):
                continue
            if other := _other_observation(file, obsid):
                foreign.append(f"{path.name} has OBS_ID {other!r}")
            files.append(file)
        elif named is None and pipeline_obsid(path.name) is None:
            found = _ask_headers(path, obsid, remarks)
            files.extend([found] if found else [])
    kept, doubles = _one_per_exposure(files)
    return Found(kept, (*remarks, *doubles), tuple(foreign))


def named_files(paths: Sequence[Path], obsid: str) -> Found:
    """The files that a user named for an observation: all of them count, whatever they are called.

    A file that cannot be identified is taken for an event list, so that reading it says what is wrong.
    """
    files: list[LocalFile] = []
    remarks: list[str] = []
    foreign: list[str] = []
    missing: list[str] = []
    for path in sorted(set(paths)):
        if not path.is_file():
            missing.append(str(path))
            continue
        named = parse_name(path.name)
        file = _from_name(path, named) if named else _from_headers(path)
        if file.role is Role.OTHER:
            remarks.append(f"neither an event list nor a source list: {path.name}")
        if other := _other_observation(file, obsid):
            foreign.append(f"{path.name} has OBS_ID {other!r}")
        files.append(file)
    return Found(tuple(files), tuple(remarks), tuple(foreign), tuple(missing))


def mission_folder(folder: Path, obsid: str) -> Found:
    """Event lists of an observation of another mission in a folder, told by their headers.

    A list without OBS_ID belongs to the observation when it lies in the folder named after it.
    """
    if not folder.is_dir():
        return Found((), missing=(str(folder),))
    own = (folder / obsid).is_dir() or folder.name in (obsid, SIMULATED)
    files: list[LocalFile] = []
    remarks: list[str] = []
    for path in files_of(folder, obsid):
        if not path.name.lower().endswith(FITS_SUFFIXES):
            continue
        try:
            identity = identify(path)
        except FitsError as error:
            remarks.append(f"not identified: {path.name} ({error})")
            continue
        mine = _ten_digits(identity.obsid) == obsid or (own and not identity.obsid)
        if identity.role is Role.EVENT_LIST and mine:
            files.append(LocalFile(path, Role.EVENT_LIST, None, 2))
    return Found(tuple(files), tuple(remarks))


def mission_files(paths: Sequence[Path]) -> Found:
    """The files that a user named for an observation of another mission: all are event lists, or say so."""
    ordered = sorted(set(paths))
    files = tuple(LocalFile(path, Role.EVENT_LIST, None, 2) for path in ordered if path.is_file())
    return Found(files, missing=tuple(str(path) for path in ordered if not path.is_file()))


def _ten_digits(obsid: str) -> str:
    """An OBS_ID as this project writes it: digits with leading zeros."""
    return obsid.zfill(10) if obsid.isdigit() else obsid


def files_of(folder: Path, obsid: str) -> Iterator[Path]:
    """Files that may be of an observation, in a fixed order; hidden and half-written ones are passed over.

    Where there is a subfolder named after the observation, only its files; never those of a
    subfolder named after another one. Raises OSError for a folder that cannot be read.
    """
    own = folder / obsid
    top = own if own.is_dir() else folder
    for here, folders, names in os.walk(top, onerror=_refuse):
        deeper = len(Path(here).relative_to(top).parts) < FOLDER_DEPTH
        folders[:] = sorted(name for name in folders if deeper and _may_hold(name))
        for name in sorted(names):
            path = Path(here, name)
            if not name.startswith(".") and path.is_file():
                yield path


def _refuse(error: OSError) -> None:
    raise error


def _may_hold(name: str) -> bool:
    return not name.startswith(".") and OBSID_PATTERN.fullmatch(name) is None


def _from_name(path: Path, named: ProductName) -> LocalFile:
    exposure = (named.instrument, named.exposure_id, named.timing)
    rank = 0 if named.pipeline else 1
    return LocalFile(path, named.role, exposure if named.role is Role.EVENT_LIST else None, rank)


def _from_headers(path: Path) -> LocalFile:
    """A user's file by its headers; an event list when they cannot be read."""
    try:
        identity = identify(path)
    except FitsError:
        return LocalFile(path, Role.EVENT_LIST, None, 2)
    return LocalFile(path, identity.role, _exposure(identity), 2)


def _ask_headers(path: Path, obsid: str, remarks: list[str]) -> LocalFile | None:
    """A file of a folder under a name of the user's, when its headers say that it belongs here."""
    if not path.name.lower().endswith(FITS_SUFFIXES):
        return None
    try:
        identity = identify(path)
    except FitsError as error:
        remarks.append(f"not identified: {path.name} ({error})")
        return None
    epic = not identity.instrument or identity.instrument in INSTRUMENTS
    if identity.role is Role.EVENT_LIST and not epic and _ten_digits(identity.obsid) == obsid:
        remarks.append(f"of {identity.instrument}; name its mission in the sample sheet: {path.name}")
    if identity.obsid != obsid or identity.role is Role.OTHER:
        return None
    if identity.role is Role.EVENT_LIST and not epic:
        return None
    return LocalFile(path, identity.role, _exposure(identity), 2)


def _exposure(identity: Identity) -> tuple[str, str, bool] | None:
    if identity.role is not Role.EVENT_LIST or identity.camera is None or not identity.exposure_id:
        return None
    return identity.camera.name, identity.exposure_id, identity.timing


def _other_observation(file: LocalFile, obsid: str) -> str | None:
    """OBS_ID of an event or source list when it is not `obsid`; None when equal, absent or unreadable."""
    if file.role not in _CHECKED_ROLES:
        return None
    try:
        with open_fits(file.path) as stream:
            found = next((text for hdu in islice(stream, 2) if (text := hdu.header.text("OBS_ID"))), obsid)
    except FitsError:
        return None
    return found if found != obsid else None


def _one_per_exposure(files: Sequence[LocalFile]) -> tuple[tuple[LocalFile, ...], list[str]]:
    """Files with one list for each exposure and mode; the best-ranked, then the first by path."""
    best: dict[object, LocalFile] = {}
    remarks = []
    for file in sorted(files, key=lambda f: (f.rank, f.path)):
        key = file.exposure or file.path
        if key in best:
            remarks.append(f"the same exposure as {best[key].path.name}, left out: {file.path.name}")
        else:
            best[key] = file
    return tuple(sorted(best.values(), key=lambda f: f.path)), remarks
