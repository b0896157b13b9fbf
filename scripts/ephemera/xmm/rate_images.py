"""Images from which count rates of steady sources are measured, one for each camera, and bumps in them.

Pixels are 4 arcsec (80 units of X, Y), the grid of the pipeline's images. Events of bad time are left out
unless little time is left without it.

Vignetting: the effective area at an off-axis angle t (arcmin) over that on axis is taken as

    v(t) = 1 / (1 + 4.65e-3 t^2 + 7.3e-6 t^4),

fitted to the median profile of the SAS exposure maps (0.5-2 keV) of both MOS cameras in observations
0201901401 and 0404910601, which it follows within 6 % up to 14 arcmin. The maps peak up to 2 arcmin off the
pointing. Rates of other missions are not corrected for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.cubes import groups, write_array, write_attributes
from ephemera.xmm.background import footprint
from ephemera.xmm.intervals import complement, intersect
from ephemera.xmm.observation import (
    SKY_SIZE,
    UNIT_ARCSEC,
    XMM,
    Band,
    BoolArray,
    Events,
    FloatArray,
    Subset,
)

#: Side of a pixel in units of X, Y and in arcsec; pixels in a row.
PIXEL_UNITS = 80
PIXEL_ARCSEC = PIXEL_UNITS * UNIT_ARCSEC
SIDE = SKY_SIZE // PIXEL_UNITS
#: Pixels along the side of the blocks by which the exposed part of the image is told.
BLOCK = 5
#: Bad time is left out only where at least so much other time, s, and such a share of all remains.
LEAST_GOOD_TIME = 500.0
LEAST_GOOD_SHARE = 0.2
#: Width of the source in a search for bumps, pixels: that of the point spread function.
SOURCE_SIGMA_PIXELS = 6.4 / PIXEL_ARCSEC
#: Half-widths, pixels, of the box in which the counts of a bump are summed and of the ring of its background.
BOX, RING_INNER, RING_OUTER = 2, 10, 20
#: Coefficients of t^2 and t^4 in 1 / v(t).
VIGNETTING = (4.65e-3, 7.3e-6)


@dataclass(frozen=True)
class RateImage:
    """Counts of one camera in 4 arcsec pixels [y, x], exposed good time in s, where it is exposed."""

    subset: int
    camera: str
    mission: str
    counts: npt.NDArray[np.uint16]
    exposure: float
    mjd: float
    reference_ra: float
    reference_dec: float

    def vignetting(self, off_axis_arcmin: float) -> float:
        """Effective area at an angle from the axis over that on axis; 1 where it is not known."""
        return float(vignetting(off_axis_arcmin)) if self.mission == XMM else 1.0

    @property
    def exposed(self) -> BoolArray:
        """Pixels that were exposed: blocks of 20 arcsec with a count, small holes closed."""
        return exposed_pixels(self.counts)


def vignetting(off_axis_arcmin: npt.ArrayLike) -> FloatArray:
    """Effective area off axis over that on axis."""
    t2 = np.asarray(off_axis_arcmin, np.float64) ** 2
    return np.asarray(1 / (1 + VIGNETTING[0] * t2 + VIGNETTING[1] * t2**2))


def exposed_pixels(counts: npt.NDArray[np.integer]) -> BoolArray:
    """Pixels of blocks of 5 x 5 with a count, holes of up to two blocks closed."""
    n = -(-counts.shape[0] // BLOCK)
    padded = np.zeros((n * BLOCK, n * BLOCK), bool)
    padded[: counts.shape[0], : counts.shape[1]] = counts > 0
    blocks = footprint(padded.reshape(n, BLOCK, n, BLOCK).any(axis=(1, 3)))
    return np.repeat(np.repeat(blocks, BLOCK, 0), BLOCK, 1)[: counts.shape[0], : counts.shape[1]]


def good_time(subset: Subset, bad: FloatArray) -> FloatArray:
    """Time of a subset without flaring background, (k, 2) in s; all of it where too little is left."""
    good = complement(bad, subset.t0, subset.t1)
    length = float(np.diff(good, axis=1).sum())
    enough = length >= max(LEAST_GOOD_TIME, LEAST_GOOD_SHARE * subset.span)
    return good if enough else np.array([[subset.t0, subset.t1]])


def rate_images(subset: Subset, bad: FloatArray, band: Band) -> list[RateImage]:
    """Images of the cameras of a subset, in the order of their codes."""
    good = good_time(subset, bad)
    edges = good.ravel()
    inside = np.searchsorted(edges, subset.events.time, side="right") % 2 == 1
    kept = inside & band.contains(subset.events.pi)
    images = []
    for header in sorted(subset.headers, key=lambda header: header.camera):
        whole = {0: np.array([[header.start, header.stop]])}
        times = [np.diff(intersect(t, good), axis=1).sum() for t in (header.good_time or whole).values()]
        middle = (good[0, 0] + good[-1, 1]) / 2
        images.append(
            RateImage(
                subset.number,
                header.camera_name,
                header.mission,
                image_of(subset.events, kept & (subset.events.camera == header.camera)),
                float(np.mean(times)),
                header.mjd(middle),
                header.reference_ra,
                header.reference_dec,
            )
        )
    return images


def image_of(events: Events, chosen: BoolArray) -> npt.NDArray[np.uint16]:
    """Counts of the chosen events, [y, x]."""
    i = (events.x[chosen].astype(np.int64) - 1) // PIXEL_UNITS
    j = (events.y[chosen].astype(np.int64) - 1) // PIXEL_UNITS
    counts = np.bincount(j * SIDE + i, minlength=SIDE * SIDE)[: SIDE * SIDE]
    return np.minimum(counts, np.iinfo(np.uint16).max).astype(np.uint16).reshape(SIDE, SIDE)


@dataclass(frozen=True)
class Bumps:
    """Bumps of an image: sky coordinates X, Y, significance in sigma; brightest first."""

    x: FloatArray
    y: FloatArray
    sigma: FloatArray


def find_bumps(counts: npt.NDArray[np.integer], exposed: BoolArray, min_sigma: float, most: int) -> Bumps:
    """Local maxima of the smoothed image whose counts exceed those of the ring around them.

    N counts in a box of 5 x 5 pixels and b expected from a square ring (40-80 arcsec) give
    (N - b) / sqrt(b + 1); positions are the background-weighted centroid of the box. Both count exposed
    pixels only.
    """
    from scipy import ndimage

    image, area = counts.astype(np.float64), exposed.astype(np.float64)

    def box(values: FloatArray, half: int) -> FloatArray:
        width = 2 * half + 1
        return np.asarray(ndimage.uniform_filter(values, width, mode="constant") * width**2)

    ring = box(image, RING_OUTER) - box(image, RING_INNER)
    ring_area = box(area, RING_OUTER) - box(area, RING_INNER)
    per_pixel = np.where(ring_area > 0.5, ring / np.maximum(ring_area, 1), np.nan)
    expected = per_pixel * box(area, BOX)
    sigma = (box(image, BOX) - expected) / np.sqrt(np.maximum(expected, 0) + 1)
    smooth = ndimage.gaussian_filter(image, SOURCE_SIGMA_PIXELS)
    highest = smooth == ndimage.maximum_filter(smooth, 2 * BOX + 1)
    j, i = np.nonzero(highest & exposed & (np.nan_to_num(sigma, nan=-1.0) >= min_sigma))
    order = np.argsort(-sigma[j, i], kind="stable")[:most]
    j, i = j[order], i[order]
    x, y = _centroids(image, per_pixel, i, j)
    return Bumps((x + 0.5) * PIXEL_UNITS + 0.5, (y + 0.5) * PIXEL_UNITS + 0.5, sigma[j, i])


def _centroids(
    image: FloatArray, background: FloatArray, i: npt.NDArray[np.int64], j: npt.NDArray[np.int64]
) -> tuple[FloatArray, FloatArray]:
    """Centroids (pixels, from 0) of the excess in boxes around pixels."""
    x, y = i.astype(np.float64), j.astype(np.float64)
    steps = np.arange(-BOX, BOX + 1)
    for k in range(len(i)):
        rows, columns = np.clip(j[k] + steps, 0, SIDE - 1), np.clip(i[k] + steps, 0, SIDE - 1)
        excess = np.maximum(image[np.ix_(rows, columns)] - background[j[k], i[k]], 0)
        if excess.sum() > 0:
            x[k] = (excess.sum(axis=0) * columns).sum() / excess.sum()
            y[k] = (excess.sum(axis=1) * rows).sum() / excess.sum()
    return x, y


def write_images(handle: Any, images: list[RateImage]) -> None:
    """Write images, one group each."""
    for image in images:
        group = handle.create_group(f"image_{image.subset}_{image.camera}")
        values = {
            name: getattr(image, name)
            for name in ("subset", "camera", "mission", "exposure", "mjd", "reference_ra", "reference_dec")
        }
        write_attributes(group, values)
        write_array(group, "counts", image.counts, ["y", "x"], compress=True, unit="count")


def read_images(handle: Any) -> list[RateImage]:
    """Read what `write_images` wrote."""
    found = []
    for name in groups(handle, "image_"):
        attributes = handle[name].attrs
        found.append(
            RateImage(
                int(attributes["subset"]),
                str(attributes["camera"]),
                str(attributes["mission"]),
                handle[name]["counts"][()],
                float(attributes["exposure"]),
                float(attributes["mjd"]),
                float(attributes["reference_ra"]),
                float(attributes["reference_dec"]),
            )
        )
    return found
