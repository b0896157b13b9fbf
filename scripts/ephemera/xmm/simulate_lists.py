"""Turns the photons of one exposure into the HDUs of a pipeline event list.

Columns, dtypes, units and keywords are those of real pn and MOS lists, with their oddities: TUNIT of the
pn is no legal FITS unit, REVOLUT is text in the primary header and a number in EVENTS, and the copy of
REFXLMAX in EVENTS is a 16-bit overflow of 51840. Rows are ordered CCD after CCD, frame after frame, so
that TIME is not sorted over the table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ephemera.xmm.intervals import intersect
from ephemera.xmm.observation import INSTRUME, Camera, FloatArray, IntArray
from ephemera.xmm.simulate_cards import DetectorCards, event_cards, exposure_cards, primary_cards
from ephemera.xmm.simulate_detector import MOS_PITCH, PN_PITCH
from ephemera.xmm.simulate_fits import ColumnData, Hdu
from ephemera.xmm.simulate_instrument import Instrument
from ephemera.xmm.simulate_photons import Photons, raw_to_detector
from ephemera.xmm.simulate_scene import Pointing

#: Null values of X, Y and of the energy of a pn event.
NULL_POSITION, NULL_ENERGY = -99999999, -32768
#: Energy per pulse-height channel, eV.
_GAIN = {Camera.PN: 5.4, Camera.M1: 3.24, Camera.M2: 3.24}
#: Frames listed in each EXPOSU table, which a real list has for the whole exposure.
_LISTED_FRAMES = 8


@dataclass(frozen=True)
class Rows:
    """The rows of EVENTS, in file order: time as read, frame time, detector and sky coordinates."""

    photons: Photons
    time: FloatArray
    time_raw: FloatArray
    detx: IntArray
    dety: IntArray
    x: IntArray
    y: IntArray


def read_out_rows(instrument: Instrument, rng: np.random.Generator, photons: Photons) -> Rows:
    """Give photons the times and coordinates that the files state.

    Times are those of the frame plus a uniform random part of a frame; detector coordinates those of the
    raw pixel plus a uniform random part of a pixel; sky coordinates follow from the detector coordinates.
    """
    first, frame = np.zeros(len(photons)), np.ones(len(photons))
    for ccd in instrument.ccds:
        here = photons.ccd == ccd
        first[here], frame[here] = instrument.first_frame[ccd], instrument.frame[ccd]
    number = np.floor((photons.time - first) / frame)
    time_raw = first + frame * (number + 0.5)
    order = np.lexsort((time_raw, photons.ccd))
    photons, time_raw, frame = photons.take(order), time_raw[order], frame[order]
    time = time_raw + frame * (rng.random(len(order)) - 0.5)
    pitch = PN_PITCH if instrument.camera == Camera.PN else MOS_PITCH
    centre = np.stack(raw_to_detector(instrument, photons.ccd, photons.rawx, photons.rawy))
    detx, dety = np.rint(centre + pitch * (rng.random(centre.shape) - 0.5))
    x, y = (np.rint(v) for v in instrument.layout.to_sky(detx, dety, instrument.position_angle))
    x, y = (np.where(photons.null, NULL_POSITION, v).astype(np.int64) for v in (x, y))
    return Rows(photons, time, time_raw, detx.astype(np.int64), dety.astype(np.int64), x, y)


def event_list(
    instrument: Instrument, rows: Rows, pointing: Pointing, obsid: str, *, flare_cut: FloatArray | None = None
) -> list[Hdu]:
    """All HDUs of an event list.

    `flare_cut`: (k, 2) intervals in s outside which `rows` were removed; the list then carries the
    intersected intervals as GTI000nn tables named by the data subspace, beside STDGTInn.
    """
    cards = DetectorCards(instrument, pointing, obsid)
    tables = [_good_time(instrument, ccd, cards) for ccd in instrument.ccds]
    good_time, names = instrument.good_time, {c: f"STDGTI{c:02d}" for c in instrument.ccds}
    if flare_cut is not None:
        good_time = {c: intersect(g, flare_cut) for c, g in good_time.items()}
        names = {c: f"GTI{c - 1:03d}06" for c in instrument.ccds}
    events = Hdu(
        "EVENTS",
        event_cards(cards, rows.x, rows.y, good_time, names),
        _event_columns(instrument, rows, pointing),
    )
    hdus = [
        Hdu("PRIMARY", primary_cards(cards, rows.x, rows.y)),
        events,
        _offsets(instrument),
        _calibration(instrument),
    ]
    for ccd, table in zip(instrument.ccds, tables, strict=True):
        hdus += [_frames(instrument, ccd, cards), _bad_pixels(instrument, ccd)]
        if instrument.camera == Camera.PN:
            hdus += _housekeeping(instrument, ccd)
        hdus.append(table)
    if flare_cut is not None:
        hdus += [
            _intervals(names[c], exposure_cards(cards, c, good_time[c]), g) for c, g in good_time.items()
        ]
    return hdus


def _event_columns(instrument: Instrument, rows: Rows, pointing: Pointing) -> tuple[ColumnData, ...]:
    photons, pn = rows.photons, instrument.camera == Camera.PN
    energy = np.where(photons.null & pn & (np.arange(len(photons)) % 2 == 0), NULL_ENERGY, photons.pi)
    channel = np.maximum(1, photons.pi / _GAIN[instrument.camera])
    raw, length, pulse = ("pixel", "0.05 arcsec", "channel") if pn else ("PIXELS", "pixel", "CHAN")
    columns = [
        ColumnData("TIME", rows.time, "s"),
        ColumnData("RAWX", photons.rawx.astype("i2"), raw, _limits(1, 64 if pn else 600)),
        ColumnData("RAWY", photons.rawy.astype("i2"), raw, _limits(1, 200 if pn else 600)),
        ColumnData("DETX", rows.detx.astype("i2"), length, _detector_axis("DETX")),
        ColumnData("DETY", rows.dety.astype("i2"), length, _detector_axis("DETY")),
        ColumnData("X", rows.x.astype("i4"), length, _sky_axis("RA---TAN", pointing.ra, -1)),
        ColumnData("Y", rows.y.astype("i4"), length, _sky_axis("DEC--TAN", pointing.dec, 1)),
        ColumnData("PHA", channel.astype("i2"), pulse, _limits(0, 4095)),
        ColumnData("PI", energy.astype("i2"), "eV" if pn else "CHAN", _energy_axis(pn)),
        ColumnData("FLAG", photons.flag.astype("i4")),
        ColumnData("PATTERN", photons.pattern.astype("u1"), None, {"TNULL": 13} if pn else _limits(0, 31)),
    ]
    if pn:
        pattern_id = np.where(photons.pattern > 0, 5121, 0).astype("i2")
        columns += [
            ColumnData("PAT_ID", pattern_id),
            ColumnData("PAT_SEQ", (photons.pattern > 2).astype("u1")),
        ]
    columns.append(ColumnData("CCDNR", photons.ccd.astype("u1"), None, _limits(1, 12 if pn else 7)))
    if pn:
        columns.append(ColumnData("TIME_RAW", rows.time_raw, "s"))
    return tuple(columns)


def _limits(low: int, high: int) -> dict[str, int]:
    return {"TLMIN": low, "TLMAX": high}


def _energy_axis(pn: bool) -> dict[str, int]:
    return {"TNULL": NULL_ENERGY} | _limits(0, 32767) if pn else _limits(0, 15000)


def _detector_axis(name: str) -> dict[str, str | int | float]:
    return {
        "TCRPX": 0, "TCTYP": f"{name}_ANG", "TCRVL": 0.0, "TCDLT": 1.38888888888889e-05, "TCUNI": "deg",
    }  # fmt: skip


def _sky_axis(kind: str, value: float, sign: int) -> dict[str, str | int | float]:
    return {
        "TNULL": NULL_POSITION, "TLMIN": 1, "TLMAX": 51840, "TCRPX": 25921, "TCTYP": kind, "TCRVL": value,
        "TCDLT": sign * 1.38888888888889e-05, "TCUNI": "deg",
    }  # fmt: skip


def _intervals(
    name: str, cards: tuple[tuple[str, str | int | float | bool, str], ...], gti: FloatArray
) -> Hdu:
    columns = (ColumnData("START", gti[:, 0], "s"), ColumnData("STOP", gti[:, 1], "s"))
    return Hdu(name, cards, columns)


def _good_time(instrument: Instrument, ccd: int, cards: DetectorCards) -> Hdu:
    gti = instrument.good_time[ccd]
    return _intervals(f"STDGTI{ccd:02d}", exposure_cards(cards, ccd, gti), gti)


def _frames(instrument: Instrument, ccd: int, cards: DetectorCards) -> Hdu:
    """The first frames of a CCD; real lists carry all of them here, 97 MB in 50 ks."""
    frame = instrument.frame[ccd]
    time = instrument.first_frame[ccd] + frame * (np.arange(_LISTED_FRAMES) + 0.5)
    columns = [ColumnData("TIME", time, "s")]
    if instrument.camera != Camera.PN:
        columns.append(ColumnData("TIMEDEL", np.full(_LISTED_FRAMES, frame, dtype="f4"), "s"))
    columns.append(ColumnData("FRACEXP", np.full(_LISTED_FRAMES, 0.98, dtype="f4"), "fraction"))
    header = exposure_cards(cards, ccd, instrument.good_time[ccd])
    return Hdu(f"EXPOSU{ccd:02d}", (*header, ("TIMEDEL", 0.937 * frame, "")), tuple(columns))


def _bad_pixels(instrument: Instrument, ccd: int) -> Hdu:
    """Dead columns (TYPE 3) and hot pixels (TYPE 1) of a CCD."""
    live = instrument.live[ccd]
    dead = np.flatnonzero(~live.any(axis=0) & live.any()) + 1
    hot = instrument.hot[instrument.hot[:, 0] == ccd]
    columns = {
        "RAWX": np.concatenate([dead, hot[:, 1]]),
        "RAWY": np.concatenate([np.ones(len(dead)), hot[:, 2]]),
        "TYPE": np.repeat([3, 1], [len(dead), len(hot)]),
        "YEXTENT": np.repeat([live.shape[0], 1], [len(dead), len(hot)]),
        "BADFLAG": np.repeat([1, 3], [len(dead), len(hot)]),
    }
    return Hdu(f"BADPIX{ccd:02d}", (), tuple(ColumnData(n, v.astype("i2")) for n, v in columns.items()))


def _housekeeping(instrument: Instrument, ccd: int) -> list[Hdu]:
    start = instrument.first_frame[ccd]
    discarded = (ColumnData("DLIODF", np.zeros(4, dtype="i2")), ColumnData("DLISAS", np.zeros(4, dtype="i2")))
    auxiliary = (
        ColumnData("TIME", start + 100.0 * np.arange(4), "s"),
        ColumnData("DSLIN", np.full(4, 403.75, dtype="f4")),
    )
    return [Hdu(f"DLIMAP{ccd:02d}", (), discarded), Hdu(f"HKAUX{ccd:02d}", (), auxiliary)]


def _offsets(instrument: Instrument) -> Hdu:
    names = ("RAWX", "OFFSETX") if instrument.camera == Camera.PN else ("RAWX", "OFFSETX", "OFFSETY")
    columns = [ColumnData(n, np.zeros(2, dtype="i2")) for n in names]
    return Hdu("OFFSETS", (), (*columns, ColumnData("CCDNR", np.ones(2, dtype="u1"))))


def _calibration(instrument: Instrument) -> Hdu:
    scope = INSTRUME[instrument.camera]
    columns = (
        ColumnData("TELESCOP", np.array([b"XMM"] * 2, dtype="S4")),
        ColumnData("SCOPE", np.array([scope.encode()] * 2, dtype="S6")),
        ColumnData("TYPEID", np.array([b"ADUCONV", b"BADPIX"], dtype="S32")),
        ColumnData("ISSUE", np.array([1, 1], dtype="i2")),
    )
    return Hdu("CALINDEX", (("CATEGORY", "XMMCCF", ""),), columns)
