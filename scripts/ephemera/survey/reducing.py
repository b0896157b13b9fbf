"""How the raw rows of each survey become light curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ephemera.survey import demo, tess, ztf, ztf_forced
from ephemera.survey.light_curve import ANY_BIT, LightCurve
from ephemera.survey.store import Raw
from ephemera.survey.ztf_positions import at_survey_epoch


def reduce_raw(survey: str, raw: Raw, row: Mapping[str, Any], settings: Any) -> list[LightCurve]:
    """Light curves of one source. Raises SourceError or ValueError for rows that cannot be used."""
    bits = getattr(settings.bad_bits, survey, ANY_BIT)
    filters = vars(settings.filter_map)
    if survey == "DEMO":
        return demo.light_curves(raw.table, row, settings.gap_days, drop_bad=settings.drop_bad)
    if survey == "ZTF":
        ra, dec = at_survey_epoch(row)
        return ztf.light_curves(
            raw.table,
            {**row, "ra": ra, "dec": dec},
            gap_days=settings.gap_days,
            mag_range=settings.mag_range,
            radius_arcsec=settings.radius_arcsec,
            drop_bad=settings.drop_bad,
            bad_bits=bits,
            filters={**ztf.FILTERS, **filters},
        )
    if survey == ztf_forced.SURVEY:
        names = {**ztf_forced.FILTERS, **filters}
        return ztf_forced.light_curves(
            raw.table, row, settings.gap_days, drop_bad=settings.drop_bad, filters=names
        )
    if survey == "TESS":
        return tess.sectors(
            raw.table,
            raw.metadata,
            row["name"],
            flux=settings.tess_flux,
            position=settings.tess_position,
            bad_bits=bits,
            filter_name=filters.get("TESS", "tess_red"),
            drop_bad=settings.drop_bad,
        )
    if survey == "FILES":
        from ephemera.survey.own_curves import light_curves

        return light_curves(raw.table, raw.metadata, row, settings)
    from ephemera.survey.plugins import reduce_by_plugin

    return reduce_by_plugin(raw.table, row, settings)
