"""Counts; tags nothing. What it saw must be the number of loci touched."""

from __future__ import annotations

from ephemera.alerts.filters.contract import Filter, Verdict
from ephemera.alerts.filters.locus import Locus


class Everything(Filter):
    """Runs on every locus."""

    name = "everything"
    description = "Counts the loci that the night touched"
    known_options = ()

    def run(self, locus: Locus) -> Verdict | None:  # noqa: ARG002
        """Nothing."""
        return None
