"""Forced photometry of ZTF as IPAC's service writes it, and its reduction.

Fluxes are those of difference images, in DN; with the zero point of each image they become microjansky,

    f = forcediffimflux 10^((23.9 - zpdiff) / 2.5)

(Masci et al. 2023, arXiv:2305.16279). They are relative to the reference image, so that a source that does
not vary has flux 0 and no magnitude. Times are JD, UTC. -99999 and `null` stand for missing values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from ephemera.survey.light_curve import LightCurve, faulty
from ephemera.survey.photometry import MICROJANSKY
from ephemera.survey.raw_rows import column, floats, require_columns
from ephemera.survey.seasons import in_seasons
from ephemera.survey.time_columns import MJD_ZERO

SURVEY = "ZTFFORCED"
FILTERS: Mapping[str, str] = {"ZTF_g": "ztf_g", "ZTF_r": "ztf_r", "ZTF_i": "ztf_i"}
#: Bit of infobitssci that marks unusable images.
UNUSABLE = 1 << 25
#: Missing numbers.
MISSING = -99999.0
#: Seconds of an exposure where the table does not say.
EXPOSURE = 30.0

REQUIRED = (
    *("field", "ccdid", "qid", "filter", "infobitssci", "zpdiff", "jd"),
    *("forcediffimflux", "forcediffimfluxunc", "procstatus"),
)
TEXTS = frozenset({"filter", "procstatus"})
INTEGERS = frozenset({"index", "field", "ccdid", "qid", "pid", "infobitssci", "programid", "rfid"})


def table_of(text: str) -> pa.Table:
    """Rows of a light-curve file. Raises ValueError for text that is none, or that is cut."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    names = [name.strip() for name in lines[0].split(",")] if lines else []
    if any(name not in names for name in REQUIRED):
        msg = "this is no table of forced photometry"
        raise ValueError(msg)
    rows = [line.split() for line in lines[1:]]
    wrong = next((k for k, row in enumerate(rows, 1) if len(row) != len(names)), None)
    if wrong is not None or not text.endswith("\n"):
        msg = f"row {wrong or len(rows)} of the table is cut"
        raise ValueError(msg)
    columns = {}
    for number, name in enumerate(names):
        values = [None if row[number] == "null" else row[number] for row in rows]
        if name in TEXTS:
            columns[name] = pa.array(values, pa.string())
        elif name in INTEGERS:
            columns[name] = pa.array([None if v is None else int(float(v)) for v in values], pa.int64())
        else:
            numbers = [None if v is None or float(v) == MISSING else float(v) for v in values]
            columns[name] = pa.array(numbers, pa.float64())
    return pa.table(columns)


def light_curves(
    table: Any,
    row: Mapping[str, Any],
    gap_days: float | None = 40,
    *,
    drop_bad: bool = False,
    filters: Mapping[str, str] = FILTERS,
) -> list[LightCurve]:
    """Light curves by filter, field and quadrant, each with a reference image of its own, and season.

    Raises ValueError for a table without the columns of the service.
    """
    require_columns(table, REQUIRED, "a table of forced photometry")
    n = len(column(table, "jd"))
    mjd = floats(table, "jd", n) - MJD_ZERO
    scale = 10 ** ((MICROJANSKY - floats(table, "zpdiff", n)) / 2.5)
    flux = floats(table, "forcediffimflux", n) * scale
    flux_err = floats(table, "forcediffimfluxunc", n) * scale
    flag = np.nan_to_num(floats(table, "infobitssci", n)).astype(np.int64)
    status = np.array([str(value) for value in column(table, "procstatus")])
    bad = ((flag & UNUSABLE) != 0) | (status != "0") | faulty(str(row["name"]), mjd, flux, flux_err)
    live = floats(table, "exptime", n)
    live = np.where(np.isfinite(live), live, EXPOSURE)
    parts = [floats(table, name, n).astype(np.int64) for name in ("field", "ccdid", "qid")]
    kinds = list(zip([str(f) for f in column(table, "filter")], *(p.tolist() for p in parts), strict=True))
    flux_err = np.where(flux_err > 0, flux_err, np.nan)
    curves: list[LightCurve] = []
    for kind in sorted(set(kinds)):
        mine = np.array([k for k, other in enumerate(kinds) if other == kind])
        whole = LightCurve(
            source=str(row["name"]),
            survey=SURVEY,
            object_id="-".join(map(str, kind[1:])),
            filter=filters.get(kind[0], kind[0]),
            season=1,
            season_of=1,
            flux_unit="uJy",
            zero_point=MICROJANSKY,
            mjd=mjd[mine],
            flux=flux[mine],
            flux_err=flux_err[mine],
            flag=flag[mine],
            bad=bad[mine],
            live=live[mine],
            exptime=EXPOSURE,
        )
        curves += in_seasons(whole, gap_days, drop_bad=drop_bad)
    return curves
