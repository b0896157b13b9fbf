"""DS9 region files of detections: circles and boxes, on the sky, on an image or in its physical units.

The three systems agree on an image of the observation: `fk5` are degrees, `physical` the sky coordinates X, Y
of the event list, `image` the pixels of an image binned by 80 units (4 arcsec, as the pipeline images of
XMM-Newton) from X, Y = 0.5, so that pixel = (X - 0.5) / 80 + 0.5 with the first centre at 1.
Colours: peak cyan, eclipse green, both blue.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import numpy as np
import numpy.typing as npt

from ephemera.sky.tan import Plane

FloatArray = npt.NDArray[np.float64]
System = Literal["fk5", "image", "physical"]

#: Colour of each kind of detection.
COLOURS: Mapping[str, str] = {"peak": "cyan", "eclipse": "green", "both": "blue"}
#: Units of X or Y in a pixel of a pipeline image.
IMAGE_BINNING = 80
SYSTEMS = ("fk5", "image", "physical")
HEADER = "# Region file format: DS9 version 4.1\n"

#: Braces would end a text, a line break the region; DS9 knows no escapes.
_PLAIN = str.maketrans({"{": "(", "}": ")"})


def circles(
    ra: npt.ArrayLike,
    dec: npt.ArrayLike,
    kinds: Iterable[str],
    labels: Iterable[object],
    *,
    radius_arcsec: float = 20.0,
    system: System = "fk5",
    plane: Plane | None = None,
    binning: float = IMAGE_BINNING,
) -> str:
    """Region file with a circle at each position (degrees).

    `kinds` are keys of `COLOURS`; `labels` become the texts. `image` and `physical` need the `plane` of the
    event list; `binning` is the number of its units in an image pixel.
    Raises ValueError for unequal lengths, unknown kinds or systems, a missing plane, a radius that is not
    positive, and positions that are not finite.
    """
    _check_system(system)
    if not (np.isfinite(radius_arcsec) and radius_arcsec > 0):
        msg = f"radius_arcsec must be positive, got {radius_arcsec!r}"
        raise ValueError(msg)
    ra, dec = np.atleast_1d(np.asarray(ra, float)), np.atleast_1d(np.asarray(dec, float))
    if system == "fk5":
        numbers = np.stack([ra, dec], axis=1)
        shapes = [f'circle({a:.7f},{d:+.7f},{radius_arcsec:.8g}")' for a, d in numbers]
        return _file(system, numbers, shapes, kinds, labels)
    if plane is None:
        msg = f"plane must be given for the system {system!r}, got None"
        raise ValueError(msg)
    x, y = plane.to_plane(ra, dec)
    radius = radius_arcsec / plane.unit_arcsec
    if system == "image":
        x, y, radius = _image_pixel(x, binning), _image_pixel(y, binning), radius / binning
    numbers = np.stack([x, y], axis=1)
    shapes = [f"circle({a:.3f},{b:.3f},{radius:.8g})" for a, b in numbers]
    return _file(system, numbers, shapes, kinds, labels)


def boxes(
    left: npt.ArrayLike,
    bottom: npt.ArrayLike,
    right: npt.ArrayLike,
    top: npt.ArrayLike,
    kinds: Iterable[str],
    labels: Iterable[object],
    *,
    plane: Plane,
    system: System = "fk5",
    binning: float = IMAGE_BINNING,
) -> str:
    """Region file with a box for each set of edges, in units of X and Y.

    The edges of pixels i0..i1 (half-open) of w units are 0.5 + w i0 and 0.5 + w i1. Boxes are parallel to the
    axes of the image. Raises ValueError as `circles` does, and for boxes without area.
    """
    _check_system(system)
    edges = np.stack([np.atleast_1d(np.asarray(e, float)) for e in (left, bottom, right, top)])
    centre, size = (edges[2:] + edges[:2]) / 2, edges[2:] - edges[:2]
    if not np.all(size > 0):
        msg = (
            f"right and top must exceed left and bottom, got edges {edges[:, np.any(~(size > 0), axis=0)].T}"
        )
        raise ValueError(msg)
    if system == "fk5":
        ra, dec = plane.to_sky(*centre)
        numbers = np.stack([ra, dec, *(size * plane.unit_arcsec)], axis=1)
        shapes = [f'box({a:.7f},{d:+.7f},{w:.8g}",{h:.8g}",0)' for a, d, w, h in numbers]
        return _file(system, numbers, shapes, kinds, labels)
    if system == "image":
        centre, size = _image_pixel(centre, binning), size / binning
    numbers = np.concatenate([centre, size]).T
    shapes = [f"box({x:.3f},{y:.3f},{w:.8g},{h:.8g},0)" for x, y, w, h in numbers]
    return _file(system, numbers, shapes, kinds, labels)


def _image_pixel(units: FloatArray, binning: float) -> FloatArray:
    """Image pixels (first centre at 1) of X or Y."""
    return (units - 0.5) / binning + 0.5


def _check_system(system: str) -> None:
    if system not in SYSTEMS:
        msg = f"system must be one of {', '.join(SYSTEMS)}, got {system!r}"
        raise ValueError(msg)


def _file(
    system: str, numbers: FloatArray, shapes: list[str], kinds: Iterable[str], labels: Iterable[object]
) -> str:
    kinds, texts = list(kinds), [_text(label) for label in labels]
    if not len(shapes) == len(kinds) == len(texts):
        lengths = f"{len(shapes)}, {len(kinds)}, {len(texts)}"
        msg = f"positions, kinds and labels must be of one length, got {lengths}"
        raise ValueError(msg)
    unknown = sorted(set(map(str, kinds)) - set(COLOURS))
    if unknown:
        msg = f"kinds must be one of {', '.join(COLOURS)}, got {', '.join(unknown)}"
        raise ValueError(msg)
    if not np.all(np.isfinite(numbers)):
        at = int(np.flatnonzero(~np.all(np.isfinite(numbers), axis=1))[0])
        msg = f"positions must be finite and on the plane, number {at} is {shapes[at]}"
        raise ValueError(msg)
    lines = [
        f"{system}; {shape} # color={COLOURS[kind]} text={{{text}}}\n"
        for shape, kind, text in zip(shapes, kinds, texts, strict=True)
    ]
    return HEADER + "".join(lines)


def _text(label: object) -> str:
    """Label that stays inside its braces and on its line."""
    text = "".join(sign if sign.isprintable() else " " for sign in str(label))
    return text.translate(_PLAIN)
