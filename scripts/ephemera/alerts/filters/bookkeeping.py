"""Bookkeeping: long-lived loci, single points, only negative fluxes, a band not seen before."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ephemera.alerts.filters.contract import Filter, Tag, Verdict
from ephemera.alerts.filters.locus import Locus
from ephemera.alerts.filters.moments import BoolArray, Moments
from ephemera.alerts.outcomes import Kind


class LongLived(Filter):
    """Detections on more than N nights."""

    name = "long_lived"
    description = "Detected on many nights"
    known_options = ("nights",)
    min_detections = 1
    output_tags = (Tag("long_lived", "Detected on more than N nights"),)

    def setup(self, config: Mapping[str, Any], files: Mapping[str, Path]) -> None:  # noqa: ARG002
        """Number of nights."""
        self.nights = config.get("nights", 30)

    def screen(self, moments: Moments) -> BoolArray:
        """Where there are more detections than nights are asked for."""
        return np.asarray(moments.count(np.isfinite(moments.detections("night"))) > self.nights)

    def run(self, locus: Locus) -> Verdict | None:
        """Count nights."""
        return Verdict(["long_lived"]) if len(np.unique(locus.light_curve().night)) > self.nights else None


class SinglePoint(Filter):
    """One detection."""

    name = "single_point"
    description = "One detection"
    known_options = ()
    min_detections = 1
    output_tags = (Tag("single_point", "One detection so far"),)

    def screen(self, moments: Moments) -> BoolArray:
        """Where there is one detection."""
        return np.asarray(moments.count(np.isfinite(moments.detections("night"))) == 1)

    def run(self, locus: Locus) -> Verdict | None:
        """Count detections."""
        return Verdict(["single_point"]) if locus.n_detections == 1 else None


class NegativeOnly(Filter):
    """All detections have a negative flux."""

    name = "negative_only"
    description = "Fainter than the reference at every detection"
    known_options = ()
    min_detections = 1
    output_tags = (Tag("negative_only", "All detections are negative"),)

    def screen(self, moments: Moments) -> BoolArray:
        """Where the largest sign is negative."""
        return np.asarray(moments.largest(moments.detections("sign")) == -1)

    def run(self, locus: Locus) -> Verdict | None:
        """Compare signs."""
        return Verdict(["negative_only"]) if np.all(locus.light_curve().sign == -1) else None


class NewBand(Filter):
    """The band of the newest detection was not seen before."""

    name = "new_band"
    description = "First detection in a band"
    known_options = ()
    min_detections = 2
    required_fields = ("band",)
    output_tags = (Tag("new_band", "First detection in this band"),)

    def run(self, locus: Locus) -> Verdict | None:
        """Compare bands."""
        bands = locus.values("band")
        if locus.newest.kind != Kind.DETECTION:
            return None
        return Verdict(["new_band"]) if bands[-1] not in bands[:-1] else None
