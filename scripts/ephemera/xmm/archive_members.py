"""Turn a reply of the archive into files of one observation, trusting nothing.

When several files match a query, the reply is a tar named `GUEST...` whose members lie in folders. Members
are copied out by base name into one flat folder; no path of the archive is ever used. A reply that holds
a path pointing outside or a link is refused as a whole: no honest archive sends one.
"""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from ephemera.transfer.errors import BadAnswer, NotThere, WebError
from ephemera.transfer.resume import Reply
from ephemera.xmm.archive_errors import WrongObservationError
from ephemera.xmm.fits_stream import FitsError
from ephemera.xmm.product_headers import check_whole, observations_of
from ephemera.xmm.product_names import ProductName, Role, parse_name, pipeline_obsid

#: The archive's pipeline FITS products end so.
SUFFIX = ".FTZ"
#: More members than any observation has products of one kind.
MAX_MEMBERS = 10_000
#: Largest member that is believed, in bytes.
MAX_MEMBER_BYTES = 16 * 1024**3

_TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 1 << 20


def is_tar(name: str) -> bool:
    """Whether the name of a reply is that of a bundle."""
    return "GUEST" in name.upper() or name.lower().endswith(_TAR_SUFFIXES)


def wanted_name(name: str, obsid: str) -> ProductName | None:
    """Parts of a base name that is an EPIC FITS product of this observation, else None."""
    parsed = parse_name(name)
    if parsed is None or not parsed.pipeline or parsed.suffix != SUFFIX or parsed.obsid != obsid:
        return None
    return parsed


def unpack(reply: Reply, obsid: str, folder: Path) -> list[Path]:
    """Files of the observation in a reply, each under its own base name in `folder`.

    Raises NotThere when the reply holds none, WrongObservationError when those it holds belong
    to another observation, BadAnswer when it is cut, WebError when it is hostile.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not is_tar(reply.name):
        if pipeline_obsid(reply.name) is None:
            msg = f"the reply is called {reply.name!a}, which is no pipeline product"
            raise WebError(msg)
        _check_any_wanted([reply.name], obsid)
        # Names are compared in capitals: two spellings of one product must not make two files.
        path = folder / reply.name.upper()
        reply.path.replace(path)
        return [path]
    try:
        files = _extract(reply.path, obsid, folder)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        msg = f"the bundle is damaged ({type(error).__name__})"
        raise BadAnswer(msg) from error
    reply.path.unlink()
    return files


def check_product(path: Path, obsid: str) -> None:
    """Read a product to its last byte and compare its observation.

    Raises BadAnswer when it is not whole, WrongObservationError when an OBS_ID differs, WebError
    when an event list has no OBS_ID. Other products may lack it: the pipeline's flare curves do.
    """
    try:
        found = observations_of(check_whole(path))
    except FitsError as error:
        msg = f"{path.name}: {error}"
        raise BadAnswer(msg) from error
    others = sorted(set(found) - {obsid})
    if others:
        msg = f"{path.name}: OBS_ID is {', '.join(map(repr, others))}"
        raise WrongObservationError(msg)
    parsed = parse_name(path.name)
    if not found and parsed is not None and parsed.role is Role.EVENT_LIST:
        msg = f"{path.name}: an event list without OBS_ID"
        raise WebError(msg)


def _check_any_wanted(names: list[str], obsid: str) -> None:
    """Raise the error that fits when none of the names is an EPIC product of the observation."""
    if any(wanted_name(name, obsid) for name in names):
        return
    others = sorted({other for name in names if (other := pipeline_obsid(name))} - {obsid})
    if others:
        msg = f"the reply is of observation {', '.join(others)}"
        raise WrongObservationError(msg)
    msg = "the reply holds no EPIC product"
    raise NotThere(msg)


def _extract(bundle: Path, obsid: str, folder: Path) -> list[Path]:
    files: list[Path] = []
    names: list[str] = []
    with _open(bundle) as tar:
        for member in _safe_members(tar):
            name = PurePosixPath(member.name).name
            names.append(name)
            if wanted_name(name, obsid) is None:
                continue
            path = folder / name.upper()
            if path in files:
                msg = f"the bundle holds {name} twice"
                raise WebError(msg)
            files.append(path)
            _copy(tar, member, path)
        _check_end(tar)
    _check_any_wanted(names, obsid)
    return sorted(files)


def _open(bundle: Path) -> tarfile.TarFile:
    with bundle.open("rb") as handle:
        compressed = handle.read(2) == b"\x1f\x8b"
    if compressed:
        return tarfile.open(bundle, "r:gz")
    return tarfile.open(bundle, "r:")


def _safe_members(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Regular files of a bundle; raises WebError for a path or kind that has no business there."""
    for count, member in enumerate(tar, start=1):
        shown = ascii(member.name)
        path = PurePosixPath(member.name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            msg = f"the bundle holds a path outside its folder: {shown}"
            raise WebError(msg)
        if member.isdir():
            continue
        if not member.isreg():
            msg = f"the bundle holds {shown}, which is no regular file"
            raise WebError(msg)
        if member.size > MAX_MEMBER_BYTES or count > MAX_MEMBERS:
            msg = f"the bundle is too large at {shown}"
            raise WebError(msg)
        yield member


def _copy(tar: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = tar.extractfile(member)
    assert source is not None, "regular members have contents"
    with source, path.open("xb") as target:
        shutil.copyfileobj(source, target, _CHUNK)


def _check_end(tar: tarfile.TarFile) -> None:
    """A bundle ends with a block of zeros; one cut exactly between two members does not."""
    assert tar.fileobj is not None, "an open bundle has a file"
    tar.fileobj.seek(tar.offset)
    if tar.fileobj.read(_BLOCK) != bytes(_BLOCK):
        msg = "no end marker"
        raise tarfile.ReadError(msg)
