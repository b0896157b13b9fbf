"""Writing and reading declared tables; the suffix of the path chooses the format."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ephemera.files import atomic_path
from ephemera.tables.declaration import MetaValue, TableDeclaration

if TYPE_CHECKING:
    import pyarrow as pa

#: Suffix of each format, by the name that options give it.
SUFFIX_OF: Mapping[str, str] = {
    "parquet": ".parquet",
    "fits": ".fits",
    "votable": ".vot",
    "ecsv": ".ecsv",
    "csv": ".csv",
}
SUFFIXES = tuple(SUFFIX_OF.values())

_META_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


def write(
    table: Any,
    declaration: TableDeclaration,
    path: str | os.PathLike[str],
    meta: Mapping[str, MetaValue] | None = None,
) -> None:
    """Write a table as Parquet, FITS, VOTable (`.vot`), ECSV or CSV, atomically.

    `table` is anything that `TableDeclaration.arrow` takes, and is checked by it. `meta` are facts about
    the whole table (version, configuration hash, number of observations) for the header; CSV has no header
    and drops them. The same table and meta give the same bytes. Raises ValueError for an unknown
    suffix, values that do not fit the declaration, and meta that no header holds.
    """
    path = Path(path)
    writer = _module(path)
    checked = declaration.arrow(table)
    header = _checked_meta(meta or {})
    with atomic_path(path) as partial:
        writer.write(checked, declaration, partial, header)


def read(path: str | os.PathLike[str], declaration: TableDeclaration) -> pa.Table:
    """Declared columns of a table file, checked as on writing; columns not declared are left out.

    Equal for one table written in any of the formats. Raises ValueError naming the file for an unknown
    suffix, a missing column or values that do not fit the declaration.
    """
    path = Path(path)
    values = _module(path).read(path, declaration)
    missing = [name for name in declaration.names if name not in values]
    if missing:
        msg = f"{path}: column {', '.join(missing)} of table {declaration.name} is not there"
        raise ValueError(msg)
    try:
        return declaration.arrow({name: values[name] for name in declaration.names})
    except ValueError as error:
        msg = f"{path}: {error}"
        raise ValueError(msg) from error


def _module(path: Path) -> Any:
    """Reader and writer of the format that the suffix names.

    Each is imported when it is first used, because astropy and pyarrow are slow to import, and by name,
    so that the code of a format is part of the recipes that may use it.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        from ephemera.tables import parquet

        return parquet
    if suffix == ".fits":
        from ephemera.tables import fits

        return fits
    if suffix == ".vot":
        from ephemera.tables import votable

        return votable
    if suffix == ".ecsv":
        from ephemera.tables import ecsv

        return ecsv
    if suffix == ".csv":
        from ephemera.tables import csv

        return csv
    msg = f"path must end in one of {', '.join(SUFFIXES)}, got {path.name!r}"
    raise ValueError(msg)


def _checked_meta(meta: Mapping[str, MetaValue]) -> dict[str, MetaValue]:
    for key, value in meta.items():
        if not _META_KEY.fullmatch(key):
            msg = f"meta key must be a letter followed by letters, digits and '_', got {key!r}"
            raise ValueError(msg)
        if isinstance(value, str):
            fits = value.isprintable()
        else:
            fits = isinstance(value, int | float) and math.isfinite(value)
        if not fits:
            msg = f"meta {key} must be one line of text, a finite number or a truth value, got {value!r}"
            raise ValueError(msg)
    return dict(meta)
