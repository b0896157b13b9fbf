"""Light curves and options that several tests of the survey branch need."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from ephemera.config.project import Configuration
from ephemera.job import namespace
from ephemera.survey.light_curve import LightCurve

#: Where the rows of ztf/ZTF_lightcurve.csv are.
ZTF_SOURCE = {"name": "ztf", "ra": 359.9997475, "dec": 51.39372, "mag": 20.2, "mag_band": "g"}
WASP_4 = "tess/tess2018234235059-s0002-0000000402026209-0121-s_lc.fits"


def made_up(
    n: int = 100, *, flux: Any = None, seed: int = 0, step: float = 1.0, **changes: Any
) -> LightCurve:
    """A light curve of flux 100 +- 1, or of the flux given."""
    rng = np.random.default_rng(seed)
    values = 100 + rng.normal(size=n) if flux is None else np.asarray(flux, float)
    n = len(values)
    given: dict[str, Any] = {
        "source": "star",
        "survey": "DEMO",
        "object_id": "1",
        "filter": "R",
        "season": 1,
        "season_of": 1,
        "flux_unit": "uJy",
        "zero_point": 23.9,
        "mjd": 58000 + step * np.arange(n),
        "flux": values,
        "flux_err": np.ones(n),
        "flag": np.zeros(n, np.int64),
        "bad": np.zeros(n, bool),
        "live": np.full(n, 30.0),
        "exptime": 30.0,
    }
    return LightCurve(**{**given, **changes})


def settings_of(step: str, **survey: Any) -> Any:
    """Options of a step as it receives them; `survey` overrides parts of the branch's configuration."""
    configuration = Configuration.model_validate({"survey": survey})
    section = getattr(configuration.survey, step)
    return namespace(section.settings())


def job(settings: Any, inputs: dict[str, Any], outputs: dict[str, Any], **wildcards: str) -> Any:
    """What a step's main is called with."""
    return SimpleNamespace(
        settings=settings,
        input=SimpleNamespace(**inputs),
        output=SimpleNamespace(**outputs),
        wildcards=SimpleNamespace(**wildcards),
        recipe={"key": "0123456789"},
        threads=1,
    )
