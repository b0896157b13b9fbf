"""The catalogue with everything known about its rows: matches with all sets beside each source and detection.

Reads detections, sources and their matches. Makes FITS, VOTable and Parquet tables with unit, UCD and
description on every column, missing values as nulls, and the version, the configuration's hash and the number
of observations in the header.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from ephemera.tables import TableDeclaration, read, write
from ephemera.xmm.catalogue_columns import CATALOGUE_DETECTIONS, SOURCES
from ephemera.xmm.crossmatch_columns import detection_matches, source_matches
from ephemera.xmm.crossmatch_presets import plan

if TYPE_CHECKING:
    from ephemera.job import Job


def declarations(
    sets: Sequence[Mapping[str, Any]], radius_arcsec: float
) -> tuple[TableDeclaration, TableDeclaration]:
    """Tables of detections and sources with the columns of all sets."""
    plans = [plan(each, radius_arcsec) for each in sets]
    detections = [c for how in plans for c in detection_matches(how.name, how.columns).columns[1:]]
    sources = [c for how in plans for c in source_matches(how.name, how.columns).columns[1:]]
    return (
        TableDeclaration(
            "detections", CATALOGUE_DETECTIONS.description, (*CATALOGUE_DETECTIONS.columns, *detections)
        ),
        TableDeclaration("sources", SOURCES.description, (*SOURCES.columns, *sources)),
    )


def joined(table: pa.Table, key: str, matches: Sequence[Path]) -> pa.Table:
    """A table with the columns of its matches, which are in the same order of `key`."""
    for path in matches:
        found = pq.read_table(path)
        if not found[key].equals(table[key]):
            message = f"{path}: the matches are of another catalogue, their {key} differ"
            raise ValueError(message)
        for name in found.column_names[1:]:
            table = table.append_column(name, found[name])
    return table


def main(job: Job) -> None:
    """Write the complete catalogue of one project."""
    parameters = job.recipe["parameters"]
    of_detections, of_sources = declarations(parameters["sets"], parameters["radius_arcsec"])
    meta = {
        "project": job.wildcards.project,
        "version": metadata.version("ephemera"),
        "recipe": job.recipe["key"],
        "confhash": parameters["configuration"],
        "n_obs": parameters["n_observations"],
    }
    detections = read(job.input.detections, CATALOGUE_DETECTIONS)
    sources = read(job.input.sources, SOURCES)
    for name, table, key, declaration, matches in (
        ("detections", detections, "detid", of_detections, job.input.detection_matches),
        ("sources", sources, "srcid", of_sources, job.input.source_matches),
    ):
        complete = joined(table, key, matches)
        for suffix in ("_fits", "_votable", "_parquet"):
            write(complete, declaration, getattr(job.output, name + suffix), meta)
