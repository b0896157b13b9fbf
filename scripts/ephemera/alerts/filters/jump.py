"""Jumps in brightness, stars in a catalogue, and the notebook's flag for an odd ball: both tests at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ephemera.alerts.filters.contract import Filter, Property, Tag, Verdict
from ephemera.alerts.filters.locus import Locus
from ephemera.alerts.filters.moments import BoolArray, Moments
from ephemera.alerts.outcomes import Kind


class Jump(Filter):
    """|m_last - m_previous| >= 3 mag in one band, the newest alert being the last."""

    name = "jump"
    description = "The newest detection differs by 3 mag or more from the one before in its band"
    known_options: tuple[str, ...] = ("threshold_mag",)
    required_fields = ("mag",)
    min_detections = 2
    output_tags = (Tag("jump", "Jump of at least 3 mag between two detections in one band"),)
    output_properties = (Property("jump_mag", float, "mag", "Last minus previous magnitude"),)

    def setup(self, config: Mapping[str, Any], files: Mapping[str, Path]) -> None:  # noqa: ARG002
        """Threshold."""
        self.threshold = config.get("threshold_mag", 3.0)

    def screen(self, moments: Moments) -> BoolArray:
        """Where the newest alert is a detection, and all magnitudes span the threshold."""
        mag = moments.detections("mag")
        span = moments.largest(mag) - moments.smallest(mag)
        return np.asarray(moments.is_detection() & ~(span < self.threshold))

    def size(self, locus: Locus) -> float | None:
        """Last minus previous magnitude in the band of the newest alert."""
        if locus.newest.kind != Kind.DETECTION:
            return None
        mag = locus.light_curve(locus.newest.band).mag
        return (
            float(mag[-1] - mag[-2]) if len(mag) >= 2 and mag[-1] == mag[-1] and mag[-2] == mag[-2] else None
        )

    def run(self, locus: Locus) -> Verdict | None:
        """Tag jumps up or down."""
        size = self.size(locus)
        if size is None or abs(size) < self.threshold:
            return None
        return Verdict(["jump"], {"jump_mag": size})


class NotStar(Filter):
    """The nearest catalogue row within 2 arcsec is absent or is no star."""

    name = "not_star"
    description = "No star of the catalogue is the nearest source to the locus"
    known_options: tuple[str, ...] = ("catalogue", "class_column", "star_value", "within_arcsec")
    output_tags = (Tag("not_star", "The nearest catalogue source is no star, or there is none"),)

    def setup(self, config: Mapping[str, Any], files: Mapping[str, Path]) -> None:  # noqa: ARG002
        """Catalogue, column and value of stars, radius."""
        self.catalogue = config.get("catalogue", "stars")
        self.column, self.star = config.get("class_column", "class"), config.get("star_value", 6)
        self.within = config.get("within_arcsec", 2.0)
        self.required_catalogues = (self.catalogue,)

    def is_star(self, locus: Locus) -> bool:
        """Whether the nearest row within the radius is a star."""
        row = locus.nearest(self.catalogue)
        return bool(row and row["sep_arcsec"] <= self.within and str(row.get(self.column)) == str(self.star))

    def run(self, locus: Locus) -> Verdict | None:
        """Tag what is not a star."""
        return None if self.is_star(locus) else Verdict(["not_star"])


class Oddball(Filter):
    """Not a star, and a jump: the flag of the teaching notebook."""

    name = "oddball"
    description = "A jump of 3 mag at a place where the catalogue has no star"
    known_options = (*Jump.known_options, *NotStar.known_options)
    required_fields = ("mag",)
    min_detections = 2
    output_tags = (Tag("oddball", "Not a star, and a jump of at least 3 mag"),)
    output_properties = (Property("oddball_mag", float, "mag", "Last minus previous magnitude"),)

    def setup(self, config: Mapping[str, Any], files: Mapping[str, Path]) -> None:
        """Both tests with their options."""
        self.jump, self.not_star = Jump(), NotStar()
        self.jump.setup(config, files)
        self.not_star.setup(config, files)
        self.required_catalogues = self.not_star.required_catalogues

    def screen(self, moments: Moments) -> BoolArray:
        """Where there may be a jump."""
        return self.jump.screen(moments)

    def run(self, locus: Locus) -> Verdict | None:
        """Tag when both tests agree on this alert."""
        found = self.jump.run(locus)
        if found is None or self.not_star.is_star(locus):
            return None
        return Verdict(["oddball"], {"oddball_mag": found.properties["jump_mag"]})
