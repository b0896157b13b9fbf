"""Client of the XMM-Newton Science Archive: one request for each product, and mirrors of the same.

The archive answers `<base>?obsno=<obsid>&level=PPS&name=<type>[&instname=<camera>]` with the one file that
matches, or with a tar of them. Where a base is a folder (a path, or a `file://` URL), its files are
found by name and copied. Whatever came is read to its last byte and compared with the observation
before it is handed over, so that a file with a final name is a good file.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ephemera.files import remove
from ephemera.transfer import NotThere, Reply, Web, WebError
from ephemera.xmm.archive_errors import OfflineError, WrongObservationError
from ephemera.xmm.archive_members import check_product, unpack, wanted_name
from ephemera.xmm.local_files import files_of
from ephemera.xmm.product_names import check_obsid, parse_name
from ephemera.xmm.products import Product

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fetched:
    """A checked file in the staging folder and the URL (or path) it came from."""

    path: Path
    url: str


class Archive:
    """The archive and its mirrors, first folders, then addresses.

    `bases` are URLs or folders. Folders are looked at first, as they cost nothing; then the URLs in the
    order given, as `web` says; one product may take `seconds`. With `offline` the URLs are not used at all.

    Raises ValueError for a base that is neither an http(s) or file URL nor a folder's path, or has a
    password in it.
    """

    def __init__(self, bases: Sequence[str], web: Web, *, seconds: float, offline: bool = False) -> None:
        folders = [_local_folder(base) for base in bases]
        self.folders = tuple(folder for folder in folders if folder is not None)
        self.urls = tuple(base for base, folder in zip(bases, folders, strict=True) if folder is None)
        self.offline = offline
        self._web = web
        self._seconds = seconds

    def fetch(self, obsid: str, product: Product, staging: Path) -> list[Fetched]:
        """Get all files of a product of one observation into the folder `staging`, checked.

        Raises NotThere when a server answered that it has none and no other has one,
        WrongObservationError when only files of other observations came, OfflineError when the web was
        not to be asked, WebError otherwise.
        """
        check_obsid(obsid)
        local: list[WebError] = []
        for folder in self.folders:
            try:
                if files := self._copy(folder, obsid, product, staging):
                    return files
            except WebError as error:
                local.append(_told(error, str(folder)))
        remote: list[WebError] = []
        for url in () if self.offline else self.urls:
            try:
                return self._download(url, obsid, product, staging)
            except WebError as error:
                remote.append(error)
        if self.offline and self.urls and not local:
            msg = "not here, and offline"
            raise OfflineError(msg)
        raise _summary(local, remote)

    def _copy(self, folder: Path, obsid: str, product: Product, staging: Path) -> list[Fetched]:
        fetched = []
        files = _fresh(staging / "files")
        for source in mirror_files(folder, obsid, product):
            path = files / source.name.upper()
            _copy_in(source, path)
            check_product(path, obsid)
            fetched.append(Fetched(path, str(source)))
        return fetched

    def _download(self, url: str, obsid: str, product: Product, staging: Path) -> list[Fetched]:
        staging.mkdir(parents=True, exist_ok=True)

        def take(reply: Reply) -> list[Fetched]:
            return _checked(unpack(reply, obsid, _fresh(staging / "files")), obsid, product, reply.url)

        query = product.query(obsid)
        return self._web.receive(url, query, staging / "body", seconds=self._seconds, take=take)


def mirror_files(folder: Path, obsid: str, product: Product) -> list[Path]:
    """Files of a product in a mirror folder, sorted by name; one path for each name.

    Raises WebError when the folder cannot be read; one that is not there holds nothing.
    """
    if not folder.is_dir():
        return []
    found: dict[str, Path] = {}
    for path in _readable(folder, obsid):
        name = wanted_name(path.name.upper(), obsid)
        if name is not None and product.matches(name):
            found.setdefault(path.name.upper(), path)
    return [found[name] for name in sorted(found)]


def _readable(folder: Path, obsid: str) -> list[Path]:
    try:
        return list(files_of(folder, obsid))
    except OSError as error:
        msg = f"cannot be read ({error.strerror})"
        raise WebError(msg) from error


def _copy_in(source: Path, path: Path) -> None:
    """Copy a file of a mirror. Only what the mirror does wrong is an WebError; a full disk is not."""
    try:
        reading = source.open("rb")
    except OSError as error:
        msg = f"{source.name} cannot be read ({error.strerror})"
        raise WebError(msg) from error
    with reading, path.open("xb") as writing:
        shutil.copyfileobj(reading, writing)


def _checked(paths: Sequence[Path], obsid: str, product: Product, url: str) -> list[Fetched]:
    """The files that are of the product, whole and of the observation; the rest of a bundle is left."""
    wanted = [path for path in paths if (name := parse_name(path.name)) and product.matches(name)]
    for path in wanted:
        check_product(path, obsid)
    if not wanted:
        msg = "the reply holds other products only"
        raise NotThere(msg)
    return [Fetched(path, url) for path in wanted]


def _fresh(folder: Path) -> Path:
    """The folder, made anew: what an earlier attempt left is gone."""
    remove(folder)
    folder.mkdir(parents=True)
    return folder


def _local_folder(base: str) -> Path | None:
    """Folder that a base names, or None for a web address."""
    parts = urlsplit(base)
    if "@" in parts.netloc:
        # URLs are written to the record, the manifest and the log.
        msg = f"an archive or mirror must be without a name and password, got one for {parts.hostname!r}"
        raise ValueError(msg)
    if parts.scheme in ("http", "https") and parts.netloc:
        return None
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return Path(unquote(parts.path))
    if base and not parts.scheme:
        return Path(base)
    msg = f"an archive or mirror must be an http(s) or file URL or a folder's path, got {base!r}"
    raise ValueError(msg)


def _told(error: WebError, base: str) -> WebError:
    """The same kind of error, saying where it happened."""
    return type(error)(f"{base}: {error}")


def _summary(local: Sequence[WebError], remote: Sequence[WebError]) -> WebError:
    """The error that stands for all servers: another observation, absent, or failed.

    One server's word that there is no such product counts, whatever became of the other servers; but
    not against a folder that has the product in a damaged file.
    """
    failures = (*local, *remote)
    text = "; ".join(str(error) for error in failures)
    if any(isinstance(error, WrongObservationError) for error in failures):
        return WrongObservationError(text)
    if not failures:
        return NotThere("not in any of the folders")
    if not local and any(isinstance(error, NotThere) for error in failures):
        return NotThere(text)
    return WebError(text)
