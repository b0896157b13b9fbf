"""Figures drawn when asked for: raw pixels of each CCD, pixels around a detection, frames as a film."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.patches import Rectangle

from ephemera.figures.axes import shade, spread_norm, steps, time_axis
from ephemera.figures.style import COLOURS, SEQUENTIAL, WIDTHS, figure, margins
from ephemera.files import atomic_path
from ephemera.xmm.cells import counts_at
from ephemera.xmm.expected_counts import Expectation
from ephemera.xmm.observation import Camera, Events, FloatArray, IntArray
from ephemera.xmm.sparse_cube import SparseCube

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Raw pixels in a bin of a raw image, so that a CCD is about a hundred bins wide or less.
_BIN_PN, _BIN_OTHER = 1, 8
#: Pixels shown around the box of a detection: with a light curve each, and in an animation.
AROUND_CURVES, AROUND_FRAMES = 1, 8
#: Most pixels of a side that get a light curve.
MOST_PIXELS = 5
#: Frames before and after the best one in an animation, and how long each is shown, ms.
FRAMES_BESIDE, FRAME_MS = 8, 350
_DPI = 110


def raw_height(events: Events, camera: Camera) -> float:
    """Height of the figure of the raw images of a camera, inch."""
    across, panel = _raw_panels(camera)
    rows = -(-len(np.unique(events.ccd[events.camera == camera])) // across)
    return 0.85 + rows * panel


def _raw_panels(camera: Camera) -> tuple[int, float]:
    """Panels side by side, and the height of one, inch."""
    return (6, 2.9) if camera == Camera.PN else (4, 1.75)


def raw_images(figure_: Figure, events: Events, camera: Camera, title: str) -> None:
    """Counts of the selected events in raw pixels, a panel a CCD, all on one scale."""
    mine = events.camera == camera
    ccds = np.unique(events.ccd[mine])
    size = _BIN_PN if camera == Camera.PN else _BIN_OTHER
    x, y = (values.astype(np.int64) // size for values in (events.rawx, events.rawy))
    images = np.zeros((len(ccds), int(y[mine].max()) + 1, int(x[mine].max()) + 1))
    np.add.at(images, (np.searchsorted(ccds, events.ccd[mine]), y[mine], x[mine]), 1)
    across, _ = _raw_panels(camera)
    space = margins(figure_, left=0.55, right=0.1, bottom=0.45, top=0.4)
    panels = figure_.subplots(
        -(-len(ccds) // across), across, squeeze=False, sharex=True, sharey=True,
        gridspec_kw=space | {"hspace": 0.2, "wspace": 0.1},
    )  # fmt: skip
    words = f"{title}, counts per {size} x {size} pixels"
    figure_.text(space["left"], 1 - 0.1 / figure_.get_figheight(), words, va="top", parse_math=False)
    extent = np.array([-0.5, images.shape[2] - 0.5, -0.5, images.shape[1] - 0.5]) * size
    norm = spread_norm(images[images > 0])
    for axes, ccd, image in zip(panels.flat, ccds, images, strict=False):
        axes.imshow(image, cmap=SEQUENTIAL, norm=norm, extent=tuple(extent), aspect="equal")
        axes.set_title(f"CCD {ccd}: {image.sum():.0f}", fontsize="x-small")
        axes.tick_params(labelsize=6)
    for axes in panels.flat[len(ccds) :]:
        axes.set_axis_off()
    figure_.supxlabel("RAWX [pixel]", fontsize="medium")
    figure_.supylabel("RAWY [pixel]", fontsize="medium", x=0.01)


def pixel_box(box: Sequence[int], around: int, side: int) -> tuple[int, int, int, int]:
    """The box (x0, y0, x1, y1, half-open) with pixels around it, cut at the edges of the grid."""
    x0, y0, x1, y1 = box
    return max(x0 - around, 0), max(y0 - around, 0), min(x1 + around, side), min(y1 + around, side)


def central_box(box: Sequence[int], most: int, centre: tuple[int, int]) -> tuple[int, int, int, int]:
    """At most `most` pixels a side of the box, those around `centre`."""
    edges = []
    for low, high, middle in ((box[0], box[2], centre[0]), (box[1], box[3], centre[1])):
        first = min(max(low, middle - most // 2), max(high - most, low))
        edges.append((first, min(first + most, high)))
    return edges[0][0], edges[1][0], edges[0][1], edges[1][1]


def cut_out(cube: SparseCube, box: Sequence[int], frames: IntArray) -> IntArray:
    """Counts [frame, y, x] of the cells of a box in some frames."""
    x0, y0, x1, y1 = box
    side = cube.grid.n
    key = (frames[:, None, None] * side + np.arange(y0, y1)[:, None]) * side + np.arange(x0, x1)
    return counts_at(cube, key)


def pixel_curves(
    figure_: Figure,
    cube: SparseCube,
    expectation: Expectation,
    box: Sequence[int],
    best: tuple[int, int, int],
    title: str,
    start_mjd: float,
) -> None:
    """Counts and expectation of each pixel of `box`, a panel a pixel as on the sky image.

    `best` are x, y and frame of the best cell, whose panel has a thick frame.
    """
    x0, y0, x1, y1 = box
    space = margins(figure_, left=0.5, right=0.1, bottom=0.45, top=0.5)
    panels = figure_.subplots(
        y1 - y0, x1 - x0, sharex=True, sharey=True, squeeze=False,
        gridspec_kw=space | {"hspace": 0.06, "wspace": 0.05},
    )  # fmt: skip
    figure_.text(space["left"], 1 - 0.08 / figure_.get_figheight(), title, va="top", parse_math=False)
    frames = np.arange(cube.frames.n_frames)
    counts = cut_out(cube, box, frames)
    edges = (cube.frames.edges - cube.frames.t0) / 1e3
    for row, column in np.ndindex(y1 - y0, x1 - x0):
        # Rows of panels go down, pixel rows go up.
        x, y = x0 + column, y1 - 1 - row
        axes: Axes = panels.item(row, column)
        n = np.where(cube.frames.bccd, np.nan, counts[:, y - y0, column])
        steps(axes, edges, n, color=COLOURS["data"], linewidth=0.5)
        mu = expectation.at(x, y, frames) if expectation.footprint[y, x] else np.full(len(frames), np.nan)
        steps(axes, edges, mu, color=COLOURS["expectation"], linewidth=0.7)
        shade(axes, edges, cube.frames.bti, facecolor=COLOURS["bad time"], alpha=0.25, zorder=0)
        axes.text(0.03, 0.93, f"{x}, {y}", transform=axes.transAxes, va="top", fontsize=5)
        axes.tick_params(labelsize=6)
        if (x, y) == best[:2]:
            for spine in axes.spines.values():
                spine.set_linewidth(1.8)
            axes.plot((edges[best[2]] + edges[best[2] + 1]) / 2, counts[best[2], y - y0, column],
                      "o", color=COLOURS["peak"], markersize=4, markeredgecolor="k")  # fmt: skip
    panels[0, 0].set_xlim(edges[0], edges[-1])
    panels[0, 0].set_ylim(0, 1.1 * max(float(counts.max(initial=1)), 1.0))
    figure_.supylabel("Counts per frame", fontsize="medium", x=0.01)
    time_axis(panels[-1, (x1 - x0) // 2], start_mjd)


def animation_frames(cube: SparseCube, box: Sequence[int], best_frame: int, title: str) -> Iterator[Any]:
    """Pictures of the pixels around the box of a detection, frame by frame around the best one."""
    from PIL import Image

    view = pixel_box(box, AROUND_FRAMES, cube.grid.n)
    first = max(best_frame - FRAMES_BESIDE, 0)
    frames = np.arange(first, min(best_frame + FRAMES_BESIDE + 1, cube.frames.n_frames))
    counts: FloatArray = cut_out(cube, view, frames).astype(np.float64)
    norm = spread_norm(np.append(counts[counts > 0], 1.0))
    for frame, image in zip(frames.tolist(), counts, strict=True):
        with figure(1, height=WIDTHS[1] * 1.1) as drawn:
            axes = drawn.add_axes((0.14, 0.12, 0.82, 0.72))
            axes.imshow(image, cmap=SEQUENTIAL, norm=norm,
                        extent=(view[0] - 0.5, view[2] - 0.5, view[1] - 0.5, view[3] - 0.5))  # fmt: skip
            axes.add_patch(
                Rectangle((box[0] - 0.5, box[1] - 0.5), box[2] - box[0], box[3] - box[1], fill=False,
                          edgecolor=COLOURS["peak" if frame == best_frame else "masked"], linewidth=1.5)
            )  # fmt: skip
            axes.set_xlabel("Pixel column")
            axes.set_ylabel("Pixel row")
            seconds = frame * cube.frames.dt
            state = (
                "masked" if cube.frames.bccd[frame] else "bad time" if cube.frames.bti[frame] else "good time"
            )
            text = f"{title}\nframe {frame}, {seconds:.0f} s after the start, {state}"
            drawn.text(0.02, 0.985, text, va="top", fontsize=6, parse_math=False)
            buffer = io.BytesIO()
            drawn.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
        yield Image.open(buffer).convert("RGB")


def write_animation(pictures: Iterator[Any], path: Path) -> None:
    """Write pictures as a GIF that repeats; the same pictures give the same bytes."""
    first, *others = [picture.quantize(128) for picture in pictures]
    with atomic_path(path) as partial:
        first.save(partial, format="GIF", save_all=True, append_images=others, duration=FRAME_MS, loop=0)
