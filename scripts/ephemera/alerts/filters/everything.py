"""Counts; tags nothing. What it saw must be the number of loci touched."""

from __future__ import annotations

import numpy as np

from ephemera.alerts.filters.contract import Filter, Verdict
from ephemera.alerts.filters.locus import Locus
from ephemera.alerts.filters.moments import BoolArray, Moments


class Everything(Filter):
    """Runs on every locus."""

    name = "everything"
    description = "Counts the loci that the night touched"
    known_options = ()

    def screen(self, moments: Moments) -> BoolArray:
        """Nowhere."""
        return np.zeros(len(moments), bool)

    def run(self, locus: Locus) -> Verdict | None:  # noqa: ARG002
        """Nothing."""
        return None
