"""The catalogue with everything known about its rows: matches with all sets beside each source and detection.

Reads detections, sources and their matches. Makes FITS, VOTable and Parquet tables with unit, UCD and
description on every column, missing values as nulls, and the version, the configuration's hash and the number
of observations in the header.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from ephemera.tables import TableDeclaration, read, write
from ephemera.xmm.catalogue_columns import CATALOGUE_DETECTIONS, SOURCES, catalogue_header
from ephemera.xmm.crossmatch_columns import detection_matches, source_matches
from ephemera.xmm.crossmatch_presets import plan
from ephemera.xmm.matches import with_matches

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


def main(job: Job) -> None:
    """Write the complete catalogue of one project."""
    parameters = job.recipe["parameters"]
    of_detections, of_sources = declarations(parameters["sets"], parameters["radius_arcsec"])
    for name, plain, key, declaration, matches in (
        ("detections", CATALOGUE_DETECTIONS, "detid", of_detections, job.input.detection_matches),
        ("sources", SOURCES, "srcid", of_sources, job.input.source_matches),
    ):
        path = getattr(job.input, name)
        complete = with_matches(read(path, plain), key, matches)
        meta = catalogue_header(job, int(pq.read_schema(path).metadata[b"n_obs"]))
        for suffix in ("", "_fits", "_votable"):
            write(complete, declaration, getattr(job.output, name + suffix), meta)
