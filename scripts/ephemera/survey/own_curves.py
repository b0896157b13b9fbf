"""Light curves from files of one's own: what columns mean, times as MJD, a curve a filter and season."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.survey.light_curve import ANY_BIT, LightCurve, faulty
from ephemera.survey.own_files import meanings
from ephemera.survey.photometry import MICROJANSKY, flux_of
from ephemera.survey.raw_rows import column, floats
from ephemera.survey.seasons import in_seasons
from ephemera.survey.time_columns import MJD_ZERO, find_time

if TYPE_CHECKING:
    import pyarrow as pa

#: Filter of light curves whose files name none.
NAMELESS = "clear"


def light_curves(
    table: pa.Table, metadata: Mapping[str, Any], row: Mapping[str, Any], settings: Any
) -> list[LightCurve]:
    """Seasons of each filter. Raises ValueError where columns do not tell what is needed."""
    n = len(table)
    if n == 0:
        return []
    # Files that the peer made say nothing: their columns are known by name.
    means: Mapping[str, str] = metadata.get("meanings") or meanings(table.column_names, {})
    bad_bits = getattr(settings.bad_bits, "FILES", ANY_BIT)
    whole = _all_epochs(table, metadata, means, str(row["name"]), bad_bits)
    filters = np.full(n, NAMELESS, object)
    if "filter" in means:
        filters = np.array([NAMELESS if f is None else str(f) for f in column(table, means["filter"])])
    names = {**vars(settings.filter_map)}
    curves: list[LightCurve] = []
    for filter_name in np.unique(filters):
        mine = whole.take(np.flatnonzero(filters == filter_name))
        mine = replace(mine, filter=names.get(str(filter_name), str(filter_name)))
        curves += in_seasons(mine, settings.gap_days, drop_bad=settings.drop_bad)
    return curves


def _all_epochs(
    table: pa.Table, metadata: Mapping[str, Any], means: Mapping[str, str], source: str, bad_bits: int
) -> LightCurve:
    """All rows of a file, whatever their filter."""
    n = len(table)
    name, kind = find_time(table.column_names, metadata.get("time_told"), means.get("time"))
    mjd = kind.mjd(column(table, name))
    flux, flux_err, zero_point, unit = _flux(table, means, float(metadata.get("zero_point", MICROJANSKY)))
    flag = np.zeros(n, np.int64)
    if "flag" in means:
        flag = np.nan_to_num(floats(table, means["flag"], n)).astype(np.int64)
    bad = ((flag & bad_bits) != 0) | faulty(source, mjd, flux, flux_err)
    given = float(metadata.get("exptime_s", 30.0))
    live = floats(table, means["exptime"], n) if "exptime" in means else np.full(n, given)
    place = "ra" in means and "dec" in means
    ra, dec = (floats(table, means[k], n) if place else None for k in ("ra", "dec"))
    return LightCurve(
        source=source,
        survey="FILES",
        object_id=source,
        filter=NAMELESS,
        season=1,
        season_of=1,
        flux_unit=unit,
        zero_point=zero_point,
        mjd=mjd,
        time_bjd_tdb=mjd + MJD_ZERO if kind.barycentric else None,
        flux=flux,
        flux_err=np.where(flux_err > 0, flux_err, np.nan),
        flag=flag,
        bad=bad,
        live=np.where(np.isfinite(live) & (live > 0), live, given),
        exptime=given,
        x=ra,
        y=dec,
        position="sky" if place else None,
    )


def _flux(table: pa.Table, means: Mapping[str, str], zero_point: float) -> tuple[Any, Any, float, str]:
    """Flux, error, zero point and unit, from fluxes where there are any, else from magnitudes."""
    n = len(table)
    if "flux" in means:
        error = floats(table, means["flux_err"], n) if "flux_err" in means else np.full(n, np.nan)
        return floats(table, means["flux"], n), error, zero_point, "flux"
    if "mag" not in means:
        msg = f"there is neither flux nor magnitude among {', '.join(table.column_names)}"
        raise ValueError(msg)
    error = floats(table, means["mag_err"], n) if "mag_err" in means else np.full(n, np.nan)
    flux, flux_err = flux_of(floats(table, means["mag"], n), error)
    return flux, flux_err, MICROJANSKY, "uJy"
