"""How the datasets of a project ended: one table, and an error only when none gave a series."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ephemera.jwst.analysis import read_analyses
from ephemera.jwst.problems import Outcome
from ephemera.tables import Column, TableDeclaration, write

if TYPE_CHECKING:
    from ephemera.job import Job

log = logging.getLogger(__name__)

OUTCOMES = TableDeclaration(
    "jwst_outcomes",
    "One row per dataset.",
    (
        Column("dataset", "str", None, "meta.id;meta.main", "Name of the dataset"),
        Column("outcome", "str", None, "meta.code", "How it ended"),
        Column("n_series", "i4", None, "meta.number", "Series made"),
        Column("n_files", "i4", None, "meta.number", "Files found"),
        Column("n_read", "i8", None, "meta.number", "Integrations read"),
        Column("n_used", "i8", None, "meta.number", "Integrations used"),
        Column("n_refused", "i8", None, "meta.number", "Integrations refused"),
        Column("flags", "str", None, "meta.code.qual", "Flags of the quality metrics"),
        Column("detail", "str", None, "meta.note", "In words"),
    ),
)


def main(job: Job) -> None:
    """Write the table; raises ValueError when no dataset gave a series."""
    rows: list[tuple[Any, ...]] = []
    for path in job.input.analyses:
        store = read_analyses(path)
        facts = store.facts
        flags = sorted({flag for one in store.analyses for flag in one.metrics["flags"]})
        detail = " ".join(str(facts["detail"]).split())
        rows.append(
            (
                path.name.removesuffix(".analysis.h5"),
                facts["outcome"],
                len(store.analyses),
                facts["n_files"],
                facts["n_integrations_read"],
                facts["n_integrations_used"],
                facts["n_integrations_refused"],
                " ".join(flags),
                detail,
            )
        )
    rows.sort()
    if not any(row[1] == Outcome.OK.value for row in rows):
        reasons = "; ".join(f"{row[0]}: {row[1]} ({row[-1]})" for row in rows)
        message = f"no dataset gave a series. {reasons}"
        raise ValueError(message)
    write(
        {name: [row[k] for row in rows] for k, name in enumerate(OUTCOMES.names)},
        OUTCOMES,
        job.output.outcomes,
    )
