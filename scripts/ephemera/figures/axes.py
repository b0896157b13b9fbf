"""Axes of the kinds that all branches need: the sky, time with frames on top, values over decades."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import AsinhNorm, Normalize

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Unit = Literal["s", "ks", "d"]

#: Seconds of the units of time axes.
SECONDS = {"s": 1.0, "ks": 1e3, "d": 86400.0}


def sky_axes(
    figure: Figure, wcs: Any, place: Any = 111, *, left: bool = True, bottom: bool = True, n_labels: int = 5
) -> Any:
    """Axes of an image with right ascension and declination (ICRS).

    `wcs` is an astropy WCS of the image, `place` what `Figure.add_subplot` takes. Without `left` or `bottom`
    that axis has ticks but no numbers, for panels that share them; about `n_labels` numbers an axis.
    """
    axes = figure.add_subplot(place, projection=wcs)
    ra, dec = axes.coords
    shown = (
        (ra, bottom, "Right ascension (ICRS)", "hh:mm:ss", 0.6),
        (dec, left, "Declination (ICRS)", "dd:mm", 1.2),
    )
    for axis, labelled, label, numbers, distance in shown:
        axis.set_major_formatter(numbers)
        axis.set_ticks(number=n_labels)
        axis.set_ticklabel(exclude_overlapping=True)
        axis.display_minor_ticks(True)
        axis.set_axislabel(label if labelled else " ", minpad=distance)
        axis.set_ticklabel_visible(labelled)
    return axes


def view(axes: Axes, shown: BoolArray, margin: float = 2.0, slimmest: float = np.inf) -> None:
    """Limit the axes of an image to the pixels `shown` [y, x], with `margin` pixels around; see `extent`."""
    left, right, bottom, top = extent(shown, margin, slimmest)
    axes.set_xlim(left, right)
    axes.set_ylim(bottom, top)


def extent(
    shown: BoolArray, margin: float = 2.0, slimmest: float = np.inf
) -> tuple[float, float, float, float]:
    """Left, right, bottom, top of the pixels `shown` [y, x] with a margin; all pixels where none is.

    A field more than `slimmest` times as long as wide gets empty space on both sides until it is not.
    """
    row, column = np.nonzero(shown if shown.any() else np.ones_like(shown))
    low, high = -0.5 - margin, 0.5 + margin
    left, right, bottom, top = column.min() + low, column.max() + high, row.min() + low, row.max() + high
    left, right = _at_least(left, right, (top - bottom) / slimmest)
    bottom, top = _at_least(bottom, top, (right - left) / slimmest)
    return left, right, bottom, top


def _at_least(low: float, high: float, length: float) -> tuple[float, float]:
    """The interval, widened on both sides to `length` where it is shorter."""
    missing = max(0.0, length - (high - low)) / 2
    return low - missing, high + missing


def colour_bar(figure: Figure, axes: Axes, image: Any, side: Literal["right", "top"], label: str = "") -> Any:
    """Colour bar as long as the axes, with ticks over decades where the colours are spread so."""
    box = (1.025, 0.0, 0.03, 1.0) if side == "right" else (0.0, 1.03, 1.0, 0.04)
    bar = figure.colorbar(
        image, cax=axes.inset_axes(box), orientation="vertical" if side == "right" else "horizontal"
    )
    bar.set_label(label)
    if side == "top":
        bar.ax.xaxis.set_ticks_position("top")
    if isinstance(image.norm, AsinhNorm):
        ticks = decade_ticks(image.norm.linear_width, image.norm.vmax or 1.0)
        bar.set_ticks(list(ticks), labels=[f"{tick:g}" for tick in ticks])
    return bar


def spread_norm(values: FloatArray) -> Normalize:
    """Colours from 0, linear up to the typical (median) value and logarithmic above; NaN does not count."""
    known = values[np.isfinite(values)]
    typical = float(np.median(known)) if len(known) else 1.0
    smallest = float(np.finfo(np.float32).tiny)
    return AsinhNorm(max(typical, smallest), vmin=0, vmax=float(np.max(known, initial=smallest)))


def decade_ticks(linear_width: float, top: float) -> FloatArray:
    """Ticks of an axis that is linear below `linear_width` and logarithmic above, up to `top`.

    0, then 1 and 3 of each decade (only 1 over more than three decades) from half the linear part on, and
    the middle of the axis where that leaves nothing.
    """
    multiples = (1, 3) if top / linear_width < 1e3 else (1,)
    first, last = np.floor(np.log10([linear_width, max(top, linear_width)])).astype(int)
    powers = np.concatenate([np.array(multiples) * 10.0**power for power in range(first - 1, last + 1)])
    powers = powers[(powers >= 0.5 * linear_width) & (powers <= top)]
    if len(powers) == 0:
        powers = np.array([float(f"{top / 2:.1g}")])
    return np.concatenate(([0.0], powers))


def spread_axis(axes: Axes, linear_width: float, top: float) -> None:
    """Make the vertical axis linear from 0 to `linear_width` and logarithmic above, up to `top`."""
    axes.set_yscale("asinh", linear_width=linear_width)
    axes.set_ylim(0, top)
    ticks = decade_ticks(linear_width, top)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.set_yticks([], minor=True)


def time_axis(axes: Axes, mjd: float, *, unit: Unit = "ks", scale: str = "TT") -> None:
    """Label the horizontal axis as time in `unit` since the date `mjd` in a time scale."""
    axes.set_xlabel(f"Time since MJD {mjd:.5f} ({scale}) [{unit}]")


def frame_axis(axes: Axes, dt: float, *, unit: Unit = "ks", label: bool = True) -> Any:
    """Second horizontal axis on top that numbers frames of `dt` s, from 0 where time is 0."""
    frames = SECONDS[unit] / dt
    axes.tick_params(axis="x", which="both", top=False)
    top = axes.secondary_xaxis(
        "top", functions=(partial(np.multiply, frames), partial(np.multiply, 1 / frames))
    )
    if label:
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


def steps(axes: Axes, edges: FloatArray, values: FloatArray, **look: Any) -> None:
    """Draw `values` (n,) as a line of steps between `edges` (n+1,), with gaps where they are NaN."""
    axes.plot(_both_ends(edges), np.repeat(values, 2), **look)


def step_band(axes: Axes, edges: FloatArray, low: FloatArray, high: FloatArray, **look: Any) -> None:
    """Fill between `low` and `high` (n,) in steps between `edges` (n+1,), with gaps where they are NaN."""
    # The step style of fill_between leaves out the frame before a gap.
    axes.fill_between(_both_ends(edges), np.repeat(low, 2), np.repeat(high, 2), **({"linewidth": 0} | look))


def _both_ends(edges: FloatArray) -> FloatArray:
    """Start and end of each frame, one after the other (2 n,)."""
    return np.repeat(edges, 2)[1:-1]


def outlines(mask: BoolArray) -> list[FloatArray]:
    """Closed lines (k, 2) of [x, y], half-way between pixels in and out of `mask` [y, x]."""
    from skimage.measure import find_contours  # 0.2 s to load

    around = np.pad(mask, 1).astype(np.float64)
    return [line[:, ::-1] - 1 for line in find_contours(around, 0.5)]


def draw_outline(axes: Axes, mask: BoolArray, **look: Any) -> None:
    """Draw the outline of the pixels of `mask` [y, x]."""
    axes.add_collection(LineCollection(outlines(mask), **look), autolim=False)
