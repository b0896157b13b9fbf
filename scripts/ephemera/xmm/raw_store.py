"""The folder that keeps the archive's files of one observation, and its record of what they are.

`fetched.json` in the folder says for each product asked for which files answered it (none when the archive
has no such product), with size, SHA-256 and origin. It is written before the files get their final
names: a run that is killed in between leaves a record that its files do not match, and so fetches them
again, never a folder with half of a product that looks like all of it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ephemera.files import PARTIAL_PREFIX, commit, json_text, remove, sha256_of, write_text
from ephemera.transfer.errors import WebError
from ephemera.xmm.archive_members import check_product, wanted_name
from ephemera.xmm.products import Product

log = logging.getLogger(__name__)

RECORD_NAME = "fetched.json"


@dataclass(frozen=True)
class StoredFile:
    """A file of the folder: base name, size in bytes, SHA-256, and URL (None when put there by hand)."""

    name: str
    size: int
    sha256: str
    url: str | None


class RawStore:
    """The files of one observation in one folder; reads its record when made."""

    def __init__(self, folder: Path, obsid: str) -> None:
        self.folder = folder
        self.obsid = obsid
        self._record = _read_record(folder / RECORD_NAME, obsid)

    def intact(self, product: Product) -> tuple[StoredFile, ...] | None:
        """Recorded files of a product when all are there unchanged; None when it must be fetched.

        The empty tuple means that the archive is known to have none.
        """
        files = self._record.get(str(product))
        if files is None or not all(self._unchanged(file) for file in files):
            return None
        return files

    def by_hand(self, product: Product) -> tuple[StoredFile, ...]:
        """Files of a product found in the folder without a matching record, checked and now recorded.

        Files that are damaged or of another observation are left out.
        """
        if not self.folder.is_dir():
            return ()
        found = []
        for path in sorted(self.folder.iterdir()):
            name = wanted_name(path.name, self.obsid)
            if name is None or not product.matches(name) or not path.is_file():
                continue
            try:
                check_product(path, self.obsid)
            except WebError as error:
                log.warning("%s is not used: %s", path, error)
                continue
            found.append(StoredFile(path.name, path.stat().st_size, sha256_of(path), None))
        if found:
            self._write(product, tuple(found))
        return tuple(found)

    def recorded(self, product: Product) -> bool:
        """Whether the record knows the product, whatever became of its files."""
        return str(product) in self._record

    def staging(self, product: Product) -> Path:
        """A folder for the arrival of a product; `keep` and `clean` remove it.

        What a killed process received is still in it.
        """
        path = self._staging_path(product)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def clean(self, product: Product) -> None:
        """Remove what is left of an arrival."""
        remove(self._staging_path(product))

    def keep(self, product: Product, arrived: Sequence[tuple[Path, str]]) -> tuple[StoredFile, ...]:
        """Record the checked files that arrived, with their URLs, and give them their final names."""
        files = tuple(
            StoredFile(path.name, path.stat().st_size, sha256_of(path), url) for path, url in sorted(arrived)
        )
        self._write(product, files)
        for path, _ in arrived:
            commit(path, self.folder / path.name)
        self.clean(product)
        return files

    def absent(self, products: Sequence[Product]) -> None:
        """Record that the archive has none of these products."""
        for product in products:
            self._write(product, ())

    def _staging_path(self, product: Product) -> Path:
        return self.folder / f"{PARTIAL_PREFIX}{str(product).replace(' ', '_')}"

    def _unchanged(self, file: StoredFile) -> bool:
        path = self.folder / file.name
        return path.is_file() and path.stat().st_size == file.size and sha256_of(path) == file.sha256

    def _write(self, product: Product, files: tuple[StoredFile, ...]) -> None:
        if self._record.get(str(product)) == files:
            return
        self._record[str(product)] = files
        document = {
            "obsid": self.obsid,
            "products": {key: [asdict(file) for file in value] for key, value in self._record.items()},
        }
        write_text(self.folder / RECORD_NAME, json_text(document))


def _read_record(path: Path, obsid: str) -> dict[str, tuple[StoredFile, ...]]:
    """The record, or an empty one when there is none that can be read: the files are checked instead."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["obsid"] != obsid:
            return {}
        return {
            str(key): tuple(_stored_file(entry, obsid) for entry in entries)
            for key, entries in document["products"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _stored_file(entry: Mapping[str, Any], obsid: str) -> StoredFile:
    """One entry of the record; raises ValueError for a name that is not of the observation."""
    file = StoredFile(entry["name"], entry["size"], entry["sha256"], entry["url"])
    if wanted_name(file.name, obsid) is None:
        msg = f"not a product of {obsid}: {file.name!r}"
        raise ValueError(msg)
    return file
