"""The pixel grid of the event cubes, and its shifts by half a pixel or half a frame.

A grid cuts the sky coordinates X, Y (1..51840, steps of 0.05 arcsec) into square pixels of a whole
number of steps, with edges at 0.5 + w k. A pixel of 20 arcsec is exactly 5 x 5 pixels of the pipeline
images, so cubes overlay them. The last row and column are narrower where w does not divide 51840, never
lost. EXOD2 makes 129 pixels of 20.093 arcsec out of the 129.6, so its pixels drift against any image.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from ephemera.xmm.observation import SKY_SIZE, UNIT_ARCSEC, FloatArray, IntArray, Subset

Axis = Literal["x", "y"]
ShiftMode = Literal["none", "time", "all"]

#: Smallest pixel, in sky units: with smaller ones the number of a pixel would not fit 32 bits.
LEAST_WIDTH = 2
#: How far from a whole number of sky units a pixel size may be, for decimal sizes such as 4.1 arcsec.
WHOLE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class PixelGrid:
    """Square pixels on the sky coordinates of a subset.

    `size_arcsec` is the pixel width, a whole number of 0.05 arcsec; `shift_x`, `shift_y` move the edges
    down by that many sky units, 0 <= shift < width, so that pixel k covers [0.5 + w k - shift,
    0.5 + w (k + 1) - shift). Raises ValueError for any other width or shift.
    """

    size_arcsec: float = 20.0
    shift_x: int = 0
    shift_y: int = 0

    def __post_init__(self) -> None:
        units = self.size_arcsec / UNIT_ARCSEC
        whole = np.isfinite(units) and abs(units - round(units)) <= WHOLE_TOLERANCE
        if not (whole and LEAST_WIDTH <= round(units) <= SKY_SIZE):
            msg = (
                f"size_arcsec must be a whole number of {UNIT_ARCSEC} arcsec, from "
                f"{LEAST_WIDTH * UNIT_ARCSEC:g} to {SKY_SIZE * UNIT_ARCSEC:g} arcsec, "
                f"got {self.size_arcsec!r}"
            )
            raise ValueError(msg)
        for name, shift in (("shift_x", self.shift_x), ("shift_y", self.shift_y)):
            if not 0 <= shift < self.width:
                msg = f"{name} must lie in 0..{self.width - 1} sky units, got {shift!r}"
                raise ValueError(msg)

    @property
    def width(self) -> int:
        """Width w of a pixel in sky units of 0.05 arcsec."""
        return round(self.size_arcsec / UNIT_ARCSEC)

    @property
    def n(self) -> int:
        """Number N of pixels along each axis: all of 1..51840 is covered on both."""
        return -(-(SKY_SIZE + max(self.shift_x, self.shift_y)) // self.width)

    def shift(self, axis: Axis) -> int:
        """Shift of the edges along `axis` ("x" or "y"), sky units."""
        if axis not in get_args(Axis):
            msg = f"axis must be 'x' or 'y', got {axis!r}"
            raise ValueError(msg)
        return self.shift_x if axis == "x" else self.shift_y

    def index(self, units: npt.ArrayLike, axis: Axis) -> npt.NDArray[np.int32]:
        """Pixel index of sky coordinates `units` (X or Y, 1-based): floor((X - 1 + shift) / w) for integers.

        Real coordinates belong to the pixel whose edges hold them: floor((X - 0.5 + shift) / w), the same
        value for integers. Indices count from 0 and are not clipped.
        """
        coordinate = np.asarray(units)
        shift = self.shift(axis)
        if coordinate.dtype.kind in "iu":
            return (coordinate.astype(np.int32) + np.int32(shift - 1)) // np.int32(self.width)
        return np.floor((coordinate - 0.5 + shift) / self.width).astype(np.int32)

    def fraction(self, units: npt.ArrayLike, axis: Axis) -> FloatArray:
        """Fractional index of sky coordinates, whole at pixel centres: (X - (w + 1) / 2 + shift) / w."""
        offset = self.shift(axis) - (self.width + 1) / 2
        return np.asarray((np.asarray(units, np.float64) + offset) / self.width)

    def centre(self, index: npt.ArrayLike, axis: Axis) -> FloatArray:
        """Sky coordinate of a (possibly fractional) pixel index: w x + (w + 1) / 2 - shift."""
        offset = (self.width + 1) / 2 - self.shift(axis)
        return np.asarray(self.width * np.asarray(index, np.float64) + offset)

    def pixels(self, x: npt.ArrayLike, y: npt.ArrayLike) -> npt.NDArray[np.int32]:
        """Pixel number j N + i of sky coordinates, with i from X and j from Y."""
        return self.index(y, "y") * np.int32(self.n) + self.index(x, "x")

    def split(self, pixel: npt.NDArray[np.integer]) -> tuple[IntArray, IntArray]:
        """Indices (i, j) of pixel numbers j N + i."""
        j, i = np.divmod(pixel.astype(np.int64), self.n)
        return i, j


@dataclass(frozen=True)
class ShiftedGrid:
    """One grid of a search: where its pixels lie, and how many seconds later its frames start."""

    grid: PixelGrid
    time_shift: float

    @property
    def name(self) -> str:
        """Which axes are shifted: "main", or letters of "xyt"."""
        shifted = (self.grid.shift_x > 0, self.grid.shift_y > 0, self.time_shift > 0)
        return "".join(axis for axis, on in zip("xyt", shifted, strict=True) if on) or "main"


def shifted_grids(mode: ShiftMode, size_arcsec: float, dt: float) -> tuple[ShiftedGrid, ...]:
    """Grids to search, the main one first; their number is the trials factor.

    `none`: one. `time`: also frames that start dt / 2 later (2). `all`: every combination of half a pixel
    in X, half a pixel in Y and half a frame (8). The half pixel is w // 2 sky units; the half frame is
    rounded to the ms. Raises ValueError for another mode or a frame length that is not positive.
    """
    if mode not in get_args(ShiftMode):
        msg = f"mode must be one of {', '.join(get_args(ShiftMode))}, got {mode!r}"
        raise ValueError(msg)
    if not (np.isfinite(dt) and dt > 0):
        msg = f"dt must be a positive number of seconds, got {dt!r}"
        raise ValueError(msg)
    main = PixelGrid(size_arcsec)
    half_pixel = (0, main.width // 2) if mode == "all" else (0,)
    half_frame = (0.0,) if mode == "none" else (0.0, round(500 * dt) / 1000)
    return tuple(
        ShiftedGrid(replace(main, shift_x=shift_x, shift_y=shift_y), time_shift)
        for shift_y in half_pixel
        for shift_x in half_pixel
        for time_shift in half_frame
    )


def shifted_subset(subset: Subset, time_shift: float) -> Subset:
    """The subset as a grid shifted in time sees it: its span starts `time_shift` s later.

    The events of the half frame that falls before the new start are left to the main grid, which holds
    them in one frame; so no shifted frame is exposed where there are no events. Raises ValueError when the
    shift is negative or not shorter than the span.
    """
    if not 0 <= time_shift < subset.span:
        msg = f"time_shift must lie in 0 <= shift < {subset.span} s, got {time_shift!r}"
        raise ValueError(msg)
    start = subset.t0 + time_shift
    first = int(np.searchsorted(subset.events.time, start, side="left"))
    return replace(subset, t0=start, events=subset.events.take(slice(first, None)))
