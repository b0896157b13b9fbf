"""Axes of the kinds that all branches need: the sky, time with frames on top, marks on either."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Seconds of the units of time axes.
SECONDS = {"s": 1.0, "ks": 1e3, "d": 86400.0}


def sky_axes(figure: Figure, wcs: Any, place: Any = 111, *, left: bool = True, bottom: bool = True) -> Any:
    """Axes of an image with right ascension and declination (ICRS).

    `wcs` is an astropy WCS of the image, `place` what `Figure.add_subplot` takes. Without `left` or `bottom`
    that axis has ticks but no numbers, for panels that share them.
    """
    axes = figure.add_subplot(place, projection=wcs)
    ra, dec = axes.coords
    shown = ((ra, bottom, "Right ascension (ICRS)", "hh:mm:ss"), (dec, left, "Declination (ICRS)", "dd:mm"))
    for axis, labelled, label, numbers in shown:
        axis.set_major_formatter(numbers)
        axis.set_ticks(number=5)
        axis.set_ticklabel(exclude_overlapping=True)
        axis.display_minor_ticks(True)
        axis.set_axislabel(label if labelled else " ")
        axis.set_ticklabel_visible(labelled)
    return axes


def time_axis(axes: Axes, mjd: float, *, unit: Literal["s", "ks", "d"] = "ks", scale: str = "TT") -> None:
    """Label the horizontal axis as time in `unit` since the date `mjd` in a time scale."""
    axes.set_xlabel(f"Time since MJD {mjd:.5f} ({scale}) [{unit}]")


def frame_axis(axes: Axes, dt: float, *, unit: Literal["s", "ks", "d"] = "ks") -> Any:
    """Second horizontal axis on top that numbers frames of `dt` s, from 0 where time is 0."""
    frames = SECONDS[unit] / dt
    top = axes.secondary_xaxis("top", functions=(lambda time: time * frames, lambda frame: frame / frames))
    top.set_xlabel(f"Frame of {dt:g} s")
    return top


def shade(axes: Axes, edges: FloatArray, where: BoolArray, **look: Any) -> None:
    """Shade the full height of the axes over the frames `where` (n,) between `edges` (n+1,)."""
    shade_intervals(axes, np.stack([edges[index] for index in runs(where)], axis=1), **look)


def shade_intervals(axes: Axes, intervals: FloatArray, **look: Any) -> None:
    """Shade the full height of the axes over `intervals` (k, 2) of the horizontal axis."""
    if len(intervals):
        corners = [[(start, 0), (stop, 0), (stop, 1), (start, 1)] for start, stop in intervals]
        boxes = PolyCollection(corners, transform=axes.get_xaxis_transform(), **({"linewidth": 0} | look))
        axes.add_collection(boxes, autolim=False)


def runs(where: BoolArray) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """First and one past the last index of each run of True."""
    step = np.diff(np.concatenate(([False], where, [False])).astype(np.int8))
    return np.flatnonzero(step == 1), np.flatnonzero(step == -1)


def pixel_outline(mask: BoolArray) -> FloatArray:
    """Edges (k, 2, 2) of [x, y] between pixels inside and outside `mask` [y, x]; centres are whole numbers."""
    padded = np.pad(mask, 1).astype(np.int8)
    row, column = np.nonzero(np.diff(padded[:, 1:-1], axis=0))
    flat = np.stack([np.stack([column - 0.5, row - 0.5], -1), np.stack([column + 0.5, row - 0.5], -1)], 1)
    row, column = np.nonzero(np.diff(padded[1:-1], axis=1))
    steep = np.stack([np.stack([column - 0.5, row - 0.5], -1), np.stack([column - 0.5, row + 0.5], -1)], 1)
    return np.concatenate((flat, steep))


def draw_outline(axes: Axes, mask: BoolArray, **look: Any) -> None:
    """Draw the outline of the pixels of `mask` [y, x]."""
    axes.add_collection(LineCollection(list(pixel_outline(mask)), **look), autolim=False)
