"""Columns of what is made of a whole sample: filters, subsets compared, hot regions, types."""

from __future__ import annotations

from dataclasses import replace

from ephemera.tables import Column, TableDeclaration
from ephemera.xmm.key_columns import SEARCH

#: File with the captions of the figures of a sample, in their order.
CAPTIONS = "captions.json"
_NUMBER = "meta.number"


def _search_of(subset: str) -> tuple[Column, ...]:
    """Frame length and band of one of two subsets compared."""
    return tuple(
        replace(column, name=f"{column.name}_{subset}", description=f"{column.description} of {subset}")
        for column in SEARCH
    )


FILTERS = TableDeclaration(
    "filters",
    "Each filter by itself.",
    (
        Column("filter", "str", None, "meta.id;meta.main", "Name of the filter"),
        Column("group", "str", None, "meta.id.parent", "Group, of which a combination holds at most one"),
        Column("conditions", "str", None, "meta.note", "What must hold"),
        Column("n_kept", "i8", None, _NUMBER, "Detections kept"),
        Column("n_removed", "i8", None, _NUMBER, "Detections removed, those of unknown value included"),
        Column("n_unknown", "i8", None, _NUMBER, "Detections removed because a value is missing"),
        Column("n_sources", "i8", None, _NUMBER, "Sources with a detection kept"),
    ),
)

COMBINATIONS = TableDeclaration(
    "combinations",
    "All combinations with at most one filter of each group.",
    (
        Column("combination", "i4", None, "meta.id;meta.main", "Number, 0 is no filter at all"),
        Column("name", "str", None, "meta.id", "Names of its filters joined by +; all for none"),
        Column("n_filters", "i4", None, _NUMBER, "Filters combined"),
        Column("n_detections", "i8", None, _NUMBER, "Detections kept"),
        Column("n_sources", "i8", None, _NUMBER, "Sources with a detection kept"),
    ),
)

#: The file has one more column of truth values for each filter, called filter_0, filter_1, ... in the
#: order of the table of filters.
FILTER_MASKS = TableDeclaration(
    "filter_masks",
    "Which detections each filter keeps.",
    (
        Column("detid", "str", None, "meta.id;meta.main", "Detection"),
        Column("srcid", "i8", None, "meta.id", "Source to which it belongs"),
    ),
)

SUBSET_MATRIX = TableDeclaration(
    "subset_matrix",
    "Share of the detections of one subset that another subset has too, in the same events.",
    (
        *_search_of("a"),
        *_search_of("b"),
        Column("n_a", "i8", None, _NUMBER, "Detections of a"),
        Column("n_b", "i8", None, _NUMBER, "Detections of b"),
        Column("n_matched", "i8", None, _NUMBER, "Detections of a with one of b within the radius"),
        Column("fraction", "f8", None, "stat.value", "n_matched / n_a; null when a is empty"),
    ),
)

SUBSET_INDICES = TableDeclaration(
    "subset_indices",
    "For each detection its nearest counterpart in every subset.",
    (
        Column("detid", "str", None, "meta.id;meta.main", "Detection"),
        Column("row", "i8", None, "meta.record", "Its row in the table of detections, from 0"),
        *_search_of("b"),
        Column("index", "i8", None, "meta.record", "Row of the counterpart; -1 for none"),
    ),
)

HOMOGENEITY = TableDeclaration(
    "homogeneity",
    "Chi-square tests of whether subsets of detections are alike.",
    (
        Column("property", "str", None, "meta.id", "Property whose values are counted"),
        Column("n_subsets", "i4", None, _NUMBER, "Subsets compared"),
        Column("n_values", "i4", None, _NUMBER, "Values of the property"),
        Column("n", "i8", None, _NUMBER, "Detections counted"),
        Column("chi2", "f8", None, "stat.fit.chi2", "Chi-square of the table of counts"),
        Column("dof", "i4", None, "stat.fit.dof", "Degrees of freedom"),
        Column("pval", "f8", None, "stat.probability", "Chance probability"),
        Column(
            "min_expected",
            "f8",
            "count",
            "phot.count;stat.min",
            "Least expected number (below 5 pval is rough)",
        ),
    ),
)

RECLUSTER = TableDeclaration(
    "recluster",
    "Sources of each subset: by the labels of the global clustering, and clustered by itself.",
    (
        *SEARCH,
        Column("n_detections", "i8", None, _NUMBER, "Detections of the subset"),
        Column("n_global", "i8", None, _NUMBER, "Global sources among them"),
        Column("n_alone", "i8", None, _NUMBER, "Sources when the subset is clustered by itself"),
        Column("n_same", "i8", None, _NUMBER, "Sources with the same members both ways"),
        Column("n_divided", "i8", None, _NUMBER, "Global sources that fall apart without the other subsets"),
    ),
)

HOT_REGIONS = TableDeclaration(
    "hot_regions",
    "Places on a detector at which too many observations have detections.",
    (
        Column("camera", "str", None, "meta.id;instr", "Camera; ROTATED for rotated sky coordinates"),
        SEARCH[0],
        Column("x0", "f8", "0.05 arcsec", "pos.cartesian.x;instr.det", "Lower edge in DETX or X'"),
        Column("y0", "f8", "0.05 arcsec", "pos.cartesian.y;instr.det", "Lower edge in DETY or Y'"),
        Column("width", "f8", "0.05 arcsec", "pos.cartesian.x;instr.det", "Width"),
        Column("height", "f8", "0.05 arcsec", "pos.cartesian.y;instr.det", "Height"),
        Column("n_detections", "i8", None, _NUMBER, "Detections in it"),
        Column("n_obsids", "i8", None, _NUMBER, "Observations with a detection in it"),
        Column(
            "n_expected", "f8", None, "meta.number;stat.mean", "Observations expected by its surroundings"
        ),
        Column("probability", "f8", None, "stat.probability", "Chance probability of n_obsids"),
    ),
)

HOT_FLAGS = TableDeclaration(
    "hot_flags",
    "Which detections lie in hot regions of the detectors.",
    (
        Column("detid", "str", None, "meta.id;meta.main", "Detection"),
        Column("filt_hot_region", "bool", None, "meta.code.qual", "In a hot region; null if not known"),
    ),
)

OTYPES = TableDeclaration(
    "otypes",
    "SIMBAD types and classes: how many, and what share, in each population.",
    (
        Column("population", "str", None, "meta.id", "Population counted"),
        Column("level", "str", None, "meta.code", "otype or class"),
        Column("value", "str", None, "meta.code.class", "Type or class; 'no match' for none"),
        Column("n", "i8", None, _NUMBER, "Members"),
        Column("percent", "f8", None, "stat.value", "Share of the population, in per cent"),
    ),
)
