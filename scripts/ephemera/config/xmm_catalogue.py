"""Options of the XMM branch over many observations: sources, crossmatches, filters, long-term rates."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Gt
from pydantic import field_validator, model_validator

from ephemera.config.section import Section, option, subsection
from ephemera.xmm.crossmatch_columns import source_matches
from ephemera.xmm.crossmatch_presets import plan

Positive = Annotated[float, Gt(0)]
SET_NAME = r"^[a-z][a-z0-9_]{0,31}$"
COLUMN_NAME = r"^[A-Za-z][A-Za-z0-9_]*$"
#: Largest radius that the CDS X-Match service takes, arcsec.
LARGEST_SERVICE_RADIUS = 180.0
Operator = Literal["==", "!=", "<", "<=", ">", ">="]
Value = bool | float | str


class HotRegions(Section):
    """`xmm_hot_regions`: places on the detectors at which too many observations have detections."""

    method: Literal["detector", "legacy", "none"] = option(
        "detector",
        "Find them in detector coordinates of this sample, use the published rectangles, or look at none.",
    )
    table: str | None = option(
        None, "Table of hot cells that an earlier run wrote, used instead of this sample's own."
    )
    cell_units: Positive = option(400.0, "Side of a detector cell.", unit="0.05 arcsec")
    min_obsids: int = option(5, "A hot cell has detections in at least so many observations.", ge=2)
    max_probability: float = option(
        1e-6, "Chance probability of a cell's detections below which it is hot.", gt=0, lt=1
    )


class BadObjects(Section):
    """Names in OBJECT that make an observation a candidate for the table of bad observations."""

    solar_system_target: list[str] = option(
        ["Jupiter", "Saturn", "Mars", "Venus", "Comet", "Moon"], "Targets that move over the field."
    )
    bright_extended: list[str] = option(
        ["Puppis A", "Vela SNR", "Tycho", "Cas A", "Cassiopeia A", "Cygnus Loop", "Coma Cluster", "Perseus"],
        "Bright extended targets that fill the field.",
    )
    calibration: list[str] = option(["CalClosed", "Calibration"], "Exposures of the calibration lamp.")


class Catalogue(Section):
    """`xmm_catalogue`: one table of detections and one of unique sources over all observations."""

    cluster_radius_arcsec: Positive = option(
        20.0, "Detections closer than this are one source.", unit="arcsec"
    )
    linkage: Literal["single", "complete"] = option("single", "How detections join into sources.")
    registry: str | None = option(
        None, "Registry of an earlier catalogue, whose source ids are kept; null starts a new one."
    )
    catalogue_version: str = option(
        "1", "Version that new sources get as their first in the registry.", pattern=r"^[A-Za-z0-9._-]{1,32}$"
    )
    coverage_order: int = option(13, "HEALPix order of the coverage map.", ge=3, le=18)
    space_time_coverage: bool = option(False, "Also write the space-time coverage map.")
    bad_objects: BadObjects = subsection(BadObjects, "Names that make an observation a candidate for a flag.")
    max_pointing_drift_arcsec: Positive = option(
        10.0, "Drift of the pointing that makes an observation a candidate.", unit="arcsec"
    )
    max_angle_drift_deg: Positive = option(
        0.1, "Drift of the position angle that makes an observation a candidate.", unit="deg"
    )
    name_prefix: str = option("EPH", "Prefix of source names.", pattern=r"^[A-Za-z0-9]+$")


class Condition(Section):
    """A comparison of a column with a value; a missing value never fulfils it."""

    column: str = option(..., "Column compared.", pattern=COLUMN_NAME)
    op: Operator = option("==", "How it is compared.")
    value: Value = option(..., "What it is compared with.")


class MatchColumn(Section):
    """A column of a catalogue that is handed on with each match, as `<set>_<name>`."""

    name: str = option(..., "Name in the catalogue.", pattern=r"^[^\s,]+$")
    dtype: Literal["f8", "i8", "bool", "str"] = option("f8", "What it holds.")
    unit: str | None = option(None, "Unit.")
    ucd: str | None = option(None, "UCD; null takes one by what the column holds.")
    description: str | None = option(None, "Description; null takes the name.")


class CrossmatchSet(Section):
    """A catalogue to match with: a file, or a table of the CDS X-Match service.

    Names, columns and addresses of well-known catalogues come with the preset.
    """

    name: str = option(..., "Name of the set, the prefix of its columns.", pattern=SET_NAME)
    preset: str | None = option(None, "Well-known catalogue it is; null takes the name.")
    file: str | None = option(None, "Catalogue file (FITS, VOTable, CSV, Parquet).")
    cds: str | None = option(None, "Table of the CDS X-Match service, such as vizier:I/355/gaiadr3.")
    id: str | None = option(None, "Column of the identifier; null numbers the rows.")
    ra: str | None = option(None, "Column of right ascension, deg; null finds it by UCD, unit or name.")
    dec: str | None = option(None, "Column of declination, deg; null finds it by UCD, unit or name.")
    pm_ra: str | None = option(None, "Column of proper motion in right ascension times cos(dec), mas/yr.")
    pm_dec: str | None = option(None, "Column of proper motion in declination, mas/yr.")
    epoch: float | None = option(None, "Epoch of the positions, Julian year.", unit="yr")
    error_ra: str | None = option(None, "Column of the 1 sigma error in right ascension, deg on the sky.")
    error_dec: str | None = option(None, "Column of the 1 sigma error in declination, deg.")
    error_sigma: Positive = option(3.0, "Size of the error ellipse searched, in sigma.")
    radius_arcsec: Positive | None = option(None, "Radius; null takes the common one.", unit="arcsec")
    columns: list[MatchColumn] | None = option(
        None, "Columns handed on with a match; null takes the preset's."
    )
    variable: Condition | None = option(None, "Which of its sources it calls variable, for the comparison.")
    reference: bool | None = option(
        None, "Whether separations calibrate positional errors; null takes the preset's."
    )

    @model_validator(mode="after")
    def _usable(self) -> CrossmatchSet:
        how = plan(self.settings(), 1.0)
        source_matches(how.name, how.columns)
        if self.file is not None and self.cds is not None:
            message = f"set {self.name}: give a file or a table of the service, not both"
            raise ValueError(message)
        if self.file is None and self.variable is not None:
            message = f"set {self.name}: variable needs the whole catalogue; give its file"
            raise ValueError(message)
        return self


class Crossmatch(Section):
    """`xmm_crossmatch`: matches sources and detections with catalogues, local or remote."""

    sets: list[CrossmatchSet] = option([], "Catalogues to match with.")
    radius_arcsec: Positive = option(20.0, "Farthest a match may lie.", unit="arcsec")
    service: str = option(
        "http://cdsxmatch.u-strasbg.fr/xmatch/api/v1/sync", "Address of the CDS X-Match service."
    )
    chunk_rows: int = option(50_000, "Most positions sent at once.", ge=1, le=50_000)
    offline: bool = option(False, "Use kept answers only, never the network.")
    retries: int = option(4, "How often a failed request is repeated.", ge=0, le=20)
    connect_timeout_s: Positive = option(20.0, "Longest wait for a connection.", unit="s")
    read_timeout_s: Positive = option(600.0, "Longest silence of the service.", unit="s")
    chance_bins: int = option(20, "Bins of separation in the table of chance matches.", ge=1, le=1000)

    @field_validator("sets")
    @classmethod
    def _names_once(cls, sets: list[CrossmatchSet]) -> list[CrossmatchSet]:
        names = [each.name for each in sets]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            message = f"each set needs a name of its own, twice: {', '.join(twice)}"
            raise ValueError(message)
        return sets

    @model_validator(mode="after")
    def _near_enough(self) -> Crossmatch:
        for each in self.sets:
            radius = each.radius_arcsec or self.radius_arcsec
            if each.file is None and radius > LARGEST_SERVICE_RADIUS:
                message = (
                    f"set {each.name}: the service matches within {LARGEST_SERVICE_RADIUS:g} arcsec at most, "
                    f"radius_arcsec is {radius:g}; give a smaller one, or a file"
                )
                raise ValueError(message)
        return self


class SubsetMatrix(Section):
    """`xmm_subset_matrix`: which searches find the same; whether subsets are alike; reclustering."""

    radius_arcsec: Positive = option(15.0, "Detections closer than this are the same.", unit="arcsec")
    recluster: bool = option(True, "Also cluster each subset by itself and compare with the global labels.")


class Filter(Section):
    """One filter: conditions that all must hold."""

    name: str = option(..., "Name, part of the names of combinations.", pattern=r"^[A-Za-z0-9_.<>=-]+$")
    where: list[Condition] = option(..., "Conditions.", min_length=1)


class FilterGroup(Section):
    """Filters of which a combination holds at most one."""

    name: str = option(..., "Name of the group.", pattern=r"^[a-z][a-z0-9_]*$")
    filters: list[Filter] = option(..., "Filters.", min_length=1)


def _one(name: str, *conditions: tuple[str, str, Value]) -> Filter:
    where = [{"column": column, "op": operator, "value": value} for column, operator, value in conditions]
    return Filter.model_validate({"name": name, "where": where})


#: 4 x 4 x 5 x 5 x 2 x 2 = 1600 combinations.
DEFAULT_GROUPS = (
    FilterGroup(name="t_bin", filters=[_one(f"t_bin={t}", ("t_bin", "==", float(t))) for t in (5, 50, 200)]),
    FilterGroup(
        name="band",
        filters=[
            _one(f"band={low}-{high}", ("e_min", "==", low), ("e_max", "==", high))
            for low, high in ((0.2, 2.0), (2.0, 12.0), (0.2, 12.0))
        ],
    ),
    FilterGroup(
        name="significance",
        filters=[
            _one("5sig", ("filt_5sig", "==", True)),
            _one("peak>=5", ("sigma_peak", ">=", 5.0)),
            _one("eclipse>=5", ("sigma_eclipse", ">=", 5.0)),
            _one("either>=4", ("sigma_either", ">=", 4.0)),
        ],
    ),
    FilterGroup(
        name="quality",
        filters=[
            _one("not_bad_observation", ("filt_exclude_obsid", "==", False)),
            _one("detections<20", ("n_in_obsid", "<", 20.0)),
            _one("area<12", ("area_bbox", "<", 12.0)),
            _one("ratio_bccd<0.2", ("ratio_bccd", "<", 0.2)),
        ],
    ),
    FilterGroup(name="hot_region", filters=[_one("not_hot", ("filt_hot_region", "==", False))]),
    FilterGroup(name="few_counts", filters=[_one("not_few_counts", ("filt_tbin_5_n_l_5", "==", False))]),
)


class Filters(Section):
    """`xmm_filters`: selections of detections, alone and in all combinations."""

    groups: list[FilterGroup] | None = option(
        None, "Groups of filters; null takes the standard ones, whose 1600 combinations docs/xmm.md lists."
    )
    max_combinations: int = option(100_000, "Most combinations made.", ge=1)

    def chosen_groups(self) -> list[FilterGroup]:
        """The groups named, or the standard ones."""
        return list(DEFAULT_GROUPS) if self.groups is None else self.groups

    @model_validator(mode="after")
    def _bounded(self) -> Filters:
        number = 1
        groups = self.chosen_groups()
        for group in groups:
            number *= 1 + len(group.filters)
        if number > self.max_combinations:
            message = f"the groups give {number} combinations, max_combinations is {self.max_combinations}"
            raise ValueError(message)
        names = [each.name for group in groups for each in group.filters]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            message = f"each filter needs a name of its own, twice: {', '.join(twice)}"
            raise ValueError(message)
        return self


class Otypes(Section):
    """`xmm_otypes`: SIMBAD types of sources beside those of SIMBAD as a whole and of 4XMM.

    Made with a crossmatch set `simbad`; a set `xmm4` tells which sources 4XMM calls variable.
    """

    classes: str = option(
        "resources/xmm/otype_classes.csv", "Table that gives each type a class (columns otype, class)."
    )
    simbad_counts: str | None = option(
        None, "Table of the types of all of SIMBAD (columns otype, object_count)."
    )
    xmm_counts: str | None = option(
        None, "Table of the types of 4XMM (columns otype, object_count and, if known, n_variable)."
    )


class Rates(Section):
    """`xmm_rates`: steady sources of an observation, and images from which rates are measured."""

    band_kev: list[float] = option([0.2, 12.0], "Energy band.", unit="keV", min_length=2, max_length=2)
    min_sigma: Positive = option(5.0, "Significance above which a bump of the image is a source.")
    max_sources: int = option(1000, "Most sources taken from one observation.", ge=1)


class LongTerm(Section):
    """`xmm_long_term`: count rates of each source in all observations that cover it."""

    radius_arcsec: Positive = option(20.0, "Radius in which counts are summed.", unit="arcsec")
    background_arcsec: list[Positive] = option(
        [60.0, 120.0], "Inner and outer radius of the background ring.", unit="arcsec"
    )
    match_arcsec: Positive = option(10.0, "Steady sources closer than this are one.", unit="arcsec")
    min_sigma: Positive = option(5.0, "Significance above which a source is called variable.")

    @field_validator("background_arcsec")
    @classmethod
    def _ring(cls, edges: list[float]) -> list[float]:
        if len(edges) != 2 or not edges[0] < edges[1]:
            message = f"must be [inner, outer] with inner < outer, got {edges}"
            raise ValueError(message)
        return edges
