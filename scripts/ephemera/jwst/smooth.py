"""Binning and smoothing that never cross a visit, never fill a masked cell, and interpolation between visits.

Matrices are (wavelength, time). Nothing here enters light curves, metrics or exports: it is for display.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ephemera.jwst.observation import BoolArray, FloatArray, IntArray, SingleArray

#: The Gaussian is cut at this many sigma.
TRUNCATE = 4.0
#: Standard error of a median over that of a mean, for Gaussian noise.
MEDIAN_FACTOR = 1.2533
#: A bin is valid when at least this share of its members is.
LEAST_VALID = 0.5
#: Most columns that interpolation between visits adds, and values averaged on either side.
MOST_SYNTHETIC, SIDE = 2000, 5

Ranges = Sequence[tuple[int, int]]
Statistic = Literal["median", "mean"]


def smooth(
    matrix: npt.ArrayLike, mask: npt.ArrayLike, sigma_time: float, sigma_wave: float, visits: Ranges
) -> SingleArray:
    """Normalised convolution G = K*(F M) / K*M with a Gaussian cut at 4 sigma, visit by visit.

    `mask` is true where a value is good (wavelength, time). Masked cells stay masked (NaN), and do not
    touch their neighbours.
    """
    values = np.asarray(matrix, np.float32)
    good = np.asarray(mask, bool) & np.isfinite(values)
    result = np.where(good, values, np.float32(np.nan))
    if sigma_time <= 0 and sigma_wave <= 0:
        return result
    from scipy.ndimage import gaussian_filter1d  # only when asked for

    for start, stop in visits:
        part = good[:, start:stop]
        above = np.where(part, values[:, start:stop], 0).astype(np.float64)
        below = part.astype(np.float64)
        for axis, sigma in ((1, sigma_time), (0, sigma_wave)):
            if sigma > 0:
                above, below = (
                    gaussian_filter1d(a, sigma, axis=axis, mode="constant", truncate=TRUNCATE)
                    for a in (above, below)
                )
        with np.errstate(invalid="ignore", divide="ignore"):
            result[:, start:stop] = np.where(part, above / below, np.nan)
    return result


@dataclass(frozen=True)
class Binned:
    """A binned matrix (wavelength, bin): values, errors, validity, times, members, ranges of visits."""

    values: SingleArray
    errors: SingleArray
    valid: BoolArray
    time: FloatArray
    count: IntArray
    visits: list[tuple[int, int]]


def bin_edges(ranges: Ranges, k: int) -> list[list[int]]:
    """Edges of bins of `k` in each range; a tail shorter than k/2 joins the bin before."""
    edges = []
    for start, stop in ranges:
        found = list(range(start, stop, k))
        if len(found) > 1 and stop - found[-1] < k / 2:
            found.pop()
        edges.append([*found, stop])
    return edges


def bin_time(
    matrix: npt.ArrayLike,
    error: npt.ArrayLike,
    mask: npt.ArrayLike,
    time: npt.ArrayLike,
    k: int,
    visits: Ranges,
    statistic: Statistic = "median",
) -> Binned:
    """Bins of `k` integrations that never cross the ranges `visits`.

    `mask` is true where a value is good. A cell is valid when half of its members are; its error is
    sqrt(sum e^2) / n, times 1.2533 for a median. The time of a bin is the mean of its members that have any
    valid channel. Raises ValueError for k < 1 or another statistic.
    """
    if k < 1 or statistic not in ("median", "mean"):
        message = f"bins are of 1 or more, statistic is median or mean; got {k}, {statistic!r}"
        raise ValueError(message)
    values = np.asarray(matrix, np.float32).T
    errors = np.asarray(error, np.float32).T
    good = np.asarray(mask, bool).T & np.isfinite(values)
    times = np.asarray(time, float)
    edges = bin_edges(visits, k)
    starts = [a for group in edges for a in group[:-1]]
    stops = [b for group in edges for b in group[1:]]
    shape = (len(starts), values.shape[1])
    out, sigma = np.full(shape, np.nan, np.float32), np.full(shape, np.nan, np.float32)
    for first, last, width in _like_bins(starts, stops):
        _fill(out, sigma, slice(first, last), width, values, errors, good, starts, statistic)
    any_good: BoolArray = np.asarray(good.any(axis=1))
    middle = np.array([_mean_time(times[a:b], any_good[a:b]) for a, b in zip(starts, stops, strict=True)])
    counts = np.array([b - a for a, b in zip(starts, stops, strict=True)], np.int64)
    bounds = np.cumsum([0, *(len(group) - 1 for group in edges)]).tolist()
    return Binned(out.T, sigma.T, np.isfinite(out).T, middle, counts, list(itertools.pairwise(bounds)))


def _like_bins(starts: Sequence[int], stops: Sequence[int], most: int = 64) -> list[tuple[int, int, int]]:
    """Runs (first bin, one past the last, width) of equally wide bins that follow each other."""
    runs: list[tuple[int, int, int]] = []
    for k, (a, b) in enumerate(zip(starts, stops, strict=True)):
        if runs and runs[-1][2] == b - a and starts[k] == stops[k - 1] and k - runs[-1][0] < most:
            runs[-1] = (runs[-1][0], k + 1, b - a)
        else:
            runs.append((k, k + 1, b - a))
    return runs


def _fill(
    out: SingleArray,
    sigma: SingleArray,
    bins: slice,
    width: int,
    values: SingleArray,
    errors: SingleArray,
    good: BoolArray,
    starts: Sequence[int],
    statistic: Statistic,
) -> None:
    """Bins that are equally wide and follow each other, at once."""
    count = bins.stop - bins.start
    rows = slice(starts[bins.start], starts[bins.start] + count * width)
    if width == 1:
        out[bins] = np.where(good[rows], values[rows], np.nan)
        sigma[bins] = np.where(good[rows], errors[rows], np.nan)
        return
    shape = (count, width, values.shape[1])
    part, ok = values[rows].reshape(shape), good[rows].reshape(shape)
    n = ok.sum(axis=1)
    enough = n >= LEAST_VALID * width
    with np.errstate(invalid="ignore", divide="ignore"):
        if statistic == "mean":
            middle = np.where(ok, part, 0).sum(axis=1, dtype=np.float64) / n
        else:
            middle = _sorted_median(np.where(ok, part, np.float32(np.nan)), n)
        squares = np.where(ok, errors[rows].reshape(shape), 0).astype(np.float64) ** 2
        spread = np.sqrt(squares.sum(axis=1)) / n * (MEDIAN_FACTOR if statistic == "median" else 1.0)
    out[bins] = np.where(enough, middle, np.nan)
    sigma[bins] = np.where(enough, spread, np.nan)


def _sorted_median(values: SingleArray, n: npt.NDArray[Any]) -> FloatArray:
    """Median along axis 1 of values of which `n` are not NaN."""
    ordered = np.sort(values, axis=1)
    low, high = (np.maximum(n - 1, 0) // 2)[:, None], (n // 2)[:, None]
    high = np.minimum(high, values.shape[1] - 1)
    pair = [np.take_along_axis(ordered, place, axis=1)[:, 0].astype(np.float64) for place in (low, high)]
    middle: FloatArray = 0.5 * (pair[0] + pair[1])
    return middle


def _mean_time(times: FloatArray, good: BoolArray) -> float:
    return float(times[good].mean() if good.any() else times.mean())


def bin_wavelength(
    values: SingleArray, errors: SingleArray, valid: BoolArray, wavelength: FloatArray, edges: Sequence[int]
) -> tuple[SingleArray, SingleArray, FloatArray]:
    """Means over channels between `edges`, valid where half are, with errors and wavelengths."""
    n_bins = len(edges) - 1
    out = np.full((n_bins, values.shape[1]), np.nan, np.float32)
    sigma = np.full_like(out, np.nan)
    for k in range(n_bins):
        rows = slice(edges[k], edges[k + 1])
        ok = valid[rows] & np.isfinite(values[rows])
        n = ok.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            middle = np.where(ok, values[rows], 0).sum(axis=0, dtype=np.float64) / n
            squares = np.where(ok & np.isfinite(errors[rows]), errors[rows], 0).astype(np.float64) ** 2
            spread = np.sqrt(squares.sum(axis=0)) / n
        enough = n >= LEAST_VALID * (edges[k + 1] - edges[k])
        out[k] = np.where(enough, middle, np.nan)
        sigma[k] = np.where(enough & (spread > 0), spread, np.nan)
    middles = np.array([wavelength[a:b].mean() for a, b in itertools.pairwise(edges)])
    return out, sigma, middles


def edges_by_count(n_channels: int, k: int) -> list[int]:
    """Edges of bins of `k` channels; a tail shorter than k/2 joins the bin before."""
    return bin_edges([(0, n_channels)], k)[0]


def edges_by_resolution(wavelength: FloatArray, resolution: float) -> list[int]:
    """Edges of bins of constant resolution lambda / width."""
    number = np.floor(np.log(wavelength / wavelength[0]) * resolution + 1e-9).astype(np.int64)
    return [0, *(np.flatnonzero(np.diff(number)) + 1).tolist(), len(wavelength)]


def sample(n: int, most: int) -> IntArray:
    """Indices floor(i n / N) of `most` of `n` integrations; all when there are not more."""
    if most <= 0 or n <= most:
        return np.arange(n)
    return np.arange(most) * n // most


@dataclass(frozen=True)
class Bridge:
    """Synthetic columns that follow visit `after` (from 0): times and values (wavelength, column)."""

    after: int
    time: FloatArray
    values: SingleArray


def bridge_gaps(matrix: SingleArray, valid: BoolArray, time: FloatArray, visits: Ranges) -> list[Bridge]:
    """Columns at the median cadence between visits, linear between the last and first valid values.

    Either side is the mean of up to 5 valid values; at most 2000 columns in all. They are marked where they
    are shown and enter nothing else.
    """
    steps = np.concatenate([np.diff(time[a:b]) for a, b in visits]) if visits else np.zeros(0)
    if len(visits) < 2 or not len(steps):
        return []
    cadence = float(np.median(steps))
    spans = [(time[visits[k][1] - 1], time[visits[k + 1][0]]) for k in range(len(visits) - 1)]
    wanted = [max(round((b - a) / cadence) - 1, 0) for a, b in spans]
    share = min(1.0, MOST_SYNTHETIC / max(sum(wanted), 1))
    bridges = []
    for k, ((a, b), n) in enumerate(zip(spans, wanted, strict=True)):
        count = int(n * share)
        if count == 0:
            continue
        moments = a + (np.arange(count) + 1) * (b - a) / (count + 1)
        left = _side(matrix, valid, visits[k], last=True)
        right = _side(matrix, valid, visits[k + 1], last=False)
        part = ((moments - a) / (b - a))[None, :]
        values = left[:, None] * (1 - part) + right[:, None] * part
        bridges.append(Bridge(k, moments, values.astype(np.float32)))
    return bridges


def _side(matrix: SingleArray, valid: BoolArray, visit: tuple[int, int], *, last: bool) -> FloatArray:
    """Mean of up to 5 valid values of each channel at the end or the begin of a visit."""
    part, ok = matrix[:, visit[0] : visit[1]], valid[:, visit[0] : visit[1]]
    if last:
        part, ok = part[:, ::-1], ok[:, ::-1]
    ok = ok & (np.cumsum(ok, axis=1) <= SIDE)
    n = ok.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        means: FloatArray = np.where(ok, part, 0).sum(axis=1, dtype=np.float64) / n
    return np.where(n > 0, means, np.nan)
