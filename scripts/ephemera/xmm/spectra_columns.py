"""Columns of the tables of spectra and of hardness of bursts."""

from __future__ import annotations

from ephemera.tables import Column, TableDeclaration

_COUNTS = "phot.count;em.X-ray"

SPECTRA = TableDeclaration(
    "spectra",
    "Spectra of bursts: counts of a region in its significant frames by energy, and those of its neighbours.",
    (
        Column("detid", "str", None, "meta.id;meta.main", "Detection"),
        Column("e_min", "f8", "keV", "em.energy;stat.min", "Lower edge of the bin"),
        Column("e_max", "f8", "keV", "em.energy;stat.max", "Upper edge of the bin"),
        Column("counts", "i4", "count", _COUNTS, "Counts of the region in its significant frames"),
        Column("background", "f8", "count", f"{_COUNTS};stat.mean", "Of these expected without the burst"),
        Column(
            "neighbours", "i4", "count", _COUNTS, "Counts of the neighbours from which background is made"
        ),
        Column("scale", "f8", None, "arith.ratio", "background / neighbours"),
        Column(
            "source", "str", None, "meta.code", "Neighbours: ring (same frames) or other frames (same place)"
        ),
        Column("exposure", "f8", "s", "time.duration;obs.exposure", "Exposed time of the significant frames"),
    ),
)

HARDNESS = TableDeclaration(
    "hardness",
    "Hardness of bursts by frame, for detections of the band that a soft and a hard one make up.",
    (
        Column("detid", "str", None, "meta.id;meta.main", "Detection"),
        Column("time", "f8", "s", "time.epoch", "Start of the frame, TT since MJDREF"),
        Column("time_mjd", "f8", "d", "time.epoch", "Middle of the frame, MJD (TT)"),
        Column("n_soft", "i4", "count", "phot.count;em.X-ray.soft", "Counts of the soft band"),
        Column("n_hard", "i4", "count", "phot.count;em.X-ray.hard", "Counts of the hard band"),
        Column(
            "rate", "f8", "count/s", "arith.rate;phot.count;em.X-ray", "Rate above expectation, both bands"
        ),
        Column("soft", "f8", "count", "phot.count;em.X-ray.soft", "Counts above expectation, soft band"),
        Column("hard", "f8", "count", "phot.count;em.X-ray.hard", "Counts above expectation, hard band"),
        Column("hr", "f8", None, "phot.color;em.X-ray", "Hardness (H - S) / (H + S) of the excess"),
        Column("hr_low", "f8", None, "phot.color;em.X-ray;stat.min", "15.87 % quantile of the hardness"),
        Column("hr_high", "f8", None, "phot.color;em.X-ray;stat.max", "84.13 % quantile of the hardness"),
    ),
)
