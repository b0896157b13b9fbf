"""Sky positions of regions, and their errors.

Two positions are made of each region. The *grid position* is the centroid of the region's pixels weighted
by their counts, turned into sky coordinates X, Y at pixel centres and then, by the gnomonic projection of
the event lists, into right ascension and declination. The *event position* is the mean X, Y of the events
around it in its significant frames,

    X̄ = Σ w X / Σ w,   w = max(0, 1 - mu/n),

with n and mu the counts of the event's cell, so that the expected background is taken out; it starts at
the grid position, keeps events within 30 arcsec and is iterated three times.

The error of one axis is sqrt(σ_psf² + pixel²/12)/√N for grid positions and σ_psf/√N for event positions,
each with 1.5 arcsec of the pointing added in quadrature; N is the excess in counts, at least 1. What is
reported is the radial error, √2 times that of an axis.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from ephemera.sky.tan import to_sky, wrap_degrees
from ephemera.xmm.cells import Cells, counts_at
from ephemera.xmm.connected_regions import Columns, Regions
from ephemera.xmm.expected_counts import Expectation
from ephemera.xmm.observation import REFERENCE_PIXEL, UNIT_ARCSEC, Events, FloatArray, IntArray, Telescope
from ephemera.xmm.region_events import RegionEvents, events_in_boxes, significant_frames
from ephemera.xmm.sparse_cube import SparseCube

#: Width of the point spread function, arcsec per axis: a half-energy width of 15 arcsec is 2.355 sigma.
SIGMA_PSF = 6.4
#: Error of the pointing, arcsec per axis.
SIGMA_SYSTEMATIC = 1.5
#: Events further away than this from the position do not count, arcsec.
CLIP_ARCSEC = 30.0
#: How often event positions are improved.
ITERATIONS = 3
#: With fewer events the grid position is adopted.
MIN_EVENTS = 5


@dataclass(frozen=True)
class EventPositions:
    """Event positions of regions: sky coordinates `x`, `y` (NaN where none) and number of events `n`."""

    x: FloatArray
    y: FloatArray
    n: IntArray


def position_error(
    excess: npt.ArrayLike,
    size_arcsec: float = 0.0,
    *,
    sigma_psf: npt.ArrayLike = SIGMA_PSF,
    systematic: float = SIGMA_SYSTEMATIC,
) -> FloatArray:
    """Radial 1 sigma error, arcsec, of positions from `excess` counts (fewer than 1 count as 1).

    `size_arcsec` is the pixel size for grid positions and 0 for event positions:
    √2 · sqrt((σ_psf² + size²/12)/N + systematic²). NaN stays NaN.
    """
    counts = np.maximum(np.asarray(excess, dtype=np.float64), 1.0)
    axis = (np.square(sigma_psf) + size_arcsec**2 / 12) / counts + systematic**2
    return np.asarray(np.sqrt(2 * axis))


def grid_positions(regions: Regions) -> tuple[FloatArray, FloatArray]:
    """Sky coordinates X, Y of the weighted centroids, as floats in units of 0.05 arcsec."""
    grid = regions.grid
    x = grid.centre(regions["wcentroid_x"], "x")
    y = grid.centre(regions["wcentroid_y"], "y")
    return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)


def event_positions(
    regions: Regions,
    cells: Cells,
    cube: SparseCube,
    expectation: Expectation,
    events: Events,
    *,
    clip_arcsec: float = CLIP_ARCSEC,
) -> EventPositions:
    """Positions from the events in the frames in which a region has a peak.

    `cells` are those from which `regions` were made, `events` those of the subset. Regions without a peak
    (eclipses) and those around which no event exceeds the expectation get NaN and 0 events.
    Raises ValueError when `clip_arcsec` is not positive.
    """
    if not clip_arcsec > 0:
        raise ValueError(f"clip_arcsec must be positive, got {clip_arcsec}")
    x, y = grid_positions(regions)
    clip = clip_arcsec / UNIT_ARCSEC
    # Each iteration moves the centre by at most the clipping radius.
    reach = clip * ITERATIONS
    boxes = np.stack([x - reach, x + reach, y - reach, y + reach], axis=1)
    pairs = significant_frames(cells, regions, peaks_only=True)
    found = events_in_boxes(events, cube.frames, cube.band, pairs, boxes)
    event_x = events.x[found.event].astype(np.float64)
    event_y = events.y[found.event].astype(np.float64)
    weight = _weights(events, found, cube, expectation)
    n = np.zeros(len(regions), dtype=np.int64)
    for _ in range(ITERATIONS):
        distance = np.hypot(event_x - x[found.region], event_y - y[found.region])
        near = (distance <= clip) & (weight > 0)
        region, w = found.region[near], weight[near]
        total = np.bincount(region, w, minlength=len(regions))
        n = np.bincount(region, minlength=len(regions))
        with np.errstate(invalid="ignore"):
            x = np.bincount(region, w * event_x[near], minlength=len(regions)) / total
            y = np.bincount(region, w * event_y[near], minlength=len(regions)) / total
    return EventPositions(x, y, n)


def _weights(events: Events, found: RegionEvents, cube: SparseCube, expectation: Expectation) -> FloatArray:
    """Share of each event that is excess: max(0, 1 - mu/n) of its cell, 0 where nothing is expected."""
    grid = cube.grid
    i = grid.index(events.x[found.event], "x").astype(np.int64)
    j = grid.index(events.y[found.event], "y").astype(np.int64)
    mu = expectation.at(i, j, found.frame)
    n = counts_at(cube, (found.frame * grid.n + j) * grid.n + i)
    return np.where(mu < n, 1 - mu / np.maximum(n, 1), 0.0)


def positions(
    regions: Regions,
    cells: Cells,
    cube: SparseCube,
    expectation: Expectation,
    events: Events | None,
    reference_ra: float,
    reference_dec: float,
    telescope: Telescope | None = None,
) -> Columns:
    """Position columns of `REGION_COLUMNS` for all regions of a run.

    The reference is the position of pixel (25921, 25921) of the event lists, degrees; the frame is theirs.
    The event position is adopted as `ra`, `dec`, `x`, `y` when at least 5 events are behind it, the grid
    position otherwise; `events` None leaves event positions out. `telescope` has the widths of another
    mission than XMM-Newton.
    """
    grid_x, grid_y = grid_positions(regions)
    error = _errors(telescope, np.hypot(grid_x - REFERENCE_PIXEL, grid_y - REFERENCE_PIXEL))
    grid_error = error(regions["n_excess"], regions.grid.size_arcsec)
    if events is None:
        nothing = np.full(len(regions), np.nan)
        measured = EventPositions(nothing, nothing, np.zeros(len(regions), dtype=np.int64))
    else:
        clip = CLIP_ARCSEC if telescope is None else telescope.clip_arcsec
        measured = event_positions(regions, cells, cube, expectation, events, clip_arcsec=clip)
    known = np.isfinite(measured.x)
    event_error = np.where(known, error(regions["n_excess"]), np.nan)
    adopted = known & (measured.n >= MIN_EVENTS)
    x, y = np.where(adopted, measured.x, grid_x), np.where(adopted, measured.y, grid_y)

    columns: Columns = {"x": x, "y": y}
    for suffix, plane_x, plane_y in (("", x, y), ("_grid", grid_x, grid_y), ("_evt", measured.x, measured.y)):
        columns[f"ra{suffix}"], columns[f"dec{suffix}"] = to_sky(
            plane_x, plane_y, reference_ra, reference_dec
        )
    columns["poserr"] = np.where(adopted, event_error, grid_error)
    columns["poserr_grid"], columns["poserr_evt"] = grid_error, event_error
    columns["n_evt"] = measured.n.astype(np.int32)
    columns["position"] = np.where(adopted, "events", "grid").astype(object)
    return columns


def _errors(telescope: Telescope | None, off_axis_units: FloatArray) -> Callable[..., FloatArray]:
    """The function `position_error` with the widths of a telescope at distances (sky units) from the axis."""
    if telescope is None:
        return position_error
    sigma = telescope.psf_sigma(off_axis_units * UNIT_ARCSEC / 60)
    return partial(position_error, sigma_psf=sigma, systematic=telescope.systematic_arcsec)


def astrometric_shift(
    ra: FloatArray, dec: FloatArray, ra_corrected: FloatArray, dec_corrected: FloatArray
) -> tuple[float, float]:
    """Shift of right ascension and declination, degrees, that a source list's own correction implies.

    The medians of corrected minus measured coordinates; differences of right ascension are taken the short
    way round. Rows with NaN do not count; (0, 0) when none is left.
    """
    d_ra = (np.asarray(ra_corrected) - np.asarray(ra) + 180.0) % 360.0 - 180.0
    d_dec = np.asarray(dec_corrected) - np.asarray(dec)
    known = np.isfinite(d_ra) & np.isfinite(d_dec)
    if not known.any():
        return 0.0, 0.0
    return float(np.median(d_ra[known])), float(np.median(d_dec[known]))


def shifted(columns: Columns, shift: tuple[float, float]) -> Columns:
    """Position columns with all right ascensions and declinations moved by `shift` (degrees)."""
    moved = dict(columns)
    for suffix in ("", "_grid", "_evt"):
        moved[f"ra{suffix}"] = wrap_degrees(columns[f"ra{suffix}"] + shift[0])
        moved[f"dec{suffix}"] = columns[f"dec{suffix}"] + shift[1]
    return moved
