"""DEMO, a survey made on the spot: no network, always the same for a source's name.

100 epochs in MJD 57000-58000, mean magnitude 18, errors uniform in 0.09-0.11, positions scattered by
0.0001 deg per axis, exposures of 30 s, filter R. On request some sources flare, answers take their time, or
fail in a given pattern.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ephemera.seeds import generator
from ephemera.survey.light_curve import LightCurve, faulty
from ephemera.survey.outcomes import SourceError
from ephemera.survey.photometry import MICROJANSKY, flux_of
from ephemera.survey.raw_rows import column, floats, require_columns
from ephemera.survey.seasons import in_seasons

if TYPE_CHECKING:
    from ephemera.config.survey import Demo as Settings

FIRST, LAST = 57000.0, 58000.0
SCATTER_DEG = 0.0001
EXPOSURE = 30.0
#: Decay of a flare, d, and range of its peak in units of the noise.
DECAY, PEAK = 20.0, (10.0, 30.0)
COLUMNS = ("mjd", "mag", "magerr", "ra", "dec", "exptime", "filter", "flag")


def request(settings: Settings) -> dict[str, Any]:
    """What determines the rows."""
    return {
        "epochs": settings.epochs,
        "mag": settings.mag,
        "shuffled": settings.shuffled,
        "flares": settings.flares,
    }


def rows(row: Mapping[str, Any], settings: Settings) -> pa.Table:
    """The rows of a source."""
    rng = generator(0, "survey", "demo", row["name"])
    n = settings.epochs
    mjd = np.linspace(FIRST, LAST, n) if n > 1 else np.array([FIRST])
    if settings.shuffled:
        mjd = rng.uniform(FIRST, LAST, n)
    error = rng.uniform(0.09, 0.11, n)
    mag = settings.mag + error * rng.normal(size=n)
    east, north = rng.normal(scale=SCATTER_DEG, size=(2, n))
    if rng.random() < settings.flares:
        since = mjd - rng.uniform(FIRST, LAST)
        height = rng.uniform(*PEAK) * 0.1 / 1.0857
        light = np.where(since >= 0, height * np.exp(-np.maximum(since, 0) / DECAY), 0.0)
        mag = mag - 2.5 * np.log10(1 + light)
    dec = float(row["dec"]) + north
    over = np.abs(dec) > 90
    dec = np.where(over, np.copysign(180.0, dec) - dec, dec)
    ra = (
        float(row["ra"])
        + east / max(np.cos(np.radians(float(row["dec"]))), 1e-6)
        + np.where(over, 180.0, 0.0)
    )
    return pa.table(
        {
            "mjd": mjd,
            "mag": mag,
            "magerr": error,
            "ra": np.mod(ra, 360.0),
            "dec": dec,
            "exptime": np.full(n, EXPOSURE),
            "filter": ["R"] * n,
            "flag": np.zeros(n, bool),
        }
    )


def fetch(row: Mapping[str, Any], settings: Settings) -> pa.Table:
    """The rows of a source, after the pause and with the failure that the options ask for.

    Raises SourceError for answers that fail.
    """
    if settings.wait_s:
        time.sleep(settings.wait_s)
    if settings.failures:
        dealt = generator(0, "survey", "demo", "failure", row["name"]).integers(len(settings.failures))
        kind = settings.failures[int(dealt)]
        if kind == "empty":
            return rows(row, settings).slice(0, 0)
        if kind != "ok":
            msg = f"made-up failure: {kind}"
            raise SourceError(msg)
    return rows(row, settings)


def light_curves(
    table: pa.Table, row: Mapping[str, Any], gap_days: float | None = 40, *, drop_bad: bool = False
) -> list[LightCurve]:
    """Seasons of a source's rows. Raises ValueError for a table without their columns."""
    require_columns(table, COLUMNS, "a table of DEMO")
    n = len(table)
    mjd, ra, dec = (floats(table, name, n) for name in ("mjd", "ra", "dec"))
    flux, flux_err = flux_of(floats(table, "mag", n), floats(table, "magerr", n))
    flag = column(table, "flag").astype(np.int64)
    bad = (flag != 0) | faulty(str(row["name"]), mjd, flux, flux_err)
    whole = LightCurve(
        source=str(row["name"]),
        survey="DEMO",
        object_id=str(row["name"]),
        filter="R",
        season=1,
        season_of=1,
        flux_unit="uJy",
        zero_point=MICROJANSKY,
        mjd=mjd,
        flux=flux,
        flux_err=flux_err,
        flag=flag,
        bad=bad,
        live=floats(table, "exptime", n),
        exptime=EXPOSURE,
        x=ra,
        y=dec,
        position="sky",
    )
    return in_seasons(whole, gap_days, drop_bad=drop_bad)
