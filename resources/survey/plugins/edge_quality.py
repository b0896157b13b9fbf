"""Example of a quality plug-in: epochs at either end of a light curve are flagged.

survey:
  plugins:
    quality: resources/survey/plugins/edge_quality.py:EdgeQuality
    options: {edge: {epochs: 3}}
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.survey.light_curve import LightCurve


class EdgeQuality:
    """Nearness to an end: 1 within so many epochs of it, else 0."""

    name = "edge"
    options = MappingProxyType({"epochs": 2})
    #: Column: threshold, and whether values of both signs are bad.
    columns = MappingProxyType({"edge": (0.5, False)})

    def check(
        self,
        curve: LightCurve,
        row: Mapping[str, Any],  # noqa: ARG002  the contract of quality columns
        config: Mapping[str, Any],
        sim: bool,  # noqa: ARG002
    ) -> dict[str, npt.NDArray[np.float64]]:
        """A value for each epoch."""
        place = np.arange(len(curve))
        near = np.minimum(place, len(curve) - 1 - place) < config["epochs"]
        return {"edge": near.astype(np.float64)}
