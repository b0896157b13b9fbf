"""Images of the background: the footprint, the filling of source holes, smoothing, and templates.

A template is the share of each pixel in the background counts of a frame. It is the image of many frames with
the sources cut out, the holes filled from their surroundings by the discrete Laplace equation, smoothed
slightly within the footprint and divided by the counts outside the sources.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from ephemera.xmm.observation import BoolArray, FloatArray

FillMethod = Literal["laplace", "navier_stokes"]

#: Holes of the footprint of at most this many pixels are closed.
LARGEST_HOLE = 2
#: Radius in pixels from which Navier-Stokes inpainting takes values, as EXOD2 uses it.
NAVIER_STOKES_RADIUS = 2.0
#: Steps (rows, columns) to the four neighbours of a pixel.
NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))


class NoBackground(Exception):  # noqa: N818 - named by what happened, as the outcomes are
    """No unmasked pixel has counts, so there is nothing to predict the background from."""


def footprint(*images: npt.ArrayLike, largest_hole: int = LARGEST_HOLE) -> BoolArray:
    """Pixels with a count in any of `images` (each (N, N), or a stack of them), small holes closed.

    A hole is a set of pixels without counts, joined by their sides, that does not reach the border of the
    grid; those of at most `largest_hole` pixels belong to the footprint. Raises ValueError without images or
    when their shapes differ.
    """
    if not images:
        msg = "images must be at least one image, got none"
        raise ValueError(msg)
    layers = [np.atleast_2d(np.asarray(image)) for image in images]
    shapes = {layer.shape[-2:] for layer in layers}
    if len(shapes) > 1:
        msg = f"images must have one shape, got {sorted(shapes)}"
        raise ValueError(msg)
    shape = shapes.pop()
    lit = np.zeros(shape, np.bool_)
    for layer in layers:
        lit |= (layer.reshape(-1, *shape) > 0).any(axis=0)
    # One dark row and column around the grid join everything that reaches the border, as no hole does.
    holes, n_holes = ndimage.label(np.pad(~lit, 1, constant_values=True))
    small = np.bincount(holes.ravel(), minlength=n_holes + 1) <= largest_hole
    small[[0, holes[0, 0]]] = False
    return np.asarray(lit | small[holes[1:-1, 1:-1]])


def fill_masked(
    image: FloatArray, mask: BoolArray, footprint: BoolArray, method: FillMethod = "laplace"
) -> FloatArray:
    """Replace the masked pixels inside the footprint by a smooth continuation of the unmasked ones.

    `image` (..., N, N); `mask`, `footprint` (N, N). Unmasked pixels keep their values; pixels outside the
    footprint are 0. `laplace`: each filled pixel is the mean of its neighbours in the footprint (five-point
    Laplace equation; unmasked neighbours are boundary values, nothing flows over the edge of the footprint).
    A hole that touches no unmasked pixel gets the mean of all unmasked ones. `navier_stokes`: inpainting
    along lines of equal brightness (Bertalmio, Bertozzi and Sapiro 2001, CVPR), single precision, as in
    EXOD2. Raises ValueError for another method or when shapes differ.
    """
    if method not in get_args(FillMethod):
        msg = f"method must be one of {', '.join(get_args(FillMethod))}, got {method!r}"
        raise ValueError(msg)
    if image.shape[-2:] != mask.shape or mask.shape != footprint.shape:
        shapes = f"{image.shape}, {mask.shape}, {footprint.shape}"
        msg = f"image, mask and footprint must share a shape, got {shapes}"
        raise ValueError(msg)
    hole, known = mask & footprint, footprint & ~mask
    layers = image.reshape(-1, *mask.shape)
    filled = np.where(known, layers, 0.0)
    if hole.any() and known.any():
        solve = _solve_laplace if method == "laplace" else _inpaint
        filled[:, hole] = solve(filled, hole, known)
    return filled.reshape(image.shape)


def _solve_laplace(layers: FloatArray, hole: BoolArray, known: BoolArray) -> FloatArray:
    """Solution of the Laplace equation in the pixels of `hole`, one row for each layer."""
    # Loaded here because only the making of templates needs it, not the use of an expectation.
    from scipy.sparse import csc_matrix
    from scipy.sparse.linalg import splu

    values = np.repeat(layers[:, known].mean(axis=1)[:, None], np.count_nonzero(hole), axis=1)
    anchored = _anchored(hole, known)
    inner = anchored[hole]
    n = np.count_nonzero(inner)
    if n == 0:
        return values
    unknown = np.full((hole.shape[0] + 2, hole.shape[1] + 2), -1)
    unknown[1:-1, 1:-1][anchored] = np.arange(n)
    edge, padded = np.pad(known, 1), np.pad(layers, ((0, 0), (1, 1), (1, 1)))
    degree, right = np.zeros(n), np.zeros((n, len(layers)))
    row, column = [np.arange(n)], [np.arange(n)]
    for neighbour in NEIGHBOURS:
        next_unknown = _shifted(unknown, neighbour)[anchored]
        linked = next_unknown >= 0
        row.append(np.flatnonzero(linked))
        column.append(next_unknown[linked])
        degree += linked | _shifted(edge, neighbour)[anchored]
        # `layers` is 0 except in known pixels, so only boundary values enter the right-hand side.
        right += _shifted(padded, neighbour)[:, anchored].T
    rows, columns = np.concatenate(row), np.concatenate(column)
    entries = np.concatenate((degree, np.full(len(rows) - n, -1.0)))
    matrix = csc_matrix((entries, (rows, columns)), shape=(n, n))
    solver = splu(matrix, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
    values[:, inner] = solver.solve(right).T
    return values


def _anchored(hole: BoolArray, known: BoolArray) -> BoolArray:
    """Pixels of `hole` that are joined to a known pixel by their sides, through other pixels of it."""
    parts, n_parts = ndimage.label(hole)
    padded = np.pad(known, 1)
    beside = np.logical_or.reduce([_shifted(padded, neighbour) for neighbour in NEIGHBOURS])
    touches = np.bincount(parts.ravel(), weights=beside.ravel(), minlength=n_parts + 1) > 0
    touches[0] = False
    return np.asarray(touches[parts])


def _shifted(padded: npt.NDArray[Any], step: tuple[int, int]) -> npt.NDArray[Any]:
    """Neighbour of every pixel of an array padded by one pixel on each side of its last two axes."""
    rows, columns = padded.shape[-2] - 2, padded.shape[-1] - 2
    return padded[..., 1 + step[0] : 1 + step[0] + rows, 1 + step[1] : 1 + step[1] + columns]


def _inpaint(layers: FloatArray, hole: BoolArray, known: BoolArray) -> FloatArray:
    """Navier-Stokes inpainting of the pixels of `hole`, one row for each layer."""
    # Loaded here because only this option needs it, and it is slow to load.
    import cv2

    # Beyond the footprint is unknown too: zeros there would darken holes at its edge.
    missing = (~known).astype(np.uint8)
    painted = [
        cv2.inpaint(layer.astype(np.float32), missing, NAVIER_STOKES_RADIUS, cv2.INPAINT_NS)
        for layer in layers
    ]
    return np.array([layer[hole] for layer in painted], dtype=np.float64)


def gaussian_kernel(sigma: float) -> FloatArray:
    """Weights of a Gaussian at whole pixels out to 4 sigma, sum 1: 5 of them for sigma = 0.5."""
    if not (np.isfinite(sigma) and sigma > 0):
        msg = f"sigma must be a positive number of pixels, got {sigma!r}"
        raise ValueError(msg)
    reach = int(np.ceil(4 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum())


def smooth_within(image: FloatArray, footprint: BoolArray, sigma: float) -> FloatArray:
    """Smooth `image` (..., N, N) by a Gaussian of `sigma` pixels, inside the footprint only.

    Each pixel becomes the weighted mean of the pixels of the footprint around it, sum(w I) / sum(w), so edges
    do not fade and a constant stays constant. Pixels outside the footprint are 0. `sigma` 0 does only that.
    """
    inside = np.where(footprint, image, 0.0)
    if sigma == 0:
        return inside
    kernel = gaussian_kernel(sigma)
    weight = _convolve(footprint.astype(np.float64), kernel)
    return np.where(footprint, _convolve(inside, kernel) / np.where(footprint, weight, 1.0), 0.0)


def _convolve(image: FloatArray, kernel: FloatArray) -> FloatArray:
    """Product kernel along both of the last axes, zeros beyond the border."""
    for axis in (-2, -1):
        image = ndimage.convolve1d(image, kernel, axis=axis, mode="constant")
    return image


def background_template(
    image: FloatArray,
    source_mask: BoolArray,
    footprint: BoolArray,
    *,
    fill: FillMethod = "laplace",
    smooth_sigma: float = 0.5,
) -> tuple[FloatArray, float]:
    """Template T (N, N) of one image and its background counts C.

    C is the sum of the image over the unmasked pixels of the footprint; T = filled image / C, smoothed. T is
    defined on the whole footprint and 0 outside. Without smoothing, T sums to 1 over the unmasked pixels.
    Raises NoBackground when C is 0.
    """
    total = float(image[footprint & ~source_mask].sum())
    if total <= 0:
        msg = f"none of {np.count_nonzero(footprint & ~source_mask)} unmasked pixels has counts"
        raise NoBackground(msg)
    filled = fill_masked(image, source_mask, footprint, fill)
    return smooth_within(filled / total, footprint, smooth_sigma), total
