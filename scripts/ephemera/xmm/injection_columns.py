"""Columns of what was injected and of what each search found of it."""

from __future__ import annotations

from ephemera.tables import Column, TableDeclaration
from ephemera.xmm.completeness_columns import MODE
from ephemera.xmm.key_columns import OBSID, SEARCH, SUBSET

_COUNTS = "phot.count;em.X-ray"
_UNIT = "0.05 arcsec"

_KEY = (
    OBSID,
    SUBSET,
    Column("trial", "i4", None, "meta.id", "Number of the trial"),
    Column("id", "i4", None, "meta.id", "Number of the injection in its trial"),
)

INJECTIONS = TableDeclaration(
    "injections",
    "Bursts and eclipses injected into the events of observations: what was asked, drawn and kept.",
    (
        *_KEY,
        Column("kind", "str", None, "meta.code.class", "peak or eclipse"),
        Column("shape", "str", None, "meta.code.class", "box, gaussian, fred or eclipse"),
        Column("ra", "f8", "deg", "pos.eq.ra;meta.main", "Right ascension"),
        Column("dec", "f8", "deg", "pos.eq.dec;meta.main", "Declination"),
        Column("x", "f8", _UNIT, "pos.cartesian.x;instr", "Sky coordinate X (first is 1)"),
        Column("y", "f8", _UNIT, "pos.cartesian.y;instr", "Sky coordinate Y (first is 1)"),
        Column("off_axis", "f8", "arcmin", "pos.angDistance", "Angle from the reference of the event lists"),
        Column("t_peak", "f8", "s", "time.epoch", "Peak of a burst or middle of an eclipse, TT since MJDREF"),
        Column("t_start", "f8", "s", "time.start", "Start, TT since MJDREF"),
        Column("t_stop", "f8", "s", "time.end", "End, TT since MJDREF"),
        Column("duration", "f8", "s", "time.duration", "Duration, as its shape defines it"),
        Column("fluence", "f8", "count", _COUNTS, "Counts asked for over all cameras; of an eclipsed source"),
        Column("rate", "f8", "ct/s", "arith.rate;phot.count;em.X-ray", "Mean rate asked for, all cameras"),
        Column("depth", "f8", None, "stat.value", "Share of the photons that an eclipse removes"),
        Column("spectrum", "str", None, "meta.note", "Spectrum of the photons"),
        Column("adaptive", "bool", None, "meta.code", "Fluence drawn near the one found half of the time"),
        Column("n_drawn", "i8", "count", _COUNTS, "Photons drawn; of an eclipse those in its time"),
        Column("n_kept", "i8", "count", _COUNTS, "Photons that gaps, masks and selection left"),
        Column("n_removed", "i8", "count", _COUNTS, "Photons that an eclipse took away"),
        Column("n_pn", "i8", "count", _COUNTS, "Photons kept in EPIC-pn, over the whole span"),
        Column("n_m1", "i8", "count", _COUNTS, "Photons kept in MOS1, over the whole span"),
        Column("n_m2", "i8", "count", _COUNTS, "Photons kept in MOS2, over the whole span"),
    ),
)

FOUND = TableDeclaration(
    "found",
    "What each search found of each injection: its most significant matching detection.",
    (
        *_KEY,
        MODE,
        *SEARCH,
        Column("n_band", "i8", "count", _COUNTS, "Photons of the band from t_start to t_stop"),
        Column("background", "str", None, "meta.code.class", "Frame of t_peak: gti, bti or off"),
        Column("masked", "bool", None, "meta.code.qual", "The place lies on a known or bright source"),
        Column("by_chance", "bool", None, "meta.code.qual", "A detection matches without injection too"),
        Column("found", "bool", None, "meta.code", "Whether a detection matches"),
        Column("detid", "str", None, "meta.id.assoc", "Most significant matching detection"),
        Column("sigma", "f8", None, "stat.snr", "Its significance in the sense of the injection, in sigma"),
        Column("n_grids_found", "i4", None, "meta.number", "Grids on which it was found"),
        Column("dx", "f8", "arcsec", "pos.cartesian.x", "Found minus true position along -RA"),
        Column("dy", "f8", "arcsec", "pos.cartesian.y", "Found minus true position along Dec"),
        Column("poserr", "f8", "arcsec", "stat.error;pos.eq", "Radial 1 sigma error of the position found"),
        Column("counts_excess_q16", "f8", "count", _COUNTS, "Counts in excess or missing, 15.87 % quantile"),
        Column("counts_excess_q50", "f8", "count", _COUNTS, "The same, median"),
        Column("counts_excess_q84", "f8", "count", _COUNTS, "The same, 84.13 % quantile"),
    ),
)
