"""Write x1dints files as the pipeline does: both layouts, all columns, any size, block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from ephemera.jwst.observation import FloatArray, IntArray

BLOCK = 2880
#: Integrations written at once.
ROWS_AT_ONCE = 256
_VECTORS = (
    ("WAVELENGTH", "um"),
    ("FLUX", ""),
    ("FLUX_ERROR", ""),
    ("FLUX_VAR_POISSON", "^2"),
    ("FLUX_VAR_RNOISE", "^2"),
    ("FLUX_VAR_FLAT", "^2"),
    ("SURF_BRIGHT", "MJy/sr"),
    ("SB_ERROR", "MJy/sr"),
    ("SB_VAR_POISSON", "(MJy/sr)^2"),
    ("SB_VAR_RNOISE", "(MJy/sr)^2"),
    ("SB_VAR_FLAT", "(MJy/sr)^2"),
    ("DQ", ""),
    ("BACKGROUND", "MJy/sr"),
    ("BKGD_ERROR", "MJy/sr"),
    ("BKGD_VAR_POISSON", "(MJy/sr)^2"),
    ("BKGD_VAR_RNOISE", "(MJy/sr)^2"),
    ("BKGD_VAR_FLAT", "(MJy/sr)^2"),
    ("NPIXELS", ""),
)
_TIMES = ("MJD-BEG", "MJD-AVG", "MJD-END", "TDB-BEG", "TDB-MID", "TDB-END")
_INT_TIMES = (
    "int_start_MJD_UTC",
    "int_mid_MJD_UTC",
    "int_end_MJD_UTC",
    "int_start_BJD_TDB",
    "int_mid_BJD_TDB",
    "int_end_BJD_TDB",
)


@dataclass(frozen=True)
class Spectra:
    """Integrations to write: numbers, mid-times (TDB and UTC, days), matrices (time, channel), quality."""

    number: IntArray
    tdb: FloatArray
    utc: FloatArray
    cadence_d: float
    wavelength: FloatArray
    flux: Any
    error: Any
    quality: Any
    unit: str
    order: int
    detector: str


def card(key: str, value: object) -> bytes:
    """One card of a header."""
    if isinstance(value, bool):
        text = f"{'T' if value else 'F':>20}"
    elif isinstance(value, str):
        text = f"'{value.replace(chr(39), chr(39) * 2):<8}'"
    elif isinstance(value, float):
        text = f"{value!r:>20}"
    else:
        text = f"{value:>20}"
    return f"{key:<8}= {text}"[:80].ljust(80).encode("ascii")


def write_header(file: IO[bytes], cards: Sequence[tuple[str, object]]) -> None:
    """Write a header, padded to whole blocks."""
    text = b"".join(card(key, value) for key, value in cards) + b"END".ljust(80)
    file.write(text.ljust(-(-len(text) // BLOCK) * BLOCK))


def pad(file: IO[bytes], size: int) -> None:
    """Zeros up to a whole block after `size` bytes of data."""
    file.write(b"\0" * (-size % BLOCK))


def write_primary(file: IO[bytes], keywords: Mapping[str, object]) -> None:
    """Write the primary header."""
    structure = [("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True)]
    write_header(file, [*structure, *keywords.items()])


def _table_cards(
    width: int, rows: int, columns: Sequence[tuple[str, str, str, float | None]]
) -> list[tuple[str, object]]:
    cards: list[tuple[str, object]] = [
        ("XTENSION", "BINTABLE"),
        ("BITPIX", 8),
        ("NAXIS", 2),
        ("NAXIS1", width),
        ("NAXIS2", rows),
        ("PCOUNT", 0),
        ("GCOUNT", 1),
        ("TFIELDS", len(columns)),
    ]
    for k, (name, form, unit, zero) in enumerate(columns, 1):
        cards += [(f"TTYPE{k}", name), (f"TFORM{k}", form)]
        if unit:
            cards.append((f"TUNIT{k}", unit))
        if zero is not None:
            cards.append((f"TZERO{k}", int(zero)))
    return cards


def write_int_times(file: IO[bytes], spectra: Spectra) -> None:
    """Write the table INT_TIMES."""
    names = ["integration_number", *_INT_TIMES]
    rows = np.zeros(len(spectra.number), [(names[0], ">i4"), *((n, ">f8") for n in _INT_TIMES)])
    rows[names[0]] = spectra.number
    half = spectra.cadence_d / 2
    for name, values in zip(_INT_TIMES, _edges(spectra.utc, half) + _edges(spectra.tdb, half), strict=True):
        rows[name] = values
    columns = [(names[0], "J", "", None), *((n, "D", "", None) for n in _INT_TIMES)]
    cards = _table_cards(rows.dtype.itemsize, len(rows), columns)
    write_header(file, [*cards, ("EXTNAME", "INT_TIMES")])
    file.write(rows.tobytes())
    pad(file, rows.nbytes)


def _edges(middle: FloatArray, half: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    return middle - half, middle, middle + half


def _vector_unit(unit: str, flux_unit: str) -> str:
    if unit == "^2":
        return f"{flux_unit}^2"
    return unit


def write_new(
    file: IO[bytes], spectra: Spectra, version: int, *, times: bool = True, padding: int = 0
) -> None:
    """Write one EXTRACT1D table with a row per integration; `padding` elements stay empty at the end."""
    n = len(spectra.wavelength) + padding
    fields: list[Any] = [("INT_NUM", ">i4")]
    columns: list[tuple[str, str, str, float | None]] = [("INT_NUM", "J", "", None)]
    for name, unit in _VECTORS:
        whole = name == "DQ"
        fields.append((name, ">i4" if whole else ">f8", (n,)))
        shown = spectra.unit if name in ("FLUX", "FLUX_ERROR") else _vector_unit(unit, spectra.unit)
        columns.append((name, f"{n}{'J' if whole else 'D'}", shown, 2.0**31 if whole else None))
    fields += [("N_ALONGDISP", ">i4"), ("SEGMENT", ">i4"), *((t, ">f8") for t in _TIMES if times)]
    columns += [("N_ALONGDISP", "J", "", 2.0**31), ("SEGMENT", "J", "", None)]
    columns += [(t, "D", "d", None) for t in _TIMES if times]
    dtype = np.dtype(fields)
    cards = _table_cards(dtype.itemsize, len(spectra.number), columns)
    names = [("EXTNAME", "EXTRACT1D"), ("EXTVER", version), ("SPORDER", spectra.order), ("SRCTYPE", "POINT")]
    write_header(file, [*cards, *names, ("DETECTOR", spectra.detector)])
    for first in range(0, len(spectra.number), ROWS_AT_ONCE):
        block = slice(first, first + ROWS_AT_ONCE)
        file.write(_new_rows(spectra, dtype, block, times=times).tobytes())
    pad(file, dtype.itemsize * len(spectra.number))


def _new_rows(spectra: Spectra, dtype: np.dtype[Any], block: slice, *, times: bool) -> np.ndarray[Any, Any]:
    number = spectra.number[block]
    width = len(spectra.wavelength)
    rows = np.zeros(len(number), dtype)
    rows["INT_NUM"], rows["N_ALONGDISP"], rows["SEGMENT"] = number, width - 2**31, 1
    for name in ("WAVELENGTH", "FLUX", "FLUX_ERROR"):
        rows[name][:, width:] = np.nan
    rows["DQ"] = -(2**31)
    rows["DQ"][:, width:] += 1
    rows["WAVELENGTH"][:, :width] = spectra.wavelength
    rows["FLUX"][:, :width] = spectra.flux[block]
    rows["FLUX_ERROR"][:, :width] = spectra.error[block]
    rows["FLUX_VAR_POISSON"][:, :width] = spectra.error[block] ** 2
    rows["DQ"][:, :width] += spectra.quality[block]
    rows["NPIXELS"][:, :width] = 20.0
    if times:
        half = spectra.cadence_d / 2
        for name, values in zip(
            _TIMES, _edges(spectra.utc[block], half) + _edges(spectra.tdb[block], half), strict=True
        ):
            rows[name] = values
    return rows


def write_old(file: IO[bytes], orders: Sequence[Spectra]) -> None:
    """Write one EXTRACT1D per integration and order, integration by integration with the orders inside."""
    version = 0
    for k in range(len(orders[0].number)):
        for spectra in orders:
            version += 1
            _write_old_one(file, spectra, k, version)


def _write_old_one(file: IO[bytes], spectra: Spectra, k: int, version: int) -> None:
    dtype = np.dtype([(name, ">i4" if name == "DQ" else ">f8") for name, _ in _VECTORS])
    rows = np.zeros(len(spectra.wavelength), dtype)
    rows["WAVELENGTH"], rows["FLUX"], rows["FLUX_ERROR"] = (
        spectra.wavelength,
        spectra.flux[k],
        spectra.error[k],
    )
    rows["FLUX_VAR_POISSON"] = spectra.error[k] ** 2
    rows["DQ"] = spectra.quality[k] - 2**31
    columns = [
        (
            name,
            "J" if name == "DQ" else "D",
            spectra.unit if name in ("FLUX", "FLUX_ERROR") else _vector_unit(unit, spectra.unit),
            2.0**31 if name == "DQ" else None,
        )
        for name, unit in _VECTORS
    ]
    half = spectra.cadence_d / 2
    moments = (*_edges(spectra.utc[k : k + 1], half), *_edges(spectra.tdb[k : k + 1], half))
    cards = _table_cards(dtype.itemsize, len(rows), columns)
    names: list[tuple[str, object]] = [
        ("EXTNAME", "EXTRACT1D"),
        ("EXTVER", version),
        ("INT_NUM", int(spectra.number[k])),
    ]
    names += [(name, float(values[0])) for name, values in zip(_TIMES, moments, strict=True)]
    write_header(file, [*cards, *names, ("SPORDER", spectra.order), ("TIMEUNIT", "s"), ("SRCTYPE", "POINT")])
    file.write(rows.tobytes())
    pad(file, rows.nbytes)


def write_asdf(file: IO[bytes]) -> None:
    """Write the extension ASDF that closes a product."""
    content = b"#ASDF 1.0.0\n"
    cards = _table_cards(len(content), 1, [("ASDF_METADATA", f"{len(content)}B", "", None)])
    write_header(file, [*cards, ("EXTNAME", "ASDF")])
    file.write(content)
    pad(file, len(content))


def write_product(
    path: Path,
    layout: str,
    series: Sequence[Spectra],
    keywords: Mapping[str, object],
    *,
    int_times: bool = True,
    times: bool = True,
    padding: int = 0,
) -> None:
    """Write a product in the layout `new` or `old` with all its extensions."""
    with path.open("wb") as file:
        write_primary(file, keywords)
        if int_times:
            write_int_times(file, series[0])
        if layout == "new":
            for version, spectra in enumerate(series, 1):
                write_new(file, spectra, version, times=times, padding=padding)
        else:
            write_old(file, series)
        write_asdf(file)
