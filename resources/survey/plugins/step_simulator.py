"""Example of a simulator plug-in: the source becomes brighter and stays so.

survey:
  plugins:
    simulator: resources/survey/plugins/step_simulator.py:StepSimulator
    options: {step: {height: 20.0}}
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.survey.injection import Truth
from ephemera.survey.light_curve import LightCurve


class StepSimulator:
    """A step of a height in units of the median error."""

    name = "step"
    options = MappingProxyType({"height": 10.0})

    def draw(self, rng: np.random.Generator, curve: LightCurve, config: Mapping[str, Any]) -> dict[str, Any]:
        """What is put in; the keys are those of `Truth`."""
        end = float(curve.mjd[curve.usable].max())
        start = float(rng.uniform(curve.mjd[curve.usable].min(), end))
        return {
            "shape": "box",
            "sign": 1,
            "width_d": 2 * max(end - start, 1e-3),
            "amplitude": config["height"],
            "amplitude_unit": "noise",
            "amplitude_flux": config["height"] * float(np.median(curve.flux_err[curve.usable])),
            "t0": start,
        }

    def apply(self, curve: LightCurve, truth: Truth) -> npt.NDArray[np.float64]:
        """Flux with the step in it."""
        return curve.flux + truth.amplitude_flux * (curve.mjd >= truth.t0)
