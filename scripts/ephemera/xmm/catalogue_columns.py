"""Columns of the catalogue: detections with their source, unique sources, outcomes."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

from ephemera.tables import Column, TableDeclaration
from ephemera.xmm.detection_columns import DETECTION_COLUMNS
from ephemera.xmm.key_columns import OBSID, SUBSET

if TYPE_CHECKING:
    from ephemera.job import Job

_SRCID = Column("srcid", "i8", None, "meta.id", "Source to which the detection belongs")

CATALOGUE_DETECTIONS = TableDeclaration(
    "detections",
    "Bursts and eclipses: one row for each region of each run.",
    (DETECTION_COLUMNS[0], _SRCID, *DETECTION_COLUMNS[1:]),
)

#: Flags of a source; all but filt_5sig hold where they hold for every detection that was looked at.
SOURCE_FLAGS = {
    "filt_5sig": "Any detection has 5 sigma",
    "filt_large": "All detections are larger than a point source can make",
    "filt_tbin_5_n_l_5": "All detections have frames of 5 s and fewer than 5 counts in any",
    "filt_g_20_detections": "All detections are of runs with more than 20 regions",
    "filt_exclude_obsid": "All detections are of bad observations",
    "filt_hot_region": "All detections lie in hot regions of the detectors; null if not known",
    "filt_bright_wing": "All detections lie near bright listed sources; null if not known",
    "filt_raw_pixel": "All detections have more than half of their events in one raw pixel",
    "filt_one_camera": "All detections have all of their excess in one camera though others were exposed",
}

SOURCES = TableDeclaration(
    "sources",
    "Unique sources: detections of all runs and observations that lie together on the sky.",
    (
        Column("srcid", "i8", None, "meta.id;meta.main", "Source"),
        Column("name", "str", None, "meta.id", "Name made of the position"),
        Column("ra", "f8", "deg", "pos.eq.ra;meta.main", "Right ascension, mean of the detections"),
        Column("dec", "f8", "deg", "pos.eq.dec;meta.main", "Declination, mean of the detections"),
        Column("poserr", "f8", "arcsec", "stat.error;pos.eq", "Radial 1 sigma error of ra, dec"),
        Column("n_detections", "i4", None, "meta.number", "Detections"),
        Column("n_obs", "i4", None, "meta.number", "Observations with a detection"),
        Column("best_sigma", "f8", None, "stat.snr", "Largest significance of a cell, in sigma"),
        Column("best_detid", "str", None, "meta.id.assoc", "Detection with that cell"),
        Column("max_sep", "f8", "arcsec", "pos.angDistance;stat.max", "Largest separation of two detections"),
        Column("first_seen", "f8", "d", "time.epoch;stat.min", "First peak or eclipse, MJD (TT)"),
        Column("last_seen", "f8", "d", "time.epoch;stat.max", "Last peak or eclipse, MJD (TT)"),
        Column("n_peaks_total", "i4", None, "meta.number", "Groups of significant frames in all detections"),
        Column("hr", "f8", None, "phot.color;em.X-ray", "Hardness (H - S) / (H + S) of best_detid"),
        Column(
            "flux_peak",
            "f8",
            "erg.cm**-2.s**-1",
            "phot.flux;em.X-ray;stat.max",
            "Largest flux of any detection at its peak; see there",
        ),
        Column("chain", "bool", None, "meta.code.status", "Detections more than 40 arcsec apart"),
        Column("status", "str", None, "meta.code.status", "new, known, merged (took others in) or split"),
        *(Column(name, "bool", None, "meta.code.qual", text) for name, text in SOURCE_FLAGS.items()),
    ),
)

REGISTRY = TableDeclaration(
    "registry",
    "Every source that any version of the catalogue had; ids are never used again.",
    (
        Column("srcid", "i8", None, "meta.id;meta.main", "Source"),
        Column("name", "str", None, "meta.id", "Name it was given first; it stays"),
        Column("ra", "f8", "deg", "pos.eq.ra;meta.main", "Right ascension, as last seen"),
        Column("dec", "f8", "deg", "pos.eq.dec;meta.main", "Declination, as last seen"),
        Column("first_version", "str", None, "meta.version", "First catalogue version that had it"),
        Column("status", "str", None, "meta.code.status", "active, merged, or absent from this catalogue"),
        Column("merged_into", "i8", None, "meta.id.assoc", "Source that took it in"),
        Column("split_from", "i8", None, "meta.id.assoc", "Source of which it was a part"),
        Column("detids", "str", None, "meta.id.assoc", "Its detections when it was last seen"),
    ),
)

OUTCOMES = TableDeclaration(
    "outcomes",
    "How every event list, run and observation ended.",
    (
        OBSID,
        Column("file", "str", None, "meta.id;meta.file", "Event list or source list; null for runs"),
        Column("run", "str", None, "meta.id", "Run; null for files"),
        Column("outcome", "str", None, "meta.code.status", "Outcome or caution, by name"),
        Column("detail", "str", None, "meta.note", "What there is to say about it"),
    ),
)

BAD_TIMES = TableDeclaration(
    "bad_times",
    "Times of flaring background, by window length of the flare curve.",
    (
        OBSID,
        SUBSET,
        Column("window", "f8", "s", "time.interval", "Window length of the flare curve"),
        Column("start", "f8", "s", "time.start", "Start, TT since MJDREF"),
        Column("stop", "f8", "s", "time.end", "End, TT since MJDREF"),
        Column("start_mjd", "f8", "d", "time.start", "Start, MJD (TT)"),
        Column("stop_mjd", "f8", "d", "time.end", "End, MJD (TT)"),
        Column("mean_rate", "f8", "ct/s", "arith.rate;phot.count;em.X-ray", "Mean rate in 10-12 keV"),
        Column("threshold", "f8", "ct/s", "arith.rate;phot.count;em.X-ray", "Rate above which time is bad"),
    ),
)

SELECTION = TableDeclaration(
    "selection",
    "Rows of every event list before and after each cut, in the order of the cuts.",
    (
        OBSID,
        Column("file", "str", None, "meta.id;meta.file", "Event list"),
        Column("step", "i4", None, "meta.number", "Number of the cut, from 0"),
        Column("cut", "str", None, "meta.code", "Name of the cut"),
        Column("rows_in", "i8", None, "meta.number", "Rows before"),
        Column("rows_out", "i8", None, "meta.number", "Rows after"),
    ),
)

CANDIDATES = TableDeclaration(
    "candidates",
    "Observations that a look may show to be bad; nothing is flagged because of this table.",
    (
        OBSID,
        Column("reason", "str", None, "meta.code", "Reason as in the table of bad observations, if known"),
        Column("evidence", "str", None, "meta.note", "What speaks for it"),
    ),
)


def catalogue_header(job: Job, n_observations: int) -> dict[str, str | int]:
    """Facts about the whole catalogue for the headers of its tables."""
    return {
        "project": job.wildcards.project,
        "version": metadata.version("ephemera"),
        "recipe": job.recipe["key"],
        "confhash": job.settings.configuration,
        "n_obs": n_observations,
    }
