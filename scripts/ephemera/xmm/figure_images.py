"""Figures of the sky: the counts image with what was found on it, and what the expectation is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from ephemera.figures.axes import draw_outline, sky_axes
from ephemera.figures.style import COLOURS, DIVERGING, LINES, SEQUENTIAL
from ephemera.xmm.observation import BoolArray, FloatArray
from ephemera.xmm.run_images import RunImages

#: Largest significance that the colours tell apart, sigma.
TOP_SIGMA = 8.0
#: Labels of more places than this would hide the image.
MOST_LABELS = 60
#: Colours under boxes and labels: grey, so that those stand out.
UNDER_BOXES = "gray_r"


@dataclass(frozen=True)
class Box:
    """A detection on an image: edges in pixels (half-open), kind, number of its place, whether of this run."""

    x0: float
    y0: float
    x1: float
    y1: float
    kind: str
    place: int
    own: bool

    @property
    def area(self) -> float:
        """Area in pixels."""
        return (self.x1 - self.x0) * (self.y1 - self.y0)


def counts_image(figure: Figure, images: RunImages, wcs: Any, boxes: Sequence[Box], title: str) -> None:
    """Draw the counts with source mask and boxes; thick boxes are of this run, thin ones of other runs."""
    axes = sky_axes(figure, wcs)
    axes.set_title(title, parse_math=False)
    drawn = axes.imshow(_inside(images.counts, images), cmap=UNDER_BOXES, norm=_counts_norm(images))
    draw_outline(axes, images.mask, color=COLOURS["source mask"], linewidth=0.5)
    for box in boxes:
        axes.add_patch(
            Rectangle(
                (box.x0 - 0.5, box.y0 - 0.5), box.x1 - box.x0, box.y1 - box.y0, fill=False,
                edgecolor=COLOURS[box.kind], linestyle=LINES[box.kind], linewidth=1.8 if box.own else 0.9,
            )
        )  # fmt: skip
    _label_places(axes, boxes)
    _view(axes, images.footprint)
    size = abs(float(wcs.wcs.cdelt[0])) * 3600
    figure.colorbar(drawn, ax=axes, label=f"Counts per pixel of {size:.4g} arcsec", pad=0.02)
    figure.legend(handles=_legend_of_boxes(boxes), loc="outside lower center", ncols=4)


def _legend_of_boxes(boxes: Sequence[Box]) -> list[Line2D]:
    handles = [Line2D([], [], color=COLOURS["source mask"], linewidth=0.8, label="source mask")]
    for kind, name in (("peak", "peak"), ("eclipse", "eclipse"), ("both", "peak and eclipse")):
        label = f"{name} ({sum(box.kind == kind for box in boxes)})"
        handles.append(Line2D([], [], color=COLOURS[kind], linestyle=LINES[kind], linewidth=1.8, label=label))
    return handles


def _label_places(axes: Axes, boxes: Sequence[Box]) -> None:
    """Number of each place beside its largest box."""
    largest = {box.place: box for box in sorted(boxes, key=lambda box: box.area)}
    for place in sorted(largest)[:MOST_LABELS]:
        box = largest[place]
        axes.annotate(
            str(place), (box.x1 - 0.5, box.y1 - 0.5), (1.5, 1), textcoords="offset points", fontsize=7,
            color=COLOURS[box.kind], path_effects=[withStroke(linewidth=1.8, foreground="white")],
        )  # fmt: skip


def template_panels(figure: Figure, images: RunImages, wcs: Any, title: str) -> None:
    """Draw what the expectation is made of: counts, mask, templates, source term; and what it leaves."""
    cells = figure.add_gridspec(2, 3)
    figure.suptitle(title, x=0.01, ha="left", fontsize="medium", parse_math=False)
    shares = np.array([t for t in (images.good, images.bad) if t is not None]) * 1e4
    share_norm = Normalize(0, float(np.nanmax(shares, initial=1e-9)))
    source = np.where(images.mask & (images.source > 0), images.source, np.nan)
    bad = np.full_like(images.good, np.nan) if images.bad is None else images.bad
    share = "Share per pixel [1e-4]"
    panels: list[tuple[str, FloatArray, str, Normalize, str]] = [
        ("Counts", _inside(images.counts, images), "Counts per pixel", _counts_norm(images), SEQUENTIAL),
        ("Background, good time", images.good * 1e4, share, share_norm, SEQUENTIAL),
        ("Background, bad time", bad * 1e4, share, share_norm, SEQUENTIAL),
        ("Source mask", np.where(images.mask, 1.0, np.where(images.footprint, 0.0, np.nan)), "", Normalize(0, 1.6), UNDER_BOXES),
        ("Sources", source, "Counts per frame", _spread_norm(source), SEQUENTIAL),
        ("Largest significance", images.significance, "Sigma, eclipses negative", Normalize(-TOP_SIGMA, TOP_SIGMA), DIVERGING),
    ]  # fmt: skip
    for number, (name, image, label, norm, colours) in enumerate(panels):
        row, column = divmod(number, 3)
        axes = sky_axes(figure, wcs, cells[row, column], left=column == 0, bottom=row == 1)
        axes.set_title(name)
        drawn = axes.imshow(image, cmap=colours, norm=norm)
        draw_outline(axes, images.footprint, color=COLOURS["masked"], linewidth=0.3)
        _view(axes, images.footprint)
        if label:
            bar = figure.colorbar(drawn, ax=axes, label=label, pad=0.02, shrink=0.9)
            bar.ax.tick_params(labelsize="x-small")
        if not np.isfinite(image).any():
            axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", va="center")


def _inside(image: FloatArray, images: RunImages) -> FloatArray:
    """The image, NaN outside the footprint."""
    return np.where(images.footprint, image, np.nan)


def _counts_norm(images: RunImages) -> Normalize:
    return _spread_norm(np.where(images.footprint & (images.counts > 0), images.counts, np.nan))


def _spread_norm(image: FloatArray) -> Normalize:
    """From 0, linear up to the typical value and logarithmic above."""
    known = image[np.isfinite(image)]
    typical = float(np.median(known)) if len(known) else 1.0
    return AsinhNorm(linear_width=max(typical, 1e-9), vmin=0, vmax=float(np.max(known, initial=1e-9)))


def _view(axes: Axes, footprint: BoolArray, margin: float = 2.0) -> None:
    """Limit the axes to the footprint."""
    row, column = np.nonzero(footprint)
    if len(row):
        axes.set_xlim(column.min() - margin, column.max() + margin)
        axes.set_ylim(row.min() - margin, row.max() + margin)
