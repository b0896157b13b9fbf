"""Our sources beside those that another catalogue calls variable: matched, ours only, theirs only, and why.

Reads the sources, their matches with the set, the catalogue file of the set, and the coverage of the sky.
Why the other catalogue has none of ours: it has no source there (`no_counterpart`), or has one that it does
not call variable (`not_called_variable`). Why we have none of theirs: its place was not searched
(`not_covered`), or it was searched and nothing was found (`not_significant`). A match with a source of ours
that carries a flag of doubt says `flagged` and which. The same table serves 4XMM, EXTraS, and the detections
of another search of the same files.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.sky.crossmatch import Catalogue, crossmatch
from ephemera.tables import arrays, numbers, read, write
from ephemera.tables.foreign import column_facts, read_all
from ephemera.xmm.catalogue_columns import SOURCE_FLAGS, SOURCES
from ephemera.xmm.crossmatch_columns import COMPARISON
from ephemera.xmm.crossmatch_presets import SetPlan, plan
from ephemera.xmm.crossmatch_sets import identifiers, places_of
from ephemera.xmm.filters import compare
from ephemera.xmm.observation import BoolArray, FloatArray

if TYPE_CHECKING:
    import pyarrow as pa

    from ephemera.job import Job

log = logging.getLogger(__name__)

DOUBTS = tuple(name for name in SOURCE_FLAGS if name != "filt_5sig")


def their_variables(file: Path, how: SetPlan, condition: Mapping[str, Any]) -> tuple[Catalogue, BoolArray]:
    """The other catalogue, and which of its sources it calls variable.

    Raises ValueError that names the file for a column that is not there.
    """
    table = read_all(file)
    exact = {name.lower(): name for name in table.column_names}
    column = exact.get(condition["column"].lower(), condition["column"])
    try:
        variable = compare(table, (column, condition["op"], condition["value"])).kept
        ra, dec = places_of(table, how, column_facts(file))
    except ValueError as error:
        message = f"comparison with {how.name}: {file}: {error}"
        raise ValueError(message) from error
    ids = identifiers(table, how.id) or [str(k) for k in range(len(table))]
    return Catalogue(how.name, np.array(ids, object), ra, dec), variable


def covered(coverage: Path, ra: FloatArray, dec: FloatArray) -> BoolArray:
    """Which positions (degrees) lie in the coverage map."""
    from astropy import units
    from mocpy import MOC

    inside = np.isfinite(ra)  # MOCPy panics at what is no position
    if inside.any():
        moc = MOC.from_fits(str(coverage))
        inside[inside] = moc.contains_lonlat(ra[inside] * units.deg, dec[inside] * units.deg)
    return inside


def ours(sources: pa.Table, catalogue: Catalogue, variable: BoolArray, radius: float) -> list[dict[str, Any]]:
    """Rows of our sources: matched with a variable one of theirs, or ours only and why."""
    if len(sources) == 0:
        return []
    positions = arrays(sources, ["ra", "dec"])
    rows_of = Catalogue("their", np.arange(len(catalogue)), catalogue.ra, catalogue.dec)
    any_of = crossmatch(positions, rows_of, radius)
    chosen = np.flatnonzero(variable)
    variable_of = crossmatch(
        positions, Catalogue("their", chosen, catalogue.ra[chosen], catalogue.dec[chosen]), radius
    )
    rows = []
    for k, source in enumerate(sources.select(["srcid", "ra", "dec", "best_sigma"]).to_pylist()):
        matched = variable_of["their_id"][k].as_py() is not None
        found = variable_of if matched else any_of
        row = found["their_id"][k].as_py()
        reason = None if matched else "no_counterpart" if row is None else "not_called_variable"
        rows.append(
            source
            | {
                "kind": "matched" if matched else "ours_only",
                "reason": reason,
                "their_id": None if row is None else str(catalogue.id[row]),
                "sep_arcsec": found["their_sep_arcsec"][k].as_py(),
                "variable": None if row is None else bool(variable[row]),
            }
        )
    return rows


def theirs(
    sources: pa.Table, catalogue: Catalogue, variable: BoolArray, radius: float, inside: BoolArray
) -> list[dict[str, Any]]:
    """Rows of their variable sources that we have none of, and why."""
    chosen = np.flatnonzero(variable)
    positions = {"ra": catalogue.ra[chosen], "dec": catalogue.dec[chosen]}
    mine = Catalogue("our", sources["srcid"].to_numpy(), numbers(sources, "ra"), numbers(sources, "dec"))
    matches = crossmatch(positions, mine, radius)
    found = matches["our_id"].is_null().to_numpy()
    return [
        {
            "kind": "theirs_only",
            "reason": "not_significant" if inside[k] else "not_covered",
            "srcid": None,
            "their_id": str(catalogue.id[k]),
            "ra": float(catalogue.ra[k]),
            "dec": float(catalogue.dec[k]),
            "sep_arcsec": None,
            "best_sigma": None,
            "variable": True,
        }
        for k in chosen[found].tolist()
    ]


def flag_doubts(rows: list[dict[str, Any]], sources: pa.Table) -> list[dict[str, Any]]:
    """Rows in which a match with a source of ours that carries a flag of doubt says so as its reason."""
    flags = {
        source["srcid"]: [name for name in DOUBTS if source[name]]
        for source in sources.select(["srcid", *DOUBTS]).to_pylist()
    }
    return [
        row | {"reason": f"flagged: {' '.join(flags[row['srcid']])}"}
        if row["kind"] == "matched" and flags.get(row["srcid"])
        else row
        for row in rows
    ]


def main(job: Job) -> None:
    """Write the comparison of one project with one set."""
    parameters = job.recipe["parameters"]
    chosen = next(each for each in parameters["sets"] if each["name"] == job.wildcards.set)
    how = plan(chosen, parameters["radius_arcsec"])
    sources = read(job.input.sources, SOURCES)
    catalogue, variable = their_variables(job.input.file, how, chosen["variable"])
    inside = covered(job.input.coverage, catalogue.ra, catalogue.dec)
    rows = ours(sources, catalogue, variable, how.radius_arcsec)
    rows = flag_doubts(rows, sources) + theirs(sources, catalogue, variable, how.radius_arcsec, inside)
    write(rows, COMPARISON, job.output.comparison)
    log.info("%s: %d rows", how.name, len(rows))
