"""Light curves in the text layouts of MACHO, OGLE, SDSS Stripe 82 and ANTARES, and ALeRCE's exports.

Each reader gives columns and what the layout tells of them: the kind of time and the position. Members of
archives are read in memory, never unpacked.
"""

from __future__ import annotations

import io
import lzma
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

#: Largest member of an archive, bytes.
LARGEST = 1 << 28


class LayoutError(Exception):
    """A file is not in the layout that it should be in."""


#: What the libraries raise for archives that are cut or damaged.
_DAMAGE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)


def _members(path: Path) -> list[tuple[str, str]]:
    """Name and text of each file of a tar, or of the file itself, in order of name. Raises LayoutError."""
    try:
        if not tarfile.is_tarfile(path):
            return [(path.name, path.read_text(encoding="utf-8", errors="replace"))]
        with tarfile.open(path) as archive:
            return sorted(_texts(archive))
    except _DAMAGE as error:
        msg = f"the archive is damaged: {error}"
        raise LayoutError(msg) from error


def _texts(archive: tarfile.TarFile) -> Iterator[tuple[str, str]]:
    for member in archive:
        if not member.isfile():
            continue
        if member.size > LARGEST:
            msg = f"member {member.name!r} is {member.size} bytes long; at most {LARGEST} are read"
            raise LayoutError(msg)
        handle = archive.extractfile(member)
        assert handle is not None
        yield Path(member.name).name, handle.read().decode("utf-8", "replace")


def _numbers(text: str, name: str) -> Any:
    """Rows of three numbers."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an empty file
        rows = np.loadtxt(io.StringIO(text), comments="#", ndmin=2)
    if rows.size and rows.shape[1] < 3:
        msg = f"{name}: rows must hold time, magnitude and error"
        raise LayoutError(msg)
    return rows.reshape(-1, rows.shape[1] if rows.size else 3)


def macho(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """MACHO: a tar with one text per band; the second `#` line holds field, RA (hours) and Dec (deg)."""
    metadata: dict[str, Any] = {"time": "mjd"}
    parts = []
    for name, text in _members(path):
        lines = [line[1:].split() for line in text.splitlines() if line.startswith("#")]
        header = dict(zip(lines[0], lines[1], strict=False)) if len(lines) > 1 else {}
        band = header.get("Filter") or name.removesuffix(".mjd").rpartition(".")[2]
        if "RA(hour)" in header and "Dec(deg)" in header:
            metadata |= {"ra": float(header["RA(hour)"]) * 15, "dec": float(header["Dec(deg)"])}
        parts.append((band, _numbers(text, name)))
    return _joined(parts, path), metadata


def ogle(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """OGLE: HJD - 2450000, magnitude, error; the band stands in the name (`NAME.I.dat`)."""
    parts = []
    for name, text in _members(path):
        pieces = name.split(".")
        band = pieces[-2] if len(pieces) > 2 else "I"
        parts.append((band, _numbers(text, name)))
    return _joined(parts, path), {"time": "HJD-2450000"}


def _joined(parts: list[tuple[str, Any]], path: Path) -> dict[str, Any]:
    if not parts:
        msg = f"{path} holds no light curve"
        raise LayoutError(msg)
    rows = np.concatenate([rows[:, :3] for _, rows in parts])
    bands = [band for band, part in parts for _ in range(len(part))]
    return {"time": rows[:, 0], "mag": rows[:, 1], "mag_err": rows[:, 2], "filter": bands}


def alerce(columns: dict[str, Any]) -> dict[str, Any]:
    """Columns of ALeRCE's detections under common names: total (corrected) magnitudes where there are any."""
    bands = {1: "ztf_g", 2: "ztf_r", 3: "ztf_i"}
    mag = next((n for n in ("magpsf_corr", "mag_corr", "magpsf", "mag") if n in columns), None)
    if mag is None or "mjd" not in columns or "fid" not in columns:
        msg = "ALeRCE's detections need the columns mjd, fid and magpsf or mag"
        raise LayoutError(msg)
    error = {
        "magpsf_corr": "sigmapsf_corr_ext",
        "mag_corr": "e_mag_corr_ext",
        "magpsf": "sigmapsf",
        "mag": "e_mag",
    }[mag]
    found = {
        "mjd": columns["mjd"],
        "mag": _reals(columns[mag]),
        "mag_err": _reals(columns.get(error, columns[mag])),
        "filter": [bands.get(int(fid), str(fid)) for fid in columns["fid"]],
    }
    # 100 stands for errors that are not known.
    found["mag_err"] = np.where(found["mag_err"] < 10, found["mag_err"], np.nan)
    return found | {name: columns[name] for name in ("ra", "dec") if name in columns}


def _reals(values: Any) -> Any:
    array = np.asarray(values)
    if array.dtype.kind in "fiu":
        return array.astype(np.float64)
    return np.array([float(v) if str(v or "").strip() else np.nan for v in array.tolist()], np.float64)
