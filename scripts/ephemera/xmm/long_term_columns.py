"""Columns of rates between observations: each source in each observation, and each source over all."""

from __future__ import annotations

from ephemera.tables import Column, TableDeclaration
from ephemera.xmm.key_columns import OBSID, SUBSET

_RATE = "arith.rate;phot.count;em.X-ray"
_COUNTS = "phot.count;em.X-ray"

STEADY_SOURCES = TableDeclaration(
    "steady_sources",
    "Sources of the image of one observation: those of its source list and bumps of the image.",
    (
        OBSID,
        SUBSET,
        Column("origin", "str", None, "meta.code", "list or image"),
        Column("ra", "f8", "deg", "pos.eq.ra;meta.main", "Right ascension"),
        Column("dec", "f8", "deg", "pos.eq.dec;meta.main", "Declination"),
        Column("sigma", "f8", None, "stat.snr", "Significance in the image; null for listed sources"),
    ),
)

LONG_TERM = TableDeclaration(
    "long_term",
    "Count rate of each source in each observation and camera that covers it.",
    (
        Column("ltid", "i8", None, "meta.id", "Source of the long-term tables, from 1"),
        Column("srcid", "i8", None, "meta.id", "Source of the catalogue; null for steady sources"),
        OBSID,
        SUBSET,
        Column("camera", "str", None, "meta.id;instr", "Camera"),
        Column("mjd", "f8", "d", "time.epoch", "Middle of the observation, MJD (TT)"),
        Column("off_axis", "f8", "arcmin", "pos.angDistance", "Angle from the reference of the event lists"),
        Column("exposure", "f8", "s", "time.duration;obs.exposure", "Exposed good time at the source"),
        Column("vignetting", "f8", None, "instr.calib;arith.ratio", "Effective area over that on axis"),
        Column("counts", "i8", "count", _COUNTS, "Counts in the circle"),
        Column(
            "background", "f8", "count", "phot.count;em.X-ray;instr.background", "Background expected in it"
        ),
        Column("covered", "f8", None, "stat.value", "Share of the circle that was exposed"),
        Column("rate", "f8", "ct/s", _RATE, "Rate on axis, background taken off, of the covered circle"),
        Column("rate_err", "f8", "ct/s", "stat.error;phot.count;em.X-ray", "Error of rate"),
        Column("upper_limit", "f8", "ct/s", "arith.rate;phot.count;em.X-ray;stat.max", "3 sigma upper limit"),
    ),
)

LONG_TERM_SOURCES = TableDeclaration(
    "long_term_sources",
    "Sources seen in more than one observation, and whether their count rate changed between them.",
    (
        Column("ltid", "i8", None, "meta.id;meta.main", "Source of the long-term tables, from 1"),
        Column("srcid", "i8", None, "meta.id", "Source of the catalogue; null for steady sources"),
        Column("name", "str", None, "meta.id", "Name made of the position"),
        Column("ra", "f8", "deg", "pos.eq.ra;meta.main", "Right ascension"),
        Column("dec", "f8", "deg", "pos.eq.dec;meta.main", "Declination"),
        Column("n_obs", "i4", None, "meta.number", "Observations that cover it"),
        Column("n_seen", "i4", None, "meta.number", "Observations in which it is seen (3 sigma)"),
        Column("rate_min", "f8", "ct/s", f"{_RATE};stat.min", "Least rate, mean of the cameras compared"),
        Column("rate_max", "f8", "ct/s", f"{_RATE};stat.max", "Largest rate, mean of the cameras compared"),
        Column("obsid_min", "str", None, "meta.id", "Observation with rate_min"),
        Column("obsid_max", "str", None, "meta.id", "Observation with rate_max"),
        Column("ratio", "f8", None, "stat.value", "rate_max / rate_min; null where rate_min is no detection"),
        Column("ratio_err", "f8", None, "stat.error", "Error of ratio"),
        Column("ratio_low", "f8", None, "stat.value;stat.min", "Ratio at least (3 sigma)"),
        Column("significance", "f8", None, "stat.snr", "Significance of rate_max - rate_min, in sigma"),
        Column("chi2", "f8", None, "stat.fit.chi2", "Chi-square of a constant rate"),
        Column("dof", "i4", None, "stat.fit.dof", "Degrees of freedom"),
        Column("pval", "f8", None, "stat.probability", "Chance probability of chi2"),
        Column("variable", "bool", None, "meta.code", "Changed by more than the threshold"),
        Column("cameras", "str", None, "meta.id;instr", "Cameras compared"),
    ),
)

LONG_TERM_RATES = TableDeclaration(
    "long_term_rates",
    "Count rate of each source in each observation, over the cameras that all observations share.",
    (
        Column("ltid", "i8", None, "meta.id", "Source of the long-term tables, from 1"),
        OBSID,
        Column("mjd", "f8", "d", "time.epoch", "Middle of the observation, MJD (TT)"),
        Column("rate", "f8", "ct/s", _RATE, "Mean rate of the cameras compared"),
        Column("rate_err", "f8", "ct/s", "stat.error;phot.count;em.X-ray", "Error of rate"),
    ),
)
