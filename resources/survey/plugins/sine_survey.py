"""Example of a survey plug-in: light curves that are sine waves, made from the name of the source.

survey:
  surveys: [SINE]
  plugins:
    survey: resources/survey/plugins/sine_survey.py:SineSurvey
    options: {SINE: {period_d: 2.5}}
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from ephemera.survey.light_curve import LightCurve


class SineSurvey:
    """Sixty epochs of a sine wave."""

    name = "SINE"
    needs_network = False
    options = MappingProxyType({"period_d": float, "amplitude": 0.1})

    def fetch(
        self, row: Mapping[str, Any], config: Mapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Rows and metadata of a source."""
        rng = np.random.default_rng(zlib.crc32(str(row["name"]).encode()))
        mjd = 58000 + np.sort(rng.uniform(0, 30, 60))
        wave = 1 + config["amplitude"] * np.sin(2 * np.pi * mjd / config["period_d"])
        return {"mjd": mjd, "flux": 100 * wave + rng.normal(size=60), "flux_err": np.ones(60)}, {
            "note": "made up"
        }

    def reduce(
        self,
        rows: Any,
        row: Mapping[str, Any],
        config: Mapping[str, Any],  # noqa: ARG002  the contract of surveys
    ) -> list[LightCurve]:
        """One light curve."""
        columns = {name: rows[name].to_numpy() for name in rows.column_names}
        n = len(columns["mjd"])
        return [
            LightCurve(
                source=str(row["name"]),
                survey=self.name,
                object_id=str(row["name"]),
                filter="white",
                season=1,
                season_of=1,
                flux_unit="uJy",
                zero_point=23.9,
                flag=np.zeros(n, np.int64),
                bad=np.zeros(n, bool),
                live=np.full(n, 60.0),
                exptime=60.0,
                **columns,
            )
        ]
