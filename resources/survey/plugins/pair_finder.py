"""Example of a finder plug-in: two successive epochs that are bright together.

survey:
  plugins:
    finder: resources/survey/plugins/pair_finder.py:PairFinder
    options: {pairs: {threshold: 6.0}}
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.survey.light_curve import LightCurve
from ephemera.survey.quality import Scores


class PairFinder:
    """The sum of two successive excursions over the square root of two."""

    name = "pairs"
    options = MappingProxyType({"threshold": 5.0})

    def score(
        self,
        curve: LightCurve,
        scores: Scores,
        usable: npt.NDArray[np.bool_],
        config: Mapping[str, Any],  # noqa: ARG002  the contract of finders
    ) -> npt.NDArray[np.float64]:
        """Score of the pair that starts with each epoch; NaN where there is none."""
        result = np.full(len(curve), np.nan)
        rows = np.flatnonzero(usable)
        result[rows[:-1]] = (scores.snr[rows[:-1]] + scores.snr[rows[1:]]) / np.sqrt(2)
        return result

    def detect(
        self,
        curve: LightCurve,  # noqa: ARG002
        values: npt.NDArray[np.float64],
        usable: npt.NDArray[np.bool_],
        config: Mapping[str, Any],
    ) -> list[tuple[int, list[int], int]]:
        """The best pair, if it is good enough: sign, rows, row of the peak."""
        if not np.isfinite(values).any():
            return []
        first = int(np.nanargmax(values))
        if values[first] < config["threshold"]:
            return []
        rows = np.flatnonzero(usable)
        return [(1, [first, int(rows[np.searchsorted(rows, first) + 1])], first)]
