"""The store of raw rows: one file per source and survey, shared by all projects.

`<root>/<SURVEY>/RA<ddd>/<SURVEY>_photometry_<name>.parquet`, with all rows as the survey gave them and, as
JSON in the file's metadata, the catalogue row, the request, response headers, time and reader version. An
answer without rows is a file too. Files appear whole or not at all and are never removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ephemera.files import atomic_path

#: Key of the metadata in a raw file.
KEY = b"ephemera"
#: Version of the layout of raw files.
LAYOUT = 1
#: Bytes that a file name may have.
LONGEST_NAME = 200

_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]")
_FILE = re.compile(r"(?P<survey>[A-Za-z0-9]+)_photometry_(?P<name>.+)\.(?:parquet|h5|hdf5)")


@dataclass(frozen=True)
class Raw:
    """Rows as the survey gave them and what is known of them."""

    table: pa.Table
    metadata: Mapping[str, Any]


def file_name(survey: str, name: str) -> str:
    """Name of a raw file; signs that are unsafe in names are percent-encoded.

    Raises ValueError for a name too long for a file.
    """
    safe = "".join(quote(sign, safe="") if _UNSAFE.match(sign) else sign for sign in name)
    if len(safe) > LONGEST_NAME or not name:
        msg = f"the name of a source must have 1 to {LONGEST_NAME} letters once encoded, got {len(safe)}"
        raise ValueError(msg)
    return f"{survey}_photometry_{safe}.parquet"


def name_in(file: str) -> tuple[str, str] | None:
    """Survey and source of a raw file's name; None for another file."""
    match = _FILE.fullmatch(file)
    return (match["survey"], unquote(match["name"])) if match else None


def folder_of(
    root: Path, survey: str, ra_deg: float, *, minutes: bool = False, seconds: bool = False
) -> Path:
    """Folder of a position: RA<ddd>, and below it arcminutes and arcseconds of RA for dense fields."""
    ra = float(np.mod(ra_deg, 360.0))
    whole = int(ra * 3600) % 1_296_000
    folder = root / survey / f"RA{whole // 3600:03d}"
    if minutes or seconds:
        folder /= f"M{whole // 60 % 60:02d}"
    return folder / f"S{whole % 60:02d}" if seconds else folder


def raw_path(
    root: Path, survey: str, name: str, ra_deg: float, *, minutes: bool = False, seconds: bool = False
) -> Path:
    """Path of a source's raw file."""
    return folder_of(root, survey, ra_deg, minutes=minutes, seconds=seconds) / file_name(survey, name)


def write_raw(path: Path, raw: Raw) -> None:
    """Write a raw file; it appears whole or not at all."""
    text = json.dumps({"layout": LAYOUT, **raw.metadata}, sort_keys=True, allow_nan=False)
    table = raw.table.replace_schema_metadata({KEY: text.encode()})
    with atomic_path(path) as partial:
        pq.write_table(table, partial, compression="zstd")


def read_raw(path: Path) -> Raw:
    """Read a raw file, Parquet or HDF5 (group photometry). Raises ValueError naming a damaged file."""
    with _readable(path):
        if path.suffix != ".parquet":
            return _read_hdf5(path)
        with pq.ParquetFile(path) as file:
            table = file.read()
            metadata = dict(json.loads((file.schema_arrow.metadata or {})[KEY]))
        return Raw(table.replace_schema_metadata(None), metadata)


def read_metadata(path: Path) -> dict[str, Any]:
    """Metadata of a raw file alone. Raises ValueError naming a damaged file."""
    with _readable(path):
        if path.suffix != ".parquet":
            return dict(_read_hdf5(path).metadata)
        return dict(json.loads((pq.read_schema(path).metadata or {})[KEY]))


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    """What libraries raise for damaged files becomes a ValueError that names the file."""
    try:
        yield
    except (OSError, KeyError, TypeError, ValueError, pa.ArrowException) as error:
        msg = f"{path} is no raw file that can be read: {error}"
        raise ValueError(msg) from error


def _read_hdf5(path: Path) -> Raw:
    """Rows of an HDF5 file with a table in the group photometry, as pandas writes it; no pickles."""
    import h5py

    from ephemera.survey.hdf5_tables import pandas_table

    with h5py.File(path) as handle:
        if "photometry" not in handle:
            msg = "there is no group photometry"
            raise ValueError(msg)
        columns, attributes = pandas_table(handle["photometry"])
    return Raw(pa.table(columns), {"layout": "hdf5", "attributes": attributes})


def raw_files(root: Path, survey: str) -> Iterator[tuple[str, Path]]:
    """Source name and path of each raw file of a survey, in order of path."""
    import os

    folder = root / survey
    if not folder.is_dir():
        return
    for where, folders, files in os.walk(folder):
        folders.sort()
        for file in sorted(files):
            found = name_in(file)
            if found is not None and found[0] == survey:
                yield found[1], Path(where, file)
