"""Number of significant cells that chance alone gives in one run.

The sum over all cells of P(N >= n_peak(mu)) + P(N <= n_eclipse(mu)) for Poisson counts N of mean mu. It
depends on mu only, so that a histogram of mu serves for all cells. The histogram is made from the factors
of mu = T(x, y) L(t) + S(x, y) f(t): pixels with like T and frames with like L and f are grouped, and the
groups multiplied. No cell is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ephemera.xmm.bayes import expected_false_alarms
from ephemera.xmm.expected_counts import Expectation
from ephemera.xmm.observation import FloatArray, IntArray

#: Width in ln of a group of like templates or like background.
LOG_STEP = 0.005
#: Width in ln of a bin of mu. The probabilities jump where n_peak or n_eclipse change, so that bins must be
#: narrower than the groups; with both the sum is right within about 0.3 %.
MU_LOG_STEP = 0.001
#: Width of a group of exposed fractions.
EXPOSURE_STEP = 0.005
#: Products of source pixels and frame groups made at once; bounds memory.
BLOCK_PRODUCTS = 1 << 19


def expected_false(expectation: Expectation, sigma: float, *, n_min: int, mu_floor: float) -> float:
    """Expected number of false peaks and eclipses at `sigma` among all cells that have an expectation.

    `n_min` is the least n of a peak; mu below `mu_floor` is raised to it, as in detection.
    """
    mu, weight = mu_histogram(expectation, mu_floor)
    return expected_false_alarms(mu, weight, sigma, n_min=n_min)


@dataclass(frozen=True)
class _FrameGroups:
    """Frames of like class, background and exposure: means of them and their number."""

    frame_class: IntArray
    background: FloatArray
    exposed: FloatArray
    number: FloatArray


def mu_histogram(expectation: Expectation, mu_floor: float) -> tuple[FloatArray, FloatArray]:
    """Mean mu and number of cells (as float64) of the occupied bins of ln mu, ascending.

    The numbers add up to the usable frames times the pixels of the footprint.
    """
    groups = _frame_groups(expectation)
    inside = expectation.footprint.ravel()
    template = expectation.templates.reshape(len(expectation.templates), -1)
    source = expectation.source.reshape(len(expectation.source), -1)
    lit = source.any(axis=0)
    number, total = np.zeros(0), np.zeros(0)
    for code in np.unique(groups.frame_class):
        mine = groups.frame_class == code
        level, pixels = _grouped(template[code, inside & ~lit])
        mu = np.outer(level, groups.background[mine])
        number, total = _add(number, total, mu, np.outer(pixels, groups.number[mine]), mu_floor)
        bright = np.flatnonzero(inside & lit)
        step = max(1, BLOCK_PRODUCTS // int(mine.sum()))
        for start in range(0, len(bright), step):
            some = bright[start : start + step]
            mu = np.outer(template[code, some], groups.background[mine])
            mu += source[:, some].T @ groups.exposed[:, mine]
            number, total = _add(number, total, mu, np.broadcast_to(groups.number[mine], mu.shape), mu_floor)
    occupied = number > 0
    return total[occupied] / number[occupied], number[occupied]


def _frame_groups(expectation: Expectation) -> _FrameGroups:
    """Usable frames, grouped."""
    usable = np.flatnonzero(expectation.frame_class >= 0)
    frame_class = expectation.frame_class[usable].astype(np.int64)
    background = expectation.background[usable]
    exposed = expectation.exposed[:, usable]
    key = frame_class
    for part in (_log_bin(background), *np.rint(exposed / EXPOSURE_STEP).astype(np.int64)):
        key = np.unique(key, return_inverse=True)[1] * (part.max(initial=0) + 1) + part
    _, first, group = np.unique(key, return_index=True, return_inverse=True)
    number = np.bincount(group).astype(np.float64)
    return _FrameGroups(
        frame_class=frame_class[first],
        background=_means(background, group, number),
        exposed=np.stack([_means(row, group, number) for row in exposed]),
        number=number,
    )


def _means(values: FloatArray, group: npt.NDArray[np.intp], number: FloatArray) -> FloatArray:
    """Mean of the values of each group."""
    return np.bincount(group, weights=values, minlength=len(number)) / number


def _grouped(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Means and numbers of values that are alike in ln; zeros and negatives form one group."""
    _, group = np.unique(_log_bin(values), return_inverse=True)
    number = np.bincount(group).astype(np.float64)
    return _means(values, group, number), number


def _log_bin(values: FloatArray) -> IntArray:
    """Bin of ln of each value, counted from 1 at the smallest positive one; 0 for values not positive."""
    positive = values > 0
    if not positive.any():
        return np.zeros(len(values), dtype=np.int64)
    log = np.log(np.where(positive, values, 1.0))
    bins = np.floor((log - log[positive].min()) / LOG_STEP).astype(np.int64) + 1
    return np.where(positive, bins, 0)


def _add(
    number: FloatArray, total: FloatArray, mu: FloatArray, weight: FloatArray, mu_floor: float
) -> tuple[FloatArray, FloatArray]:
    """Numbers and sums of mu of the bins of ln(mu / mu_floor), after adding these."""
    mu = np.maximum(mu, mu_floor).ravel()
    weight = weight.ravel()
    bins = (np.log(mu / mu_floor) / MU_LOG_STEP).astype(np.int64)
    size = max(len(number), int(bins.max(initial=-1)) + 1)
    grown = np.bincount(bins, weights=weight, minlength=size).astype(np.float64)
    summed = np.bincount(bins, weights=weight * mu, minlength=size).astype(np.float64)
    grown[: len(number)] += number
    summed[: len(total)] += total
    return grown, summed
