"""Columns of the tables that describe runs: how each ended, and its significant cells."""

from __future__ import annotations

from ephemera.tables import Column, TableDeclaration
from ephemera.xmm.key_columns import OBSID, SEARCH, SUBSET

_COUNTS = "phot.count;em.X-ray"

_KEY = (
    Column("runid", "str", None, "meta.id", "Run: obsid, subset, frame length, band"),
    OBSID,
    SUBSET,
    Column("grid", "i4", None, "meta.id", "Number of the pixel and frame grid, 0 is the main one"),
    *SEARCH,
)

RUNS = TableDeclaration(
    "runs",
    "Searches of one observation, one row for each subset, grid, frame length and band.",
    (
        *_KEY,
        Column("outcome", "str", None, "meta.code.status", "How the run ended"),
        Column("detail", "str", None, "meta.note", "What there is to say about the outcome"),
        Column("cautions", "str", None, "meta.code.qual", "What the run went on in spite of"),
        Column("cameras", "str", None, "meta.id;instr", "Cameras searched together"),
        Column("submode", "str", None, "meta.id;instr", "Submode of each camera"),
        Column("filter", "str", None, "meta.id;instr", "Filter of each camera"),
        Column("t_start", "f8", "s", "time.start", "Start of the span, TT since MJDREF"),
        Column("t_stop", "f8", "s", "time.end", "End of the span, TT since MJDREF"),
        Column("n_frames", "i4", None, "meta.number", "Frames"),
        Column("n_bti", "i4", None, "meta.number", "Frames of flaring background"),
        Column("n_bccd", "i4", None, "meta.number", "Frames not searched"),
        Column("exposure", "f8", "s", "time.duration;obs.exposure", "Exposed time of the frames searched"),
        Column("n_events", "i8", "count", _COUNTS, "Events in the band"),
        Column("mean_rate", "f8", "ct/s", "arith.rate;phot.count;em.X-ray", "n_events over the span"),
        Column("n_filled", "i8", None, "meta.number", "Cells that hold events"),
        Column("n_cells", "i8", None, "meta.number", "Cells searched"),
        Column("n_pixels", "i4", "pixel", "phys.angArea", "Pixels of the footprint"),
        Column("n_masked", "i4", "pixel", "phys.angArea", "Pixels of known and bright sources"),
        Column("template_bti", "str", None, "meta.code", "Template of flaring frames: own or total"),
        Column("threshold_sigma", "f8", None, "stat.snr", "Significance asked for, in sigma"),
        Column("n_peaks", "i4", None, "meta.number", "Peak cells kept"),
        Column("n_eclipses", "i4", None, "meta.number", "Eclipse cells kept"),
        Column("n_rejected", "i4", None, "meta.number", "Cells rejected by the clean-up"),
        Column("n_false_expected", "f8", None, "stat.value", "Cells that chance alone would give"),
    ),
)

SIGNIFICANT_CELLS = TableDeclaration(
    "significant_cells",
    "Cells whose counts the expectation cannot explain, with the verdict of the clean-up.",
    (
        *_KEY[2:4],
        Column("t_bin", "f8", "s", "time.interval", "Frame length"),
        Column("band_low", "i4", "eV", "em.energy;stat.min", "Lower edge of the band"),
        Column("band_high", "i4", "eV", "em.energy;stat.max", "Upper edge of the band"),
        Column("i", "i4", "pixel", "pos.cartesian.x;instr", "Pixel column, from 0"),
        Column("j", "i4", "pixel", "pos.cartesian.y;instr", "Pixel row, from 0"),
        Column("frame", "i4", None, "meta.number", "Frame, from 0"),
        Column("kind", "u1", None, "meta.code.class", "0 peak, 1 eclipse"),
        Column("n", "i8", "count", _COUNTS, "Observed counts"),
        Column("mu", "f8", "count", "phot.count;em.X-ray;stat.mean", "Expected counts"),
        Column("log10_b", "f8", None, "stat.likelihood", "log10 Bayes factor"),
        Column("sigma", "f8", None, "stat.snr", "Significance, in sigma"),
        Column("reason", "u1", None, "meta.code.qual", "0 kept, else why the clean-up rejects the cell"),
    ),
)
