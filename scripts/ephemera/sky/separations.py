"""Separations from a catalogue, told apart into true counterparts and chance.

Of true counterparts the separation r follows a Rayleigh law with the positional error sigma of one axis;
chance matches are spread evenly over the circle of radius R. The density of r is

    p(r) = f r / s^2 exp(-r^2 / 2 s^2) / (1 - exp(-R^2 / 2 s^2)) + (1 - f) 2 r / R^2

with the share f of true counterparts, and s = sigma (one error for all) or s = scale times the stated error
of each. Both parameters are fitted by maximum likelihood; errors come from the curvature there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: With fewer separations nothing is fitted.
FEWEST = 10


@dataclass(frozen=True)
class SeparationFit:
    """Fitted scale (sigma in arcsec if no errors were stated) and share of true counterparts, with errors."""

    scale: float
    scale_err: float
    fraction: float
    fraction_err: float


def density(r: FloatArray, radius: float, sigma: npt.ArrayLike, fraction: float) -> FloatArray:
    """Density of separations r (arcsec) up to `radius`; `sigma` (arcsec) is the error of one axis."""
    s2 = np.asarray(sigma, np.float64) ** 2
    true = r / s2 * np.exp(-(r**2) / (2 * s2)) / -np.expm1(-(radius**2) / (2 * s2))
    return np.asarray(fraction * true + (1 - fraction) * 2 * r / radius**2)


def expected_counts(edges: FloatArray, radius: float, sigma: float, fraction: float, n: int) -> FloatArray:
    """Expected number of `n` separations between `edges` (arcsec)."""
    whole = -np.expm1(-(radius**2) / (2 * sigma**2))
    cumulated = fraction * -np.expm1(-(edges**2) / (2 * sigma**2)) / whole
    return np.asarray(n * np.diff(cumulated + (1 - fraction) * edges**2 / radius**2))


def fit_separations(
    separation: npt.ArrayLike, radius: float, stated: npt.ArrayLike | None = None
) -> SeparationFit | None:
    """Fit to separations (arcsec) within `radius`; None with fewer than 10 of them.

    `stated` are the errors of one axis (arcsec) to be scaled; without them one error is fitted.
    """
    from scipy.optimize import minimize  # slow to import, and few steps fit anything

    r = np.asarray(separation, np.float64)
    unit = np.ones(len(r)) if stated is None else np.asarray(stated, np.float64)
    good = (r > 0) & (r <= radius) & np.isfinite(unit) & (unit > 0)
    r, unit = r[good], unit[good]
    if len(r) < FEWEST:
        return None

    def unlikely(p: FloatArray) -> float:
        scale, fraction = np.exp(p[0]), 1 / (1 + np.exp(-p[1]))
        return -float(np.log(np.maximum(density(r, radius, scale * unit, fraction), 1e-300)).sum())

    start = np.log(np.median(r) / 1.18 / np.median(unit))
    trials = [minimize(unlikely, [start + shift, 1.0], method="Nelder-Mead") for shift in (-1.0, -0.3, 0.0)]
    best = min(trials, key=lambda trial: trial.fun)
    scale, fraction = float(np.exp(best.x[0])), float(1 / (1 + np.exp(-best.x[1])))
    errors = _errors(unlikely, np.asarray(best.x, np.float64))
    return SeparationFit(scale, scale * errors[0], fraction, fraction * (1 - fraction) * errors[1])


def _errors(unlikely: object, at: FloatArray) -> FloatArray:
    """1 sigma errors of two parameters from the curvature of -ln L; NaN where it is not positive."""
    assert callable(unlikely)
    h = np.diag([1e-3, 1e-3])
    curvature = np.empty((2, 2))
    for i in range(2):
        for j in range(2):
            corners = [unlikely(at + a * h[i] + b * h[j]) * a * b for a in (-1, 1) for b in (-1, 1)]
            curvature[i, j] = sum(corners) / 4e-6
    with np.errstate(all="ignore"):
        try:
            return np.asarray(np.sqrt(np.diag(np.linalg.inv(curvature))))
        except np.linalg.LinAlgError:
            return np.full(2, np.nan)
