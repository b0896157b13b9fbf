"""Figures of the sky: the counts image with what was found on it, and what the expectation is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from ephemera.figures.axes import draw_outline, sky_axes
from ephemera.figures.style import COLOURS, DIVERGING, LINES, SEQUENTIAL
from ephemera.xmm.bayes import (
    log10_bayes_eclipse,
    log10_bayes_peak,
    sigma_equivalent_eclipse,
    sigma_equivalent_peak,
)
from ephemera.xmm.cells import counts_at
from ephemera.xmm.cube import SparseCube
from ephemera.xmm.expectation import Expectation
from ephemera.xmm.observation import BoolArray, FloatArray

#: Expected counts below which even no counts at all are an eclipse of 0 sigma.
LEAST_ECLIPSE_MU = 3.6
#: Cells evaluated at once in the search for the deepest eclipse of each pixel.
BLOCK_CELLS = 1 << 20
#: Least expected counts, as in detection.
MU_FLOOR = 1e-6
#: Largest significance that the colours tell apart, sigma.
TOP_SIGMA = 8.0
#: Labels of more places than this would hide the image.
MOST_LABELS = 60


@dataclass(frozen=True, eq=False)
class RunImages:
    """Images (N, N) [j, i] of one run.

    `counts` of usable frames; `mask` of sources and `footprint`, bool; `good` and `bad` the background
    templates of good and bad time (`bad` None without frames in bad time), shares of a frame's background,
    NaN outside the footprint; `source` counts per fully exposed frame, all cameras; `significance` the
    largest of all frames, sigma, negative for eclipses, NaN outside the footprint.
    """

    counts: FloatArray
    mask: BoolArray
    footprint: BoolArray
    good: FloatArray
    bad: FloatArray | None
    source: FloatArray
    significance: FloatArray


@dataclass(frozen=True)
class Box:
    """A detection on an image: edges in pixel indices (half-open), kind, number of its place, emphasis."""

    x0: float
    y0: float
    x1: float
    y1: float
    kind: str
    place: int
    own: bool


def run_images(cube: SparseCube, expectation: Expectation) -> RunImages:
    """The images of one run."""
    used = expectation.frame_class
    frames = np.bincount(used[used >= 0], minlength=len(expectation.templates))
    templates = np.where(expectation.footprint, expectation.templates, np.nan)
    # Classes alternate: good time, bad time, for each set of cameras.
    good, bad = frames[0::2], frames[1::2]
    return RunImages(
        counts=cube.image(cube.frames.usable),
        mask=expectation.mask,
        footprint=expectation.footprint,
        good=templates[2 * int(np.argmax(good))],
        bad=templates[2 * int(np.argmax(bad)) + 1] if bad.any() else None,
        source=expectation.source.sum(axis=0),
        significance=significance_image(cube, expectation),
    )


def significance_image(cube: SparseCube, expectation: Expectation) -> FloatArray:
    """Largest significance (N, N) of any frame of each pixel, sigma; negative where an eclipse is larger."""
    peak, eclipse = _peak_image(cube, expectation), _eclipse_image(cube, expectation)
    image = np.where(peak >= eclipse, peak, -eclipse)
    return np.where(expectation.footprint, image, np.nan)


def _peak_image(cube: SparseCube, expectation: Expectation) -> FloatArray:
    i, j = cube.grid.split(cube.pixel)
    mu = np.maximum(expectation.at(i, j, cube.frame), MU_FLOOR)
    above = cube.counts > mu
    sigma = sigma_equivalent_peak(log10_bayes_peak(cube.counts[above], mu[above]))
    image = np.zeros((cube.grid.n, cube.grid.n))
    np.fmax.at(image, (j[above], i[above]), sigma)
    return image


def _eclipse_image(cube: SparseCube, expectation: Expectation) -> FloatArray:
    side = cube.grid.n
    image = np.zeros(side * side)
    frames = np.flatnonzero(expectation.frame_class >= 0)
    bound = np.where(expectation.footprint, expectation.frame_bound(), 0.0).ravel()
    pixels = np.flatnonzero(bound >= LEAST_ECLIPSE_MU)
    step = max(1, BLOCK_CELLS // max(len(frames), 1))
    for start in range(0, len(pixels), step):
        block = pixels[start : start + step]
        j, i = np.divmod(block, side)
        mu = expectation.at(i, j, frames[:, None])
        row, column = np.nonzero(mu >= LEAST_ECLIPSE_MU)
        n = counts_at(cube, frames[row] * side * side + block[column])
        below = n < mu[row, column]
        sigma = sigma_equivalent_eclipse(log10_bayes_eclipse(n[below], mu[row, column][below]))
        np.fmax.at(image, block[column[below]], sigma)
    return image.reshape(side, side)


def counts_image(figure: Figure, images: RunImages, wcs: Any, boxes: Sequence[Box], title: str) -> None:
    """Draw the counts with source mask and boxes; thick boxes are of this run, thin ones of other runs."""
    axes = sky_axes(figure, wcs)
    axes.set_title(title, parse_math=False)
    image, norm = _show_counts(axes, images, "gray_r")
    draw_outline(axes, images.mask, color=COLOURS["source mask"], linewidth=0.5)
    for box in boxes:
        axes.add_patch(
            Rectangle(
                (box.x0 - 0.5, box.y0 - 0.5), box.x1 - box.x0, box.y1 - box.y0, fill=False,
                edgecolor=COLOURS[box.kind], linestyle=LINES[box.kind], linewidth=1.6 if box.own else 0.8,
            )
        )  # fmt: skip
    _label_places(axes, boxes)
    _view(axes, images.footprint)
    figure.colorbar(ScalarMappable(norm, "gray_r"), ax=axes, label=_counts_unit(wcs), pad=0.02)
    handles = [Line2D([], [], color=COLOURS["source mask"], linewidth=0.8, label="source mask")]
    for kind in ("peak", "eclipse", "both"):
        count = sum(box.kind == kind for box in boxes)
        name = "peak and eclipse" if kind == "both" else kind
        handles.append(
            Line2D([], [], color=COLOURS[kind], linestyle=LINES[kind], linewidth=1.6, label=f"{name} ({count})")
        )
    figure.legend(handles=handles, loc="outside lower center", ncols=4)
    del image


def _counts_unit(wcs: Any) -> str:
    size = abs(float(wcs.wcs.cdelt[0])) * 3600
    return f"Counts per pixel of {size:.4g} arcsec"


def _show_counts(axes: Axes, images: RunImages, colours: str) -> tuple[Any, Normalize]:
    """Show counts, linear up to the typical pixel and logarithmic above."""
    lit = images.counts[images.footprint & (images.counts > 0)]
    typical = float(np.median(lit)) if len(lit) else 1.0
    norm = AsinhNorm(linear_width=typical, vmin=0, vmax=float(np.max(lit, initial=1.0)))
    shown = np.where(images.footprint, images.counts, np.nan)
    return axes.imshow(shown, cmap=colours, norm=norm), norm


def _label_places(axes: Axes, boxes: Sequence[Box]) -> None:
    """Number of each place beside its largest box."""
    largest: dict[int, Box] = {}
    for box in boxes:
        known = largest.get(box.place)
        if known is None or (box.x1 - box.x0) * (box.y1 - box.y0) > (known.x1 - known.x0) * (
            known.y1 - known.y0
        ):
            largest[box.place] = box
    for place in sorted(largest)[:MOST_LABELS]:
        box = largest[place]
        axes.annotate(
            str(place), (box.x1 - 0.5, box.y1 - 0.5), (2, 2), textcoords="offset points",
            color=COLOURS[box.kind], fontsize=7, fontweight="bold",
            path_effects=[patheffects.withStroke(linewidth=1.5, foreground="white")],
        )  # fmt: skip


def _view(axes: Axes, footprint: BoolArray, margin: float = 1.5) -> None:
    """Limit the axes to the footprint."""
    row, column = np.nonzero(footprint)
    if len(row):
        axes.set_xlim(column.min() - margin, column.max() + margin)
        axes.set_ylim(row.min() - margin, row.max() + margin)


def template_panels(figure: Figure, images: RunImages, wcs: Any, title: str) -> None:
    """Draw what the expectation is made of: counts, mask, templates, source term; and what it leaves."""
    cells = figure.add_gridspec(2, 3)
    panels = [
        sky_axes(figure, wcs, cells[row, column], left=column == 0, bottom=row == 1)
        for row in range(2)
        for column in range(3)
    ]
    figure.suptitle(title, x=0.01, ha="left", fontsize="medium", parse_math=False)
    shares = np.concatenate([t[images.footprint] for t in (images.good, images.bad) if t is not None])
    top = float(np.nanmax(shares, initial=1e-12)) * 1e4
    share = {"norm": Normalize(0, top), "cmap": SEQUENTIAL}
    shown: list[tuple[str, Any, str, dict[str, Any]]] = [
        ("Background, good time", images.good * 1e4, "Share per pixel [10⁻⁴]", share),
        ("Source term", np.where(images.mask, images.source, np.nan), "Counts per frame", {"cmap": SEQUENTIAL}),
        (
            "Largest significance", images.significance, "Sigma, eclipses negative",
            {"norm": Normalize(-TOP_SIGMA, TOP_SIGMA), "cmap": DIVERGING},
        ),
    ]  # fmt: skip
    _, norm = _show_counts(panels[0], images, SEQUENTIAL)
    figure.colorbar(ScalarMappable(norm, SEQUENTIAL), ax=panels[0], label="Counts", pad=0.02)
    panels[0].set_title("Counts")
    panels[1].set_title("Source mask")
    del shown, top, share
    for axes in panels:
        _view(axes, images.footprint)
