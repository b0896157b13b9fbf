"""What SIMBAD calls our sources, beside SIMBAD as a whole and the sources of 4XMM.

Reads the sources' matches with SIMBAD and with 4XMM. Counts types and classes (Star, Galaxy, CompactObject,
Unidentified) in each population, with their share in per cent. Populations are `simbad` (a table of counts),
`4xmm` and `4xmm_variable` (a table of counts), `ours`, and `ours_variable` and `ours_not_variable` by the
flag SC_VAR_FLAG of the 4XMM source that matches. Makes a long and a wide table.
"""

from __future__ import annotations

import csv
import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq

from ephemera.tables import Column, TableDeclaration, write
from ephemera.xmm.sample_columns import OTYPES
from ephemera.xmm.subset_matrix import read_classes

if TYPE_CHECKING:
    from ephemera.config.xmm_catalogue import Otypes as OtypeSettings
    from ephemera.job import Job

log = logging.getLogger(__name__)

NO_MATCH = "no match"
UNIDENTIFIED = "Unidentified"
#: Populations in the order of the tables.
POPULATIONS = ("simbad", "4xmm", "4xmm_variable", "ours", "ours_variable", "ours_not_variable")


def read_counts(path: str | None, column: str = "object_count") -> Counter[str]:
    """Number of objects of each type from a CSV table with otype and the column; empty without the file.

    Types may be quoted and padded. A table without the column counts nothing.
    """
    found: Counter[str] = Counter()
    if path is None:
        return found
    with Path(path).open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        for row in reader:
            if (row.get(column) or "").strip():
                found[row["otype"].strip().strip('"').strip()] += int(row[column])
    return found


def our_counts(types: Sequence[str | None], variable: Sequence[bool | None]) -> dict[str, Counter[str]]:
    """Types of our sources: all, and by whether 4XMM calls their counterpart variable."""
    found = {name: Counter[str]() for name in ("ours", "ours_variable", "ours_not_variable")}
    for otype, flag in zip(types, variable, strict=True):
        value = NO_MATCH if otype is None else otype
        found["ours"][value] += 1
        if flag is not None:
            found["ours_variable" if flag else "ours_not_variable"][value] += 1
    return found


def class_counts(types: Mapping[str, int], classes: Mapping[str, str]) -> Counter[str]:
    """Members of each class; types without a class are unidentified, no match stays no match."""
    found: Counter[str] = Counter()
    for otype, number in types.items():
        found[NO_MATCH if otype == NO_MATCH else classes.get(otype, UNIDENTIFIED)] += number
    return found


def long_rows(
    populations: Mapping[str, Mapping[str, int]], classes: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Rows of `OTYPES`: each population by type and by class, most frequent first."""
    rows = []
    for population in POPULATIONS:
        types = populations.get(population, {})
        total = sum(types.values())
        for level, counts in (("class", class_counts(types, classes)), ("otype", types)):
            for value, n in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
                row = {"population": population, "level": level, "value": value, "n": n}
                rows.append(row | {"percent": 100 * n / total})
    return rows


def pivoted(rows: Sequence[Mapping[str, Any]]) -> tuple[TableDeclaration, dict[str, list[Any]]]:
    """One row for each type or class and two columns, number and share, for each population.

    A population that is not known (no table of counts was given) has nulls, one that is has zeros.
    """
    keys = sorted({(row["level"], row["value"]) for row in rows})
    cells = {(row["population"], row["level"], row["value"]): row for row in rows}
    known = {row["population"] for row in rows}
    columns = [OTYPES["level"], OTYPES["value"]]
    values: dict[str, list[Any]] = {"level": [k[0] for k in keys], "value": [k[1] for k in keys]}
    for population in POPULATIONS:
        name = f"n_{population}"
        for column, source, zero in ((name, "n", 0), (f"percent_{population}", "percent", 0.0)):
            declared = OTYPES[source]
            text = f"{declared.description}: {population}"
            columns.append(Column(column, declared.dtype, declared.unit, declared.ucd, text))
            nothing = zero if population in known else None
            values[column] = [cells.get((population, *key), {source: nothing})[source] for key in keys]
    return TableDeclaration("otypes_pivoted", OTYPES.description, tuple(columns)), values


def main(job: Job) -> None:
    """Write the types of one project."""
    settings: OtypeSettings = job.settings
    types = pq.read_table(job.input.simbad[0])[f"{settings.simbad_set}_main_type"].to_pylist()
    outcome = json.loads(job.input.status[0].read_text(encoding="utf-8"))["outcome"]
    if outcome != "ok":
        # What was not asked has no type, which is not the same as no match.
        log.warning("%s: %s; the types of our sources are not known", settings.simbad_set, outcome)
        types = []
    variable: list[bool | None] = [None] * len(types)
    flag = f"{settings.xmm_set}_sc_var_flag"
    for path in job.input.xmm:
        if flag in pq.read_schema(path).names:
            variable = pq.read_table(path)[flag].to_pylist()
    populations: dict[str, Mapping[str, int]] = {
        "simbad": read_counts(settings.simbad_counts),
        "4xmm": read_counts(settings.xmm_counts),
        "4xmm_variable": read_counts(settings.xmm_counts, "n_variable"),
        **(our_counts(types, variable) if outcome == "ok" else {}),
    }
    rows = long_rows(populations, read_classes(Path(settings.classes)))
    write(rows, OTYPES, job.output.long)
    declaration, columns = pivoted(rows)
    write(columns, declaration, job.output.pivoted)
