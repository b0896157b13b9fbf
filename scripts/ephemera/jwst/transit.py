"""A trapezoid through a transit or eclipse: a check of a light curve, not a fit of a planet.

Model (a + b (t - t0)) (1 - d y), y = clip((T14/2 - |t - t0|) / tau, 0, 1). Its sum of squares has shallow
false minima, so (t0, T14, tau) are scanned on a grid first, each with the best a, b, d, and the best point is
refined by a simplex.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.jwst.observation import BoolArray, FloatArray

#: Half width of the time around mid-transit whose mean gives the depth at centre, d.
CENTRE_HALF_WIDTH = 0.02


@dataclass(frozen=True)
class Trapezoid:
    """Result: mid-time, total duration and ingress (days), depth, line a + b (t - t0), rms of the rest.

    `half_depth_middle` lies between the half-depth crossings; `centre_depth` is 1 - mean within 0.02 d,
    its error the scatter out of transit over the root of the number of points.
    """

    t0: float
    duration: float
    ingress: float
    depth: float
    level: float
    slope: float
    rms: float
    half_depth_middle: float
    centre_depth: float
    centre_depth_error: float


def straight_line(time: FloatArray, flux: FloatArray, outside: BoolArray) -> FloatArray:
    """Straight line through the points out of transit, at all times."""
    good = outside & np.isfinite(flux)
    middle = float(time[good].mean())
    return np.asarray(np.polyval(np.polyfit(time[good] - middle, flux[good], 1), time - middle), float)


def shape(time: FloatArray, t0: float, duration: float, ingress: float) -> FloatArray:
    """Y of the model: 1 in full transit, 0 outside."""
    return np.clip((duration / 2 - np.abs(time - t0)) / ingress, 0, 1)


def fit_trapezoid(time: npt.ArrayLike, flux: npt.ArrayLike) -> Trapezoid | None:
    """Least-squares trapezoid of a normalised light curve; None for fewer than 8 valid points."""
    t, f = np.asarray(time, float), np.asarray(flux, float)
    good = np.isfinite(t) & np.isfinite(f)
    t, f = t[good], f[good]
    if len(t) < 8:
        return None
    from scipy.optimize import minimize  # only when asked for

    origin, span = float(t[0]), float(t[-1] - t[0])
    x = t - origin
    start = _scan(x, f, span)

    def cost(parameters: npt.NDArray[np.float64]) -> float:
        t0, duration, ingress = parameters
        if not (0 < ingress <= duration / 2 and -span < t0 < 2 * span):
            return 1e10
        return _solve(x, f, shape(x, t0, duration, ingress), t0)[3]

    best, step = start, np.array([0.01, 0.02, 0.2]) * start[1]
    for _ in range(4):  # restarts of the simplex leave shallow false minima behind
        corners = np.vstack([best, *(best + np.diag(step))])
        options: Any = {"initial_simplex": corners, "xatol": 1e-9, "fatol": 1e-16}
        options |= {"maxiter": 3000, "maxfev": 6000}
        best = minimize(cost, best, method="Nelder-Mead", options=options).x
        step = step * 0.5
    t0, duration, ingress = (float(value) for value in best)
    level, slope, depth, squares = _solve(x, f, shape(x, t0, duration, ingress), t0)
    centre = np.abs(x - t0) < CENTRE_HALF_WIDTH
    inside = f[centre]
    outside = f[np.abs(x - t0) > duration / 2]
    error = float(outside.std() / np.sqrt(len(inside))) if len(inside) and len(outside) > 1 else float("nan")
    return Trapezoid(
        origin + t0, duration, ingress, depth, level, slope, float(np.sqrt(squares / len(x))),
        origin + _half_depth(x, f / (level + slope * (x - t0)), t0, depth),
        1 - float(inside.mean()) if len(inside) else float("nan"), error,
    )  # fmt: skip


def _scan(x: FloatArray, f: FloatArray, span: float) -> FloatArray:
    """Best (t0, T14, tau) of a grid."""
    best, found = np.inf, np.array([span / 2, span / 3, span / 20])
    for duration in span * np.linspace(0.08, 0.9, 24):
        for t0 in np.linspace(0.1 * span, 0.9 * span, 33):
            for part in (0.05, 0.12, 0.25, 0.5):
                squares = _solve(x, f, shape(x, t0, duration, part * duration), t0)[3]
                if squares < best:
                    best, found = squares, np.array([t0, duration, part * duration])
    return found


def _solve(x: FloatArray, f: FloatArray, y: FloatArray, t0: float) -> tuple[float, float, float, float]:
    """Best a, b, d and the sum of squares for a given shape: linear, then two Gauss-Newton steps."""
    u = x - t0
    a, b, d = float(np.median(f)), 0.0, 0.0
    for step in range(3):
        line = a + b * u
        design = np.stack([1 - d * y, u * (1 - d * y), -line * y])
        rest = f - line * (1 - d * y)
        gram = design @ design.T
        gram[np.diag_indices(3)] += 1e-14 * max(float(np.trace(gram)), 1e-300)
        change = np.linalg.solve(gram, design @ rest)
        a, b, d = a + change[0], b + change[1], d + change[2]
        if step and np.all(np.abs(change) < 1e-13):
            break
    rest = f - (a + b * u) * (1 - d * y)
    return float(a), float(b), float(d), float(rest @ rest)


def _half_depth(x: FloatArray, f: FloatArray, t0: float, depth: float) -> float:
    """Middle between the crossings of half the depth nearest to t0 on either side; NaN without them."""
    below = f - (1 - depth / 2)
    crossing = np.flatnonzero(np.sign(below[:-1]) != np.sign(below[1:]))
    if len(crossing) == 0:
        return float("nan")
    moments = x[crossing] - below[crossing] * (x[crossing + 1] - x[crossing]) / (
        below[crossing + 1] - below[crossing]
    )
    left, right = moments[moments < t0], moments[moments > t0]
    return float((left[-1] + right[0]) / 2) if len(left) and len(right) else float("nan")
