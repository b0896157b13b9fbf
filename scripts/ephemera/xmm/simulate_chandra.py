"""A simulated Chandra ACIS event list, with what makes such lists different, and the truth about it.

Two CCDs side by side (all rows, or a sub-array), steady sources with read-out streaks, flares, lower-case
columns, one time for all events of a frame, one good-time table called GTI for each CCD, energies in eV
beside PI channels, events of bad grade and status. The same arguments give the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.seeds import generator
from ephemera.sky.tan import Plane
from ephemera.xmm.observation import REFERENCE_PIXEL, UNIT_ARCSEC, FloatArray
from ephemera.xmm.simulate_fits import ColumnData, Hdu, Value, write_hdus
from ephemera.xmm.simulate_truth import ItemTruth, ListTruth, Truth

PIXEL_ARCSEC = 0.492
#: Sky coordinates: reference pixel, and pixels along a side.
CENTRE = 4096.5
CHIP_PIXELS = 1024
#: CCDs, and where their first column lies from the axis, pixels: the axis is near the middle of CCD 7.
CCDS = {7: -512.0, 6: -512.0 - 1024 - 18}
#: Full frame: exposed and in all, s. A sub-array of n rows is n / 1024 of it.
EXPOSED_S, TRANSFER_S = 3.2, 0.04104
CHANNEL_EV = 14.6
GRADES, GRADE_SHARES = (0, 2, 3, 4, 6, 7, 1), (0.22, 0.33, 0.1, 0.1, 0.2, 0.03, 0.02)
GOOD_GRADES = (0, 2, 3, 4, 6)
#: Share of events with a status bit set, as before the last filter.
BAD_STATUS = 0.01
MEAN_ENERGY_EV, LOWEST_EV = 2500.0, 350.0
KEPT_EV = (300.0, 10000.0)


@dataclass(frozen=True)
class ChandraSource:
    """A steady point source: arcsec from the axis along the columns and rows of CCD 7, and ct/s."""

    columns: float
    rows: float
    rate: float


@dataclass(frozen=True)
class ChandraFlare:
    """A burst: place as `ChandraSource`, start and duration (s from the start), counts expected."""

    columns: float
    rows: float
    start: float
    duration: float
    fluence: float


@dataclass(frozen=True)
class ChandraPointing:
    """Where the telescope points (deg), its roll (deg), the time of the start (s since MJDREF)."""

    ra: float = 266.4182
    dec: float = -29.0115
    roll: float = 88.1
    start: float = 828603202.0


@dataclass(frozen=True)
class _BitColumn(ColumnData):
    """A column of 32 bits."""

    @property
    def form(self) -> str:
        return "32X"


@dataclass(frozen=True)
class _Photons:
    """Photons in chip coordinates (pixels from the axis), s from the start, and the item they are of."""

    across: FloatArray
    along: FloatArray
    time: FloatArray
    item: npt.NDArray[np.int64]


def chandra_hdus(
    *,
    obsid: str = "0000090001",
    seed: int = 0,
    duration: float = 20000.0,
    rows: int = CHIP_PIXELS,
    background: float = 0.2,
    sources: Sequence[ChandraSource] = (),
    flares: Sequence[ChandraFlare] = (),
    pointing: ChandraPointing = ChandraPointing(),
    time_system: str = "TT",
) -> tuple[list[Hdu], Truth]:
    """HDUs of one list, and what is in it.

    `rows` is the height of the sub-array, about the axis; `background` is in ct/s for each full CCD. Raises
    ValueError for a height of no rows or more than the chip has.
    """
    if not 0 < rows <= CHIP_PIXELS:
        raise ValueError(f"rows must lie in 1..{CHIP_PIXELS}, got {rows}")
    rng = generator(seed, obsid, "chandra")
    frame = EXPOSED_S * rows / CHIP_PIXELS + TRANSFER_S
    photons = _photons(rng, duration, rows, frame, background, sources, flares)
    table, kept = _table(rng, photons, pointing, frame, duration)
    events = Hdu("EVENTS", _cards(obsid, pointing, duration, rows, frame, time_system), _wcs(table, pointing))
    gtis = [_good_time(ccd, pointing.start, duration, time_system) for ccd in CCDS]
    truth = _truth(obsid, seed, pointing, duration, sources, flares, photons.item, kept)
    return [Hdu("PRIMARY", (("TELESCOP", "CHANDRA", "Telescope"),)), events, *gtis], truth


def chandra_list(path: str | os.PathLike[str], **what: Any) -> Truth:
    """Write one list (see `chandra_hdus`) and return what is in it."""
    hdus, truth = chandra_hdus(**what)
    write_hdus(path, hdus)
    return truth


def chandra_case(folder: Path, obsid: str, seed: int, *, flare: bool) -> Truth:
    """A steady field for a sample sheet, or the same with two flares: 20 ks, a bright source with its streak.

    Flares of 25 counts in 100 s and 40 counts in 900 s, off the streak and on it.
    """
    sources = [
        ChandraSource(0.0, 0.0, 0.25), ChandraSource(60.0, 20.0, 0.02), ChandraSource(-90.0, -30.0, 0.006),
        ChandraSource(-560.0, 10.0, 0.03),
    ]  # fmt: skip
    flares = [ChandraFlare(120.0, 15.0, 5000.0, 100.0, 25.0), ChandraFlare(0.5, 24.0, 12000.0, 900.0, 40.0)]
    name = f"acisf{int(obsid):05d}_evt2.fits"
    return chandra_list(
        folder / name, obsid=obsid, seed=seed, rows=256, sources=sources, flares=flares if flare else ()
    )


def _photons(
    rng: np.random.Generator,
    duration: float,
    rows: int,
    frame: float,
    background: float,
    sources: Sequence[ChandraSource],
    flares: Sequence[ChandraFlare],
) -> _Photons:
    """All photons that fall on the rows read out; item -1 is background, then sources, then flares."""
    parts = []
    for left in CCDS.values():
        number = rng.poisson(background * rows / CHIP_PIXELS * duration)
        across = left + CHIP_PIXELS * rng.random(number)
        along = rows * (rng.random(number) - 0.5)
        parts.append((across, along, duration * rng.random(number), np.full(number, -1)))
    items: list[tuple[ChandraSource | ChandraFlare, float, float, float]] = [
        *((s, s.rate * duration, 0.0, duration) for s in sources),
        *((f, f.fluence, f.start, f.duration) for f in flares),
    ]
    for k, (item, mean, start, length) in enumerate(items):
        number = rng.poisson(mean)
        off_axis = np.hypot(item.columns, item.rows) / 60
        width = (0.4 + 0.035 * off_axis**2) / PIXEL_ARCSEC
        across = item.columns / PIXEL_ARCSEC + width * rng.standard_normal(number)
        along = item.rows / PIXEL_ARCSEC + width * rng.standard_normal(number)
        # Photons that come while the frame is moved out are read in any row of their column.
        streak = rng.random(number) < TRANSFER_S / frame
        along = np.where(streak, rows * (rng.random(number) - 0.5), along)
        parts.append((across, along, start + length * rng.random(number), np.full(number, k)))
    across, along, time, item_of = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    on = (np.abs(along) < rows / 2) & (time < duration) & (_ccd(across) > 0)
    order = np.flatnonzero(on)[np.argsort(time[on], kind="stable")]
    return _Photons(across[order], along[order], time[order], item_of[order])


def _ccd(across: FloatArray) -> npt.NDArray[np.int64]:
    """CCD under each place, 0 in gaps and beyond."""
    ccd = np.zeros(len(across), np.int64)
    for number, left in CCDS.items():
        ccd[(across >= left) & (across < left + CHIP_PIXELS)] = number
    return ccd


def _table(
    rng: np.random.Generator,
    photons: _Photons,
    pointing: ChandraPointing,
    frame: float,
    duration: float,
) -> tuple[list[ColumnData], npt.NDArray[np.bool_]]:
    """Columns of the event table, and which events a standard selection keeps."""
    n = len(photons.time)
    exposure = np.minimum(photons.time // frame, duration // frame - 1).astype(np.int64)
    time = pointing.start + (exposure + 0.5) * frame
    ccd = _ccd(photons.across)
    left = np.select([ccd == number for number in CCDS], list(CCDS.values()))
    x, y = _sky(photons.across, photons.along, pointing)
    energy = LOWEST_EV + rng.exponential(MEAN_ENERGY_EV, n)
    grade = rng.choice(GRADES, size=n, p=GRADE_SHARES)
    status = np.where(rng.random(n) < BAD_STATUS, 1 << rng.integers(0, 30, n), 0)
    columns = [
        ColumnData("time", time, "s"),
        ColumnData("ccd_id", ccd.astype("i2")),
        ColumnData("expno", exposure.astype("i4")),
        ColumnData(
            "chipx", np.clip(np.floor(photons.across - left) + 1, 1, CHIP_PIXELS).astype("i2"), "pixel"
        ),
        ColumnData("chipy", np.floor(photons.along + CHIP_PIXELS / 2 + 1).astype("i2"), "pixel"),
        ColumnData("tdetx", np.clip(np.rint(photons.across + 4096), 0, 8192).astype("i2"), "pixel"),
        ColumnData("tdety", np.rint(photons.along + 1700).astype("i2"), "pixel"),
        ColumnData("x", x.astype("f4"), "pixel"),
        ColumnData("y", y.astype("f4"), "pixel"),
        ColumnData("energy", energy.astype("f4"), "eV"),
        ColumnData("pi", (energy // CHANNEL_EV + 1).astype("i4"), "chan"),
        ColumnData("grade", grade.astype("i2")),
        _BitColumn("status", status.astype("i4")),
    ]
    kept = np.isin(grade, GOOD_GRADES) & (status == 0) & (energy >= KEPT_EV[0]) & (energy <= KEPT_EV[1])
    return columns, kept


def _sky(across: FloatArray, along: FloatArray, pointing: ChandraPointing) -> tuple[FloatArray, FloatArray]:
    """Sky coordinates x, y of chip places (pixels from the axis)."""
    cos, sin = np.cos(np.radians(pointing.roll)), np.sin(np.radians(pointing.roll))
    return CENTRE + across * cos - along * sin, CENTRE + across * sin + along * cos


def _wcs(columns: Sequence[ColumnData], pointing: ChandraPointing) -> tuple[ColumnData, ...]:
    """The columns, x and y with their WCS keywords."""
    words: dict[str, dict[str, Value]] = {
        "x": {"TCTYP": "RA---TAN", "TCRVL": pointing.ra, "TCRPX": CENTRE, "TCDLT": -PIXEL_ARCSEC / 3600},
        "y": {"TCTYP": "DEC--TAN", "TCRVL": pointing.dec, "TCRPX": CENTRE, "TCDLT": PIXEL_ARCSEC / 3600},
    }
    return tuple(
        ColumnData(c.name, c.values, c.unit, words[c.name]) if c.name in words else c for c in columns
    )


def _cards(
    obsid: str, pointing: ChandraPointing, duration: float, rows: int, frame: float, time_system: str
) -> tuple[tuple[str, Value, str], ...]:
    return (
        ("HDUNAME", "EVENTS", "ASCDM block name"),
        ("MISSION", "AXAF", "Mission"), ("TELESCOP", "CHANDRA", "Telescope"),
        ("INSTRUME", "ACIS", "Instrument"), ("DETNAM", "ACIS-67", "Detector"), ("GRATING", "NONE", "Grating"),
        ("OBS_ID", str(int(obsid)), "Observation id"), ("OBJECT", "simulated", "Source name"),
        ("DATE-OBS", "2024-04-04T07:18:28", "Observation start date"),
        ("TIMESYS", time_system, "Time system"), ("MJDREF", 50814.0, "[d] MJD zero point for times"),
        ("TIMEZERO", 0.0, "[s] Clock correction"), ("TIMEPIXR", 0.5, "time is that of the middle of a frame"),
        ("TIMEDEL", frame, "[s] frame time"), ("TSTART", pointing.start - 900.0, "[s] start"),
        ("TSTOP", pointing.start + duration + 900.0, "[s] end"), ("ONTIME", duration, "[s] Sum of GTIs"),
        ("READMODE", "TIMED", "Read mode"), ("DATAMODE", "FAINT", "Data mode"),
        ("FIRSTROW", CHIP_PIXELS // 2 - rows // 2 + 1, "first row of the sub-array"),
        ("NROWS", rows, "rows of the sub-array"),
        ("RA_NOM", pointing.ra, "[deg]"), ("DEC_NOM", pointing.dec, "[deg]"),
        ("ROLL_NOM", pointing.roll, "[deg]"),
    )  # fmt: skip


def _good_time(ccd: int, start: float, duration: float, time_system: str) -> Hdu:
    """Good time of one CCD: that of 6 has a gap of 3 s in the middle, a frame that was lost."""
    middle = start + duration / 2
    edges = [[start, middle], [middle + 3.0, start + duration]] if ccd == 6 else [[start, start + duration]]
    table = np.array(edges)
    columns = (ColumnData("START", table[:, 0], "s"), ColumnData("STOP", table[:, 1], "s"))
    cards = (
        ("HDUNAME", f"GTI{ccd}", ""),
        ("TIMESYS", time_system, ""),
        ("CCD_ID", ccd, "CCD for this table"),
    )
    return Hdu("GTI", cards, columns)


def _truth(
    obsid: str,
    seed: int,
    pointing: ChandraPointing,
    duration: float,
    sources: Sequence[ChandraSource],
    flares: Sequence[ChandraFlare],
    item: npt.NDArray[np.int64],
    kept: npt.NDArray[np.bool_],
) -> Truth:
    t0 = pointing.start
    written = np.bincount(item + 1, minlength=len(sources) + len(flares) + 1)[1:]
    stays = np.bincount(item[kept] + 1, minlength=len(written) + 1)[1:]

    def truth_of(
        number: int, place: int, what: ChandraSource | ChandraFlare, asked: float, start: float, stop: float
    ) -> ItemTruth:
        x, y = _sky(np.array(what.columns / PIXEL_ARCSEC), np.array(what.rows / PIXEL_ARCSEC), pointing)
        plane = Plane(pointing.ra, pointing.dec, CENTRE, CENTRE, PIXEL_ARCSEC / 3600)
        ra, dec = (float(value) for value in plane.to_sky(x, y))
        at_x, at_y = (REFERENCE_PIXEL + (float(v) - CENTRE) * PIXEL_ARCSEC / UNIT_ARCSEC for v in (x, y))
        counts = int(written[place])
        shape = "box" if isinstance(what, ChandraFlare) else "steady"
        by_camera = {"ACIS": int(stays[place])}
        return ItemTruth(
            number, ra, dec, at_x, at_y, start, stop, asked, counts, counts, int(stays[place]), 0, by_camera,
            shape, 0.0,
        )  # fmt: skip

    return Truth(
        obsid, seed, 0, t0, t0 + duration, pointing.ra, pointing.dec, pointing.roll,
        (ListTruth("", "ACIS", "", len(item), int(kept.sum()), t0, t0 + duration),),
        tuple(truth_of(k, k, s, s.rate * duration, t0, t0 + duration) for k, s in enumerate(sources)),
        tuple(
            truth_of(k, len(sources) + k, f, f.fluence, t0 + f.start, t0 + f.start + f.duration)
            for k, f in enumerate(flares)
        ),
        (), (), (),
    )  # fmt: skip
