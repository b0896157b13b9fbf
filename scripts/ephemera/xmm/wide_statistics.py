"""A wide set of numbers that describe the shape of a light curve, for classification.

A curve is its exposed frames: counts n, expectation mu, exposure. Most numbers are made of the deviations
r = (n - mu) / sqrt(mu), of which a curve that follows its expectation has mean 0 and variance 1 whatever its
rate. Lags and windows count exposed frames. Numbers that do not exist (too few frames, no counts) are NaN.
Sources: excess variance, Vaughan et al. 2003 (MNRAS 345, 1271); eta, von Neumann 1941; K, Stetson 1996
(PASP 108, 851); runs, Wald and Wolfowitz 1940; A2, Anderson and Darling 1952; normalised power, Scargle 1982.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ephemera.xmm.bayes import log10_bayes_factors, sigma_equivalent_eclipse, sigma_equivalent_peak
from ephemera.xmm.feature_statistics import poisson_uniform, reproducible_uniform
from ephemera.xmm.observation import BoolArray, FloatArray

#: Expected counts are raised to this before a deviation is made of them.
LEAST_MU = 1e-6
WINDOWS = (2, 4, 8, 16, 32)
LAGS = (1, 2, 4, 8)
#: Frames on either side of the largest count in which its asymmetry is measured.
AROUND_PEAK = 10


@dataclass(frozen=True)
class Curve:
    """Exposed frames of a light curve: counts, expectation, exposed seconds, bad time; `detid` seeds."""

    n: FloatArray
    mu: FloatArray
    exposure: FloatArray
    bti: BoolArray
    detid: str = ""

    def __len__(self) -> int:
        return len(self.n)

    @cached_property
    def r(self) -> FloatArray:
        """Deviations (n - mu) / sqrt(mu)."""
        return np.asarray((self.n - self.mu) / np.sqrt(np.maximum(self.mu, LEAST_MU)))

    @cached_property
    def uniform(self) -> FloatArray:
        """Counts as numbers that are uniform in (0, 1) where the expectation is right."""
        peak, eclipse = log10_bayes_factors(self.n, np.maximum(self.mu, LEAST_MU))
        return poisson_uniform(peak, eclipse, reproducible_uniform(self.detid, np.arange(len(self))))


def wide_features(curve: Curve) -> dict[str, float]:
    """All numbers of `wide_columns.WIDE_FEATURES` of one curve; NaN for a curve of fewer than 4 frames."""
    if len(curve) < 4:
        return {}
    parts: list[Mapping[str, float]] = [
        spread(curve), excess_variance(curve), order(curve), memory(curve), trend(curve),
        windows(curve), power(curve), concentration(curve), peak_shape(curve), company(curve),
    ]  # fmt: skip
    return {name: float(value) for part in parts for name, value in part.items()}


def spread(curve: Curve) -> dict[str, float]:
    """How widely the deviations are spread, and how the ranks of the counts depart from the uniform."""
    r = curve.r
    low, q25, median, q75, high = np.quantile(r, [0.05, 0.25, 0.5, 0.75, 0.95])
    centred = r - r.mean()
    variance = float((centred**2).mean())
    u = np.sort(np.clip(curve.uniform, 1e-12, 1 - 1e-12))
    k = np.arange(1, len(u) + 1)
    a2 = -len(u) - float(((2 * k - 1) * (np.log(u) + np.log1p(-u[::-1]))).mean())
    zero = np.exp(-curve.mu)
    return {
        "r_mean": r.mean(),
        "r_std": math.sqrt(variance),
        "r_skew": _ratio((centred**3).mean(), variance**1.5),
        "r_kurt": _ratio((centred**4).mean(), variance**2) - 3,
        "r_median": median,
        "r_mad": np.median(np.abs(r - median)),
        "r_amplitude": (high - low) / 2,
        "r_iqr_to_range": _ratio(q75 - q25, high - low),
        "beyond_1": np.mean(np.abs(r) > 1),
        "beyond_2": np.mean(np.abs(r) > 2),
        "beyond_3": np.mean(np.abs(r) > 3),
        "stetson_k": _ratio(np.abs(centred).mean(), math.sqrt(variance)),
        "anderson_darling": a2,
        "zero_excess": _ratio(np.sum(curve.n == 0) - zero.sum(), math.sqrt((zero * (1 - zero)).sum())),
    }


def excess_variance(curve: Curve) -> dict[str, float]:
    """Variance of the rate beyond that of counting, as share of its squared mean, and its error."""
    on = curve.exposure > 0
    rate = curve.n[on] / curve.exposure[on]
    mean, noise = float(rate.mean()), float((curve.n[on] / curve.exposure[on] ** 2).mean())
    size = len(rate)
    nxs = _ratio(rate.var(ddof=1) - noise, mean**2)
    error = math.nan
    if mean > 0:
        relative = noise / mean**2
        first = math.sqrt(2 / size) * relative
        second = math.sqrt(relative / size) * 2 * math.sqrt(max(nxs, 0.0))
        error = math.hypot(first, second)
    return {
        "excess_variance": nxs,
        "excess_variance_err": error,
        "fano": _ratio(curve.n.var(ddof=1), curve.n.mean()),
    }


def order(curve: Curve) -> dict[str, float]:
    """Whether neighbours are alike: von Neumann's eta, runs above and below, longest runs, cumulative sum."""
    r = curve.r - curve.r.mean()
    above = curve.n > curve.mu
    changes = np.flatnonzero(np.diff(above))
    lengths = np.diff(np.concatenate([[-1], changes, [len(above) - 1]]))
    is_above = above[np.concatenate([changes, [len(above) - 1]])]
    up, size = int(above.sum()), len(above)
    expected = 1 + 2 * up * (size - up) / size
    spread_of_runs = (expected - 1) * (expected - 2) / (size - 1)
    path = np.cumsum(curve.n - curve.mu)
    return {
        "eta": _ratio((np.diff(curve.r) ** 2).sum(), (r**2).sum()),
        "runs_z": _ratio(len(lengths) - expected, math.sqrt(max(spread_of_runs, 0.0))),
        "longest_above": lengths[is_above].max(initial=0),
        "longest_below": lengths[~is_above].max(initial=0),
        "cusum_range": _ratio(np.ptp(path), math.sqrt(curve.mu.sum())),
    }


def memory(curve: Curve) -> dict[str, float]:
    """Autocorrelation and structure function of the deviations at some lags; lag at which it falls to 1/e."""
    r = curve.r - curve.r.mean()
    size = len(r)
    spectrum = np.abs(np.fft.rfft(r, 2 * size)) ** 2
    full = np.fft.irfft(spectrum)[:size]
    correlation = full / full[0] if full[0] > 0 else np.full(size, np.nan)
    below = np.flatnonzero(correlation < 1 / math.e)
    values = {"correlation_length": float(below[0]) if len(below) else float(size)}
    for lag in LAGS:
        known = lag < size
        values[f"autocorrelation_{lag}"] = correlation[lag] if known else math.nan
        values[f"structure_{lag}"] = np.mean((r[lag:] - r[:-lag]) ** 2) if known else math.nan
    return values


def trend(curve: Curve) -> dict[str, float]:
    """Slope of the deviations over the curve, in sigma, and the second half against the first."""
    size = len(curve)
    t = np.linspace(-1, 1, size)
    half = size // 2
    mu = np.maximum(curve.mu, LEAST_MU)
    first = (curve.n[:half].sum() - mu[:half].sum()) / math.sqrt(mu[:half].sum())
    second = (curve.n[half:].sum() - mu[half:].sum()) / math.sqrt(mu[half:].sum())
    return {
        "slope_sigma": float((t * curve.r).sum() / math.sqrt((t**2).sum())),
        "curvature_sigma": _legendre(curve.r, 1.5 * t**2 - 0.5),
        "halves_sigma": (second - first) / math.sqrt(2),
    }


def _legendre(r: FloatArray, polynomial: FloatArray) -> float:
    centred = polynomial - polynomial.mean()
    return float((centred * r).sum() / math.sqrt((centred**2).sum()))


def windows(curve: Curve) -> dict[str, float]:
    """Largest excess and deficit of sums over 2 to 32 frames, in sigma; window of the largest excess."""
    total_n, total_mu = (np.concatenate([[0.0], np.cumsum(v)]) for v in (curve.n, curve.mu))
    values: dict[str, float] = {}
    best = (0.0, 1)
    for width in WINDOWS:
        peak = eclipse = math.nan
        if width <= len(curve):
            n = total_n[width:] - total_n[:-width]
            mu = np.maximum(total_mu[width:] - total_mu[:-width], LEAST_MU)
            score = (n - mu) / np.sqrt(n + mu)
            most, least = int(np.argmax(score)), int(np.argmin(score))
            log_peak = log10_bayes_factors(n[[most]], mu[[most]])[0]
            log_eclipse = log10_bayes_factors(n[[least]], mu[[least]])[1]
            peak = float(sigma_equivalent_peak(log_peak)[0])
            eclipse = float(sigma_equivalent_eclipse(log_eclipse)[0])
            best = (peak, width) if peak > best[0] else best
        values |= {f"sigma_peak_{width}": peak, f"sigma_eclipse_{width}": eclipse}
    return values | {"best_window": float(best[1])}


def power(curve: Curve) -> dict[str, float]:
    """Largest normalised power of the deviations, its period in frames, its chance; slope of the spectrum."""
    r = curve.r - curve.r.mean()
    variance = float((r**2).mean())
    if variance == 0:
        return dict.fromkeys(("power_max", "power_period", "power_log10_chance", "power_slope"), math.nan)
    spectrum = np.abs(np.fft.rfft(r)[1:]) ** 2 / (len(r) * variance)
    if len(r) % 2 == 0:
        spectrum = spectrum[:-1]  # the last one is of another distribution
    best = int(np.argmax(spectrum))
    chance = -math.expm1(len(spectrum) * math.log1p(-math.exp(-max(spectrum[best], 1e-300))))
    x = np.log(np.arange(1, len(spectrum) + 1))
    x -= x.mean()
    y = np.log(np.maximum(spectrum, 1e-12))
    return {
        "power_max": spectrum[best],
        "power_period": len(r) / (best + 1),
        "power_log10_chance": math.log10(max(chance, 1e-300)),
        "power_slope": _ratio((x * y).sum(), (x**2).sum()),
    }


def concentration(curve: Curve) -> dict[str, float]:
    """In how few frames the excess is: Gini coefficient, entropy, frames that hold half, largest share."""
    excess = np.maximum(curve.n - curve.mu, 0.0)
    total = float(excess.sum())
    if total <= 0:
        return dict.fromkeys(("gini", "entropy", "half_share", "largest_share", "second_to_first"), math.nan)
    ordered = np.sort(excess)
    size = len(ordered)
    share = ordered[::-1] / total
    k = np.arange(1, size + 1)
    positive = share[share > 0]
    return {
        "gini": float((2 * k - size - 1) @ ordered / (size * total)),
        "entropy": float(-(positive * np.log(positive)).sum() / math.log(size)),
        "half_share": float(np.searchsorted(np.cumsum(share), 0.5) + 1) / size,
        "largest_share": float(share[0]),
        "second_to_first": float(share[1] / share[0]),
    }


def peak_shape(curve: Curve) -> dict[str, float]:
    """The frame with the largest deviation: its place in the curve, its surroundings before and after."""
    best = int(np.argmax(curve.r))
    excess = curve.n - curve.mu
    before = float(excess[max(0, best - AROUND_PEAK) : best].sum())
    after = float(excess[best + 1 : best + 1 + AROUND_PEAK].sum())
    around = np.concatenate([curve.r[max(0, best - 1) : best], curve.r[best + 1 : best + 2]])
    return {
        "peak_place": best / (len(curve) - 1),
        "peak_r": curve.r[best],
        "peak_beside": around.mean(),
        "peak_asymmetry": _ratio(after - before, abs(after) + abs(before)),
        "dip_r": curve.r.min(),
    }


def company(curve: Curve) -> dict[str, float]:
    """Whether deviations go with what is no source: the expectation, the exposure, bad time, the ends."""
    bad, edge = curve.bti, np.zeros(len(curve), bool)
    edge[: max(1, len(curve) // 50)] = edge[-max(1, len(curve) // 50) :] = True
    return {
        "r_mu_correlation": _correlation(curve.r, curve.mu),
        "r_exposure_correlation": _correlation(curve.r, curve.exposure),
        "r_bti_difference": curve.r[bad].mean() - curve.r[~bad].mean()
        if bad.any() and not bad.all()
        else 0.0,
        "r_edge_difference": curve.r[edge].mean() - curve.r[~edge].mean(),
    }


def _correlation(a: FloatArray, b: FloatArray) -> float:
    """Pearson's correlation, 0 where one of them is constant."""
    da, db = a - a.mean(), b - b.mean()
    norm = math.sqrt(float((da**2).sum() * (db**2).sum()))
    return float((da * db).sum()) / norm if norm > 1e-12 * (1 + abs(float(b.mean()))) else 0.0


def _ratio(above: float, below: float) -> float:
    return float(above) / float(below) if below else math.nan
