"""Figures of the sky: the counts image with what was found on it, and what the expectation is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from ephemera.figures.axes import colour_bar, draw_outline, extent, sky_axes, spread_norm, view
from ephemera.figures.style import COLOURS, DIVERGING, LINES, SEQUENTIAL, WIDTHS, margins
from ephemera.xmm.observation import FloatArray
from ephemera.xmm.run_images import RunImages

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Fields longer than this times their width are drawn with empty space beside them.
SLIMMEST = 1.5
#: Largest significance that the colours tell apart, sigma.
TOP_SIGMA = 8.0
#: Labels of more places than this would hide the image.
MOST_LABELS = 60
#: Width of the counts image and height of all around it, inch; width of a template panel.
_IMAGE_WIDTH, _IMAGE_AROUND, _PANEL_WIDTH = 5.45, 0.95, 1.9
#: Number of the panel of the mask, which needs no colour bar.
_MASK_PANEL = 3
#: Colours under boxes and labels: grey, so that those stand out.
UNDER_BOXES = "gray_r"


@dataclass(frozen=True)
class Box:
    """A detection on an image: edges in pixels (half-open), kind, place number, whether of the run shown."""

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


def counts_image_height(images: RunImages) -> float:
    """Height of the figure of the counts image, inch."""
    return _IMAGE_AROUND + _IMAGE_WIDTH * _ratio(images)


def counts_image(figure: Figure, images: RunImages, wcs: Any, boxes: Sequence[Box], title: str) -> None:
    """Draw the counts with source mask and boxes; thick boxes are of this run, thin ones of other runs."""
    right = WIDTHS[2] - _IMAGE_WIDTH - 0.8
    space = margins(figure, left=0.8, right=right, bottom=_IMAGE_AROUND - 0.3, top=0.3)
    axes = sky_axes(figure, wcs, figure.add_gridspec(1, 1, **space)[0])
    axes.set_title(title, parse_math=False)
    drawn = axes.imshow(_inside(images.counts, images), cmap=UNDER_BOXES, norm=_counts_norm(images))
    draw_outline(axes, images.mask, color=COLOURS["source mask"], linewidth=0.45)
    for box in boxes:
        axes.add_patch(
            Rectangle(
                (box.x0 - 0.5, box.y0 - 0.5), box.x1 - box.x0, box.y1 - box.y0, fill=False,
                edgecolor=COLOURS[box.kind], linestyle=LINES[box.kind], linewidth=2.0 if box.own else 1.0,
            )
        )  # fmt: skip
    _label_places(axes, boxes)
    view(axes, images.footprint, slimmest=SLIMMEST)
    size = abs(float(wcs.wcs.cdelt[0])) * 3600
    colour_bar(figure, axes, drawn, "right", f"Counts per pixel of {size:.4g} arcsec")
    figure.legend(handles=_legend_of_boxes(boxes), loc="lower center", ncols=6)


def _legend_of_boxes(boxes: Sequence[Box]) -> list[Line2D]:
    handles = [Line2D([], [], color=COLOURS["source mask"], linewidth=0.8, label="source mask")]
    for kind, name in (("peak", "peak"), ("eclipse", "eclipse"), ("both", "peak and eclipse")):
        label = f"{name} ({sum(box.kind == kind for box in boxes)})"
        handles.append(Line2D([], [], color=COLOURS[kind], linestyle=LINES[kind], linewidth=2.0, label=label))
    for own, width in ((True, 2.0), (False, 1.0)):
        label = f"{'this run' if own else 'other runs'} ({sum(box.own == own for box in boxes)})"
        handles.append(Line2D([], [], color=COLOURS["masked"], linewidth=width, label=label))
    return handles


def _label_places(axes: Axes, boxes: Sequence[Box]) -> None:
    """Number of each place beside its largest box."""
    largest = {box.place: box for box in sorted(boxes, key=lambda box: box.area)}
    for place in sorted(largest)[:MOST_LABELS]:
        box = largest[place]
        axes.annotate(
            str(place), (box.x1 - 0.5, box.y1 - 0.5), (1.5, 1), textcoords="offset points", fontsize=7,
            path_effects=[withStroke(linewidth=1.8, foreground="white")],
        )  # fmt: skip


def template_panels_height(images: RunImages) -> float:
    """Height of the figure of the templates, inch."""
    return 0.85 + 2 * _PANEL_WIDTH * _ratio(images) + 0.62 + 0.42


def template_panels(figure: Figure, images: RunImages, wcs: Any, title: str) -> None:
    """Draw what the expectation is made of: counts, mask, templates, source term; and what it leaves."""
    space = margins(figure, left=0.68, right=0.25, bottom=0.42, top=0.85)
    across, up = 0.22 / _PANEL_WIDTH, 0.62 / (_PANEL_WIDTH * _ratio(images))
    cells = figure.add_gridspec(2, 3, **space, wspace=across, hspace=up)
    figure.text(space["left"], 1 - 0.1 / figure.get_figheight(), title, va="top", parse_math=False)
    for number, (name, image, norm, colours) in enumerate(_panels(images)):
        row, column = divmod(number, 3)
        axes = sky_axes(figure, wcs, cells[row, column], left=column == 0, bottom=row == 1, n_labels=3)
        drawn = axes.imshow(image, cmap=colours, norm=norm)
        draw_outline(axes, images.footprint, color=COLOURS["masked"], linewidth=0.3)
        view(axes, images.footprint, slimmest=SLIMMEST)
        name = f"({'abcdef'[number]}) {name}"
        axes.annotate(name, (0, 1), (0, 27), xycoords="axes fraction", textcoords="offset points")
        if not np.isfinite(image).any():
            axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", va="center")
        elif number != _MASK_PANEL:
            colour_bar(figure, axes, drawn, "top")


def _panels(images: RunImages) -> list[tuple[str, FloatArray, Normalize, str]]:
    """Name, image, range and colours of each panel."""
    shares = np.array([share for share in (images.good, images.bad) if share is not None])
    share_norm = Normalize(0, 1e4 * float(np.nanmax(shares, initial=1e-12)))
    good, bad = (
        np.full(images.counts.shape, np.nan) if share is None else 1e4 * share
        for share in (images.good, images.bad)
    )
    source = np.where(images.mask & (images.source > 0), images.source, np.nan)
    mask = _inside(images.mask.astype(np.float64), images)
    sigma = Normalize(-TOP_SIGMA, TOP_SIGMA)
    return [
        ("Counts per pixel", _inside(images.counts, images), _counts_norm(images), SEQUENTIAL),
        ("Background, good time [1e-4]", good, share_norm, SEQUENTIAL),
        ("Background, bad time [1e-4]", bad, share_norm, SEQUENTIAL),
        ("Source mask", mask, Normalize(0, 1), "gray_r"),
        ("Source counts per frame", source, spread_norm(source), SEQUENTIAL),
        ("Largest significance [sigma]", images.significance, sigma, DIVERGING),
    ]


def _inside(image: FloatArray, images: RunImages) -> FloatArray:
    """The image, NaN outside the footprint."""
    return np.where(images.footprint, image, np.nan)


def _counts_norm(images: RunImages) -> Normalize:
    return spread_norm(np.where(images.footprint & (images.counts > 0), images.counts, np.nan))


def _ratio(images: RunImages) -> float:
    """Height over width of what is shown, within bounds that a page allows."""
    left, right, bottom, top = extent(images.footprint, slimmest=SLIMMEST)
    return (top - bottom) / (right - left)
