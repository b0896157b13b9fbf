"""Columns of the branch's tables, declared once.

Maps, lists and single bytes are Parquet's own types; FITS, VOTable and CSV, which have no such types, get
maps and lists as JSON text and bytes as 16-bit integers. The declarations below are those of the second
kind; `NESTED` says what Parquet holds instead.
"""

from __future__ import annotations

from collections.abc import Mapping

from ephemera.tables import Column, TableDeclaration

SOURCE = TableDeclaration(
    "source",
    "Sources of the catalogue, one row each.",
    (
        Column("name", "str", None, "meta.id;meta.main", "Name in the catalogue"),
        Column("cat_index", "i8", None, "meta.record", "Row number in the catalogue, from 0"),
        Column("ra", "f8", "deg", "pos.eq.ra;meta.main", "Right ascension, ICRS, at the epoch"),
        Column("dec", "f8", "deg", "pos.eq.dec;meta.main", "Declination, ICRS, at the epoch"),
        Column("epoch", "f8", "yr", "time.epoch", "Julian year of the position"),
        Column("pmra", "f8", "mas.yr-1", "pos.pm;pos.eq.ra", "Proper motion in RA, times cos(dec)"),
        Column("pmdec", "f8", "mas.yr-1", "pos.pm;pos.eq.dec", "Proper motion in declination"),
        Column("parallax", "f8", "mas", "pos.parallax", "Parallax"),
        Column("mag", "f4", "mag", "phot.mag", "Magnitude"),
        Column("mag_err", "f4", "mag", "stat.error;phot.mag", "Error of the magnitude"),
        Column("mag_band", "str", None, "instr.bandpass", "Band of the magnitude"),
        Column("mags", "str", "mag", "phot.mag", "Other magnitudes, by band"),
        Column("local_ids", "str", None, "meta.id.cross", "Names elsewhere, by kind"),
    ),
)
GAIA = TableDeclaration(
    "gaia",
    "What the Gaia archive knows of sources.",
    (
        Column("name", "str", None, "meta.id;meta.main", "Name in the catalogue"),
        Column("source_id", "i8", None, "meta.id.cross", "Gaia's number"),
        Column("separation", "f8", "arcsec", "pos.angDistance", "Distance at the catalogue's epoch"),
        Column("pmra", "f8", "mas.yr-1", "pos.pm;pos.eq.ra", "Proper motion in RA, times cos(dec)"),
        Column("pmdec", "f8", "mas.yr-1", "pos.pm;pos.eq.dec", "Proper motion in declination"),
        Column("parallax", "f8", "mas", "pos.parallax", "Parallax"),
        Column("phot_g_mean_mag", "f8", "mag", "phot.mag;em.opt", "G"),
        Column("phot_bp_mean_mag", "f8", "mag", "phot.mag;em.opt.B", "BP"),
        Column("phot_rp_mean_mag", "f8", "mag", "phot.mag;em.opt.R", "RP"),
    ),
)
REJECTED = TableDeclaration(
    "rejected",
    "Rows of the catalogue that cannot be used.",
    (
        Column("row", "i8", None, "meta.record", "Row number in the catalogue, from 0"),
        Column("name", "str", None, "meta.id", "Name in the catalogue"),
        Column("reason", "str", None, "meta.note", "Why it cannot be used"),
    ),
)
ORPHAN = TableDeclaration(
    "orphan",
    "Raw files on disk that belong to no source of the catalogue.",
    (
        Column("survey", "str", None, "meta.dataset", "Survey"),
        Column("path", "str", None, "meta.ref.file", "File in the raw store"),
        Column("reason", "str", None, "meta.note", "Why it belongs to none"),
    ),
)
RAW = TableDeclaration(
    "raw",
    "What each survey returned for each source.",
    (
        Column("source", "str", None, "meta.id;meta.main", "Name in the catalogue"),
        Column("survey", "str", None, "meta.dataset", "Survey asked"),
        Column("path", "str", None, "meta.ref.file", "File in the raw store"),
        Column("status", "str", None, "meta.code.status", "ok, empty, missing, stale or error"),
        Column("reason", "str", None, "meta.note", "Why there are no rows, or what failed"),
        Column("n_rows", "i8", None, "meta.number", "Rows returned"),
        Column("bytes", "i8", "byte", "meta.number", "Size of the file"),
        Column("mjd_first", "f8", "d", "time.start", "First time"),
        Column("mjd_last", "f8", "d", "time.end", "Last time"),
        Column("request", "str", None, "meta.code", "What was asked, JSON"),
        Column("fetched_utc", "str", None, "time.creation", "When it was fetched"),
        Column("sha256", "str", None, "meta.code", "Checksum of the file"),
    ),
)
OUTCOME = TableDeclaration(
    "outcome",
    "What became of each source in each survey.",
    (
        Column("source", "str", None, "meta.id;meta.main", "Name in the catalogue"),
        Column("survey", "str", None, "meta.dataset", "Survey"),
        Column("status", "str", None, "meta.code.status", "ok, empty, missing, stale or error"),
        Column("reason", "str", None, "meta.note", "Why there is nothing"),
        Column("n_curves", "i4", None, "meta.number", "Light curves"),
    ),
)
FAILURE = TableDeclaration(
    "failure",
    "Sources and light curves that a plug-in failed for.",
    (
        Column("source", "str", None, "meta.id;meta.main", "Name in the catalogue"),
        Column("survey", "str", None, "meta.dataset", "Survey"),
        Column("curve_id", "str", None, "meta.id.part", "Light curve; null for a whole source"),
        Column("reason", "str", None, "meta.note", "What the plug-in raised"),
    ),
)
CURVE = TableDeclaration(
    "curve",
    "Light curves: one survey, filter, object and season each.",
    (
        Column("curve_id", "str", None, "meta.id;meta.main", "source:survey:filter:object:season"),
        Column("source", "str", None, "meta.id.parent", "Name in the catalogue"),
        Column("survey", "str", None, "meta.dataset", "Survey"),
        Column("object_id", "str", None, "meta.id.part", "The survey's own name of the object"),
        Column("filter", "str", None, "instr.filter", "Filter"),
        Column("season", "i4", None, "meta.number", "Season, from 1 by time of start"),
        Column("season_of", "i4", None, "meta.number", "Seasons of the object"),
        Column("n", "i4", None, "meta.number", "Epochs"),
        Column("n_good", "i4", None, "meta.number", "Usable epochs"),
        Column("flux_unit", "str", None, "meta.unit", "Unit of flux: uJy or e-/s"),
        Column("mean", "f8", None, "phot.flux;stat.mean", "Robust mean of flux, in flux_unit"),
        Column("rms", "f8", None, "phot.flux;stat.stdev", "Robust scatter of flux, in flux_unit"),
        Column("mag_mean", "f4", "mag", "phot.mag;stat.mean", "Magnitude of the mean flux"),
        Column("mag_rms", "f4", "mag", "phot.mag;stat.stdev", "Scatter as magnitude"),
        Column("zero_point", "f4", "mag", "phot.mag;arith.zp", "Magnitude of flux 1"),
        Column(
            "zero_point_measured", "f4", "mag", "phot.mag;arith.zp", "Zero point from a catalogue magnitude"
        ),
        Column("exptime", "f8", "s", "time.duration;obs.exposure", "Median exposure of an epoch"),
        Column("cadence", "f8", "s", "time.interval", "Median step between usable epochs"),
        Column("live", "f8", "s", "time.duration;obs.exposure", "Live time of usable epochs, summed"),
        Column("uniform", "bool", None, "meta.code", "Whether 90 % of the steps agree to 1 %"),
        Column("snr_min", "f4", None, "stat.snr;stat.min", "Lowest excursion of usable epochs"),
        Column("snr_max", "f4", None, "stat.snr;stat.max", "Highest excursion of usable epochs"),
        Column("dmag_min", "f4", "mag", "phot.mag;stat.min", "Lowest brightening of usable epochs"),
        Column("dmag_max", "f4", "mag", "phot.mag;stat.max", "Highest brightening of usable epochs"),
    ),
)
EPOCH = TableDeclaration(
    "epoch",
    "Epochs of light curves with their scores; quality columns of a plug-in follow.",
    (
        Column("curve_id", "str", None, "meta.id;meta.main", "Light curve"),
        Column("mjd", "f8", "d", "time.epoch", "Modified Julian date in the survey's scale (TESS: TDB)"),
        Column("time_bjd_tdb", "f8", "d", "time.epoch", "Barycentric Julian date, TDB"),
        Column("flux", "f8", None, "phot.flux", "Flux, in the curve's flux_unit"),
        Column("flux_err", "f8", None, "stat.error;phot.flux", "Error of flux"),
        Column("mag", "f4", "mag", "phot.mag", "Magnitude, null where flux is not positive"),
        Column("mag_err", "f4", "mag", "stat.error;phot.mag", "Error of the magnitude"),
        Column("snr", "f4", None, "stat.snr", "(flux - mean) / noise"),
        Column("snr_flux", "f4", None, "stat.snr", "flux / noise"),
        Column("dmag", "f4", "mag", "phot.mag", "Brightening, positive where brighter"),
        Column("score", "f4", None, "stat.value", "The finder's own score; null where that is snr"),
        Column("offset", "f4", None, "stat.value", "Offset score of the position"),
        Column("flag", "i8", None, "meta.code.qual", "The survey's bits, untouched"),
        Column("bad", "bool", None, "meta.code.qual", "Flagged by the survey or by a fault of the row"),
        Column("qflag", "bool", None, "meta.code.qual", "bad, or failed by a quality value"),
        Column("detected", "bool", None, "meta.code", "Belongs to an event"),
        Column("live", "f8", "s", "time.duration;obs.exposure", "Live time of the epoch"),
        Column("x", "f8", None, "pos", "Right ascension (deg) or pixel column"),
        Column("y", "f8", None, "pos", "Declination (deg) or pixel row"),
    ),
)
DETECTION = TableDeclaration(
    "detection",
    "Events kept: runs of outlying epochs of one sign.",
    (
        Column("id", "str", None, "meta.id;meta.main", "Hash of the rest"),
        Column("curve_id", "str", None, "meta.id.parent", "Light curve"),
        Column("source", "str", None, "meta.id.parent", "Name in the catalogue"),
        Column("survey", "str", None, "meta.dataset", "Survey"),
        Column("filter", "str", None, "instr.filter", "Filter"),
        Column("method", "str", None, "meta.code.class", "Finder: runs, matched or a plug-in's name"),
        Column("sign", "i2", None, "meta.code", "1 brighter, -1 fainter"),
        Column("mjd_start", "f8", "d", "time.start", "First epoch"),
        Column("mjd_peak", "f8", "d", "time.epoch", "Epoch of the peak"),
        Column("mjd_end", "f8", "d", "time.end", "Last epoch"),
        Column("snr", "f8", None, "stat.snr", "Excursion at the peak, signed"),
        Column("score", "f8", None, "stat.value", "Score at the peak, signed"),
        Column("peak_mag", "f4", "mag", "phot.mag", "Magnitude at the peak"),
        Column("peak_dmag", "f4", "mag", "phot.mag", "Brightening at the peak"),
        Column("fluence", "f8", None, "phot.fluence", "Sum of (flux - mean) times live time, flux_unit s"),
        Column("n", "i4", None, "meta.number", "Epochs"),
        Column("touches_gap", "bool", None, "meta.code", "Starts or ends at a gap or an end of the curve"),
        Column("quality_flag", "bool", None, "meta.code.qual", "The peak's epoch has its qflag set"),
        Column("quality", "str", None, "meta.code.qual", "Worst value of each quality column"),
        Column("epochs", "str", None, "meta.record", "Row numbers in the light curve"),
        Column("kernel", "i4", None, "meta.record", "Template of the bank, null without"),
        Column("simulated", "bool", None, "meta.modelled", "Found in an injected light curve"),
        Column("injection_id", "str", None, "meta.id.cross", "Injection, null for real events"),
    ),
)
INJECTION = TableDeclaration(
    "injection",
    "Injected events: the truth, and whether they were recovered.",
    (
        Column("id", "str", None, "meta.id;meta.main", "source:survey:number"),
        Column("source", "str", None, "meta.id.parent", "Name in the catalogue"),
        Column("survey", "str", None, "meta.dataset", "Survey"),
        Column("curve_id", "str", None, "meta.id.parent", "Light curve"),
        Column("filter", "str", None, "instr.filter", "Filter"),
        Column("mag", "f4", "mag", "phot.mag", "Catalogue magnitude of the source"),
        Column("shape", "str", None, "meta.modelled", "Shape"),
        Column("sign", "i2", None, "meta.modelled", "1 brighter, -1 fainter"),
        Column("width_d", "f8", "d", "time.duration;meta.modelled", "Full width at half maximum"),
        Column("amplitude", "f8", None, "meta.modelled", "Amplitude in amplitude_unit"),
        Column("amplitude_unit", "str", None, "meta.unit", "noise, mean or mag"),
        Column("amplitude_flux", "f8", None, "phot.flux;meta.modelled", "Amplitude in flux_unit, signed"),
        Column("t0", "f8", "d", "time.epoch;meta.modelled", "Reference moment, MJD"),
        Column("recovered", "bool", None, "meta.code", "Found"),
        Column("detection_id", "str", None, "meta.id.cross", "The detection that recovered it"),
    ),
)
PROPERTIES = TableDeclaration(
    "properties",
    "One row for each source analysed, also for those without data.",
    (
        Column("source", "str", None, "meta.id;meta.main", "Name in the catalogue"),
        Column("status", "str", None, "meta.code.status", "ok, or the worst raw status or error"),
        Column("reason", "str", None, "meta.note", "Why there is nothing"),
        Column("has_data", "bool", None, "meta.code", "Whether there is a light curve"),
        Column("n_curves", "i4", None, "meta.number", "Light curves"),
        Column("n_epochs", "i8", None, "meta.number", "Epochs"),
        Column("n_good", "i8", None, "meta.number", "Usable epochs"),
        Column("best_snr", "f4", None, "stat.snr;stat.max", "Highest excursion of usable epochs"),
        Column("best_negative_snr", "f4", None, "stat.snr;stat.min", "Lowest excursion of usable epochs"),
        Column("n_detections", "i4", None, "meta.number", "Real events"),
        Column("n_positive", "i4", None, "meta.number", "Real brightenings"),
        Column("n_negative", "i4", None, "meta.number", "Real dips"),
        Column("n_flagged", "i4", None, "meta.number", "Real events whose peak is flagged"),
        Column("colours", "str", None, "phot.color", "Differences of median magnitudes between filters"),
    ),
)
EFFICIENCY = TableDeclaration(
    "efficiency",
    "Share of injected events that were recovered.",
    (
        Column("survey", "str", None, "meta.dataset", "Survey"),
        Column("filter", "str", None, "instr.filter", "Filter"),
        Column("shape", "str", None, "meta.modelled", "Shape"),
        Column("sign", "i2", None, "meta.modelled", "1 brighter, -1 fainter"),
        Column("width_low", "f8", "d", "time.duration", "Lower edge of the width bin"),
        Column("width_high", "f8", "d", "time.duration", "Upper edge of the width bin"),
        Column("amplitude_low", "f8", None, "meta.modelled", "Lower edge of the amplitude bin"),
        Column("amplitude_high", "f8", None, "meta.modelled", "Upper edge of the amplitude bin"),
        Column("mag", "f8", "mag", "phot.mag", "Centre of the bin of catalogue magnitude"),
        Column("n", "i8", None, "meta.number", "Injected"),
        Column("k", "i8", None, "meta.number", "Recovered"),
        Column("efficiency", "f8", None, "stat.probability", "k / n, null for n = 0"),
        Column("low", "f8", None, "stat.probability;stat.min", "Wilson interval, 68.27 %"),
        Column("high", "f8", None, "stat.probability;stat.max", "Wilson interval, 68.27 %"),
    ),
)
RATES = TableDeclaration(
    "rates",
    "Rates of events, or limits on them.",
    (
        Column("survey", "str", None, "meta.dataset", "Survey"),
        Column("filter", "str", None, "instr.filter", "Filter"),
        Column("shape", "str", None, "meta.modelled", "Shape whose efficiency is used"),
        Column("sign", "i2", None, "meta.modelled", "1 brighter, -1 fainter"),
        Column("n_events", "i8", None, "meta.number", "Real events that passed the quality check"),
        Column("exposure", "f8", "d", "time.duration;obs.exposure", "Exposure of all bins"),
        Column(
            "effective_exposure", "f8", "d", "time.duration;obs.exposure", "Sum of exposure times efficiency"
        ),
        Column("without_injections", "f8", "d", "time.duration;obs.exposure", "Exposure of bins left out"),
        Column("rate", "f8", "d-1", "stat.mean", "Events per day"),
        Column("low", "f8", "d-1", "stat.min", "68.27 % range"),
        Column("high", "f8", "d-1", "stat.max", "68.27 % range"),
        Column("limit_95", "f8", "d-1", "stat.max", "Upper limit, 95 %"),
        Column("efficiency_error", "f8", None, "stat.error", "Relative error of the effective exposure"),
    ),
)

#: What Parquet holds instead of text or 16 bits, by table and column.
NESTED: Mapping[str, Mapping[str, str]] = {
    "source": {"mags": "map_float", "local_ids": "map_text"},
    "detection": {"sign": "int8", "quality": "map_float", "epochs": "list_int32"},
    "injection": {"sign": "int8"},
    "properties": {"colours": "map_float"},
    "efficiency": {"sign": "int8"},
    "rates": {"sign": "int8"},
}
#: Column by which each table is sorted first, then the others that settle the order.
#: Tables of a project that are one file each; `epoch` is a file a batch.
TABLES = (
    *("source", "raw", "outcome", "curve", "detection", "injection"),
    *("features", "properties", "efficiency", "rates"),
)
#: Tables that also hold simulated rows.
MIXED = ("detection", "features")
KEYS: Mapping[str, tuple[str, ...]] = {
    "source": ("name",),
    "gaia": ("name",),
    "raw": ("source", "survey"),
    "outcome": ("source", "survey"),
    "curve": ("curve_id",),
    "epoch": ("curve_id",),
    "detection": ("id",),
    "injection": ("id",),
    "properties": ("source",),
    "features": ("curve_id", "injection_id"),
    "efficiency": ("survey", "filter", "shape", "sign", "width_low", "amplitude_low", "mag"),
    "rates": ("survey", "filter", "shape", "sign"),
}
