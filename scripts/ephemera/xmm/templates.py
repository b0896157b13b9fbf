"""The parts an expectation is made of: bright pixels, complete images, class templates, source terms.

Cells may be left out, as a second search does with what the first one found. Then a pixel has fewer frames
and a frame fewer pixels than the others, and both are scaled for what is left.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ephemera.xmm.background import FillMethod, NoBackground, fill_masked, smooth_within
from ephemera.xmm.exposure_classes import DroppedCells, ExposureClasses
from ephemera.xmm.observation import BoolArray, FloatArray
from ephemera.xmm.sparse_cube import SparseCube

#: A class with fewer frames than this, or fewer background counts than pixels, borrows the total template.
MIN_CLASS_FRAMES = 10
#: Percentile of the lit background pixels that scales the search for sources missing in the list.
SOURCE_PERCENTILE = 75.0
#: Most rounds in which images and curve are scaled for the cells left out; a few are enough.
MAX_ROUNDS = 20
#: A share of the background below this is rounding.
NOTHING = 1e-9


def bright_pixels(image: FloatArray, searched: BoolArray, factor: float, min_counts: float) -> BoolArray:
    """Pixels of `image` above max(factor P75, min_counts), P75 over the lit pixels among `searched`."""
    lit = image[searched & (image > 0)]
    level = factor * float(np.percentile(lit, SOURCE_PERCENTILE)) if len(lit) else 0.0
    return np.asarray(image > max(level, min_counts))


def completed(
    images: FloatArray,
    cube: SparseCube,
    mask: BoolArray,
    footprint: BoolArray,
    dropped: DroppedCells,
    known: ExposureClasses,
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Class images and background curve as if no cell were left out, and pixels that have no frame left.

    `images` (n_class, N, N) and `cube` are without the dropped cells. A pixel is scaled by the background of
    all frames of the class over that of the frames it has left, a frame by the share of the background that
    its pixels left hold. Each needs the other, so they are repeated to a fixed point, which gives a
    background of constant shape exactly.
    """
    unmasked = footprint & ~mask
    curve = np.where(known.used, cube.frame_totals(unmasked), 0.0)
    if not len(dropped) or not curve.any():
        return images, curve, np.zeros_like(mask)
    background = curve
    for _ in range(MAX_ROUNDS):
        total, left = known.sums(background)[:, None, None], dropped.remaining(background, known)
        complete = images * np.where(left > 0, total / np.where(left > 0, left, 1.0), 0.0)
        shares, order, _ = _class_shares(complete, mask, footprint, known)
        visible = 1 - dropped.hidden(np.where(unmasked, shares, 0.0)[order], known)
        previous, background = background, curve / np.where(visible > NOTHING, visible, 1.0)
        if np.allclose(background, previous, rtol=1e-12, atol=0.0):
            break
    unseen = footprint & ((total > 0) & (left == 0)).any(axis=0)
    return complete, background, unseen


def class_templates(
    images: FloatArray,
    mask: BoolArray,
    footprint: BoolArray,
    known: ExposureClasses,
    fill: FillMethod,
    smooth_sigma: float,
    smooth_below: float | None = None,
) -> tuple[FloatArray, BoolArray]:
    """Template of each class (n_class, N, N), and which classes have their own, not that of all frames.

    Pixels made of at least `smooth_below` counts are not smoothed: their own share is known well enough, and
    smoothing would mix in what is beside an edge or a streak. All zero when no pixel has counts. Raises
    NoBackground when only masked ones have.
    """
    if not images.any():
        return np.zeros_like(images), np.zeros(known.n, np.bool_)
    shares, order, own = _class_shares(images, mask, footprint, known)
    filled = fill_masked(shares, mask, footprint, fill)
    smoothed = smooth_within(filled, footprint, smooth_sigma)
    if smooth_below is not None:
        background = images[..., footprint & ~mask].sum(axis=-1)
        counts = np.append(background[own], background.sum())
        smoothed = np.where(filled * counts[:, None, None] >= smooth_below, filled, smoothed)
    return smoothed[order], own


def _class_shares(
    images: FloatArray, mask: BoolArray, footprint: BoolArray, known: ExposureClasses
) -> tuple[FloatArray, npt.NDArray[np.intp], BoolArray]:
    """Images over their unmasked counts: those of the classes that are thick enough, and that of all frames.

    Also which of them each class uses, and which classes have their own.
    """
    unmasked = footprint & ~mask
    total = images.sum(axis=0)
    counts, all_counts = images[:, unmasked].sum(axis=1), total[unmasked].sum()
    if all_counts == 0:
        msg = f"all {total.sum():.0f} counts are masked; {np.count_nonzero(unmasked)} pixels are not"
        raise NoBackground(msg)
    own = (known.n_frames >= MIN_CLASS_FRAMES) & (counts >= np.count_nonzero(footprint))
    layers = np.concatenate((images[own], total[None]))
    order = np.where(own, np.cumsum(own) - 1, len(layers) - 1)
    return layers / np.append(counts[own], all_counts)[:, None, None], order, own


def source_terms(
    excess: FloatArray, exposed: FloatArray, mask: BoolArray, dropped: DroppedCells, known: ExposureClasses
) -> FloatArray:
    """Source terms (n_source, N, N): excess of masked pixels over their exposure in the feeding frames."""
    source = np.zeros_like(excess)
    for term, counts, fraction in zip(source, excess, exposed, strict=True):
        exposure = dropped.remaining(fraction, known)[known.feeding].sum(axis=0)
        seen = mask & (exposure > 0)
        term[seen] = np.maximum(counts[seen], 0.0) / np.broadcast_to(exposure, mask.shape)[seen]
    return source
