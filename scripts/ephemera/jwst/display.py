"""What pages show of a series: a matrix of at most 1000 x 500 cells, with everything that is said about it.

Integrations are binned (or sampled) and channels averaged until the matrix is small enough, then smoothed.
The factors are printed on the page. Light curves, metrics and exports never see this.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from ephemera.jwst.analysis import Analysis
from ephemera.jwst.normalised import Normalised
from ephemera.jwst.observation import FloatArray, IntArray, SingleArray
from ephemera.jwst.smooth import (
    bin_edges,
    bin_time,
    bin_wavelength,
    bridge_gaps,
    edges_by_count,
    sample,
    smooth,
)
from ephemera.jwst.visits import segments

if TYPE_CHECKING:
    from ephemera.config.jwst import Pages as Settings

#: Largest matrix of a page.
MOST_COLUMNS, MOST_ROWS = 1000, 500
#: With more parts than this a gap inside a visit is no longer drawn.
MOST_SEGMENTS = 40
#: A step of wavelength longer than this many usual ones is drawn as a gap.
ROW_GAP = 2.5


@dataclass(frozen=True)
class Segment:
    """Columns [start, stop) without a gap: the visit they belong to, and whether they are synthetic."""

    start: int
    stop: int
    visit: int
    synthetic: bool = False


@dataclass(frozen=True)
class Display:
    """The matrix of a page (row = wavelength, column = time) in percent, with axes and levels.

    `level` (visit, row) is the flux at V = 0; `bare` maps rows without a median to their flux. `count` is the
    number of integrations of a column; `curves` are light curves in percent with errors on the columns.
    """

    name: str
    hours: FloatArray
    time: FloatArray
    wavelength: FloatArray
    variability: SingleArray
    error: SingleArray
    level: SingleArray
    count: IntArray
    segments: list[Segment]
    curves: dict[str, tuple[FloatArray, FloatArray]]
    bin_time: int
    bin_wavelength: int
    sampled: bool
    bare: dict[int, SingleArray] = field(default_factory=dict)


def make_display(
    analysis: Analysis, norm: Normalised, settings: Settings, most_rows: int = MOST_ROWS
) -> Display:
    """The matrix of a page from a normalised series."""
    most = min(settings.max_integrations or MOST_COLUMNS, MOST_COLUMNS)
    hours = analysis.hours
    if settings.reduce == "sample" and len(hours) > most:
        chosen = sample(len(hours), most)
        factor = 1
    else:
        chosen = np.arange(len(hours))
        factor = _factor(hours, analysis.ranges, most)
    ranges = [(int(np.searchsorted(chosen, a)), int(np.searchsorted(chosen, b))) for a, b in analysis.ranges]
    ranges = [(a, b) for a, b in ranges if b > a]
    parts = _segments(hours[chosen], ranges)
    whole = slice(None) if len(chosen) == len(hours) else chosen
    matrix, errors = norm.variability()[:, whole], np.float32(100) * norm.errors()[:, whole]
    binned = bin_time(matrix, errors, np.isfinite(matrix), hours[chosen], factor, parts)
    step = math.ceil(len(analysis.wavelength) / most_rows)
    edges = edges_by_count(len(analysis.wavelength), step)
    values, sigma, wavelength = bin_wavelength(
        binned.values, binned.errors, binned.valid, analysis.wavelength, edges
    )
    values = smooth(values, np.isfinite(values), settings.sigma_time, settings.sigma_wave, binned.visits)
    visit_of = np.array([next(k for k, (a, b) in enumerate(ranges) if a <= s < b) for s, _ in parts])
    shown = [Segment(a, b, int(v)) for (a, b), v in zip(binned.visits, visit_of, strict=True)]
    level = np.array([_row_means(row, edges) for row in norm.level], np.float32)
    display = Display(
        analysis.name,
        binned.time,
        analysis.time[0] + (binned.time - analysis.hours[0]) / 24,
        wavelength,
        values,
        sigma,
        level,
        binned.count,
        shown,
        _curves(analysis, chosen, parts, factor),
        factor,
        step,
        len(chosen) < len(hours),
        _bare(norm, chosen, level, parts, factor, edges),
    )
    if settings.interpolate_gaps:
        display = _bridged(display)
    return _with_row_gaps(display)


def _factor(hours: FloatArray, ranges: list[tuple[int, int]], most: int) -> int:
    """Smallest number of integrations a bin that gives at most `most` columns."""
    factor = max(1, math.ceil(len(hours) / most))
    parts = _segments(hours, ranges)
    while sum(len(edges) - 1 for edges in bin_edges(parts, factor)) > most and factor < len(hours):
        factor += 1
    return factor


def _segments(hours: FloatArray, ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    parts = segments(hours, ranges)
    return parts if len(parts) <= max(MOST_SEGMENTS, len(ranges)) else list(ranges)


def _row_means(level: FloatArray, edges: list[int]) -> FloatArray:
    """Mean level of the channels of each row; NaN where none has one."""
    means = np.full(len(edges) - 1, np.nan)
    for k, (a, b) in enumerate(itertools.pairwise(edges)):
        known = level[a:b][np.isfinite(level[a:b])]
        if len(known):
            means[k] = known.mean()
    return means


def _curves(
    analysis: Analysis, chosen: IntArray, parts: list[tuple[int, int]], factor: int
) -> dict[str, tuple[FloatArray, FloatArray]]:
    curves = {}
    for name, curve in analysis.curves.items():
        flux = (100 * (curve.flux[chosen] - 1)).astype(np.float32)[None, :]
        error = (100 * curve.error[chosen]).astype(np.float32)[None, :]
        binned = bin_time(flux, error, np.isfinite(flux), analysis.hours[chosen], factor, parts, "mean")
        curves[name] = (binned.values[0].astype(float), binned.errors[0].astype(float))
    return curves


def _bare(
    norm: Normalised,
    chosen: IntArray,
    level: SingleArray,
    parts: list[tuple[int, int]],
    factor: int,
    edges: list[int],
) -> dict[int, SingleArray]:
    """Flux of rows that have no median and so no variability."""
    rows = np.flatnonzero(~np.isfinite(level).any(axis=0))
    found: dict[int, SingleArray] = {}
    for row in rows:
        channels = slice(edges[row], edges[row + 1])
        flux, error = norm.series.flux[channels][:, chosen], norm.series.error[channels][:, chosen]
        if np.isfinite(flux).any():
            binned = bin_time(flux, error, np.isfinite(flux), np.arange(len(chosen)), factor, parts)
            count = np.isfinite(binned.values).sum(axis=0)
            with np.errstate(invalid="ignore"):
                found[int(row)] = (
                    np.nansum(binned.values, axis=0) / np.where(count > 0, count, np.nan)
                ).astype(np.float32)
    return found


def _bridged(display: Display) -> Display:
    """The same with synthetic columns between visits, at the end of the columns."""
    visits: dict[int, list[int]] = {}
    for segment in display.segments:
        visits.setdefault(segment.visit, []).extend([segment.start, segment.stop])
    numbers = sorted(visits)
    ranges = [(min(visits[k]), max(visits[k])) for k in numbers]
    bridges = bridge_gaps(display.variability, np.isfinite(display.variability), display.hours, ranges)
    shown = list(display.segments)
    hours, values, place = [display.hours], [display.variability], len(display.hours)
    for bridge in bridges:
        hours.append(bridge.time)
        values.append(bridge.values)
        shown.append(Segment(place, place + len(bridge.time), numbers[bridge.after], synthetic=True))
        place += len(bridge.time)
    extra = place - len(display.hours)
    nothing = np.full((len(display.wavelength), extra), np.nan, np.float32)
    lost = np.full(extra, np.nan)
    all_hours = np.concatenate(hours)
    return replace(
        display,
        hours=all_hours,
        time=display.time[0] + (all_hours - display.hours[0]) / 24,
        variability=np.concatenate(values, axis=1),
        error=np.concatenate([display.error, nothing], axis=1),
        count=np.concatenate([display.count, np.zeros(extra, np.int64)]),
        segments=shown,
        curves={n: (np.append(a, lost), np.append(b, lost)) for n, (a, b) in display.curves.items()},
        bare={row: np.append(flux, lost.astype(np.float32)) for row, flux in display.bare.items()},
    )


def _with_row_gaps(display: Display) -> Display:
    """The same with two empty rows in each gap of the wavelength axis, so that it stays empty."""
    wavelength = display.wavelength
    if len(wavelength) < 3:
        return display
    steps = np.diff(wavelength)
    usual = np.array([np.median(steps[max(0, k - 5) : k + 6]) for k in range(len(steps))])
    gaps = np.flatnonzero(steps > ROW_GAP * usual)
    if not len(gaps):
        return display
    places = np.repeat(gaps + 1, 2)
    new = np.stack([wavelength[gaps] + usual[gaps], wavelength[gaps + 1] - usual[gaps]], axis=1).ravel()
    empty = np.float32(np.nan)
    moved = np.arange(len(wavelength)) + np.searchsorted(places, np.arange(len(wavelength)), "right")
    return replace(
        display,
        wavelength=np.insert(wavelength, places, new),
        variability=np.insert(display.variability, places, empty, axis=0),
        error=np.insert(display.error, places, empty, axis=0),
        level=np.insert(display.level, places, empty, axis=1),
        bare={int(moved[row]): flux for row, flux in display.bare.items()},
    )


def colour_limits(display: Display) -> tuple[tuple[float, float], tuple[float, float]]:
    """Limits of colours: +-99.5 percentile of |V|, and 0.5 to 99.5 percentile of the flux."""
    known = display.variability[np.isfinite(display.variability)]
    top = float(np.percentile(np.abs(known), 99.5)) if known.size else 1.0
    top = top if top > 0 else 1.0
    flux = flux_matrix(display)
    shown = flux[np.isfinite(flux)]
    low, high = (float(v) for v in np.percentile(shown, [0.5, 99.5])) if shown.size else (0.0, 1.0)
    return (-top, top), (low, high if high > low else low + 1.0)


def flux_matrix(display: Display) -> SingleArray:
    """F = m (1 + V / 100) on the columns, and the flux of rows without a median."""
    visit = np.zeros(len(display.hours), np.int64)
    for segment in display.segments:
        visit[segment.start : segment.stop] = segment.visit
    flux: SingleArray = display.level[visit].T * (1 + display.variability / np.float32(100))
    for row, values in display.bare.items():
        flux[row] = values
    return flux
