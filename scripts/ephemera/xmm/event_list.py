"""One EPIC imaging event list, as it is in its file.

The columns that a search needs are copied out of the stream into compact arrays, 28 bytes an event;
nothing else of the file is kept in memory. Rows are neither dropped nor sorted here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.xmm.event_header import Keywords, check_usable, flag_mask, interval_of, list_header
from ephemera.xmm.fits_stream import FitsError, Hdu, Header, open_fits
from ephemera.xmm.good_time import good_time_of_ccds
from ephemera.xmm.observation import SKY_SIZE, FloatArray, ListHeader
from ephemera.xmm.outcomes import ListRejected, Outcome

Array = npt.NDArray[Any]

#: Extensions of a CCD whose FRMTIME is precise.
CCD_EXTENSION = re.compile(r"(STDGTI|EXPOSU)\d\d")


@dataclass(frozen=True)
class RawEventList:
    """All rows of an event table, in the order of the file, with what else the file says.

    `header` has no good times and CCDs yet; `good_time` maps CCDNR, or 0 for all CCDs, to (k, 2)
    intervals in s. `flag_mask` holds the bits of FLAG that no good event has. Columns have one length:
    `time` f8 s (NaN where not finite); `x`, `y` u2 in 0.05 arcsec, 0 for null values and any outside
    1..51840; `pi` i2 eV, negative for null; `flag` u4; `pattern`, `ccd` u1; `rawx`, `rawy` u2;
    `detx`, `dety` i2 in the file's units, 0 where the file has no such columns.
    """

    header: ListHeader
    flag_mask: int
    good_time: Mapping[int, FloatArray]
    time: npt.NDArray[np.float64]
    x: npt.NDArray[np.uint16]
    y: npt.NDArray[np.uint16]
    pi: npt.NDArray[np.int16]
    flag: npt.NDArray[np.uint32]
    pattern: npt.NDArray[np.uint8]
    ccd: npt.NDArray[np.uint8]
    rawx: npt.NDArray[np.uint16]
    rawy: npt.NDArray[np.uint16]
    detx: npt.NDArray[np.int16]
    dety: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.time)


def read_event_list(path: str | os.PathLike[str], *, obsid: str | None = None) -> RawEventList:
    """Read an imaging event list, plain or gzipped, under any name.

    The event table is EVENTS, else the first table with TIME, X, Y and PI. Raises ListRejected, whose
    outcome is `bad_file` (truncated, damaged, not FITS, no event table), `bad_columns`,
    `bad_keywords`, `skipped_*`, `no_events` (no rows) or `wrong_obsid` (OBS_ID is not `obsid`).
    OSError for a file that cannot be opened is not caught.
    """
    path = Path(path)
    if "TIEVLI" in path.name.upper():
        raise ListRejected(Outcome.SKIPPED_TIMING_MODE, "the name of the file says timing mode")
    try:
        contents = _read(path, obsid, is_named_events)
        if contents.columns is None:
            contents = _read(path, obsid, looks_like_events)
    except FitsError as error:
        raise ListRejected(Outcome.BAD_FILE, str(error)) from error
    if contents.columns is None or contents.header is None:
        raise ListRejected(Outcome.BAD_FILE, "no table EVENTS and none with columns TIME, X, Y, PI")
    good_time = good_time_of_ccds(contents.events, contents.tables)
    header = contents.header
    start, stop = interval_of(good_time) or (header.start, header.stop)
    # The CCDs' own extensions give the precise frame time; in window modes the longest of them.
    frame_time = max(contents.frame_times, default=1000 * header.frame_time) / 1000
    return RawEventList(
        header=replace(header, start=start, stop=stop, frame_time=frame_time),
        flag_mask=flag_mask(contents.events, header.camera),
        good_time=good_time,
        **contents.columns,
    )


def is_named_events(hdu: Hdu) -> bool:
    """Whether this is the table EVENTS."""
    return hdu.is_table and hdu.header.name == "EVENTS"


def looks_like_events(hdu: Hdu) -> bool:
    """Whether this table has the columns of an event list, or a name that begins with EVENTS."""
    return hdu.is_table and (
        {"TIME", "X", "Y", "PI"} <= hdu.column_names() or hdu.header.name.startswith("EVENTS")
    )


@dataclass
class _Contents:
    """What one pass over a file has found so far."""

    primary: Header
    events: Header
    header: ListHeader | None
    columns: dict[str, Array] | None
    tables: dict[str, FloatArray]
    frame_times: list[float]


def _read(path: Path, obsid: str | None, is_event_table: Callable[[Hdu], bool]) -> _Contents:
    """One pass over the file: the event table, the interval tables, the frame times of the CCDs."""
    found = _Contents(Header(b""), Header(b""), None, None, {}, [])
    with open_fits(path) as stream:
        for hdu in stream:
            name = hdu.header.name
            if hdu.index == 0:
                found.primary = hdu.header
            elif found.columns is None and is_event_table(hdu):
                found.events = hdu.header
                found.header = _checked_header(path.name, found, obsid)
                found.columns = _event_columns(hdu)
            elif "GTI" in name and {"START", "STOP"} <= hdu.column_names():
                table = hdu.read(["START", "STOP"])
                intervals = np.column_stack([table["START"], table["STOP"]])
                found.tables.setdefault(name, intervals[np.isfinite(intervals).all(axis=1)])
            if CCD_EXTENSION.fullmatch(name) and (frame_time := hdu.header.number("FRMTIME")):
                found.frame_times.append(frame_time)
    return found


def _checked_header(file: str, found: _Contents, obsid: str | None) -> ListHeader:
    """Header of a list that can be searched; its rows need not be read to know that it cannot."""
    keys = Keywords(found.primary, found.events)
    header = list_header(file, keys, check_usable(keys, obsid))
    if found.events.size("NAXIS2") == 0:
        raise ListRejected(Outcome.NO_EVENTS, "the event table has no rows")
    return header


def _event_columns(hdu: Hdu) -> dict[str, Array]:
    """The columns of `RawEventList`, filled piece by piece."""
    names = [name for name in CODES if name in hdu.column_names()]
    columns = {name: np.zeros(hdu.rows, dtype) for name, (dtype, _) in CODES.items()}
    for first, chunk in hdu.chunks(names):
        for name in names:
            values = CODES[name][1](chunk[name])
            columns[name][first : first + len(values)] = values
    return {FIELDS.get(name, name.lower()): values for name, values in columns.items()}


def _time(values: Array) -> Array:
    return np.where(np.isfinite(values), values, np.nan)


def _sky(values: Array) -> Array:
    """Sky units, 0 where null or outside the legal range."""
    whole = np.rint(values) if values.dtype.kind == "f" else values
    return np.where((whole >= 1) & (whole <= SKY_SIZE), whole, 0)


def _energy(values: Array) -> Array:
    """Energies in eV that fit 16 bits, -1 where not a number."""
    if values.dtype == np.int16:
        return values
    known = np.where(np.isfinite(values), values, -1) if values.dtype.kind == "f" else values
    return np.clip(np.floor(known), -32768, 32767)


def _flag(values: Array) -> Array:
    """The lower 32 bits, whatever their sign."""
    return values.view(np.uint32) if values.dtype == np.int32 else values.astype(np.int64) & 0xFFFFFFFF


def _limited(low: int, high: int) -> Callable[[Array], Array]:
    """Values brought into [low, high]; what is not a number becomes `low`."""

    def limit(values: Array) -> Array:
        if values.dtype.kind == "f":
            values = np.where(np.isnan(values), low, values)
        return np.clip(values, low, high) if _exceeds(values.dtype, low, high) else values

    return limit


def _exceeds(dtype: np.dtype[Any], low: int, high: int) -> bool:
    if dtype.kind not in "iu":
        return True
    limits = np.iinfo(dtype)
    return int(limits.min) < low or int(limits.max) > high


#: Type and encoding of each column that is kept.
CODES: Mapping[str, tuple[str, Callable[[Array], Array]]] = {
    "TIME": ("f8", _time),
    "X": ("u2", _sky),
    "Y": ("u2", _sky),
    "PI": ("i2", _energy),
    "FLAG": ("u4", _flag),
    "PATTERN": ("u1", _limited(0, 255)),
    "CCDNR": ("u1", _limited(0, 255)),
    "RAWX": ("u2", _limited(0, 65535)),
    "RAWY": ("u2", _limited(0, 65535)),
    "DETX": ("i2", _limited(-32768, 32767)),
    "DETY": ("i2", _limited(-32768, 32767)),
}
#: Fields of `RawEventList` whose name is not the column's.
FIELDS: Mapping[str, str] = {"CCDNR": "ccd"}
