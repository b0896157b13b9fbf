"""Matched filter of a light curve against a bank of templates.

With weights 1 / noise^2, the score of template t at an epoch is

    sum((f - mean) t / noise^2) / sqrt(sum(t^2 / noise^2)),

which is standard normal where there is only noise. The sums are taken pair by pair. Where that are many
pairs, epochs are laid on a grid and convolved by FFT: long evenly sampled light curves on one of their
cadence, others on one of a twentieth of the template's width.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ephemera.survey.light_curve import DAY, LightCurve
from ephemera.survey.quality import Scores
from ephemera.survey.templates import Bank, Shape, profile

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

#: Evenly sampled light curves with more epochs are convolved on a grid, others where there are more pairs.
MOST_PAIRED = 2000
MOST_PAIRS = MOST_PAIRED**2
#: Cells of a template's width, where the cadence does not make the grid.
CELLS = 20
#: Cells beyond this one are not told apart.
LAST_CELL = 2.0**60
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
    even = float(np.median(np.diff(time))) if len(rows) > MOST_PAIRED and curve.uniform else None
    epochs = Epochs(time, excess, weight, exposure)
    found = np.array([_scores(epochs, bank.shape, width, even) for width in bank])
    choice = np.argmax(np.abs(found), axis=0)
    best[rows] = found[choice, np.arange(len(rows))]
    kernel[rows] = choice
    return best, kernel


@dataclass(frozen=True)
class Epochs:
    """Usable epochs in order of time (d): (f - mean) / noise^2, 1 / noise^2, and how long they are (d)."""

    time: FloatArray
    excess: FloatArray
    weight: FloatArray
    exposure: float

    def neighbours(self, reach: float) -> tuple[IntArray, IntArray]:
        """First and last + 1 of the epochs around each."""
        first = np.searchsorted(self.time, self.time - reach)
        return first, np.searchsorted(self.time, self.time + reach, side="right")


def _scores(epochs: Epochs, shape: Shape, width: float, even: float | None) -> FloatArray:
    """Scores of one template; `even` is the time step of an even light curve that a grid serves better."""
    if even is not None:
        return _on_grid(epochs, shape, width, even)
    first, last = epochs.neighbours(REACH * width + epochs.exposure)
    if int((last - first).sum()) > MOST_PAIRS:
        return _on_grid(epochs, shape, width, width / CELLS)
    return _in_pairs(epochs, shape, width, first, last - first)


def _in_pairs(epochs: Epochs, shape: Shape, width: float, first: IntArray, counts: IntArray) -> FloatArray:
    """Scores with every epoch as reference moment, summed over the `counts` epochs from `first` on."""
    time, n = epochs.time, len(epochs.time)
    centre = np.repeat(np.arange(n), counts)
    other = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    template = profile(shape, time[other] - time[centre], width, epochs.exposure)
    signal = np.bincount(centre, epochs.excess[other] * template, minlength=n)
    power = np.bincount(centre, epochs.weight[other] * template**2, minlength=n)
    return np.where(power > 0, signal / np.sqrt(np.where(power > 0, power, 1.0)), 0.0)


def _on_grid(epochs: Epochs, shape: Shape, width: float, step: float) -> FloatArray:
    """Scores by convolution on a grid of cells of `step`; gaps that no template bridges are cut short."""
    from scipy.signal import fftconvolve

    reach = int(np.ceil((REACH * width + epochs.exposure) / step))
    since = np.round(np.minimum((epochs.time - epochs.time[0]) / step, LAST_CELL)).astype(np.int64)
    cell = np.concatenate([[0], np.cumsum(np.minimum(np.diff(since), reach + 1))])
    n = int(cell[-1]) + 1
    signal, inverse = np.bincount(cell, epochs.excess, n), np.bincount(cell, epochs.weight, n)
    reach = min(reach, n - 1)
    template = profile(shape, np.arange(-reach, reach + 1) * step, width, max(epochs.exposure, step))
    # Correlation: the template is laid at each epoch, so it enters the convolution reversed.
    total = fftconvolve(signal, template[::-1], mode="same" if n >= len(template) else "full")
    power = fftconvolve(inverse, template[::-1] ** 2, mode="same" if n >= len(template) else "full")
    if n < len(template):
        total, power = (values[reach : reach + n] for values in (total, power))
    floor = 1e-9 * float(power.max(initial=0.0))
    good = power > floor
    return np.asarray(np.where(good, total / np.sqrt(np.where(good, power, 1.0)), 0.0)[cell], np.float64)
