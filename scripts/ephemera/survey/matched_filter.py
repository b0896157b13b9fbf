"""Matched filter of a light curve against a bank of templates.

With weights 1 / noise^2, the score of template t at an epoch is

    sum((f - mean) t / noise^2) / sqrt(sum(t^2 / noise^2)),

which is standard normal where there is only noise. Long evenly sampled light curves are laid on a grid of
their cadence and convolved by FFT; others are summed pair by pair.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ephemera.survey.light_curve import DAY, LightCurve
from ephemera.survey.quality import Scores
from ephemera.survey.templates import Bank, profile

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Light curves with more epochs are convolved on a grid.
MOST_PAIRED = 2000
#: Templates reach this many widths to either side.
REACH = 2.0


def matched_scores(
    curve: LightCurve, scores: Scores, bank: Bank, usable: npt.NDArray[np.bool_]
) -> tuple[FloatArray, IntArray]:
    """Score of the best template at each epoch, and its number in the bank; NaN and -1 where not usable."""
    best = np.full(len(curve), np.nan)
    kernel = np.full(len(curve), -1, np.int64)
    rows = np.flatnonzero(usable & np.isfinite(scores.noise))
    if len(rows) == 0:
        return best, kernel
    time, weight = curve.mjd[rows], scores.noise[rows] ** -2
    excess = (curve.flux[rows] - scores.mean) * weight
    exposure = curve.exptime / DAY if np.isfinite(curve.exptime) else 0.0
    compute = _on_grid if len(rows) > MOST_PAIRED else _in_pairs
    found = np.array([compute(time, excess, weight, bank, width, exposure) for width in bank])
    choice = np.argmax(np.abs(found), axis=0)
    best[rows] = found[choice, np.arange(len(rows))]
    kernel[rows] = choice
    return best, kernel


def _in_pairs(
    time: FloatArray, excess: FloatArray, weight: FloatArray, bank: Bank, width: float, exposure: float
) -> FloatArray:
    """Scores with every epoch as reference moment, summed over the epochs that the template reaches."""
    reach = REACH * width + exposure
    first, last = np.searchsorted(time, time - reach), np.searchsorted(time, time + reach, side="right")
    counts = last - first
    centre = np.repeat(np.arange(len(time)), counts)
    other = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    shape = profile(bank.shape, time[other] - time[centre], width, exposure)
    signal = np.bincount(centre, excess[other] * shape, minlength=len(time))
    power = np.bincount(centre, weight[other] * shape**2, minlength=len(time))
    return np.where(power > 0, signal / np.sqrt(np.where(power > 0, power, 1.0)), 0.0)


def _on_grid(
    time: FloatArray, excess: FloatArray, weight: FloatArray, bank: Bank, width: float, exposure: float
) -> FloatArray:
    """Scores by convolution on a grid of the median time step."""
    from scipy.signal import fftconvolve

    step = float(np.median(np.diff(time)))
    cell = np.round((time - time[0]) / step).astype(np.int64)
    n = int(cell[-1]) + 1
    signal, inverse = np.bincount(cell, excess, n), np.bincount(cell, weight, n)
    reach = min(int(np.ceil((REACH * width + exposure) / step)), n - 1)
    shape = profile(bank.shape, np.arange(-reach, reach + 1) * step, width, max(exposure, step))
    # Correlation: the template is laid at each epoch, so it enters the convolution reversed.
    total = fftconvolve(signal, shape[::-1], mode="same" if n >= len(shape) else "full")
    power = fftconvolve(inverse, shape[::-1] ** 2, mode="same" if n >= len(shape) else "full")
    if n < len(shape):
        total, power = (values[reach : reach + n] for values in (total, power))
    floor = 1e-9 * float(power.max(initial=0.0))
    good = power > floor
    return np.asarray(np.where(good, total / np.sqrt(np.where(good, power, 1.0)), 0.0)[cell], np.float64)
