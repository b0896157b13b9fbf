"""Columns of the tables that say how complete and how pure a search is."""

from __future__ import annotations

from dataclasses import replace

from ephemera.tables import Column, TableDeclaration
from ephemera.xmm.key_columns import OBSID, SEARCH, SUBSET

_COUNTS = "phot.count;em.X-ray"
_SHARE = "stat.probability"

MODE = Column("mode", "str", None, "meta.code", "Way to search: main, time, all, second_pass or smooth_few")
SIGMA = Column("sigma", "f8", None, "stat.snr", "Least significance of what counts as found")
_RUN = tuple(replace(column, description=f"{column.description}; null: any run") for column in SEARCH)

RECOVERY = TableDeclaration(
    "recovery",
    "Simulated bursts and eclipses, and the most significant detection of each.",
    (
        OBSID,
        Column("kind", "str", None, "meta.code.class", "peak or eclipse"),
        Column("id", "i4", None, "meta.id", "Number among those of its kind in the observation"),
        Column("ra", "f8", "deg", "pos.eq.ra;meta.main", "True right ascension"),
        Column("dec", "f8", "deg", "pos.eq.dec;meta.main", "True declination"),
        Column("t_start", "f8", "s", "time.start", "True start, TT since MJDREF"),
        Column("t_stop", "f8", "s", "time.end", "True end, TT since MJDREF"),
        Column("counts_asked", "f8", "count", _COUNTS, "Counts asked for, over all cameras"),
        Column("counts_kept", "i8", "count", _COUNTS, "Counts drawn that a standard selection keeps"),
        Column("found", "bool", None, "meta.code", "Whether a detection matches"),
        Column("n_runs", "i4", None, "meta.number", "Runs with a matching detection"),
        Column("detid", "str", None, "meta.id.assoc", "Most significant matching detection"),
        Column("sigma", "f8", None, "stat.snr", "Its significance as a peak or an eclipse, in sigma"),
        Column("separation", "f8", "arcsec", "pos.angDistance", "Its distance from the true position"),
        Column("counts_excess", "f8", "count", _COUNTS, "Its counts in excess, or missing; median"),
    ),
)

COMPLETENESS = TableDeclaration(
    "completeness",
    "Share of injected bursts and eclipses that a search finds, in bins of one quantity.",
    (
        MODE,
        SIGMA,
        *_RUN,
        Column("kind", "str", None, "meta.code.class", "peak or eclipse"),
        Column("quantity", "str", None, "meta.id", "Quantity of the bins"),
        Column("low", "f8", None, "stat.min", "Lower edge of the bin, in the unit of the quantity"),
        Column("high", "f8", None, "stat.max", "Upper edge of the bin"),
        Column("mean", "f8", None, "stat.mean", "Mean of the quantity over the injections of the bin"),
        Column("value", "str", None, "meta.code", "The class, of a quantity that is no number"),
        Column("n", "i8", None, "meta.number", "Injections in the bin"),
        Column("n_found", "i8", None, "meta.number", "Those found"),
        Column("n_by_chance", "i8", None, "meta.number", "Those that a detection matches without injection"),
        Column("completeness", "f8", None, _SHARE, "n_found / n"),
        Column("ci_low", "f8", None, "stat.confidenceLevel;stat.min", "Wilson interval, 68.27 %"),
        Column("ci_high", "f8", None, "stat.confidenceLevel;stat.max", "Wilson interval, 68.27 %"),
    ),
)

FLUENCES = TableDeclaration(
    "fluences",
    "Fluences at which 50 % and 90 % of the bursts are found, from a logistic fit in ln fluence.",
    (
        MODE,
        SIGMA,
        *_RUN,
        Column("background", "str", None, "meta.code.class", "Frames of the peak: any, gti or bti"),
        Column("duration_low", "f8", "s", "time.duration;stat.min", "Shortest burst"),
        Column("duration_high", "f8", "s", "time.duration;stat.max", "Longest burst"),
        Column("n", "i8", None, "meta.number", "Bursts injected"),
        Column("n_found", "i8", None, "meta.number", "Bursts found"),
        Column("plateau", "f8", None, _SHARE, "Share found at large fluence; the rest is in gaps and masks"),
        Column("width", "f8", None, "stat.value", "Width of the logistic curve in ln fluence"),
        *(
            Column(f"fluence_{percent}{end}", "f8", "count", _COUNTS, text)
            for percent in (50, 90)
            for end, text in (
                ("", f"Counts at which {percent} % are found; null where nothing says so"),
                ("_low", "Its 68 % interval, lower end"),
                ("_high", "Its 68 % interval, upper end"),
            )
        ),
    ),
)

BIASES = TableDeclaration(
    "biases",
    "Bias and pull of what is measured of bursts that were found, against what was injected.",
    (
        *_RUN,
        Column("quantity", "str", None, "meta.id", "counts_excess (relative), position_x, _y (arcsec)"),
        Column("n", "i8", None, "meta.number", "Bursts found and measured"),
        Column("bias", "f8", None, "stat.value", "Median of measured minus true (counts: over true)"),
        Column("bias_error", "f8", None, "stat.error", "1.2533 times the standard error of the mean"),
        Column("pull_mean", "f8", None, "stat.mean", "Mean of (measured - true) / error"),
        Column("pull_std", "f8", None, "stat.stdev", "Standard deviation of it; 1 for right errors"),
    ),
)

SEARCH_MODES = TableDeclaration(
    "search_modes",
    "What shifted grids and a second pass gain and cost, against one grid and one pass.",
    (
        MODE,
        SIGMA,
        Column("n_grids", "i4", None, "meta.number", "Grids searched: the trials factor"),
        Column("n_passes", "i4", None, "meta.number", "Searches of each grid"),
        Column("n", "i8", None, "meta.number", "Bursts injected, the same in each mode"),
        Column("n_found", "i8", None, "meta.number", "Bursts found in any run"),
        Column("n_gained", "i8", None, "meta.number", "Bursts found here and not in mode main"),
        Column("n_lost", "i8", None, "meta.number", "Bursts found in mode main and not here"),
        Column("fluence_50", "f8", "count", _COUNTS, "Counts at which 50 % are found in any run"),
        Column("fluence_50_low", "f8", "count", _COUNTS, "Its 68 % interval, lower end"),
        Column("fluence_50_high", "f8", "count", _COUNTS, "Its 68 % interval, upper end"),
        Column("n_eclipses", "i8", None, "meta.number", "Eclipses injected"),
        Column("n_eclipses_found", "i8", None, "meta.number", "Eclipses found in any run"),
        Column("n_shuffles", "i8", None, "meta.number", "Searches of shuffled events"),
        Column("false_per_search", "f8", None, "stat.value", "Detections in one of them, all runs"),
        Column("false_low", "f8", None, "stat.min", "Its 68 % Poisson interval, lower end"),
        Column("false_high", "f8", None, "stat.max", "Its 68 % Poisson interval, upper end"),
    ),
)

FALSE_ALARMS = TableDeclaration(
    "false_alarms",
    "What is found where nothing comes or goes: Poisson draws of each run, and shuffled events.",
    (
        OBSID,
        SUBSET,
        Column(
            "method",
            "str",
            None,
            "meta.code",
            "poisson: drawn from mu; shuffled: times of events",
        ),
        MODE,
        *SEARCH,
        SIGMA,
        Column("selection", "str", None, "meta.code.qual", "all, or a flag and its value"),
        Column("n_draws", "i8", None, "meta.number", "Draws or shuffles searched"),
        Column("n_cells", "i8", None, "meta.number", "Cells searched in one of them"),
        Column("n_cells_found", "i8", None, "meta.number", "Significant cells in all; null: not counted"),
        Column("n_regions_found", "i8", None, "meta.number", "Detections in all of them"),
        Column("n_false_expected", "f8", None, "stat.value", "Cells that chance gives in one of them"),
    ),
)

PURITY = TableDeclaration(
    "purity",
    "Purity of what was found: 1 - false alarms expected / found, by run and by flag.",
    (
        Column("scope", "str", None, "meta.code", "run, or project for all observations together"),
        Column("runid", "str", None, "meta.id", "The run; null for a project"),
        SIGMA,
        Column("selection", "str", None, "meta.code.qual", "all, or a flag and its value"),
        Column("method", "str", None, "meta.code", "False alarms by: expected, poisson, shuffled"),
        Column("n_found", "i8", None, "meta.number", "Detections (method expected: cells)"),
        Column("n_false", "f8", None, "stat.value", "False ones expected among them"),
        Column("purity", "f8", None, _SHARE, "1 - n_false / n_found, at least 0; null for none"),
    ),
)
