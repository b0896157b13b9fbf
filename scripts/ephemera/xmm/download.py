"""Bring together the files of one observation and say in a manifest what they are.

Reads: the XMM-Newton archive or its mirrors, or a folder, or named files. Makes: `manifest.json` with
the path, role, size, time stamp, SHA-256 and origin of every file, and an outcome. Why: raw files are
shared by all versions of the results; the manifest is the input of the first step of the search, so
that a raw file that changed is noticed by its content, and an observation that cannot be had is a row
of the outcome table and not the end of the run.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ephemera.files import paths_in
from ephemera.manifests import ManifestFile, manifest_file, manifest_text
from ephemera.xmm.local_files import Found, in_folder, mission_files, mission_folder, named_files
from ephemera.xmm.observation import XMM
from ephemera.xmm.outcomes import Outcome
from ephemera.xmm.product_names import SIMULATED, Role, check_obsid, parse_name
from ephemera.xmm.products import REQUIRED, Product, optional_products

if TYPE_CHECKING:
    from ephemera.config.xmm import Download as Settings
    from ephemera.job import Job
    from ephemera.xmm.archive import Archive
    from ephemera.xmm.raw_store import RawStore, StoredFile

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Manifest:
    """The files of an observation, or why there are none to search."""

    obsid: str
    source_kind: str
    source: tuple[str, ...]
    outcome: Outcome
    detail: str
    files: tuple[ManifestFile, ...]
    mission: str = XMM

    def to_json(self) -> str:
        """The manifest as text; the same files give the same text."""
        source = {"kind": self.source_kind, "value": list(self.source)}
        more = {} if self.mission == XMM else {"mission": self.mission}
        return manifest_text(
            self.outcome.value, self.detail, self.files, obsid=self.obsid, source=source, **more
        )


def from_folder(
    obsid: str, folders: Sequence[str], extra: Sequence[Product] = (), mission: str = XMM
) -> Manifest:
    """Manifest of the files found in one or more folders."""
    look = mission_folder if mission != XMM else partial(in_folder, extra=extra)
    founds = [look(Path(folder), obsid) for folder in dict.fromkeys(folders)]
    return _local_manifest(obsid, "folder", folders, founds, mission)


def from_files(obsid: str, paths: Sequence[str], mission: str = XMM) -> Manifest:
    """Manifest of files that were named one by one."""
    files = [Path(path) for path in paths]
    found = named_files(files, obsid) if mission == XMM else mission_files(files)
    return _local_manifest(obsid, "files", paths, [found], mission)


def _local_manifest(
    obsid: str, kind: str, source: Sequence[str], founds: Sequence[Found], mission: str
) -> Manifest:
    roles = {file.path: file.role for found in founds for file in found.files}
    remarks = [remark for found in founds for remark in found.remarks]
    foreign = [text for found in founds for text in found.foreign]
    missing = [text for found in founds for text in found.missing]
    files = tuple(manifest_file(path, role.value) for path, role in roles.items())
    outcome = Outcome.OK
    if missing:
        # A file or folder was named and is not there: a search without it is not the one asked for.
        outcome, remarks = Outcome.DOWNLOAD_FAILED, [f"not found: {', '.join(missing)}", *remarks]
    elif foreign:
        outcome, remarks = Outcome.WRONG_OBSID, [*foreign, *remarks]
    elif Role.EVENT_LIST not in roles.values():
        outcome, remarks = Outcome.NO_LISTS, [f"no event list of {obsid}", *remarks]
    return Manifest(obsid, kind, tuple(source), outcome, "; ".join(remarks), files, mission)


def from_archive(
    obsid: str,
    store: RawStore,
    archive: Archive,
    extra: Sequence[Product] = (),
) -> Manifest:
    """Manifest of the archive's files, fetching what the store does not hold intact.

    A required product that cannot be had makes the observation `download_failed` or `wrong_obsid`: to
    search it without one of its cameras would give results that depend on the state of the network.
    Offline, what is there is searched.
    """
    got = _Arrivals(store, archive)
    for product in REQUIRED:
        got.get(product, required=True)
        if got.failed:
            break
    has_lists = any(_role(file.name) is Role.EVENT_LIST for file in got.files)
    if has_lists and not got.failed:
        for product in extra:
            got.get(product, required=False)
        store.absent(got.absent)
    outcome, detail = got.outcome(has_lists=has_lists)
    files = tuple(
        manifest_file(store.folder / file.name, _role(file.name).value, url=file.url)
        for file in dict.fromkeys(got.files)
    )
    return Manifest(obsid, "archive", (), outcome, detail, files)


def _role(name: str) -> Role:
    parsed = parse_name(name)
    return parsed.role if parsed else Role.OTHER


class _Arrivals:
    """What became of the products asked for."""

    def __init__(self, store: RawStore, archive: Archive) -> None:
        self._store = store
        self._archive = archive
        self.files: list[StoredFile] = []
        self.absent: list[Product] = []
        self.failed: list[str] = []
        self._remarks: list[str] = []
        self._wrong_observation = False

    def get(self, product: Product, *, required: bool) -> None:
        """Take a product from the store, else from the archive, else note why not."""
        # Imported here: requests costs 60 ms, and observations in folders do not need it.
        from ephemera.transfer import NotThere, WebError
        from ephemera.xmm.archive_errors import OfflineError, WrongObservationError

        stored = self._store.intact(product)
        if stored is None and not self._store.recorded(product):
            stored = self._store.by_hand(product) or None
        if stored is not None:
            self.files.extend(stored)
            return
        try:
            arrived = self._archive.fetch(self._store.obsid, product, self._store.staging(product))
            self.files.extend(self._store.keep(product, [(file.path, file.url) for file in arrived]))
            log.info("%s %s fetched", self._store.obsid, product)
        except NotThere:
            self.absent.append(product)
        except OfflineError:
            changed = self._store.by_hand(product)
            self.files.extend(changed)
            state = "other files than were fetched" if changed else "no good file here"
            self._remarks.append(f"{product}: {state}, and offline")
        except WebError as error:
            self._wrong_observation |= required and isinstance(error, WrongObservationError)
            (self.failed if required else self._remarks).append(f"{product}: {error}")
        finally:
            self._store.clean(product)

    def outcome(self, *, has_lists: bool) -> tuple[Outcome, str]:
        """One outcome for the observation, and its detail."""
        detail = "; ".join([*self.failed, *self._remarks])
        if self._wrong_observation:
            return Outcome.WRONG_OBSID, detail
        if self.failed or (self._remarks and not has_lists):
            return Outcome.DOWNLOAD_FAILED, detail
        if not has_lists:
            return Outcome.NO_LISTS, "the archive has no imaging event list of this observation"
        return Outcome.OK, detail


def main(job: Job) -> None:
    """Write the manifest of one observation.

    Whatever is wrong with the files or the archive becomes an outcome; only a wrong configuration
    (ValueError) or a disk that cannot be written (OSError) is an error.
    """
    settings: Settings = job.settings
    note = json.loads(job.input.source.read_text(encoding="utf-8"))
    obsid, kind, location = check_obsid(note["unit"]), note["kind"], note["location"]
    extra, mission = optional_products(settings.optional_products), note.get("mission", XMM)
    folder: Path = job.input.source.parent
    if kind == "archive" and mission != XMM:
        detail = f"the archive asked is that of XMM-Newton; name a folder or files of mission {mission}"
        manifest = Manifest(obsid, kind, (), Outcome.DOWNLOAD_FAILED, detail, (), mission)
    elif kind == "archive":
        manifest = _fetch(obsid, folder, settings, extra)
    elif kind == "simulate":
        manifest = _find(obsid, "folder", [str(folder / SIMULATED)], extra, mission)
    elif kind == "folder":
        manifest = _find(obsid, kind, [location], extra, mission)
    elif kind == "files":
        manifest = _find(obsid, kind, [str(path) for path in paths_in(location)], extra, mission)
    else:
        msg = f"the kind of source must be 'archive', 'folder', 'files' or 'simulate', got {kind!r}"
        raise ValueError(msg)
    log.info("%s: %s, %d files. %s", obsid, manifest.outcome.value, len(manifest.files), manifest.detail)
    job.output.manifest.write_bytes(manifest.to_json().encode())


def _find(obsid: str, kind: str, source: Sequence[str], extra: Sequence[Product], mission: str) -> Manifest:
    try:
        if kind == "folder":
            return from_folder(obsid, source, extra, mission)
        return from_files(obsid, source, mission)
    except OSError as error:
        detail = f"cannot be read: {error.filename} ({error.strerror})"
        return Manifest(obsid, kind, tuple(source), Outcome.DOWNLOAD_FAILED, detail, (), mission)


def _fetch(obsid: str, folder: Path, settings: Settings, extra: Sequence[Product]) -> Manifest:
    # Imported here: requests costs 60 ms, and observations in folders do not need it.
    from ephemera.transfer import Web
    from ephemera.xmm.archive import Archive
    from ephemera.xmm.raw_store import RawStore

    web = Web(
        folder.parent,  # limits hold over all observations
        connect_timeout=settings.connect_timeout_s,
        read_timeout=settings.read_timeout_s,
        retries=settings.retries,
    )
    bases = [settings.archive_url, *settings.mirrors]
    archive = Archive(bases, web, seconds=settings.total_timeout_s, offline=settings.offline)
    return from_archive(obsid, RawStore(folder, obsid), archive, extra)
