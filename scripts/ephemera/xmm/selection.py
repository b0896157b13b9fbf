"""Selection of the events of one list: nulls, flags, patterns, energies, bad and hot raw pixels.

The cuts on FLAG, PATTERN and PI are those of the SAS expressions `#XMMEA_EP && PATTERN <= 4` and
`#XMMEA_EM && PATTERN <= 12`, both with `PI in [200:12000]`. Bad columns of PN: Strueder et al. 2001,
A&A 365, L18. EXOD2 applies FLAG only where the SAS is installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ephemera.xmm import hot_pixels as hot
from ephemera.xmm.event_header import MOS_FULL_WINDOW, PN_FULL_WINDOWS, interval_of
from ephemera.xmm.event_list import RawEventList
from ephemera.xmm.good_time import ALL_CCDS
from ephemera.xmm.observation import TOP_EDGE_EV, BoolArray, Camera, EventList, Events, FloatArray, ListHeader
from ephemera.xmm.outcomes import ListRejected, Outcome

LOW_EDGE_EV = 200
#: Below this energy `soft_singles` keeps only single-pixel events of PN.
SOFT_EDGE_EV = 500
MAX_PATTERN = {Camera.PN: 4, Camera.M1: 12, Camera.M2: 12}
#: (CCDNR, RAWX) of the bad columns of PN.
PN_BAD_COLUMNS = ((4, 12), (5, 11), (10, 28))
MOS_CENTRAL_CCD = 1

#: What may be wrong with a raw pixel, in the order in which the cuts are made; 0 is a legal pixel.
PIXEL_CUTS = ("bad_columns", "borders", "central_ccd", "hot_pixels")


@dataclass(frozen=True)
class CutCount:
    """How many rows went into a cut and came out of it."""

    name: str
    rows_in: int
    rows_out: int


def select(
    raw: RawEventList,
    *,
    soft_singles: bool = False,
    hot_pixels: hot.HotPixels | None = None,
    strict_revolutions: bool = False,
    find_hot_pixels: bool = False,
) -> tuple[EventList, list[CutCount]]:
    """Events of `raw` that can be searched, sorted by time, and the rows in and out of every cut.

    Cuts in this order: null rows; FLAG; PATTERN; 200 <= PI <= 12000 eV; bad columns, borders and
    central CCD; hot pixels of the table; hot pixels found in these events (`find_hot_pixels`).
    The header gets the good times of the CCDs kept, and the interval they span. Raises ListRejected
    with `no_events` when no row is left, or no CCD has good time.
    """
    camera = raw.header.camera
    counts: list[CutCount] = []
    keep = np.ones(len(raw), bool)
    for name, passes in _row_cuts(raw, soft_singles):
        before = counts[-1].rows_out if counts else len(raw)
        keep &= passes
        counts.append(CutCount(name, before, int(np.count_nonzero(keep))))
    index = np.flatnonzero(keep)
    table = None
    if hot_pixels is not None:
        table = hot_pixels.lookup(camera, raw.header.revolution, strict=strict_revolutions)
    fate = pixel_fate(camera, raw.header.submode, table)
    index = _cut_pixels(raw, index, fate, counts)
    if find_hot_pixels:
        found = hot.find_hot_pixels(camera, *_raw_pixels(raw, index), legal=fate == 0)
        kept = index[~found[_raw_pixels(raw, index)]]
        counts.append(CutCount("found_hot_pixels", len(index), len(kept)))
        index = kept
    if not len(index):
        trail = ", ".join(f"{c.name} {c.rows_in} -> {c.rows_out}" for c in counts if c.rows_in != c.rows_out)
        raise ListRejected(Outcome.NO_EVENTS, f"no event left: {trail}")
    header = _header_of_kept(raw, index)
    return EventList(header, _events(raw, index)), counts


def pixel_fate(camera: Camera, submode: str, hot_table: BoolArray | None = None) -> npt.NDArray[np.uint8]:
    """Table [CCDNR, RAWX, RAWY]: 0 for legal pixels, else 1 + the place in `PIXEL_CUTS` of their cut."""
    fate = np.zeros(hot.DETECTOR_SHAPE[camera], np.uint8)
    if hot_table is not None:
        fate[hot_table] = 1 + PIXEL_CUTS.index("hot_pixels")
    if camera is Camera.PN:
        border = np.ones(fate.shape[1:], bool)
        border[5:61, 24 if submode in PN_FULL_WINDOWS else 0 : 197] = False
        fate[:, border] = 1 + PIXEL_CUTS.index("borders")
        for ccd, column in PN_BAD_COLUMNS:
            fate[ccd, column] = 1 + PIXEL_CUTS.index("bad_columns")
    elif submode != MOS_FULL_WINDOW:
        fate[MOS_CENTRAL_CCD] = 1 + PIXEL_CUTS.index("central_ccd")
    return fate


def legal_pixels(camera: Camera, submode: str, hot_table: BoolArray | None = None) -> BoolArray:
    """Table [CCDNR, RAWX, RAWY] of the raw pixels whose events are kept."""
    return np.asarray(pixel_fate(camera, submode, hot_table) == 0)


def _row_cuts(raw: RawEventList, soft_singles: bool) -> Iterator[tuple[str, BoolArray]]:
    """Name and rows passing of each cut that looks at one row alone."""
    camera = raw.header.camera
    ccds = hot.DETECTOR_SHAPE[camera][0]
    there = (raw.x > 0) & (raw.y > 0) & (raw.pi >= 0) & np.isfinite(raw.time)
    yield "null_rows", there & (raw.ccd >= 1) & (raw.ccd < ccds)
    yield "flag", (raw.flag & np.uint32(raw.flag_mask)) == 0
    pattern = raw.pattern <= MAX_PATTERN[camera]
    if soft_singles and camera is Camera.PN:
        pattern &= (raw.pattern == 0) | (raw.pi >= SOFT_EDGE_EV)
    yield "pattern", pattern
    yield "energy", (raw.pi >= LOW_EDGE_EV) & (raw.pi <= TOP_EDGE_EV)


def _raw_pixels(
    raw: RawEventList, index: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    """CCDNR, RAWX, RAWY of rows; coordinates beyond the detector count as its last pixel."""
    _, width, height = hot.DETECTOR_SHAPE[raw.header.camera]
    return (
        raw.ccd[index],
        np.minimum(raw.rawx[index], np.uint16(width - 1)),
        np.minimum(raw.rawy[index], np.uint16(height - 1)),
    )


def _cut_pixels(
    raw: RawEventList, index: npt.NDArray[np.intp], fate: npt.NDArray[np.uint8], counts: list[CutCount]
) -> npt.NDArray[np.intp]:
    """Rows on legal pixels; appends one count for each of `PIXEL_CUTS`."""
    fates = fate[_raw_pixels(raw, index)]
    lost = np.bincount(fates, minlength=1 + len(PIXEL_CUTS))[1:]
    left = len(index)
    for name, number in zip(PIXEL_CUTS, lost.tolist(), strict=True):
        counts.append(CutCount(name, left, left - number))
        left -= number
    legal: npt.NDArray[np.intp] = index[fates == 0]
    return legal


def _header_of_kept(raw: RawEventList, index: npt.NDArray[np.intp]) -> ListHeader:
    """Header with kept CCDs, their good times and interval.

    A CCD is kept if it has good time; in a file without any good time, if it has an event.
    """
    header = raw.header
    seen = np.flatnonzero(np.bincount(raw.ccd[index]))
    removed = header.camera is not Camera.PN and header.submode != MOS_FULL_WINDOW
    ccds = [
        c for c in range(1, hot.DETECTOR_SHAPE[header.camera][0]) if not (removed and c == MOS_CENTRAL_CCD)
    ]
    if not raw.good_time:
        start, stop = header.start, header.stop
        if not (np.isfinite(start) and np.isfinite(stop) and stop > start):
            start, stop = float(raw.time[index].min()), float(raw.time[index].max())
        return replace(header, start=start, stop=stop, kept_ccds=tuple(c for c in ccds if c in seen))
    good: dict[int, FloatArray] = {}
    for ccd in ccds:
        table = raw.good_time.get(ccd)
        if table is None and ccd in seen:
            table = raw.good_time.get(ALL_CCDS)
        if table is not None and len(table):
            good[ccd] = table
    interval = interval_of(good)
    if interval is None:
        raise ListRejected(Outcome.NO_EVENTS, "no CCD has good time")
    return replace(header, start=interval[0], stop=interval[1], good_time=good, kept_ccds=tuple(good))


def _events(raw: RawEventList, index: npt.NDArray[np.intp]) -> Events:
    """Rows `index` of `raw` in order of time; rows of equal time stay in the order of the file."""
    time = raw.time[index]
    order = np.argsort(time, kind="stable")
    index = index[order]
    return Events(
        time=time[order],
        x=raw.x[index],
        y=raw.y[index],
        pi=raw.pi[index].astype(np.uint16),
        ccd=raw.ccd[index],
        rawx=raw.rawx[index],
        rawy=raw.rawy[index],
        detx=raw.detx[index],
        dety=raw.dety[index],
        camera=np.full(len(index), raw.header.camera, np.uint8),
    )
