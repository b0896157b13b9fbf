"""The chance to find a burst as a function of its fluence, fitted to found and missed ones.

    p(F) = c / (1 + exp(-(ln F - m) / w))

with c what gaps and masks leave at any fluence. The fit maximises the binomial likelihood, with a weak
normal prior on ln w (mean ln 0.3, deviation 1), without which data that a fluence separates cleanly would
have no best w. Errors come from the Fisher information.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ephemera.xmm.observation import BoolArray, FloatArray

#: Mean and standard deviation of the prior on ln w.
PRIOR_LN_WIDTH = (math.log(0.3), 1.0)
#: Largest logit of c; there c counts as 1.
LARGEST_LOGIT = 6.0
#: Fewest injections, and fewest found and missed, for a fit.
FEWEST, FEWEST_EACH = 12, 3


@dataclass(frozen=True)
class Level:
    """The fluence at which a share is found, with its 68 % interval, in counts; NaN where there is none."""

    fluence: float
    low: float
    high: float


NO_LEVEL = Level(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class DetectionCurve:
    """A fit: `middle` m, `width` w, `plateau` c, covariance of (m, ln w, logit c), fluences sampled."""

    middle: float
    width: float
    plateau: float
    covariance: FloatArray
    sampled: tuple[float, float]

    def share(self, fluence: npt.ArrayLike) -> FloatArray:
        """Share found at these fluences (counts)."""
        z = (np.log(np.asarray(fluence, np.float64)) - self.middle) / self.width
        return np.asarray(self.plateau / (1 + np.exp(-np.clip(z, -500, 500))))

    def level(self, share: float) -> Level:
        """Fluence at which `share` is found; none when the plateau is below, or outside what was sampled."""
        if self.plateau <= share:
            return NO_LEVEL
        odds = math.log(share / (self.plateau - share))
        value = self.middle + self.width * odds
        # d ln F / d (m, ln w, logit c), with dc / d logit c = c (1 - c).
        slope = -self.width * self.plateau * (1 - self.plateau) / (self.plateau - share)
        gradient = np.array([1.0, self.width * odds, slope])
        error = math.sqrt(max(0.0, float(gradient @ self.covariance @ gradient)))
        fluence = math.exp(value)
        if not self.sampled[0] <= fluence <= self.sampled[1]:
            return NO_LEVEL
        return Level(fluence, math.exp(value - error), math.exp(value + error))


def fit_curve(fluence: FloatArray, found: BoolArray) -> DetectionCurve | None:
    """Fit of p(F) to injections of these fluences (counts); None with too few of them, found or missed."""
    from scipy.optimize import minimize  # only fits need it

    n_found = int(np.count_nonzero(found))
    if len(found) < FEWEST or min(n_found, len(found) - n_found) < FEWEST_EACH:
        return None
    x = np.log(fluence)

    def loss(theta: FloatArray) -> tuple[float, FloatArray]:
        share, slopes = _share(theta, x)
        p = np.clip(share, 1e-12, 1 - 1e-12)
        pull = (theta[1] - PRIOR_LN_WIDTH[0]) / PRIOR_LN_WIDTH[1]
        value = 0.5 * pull**2 - np.where(found, np.log(p), np.log1p(-p)).sum()
        gradient = slopes @ np.where(found, -1 / p, 1 / (1 - p))
        gradient[1] += pull / PRIOR_LN_WIDTH[1]
        return float(value), gradient

    bounds = [(x.min() - 1, x.max() + 1), (math.log(0.01), math.log(10.0)), (-4.0, LARGEST_LOGIT)]
    starts = [
        np.array([np.quantile(x, q), PRIOR_LN_WIDTH[0], logit]) for q in (0.35, 0.65) for logit in (2.0, 5.0)
    ]
    fits = [minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds) for start in starts]
    best = min(fits, key=lambda fit: float(fit.fun)).x
    plateau = 1.0 if best[2] > LARGEST_LOGIT - 0.01 else float(1 / (1 + np.exp(-best[2])))
    covariance = _covariance(best, x, fixed_plateau=plateau == 1.0)
    sampled = (float(fluence.min()), float(fluence.max()))
    return DetectionCurve(float(best[0]), float(np.exp(best[1])), plateau, covariance, sampled)


def _share(theta: FloatArray, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """P at ln fluences `x`, and its derivatives (3, n) by m, ln w and logit c."""
    width, plateau = float(np.exp(theta[1])), float(1 / (1 + np.exp(-theta[2])))
    z = np.clip((x - theta[0]) / width, -500, 500)
    rise = 1 / (1 + np.exp(-z))
    steep = plateau * rise * (1 - rise)
    slopes = np.stack([-steep / width, -steep * z, plateau * (1 - plateau) * rise])
    return plateau * rise, slopes


def _covariance(theta: FloatArray, x: FloatArray, *, fixed_plateau: bool) -> FloatArray:
    """Inverse of the Fisher information with the prior, (3, 3)."""
    share, slopes = _share(theta, x)
    p = np.clip(share, 1e-12, 1 - 1e-12)
    information = (slopes / (p * (1 - p))) @ slopes.T
    information[1, 1] += 1 / PRIOR_LN_WIDTH[1] ** 2
    free = 2 if fixed_plateau else 3
    covariance = np.zeros((3, 3))
    covariance[:free, :free] = np.linalg.pinv(information[:free, :free])
    return covariance
