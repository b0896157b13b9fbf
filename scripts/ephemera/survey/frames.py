"""A light curve with its scores as a DataFrame, for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.survey.light_curve import LightCurve
from ephemera.survey.quality import judge

if TYPE_CHECKING:
    import pandas as pd

_TEXTS = ("curve_id", "source", "survey", "object_id", "filter", "season", "season_of", "flux_unit")
_NUMBERS = ("zero_point", "zero_point_measured", "exptime", "cadence")


def scored_frame(curve: LightCurve) -> pd.DataFrame:
    """The light curve with the columns of the table `epoch`; metadata in `attrs`. Nothing is searched."""
    import pandas as pd

    scores = judge(curve)
    mag, mag_err = curve.magnitudes
    n = len(curve)
    columns: dict[str, Any] = {
        "curve_id": [curve.curve_id] * n,
        "mjd": curve.mjd,
        "time_bjd_tdb": np.full(n, np.nan) if curve.time_bjd_tdb is None else curve.time_bjd_tdb,
        "flux": curve.flux,
        "flux_err": curve.flux_err,
        "mag": mag,
        "mag_err": mag_err,
        "flag": curve.flag,
        "bad": curve.bad,
        "live": curve.live,
    }
    if curve.x is not None and curve.y is not None:
        names = ("ra", "dec") if curve.position == "sky" else ("x", "y")
        columns |= dict(zip(names, (curve.x, curve.y), strict=True))
    columns |= {name: getattr(scores, name) for name in ("snr", "snr_flux", "dmag", "offset", "qflag")}
    frame = pd.DataFrame({**columns, "detected": np.zeros(n, bool)})
    frame.attrs |= {name: getattr(curve, name) for name in _TEXTS}
    frame.attrs |= {name: float(getattr(curve, name)) for name in _NUMBERS}
    frame.attrs |= {"mean": scores.mean, "rms": scores.rms, "n_good": int(curve.usable.sum())}
    return frame
