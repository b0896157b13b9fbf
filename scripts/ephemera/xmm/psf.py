"""Where the telescope puts the photons of a point source.

One model serves simulation, injection and aperture corrections. A profile is radially symmetric, in
arcsec, with unit integral over the plane; its encircled energy fraction EEF(r) is the share of the
photons within r of the source.

King profile: p(r) = (beta - 1) / (pi r0^2) (1 + r^2 / r0^2)^-beta, EEF(r) = 1 - (1 + r^2 / r0^2)^(1 - beta).
The default core radius of 4.33 arcsec with beta = 1.5 has a half-energy width of 15 arcsec.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ephemera.xmm.observation import FloatArray

#: Nodes of the angular quadrature behind `pixel_fraction`.
QUADRATURE_NODES = 64


class Profile(ABC):
    """A radially symmetric point-spread function; radii in arcsec."""

    @abstractmethod
    def density(self, radius: npt.ArrayLike) -> FloatArray:
        """Share of the photons per square arcsec at `radius`."""

    @abstractmethod
    def encircled_energy(self, radius: npt.ArrayLike) -> FloatArray:
        """Share of the photons within `radius`, 0 to 1."""

    @abstractmethod
    def radius_of(self, fraction: npt.ArrayLike) -> FloatArray:
        """Radius that holds `fraction` of the photons; the inverse of `encircled_energy`."""

    def offsets(self, rng: np.random.Generator, number: int) -> tuple[FloatArray, FloatArray]:
        """Offsets of `number` photons from their source, arcsec along two axes.

        The radius is the inverse of EEF at a uniform number, so that the draw is exact at any radius.
        """
        radius = self.radius_of(rng.random(number))
        angle = 2 * np.pi * rng.random(number)
        return radius * np.cos(angle), radius * np.sin(angle)

    def pixel_fraction(self, size: float, dx: npt.ArrayLike = 0.0, dy: npt.ArrayLike = 0.0) -> FloatArray:
        """Share of the photons in a square pixel of `size` arcsec.

        `dx`, `dy`: position of the source relative to the pixel centre, arcsec, of any equal shapes.
        The rectangle is a signed sum of four rectangles with one corner at the source; each is
        (1 / 2 pi) times the integral of EEF(distance to its edge) over the angle it fills.
        """
        if not (np.isfinite(size) and size > 0):
            msg = f"size must be a positive number of arcsec, got {size!r}"
            raise ValueError(msg)
        half = size / 2
        dx, dy = np.broadcast_arrays(np.asarray(dx, dtype=float), np.asarray(dy, dtype=float))
        corners = (
            self._corner(side_x * half - dx, side_y * half - dy) * (side_x * side_y)
            for side_x in (-1, 1)
            for side_y in (-1, 1)
        )
        return np.asarray(sum(corners))

    def _corner(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Signed share of the photons between the source and the point (x, y)."""
        share = self._wedge(np.abs(x), np.abs(y)) + self._wedge(np.abs(y), np.abs(x))
        return np.asarray(np.sign(x) * np.sign(y) * share)

    def _wedge(self, distance: FloatArray, length: FloatArray) -> FloatArray:
        """Share in the triangle between the source and an edge of `length` at `distance`."""
        nodes, weights = np.polynomial.legendre.leggauss(QUADRATURE_NODES)
        opening = np.arctan2(length, distance)
        angle = 0.5 * opening[..., None] * (nodes + 1)
        to_edge = distance[..., None] / np.cos(angle)
        return np.asarray(0.5 * opening * (self.encircled_energy(to_edge) @ weights) / (2 * np.pi))


@dataclass(frozen=True)
class King(Profile):
    """King profile with core radius `r0` (arcsec) and slope `beta` (> 1).

    Raises ValueError when a parameter leaves the profile without a finite integral.
    """

    r0: float = 4.33
    beta: float = 1.5

    def __post_init__(self) -> None:
        if not (np.isfinite(self.r0) and self.r0 > 0):
            msg = f"r0 must be a positive number of arcsec, got {self.r0!r}"
            raise ValueError(msg)
        if not (np.isfinite(self.beta) and self.beta > 1):
            msg = f"beta must be larger than 1 for a finite integral, got {self.beta!r}"
            raise ValueError(msg)

    def density(self, radius: npt.ArrayLike) -> FloatArray:
        """p(r) = (beta - 1) / (pi r0^2) (1 + r^2 / r0^2)^-beta, per square arcsec."""
        q = 1 + (np.asarray(radius, dtype=float) / self.r0) ** 2
        return np.asarray((self.beta - 1) / (np.pi * self.r0**2) * q**-self.beta)

    def encircled_energy(self, radius: npt.ArrayLike) -> FloatArray:
        """EEF(r) = 1 - (1 + r^2 / r0^2)^(1 - beta), without loss of digits at small r."""
        q = (np.asarray(radius, dtype=float) / self.r0) ** 2
        return np.asarray(-np.expm1((1 - self.beta) * np.log1p(q)))

    def radius_of(self, fraction: npt.ArrayLike) -> FloatArray:
        """Radius r0 sqrt((1 - fraction)^(1 / (1 - beta)) - 1); infinite at 1."""
        with np.errstate(divide="ignore"):
            exponent = np.log1p(-np.asarray(fraction, dtype=float)) / (1 - self.beta)
        return np.asarray(self.r0 * np.sqrt(np.expm1(exponent)))


@dataclass(frozen=True)
class Gaussian(Profile):
    """Gaussian profile with standard deviation `sigma` per axis (arcsec)."""

    sigma: float = 6.4

    def __post_init__(self) -> None:
        if not (np.isfinite(self.sigma) and self.sigma > 0):
            msg = f"sigma must be a positive number of arcsec, got {self.sigma!r}"
            raise ValueError(msg)

    def density(self, radius: npt.ArrayLike) -> FloatArray:
        """p(r) = exp(-r^2 / 2 sigma^2) / (2 pi sigma^2), per square arcsec."""
        q = (np.asarray(radius, dtype=float) / self.sigma) ** 2
        return np.asarray(np.exp(-0.5 * q) / (2 * np.pi * self.sigma**2))

    def encircled_energy(self, radius: npt.ArrayLike) -> FloatArray:
        """EEF(r) = 1 - exp(-r^2 / 2 sigma^2)."""
        return np.asarray(-np.expm1(-0.5 * (np.asarray(radius, dtype=float) / self.sigma) ** 2))

    def radius_of(self, fraction: npt.ArrayLike) -> FloatArray:
        """Radius sigma sqrt(-2 ln(1 - fraction)); infinite at 1."""
        with np.errstate(divide="ignore"):
            return np.asarray(self.sigma * np.sqrt(-2 * np.log1p(-np.asarray(fraction, dtype=float))))


#: The profile that simulations and aperture corrections use unless told otherwise.
NOMINAL_PSF = King()
