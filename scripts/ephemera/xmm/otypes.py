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

from ephemera.tables import Column, TableDeclaration, write
from ephemera.xmm.crossmatch_presets import SIMBAD, XMM4
from ephemera.xmm.matches import SetOutcome, matched_values
from ephemera.xmm.sample_columns import OTYPES

if TYPE_CHECKING:
    from ephemera.config.xmm_catalogue import Otypes as OtypeSettings
    from ephemera.job import Job

log = logging.getLogger(__name__)

#: Columns of matches: type of the nearest SIMBAD object; whether 4XMM calls its source variable.
SIMBAD_TYPE, VARIABLE = f"{SIMBAD}_main_type", f"{XMM4}_sc_var_flag"
NO_MATCH = "no match"
UNIDENTIFIED = "Unidentified"
#: Populations in the order of the tables.
POPULATIONS = ("simbad", "4xmm", "4xmm_variable", "ours", "ours_variable", "ours_not_variable")


def read_counts(path: str | None, column: str = "object_count") -> Counter[str]:
    """Number of objects of each type from a CSV table with otype and the column; empty without the file.

    Types may be quoted and padded. A table without the column counts nothing. Raises ValueError that names
    file and line for what is no number.
    """
    found: Counter[str] = Counter()
    if path is None:
        return found
    with Path(path).open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file, skipinitialspace=True)
        for row in reader:
            number = (row.get(column) or "").strip()
            if number and not number.isdecimal():
                message = f"{path}, line {reader.line_num}: {column} must be a whole number, got {number!r}"
                raise ValueError(message)
            if number:
                found[row["otype"].strip().strip('"').strip()] += int(number)
    return found


def read_classes(path: str | Path) -> dict[str, str]:
    """Class of each SIMBAD type, from a table with the columns otype and class."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        return {row["otype"]: row["class"] for row in csv.DictReader(file)}


def class_of(otype: str, classes: Mapping[str, str]) -> str:
    """Class of a type; one without a class is unidentified, no match stays no match."""
    return NO_MATCH if otype == NO_MATCH else classes.get(otype, UNIDENTIFIED)


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
    """Members of each class."""
    found: Counter[str] = Counter()
    for otype, number in types.items():
        found[class_of(otype, classes)] += number
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
    populations: dict[str, Mapping[str, int]] = {
        "simbad": read_counts(settings.simbad_counts),
        "4xmm": read_counts(settings.xmm_counts),
        "4xmm_variable": read_counts(settings.xmm_counts, "n_variable"),
    }
    outcome = SetOutcome(json.loads(job.input.status.read_text(encoding="utf-8"))["outcome"])
    if outcome is SetOutcome.OK:
        types = matched_values(job.input.simbad, SIMBAD_TYPE) or []
        variable: list[bool | None] | None = None
        for path in job.input.xmm4:
            variable = matched_values(path, VARIABLE)
        populations |= our_counts(types, variable or [None] * len(types))
    else:  # what was not asked has no type, which is not the same as no match
        log.warning("simbad: %s; the types of our sources are not known", outcome.value)
    rows = long_rows(populations, read_classes(settings.classes))
    write(rows, OTYPES, job.output.long)
    declaration, columns = pivoted(rows)
    write(columns, declaration, job.output.pivoted)
