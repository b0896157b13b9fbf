"""Figures of a stamp or hit: waterfalls, antennas.

A waterfall shows power in dB above the median of the edges, frequency from the first channel on, and the
drift as a thin line beside the signal. The antennas are one mosaic image with a title above each tile:
drawing 25 axes would take ten times as long.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ephemera.cosmic.drift import line_end
from ephemera.cosmic.snr import outer_columns
from ephemera.figures.style import COLOURS, OKABE_ITO, SEQUENTIAL, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FloatArray = npt.NDArray[np.float64]

DPI = 150
#: Inches around and between panels.
LEFT, RIGHT, TOP, BOTTOM, PANEL, GAP = 0.62, 0.75, 0.82, 0.48, 1.25, 0.5
#: Columns of a tile of the mosaic, and pixels between tiles.
TILE_COLUMNS, TILE_GAP = 64, 2
#: Colours of pictures in pages: noise in true colours would take four times the room.
SCALE_COLOURS, GREYS = 40, 9
ANTENNA_HEIGHT = 7.0


@dataclass(frozen=True)
class Axis:
    """Frequency and time of a waterfall: first channel (MHz), channel width (Hz), time step (s), sizes."""

    fch1_mhz: float
    foff_hz: float
    tsamp_s: float
    n_time: int
    n_chan: int


@dataclass(frozen=True)
class Line:
    """Where a signal is: column at the first step (not rounded), total drift steps."""

    column: float
    steps: int


@dataclass(frozen=True)
class Panel:
    """A waterfall: what it shows, its power (time, channel)."""

    name: str
    power: FloatArray


def decibels(power: FloatArray) -> FloatArray:
    """Power in dB above the median of the outer columns; NaN where there is no power."""
    edges = power[:, outer_columns(power.shape[1]).ravel()]
    middle = float(np.median(edges))
    with np.errstate(divide="ignore", invalid="ignore"):
        found: FloatArray = 10 * np.log10(power / (middle if middle > 0 else 1.0))
    return np.where(np.isfinite(found), found, np.nan)


def limits(values: FloatArray) -> tuple[float, float]:
    """Colour limits: 5 to 99.5 % of the pixels."""
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return 0.0, 1.0
    low, high = np.percentile(known, (5, 99.5))
    return float(low), float(max(high, low + 0.1))


def waterfall_height(n_panels: int) -> float:
    """Height of a figure of waterfalls, inch."""
    return TOP + BOTTOM + n_panels * PANEL + (n_panels - 1) * GAP


def waterfalls(
    figure: Figure, panels: Sequence[Panel], axis: Axis, line: Line | None, title: str, *, show_path: bool
) -> None:
    """Draw waterfalls one above the other, all of one stamp."""
    width, height = figure.get_size_inches()
    figure.text(0.005, 1 - 0.06 / height, title, va="top", parse_math=False)
    for number, panel in enumerate(panels):
        bottom = height - TOP - (number + 1) * PANEL - number * GAP
        box = (LEFT / width, bottom / height, (width - LEFT - RIGHT) / width, PANEL / height)
        axes = figure.add_axes(box)
        _waterfall(figure, axes, panel, axis)
        if line is not None and show_path:
            (x0, y0), (x1, y1) = line_ends(axis, line)
            axes.plot([x0, x1], [y0, y1], color="white", linewidth=0.7, scalex=False, scaley=False)
        if number == len(panels) - 1:
            axes.set_xlabel(f"Frequency from {axis.fch1_mhz:.6f} MHz [kHz]")
        else:
            axes.tick_params(labelbottom=False)


def line_ends(axis: Axis, line: Line) -> tuple[tuple[float, float], tuple[float, float]]:
    """Ends (kHz, s) of the line beside a signal: moved aside so that the signal stays free."""
    aside = max(4.0, axis.n_chan / 60)
    if line.column > axis.n_chan - 3 * aside:
        aside = -aside
    first = line.column + aside
    last = first + line_end(line.steps, axis.n_time)
    khz = axis.foff_hz * 1e-3
    return (first * khz, 0.5 * axis.tsamp_s), (last * khz, (axis.n_time - 0.5) * axis.tsamp_s)


def overlay_lines(n_panels: int, axis: Axis, line: Line, width: float) -> list[list[float]]:
    """The same lines as shares of the figure (x0, y0, x1, y1 from the upper left), for a page to draw."""
    height = waterfall_height(n_panels)
    (x0, y0), (x1, y1) = line_ends(axis, line)
    khz, seconds = axis.foff_hz * 1e-3, axis.n_time * axis.tsamp_s
    inside = (width - LEFT - RIGHT) / width
    lines = []
    for number in range(n_panels):
        top = TOP + number * (PANEL + GAP)
        ends: list[float] = []
        for x, y in ((x0, y0), (x1, y1)):
            share = (x / khz + 0.5) / axis.n_chan
            ends += [
                LEFT / width + min(max(share, 0), 1) * inside,
                (top + PANEL * (1 - y / seconds)) / height,
            ]
        lines.append([round(end, 4) for end in ends])
    return lines


def _waterfall(figure: Figure, axes: Axes, panel: Panel, axis: Axis) -> None:
    values, khz = decibels(panel.power), axis.foff_hz * 1e-3
    low, high = limits(values)
    ends = (-0.5 * khz, (axis.n_chan - 0.5) * khz, 0.0, axis.n_time * axis.tsamp_s)
    image = axes.imshow(values, aspect="auto", extent=ends, cmap=SEQUENTIAL, vmin=low, vmax=high)
    axes.set_ylabel("Time [s]")
    _quiet(axes)
    axes.text(0, 1 + 0.36 / PANEL, panel.name, transform=axes.transAxes, va="top", fontweight="bold")
    top = axes.secondary_xaxis(
        "top", functions=(lambda x: np.asarray(x) / khz, lambda k: np.asarray(k) * khz)
    )
    top.minorticks_off()
    top.set_xlabel("Channel", labelpad=2)
    axes.tick_params(axis="x", which="both", top=False)
    _colours(figure, axes, image, (1.012, 0.0, 0.015, 1.0), "dB above edges")


def _quiet(axes: Any, title: str = "") -> None:
    """Do without minor ticks and with a title in a fixed place; both take longer to find than to draw."""
    axes.minorticks_off()
    axes.set_title(title, y=1.0)


def _colours(
    figure: Figure, axes: Axes, drawn: Any, box: tuple[float, float, float, float], label: str = ""
) -> None:
    """A colour bar beside axes."""
    bar = figure.colorbar(drawn, cax=axes.inset_axes(box))
    bar.set_label(label)
    _quiet(bar.ax)


@dataclass(frozen=True)
class AntennaView:
    """Antennas of a stamp: names, powers (antenna, time, channel), SNR, places (east and north, m).

    `expected` is the SNR each would have for a source in the beam, `above` the SNR that counts as seeing it,
    `correlation` is (antenna, antenna).
    """

    names: Sequence[str]
    powers: FloatArray
    snr: FloatArray
    places: FloatArray | None
    expected: float
    above: float
    correlation: FloatArray


def antennas(figure: Figure, view: AntennaView, title: str) -> None:
    """Draw the antennas: a tile each, bars of SNR, a map, the correlation of pairs."""
    height = float(figure.get_size_inches()[1])
    figure.text(0.005, 1 - 0.06 / height, title, va="top", parse_math=False)
    grid = figure.add_axes((0.02, 3.05 / height, 0.96, (height - 3.05 - 0.32) / height))
    _mosaic(grid, view)
    low, tall = 0.5 / height, 2.05 / height
    _bars(figure.add_axes((0.075, low, 0.41, tall)), view)
    middle = figure.add_axes((0.565, low, 0.14, tall))
    if view.places is None:
        middle.set_axis_off()
        middle.text(0.5, 0.5, "no positions\n(no recipe)", ha="center", va="center")
    else:
        _map(figure, middle, view)
    _correlation(figure, figure.add_axes((0.79, low, 0.14, tall)), view)


def mosaic(powers: FloatArray) -> tuple[FloatArray, list[tuple[float, float]]]:
    """One image of all antennas in dB (gaps are NaN), and the upper left corner (x, y) of each tile."""
    n_ant, n_time, n_chan = powers.shape
    factor = max(1, math.ceil(n_chan / TILE_COLUMNS))
    whole = powers[:, :, : n_chan // factor * factor]
    tiles = whole.reshape(n_ant, n_time, -1, factor).mean(axis=-1)
    edges = outer_columns(tiles.shape[2], max(tiles.shape[2] // 13, 1)).ravel()
    middle = np.median(tiles[:, :, edges], axis=(1, 2))
    middle[middle <= 0] = 1.0
    with np.errstate(divide="ignore"):
        shown = 10 * np.log10(tiles / middle[:, np.newaxis, np.newaxis])
    shown[~np.isfinite(shown)] = np.nan
    columns = math.ceil(math.sqrt(n_ant))
    rows = math.ceil(n_ant / columns)
    step_y, step_x = n_time + max(n_time // 3, TILE_GAP), tiles.shape[2] + TILE_GAP
    image = np.full((rows * step_y, columns * step_x), np.nan)
    corners = []
    for number, tile in enumerate(shown):
        # Rows of tiles go down the page; within a tile time goes up, as in a waterfall.
        y, x = (rows - 1 - number // columns) * step_y, number % columns * step_x
        image[y : y + n_time, x : x + tiles.shape[2]] = tile
        corners.append((x - 0.5, y + n_time - 0.5))
    return image, corners


def _mosaic(axes: Axes, view: AntennaView) -> None:
    image, corners = mosaic(view.powers)
    low, high = limits(image)
    axes.imshow(image, aspect="auto", cmap=SEQUENTIAL, vmin=low, vmax=high)
    axes.set_axis_off()
    _quiet(axes)
    best = int(np.nanargmax(view.snr)) if np.isfinite(view.snr).any() else -1
    for number, (x, y) in enumerate(corners):
        snr = view.snr[number]
        text = f"{plain(view.names[number], 12)}  {snr:.1f}" if math.isfinite(snr) else view.names[number]
        look: dict[str, Any] = {"fontweight": "bold"} if number == best else {}
        axes.text(x, y + 0.6, text, fontsize=6.5, va="bottom", parse_math=False, **look)


def _bars(axes: Axes, view: AntennaView) -> None:
    numbers = np.arange(len(view.names))
    axes.bar(numbers, np.nan_to_num(view.snr), color=OKABE_ITO["blue"], width=0.75)
    axes.axhline(view.above, color=COLOURS["threshold"], linestyle="--", label=f"{view.above:g}: seen")
    if math.isfinite(view.expected):
        label = f"{view.expected:.2g}: source in the beam"
        axes.axhline(view.expected, color=OKABE_ITO["bluish green"], label=label)
    axes.set_xlim(-0.7, len(numbers) - 0.3)
    axes.set_xticks(numbers, [plain(name, 8) for name in view.names], rotation=90, fontsize=5.5)
    axes.tick_params(axis="x", which="major", top=False)
    axes.set_ylabel("Local SNR")
    _quiet(axes, "Antennas in the order of the file")
    axes.margins(y=0.3)
    axes.legend(loc="upper right", fontsize=6, frameon=True, framealpha=0.85, edgecolor="none")


def _map(figure: Figure, axes: Axes, view: AntennaView) -> None:
    assert view.places is not None
    colours = np.nan_to_num(view.snr)
    order = np.argsort(colours)
    east, north = view.places[order].T
    drawn = axes.scatter(
        east, north, c=colours[order], cmap=SEQUENTIAL, s=18, edgecolors="black", linewidths=0.3
    )
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("East [m]")
    axes.set_ylabel("North [m]", labelpad=0)
    _quiet(axes, "SNR on the ground")
    _colours(figure, axes, drawn, (1.04, 0.0, 0.06, 1.0))
    axes.tick_params(labelrotation=0, labelsize=6)


def _correlation(figure: Figure, axes: Axes, view: AntennaView) -> None:
    image = axes.imshow(view.correlation, cmap=SEQUENTIAL, vmin=0, vmax=1, origin="upper", aspect="auto")
    _quiet(axes, "Correlation on the path")
    axes.set_xlabel("Antenna")
    axes.tick_params(labelsize=6)
    _colours(figure, axes, image, (1.04, 0.0, 0.06, 1.0))


def places_on_ground(positions: FloatArray, longitude: float, latitude: float, frame: str) -> FloatArray:
    """East and north (antenna, 2), m, of positions (antenna, 3), from the mean of the array.

    `frame` enu holds them already; in xyz and ecef the axes are those of the Earth.
    """
    centred = positions - positions.mean(axis=0)
    if frame == "enu":
        return np.asarray(centred[:, :2], np.float64)
    lon, lat = math.radians(longitude), math.radians(latitude)
    east = np.array([-math.sin(lon), math.cos(lon), 0.0])
    north = np.array([-math.sin(lat) * math.cos(lon), -math.sin(lat) * math.sin(lon), math.cos(lat)])
    places: FloatArray = np.stack((centred @ east, centred @ north), axis=1)
    return places


def small_png(figure: Figure) -> bytes:
    """A figure as a PNG of few colours, small enough to stand in a page by the hundred."""
    from io import BytesIO

    from PIL import Image

    figure.set_dpi(DPI)
    canvas: Any = figure.canvas
    canvas.draw()
    image = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    out = BytesIO()
    image.quantize(palette=_palette(), dither=Image.Dither.NONE).save(out, "PNG")
    return out.getvalue()


@cache
def _palette() -> Any:
    """Image whose palette has the colours of images, of lines and bars, and of text."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgb
    from PIL import Image

    scale = colormaps[SEQUENTIAL](np.linspace(0, 1, SCALE_COLOURS))[:, :3]
    drawn = np.array([to_rgb(colour) for colour in OKABE_ITO.values()])
    grey = np.repeat(np.linspace(0, 1, GREYS), 3).reshape(-1, 3)
    colours = np.rint(255 * np.concatenate((scale, drawn, grey))).astype(np.uint8)
    image = Image.new("P", (1, 1))
    image.putpalette(colours.ravel().tolist())
    return image
