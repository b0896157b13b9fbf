"""Shapes of events, averaged over exposures, and banks of them that leave no width uncovered.

Width is the full width at half maximum: a gaussian of width w has sigma = w / 2.354820. The overlap of two
templates is their normalised inner product. With widths a < b = r a it is sqrt(2 r / (1 + r^2)) for
gaussians, sqrt(1 / r) for boxes, 2 sqrt(r) / (1 + r) for flares. A bank has the fewest widths, even in log
and with both ends, whose neighbours overlap by at least what is asked.

As a step: writes the bank of the finder, in which the kernel numbers of detections count.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from ephemera.job import Job

FloatArray = npt.NDArray[np.float64]

Shape = Literal["gaussian", "box", "flare", "transit"]
SHAPES: tuple[Shape, ...] = ("gaussian", "box", "flare", "transit")

#: FWHM of a gaussian of sigma 1.
FWHM = 2 * math.sqrt(2 * math.log(2))
#: Ingress of a transit as share of its width.
INGRESS = 0.2
#: Samples of the narrowest template's width.
LEAST_SAMPLES = 5


def _integral(shape: Shape, u: FloatArray) -> FloatArray:
    """Integral of a template of width 1 and peak 1 from far before up to `u` (in widths)."""
    if shape == "gaussian":
        from scipy.special import ndtr

        return np.asarray(ndtr(u * FWHM) * math.sqrt(2 * math.pi) / FWHM)
    if shape == "box":
        return np.asarray(np.clip(u, -0.5, 0.5) + 0.5)
    if shape == "flare":
        return np.where(u > 0, (1 - np.exp2(-np.maximum(u, 0))) / math.log(2), 0.0)
    # A trapezoid: rises linearly from -(1 + k)/2 to -(1 - k)/2, flat up to (1 - k)/2, and falls.
    edges = np.clip(np.abs(u), None, (1 + INGRESS) / 2)
    flat = (1 - INGRESS) / 2
    slope = np.maximum(edges - flat, 0)
    from_centre = np.minimum(edges, flat) + slope - slope**2 / (2 * INGRESS)
    return np.asarray(0.5 + np.copysign(from_centre, u))


def profile(shape: Shape, time: npt.ArrayLike, width: float, exposure: float = 0.0) -> FloatArray:
    """Template at `time` from its reference moment, averaged over exposures centred on `time`.

    `time`, `width` (FWHM) and `exposure` in one unit. The reference moment is the centre, for flares the
    rise. The peak is 1 where the exposure is short. Raises ValueError for an unknown shape or a width that
    is not positive.
    """
    if shape not in SHAPES:
        msg = f"shape must be one of {', '.join(SHAPES)}, got {shape!r}"
        raise ValueError(msg)
    if not width > 0:
        msg = f"width must be positive, got {width!r}"
        raise ValueError(msg)
    u = np.asarray(time, np.float64) / width
    half = max(exposure / width / 2, 1e-4)
    return np.asarray((_integral(shape, u + half) - _integral(shape, u - half)) / (2 * half))


def overlap(shape: Shape, ratio: float) -> float:
    """Overlap of two templates whose widths have this ratio, aligned where it is largest."""
    r = max(ratio, 1 / ratio)
    if shape == "gaussian":
        return math.sqrt(2 * r / (1 + r**2))
    if shape == "box":
        return math.sqrt(1 / r)
    if shape == "flare":
        return 2 * math.sqrt(r) / (1 + r)
    time = np.linspace(-0.6, 0.6, 6001) * r
    narrow, wide = profile(shape, time, 1.0), profile(shape, time, r)
    return float(narrow @ wide / math.sqrt(narrow @ narrow) / math.sqrt(wide @ wide))


def largest_ratio(shape: Shape, wanted: float) -> float:
    """Largest ratio of neighbouring widths whose overlap is at least `wanted`."""
    if shape == "gaussian":
        square = wanted**2
        return (1 + math.sqrt(1 - square**2)) / square
    if shape == "box":
        return 1 / wanted**2
    if shape == "flare":
        return ((1 + math.sqrt(1 - wanted**2)) / wanted) ** 2
    low, high = 1.0, 100.0
    for _ in range(60):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if overlap(shape, middle) >= wanted else (low, middle)
    return low


@dataclass(frozen=True)
class Bank:
    """Widths (FWHM, d) of the templates of one shape, ascending."""

    shape: Shape
    width: FloatArray

    def __len__(self) -> int:
        return len(self.width)

    def __iter__(self) -> Iterator[float]:
        return iter(self.width.tolist())

    @property
    def ratio(self) -> float:
        """Ratio of neighbouring widths; nan for a bank of one."""
        return float(self.width[1] / self.width[0]) if len(self) > 1 else float("nan")

    @property
    def overlaps(self) -> FloatArray:
        """Overlap of each pair of neighbours."""
        pairs = zip(self.width[:-1], self.width[1:], strict=True)
        return np.array([overlap(self.shape, float(b / a)) for a, b in pairs], np.float64)

    def time(self, cadence: float) -> FloatArray:
        """Times +-2 widest widths, in steps of the cadence (d) or a fifth of the narrowest width."""
        step = min(cadence, self.width[0] / LEAST_SAMPLES)
        reach = math.ceil(2 * self.width[-1] / step)
        return np.asarray(np.arange(-reach, reach + 1) * step, np.float64)

    def sampled(self, cadence: float, exposure: float = 0.0) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Time axis (n), templates (len, n) and their norms sqrt(sum t^2)."""
        time = self.time(cadence)
        kernels = np.array([profile(self.shape, time, width, exposure) for width in self])
        return time, kernels, np.sqrt(np.sum(kernels**2, axis=1))


def bank(shape: Shape, min_width: float, max_width: float, overlap: float = 0.95) -> Bank:
    """Bank with widths from `min_width` to `max_width` (d) whose neighbours overlap by at least `overlap`.

    N = ceil(ln(w1 / w0) / ln r) + 1 widths with r the largest ratio allowed. Raises ValueError for widths
    that are not 0 < min <= max and overlaps outside (0, 1).
    """
    if not 0 < min_width <= max_width:
        msg = f"widths must be 0 < min_width <= max_width, got {min_width!r}, {max_width!r}"
        raise ValueError(msg)
    if not 0 < overlap < 1:
        msg = f"overlap must be in (0, 1), got {overlap!r}"
        raise ValueError(msg)
    if shape not in SHAPES:
        msg = f"shape must be one of {', '.join(SHAPES)}, got {shape!r}"
        raise ValueError(msg)
    if min_width == max_width:
        return Bank(shape, np.array([float(min_width)]))
    steps = math.log(max_width / min_width) / math.log(largest_ratio(shape, overlap))
    widths = np.geomspace(min_width, max_width, math.ceil(steps) + 1)
    widths[[0, -1]] = min_width, max_width
    return Bank(shape, widths)


def grid(shape: Shape, widths: npt.ArrayLike) -> Bank:
    """Bank with the widths given, sorted."""
    return Bank(shape, np.unique(np.asarray(widths, np.float64)))


def save(templates: Bank, path: Path, cadence: float, exposure: float = 0.0) -> None:
    """Store a bank as netCDF: coordinates width and time, the templates and their norms."""
    from ephemera.cubes import create, write_array, write_attributes

    time, kernels, norm = templates.sampled(cadence, exposure)
    with create(path) as handle:
        write_attributes(handle, {"shape": templates.shape, "exposure_d": exposure})
        write_array(handle, "width", templates.width, ("width",), unit="d", description="FWHM")
        write_array(handle, "time", time, ("time",), unit="d", description="Time from the reference moment")
        write_array(handle, "template", kernels.astype(np.float32), ("width", "time"), compress=True)
        write_array(handle, "norm", norm, ("width",), description="sqrt(sum t^2)")


def main(job: Job) -> None:
    """Write the bank of the matched filter."""
    found = job.settings
    templates = bank(found.shape, found.min_width, found.max_width, found.overlap)
    save(templates, job.output.bank, cadence=found.min_width / LEAST_SAMPLES)
