"""What the pages of the report are made of: tables read once, and sorted by what pages ask for.

Products that a run did not make are absent, not empty: the pages then leave them out and say so.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ephemera.xmm.crossmatch_presets import SIMBAD
from ephemera.xmm.otypes import SIMBAD_TYPE

Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Observed:
    """What the event lists of an observation say: rows of facts for each subset."""

    obsid: str
    subsets: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True, eq=False)
class Selections:
    """Filters and their combinations; `kept` the rows of `Report.detections` that each filter keeps."""

    filters: Sequence[Row]
    combinations: Sequence[Row]
    kept: Mapping[str, frozenset[str]]

    def detids(self, combination: Row) -> frozenset[str] | None:
        """Detections that a combination keeps; None for all."""
        if not combination["n_filters"]:
            return None
        parts = [self.kept[name] for name in combination["name"].split("+")]
        return frozenset.intersection(*parts)


@dataclass(frozen=True, eq=False)
class Report:
    """Everything that the pages of one project show.

    `matches` holds a row for each source by set, `catalogues` how matching with each ended, `figures` the
    names of files by observation, `sample` section, file and caption of the figures of the sample.
    """

    project: str
    observations: Mapping[str, Observed]
    detections: Sequence[Row]
    sources: Sequence[Row]
    runs: Sequence[Row]
    outcomes: Sequence[Row]
    candidates: Sequence[Row]
    figures: Mapping[str, Sequence[str]] = field(default_factory=dict)
    sample: Sequence[Row] = ()
    matches: Mapping[str, Mapping[int, Row]] = field(default_factory=dict)
    catalogues: Sequence[Row] = ()
    rates: Mapping[int, Sequence[Row]] = field(default_factory=dict)
    changes: Sequence[Row] = ()
    selections: Selections | None = None
    recovery: Sequence[Row] | None = None
    max_sources: int = 500
    max_filters: int = 100
    max_rows: int = 2000

    @cached_property
    def ranked(self) -> list[Row]:
        """Sources, the most significant first."""
        return sorted(self.sources, key=lambda row: (-(row["best_sigma"] or 0.0), row["srcid"]))

    @cached_property
    def with_page(self) -> frozenset[int]:
        """Sources that have a page."""
        return frozenset(row["srcid"] for row in self.ranked[: self.max_sources])

    @cached_property
    def names(self) -> dict[int, str]:
        """Name of each source."""
        return {row["srcid"]: row["name"] for row in self.sources}

    @cached_property
    def by_source(self) -> dict[int, list[Row]]:
        """Detections of each source, the most significant first."""
        return _grouped(self.detections, "srcid")

    @cached_property
    def by_observation(self) -> dict[str, list[Row]]:
        """Detections of each observation, the most significant first."""
        return _grouped(self.detections, "obsid")

    @cached_property
    def types(self) -> dict[str, list[Row]]:
        """Sources of each SIMBAD type, types in order of their number."""
        found: dict[str, list[Row]] = defaultdict(list)
        for source in self.ranked:
            otype = self.type_of(source["srcid"])
            if otype:
                found[otype].append(source)
        return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))

    def type_of(self, srcid: int) -> str | None:
        """SIMBAD type of a source, if there is one."""
        match = self.matches.get(SIMBAD, {}).get(srcid)
        return None if match is None else match.get(SIMBAD_TYPE)

    @cached_property
    def type_pages(self) -> dict[str, str]:
        """Name of the page of each type: letters and digits, made unique by a number."""
        pages: dict[str, str] = {}
        for number, otype in enumerate(self.types):
            plain = re.sub(r"[^A-Za-z0-9]+", "_", otype).strip("_")[:40]
            pages[otype] = f"{number}_{plain}.html"
        return pages

    @cached_property
    def filter_pages(self) -> list[Row]:
        """Combinations that have a page: those of fewest filters first."""
        if self.selections is None:
            return []
        ordered = sorted(self.selections.combinations, key=lambda row: (row["n_filters"], row["combination"]))
        return ordered[: self.max_filters]


def sigma_of(detection: Row) -> float:
    """Significance of a detection, the larger one of peak and eclipse."""
    return max(detection["sigma_peak"] or 0.0, detection["sigma_eclipse"] or 0.0)


def _grouped(rows: Sequence[Row], name: str) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: (-sigma_of(row), row["detid"])):
        groups[row[name]].append(row)
    return dict(groups)
