"""Quality of the newest alert: real-bogus score, bad pixels, aperture against PSF, shape."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ephemera.alerts.filters.contract import Filter, Tag, Verdict
from ephemera.alerts.filters.locus import Alert, Locus
from ephemera.alerts.filters.moments import BoolArray, Moments


class QualityBasic(Filter):
    """rb >= 0.55, nbad = 0, |magdiff| <= 1."""

    name = "quality_basic"
    description = "Real-bogus score, bad pixels and aperture magnitude are good"
    known_options: tuple[str, ...] = ("rb", "magdiff")
    required_fields: tuple[str, ...] = ("extra.rb", "extra.nbad", "extra.magdiff")
    output_tags: tuple[Tag, ...] = (Tag("quality_basic", "The newest alert passes the basic cuts"),)

    def setup(self, config: Mapping[str, Any], files: Mapping[str, Path]) -> None:  # noqa: ARG002
        """Thresholds."""
        self.rb, self.magdiff = config.get("rb", 0.55), config.get("magdiff", 1.0)
        self.fwhm, self.elong = config.get("fwhm", 5.0), config.get("elong", 1.2)

    def screen(self, moments: Moments) -> BoolArray:
        """Where the newest alert passes."""
        rb, nbad, magdiff = (moments.newest(f"extra.{name}") for name in ("rb", "nbad", "magdiff"))
        return np.asarray((rb >= self.rb) & (nbad == 0) & (np.abs(magdiff) <= self.magdiff))

    def good(self, alert: Alert) -> bool:
        """Whether the alert passes."""
        rb, nbad, magdiff = alert.field("rb"), alert.field("nbad"), alert.field("magdiff")
        return bool(rb >= self.rb and nbad == 0 and abs(magdiff) <= self.magdiff)

    def run(self, locus: Locus) -> Verdict | None:
        """Tag by the newest alert."""
        return Verdict([self.output_tags[0].name]) if self.good(locus.newest) else None


class QualityStrict(QualityBasic):
    """Basic, and fwhm <= 5 pixels, elong <= 1.2."""

    name = "quality_strict"
    description = "Basic cuts, and a round and narrow source"
    known_options = ("rb", "magdiff", "fwhm", "elong")
    required_fields = (*QualityBasic.required_fields, "extra.fwhm", "extra.elong")
    output_tags = (Tag("quality_strict", "The newest alert passes the strict cuts"),)

    def screen(self, moments: Moments) -> BoolArray:
        """Where the newest alert passes."""
        fwhm, elong = moments.newest("extra.fwhm"), moments.newest("extra.elong")
        return np.asarray(super().screen(moments) & (fwhm <= self.fwhm) & (elong <= self.elong))

    def good(self, alert: Alert) -> bool:
        """Whether the alert passes."""
        return super().good(alert) and alert.field("fwhm") <= self.fwhm and alert.field("elong") <= self.elong
