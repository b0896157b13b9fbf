"""Light curves of regions: counts, expected counts and Bayes factors of every frame.

Reads a cube, its expectation and its regions; makes one curve a region, over the bounding box or over the
pixels of the region. Summed over the pixels of an area A the expectation stays separable,

    mu_A(t) = L(t) Σ_A T_c(t) + f(t) Σ_A S,

so that a curve needs two sums a region and no cube. All frames are there, the last one included; masked
frames keep their counts, but have no expectation and no Bayes factor. A sum over an area is another test
than that of its cells, so the significance of the curve is kept beside that of the cells.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from ephemera.xmm.bayes import (
    log10_bayes_factors,
    sigma_equivalent_eclipse,
    sigma_equivalent_peak,
)
from ephemera.xmm.connected_regions import Columns, Regions
from ephemera.xmm.expected_counts import MU_FLOOR, Expectation, check_fits
from ephemera.xmm.frames import Frames, base_frame
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.observation import Band, BoolArray, Camera, FloatArray, IntArray, ListHeader, Subset
from ephemera.xmm.sparse_cube import SparseCube

Area = Literal["bbox", "pixels"]
Counts = npt.NDArray[np.int32]

#: Column of the counts of each camera.
CAMERA_COLUMNS: Mapping[Camera, str] = {Camera.PN: "n_pn", Camera.M1: "n_m1", Camera.M2: "n_m2"}
#: Optional columns, null where they were not made.
EXTRA_COLUMNS = (*CAMERA_COLUMNS.values(), "n_soft", "n_hard")
#: The table of possible (mu, n) pairs may be this much longer than the curves.
TABLE_FACTOR = 16


@dataclass(frozen=True, eq=False)
class LightCurves:
    """Curves of the regions of one run: R regions, T frames.

    `detid` (R,) text; `time` (T,) start of each frame, s since MJDREF, and `time_mjd` its middle, MJD, both
    TT; `exposure` (T,) s; `bti`, `bccd` (T,) bool; `n` (R, T) int32; `mu`, `b_peak`, `b_eclipse` (R, T)
    float64, NaN in masked frames, the latter two log10 of the Bayes factors; `extra` maps names of
    `EXTRA_COLUMNS` to (R, T) int32.
    """

    detid: npt.NDArray[np.object_]
    time: FloatArray
    time_mjd: FloatArray
    exposure: FloatArray
    bti: BoolArray
    bccd: BoolArray
    n: Counts
    mu: FloatArray
    b_peak: FloatArray
    b_eclipse: FloatArray
    extra: Mapping[str, Counts]

    def __len__(self) -> int:
        return len(self.detid)

    @cached_property
    def lc_sigma_peak(self) -> FloatArray:
        """Largest significance of a peak of each curve, sigma; NaN when all frames are masked."""
        return sigma_equivalent_peak(_largest(self.b_peak))

    @cached_property
    def lc_sigma_eclipse(self) -> FloatArray:
        """Largest significance of an eclipse of each curve, sigma; NaN when all frames are masked."""
        return sigma_equivalent_eclipse(_largest(self.b_eclipse))

    @property
    def of_frames(self) -> Columns:
        """Columns (T,) that all curves share."""
        return {name: getattr(self, name) for name in ("time", "time_mjd", "exposure", "bti", "bccd")}

    @property
    def of_regions(self) -> Columns:
        """Columns (R, T) of their own, those that were made."""
        return {
            "n": self.n,
            "mu": self.mu,
            "B_peak_log": self.b_peak,
            "B_eclipse_log": self.b_eclipse,
            **self.extra,
        }

    def curve(self, row: int) -> Columns:
        """Columns of the curve of one region, without `detid` and columns that were not made."""
        return self.of_frames | {name: values[row] for name, values in self.of_regions.items()}

    def curves(self) -> Iterator[tuple[str, Columns]]:
        """Each identifier with the columns of its curve."""
        for row, detid in enumerate(self.detid):
            yield str(detid), self.curve(row)


def region_light_curves(
    cube: SparseCube,
    expectation: Expectation,
    regions: Regions,
    *,
    header: ListHeader,
    area: Area = "bbox",
    soft: SparseCube | None = None,
    hard: SparseCube | None = None,
    subset: Subset | None = None,
) -> LightCurves:
    """Curves of all regions of one run.

    `header` has the clock by which times become dates. mu below `MU_FLOOR` is raised to it. For the
    run of the full band, `soft` and `hard` (cubes of the same grid and frames) give the counts of the two
    bands, and `subset` those of each camera that it has.

    Raises ValueError when `area` is unknown, or a cube or the expectation differs in grid or frames.
    """
    _check(cube, expectation, regions, area, (soft, hard))
    frames = cube.frames
    pixels = _area_pixels(regions, area)
    n = _counts(cube, pixels, len(regions))
    extra = {
        name: _counts(band_cube, pixels, len(regions))
        for name, band_cube in (("n_soft", soft), ("n_hard", hard))
        if band_cube is not None
    }
    if subset is not None:
        extra |= _camera_counts(subset, cube.grid, frames, cube.band, pixels, len(regions))
    mu, b_peak, b_eclipse = _significance(n, expectation, pixels)
    edges = frames.edges
    return LightCurves(
        detid=np.asarray(regions["detid"], dtype=object),
        time=edges[:-1],
        time_mjd=header.mjd((edges[:-1] + edges[1:]) / 2),
        exposure=np.where(frames.bccd, 0.0, frames.exposed * frames.dt),
        bti=frames.bti,
        bccd=frames.bccd,
        n=n,
        mu=mu,
        b_peak=b_peak,
        b_eclipse=b_eclipse,
        extra=extra,
    )


def _check(
    cube: SparseCube,
    expectation: Expectation,
    regions: Regions,
    area: str,
    others: tuple[SparseCube | None, ...],
) -> None:
    """Refuse an unknown area, and arrays of other grids or frames."""
    if area not in get_args(Area):
        raise ValueError(f"area must be one of {', '.join(get_args(Area))}, got {area!r}")
    check_fits(cube, expectation)
    if regions.grid != cube.grid:
        raise ValueError(f"regions must be on the grid of the cube {cube.grid}, got {regions.grid}")
    for other in others:
        if other is not None and (other.grid != cube.grid or other.frames.n_frames != cube.frames.n_frames):
            raise ValueError("soft and hard must be cubes of the grid and frames of cube, got another")


@dataclass(frozen=True)
class _Area:
    """Pixels of the areas of regions: pairs sorted by pixel, a pixel may belong to several regions.

    `pixel`, `region` (p,) are the pairs; `start` (N N + 1,) where the pairs of each pixel begin.
    """

    pixel: IntArray
    region: IntArray
    start: npt.NDArray[np.int32]

    @classmethod
    def of(cls, pixel: IntArray, region: IntArray, n_pixels: int) -> _Area:
        order = np.argsort(pixel, kind="stable")
        start = np.concatenate(([0], np.cumsum(np.bincount(pixel, minlength=n_pixels)))).astype(np.int32)
        return cls(pixel[order], region[order], start)

    def share_out(self, pixel: npt.NDArray[np.integer]) -> tuple[IntArray, IntArray]:
        """Pairs (index into `pixel`, region) of pixels, those in several regions once for each."""
        inside = np.flatnonzero(self._covered[pixel])
        start = self.start[pixel[inside]]
        times = self.start[pixel[inside] + 1] - start
        first = np.cumsum(times) - times
        place = np.arange(int(times.sum())) + np.repeat(start - first, times)
        return np.repeat(inside, times), self.region[place]

    @cached_property
    def _covered(self) -> BoolArray:
        return np.asarray(self.start[1:] > self.start[:-1])


def _area_pixels(regions: Regions, area: Area) -> _Area:
    """Pixels over which the curves of the regions are summed."""
    side = regions.grid.n
    if area == "pixels":
        return _Area.of(regions.pixel, regions.pixel_region, side**2)
    x0, y0 = regions["x0"].astype(np.int64), regions["y0"].astype(np.int64)
    width, height = regions["x1"] - x0, regions["y1"] - y0
    region = np.repeat(np.arange(len(regions)), width * height)
    inside = np.arange(len(region)) - np.repeat(np.cumsum(width * height) - width * height, width * height)
    j, i = np.divmod(inside, width[region])
    return _Area.of((y0[region] + j) * side + x0[region] + i, region, side**2)


def _counts(cube: SparseCube, pixels: _Area, n_regions: int) -> Counts:
    """Counts per region and frame (R, T)."""
    cell, region = pixels.share_out(cube.pixel)
    n_frames = cube.frames.n_frames
    place = region * n_frames + cube.frame[cell]
    counts = np.bincount(place, cube.counts[cell], minlength=n_regions * n_frames)
    return counts.astype(np.int32).reshape(n_regions, n_frames)


def _camera_counts(
    subset: Subset, grid: PixelGrid, frames: Frames, band: Band, pixels: _Area, n_regions: int
) -> dict[str, Counts]:
    """Counts of each camera of the subset per region and frame."""
    events = subset.events
    # Most events are in no row of pixels that a region touches: one small look-up drops them.
    rows = np.zeros(grid.n, dtype=np.bool_)
    rows[pixels.pixel // grid.n] = True
    row_of_y = np.clip(grid.index(np.arange(1 << 16), "y"), 0, grid.n - 1)
    event = np.flatnonzero(rows[row_of_y][events.y])
    event = event[band.contains(events.pi[event])]
    chosen, region = pixels.share_out(grid.pixels(events.x[event], events.y[event]))
    event = event[chosen]
    frame = base_frame(events.time[event], frames.t0, frames.t1, frames.dt)
    shape = (1 + max(subset.cameras), n_regions, frames.n_frames)
    place = (events.camera[event].astype(np.int64) * n_regions + region) * frames.n_frames + frame
    counts = np.bincount(place, minlength=math.prod(shape)).astype(np.int32).reshape(shape)
    return {CAMERA_COLUMNS[c]: counts[c] for c in subset.cameras if c in CAMERA_COLUMNS}


def _significance(
    n: Counts, expectation: Expectation, pixels: _Area
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Expected counts and log10 of both Bayes factors (R, T), NaN in masked frames.

    Frames with the same class, L and f have the same mu, and few counts are possible: each pair (mu, n)
    is evaluated once.
    """
    used = np.flatnonzero(expectation.frame_class >= 0)
    first, state = _frame_states(expectation, used)
    mu_of_state = np.maximum(_area_mu(expectation, pixels, len(n), used[first]), MU_FLOOR)
    results = [np.full(n.shape, np.nan) for _ in range(3)]
    results[0][:, used] = mu_of_state[:, state]
    pairs = _Pairs.of(n[:, used], state, len(first))
    factors = log10_bayes_factors(pairs.n, mu_of_state.ravel()[pairs.mu])
    for result, factor in zip(results[1:], factors, strict=True):
        result[:, used] = factor[pairs.inverse]
    return results[0], results[1], results[2]


def _frame_states(expectation: Expectation, used: IntArray) -> tuple[IntArray, IntArray]:
    """Distinct combinations of class, L and f among the frames `used`.

    Returns the place in `used` of a frame of each state, and the state of each frame of `used`.
    """
    state = expectation.frame_class[used].astype(np.int64)
    first = np.arange(len(used))
    for factor in (expectation.background, *expectation.exposed):
        values, code = np.unique(factor[used], return_inverse=True)
        _, first, state = np.unique(state * len(values) + code, return_index=True, return_inverse=True)
    return first, state


def _area_mu(expectation: Expectation, pixels: _Area, n_regions: int, frames: IntArray) -> FloatArray:
    """Expected counts of each region in each of `frames`, (R, len(frames))."""

    def sums(planes: FloatArray) -> FloatArray:
        return np.stack(
            [np.bincount(pixels.region, plane.ravel()[pixels.pixel], n_regions) for plane in planes]
        )

    mu = sums(expectation.templates)[expectation.frame_class[frames]].T * expectation.background[frames]
    for source, exposed in zip(sums(expectation.source), expectation.exposed, strict=True):
        mu = mu + source[:, None] * exposed[frames]
    return np.asarray(mu)


@dataclass(frozen=True)
class _Pairs:
    """Distinct pairs of a mu (index into a flat (R, states) array) and n, and which is where (R, T)."""

    mu: IntArray
    n: IntArray
    inverse: IntArray

    @classmethod
    def of(cls, n: Counts, state: IntArray, n_states: int) -> _Pairs:
        mu = np.arange(len(n))[:, None] * n_states + state
        width = int(n.max(initial=0)) + 1
        n_possible = len(n) * n_states * width
        if n_possible > TABLE_FACTOR * n.size:
            return cls(mu.ravel(), n.ravel().astype(np.int64), np.arange(n.size).reshape(n.shape))
        place = mu * width + n
        seen = np.zeros(n_possible, dtype=np.bool_)
        seen[place] = True
        possible = np.flatnonzero(seen)
        rank = np.cumsum(seen) - 1
        return cls(possible // width, possible % width, rank[place])


def _largest(values: FloatArray) -> FloatArray:
    """Largest value of each row, NaN left out; NaN for rows without values."""
    known = np.where(np.isnan(values), -np.inf, values)
    largest = known.max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(largest), largest, np.nan)
