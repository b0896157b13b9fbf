"""Cells that stick out of their channel's course in time."""

from __future__ import annotations

import numpy as np

from ephemera.jwst.observation import BoolArray, FloatArray, SingleArray
from ephemera.jwst.visits import visits

#: Integrations of the running median, and how many robust sigmas make an outlier.
WINDOW, SIGMAS = 11, 5.0
#: Channels looked at together.
CHANNELS_AT_ONCE = 256


def find_outliers(flux: SingleArray, good: BoolArray, time: FloatArray, gap_hours: float) -> BoolArray:
    """Outliers of `flux` (time, channel): more than 5 robust sigma from a running median, visit by visit."""
    from scipy.ndimage import median_filter  # only when asked for

    found = np.zeros(flux.shape, bool)
    for start, stop in visits((time - time[0]) * 24, gap_hours):
        for first in range(0, flux.shape[1], CHANNELS_AT_ONCE):
            block = (slice(start, stop), slice(first, first + CHANNELS_AT_ONCE))
            known = good[block]
            values = np.where(known, flux[block], np.nan)
            values = values[:, known.any(axis=0)]
            if not values.size:
                continue
            middle = np.nanmedian(values, axis=0)
            smooth = median_filter(np.where(np.isnan(values), middle, values), (WINDOW, 1), mode="nearest")
            rest = np.abs(values - smooth)
            sigma = 1.4826 * np.nanmedian(rest, axis=0)
            with np.errstate(invalid="ignore"):
                bad = rest > SIGMAS * sigma
            part = found[block]
            part[:, known.any(axis=0)] = bad & (sigma > 0)
    return found
