"""Spectra of MAST `x1dints` files, in the layout of today and in the one before pipeline 1.19.

New: one EXTRACT1D table per segment, order and detector, one row per integration. Old: one EXTRACT1D
extension per integration and order. The structure decides, not the version: a table with a column INT_NUM or
with more than one element of FLUX per row is new. Every EXTRACT1D extension is read.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ephemera.jwst.fits_blocks import (
    BLOCK,
    Extension,
    Layout,
    Layouts,
    column_floats,
    column_values,
    table_rows,
)
from ephemera.jwst.flags import Bit
from ephemera.jwst.grids import GridList
from ephemera.jwst.observation import ByteArray, Clocks, FloatArray, IntTimes, Piece, SingleArray
from ephemera.jwst.problems import Action, Problem, Unusable
from ephemera.jwst.units import WAVELENGTHS, flux_unit, wavelength_unit

#: Keywords of the primary header worth showing.
FACTS = (
    "TARGNAME",
    "TARGPROP",
    "INSTRUME",
    "FILTER",
    "PUPIL",
    "GRATING",
    "EXP_TYPE",
    "SUBARRAY",
    "PROGRAM",
    "OBSERVTN",
    "VISIT",
    "DATE-OBS",
    "TIME-OBS",
    "EFFINTTM",
    "EFFEXPTM",
    "NINTS",
    "NGROUPS",
    "INTSTART",
    "INTEND",
    "CAL_VER",
    "CRDS_CTX",
    "DATAMODL",
)
#: Integrations read at once from a table.
ROWS_AT_ONCE = 256
_VARIANCES = ("FLUX_VAR_POISSON", "FLUX_VAR_RNOISE", "FLUX_VAR_FLAT")


@dataclass
class Contents:
    """What a file held: pieces, problems, and integrations by what became of them."""

    pieces: list[Piece] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Opened:
    """An opened file: its name in the input, bytes, extensions, and the map behind the bytes, if any."""

    file: str
    buffer: memoryview
    extensions: Sequence[Extension]
    mapped: mmap.mmap | None = None


def read_x1dints(opened: Opened, dq_bits: Sequence[int], most_cells: int) -> Contents:
    """All series pieces of a file; a table of more than `most_cells` is refused before it fills memory.

    Raises Unusable when the file has no EXTRACT1D with integrations.
    """
    contents = Contents()
    layouts = Layouts()
    spectra = [e for e in opened.extensions[1:] if e.name == "EXTRACT1D"]
    if not spectra:
        names = ", ".join(dict.fromkeys(e.name or "PRIMARY" for e in opened.extensions))
        raise Unusable("no_spectra", f"no EXTRACT1D extension; the file has {names}")
    bits = np.int64(sum(1 << bit for bit in dq_bits))
    table = _int_times(opened, layouts)
    old: dict[tuple[str, int, int, int], list[tuple[int, Extension]]] = {}
    for number, extension in enumerate(spectra, 1):
        layout = layouts.of(extension)
        name = f"EXTRACT1D,{number}"
        try:
            _check(extension, layout, name, most_cells)
            if "INT_NUM" in layout.columns or layout.columns["FLUX"].count > 1:
                scale = _wavelength_scale(opened, extension, layout, name, contents)
                contents.pieces.append(_new_piece(opened, extension, layout, name, scale, table, bits))
                _note_loss(contents, opened.file, extension, name)
            else:
                key = (
                    _detector(opened, extension),
                    extension.integer("SPORDER", 1),
                    extension.rows,
                    id(layout),
                )
                old.setdefault(key, []).append((number, extension))
        except Unusable as error:
            contents.problems.append(error.row(opened.file))
    for members in old.values():
        _old_pieces(opened, members, layouts.of(members[0][1]), table, bits, contents)
        if _is_cut(opened) and table is not None:
            lost = len(table.number) - len(members)
            if lost > 0:
                message = f"cut short: {lost} integrations after its end"
                contents.problems.append(
                    Problem(opened.file, "EXTRACT1D", "truncated", message, Action.USED, lost)
                )
    if not contents.pieces and not contents.problems:
        raise Unusable("no_integrations", "no EXTRACT1D table holds integrations")
    return contents


def _is_cut(opened: Opened) -> bool:
    """Whether the file ends before its last block does."""
    last = opened.extensions[-1]
    return last.present < last.declared or len(opened.buffer) % BLOCK > 0


def _check(extension: Extension, layout: Layout, name: str, most_cells: int) -> None:
    missing = [c for c in ("WAVELENGTH", "FLUX") if c not in layout.columns]
    if missing:
        has = ", ".join(layout.columns) or "no readable columns"
        raise Unusable("no_columns", f"no column {' or '.join(missing)}; there are {has}", extension=name)
    if extension.rows == 0:
        declared = extension.integer("NAXIS2")
        code = "truncated" if declared else "empty"
        raise Unusable(code, "no whole row is in the file", extension=name, n_lost=declared)
    width = layout.columns["FLUX"].count
    used = ("WAVELENGTH", "FLUX_ERROR", "ERROR", *_VARIANCES, "DQ")
    other = {
        c: layout.columns[c].count for c in used if c in layout.columns and layout.columns[c].count != width
    }
    if other:
        listed = ", ".join(f"{column} {count}" for column, count in other.items())
        message = f"FLUX has {width} elements a row, but {listed}"
        raise Unusable("bad_shape", message, extension=name, n_lost=extension.rows)
    if extension.rows * width > most_cells:
        message = (
            f"{extension.rows} integrations of {width} channels; at most {most_cells} cells are allowed "
            "(jwst.read.limits)"
        )
        raise Unusable("too_large", message, extension=name, n_lost=extension.rows)


def _note_loss(contents: Contents, file: str, extension: Extension, name: str) -> None:
    lost = extension.integer("NAXIS2") - extension.rows
    if lost > 0:
        message = f"cut short: {extension.rows} of {extension.rows + lost} rows are there"
        contents.problems.append(Problem(file, name, "truncated", message, Action.USED, lost))


def _detector(opened: Opened, extension: Extension) -> str:
    return extension.text("DETECTOR") or opened.extensions[0].text("DETECTOR")


def _facts(opened: Opened) -> dict[str, str]:
    primary = opened.extensions[0]
    values = {key: primary.text(key) for key in FACTS}
    return {key: value for key, value in values.items() if value}


def _span(opened: Opened) -> tuple[float, float] | None:
    """First and last moment of the exposure from the primary or the SCI header."""
    for extension in [opened.extensions[0]] + [e for e in opened.extensions[1:4] if e.name == "SCI"]:
        for first, last in (("TDB-BEG", "TDB-END"), ("BSTRTIME", "BENDTIME")):
            start, stop = extension.number(first), extension.number(last)
            if np.isfinite(start) and np.isfinite(stop) and stop > start:
                return start, stop
    return None


def _int_times(opened: Opened, layouts: Layouts) -> IntTimes | None:
    for extension in opened.extensions[1:]:
        if extension.name == "INT_TIMES":
            layout = layouts.of(extension)
            rows = table_rows(opened.buffer, extension, layout)
            if "INTEGRATION_NUMBER" not in layout.columns or len(rows) == 0:
                return None
            columns = [
                column_values(rows, layout, name) if name in layout.columns else np.full(len(rows), np.nan)
                for name in ("INT_START_MJD_UTC", "INT_MID_MJD_UTC", "INT_MID_BJD_TDB")
            ]
            number = column_values(rows, layout, "INTEGRATION_NUMBER").astype(np.int64)
            return IntTimes(number, *columns)
    return None


def _new_piece(
    opened: Opened,
    extension: Extension,
    layout: Layout,
    name_of: str,
    scale: float,
    table: IntTimes | None,
    bits: np.int64,
) -> Piece:
    """One piece of a table with a row per integration, read block by block and let go of."""
    rows = table_rows(opened.buffer, extension, layout)
    count, width = len(rows), layout.columns["FLUX"].count
    flux = np.empty((count, width), np.float32)
    error = np.empty((count, width), np.float32)
    mask = np.zeros((count, width), np.uint8)
    grids = GridList(width)
    grid_of = np.empty(count, np.int64)
    numbers = np.empty(count, np.int64)
    days = {name: np.empty(count) for name in ("TDB-MID", "MJD-AVG", "MJD-BEG")}
    for first in range(0, count, ROWS_AT_ONCE):
        block = slice(first, min(first + ROWS_AT_ONCE, count))
        part = rows[block]
        padding = np.arange(width) >= _whole(part, layout, "N_ALONGDISP", width)[:, None]
        waves = column_values(part, layout, "WAVELENGTH").reshape(-1, width) * scale
        waves[padding] = np.nan
        grid_of[block] = grids.add(waves)
        flux[block] = column_floats(part, layout, "FLUX").reshape(-1, width)
        error[block] = _errors(part, layout).reshape(-1, width)
        mask[block] = _mask(part, layout, bits, width)
        mask[block][padding] |= np.uint8(Bit.PADDING)
        numbers[block] = _whole(part, layout, "INT_NUM", -1)
        for name, values in days.items():
            values[block] = _days(part, layout, name)
        _drop(
            opened, extension.start + block.start * layout.dtype.itemsize, len(part) * layout.dtype.itemsize
        )
    if np.all(numbers == -1):
        numbers = np.arange(1, count + 1) if table is None or len(table.number) != count else table.number
    clocks = Clocks(days["TDB-MID"], days["MJD-AVG"], days["MJD-BEG"], table, _span(opened))
    return Piece(
        opened.file,
        name_of,
        _detector(opened, extension),
        extension.integer("SPORDER", 1),
        flux,
        error,
        mask,
        grids.array(),
        grid_of,
        numbers,
        clocks,
        flux_unit(layout.columns["FLUX"].unit),
        _facts(opened),
    )


def _drop(opened: Opened, start: int, length: int) -> None:
    """Let go of the pages of the map that were read, so that a large file does not fill memory."""
    if opened.mapped is not None and length > mmap.PAGESIZE:
        first = start // mmap.PAGESIZE * mmap.PAGESIZE
        opened.mapped.madvise(mmap.MADV_DONTNEED, first, start + length - first)


def _wavelength_scale(
    opened: Opened, extension: Extension, layout: Layout, name: str, contents: Contents
) -> float:
    """Micrometres in the unit of the wavelengths of a table; what was guessed is said."""
    rows = table_rows(opened.buffer, extension, layout)
    # All of a table of one spectrum, the first row of one with a spectrum a row.
    first = rows if layout.columns["WAVELENGTH"].count == 1 else rows[:1]
    unit, guessed = wavelength_unit(
        layout.columns["WAVELENGTH"].unit, column_values(first, layout, "WAVELENGTH")
    )
    if guessed:
        message = f"WAVELENGTH has no unit: taken as {unit} from its median"
        contents.problems.append(Problem(opened.file, name, "guessed_unit", message, Action.USED))
    return WAVELENGTHS[unit]


def _whole(rows: npt.NDArray[np.void], layout: Layout, name: str, default: int) -> npt.NDArray[np.int64]:
    if name not in layout.columns:
        return np.full(len(rows), default, np.int64)
    values = column_values(rows, layout, name).reshape(len(rows), -1)[:, 0]
    return np.where(np.isfinite(values), values, default).astype(np.int64)


def _days(rows: npt.NDArray[np.void], layout: Layout, name: str) -> FloatArray:
    if name not in layout.columns:
        return np.full(len(rows), np.nan)
    return column_values(rows, layout, name).reshape(len(rows), -1)[:, 0]


def _errors(rows: npt.NDArray[np.void], layout: Layout) -> SingleArray:
    """Errors: the column, else the root of the summed variances, else NaN."""
    for name in ("FLUX_ERROR", "ERROR"):
        if name in layout.columns:
            return column_floats(rows, layout, name)
    variances = [column_values(rows, layout, name) for name in _VARIANCES if name in layout.columns]
    if not variances:
        return np.full(rows["FLUX"].shape, np.nan, np.float32)
    with np.errstate(invalid="ignore"):
        errors: SingleArray = np.sqrt(np.sum(variances, axis=0)).astype(np.float32)
    return errors


def _mask(rows: npt.NDArray[np.void], layout: Layout, bits: np.int64, width: int) -> ByteArray:
    if "DQ" not in layout.columns:
        return np.zeros((len(rows), width), np.uint8)
    column = layout.columns["DQ"]
    stored = rows["DQ"].reshape(len(rows), -1)
    # An offset by a power of two changes the sign bit only: integers stay exact.
    quality = stored.astype(np.int64) + np.int64(column.zero)
    return np.where(quality & bits, np.uint8(Bit.DATA_QUALITY), np.uint8(0))


def _old_pieces(
    opened: Opened,
    members: Sequence[tuple[int, Extension]],
    layout: Layout,
    table: IntTimes | None,
    bits: np.int64,
    contents: Contents,
) -> None:
    """One piece of all extensions that have one detector, order, layout and number of rows."""
    if _is_average(opened, members[0][1]):
        number, extension = members[0]
        error = Unusable(
            "averaged", "an averaged spectrum: no integration numbers", extension=f"EXTRACT1D,{number}"
        )
        contents.problems.append(error.row(opened.file))
        return
    whole = [(k, e) for k, e in members if e.present == e.declared]
    for number, extension in members:
        if extension.present < extension.declared:
            error = Unusable("truncated", "cut short", extension=f"EXTRACT1D,{number}", n_lost=1)
            contents.problems.append(error.row(opened.file))
    if whole:
        name = f"EXTRACT1D,{whole[0][0]}-{whole[-1][0]}"
        scale = _wavelength_scale(opened, whole[0][1], layout, name, contents)
        contents.pieces.append(_old_piece(opened, whole, layout, name, scale, table, bits))


def _old_piece(
    opened: Opened,
    members: Sequence[tuple[int, Extension]],
    layout: Layout,
    name_of: str,
    scale: float,
    table: IntTimes | None,
    bits: np.int64,
) -> Piece:
    """One piece of whole extensions, a row each."""
    first = members[0][1]
    width, count = first.rows, len(members)
    flux = np.empty((count, width), np.float32)
    error = np.empty((count, width), np.float32)
    mask = np.zeros((count, width), np.uint8)
    grids = GridList(width)
    grid_of = np.empty(count, np.int64)
    for k, (_, extension) in enumerate(members):
        rows = table_rows(opened.buffer, extension, layout)
        grid_of[k] = grids.add_one(column_values(rows, layout, "WAVELENGTH") * scale)
        flux[k] = column_floats(rows, layout, "FLUX")
        error[k] = _errors(rows, layout)
        if "DQ" in layout.columns:
            mask[k] = _mask(rows, layout, bits, 1)[:, 0]
    extensions = [extension for _, extension in members]
    tdb, utc, start = (_numbers(extensions, key) for key in ("TDB-MID", "MJD-AVG", "MJD-BEG"))
    return Piece(
        opened.file,
        name_of,
        _detector(opened, first),
        first.integer("SPORDER", 1),
        flux,
        error,
        mask,
        grids.array(),
        grid_of,
        np.array([e.integer("INT_NUM", k) for k, e in enumerate(extensions, 1)], np.int64),
        Clocks(tdb, utc, start, table, _span(opened)),
        flux_unit(layout.columns["FLUX"].unit),
        _facts(opened),
    )


def _is_average(opened: Opened, extension: Extension) -> bool:
    """No integration number and no time in the header, and no list of integrations beside it."""
    if extension.text("INT_NUM") or extension.text("TDB-MID"):
        return False
    several = sum(e.name == "EXTRACT1D" for e in opened.extensions) > 1
    listed = any(e.name == "INT_TIMES" for e in opened.extensions)
    return not (several and (listed or _span(opened) is not None))


def _numbers(extensions: Iterable[Extension], key: str) -> FloatArray:
    return np.array([e.number(key) for e in extensions])
