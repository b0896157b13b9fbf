"""Light curves of TESS as the mission's pipeline (SPOC) writes them, one sector a file.

TIME is BTJD: BJD = TIME + BJDREFI + BJDREFF, in TDB at the barycentre; `mjd` here is BJD - 2400000.5 and is
never UTC. A cadence collects light for 86400 TIMEDEL DEADC seconds; the header's EXPOSURE is the whole
sector's, in days. The zero point 20.44 mag is the instrument's; the one measured for a star and sector is
TESSMAG + 2.5 log10(median flux).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from ephemera.survey.frames import scored_frame
from ephemera.survey.light_curve import ANY_BIT, DAY, LightCurve, faulty
from ephemera.survey.raw_rows import column, column_names, floats, require_columns
from ephemera.survey.time_columns import MJD_ZERO

if TYPE_CHECKING:
    import pandas as pd

ZERO_POINT = 20.44
#: Fainter than this (Gaia G or RP) there is no light curve to expect.
FAINT_LIMIT = 18.0

FluxColumn = Literal["PDCSAP", "SAP"]
PositionColumn = Literal["MOM_CENTR", "PSF_CENTR", "POS_CORR"]

#: Columns kept of a light-curve file, all of the table.
COLUMNS = (
    "TIME",
    "TIMECORR",
    "CADENCENO",
    "SAP_FLUX",
    "SAP_FLUX_ERR",
    "SAP_BKG",
    "SAP_BKG_ERR",
    "PDCSAP_FLUX",
    "PDCSAP_FLUX_ERR",
    "QUALITY",
    "PSF_CENTR1",
    "PSF_CENTR2",
    "MOM_CENTR1",
    "MOM_CENTR2",
    "POS_CORR1",
    "POS_CORR2",
)
#: Cards kept of both headers.
CARDS = ("OBJECT", "TICID", "SECTOR", "CAMERA", "CCD", "TESSMAG", "RA_OBJ", "DEC_OBJ", "PMRA", "PMDEC")
TABLE_CARDS = ("BJDREFI", "BJDREFF", "TIMEDEL", "DEADC", "EXPOSURE", "TIMEUNIT", "TIMESYS")


def read_file(
    path: str | os.PathLike[str] | BinaryIO,
) -> tuple[dict[str, npt.NDArray[Any]], dict[str, Any]]:
    """Columns and header cards of a light-curve file (`*s_lc.fits`, `*a_fast-lc.fits`).

    Raises ValueError naming the file when it is not such a file or its data are short.
    """
    import warnings

    from astropy.io import fits

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a truncated file is a warning to astropy
            warnings.filterwarnings("ignore", category=fits.verify.VerifyWarning)
            with fits.open(path, memmap=False) as hdus:
                hdu = hdus["LIGHTCURVE"]
                data = hdu.data
                columns = {
                    name: np.ascontiguousarray(data[name]).astype(data[name].dtype.newbyteorder("="))
                    for name in COLUMNS
                    if name in data.names
                }
                cards = {name: hdus[0].header.get(name) for name in CARDS}
                cards |= {name: hdu.header.get(name) for name in TABLE_CARDS}
    except (OSError, KeyError, TypeError, ValueError, UserWarning) as error:
        msg = f"{path} is no complete TESS light curve: {error}"
        raise ValueError(msg) from error
    missing = [name for name in ("TIME", "PDCSAP_FLUX", "QUALITY") if name not in columns]
    if missing:
        msg = f"{path} is no TESS light curve: column {', '.join(missing)} is not there"
        raise ValueError(msg)
    return columns, {name: value for name, value in cards.items() if value is not None}


def light_curve(
    table: Any,
    cards: Mapping[str, Any],
    source: str,
    *,
    flux: FluxColumn = "PDCSAP",
    position: PositionColumn = "MOM_CENTR",
    bad_bits: int = ANY_BIT,
    filter_name: str = "tess_red",
) -> LightCurve:
    """The light curve of one sector; every cadence is kept, also those without a time."""
    time = column(table, "TIME").astype(np.float64)
    n = len(time)
    bjd = time + float(cards.get("BJDREFI", 2457000)) + float(cards.get("BJDREFF", 0.0))
    values, errors = floats(table, f"{flux}_FLUX", n), floats(table, f"{flux}_FLUX_ERR", n)
    flags = column(table, "QUALITY").astype(np.int64)
    bad = ((flags & bad_bits) != 0) | faulty(source, time, values, errors)
    cadence = DAY * float(cards.get("TIMEDEL", 120.0 / DAY))
    live = cadence * float(cards.get("DEADC", 1.0))
    known = values[~bad]
    measured = float("nan")
    if len(known) and np.median(known) > 0 and cards.get("TESSMAG") is not None:
        measured = float(cards["TESSMAG"]) + 2.5 * float(np.log10(np.median(known)))
    where = [str(cards.get(name, 0)) for name in ("SECTOR", "CAMERA", "CCD")]
    tic = str(cards.get("TICID", source))
    return LightCurve(
        source=source,
        survey="TESS",
        object_id=f"{tic}-{where[0]}",
        filter=filter_name,
        season=1,
        season_of=1,
        flux_unit="e-/s",
        zero_point=ZERO_POINT,
        zero_point_measured=measured,
        mjd=bjd - MJD_ZERO,
        time_bjd_tdb=bjd,
        flux=values,
        flux_err=np.where(errors > 0, errors, np.nan),
        flag=flags,
        bad=bad,
        live=np.full(n, live),
        exptime=live,
        x=floats(table, f"{position}1", n),
        y=floats(table, f"{position}2", n),
        position="pixel",
    )


def sectors(
    table: Any,
    metadata: Mapping[str, Any],
    source: str,
    *,
    flux: FluxColumn = "PDCSAP",
    position: PositionColumn = "MOM_CENTR",
    bad_bits: int = ANY_BIT,
    filter_name: str = "tess_red",
    drop_bad: bool = False,
) -> list[LightCurve]:
    """Light curves of raw rows, one a sector; `metadata["sectors"]` holds the cards of each by number."""
    require_columns(table, ("SECTOR", "TIME", "QUALITY"), "a TESS table")
    numbers = column(table, "SECTOR").astype(np.int64)
    curves = []
    for number in np.unique(numbers):
        rows = np.flatnonzero(numbers == number)
        part = {name: column(table, name)[rows] for name in column_names(table) if name != "SECTOR"}
        cards = metadata.get("sectors", {}).get(str(number), {})
        curve = light_curve(
            part, cards, source, flux=flux, position=position, bad_bits=bad_bits, filter_name=filter_name
        )
        curves.append(curve.take(~curve.bad) if drop_bad else curve)
    return [curve for curve in curves if len(curve)]


def read_light_curve(path: str | os.PathLike[str], source: str | None = None, **options: Any) -> pd.DataFrame:
    """A light-curve file as a DataFrame with the columns of the table `epoch`, scores included.

    Metadata (zero_point_measured, sector_camera_ccd, mean, rms, ...) are in `attrs`. `options` are those of
    `light_curve`: flux, position, bad_bits.
    """
    columns, cards = read_file(path)
    name = source or str(cards.get("OBJECT", Path(path).stem))
    frame = scored_frame(light_curve(columns, cards, name, **options))
    frame.attrs["series"] = "_".join(str(cards.get(key, 0)) for key in ("SECTOR", "CAMERA", "CCD"))
    frame.attrs["tic"], frame.attrs["tessmag"] = cards.get("TICID"), cards.get("TESSMAG")
    return frame
