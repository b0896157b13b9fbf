"""The Zwicky Transient Facility's light curves as IRSA serves them, and their reduction.

Each object id (oid) is one filter, field, CCD and quadrant with a calibration of its own: oids are never
merged. Times are `mjd` (UTC, start of the exposure); `hjd` may be missing where `mjd` is good. Bit 32768 of
`catflags` marks bad data; the recommended choice takes epochs without any bit.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ephemera.survey.frames import scored_frame
from ephemera.survey.light_curve import ANY_BIT, LightCurve, faulty
from ephemera.survey.photometry import MICROJANSKY, flux_of
from ephemera.survey.raw_rows import column, field_of, floats, require_columns
from ephemera.survey.seasons import in_seasons

if TYPE_CHECKING:
    import pandas as pd

log = logging.getLogger(__name__)

#: Canonical names of the survey's filters.
FILTERS: Mapping[str, str] = {"zg": "ztf_g", "zr": "ztf_r", "zi": "ztf_i"}
#: Catalogue bands whose magnitudes may be compared with those of a filter.
COMPARABLE: Mapping[str, frozenset[str]] = {
    "ztf_g": frozenset({"g", "ztf_g", "sdss_g", "ps1_g", "Gaia_BP", "V"}),
    "ztf_r": frozenset({"r", "R", "ztf_r", "sdss_r", "ps1_r", "Gaia_G"}),
    "ztf_i": frozenset({"i", "I", "ztf_i", "sdss_i", "ps1_i", "Gaia_RP"}),
}
#: South of this declination (deg) and fainter than this magnitude the survey has nothing.
SOUTHERN_LIMIT, FAINT_LIMIT = -30.0, 20.5
#: Seconds of an exposure where the table does not say.
EXPOSURE = 30.0

REQUIRED = ("oid", "mjd", "mag", "magerr", "catflags", "filtercode", "ra", "dec")


def outside(dec: float, mag: float | None) -> str | None:
    """Reason why the survey cannot have a source, None if it may."""
    if dec < SOUTHERN_LIMIT:
        return "outside_survey"
    return "too_faint" if mag is not None and mag > FAINT_LIMIT else None


def light_curves(
    table: Any,
    source: Any,
    *,
    gap_days: float | None = 40,
    mag_range: float | None = None,
    radius_arcsec: float | None = 3,
    drop_bad: bool = False,
    bad_bits: int = ANY_BIT,
    filters: Mapping[str, str] = FILTERS,
) -> list[LightCurve]:
    """Light curves of a table of ZTF rows, ordered by filter, oid and season.

    `source` is a catalogue row with ra, dec (deg) and, optionally, name, mag, mag_band. Oids whose median
    position lies beyond `radius_arcsec`, or whose median magnitude differs by more than `mag_range` from a
    catalogue magnitude of a comparable band, are left out; null switches a cut off. Seasons are cut at
    gaps of one oid's own times, flagged rows included; `drop_bad` removes flagged rows after the cut.
    An oid with rows of several filters is split, with a warning. No oid left means no light curve.
    Raises ValueError for a table without the columns of the survey.
    """
    require_columns(table, REQUIRED, "a ZTF table")
    oid = column(table, "oid")
    codes = column(table, "filtercode").astype(str)
    found = []
    for number in np.unique(oid):
        mine = np.flatnonzero(oid == number)
        kinds = np.unique(codes[mine])
        if len(kinds) > 1:
            log.warning("oid %s holds rows of the filters %s: split", number, ", ".join(kinds))
        for code in kinds:
            rows = mine[codes[mine] == code]
            found.append((filters.get(str(code), str(code)), str(number), rows))
    curves: list[LightCurve] = []
    for filter_name, number, rows in sorted(found, key=lambda item: item[:2]):
        some = _Rows(table, rows)
        if not _belongs(some, source, filter_name, number, mag_range, radius_arcsec):
            continue
        curves += _cut(some, source, filter_name, number, gap_days, drop_bad, bad_bits)
    return curves


class _Rows:
    """Some rows of a table, by column."""

    def __init__(self, table: Any, rows: npt.NDArray[np.int64]) -> None:
        self._table, self._rows, self._n = table, rows, len(rows)
        self._total = len(column(table, "mjd"))

    def __getitem__(self, name: str) -> npt.NDArray[np.float64]:
        return floats(self._table, name, self._total)[self._rows]

    def integers(self, name: str) -> npt.NDArray[np.int64]:
        return column(self._table, name)[self._rows].astype(np.int64)


def _belongs(
    rows: _Rows,
    source: Any,
    filter_name: str,
    oid: str,
    mag_range: float | None,
    radius_arcsec: float | None,
) -> bool:
    """Whether an oid is the catalogue's source, by position and, where comparable, by brightness."""
    ra, dec = float(field_of(source, "ra")), float(field_of(source, "dec"))
    if radius_arcsec is not None:
        east = np.mod(rows["ra"] - ra + 180.0, 360.0) - 180.0
        away = np.hypot(np.nanmedian(east) * np.cos(np.radians(dec)), np.nanmedian(rows["dec"]) - dec) * 3600
        if not away <= radius_arcsec:
            log.info("oid %s is %.2f arcsec away: left out", oid, away)
            return False
    mag, band = field_of(source, "mag"), field_of(source, "mag_band")
    if mag_range is None or mag is None or str(band) not in COMPARABLE.get(filter_name, ()):
        return True
    mags = rows["mag"]
    differs = abs(float(np.median(mags[np.isfinite(mags)])) - float(mag)) if np.isfinite(mags).any() else 0
    if differs > mag_range:
        log.info("oid %s differs by %.2f mag from the catalogue: left out", oid, differs)
        return False
    return True


def _cut(
    rows: _Rows,
    source: Any,
    filter_name: str,
    oid: str,
    gap_days: float | None,
    drop_bad: bool,
    bad_bits: int,
) -> list[LightCurve]:
    """Seasons of one oid as light curves."""
    mjd, flags = rows["mjd"], rows.integers("catflags")
    flux, flux_err = flux_of(rows["mag"], rows["magerr"])
    bad = ((flags & bad_bits) != 0) | faulty(f"oid {oid}", mjd, flux, flux_err)
    live = rows["exptime"]
    whole = LightCurve(
        source=str(field_of(source, "name", "source")),
        survey="ZTF",
        object_id=oid,
        filter=filter_name,
        season=1,
        season_of=1,
        flux_unit="uJy",
        zero_point=MICROJANSKY,
        mjd=mjd,
        flux=flux,
        flux_err=np.where(flux_err > 0, flux_err, np.nan),
        flag=flags,
        bad=bad,
        live=np.where(np.isfinite(live), live, EXPOSURE),
        exptime=EXPOSURE,
        x=rows["ra"],
        y=rows["dec"],
        position="sky",
    )
    return in_seasons(whole, gap_days, drop_bad=drop_bad)


def reduce(
    table: Any,
    source: Any,
    gap_days: float | None = 40,
    mag_range: float | None = None,
    radius_arcsec: float | None = 3,
    drop_bad: bool = False,
) -> list[pd.DataFrame]:
    """Light curves as DataFrames with the columns of the table `epoch`, scores included.

    `table` is a pandas or Arrow table as IRSA gives it; see `light_curves` for the options. Metadata
    (curve_id, filter, season, mean, rms, ...) are in `attrs`. Nothing has been searched: detected is false.
    """
    curves = light_curves(
        table,
        source,
        gap_days=gap_days,
        mag_range=mag_range,
        radius_arcsec=radius_arcsec,
        drop_bad=drop_bad,
    )
    return [scored_frame(curve) for curve in curves]
