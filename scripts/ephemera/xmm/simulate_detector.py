"""Geometry of the three EPIC cameras: raw pixels, detector plane, sky plane.

Each CCD is a grid of raw pixels, counted from 1, placed in the detector plane (DETX, DETY, units of
0.05 arcsec) by one affine map: a rotation by a multiple of 90 degrees, a pixel pitch and an offset.
The detector plane is carried to the sky plane (X, Y, same units) by one rotation with reflection,

    X = x0 - cos(phi) (DETX - a) - sin(phi) (DETY - b),
    Y = y0 - sin(phi) (DETX - a) + cos(phi) (DETY - b),    phi = PA_PNT + camera angle,

which is its own inverse. Angles, offsets and pitches were measured in real event lists and agree with
real detection masks of all three cameras: less than 1 % of a mask lies outside the model.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from ephemera.xmm.observation import REFERENCE_PIXEL, BoolArray, Camera, FloatArray, IntArray

PN_PITCH = 82.0
MOS_PITCH = 22.022
#: Raw columns of the pn that are bright in every observation, as (CCDNR, RAWX) (Strueder et al. 2001).
PN_NOISY_COLUMNS = ((4, 12), (5, 11), (10, 28))


@dataclass(frozen=True)
class Ccd:
    """One CCD: `columns` x `rows` raw pixels of `pitch` units.

    The centre of pixel (RAWX, RAWY) lies at DETX = `x0` + pitch (xx RAWX + xy RAWY),
    DETY = `y0` + pitch (yx RAWX + yy RAWY), with `axes` = (xx, xy, yx, yy) each -1, 0 or 1.
    """

    number: int
    columns: int
    rows: int
    pitch: float
    axes: tuple[int, int, int, int]
    x0: float
    y0: float

    def detector(self, rawx: npt.ArrayLike, rawy: npt.ArrayLike) -> tuple[FloatArray, FloatArray]:
        """DETX, DETY of raw positions (fractions allowed)."""
        xx, xy, yx, yy = self.axes
        rx, ry = np.asarray(rawx, dtype=float), np.asarray(rawy, dtype=float)
        return self.x0 + self.pitch * (xx * rx + xy * ry), self.y0 + self.pitch * (yx * rx + yy * ry)

    def raw(self, detx: FloatArray, dety: FloatArray) -> tuple[IntArray, IntArray]:
        """Raw pixel that contains each detector position; 0 or less, or beyond the size, when outside."""
        xx, xy, yx, yy = self.axes
        dx, dy = (detx - self.x0) / self.pitch, (dety - self.y0) / self.pitch
        rawx, rawy = xx * dx + yx * dy, xy * dx + yy * dy
        return np.floor(rawx + 0.5).astype(np.int64), np.floor(rawy + 0.5).astype(np.int64)


@dataclass(frozen=True)
class Layout:
    """All CCDs of a camera, its field of view (a circle in the detector plane) and its orientation.

    `angle`: degrees added to the position angle; `origin`: detector position of the reference pixel.
    """

    camera: Camera
    ccds: tuple[Ccd, ...]
    field_centre: tuple[float, float]
    field_radius: float
    angle: float
    origin: tuple[float, float]

    def ccd(self, number: int) -> Ccd:
        """The CCD with CCDNR `number`."""
        return self.ccds[number - 1]

    def to_sky(
        self, detx: npt.ArrayLike, dety: npt.ArrayLike, position_angle: float
    ) -> tuple[FloatArray, FloatArray]:
        """X, Y of detector positions for a position angle in degrees."""
        phi = np.deg2rad(position_angle + self.angle)
        dx = np.asarray(detx, dtype=float) - self.origin[0]
        dy = np.asarray(dety, dtype=float) - self.origin[1]
        x = REFERENCE_PIXEL - np.cos(phi) * dx - np.sin(phi) * dy
        return x, REFERENCE_PIXEL - np.sin(phi) * dx + np.cos(phi) * dy

    def to_detector(
        self, x: npt.ArrayLike, y: npt.ArrayLike, position_angle: float
    ) -> tuple[FloatArray, FloatArray]:
        """DETX, DETY of sky positions for a position angle in degrees."""
        phi = np.deg2rad(position_angle + self.angle)
        dx = np.asarray(x, dtype=float) - REFERENCE_PIXEL
        dy = np.asarray(y, dtype=float) - REFERENCE_PIXEL
        detx = self.origin[0] - np.cos(phi) * dx - np.sin(phi) * dy
        return detx, self.origin[1] - np.sin(phi) * dx + np.cos(phi) * dy

    def in_field(self, detx: FloatArray, dety: FloatArray) -> BoolArray:
        """Whether detector positions see the sky."""
        return np.asarray(self._off_axis_square(detx, dety) <= self.field_radius**2)

    def vignetting(self, detx: FloatArray, dety: FloatArray) -> FloatArray:
        """Share of the on-axis effective area: 1 at the field centre, 0.4 at its edge, 0 outside.

        A smooth stand-in, 1 / (1 + 1.5 (r / R)^2), for the mirror vignetting near 1.5 keV.
        """
        square = self._off_axis_square(detx, dety) / self.field_radius**2
        return np.asarray(np.where(square <= 1, 1 / (1 + 1.5 * square), 0.0))

    def locate(self, detx: FloatArray, dety: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
        """CCDNR, RAWX, RAWY of detector positions; all 0 between the CCDs."""
        number, rawx, rawy = (np.zeros(len(detx), dtype=np.int64) for _ in range(3))
        for ccd in self.ccds:
            rx, ry = ccd.raw(detx, dety)
            inside = (rx >= 1) & (rx <= ccd.columns) & (ry >= 1) & (ry <= ccd.rows)
            number[inside], rawx[inside], rawy[inside] = ccd.number, rx[inside], ry[inside]
        return number, rawx, rawy

    def _off_axis_square(self, detx: FloatArray, dety: FloatArray) -> FloatArray:
        return (detx - self.field_centre[0]) ** 2 + (dety - self.field_centre[1]) ** 2


def _pn() -> Layout:
    upper = {1: -2229, 2: -7639, 3: -13049, 4: 3163, 5: 8573, 6: 13983}
    lower = {7: -2167, 8: 3243, 9: 8653, 10: -7577, 11: -12987, 12: -18397}
    ccds = [Ccd(n, 64, 200, PN_PITCH, (-1, 0, 0, -1), x0, 15392.0) for n, x0 in upper.items()]
    ccds += [Ccd(n, 64, 200, PN_PITCH, (1, 0, 0, 1), x0, -17601.0) for n, x0 in lower.items()]
    return Layout(Camera.PN, tuple(ccds), (-2268.0, -1098.0), 17937.0, -90.0, (-1084.0, 1471.0))


_STRAIGHT, _LEFT, _RIGHT = (1, 0, 0, 1), (0, -1, 1, 0), (0, 1, -1, 0)


def _mos(camera: Camera, offsets: Mapping[int, tuple[float, float]]) -> Layout:
    axes = {1: _STRAIGHT, 2: _LEFT, 3: _LEFT, 4: _LEFT, 5: _RIGHT, 6: _RIGHT, 7: _RIGHT}
    ccds = tuple(Ccd(n, 600, 600, MOS_PITCH, axes[n], x0, y0) for n, (x0, y0) in offsets.items())
    if camera == Camera.M1:
        return Layout(camera, ccds, (-54.0, -314.0), 17108.0, 0.0, (-1407.0, -1403.0))
    return Layout(camera, ccds, (11.0, -270.0), 17079.0, 90.0, (1235.0, -1624.0))


_M1_OFFSETS = {
    1: (-6615.8, -6615.6), 2: (13125.4, -20174.6), 3: (19883.9, -6922.6), 4: (13189.0, 6408.8),
    5: (-13029.7, 19721.8), 6: (-19798.0, 6518.7), 7: (-13143.6, -6844.0),
}  # fmt: skip
_M2_OFFSETS = {
    1: (-6616.2, -6616.2), 2: (13256.0, -20030.5), 3: (19990.5, -6852.7), 4: (13228.8, 6521.5),
    5: (-13202.0, 19789.3), 6: (-19859.0, 6552.2), 7: (-13320.1, -6812.5),
}  # fmt: skip

#: Geometry of each camera.
LAYOUTS: Mapping[Camera, Layout] = MappingProxyType(
    {
        Camera.PN: _pn(),
        Camera.M1: _mos(Camera.M1, _M1_OFFSETS),
        Camera.M2: _mos(Camera.M2, _M2_OFFSETS),
    }
)


@dataclass(frozen=True)
class SkyMask:
    """A detection mask on the sky plane: `image` [row, column], first pixel centred on `first`, `step` units.

    `position_angle`: PA_PNT of the observation that the mask was made for, degrees.
    """

    image: BoolArray
    first: float
    step: float
    position_angle: float

    def contains(self, x: FloatArray, y: FloatArray) -> BoolArray:
        """Whether sky positions lie on exposed pixels; false outside the image."""
        column = np.floor((x - self.first) / self.step + 0.5).astype(np.int64)
        row = np.floor((y - self.first) / self.step + 0.5).astype(np.int64)
        rows, columns = self.image.shape
        inside = (column >= 0) & (column < columns) & (row >= 0) & (row < rows)
        return np.asarray(inside & self.image[row.clip(0, rows - 1), column.clip(0, columns - 1)])


def read_sky_mask(path: str | os.PathLike[str]) -> SkyMask:
    """Read a detection mask (an image MASK with the sky plane as its secondary coordinates).

    Raises ValueError when the image has no square pixels on the sky plane.
    """
    from astropy.io import fits  # costs 0.2 s, and most simulations need no mask

    with fits.open(path) as hdus:
        header, image = hdus["MASK"].header, hdus["MASK"].data > 0
    axes = {
        axis: [header.get(f"{key}{axis}L") for key in ("CTYPE", "CRVAL", "CRPIX", "CDELT")] for axis in "12"
    }
    if axes["1"][1:] != axes["2"][1:] or [axes["1"][0], axes["2"][0]] != ["X", "Y"]:
        msg = f"mask must have square pixels on the plane X, Y with one origin, got {axes!r} in {path}"
        raise ValueError(msg)
    _, value, pixel, step = axes["1"]
    return SkyMask(image, value + step * (1 - pixel), step, float(header["PA_PNT"]))


@cache
def window(camera: Camera, submode: str, ccd: int) -> tuple[int, int, int, int]:
    """Part of a CCD that is read: first and last RAWX, first and last RAWY, all included.

    The pn large window is the half of each CCD near the focus; the MOS partial windows shrink CCD 1 to
    100 (W2, W4) or 300 (W3, W5) pixels and leave the outer CCDs whole.
    Raises ValueError for a submode without imaging.
    """
    if camera == Camera.PN:
        rows = {"PrimeFullWindow": 1, "PrimeFullWindowExtended": 1, "PrimeLargeWindow": 102}
        if submode in rows:
            return 1, 64, rows[submode], 200
    else:
        widths = {"PrimeFullWindow": 600, "PrimePartialRFS": 100, "PrimePartialW6": 300} | {
            f"PrimePartialW{n}": width for n, width in ((2, 100), (3, 300), (4, 100), (5, 300))
        }
        if submode in widths:
            margin = (600 - widths[submode]) // 2 if ccd == 1 else 0
            return 1 + margin, 600 - margin, 1 + margin, 600 - margin
    msg = f"submode must be an imaging submode of {camera.name}, got {submode!r}"
    raise ValueError(msg)


def frame_time(camera: Camera, submode: str, ccd: int) -> float:
    """Length of one readout frame of a CCD, s."""
    if camera == Camera.PN:
        return {
            "PrimeFullWindow": 0.07336496, "PrimeFullWindowExtended": 0.19919408,
            "PrimeLargeWindow": 0.0476665,
        }[submode]  # fmt: skip
    central = {
        "PrimePartialRFS": 0.2, "PrimePartialW2": 0.3, "PrimePartialW3": 0.9,
        "PrimePartialW4": 0.3, "PrimePartialW5": 0.9, "PrimePartialW6": 0.9,
    }  # fmt: skip
    return central.get(submode, 2.6) if ccd == 1 else 2.6


def out_of_time_fraction(camera: Camera, submode: str) -> float:
    """Share of the photons of a pn that arrive while the CCD is read, spread along RAWY."""
    if camera != Camera.PN:
        return 0.0
    return {"PrimeFullWindow": 0.063, "PrimeFullWindowExtended": 0.023, "PrimeLargeWindow": 0.0016}[submode]


def survives_selection(
    camera: Camera, submode: str, ccd: IntArray, rawx: IntArray, rawy: IntArray
) -> BoolArray:
    """Which raw pixels a standard selection keeps: no pn borders, no noisy pn columns, no windowed CCD 1."""
    if camera != Camera.PN:
        return np.asarray(ccd > (0 if submode == "PrimeFullWindow" else 1))
    first_row = 1 if submode == "PrimeLargeWindow" else 24
    kept = (rawy >= first_row) & (rawy <= 196) & (rawx >= 5) & (rawx <= 60)
    for number, column in PN_NOISY_COLUMNS:
        kept &= (ccd != number) | (rawx != column)
    return np.asarray(kept & (ccd > 0))
