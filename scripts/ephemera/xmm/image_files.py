"""FITS images of one run, on the grid of its cells, with the sky and the X, Y coordinates in the header.

Pixel p of the image (the first is 1) has its centre at X = w (p - 1) + (w + 1) / 2 - s for pixels of w sky
units and a grid shifted by s, so that an image of 20 arcsec pixels lies exactly on 5 x 5 pixels of the
pipeline images.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from ephemera.files import atomic_path
from ephemera.sky.tan import Plane
from ephemera.xmm.grid import PixelGrid

#: Unit of each image.
UNITS: Mapping[str, str] = {"COUNTS": "count", "SOURCE": "count"}


def sky_header(grid: PixelGrid, plane: Plane) -> fits.Header:
    """Header with the tangent projection of `plane` for images on `grid`, and X, Y as second coordinates.

    The second ones are the alternate description P of the FITS standard, and LTM and LTV, which is where
    DS9 looks for physical coordinates: pixel = LTM X + LTV.
    """
    header = fits.Header()
    step = plane.scale_deg * grid.width
    for number, (axis, kind, position, origin, sign) in enumerate(
        (("x", "RA---TAN", plane.ra0, plane.x0, -1), ("y", "DEC--TAN", plane.dec0, plane.y0, 1)), start=1
    ):
        first = float(grid.centre(0, "x" if axis == "x" else "y"))
        header[f"CTYPE{number}"] = (kind, "gnomonic projection")
        header[f"CUNIT{number}"] = "deg"
        header[f"CRPIX{number}"] = ((origin - first) / grid.width + 1, "pixel of the pointing")
        header[f"CRVAL{number}"] = position
        header[f"CDELT{number}"] = sign * step
        header[f"CTYPE{number}P"] = (axis.upper(), "sky coordinate, 0.05 arcsec")
        header[f"CRPIX{number}P"] = 1.0
        header[f"CRVAL{number}P"] = first
        header[f"CDELT{number}P"] = float(grid.width)
        header[f"LTM{number}_{number}"] = 1 / grid.width
        header[f"LTV{number}"] = 1 - first / grid.width
    # Its default jumps to 0 where the pointing is the pole itself.
    header["LONPOLE"] = (180.0, "[deg] native longitude of the celestial pole")
    header["WCSNAMEP"] = "PHYSICAL"
    header["RADESYS"] = "ICRS"
    return header


def write_images(
    path: str | Path,
    images: Mapping[str, npt.NDArray[Any]],
    grid: PixelGrid,
    plane: Plane,
    cards: Mapping[str, tuple[Any, str]],
) -> None:
    """Write `images` (N, N) [j, i] by name, each an extension, with `cards` (value, comment) in all headers.

    Truth values are written as 0 and 1. The same content gives the same bytes. Raises ValueError for an
    image that does not have the shape of the grid.
    """
    primary = fits.PrimaryHDU()
    sky = sky_header(grid, plane)
    hdus = fits.HDUList([primary])
    for name, image in images.items():
        if image.shape != (grid.n, grid.n):
            msg = f"image {name} must have the shape of the grid, {(grid.n, grid.n)}, got {image.shape}"
            raise ValueError(msg)
        pixels = image.astype(np.uint8) if image.dtype == np.bool_ else image
        hdu = fits.ImageHDU(np.ascontiguousarray(pixels), header=sky, name=name)
        hdu.header["BUNIT"] = UNITS.get(name, "")
        hdus.append(hdu)
    for hdu in hdus:
        hdu.header.update({key: card for key, card in cards.items() if card[0] is not None})
    with atomic_path(path) as partial:
        hdus.writeto(partial, overwrite=True)
