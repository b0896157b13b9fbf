"""FILES: light curves in files of one's own, taken into the store as they are.

A file per source, named by a pattern with `{name}`. Tables (CSV, Parquet, HDF5, FITS, VOTable) and the text
layouts of several surveys are read; the metadata say which columns mean what.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ephemera.survey import text_layouts
from ephemera.survey.outcomes import SourceError
from ephemera.survey.store import Raw, read_raw
from ephemera.tables.foreign import CatalogueError, read_all

#: Names by which columns are known without being told.
KNOWN: Mapping[str, tuple[str, ...]] = {
    "mag": ("mag", "magnitude", "magpsf"),
    "mag_err": ("mag_err", "magerr", "e_mag", "sigmapsf", "err"),
    "flux": ("flux", "pdcsap_flux", "flux_pca1"),
    "flux_err": ("flux_err", "fluxerr", "pdcsap_flux_err", "e_flux"),
    "filter": ("filter", "band", "filtercode", "passband"),
    "flag": ("flag", "flags", "quality", "sap_quality", "catflags"),
    "ra": ("ra",),
    "dec": ("dec",),
    "exptime": ("exptime", "exposure", "exp_time"),
}


def meanings(names: list[str], told: Mapping[str, str]) -> dict[str, str]:
    """Column of each meaning: those told, then those known by name."""
    lowered = {name.lower(): name for name in names}
    found = dict(told)
    for meaning, known in KNOWN.items():
        if meaning not in found:
            column = next((lowered[name] for name in known if name in lowered), None)
            if column is not None:
                found[meaning] = column
    missing = sorted(column for column in found.values() if column not in names)
    if missing:
        msg = f"there is no column {', '.join(missing)}; the file has {', '.join(names)}"
        raise SourceError(msg)
    return found


def read_file(path: Path, layout: str, told: Mapping[str, str], time: str | None) -> Raw:
    """Rows of a file and what its columns mean. Raises SourceError naming the file."""
    try:
        table, metadata = _by_layout(path, layout)
    except (OSError, ValueError, CatalogueError, text_layouts.LayoutError) as error:
        msg = f"{path}: {error}"
        raise SourceError(msg) from error
    plain = [name for name in table.column_names if not pa.types.is_nested(table[name].type)]
    told_time = time or metadata.get("time_told")
    known = {"reader": f"files 1 {layout}", "layout_of_file": layout, "meanings": meanings(plain, told)}
    return Raw(table.select(plain), {**metadata, **known, "time_told": told_time})


def _by_layout(path: Path, layout: str) -> tuple[pa.Table, dict[str, Any]]:
    """Rows of a file, and what its layout tells, the meaning of its times among it (`time_told`)."""
    if layout in ("macho", "ogle"):
        columns, known = getattr(text_layouts, layout)(path)
        return pa.table(columns), {"time_told": known.pop("time"), **known}
    if layout == "peer":
        raw = read_raw(path)
        return raw.table, {name: value for name, value in raw.metadata.items() if name != "layout"}
    table = read_all(path)
    if layout == "antares":
        return table, {"time_told": "mjd"}
    if layout == "kepler":
        table, split = _with_whole_times(path, table)
        return table, {"time_told": "bjd" if split else "BJD-2454833"}
    if layout == "alerce":
        columns = {name: table[name].to_numpy(zero_copy_only=False) for name in table.column_names}
        return pa.table(text_layouts.alerce(columns)), {}
    return table, {}


def _with_whole_times(path: Path, table: pa.Table) -> tuple[pa.Table, bool]:
    """The table with its times, where the file keeps Julian dates as two numbers to be added, and whether.

    So astropy writes times: TCTYP names the scale, the two numbers stand in one column.
    """
    if "time" in {name.lower() for name in table.column_names}:
        return table, False
    from astropy.io import fits

    with fits.open(path, memmap=False) as hdus:
        hdu = next((h for h in hdus if isinstance(h, fits.BinTableHDU)), None)
        name = None if hdu is None else next((n for n in hdu.data.names if n.lower() == "time"), None)
        if hdu is None or name is None:
            return table, False
        values = np.asarray(hdu.data[name], np.float64)
    if values.ndim != 2:
        return table, False
    return table.append_column("time", pa.array(values.sum(axis=1))), True


class FilesAsker:
    """Files of one's own."""

    survey, needs_network, is_plugin = "FILES", False, False

    def __init__(self, settings: Any) -> None:
        self.settings = settings.files
        if not self.settings.pattern or "{name}" not in self.settings.pattern:
            msg = "survey.fetch.files.pattern must be a path with {name} in it"
            raise SourceError(msg)

    def _path(self, row: Mapping[str, Any]) -> Path:
        name = str(row["name"])
        if "/" in name or name.startswith("."):
            msg = f"the name {name!r} is no part of a path"
            raise SourceError(msg)
        return Path(self.settings.pattern.replace("{name}", name))

    def request(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Which file, as it is now, and how it is read."""
        path = self._path(row)
        look = [path.stat().st_size, path.stat().st_mtime_ns] if path.exists() else None
        told = {name: getattr(self.settings, name) for name in ("layout", "time")}
        return {"file": path.name, "look": look, "columns": dict(vars(self.settings.columns)), **told}

    def fetch(self, row: Mapping[str, Any]) -> Raw:
        """The file's rows; an empty table where there is no file."""
        path = self._path(row)
        if not path.exists():
            empty = pa.table({"mjd": pa.array([], pa.float64())})
            return Raw(empty, {"reader": "files 1", "reason": "no_match", "meanings": {}})
        raw = read_file(path, self.settings.layout, vars(self.settings.columns), self.settings.time)
        given = {"zero_point": self.settings.zero_point, "exptime_s": self.settings.exptime_s}
        return Raw(raw.table, {**raw.metadata, **given})
