"""Tables of light curves and spectra: their columns, with units and descriptions."""

from __future__ import annotations

from ephemera.tables import Column, TableDeclaration

LIGHT_CURVES = TableDeclaration(
    "light_curves",
    "Light curves of series and bands, relative to the median of the baseline.",
    (
        Column("series", "str", None, "meta.id", "Detector and order"),
        Column("band", "str", None, "meta.id;em", "Name of the band; white for all channels"),
        Column("time", "f8", "d", "time.epoch", "Mid-time of the integration, days since JD 2400000.5"),
        Column("time_scale", "str", None, "time.scale", "Time scale of the column time"),
        Column("hours", "f8", "h", "time.duration", "Hours since the first valid integration of the dataset"),
        Column("visit", "i4", None, "meta.id", "Number of the visit, from 1"),
        Column("integration", "i8", None, "meta.id", "Integration number, unwrapped"),
        Column("flux_norm", "f8", None, "phot.flux;arith.ratio", "Relative flux"),
        Column("flux_err", "f8", None, "stat.error;phot.flux", "Standard error of flux_norm"),
        Column("n_channels", "i4", None, "meta.number", "Valid channels that entered"),
        Column(
            "flux_sum",
            "f8",
            None,
            "phot.flux",
            "Plain sum of the flux over valid channels, unit in the header",
        ),
        Column("sum_incomplete", "bool", None, "meta.code.qual", "Channels are missing in the plain sum"),
        Column(
            "flag", "u1", None, "meta.code.qual", "Bits: 1 time repaired, 2 regridded, 4 few valid channels"
        ),
    ),
)

SPECTRUM = TableDeclaration(
    "spectrum_median",
    "Median spectrum of each series over the baseline, and how its channels scatter.",
    (
        Column("series", "str", None, "meta.id", "Detector and order"),
        Column("wavelength", "f8", "um", "em.wl", "Wavelength"),
        Column("flux", "f8", None, "phot.flux;stat.median", "Median flux, unit in the header"),
        Column("scatter", "f8", None, "stat.stdev", "1.4826 MAD of the relative flux"),
        Column("scatter_diff", "f8", None, "stat.stdev", "Scatter of successive differences over sqrt 2"),
        Column("error", "f8", None, "stat.error", "Median relative error"),
        Column("excess", "f8", None, "stat.stdev", "Root of scatter squared less error squared, 0 or more"),
        Column("n_valid", "i8", None, "meta.number", "Valid integrations of the baseline"),
    ),
)

MATRIX = TableDeclaration(
    "matrix",
    "One row per cell of the matrix.",
    (
        Column("series", "str", None, "meta.id", "Detector and order"),
        Column("time", "f8", "d", "time.epoch", "Mid-time of the integration, days since JD 2400000.5"),
        Column("wavelength", "f8", "um", "em.wl", "Wavelength"),
        Column("flux", "f4", None, "phot.flux", "Flux"),
        Column("error", "f4", None, "stat.error", "Standard error of the flux"),
        Column("mask", "u1", None, "meta.code.qual", "Mask bits"),
    ),
)
