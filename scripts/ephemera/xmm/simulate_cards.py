"""Header cards of simulated event lists: who, when, where, and the traps of the real ones."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ephemera.xmm.observation import INSTRUME, SKY_SIZE, Camera, FloatArray, IntArray
from ephemera.xmm.simulate_instrument import Instrument
from ephemera.xmm.simulate_scene import Pointing

Cards = tuple[tuple[str, str | int | float | bool, str], ...]
#: Terrestrial time minus UTC since 2017, s.
_TT_MINUS_UTC = 69.184
_STEP = 1.38888888888889e-05
#: Names of the flag bits that EVENTS headers define, by bit number.
_PN_BITS = {
    0: "INVALID_PATTERN", 2: "CLOSE_TO_CCD_WINDOW", 3: "ON_OFFSET_COLUMN", 4: "NEXT_TO_OFFSET_COLUMN",
    5: "CLOSE_TO_ONBOARD_BADPIX", 6: "CLOSE_TO_BRIGHTPIX", 8: "CLOSE_TO_DEADPIX", 11: "IN_SPOILED_FRAME",
    16: "OUT_OF_FOV", 17: "IN_BAD_FRAME", 19: "COSMIC_RAY", 20: "MIP_ASSOCIATED", 21: "ON_BADPIX",
    22: "SECONDARY", 23: "TRAILING", 25: "OUT_OF_CCD_WINDOW",
}  # fmt: skip
_MOS_BITS = {
    0: "DIAGONAL", 1: "CLOSE_TO_CCD_BORDER", 5: "CLOSE_TO_ONBOARD_BADPIX", 6: "CLOSE_TO_BRIGHTPIX",
    8: "CLOSE_TO_DEADPIX", 16: "OUT_OF_FOV", 17: "IN_BAD_FRAME", 19: "COSMIC_RAY", 21: "ON_BADPIX",
    22: "REJECTED_BY_GATTI", 25: "OUT_OF_CCD_WINDOW", 28: "ON_BADROW", 30: "UNDERSHOOT",
}  # fmt: skip


@dataclass(frozen=True)
class DetectorCards:
    """What all headers of one list are made from."""

    instrument: Instrument
    pointing: Pointing
    obsid: str

    def identity(self) -> Cards:
        """Telescope, camera, observation, exposure and mode."""
        exposure = self.instrument.exposure
        return (
            ("TELESCOP", "XMM", "XMM mission"),
            ("INSTRUME", INSTRUME[exposure.camera], "Instrument name"),
            ("OBS_MODE", "POINTING", "Observation mode (pointing or slew)"),
            ("OBS_ID", self.obsid, "Observation identifier"),
            ("EXP_ID", self.obsid + exposure.exposure_id[1:], "Exposure identifier"),
            ("EXPIDSTR", exposure.exposure_id, "Exposure identifier (Xnnn)"),
            ("DATAMODE", "IMAGING", "Instrument mode (IMAGING, TIMING, BURST)"),
            ("SUBMODE", exposure.submode, "Guest Observer mode"),
            ("FILTER", exposure.filter, "Filter ID"),
            ("OBJECT", self.pointing.object_name, "Name of observed object"),
        )

    def clock(self) -> Cards:
        """Time system, and the dates of the exposure."""
        start, stop = self.instrument.start, self.instrument.stop
        return (
            ("DATE-OBS", utc(start), "Start Time (UTC) of exposure"),
            ("DATE-END", utc(stop), "End Time (UTC) of exposure"),
            ("TIMESYS", "TT", "XMM time will be TT (Terrestrial Time)"),
            ("MJDREF", 50814.0, "[d] 1998-01-01T00:00:00 (TT) expressed in MJD"),
            ("TIMEZERO", 0, "Clock correction (if not zero)"),
            ("TIMEUNIT", "s", "All times in s unless specified otherwise"),
            ("CLOCKAPP", True, "Clock correction applied"),
            ("TIMEREF", "LOCAL", "Reference location of photon arrival times"),
            ("TASSIGN", "SATELLITE", "Location of time assignment"),
        )

    def sky(self, x: IntArray, y: IntArray, largest: int, wrap: int) -> Cards:
        """Pointing and reference system; `wrap` is taken from the data ranges that overflow."""
        cards: list[tuple[str, str | int | float | bool, str]] = [
            ("EQUINOX", 2000.0, "Equinox for sky coordinate x/y axes"),
            ("RADECSYS", "FK5", "World coord. system for this file"),
        ]
        for axis, kind, value, step, data in (
            ("X", "RA---TAN", self.pointing.ra, -_STEP, x),
            ("Y", "DEC--TAN", self.pointing.dec, _STEP, y),
        ):
            valid = data[data > 0]
            low, high = (int(valid.min()), int(valid.max())) if len(valid) else (0, 0)
            cards += [
                (f"REF{axis}CTYP", kind, "WCS Coord. type"),
                (f"REF{axis}CRPX", 25921, "WCS axis reference pixel of projected image"),
                (f"REF{axis}CRVL", value, "[deg] WCS coord. at reference pixel"),
                (f"REF{axis}CDLT", step, "[deg/pix] WCS increment at reference pixel"),
                (f"REF{axis}LMIN", 1, "WCS minimum legal value"),
                (f"REF{axis}LMAX", largest, "WCS maximum legal value"),
                (f"REF{axis}DMIN", low, "WCS minimum data value"),
                (f"REF{axis}DMAX", high - wrap if high >= wrap // 2 > 0 else high, "WCS maximum data value"),
                (f"REF{axis}CUNI", "deg", "WCS Physical units"),
            ]
        return (
            *cards,
            ("AVRG_PNT", "MEDIAN", "Meaning of PNT values (mean or median)"),
            ("RA_PNT", self.pointing.ra, "[deg] Mean pointing RA"),
            ("DEC_PNT", self.pointing.dec, "[deg] Mean pointing Dec"),
            ("PA_PNT", self.instrument.position_angle, "[deg] Mean position angle"),
        )


def utc(seconds: float) -> str:
    """Date and time (UTC) of s since MJDREF (TT)."""
    zero = dt.datetime(1998, 1, 1, tzinfo=dt.UTC)
    return (zero + dt.timedelta(seconds=round(seconds - _TT_MINUS_UTC))).strftime("%Y-%m-%dT%H:%M:%S")


def primary_cards(cards: DetectorCards, x: IntArray, y: IntArray) -> Cards:
    """Cards of the primary header: REVOLUT is text, coordinate limits are right."""
    pointing, camera = cards.pointing, cards.instrument.camera
    frame = round(1000 * max(cards.instrument.frame.values()))
    kind = "PN" if camera == Camera.PN else "MOS"
    return (
        ("CREATOR", "ephemera simulation", "name of code"),
        *cards.identity(),
        ("FRMTIME", frame, "[ms] Frame Time, nearest integer"),
        *cards.clock(),
        ("RA_OBJ", pointing.ra + 0.005, "[deg] Ra of the observed object"),
        ("DEC_OBJ", pointing.dec - 0.028, "[deg] Dec of the observed object"),
        ("RA_NOM", pointing.ra + 0.005, "[deg] Ra of boresight"),
        ("DEC_NOM", pointing.dec - 0.028, "[deg] Dec of boresight"),
        ("LONGSTRN", "OGIP 1.0", ""),
        *cards.sky(x, y, SKY_SIZE, 0),
        ("REVOLUT", f"{pointing.revolution:04d}", "Satellite Revolution Number"),
        ("ORIGIN", "Simulation", "Origin of FITS file"),
        ("CONTENT", f"EPIC {kind} IMAGING MODE EVENT LIST", "Contents of file"),
    )


def event_cards(
    cards: DetectorCards,
    x: IntArray,
    y: IntArray,
    good_time: Mapping[int, FloatArray],
    names: Mapping[int, str],
) -> Cards:
    """Cards of EVENTS: REVOLUT is a number, REFXLMAX an overflow; `names` of the good time table per CCD."""
    instrument = cards.instrument
    seconds = {ccd: float(np.diff(gti, axis=1).sum()) for ccd, gti in good_time.items()}
    central = 4 if instrument.camera == Camera.PN else 1
    return (
        ("TSTART", instrument.start, "[s] Start time of exposure"),
        ("TSTOP", instrument.stop, "[s] End time of exposure"),
        ("TELAPSE", instrument.stop - instrument.start, "[s] Full time interval for the exposure"),
        *cards.clock(),
        *_flag_cards(instrument.camera),
        *cards.identity(),
        ("FRMTIME", round(1000 * max(instrument.frame.values())), "[ms] Frame Time, nearest integer"),
        ("REVOLUT", cards.pointing.revolution, "XMM revolution number"),
        *cards.sky(x, y, -13696, 65536),
        *((f"ONTIME{c:02d}", s, "Sum of GTIs for a particular CCD") for c, s in seconds.items()),
        ("ONTIME", seconds.get(central, max(seconds.values())), "Sum of GTIs for central CCD"),
        *((f"LIVETI{c:02d}", 0.98 * s, "Live time for a particular CCD") for c, s in seconds.items()),
        ("LIVETIME", 0.98 * seconds.get(central, max(seconds.values())), "Live time for the central CCD"),
        *_subspace_cards(names),
        ("CONTENT", "EPIC IMAGING MODE SINGLE CCD INTERMEDIATE EVENT LIST", ""),
    )


def _flag_cards(camera: Camera) -> Cards:
    bits = _PN_BITS if camera == Camera.PN else _MOS_BITS
    cards: list[tuple[str, str | int | float | bool, str]] = [
        (f"XMMEA_{bit}", f"(FLAG & 0x{1 << bit:x}) != 0", name) for bit, name in bits.items()
    ]
    if camera == Camera.PN:
        cards.append(("XMMEA_EP", "(FLAG & 0xcfa0000) == 0", "Select good PN events"))
    else:
        cards += [
            ("XMMEA_EM", "(FLAG & 0x766ba000) == 0", "Select good MOS events"),
            ("XMMEA_SM", "(FLAG & 0xfffffeff) == 0", "Select good MOS events for spectra"),
        ]
    return tuple(cards)


def _subspace_cards(names: Mapping[int, str]) -> Cards:
    """Data subspace: which table holds the good time of each CCD.

    TIME is axis 2 in a list as it comes, axis 6 after a cut in flags, patterns and time.
    """
    cut = any(name.startswith("GTI") for name in names.values())
    axis = 6 if cut else 2
    cards: list[tuple[str, str | int | float | bool, str]] = [("DSTYP1", "CCDNR", "")]
    if cut:
        cards += [
            ("DSTYP2", "FLAG", ""),
            ("DSTYP3", "FLAG", ""),
            ("DSTYP4", "PATTERN", ""),
            ("DSTYP5", "FLAG", ""),
        ]
    cards += [(f"DSTYP{axis}", "TIME", ""), (f"DSUNI{axis}", "s", "")]
    if cut:
        cards += [
            ("DSFORM2", "X", ""), ("DSVAL2", "b00xx00000x0xxxxxxxxxxxxxxxxx", ""),
            ("DSFORM3", "X", ""), ("DSVAL3", "b00xx00000x0x000x0xxxxxxxxxxx", ""),
            ("DSVAL4", ":12", ""), ("DSVAL5", "0", ""),
        ]  # fmt: skip
    for component, (ccd, name) in enumerate(names.items(), 1):
        prefix = "" if component == 1 else str(component)
        cards.append((f"{prefix}DSVAL1", str(ccd), "data subspace descriptor: value"))
        if component == 1:
            cards.append((f"DSVAL{axis}", "TABLE", "data subspace descriptor: value"))
        cards.append((f"{prefix}DSREF{axis}", f":{name}", "data subspace descriptor: reference"))
    return tuple(cards)


def exposure_cards(cards: DetectorCards, ccd: int, gti: FloatArray) -> Cards:
    """Cards of a table that belongs to one CCD; `gti`, (k, 2) in s, gives its time range."""
    instrument = cards.instrument
    quadrant, place = divmod(ccd - 1, 3)
    pn = instrument.camera == Camera.PN
    where: Cards = (
        (("QUADRANT", quadrant, "Quadrant ID"), ("CCDID", place, "CCD ID"))
        if pn
        else (("CCDID", ccd, "Numerical identifier of the CCD"), ("CCDNODE", 0, "CCD Node"))
    )
    start, stop = (gti[0, 0], gti[-1, 1]) if len(gti) else (instrument.start, instrument.start)
    live = instrument.live[ccd]
    rows, columns = (np.flatnonzero(live.any(axis=axis)) for axis in (1, 0))
    return (
        ("EXTVER", 1, "Extension version"),
        *cards.identity(),
        *where,
        ("FRMTIME", 1000 * instrument.frame[ccd], "[ms] Nominal frame time"),
        ("WINDOWX0", int(columns[0]) + 1 if len(columns) else 1, "X coordinate of window corner"),
        ("WINDOWY0", int(rows[0]) + 1 if len(rows) else 1, "Y coordinate of window corner"),
        ("WINDOWDX", int(np.ptp(columns)) + 1 if len(columns) else 0, "Size, along x-axis, of window"),
        ("WINDOWDY", int(np.ptp(rows)) + 1 if len(rows) else 0, "Size, along y-axis, of window"),
        *cards.clock(),
        ("TSTART", float(start), "[s] Start time of first frame"),
        ("TSTOP", float(stop), "[s] End time of last frame"),
        ("TELAPSE", float(stop - start), "[s] Full time interval"),
        ("HDUCLASS", "OGIP", "Format conforms to OGIP/GSFC conventions"),
        ("HDUCLAS1", "GTI", "File contains Good Time Intervals"),
        ("HDUCLAS2", "STANDARD", "File contains Good Time Intervals"),
    )
