"""Where a source was when ZTF looked at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ephemera.survey.nearest import moved

#: Middle of the survey, Julian year.
EPOCH = 2020.0


def at_survey_epoch(row: Mapping[str, Any]) -> tuple[float, float]:
    """Position of a catalogue row (deg) moved to the middle of the survey, where its motion is known."""
    pmra, pmdec = row.get("pmra") or 0.0, row.get("pmdec") or 0.0
    if not (pmra or pmdec):
        return float(row["ra"]), float(row["dec"])
    ra, dec = moved([row["ra"]], [row["dec"]], [pmra], [pmdec], [EPOCH - float(row.get("epoch") or EPOCH)])
    return float(ra[0]), float(dec[0])
