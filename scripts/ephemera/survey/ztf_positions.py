"""Where a source was when ZTF looked at it, and how wide a cone holds it all the time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ephemera.survey.nearest import at_epoch

#: Middle of the survey, Julian year.
EPOCH = 2020.0


def at_survey_epoch(row: Mapping[str, Any]) -> tuple[float, float]:
    """Position of a catalogue row (deg) moved to the middle of the survey, where its motion is known."""
    return at_epoch(row, EPOCH)


def search_radius(row: Mapping[str, Any], radius_arcsec: float, years: float) -> float:
    """Cone (arcsec) around the position at mid-survey: r0 + mu (T1 - T0) / 2, `years` being half the span."""
    return radius_arcsec + math.hypot(row.get("pmra") or 0.0, row.get("pmdec") or 0.0) / 1000 * years
