"""What the keywords of an event list say, and whether such a list can be searched at all.

Keywords are taken from the event table first and from the primary header second; the reference
position of X and Y the other way round, because the copies in the event table overflow 16 bits in
real files (REFXLMAX = -13696 for 51840).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from ephemera.xmm.fits_stream import Header, table_columns
from ephemera.xmm.observation import INSTRUMENTS, REFERENCE_PIXEL, UNIT_ARCSEC, Camera, FloatArray, ListHeader
from ephemera.xmm.outcomes import ListRejected, Outcome

PN_FULL_WINDOWS = ("PrimeFullWindow", "PrimeFullWindowExtended")
PN_SUBMODES = (*PN_FULL_WINDOWS, "PrimeLargeWindow")
MOS_FULL_WINDOW = "PrimeFullWindow"
MOS_SUBMODES = (MOS_FULL_WINDOW, "PrimePartialRFS", *(f"PrimePartialW{k}" for k in range(2, 7)))

#: Read-out time of a frame in s where the file does not give it.
PN_FRAME_TIME: Mapping[str, float] = {
    "PrimeFullWindow": 0.0733650,
    "PrimeFullWindowExtended": 0.1991941,
    "PrimeLargeWindow": 0.0476640,
}
MOS_FRAME_TIME = 2.6

NEEDED_COLUMNS = ("TIME", "X", "Y", "PI", "PATTERN", "FLAG", "CCDNR", "RAWX", "RAWY")

#: Bits of FLAG that no good event has: attributes XMMEA_EP and XMMEA_EM of the SAS.
FLAG_MASKS: Mapping[Camera, int] = {Camera.PN: 0x0CFA0000, Camera.M1: 0x766BA000, Camera.M2: 0x766BA000}

DEGREES_PER_UNIT = UNIT_ARCSEC / 3600


class Keywords:
    """Keywords of the event table, then of the primary header."""

    def __init__(self, primary: Header, events: Header) -> None:
        self.primary, self.events = primary, events

    def text(self, name: str) -> str:
        """Text of `name`, empty where neither has it."""
        return self.events.text(name) or self.primary.text(name)

    def number(self, name: str) -> float | None:
        """Number of `name`, None where neither has it."""
        value = self.events.number(name)
        return self.primary.number(name) if value is None else value


def check_usable(keys: Keywords, obsid: str | None) -> Camera:
    """The camera of a list that can be searched.

    Raises ListRejected for the first of: unknown INSTRUME, another observation than `obsid`, timing
    mode, slew, closed filter or calibration source, missing or unsupported SUBMODE, missing columns.
    """
    instrument = keys.text("INSTRUME").upper()
    if instrument not in INSTRUMENTS:
        what = (
            f"INSTRUME = {instrument!r} is none of {', '.join(INSTRUMENTS)}" if instrument else "no INSTRUME"
        )
        telescope = keys.text("TELESCOP")
        if telescope and telescope.upper() != "XMM":
            what += f" (TELESCOP = {telescope!r}: name its mission in the sample sheet, see docs/missions.md)"
        raise ListRejected(Outcome.BAD_KEYWORDS, what)
    camera = INSTRUMENTS[instrument]
    found = observation_id(keys)
    if obsid is not None and found and found != obsid:
        raise ListRejected(Outcome.WRONG_OBSID, f"OBS_ID = {found!r}, not {obsid!r}")
    mode = keys.text("DATAMODE").upper()
    if mode in ("TIMING", "BURST"):
        raise ListRejected(Outcome.SKIPPED_TIMING_MODE, f"DATAMODE = {mode!r}")
    if keys.text("OBS_MODE").upper() == "SLEW":
        raise ListRejected(Outcome.SKIPPED_SLEW, "OBS_MODE = 'SLEW'")
    filter_name = keys.text("FILTER")
    if filter_name.upper().startswith(("CLOSED", "CAL")):
        raise ListRejected(Outcome.SKIPPED_FILTER, f"FILTER = {filter_name!r}")
    submode = keys.text("SUBMODE")
    if submode and submode not in (PN_SUBMODES if camera is Camera.PN else MOS_SUBMODES):
        raise ListRejected(Outcome.SKIPPED_SUBMODE, f"SUBMODE = {submode!r}")
    missing = [name for name in NEEDED_COLUMNS if name not in table_columns(keys.events)]
    if missing:
        raise ListRejected(Outcome.BAD_COLUMNS, f"no column {', '.join(missing)}")
    return camera


def list_header(file: str, keys: Keywords, camera: Camera) -> ListHeader:
    """Header of a list, still without good times and CCDs, from TSTART to TSTOP (NaN where unknown).

    Raises ListRejected naming all keywords that are missing or cannot be read.
    """
    reference = reference_position(keys)
    revolution = keys.number("REVOLUT")
    needs = {
        "SUBMODE": bool(keys.text("SUBMODE")),
        "REVOLUT": revolution is not None,
        "REFXCRVL": reference is not None,
        "REFYCRVL": reference is not None,
    }
    if not all(needs.values()) or reference is None or revolution is None:
        missing = ", ".join(name for name, there in needs.items() if not there)
        raise ListRejected(Outcome.BAD_KEYWORDS, f"missing or unreadable: {missing}")
    start, stop = keys.number("TSTART"), keys.number("TSTOP")
    mjdref = keys.number("MJDREF")
    return ListHeader(
        file=file,
        camera=camera,
        obsid=observation_id(keys),
        exposure_id=keys.text("EXPIDSTR"),
        submode=keys.text("SUBMODE"),
        filter=keys.text("FILTER"),
        revolution=int(revolution),
        ontime=_ontime(keys),
        start=np.nan if start is None else start,
        stop=np.nan if stop is None else stop,
        mjdref=50814.0 if mjdref is None else mjdref,
        timezero=keys.number("TIMEZERO") or 0.0,
        frame_time=_frame_time(keys, camera),
        reference_ra=reference[0],
        reference_dec=reference[1],
        pa_pnt=keys.number("PA_PNT"),
        object_name=keys.text("OBJECT"),
        date_obs=keys.text("DATE-OBS"),
    )


def observation_id(keys: Keywords) -> str:
    """OBS_ID as ten digits; empty where absent."""
    text = keys.text("OBS_ID")
    return text.zfill(10) if text.isdigit() else text


def flag_mask(events: Header, camera: Camera) -> int:
    """Bits of FLAG that mark a bad event: from XMMEA_EP or XMMEA_EM of the file, else the usual ones."""
    stated = events.text("XMMEA_EP" if camera is Camera.PN else "XMMEA_EM")
    match = re.fullmatch(r"\(?\s*FLAG\s*&\s*0x([0-9a-fA-F]{1,8})\s*\)?\s*==\s*0", stated)
    return int(match.group(1), 16) if match else FLAG_MASKS[camera]


def reference_position(keys: Keywords) -> tuple[float, float] | None:
    """RA and Dec in deg of the reference pixel of X and Y; None where the file does not say.

    Raises ListRejected when reference pixel or scale are not those of the EPIC sky coordinates,
    because every position and pixel would be wrong.
    """
    for card in (_primary_card(keys.primary), _column_card(keys.events)):
        ra, dec = card["X"]["CRVL"], card["Y"]["CRVL"]
        if ra is None or dec is None:
            continue
        check_declination(dec)
        expected = {("X", "CDLT"): -DEGREES_PER_UNIT, ("Y", "CDLT"): DEGREES_PER_UNIT}
        for axis in "XY":
            pixel, scale = card[axis]["CRPX"], card[axis]["CDLT"]
            if pixel is not None and abs(pixel - REFERENCE_PIXEL) > 1e-3:
                raise ListRejected(Outcome.BAD_KEYWORDS, f"reference pixel of {axis} is {pixel:g}, not 25921")
            if scale is not None and abs(scale / expected[axis, "CDLT"] - 1) > 1e-6:
                raise ListRejected(Outcome.BAD_KEYWORDS, f"scale of {axis} is {scale:g} deg, not 0.05 arcsec")
        return ra % 360.0, dec
    return None


def check_declination(dec: float) -> None:
    """Refuse a reference position that is none."""
    if abs(dec) > 90:
        raise ListRejected(Outcome.BAD_KEYWORDS, f"the reference declination is {dec:g} deg")


def interval_of(good_time: Mapping[int, FloatArray]) -> tuple[float, float] | None:
    """First START and last STOP of any CCD's good time; None where there is none."""
    lasting = [table for table in good_time.values() if len(table)]
    if not lasting:
        return None
    return min(float(t[0, 0]) for t in lasting), max(float(t[-1, 1]) for t in lasting)


def _primary_card(primary: Header) -> dict[str, dict[str, float | None]]:
    return {a: {k: primary.number(f"REF{a}{k}") for k in ("CRVL", "CRPX", "CDLT")} for a in "XY"}


def _column_card(events: Header) -> dict[str, dict[str, float | None]]:
    names = {events.text(f"TTYPE{k}").upper(): k for k in range(1, events.size("TFIELDS") + 1)}
    words = {"CRVL": "TCRVL", "CRPX": "TCRPX", "CDLT": "TCDLT"}
    return {a: {k: events.number(f"{w}{names.get(a)}") for k, w in words.items()} for a in "XY"}


def _ontime(keys: Keywords) -> float:
    """ONTIME of the central CCD, else the longest of any CCD, else TSTOP - TSTART, else 0; in s."""
    central = keys.number("ONTIME")
    if central is not None:
        return central
    ccds = [t for k in range(1, 13) if (t := keys.number(f"ONTIME{k:02d}")) is not None]
    if ccds:
        return max(ccds)
    start, stop = keys.number("TSTART"), keys.number("TSTOP")
    return max(0.0, stop - start) if start is not None and stop is not None else 0.0


def _frame_time(keys: Keywords, camera: Camera) -> float:
    """FRMTIME in s (often rounded to the millisecond here), else the nominal time of the mode."""
    milliseconds = keys.number("FRMTIME")
    if milliseconds is not None and milliseconds > 0:
        return milliseconds / 1000
    return PN_FRAME_TIME[keys.text("SUBMODE")] if camera is Camera.PN else MOS_FRAME_TIME
