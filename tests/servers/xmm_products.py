"""Tiny files with the names and keywords of pipeline products, for tests of finding and fetching."""

from __future__ import annotations

import gzip
import io

import numpy as np
from astropy.io import fits

OBSID = "0884250101"
OTHER_OBSID = "0124710801"

PN = f"P{OBSID}PNS003PIEVLI0000.FTZ"
M1 = f"P{OBSID}M1S001MIEVLI0000.FTZ"
M1_SECOND = f"P{OBSID}M1U002MIEVLI0000.FTZ"
M2 = f"P{OBSID}M2S002MIEVLI0000.FTZ"
SOURCES = f"P{OBSID}EPX000OBSMLI0000.FTZ"
FLARES = f"P{OBSID}PNS003FBKTSR0000.FTZ"

INSTRUMENT = {"PN": "EPN", "M1": "EMOS1", "M2": "EMOS2"}


def zipped(content: bytes) -> bytes:
    """Gzip without a time stamp."""
    return gzip.compress(content, mtime=0)


def event_list(
    obsid: str | None = OBSID,
    instrument: str | None = "EPN",
    *,
    exposure: str = "S003",
    rows: int = 50,
    datamode: str = "IMAGING",
    seed: int = 0,
) -> bytes:
    """An open FITS event list: PRIMARY, EVENTS, STDGTI01."""
    random = np.random.default_rng(seed)
    columns = [fits.Column("TIME", "D", array=np.sort(random.uniform(0, 1e4, rows)))]
    if datamode == "IMAGING":
        columns += [fits.Column(name, "J", array=random.integers(1, 51840, rows)) for name in "XY"]
    columns += [
        fits.Column("PI", "I", array=random.integers(200, 12000, rows)),
        fits.Column("CCDNR", "B", array=np.ones(rows, "u1")),
    ]
    gti = [fits.Column("START", "D", array=[0.0]), fits.Column("STOP", "D", array=[1e4])]
    parts = [
        fits.PrimaryHDU(),
        fits.BinTableHDU.from_columns(columns, name="EVENTS"),
        fits.BinTableHDU.from_columns(gti, name="STDGTI01"),
    ]
    for part in parts[:2]:
        part.header["TELESCOP"] = "XMM"
        part.header["DATAMODE"] = datamode
        part.header["EXPIDSTR"] = exposure
        if obsid is not None:
            part.header["OBS_ID"] = obsid
        if instrument is not None:
            part.header["INSTRUME"] = instrument
    return _bytes(parts)


def source_list(obsid: str | None = OBSID, rows: int = 3) -> bytes:
    """An open FITS source list: PRIMARY, SRCLIST."""
    columns = [fits.Column(name, "D", array=np.arange(float(rows))) for name in ("RA", "DEC", "EP_DET_ML")]
    parts = [fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name="SRCLIST")]
    parts[0].header["INSTRUME"] = "EPIC"
    if obsid is not None:
        parts[0].header["OBS_ID"] = obsid
    return _bytes(parts)


def image(obsid: str = OBSID) -> bytes:
    """An open FITS image."""
    part = fits.PrimaryHDU(np.zeros((4, 4), "f4"))
    part.header["OBS_ID"] = obsid
    part.header["INSTRUME"] = "EPN"
    return _bytes([part])


def whole_observation() -> dict[str, bytes]:
    """Names and contents of one observation with all three cameras and a source list."""
    return {
        PN: zipped(event_list(instrument="EPN", seed=1)),
        M1: zipped(event_list(instrument="EMOS1", exposure="S001", seed=2)),
        M2: zipped(event_list(instrument="EMOS2", exposure="S002", seed=3)),
        SOURCES: zipped(source_list()),
    }


def _bytes(parts: list[fits.PrimaryHDU | fits.BinTableHDU]) -> bytes:
    buffer = io.BytesIO()
    fits.HDUList(parts).writeto(buffer)
    return buffer.getvalue()
