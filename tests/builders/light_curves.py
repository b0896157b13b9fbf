"""Light curves of one region for tests, as data frames with the columns that features are made from."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ephemera.xmm.bayes import log10_bayes_factors
from ephemera.xmm.detection_columns import DETECTIONS

T0 = 5.82e8


def light_curve(n, mu, *, t_bin=50.0, bti=(), bccd=(), **more):
    """A curve of whole frames; `bti` and `bccd` are frame numbers."""
    n = np.asarray(n)
    size = len(n)
    mu = np.broadcast_to(np.asarray(mu, float), size).copy()
    off, flaring = np.isin(np.arange(size), bccd), np.isin(np.arange(size), bti)
    mu[off] = np.nan
    peak, eclipse = log10_bayes_factors(n, mu)
    start = T0 + t_bin * np.arange(size)
    columns = {
        "time": start,
        "time_mjd": 50814 + (start + t_bin / 2) / 86400,
        "exposure": np.where(off, 0.0, 0.9 * t_bin),
        "bti": flaring,
        "bccd": off,
        "n": n.astype(np.int32),
        "mu": mu,
        "B_peak_log": peak,
        "B_eclipse_log": eclipse,
        "detid": np.full(size, "0724210501_0_50_0.2_12.0_x042y068", dtype=object),
    }
    return pd.DataFrame(columns | {name: np.asarray(values) for name, values in more.items()})


def quiet(size=200, mu=2.0, seed=1):
    """Poisson counts of a steady source."""
    return np.random.default_rng(seed).poisson(mu, size)


def feature_row(found):
    """All columns of detections in order, None where a curve does not have them, and no others."""
    assert found.keys() <= {*DETECTIONS.names, "E_low", "E_hi"}
    return {name: found.get(name) for name in DETECTIONS.names}


def burst_curve(**more):
    """Two counts a frame and a burst of five frames."""
    n = np.full(60, 2)
    n[20:25] = [30, 60, 90, 60, 30]
    return light_curve(n, 2.0, **more)
