"""Photon energies of simulated sources, background and flares.

A spectrum is a table of photon counts per eV as the detector sees them, linear between its energies;
energies are drawn by inverting its cumulative sum. Energy resolution is left out: it moves no photon
across a search band by more than a few per cent of the band.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ephemera.xmm.observation import FloatArray

#: Energies kept by a standard selection, eV.
LOWEST_EV, HIGHEST_EV = 200, 12000
#: Rough shape of the effective area of mirrors and detectors, relative, against energy in eV.
_AREA_EV = (200.0, 500.0, 1000.0, 1500.0, 2200.0, 4000.0, 6500.0, 8000.0, 10000.0, 12000.0)
_AREA = (0.35, 0.6, 0.9, 1.0, 0.65, 0.65, 0.62, 0.45, 0.2, 0.08)


@dataclass(frozen=True)
class Spectrum:
    """Photon counts per eV, `density` (relative), at rising `energies` in eV.

    Raises ValueError unless there are two or more rising energies and a non-negative density that is
    somewhere positive.
    """

    energies: tuple[float, ...]
    density: tuple[float, ...]

    def __post_init__(self) -> None:
        energies, density = np.asarray(self.energies), np.asarray(self.density)
        rising = len(energies) > 1 and bool(np.all(np.diff(energies) > 0)) and energies[0] >= 0
        if not rising or not np.all(np.isfinite(energies)):
            msg = f"energies must be two or more rising finite numbers of eV, got {self.energies!r}"
            raise ValueError(msg)
        if len(density) != len(energies) or not (np.all(density >= 0) and np.any(density > 0)):
            msg = f"density must hold {len(energies)} numbers >= 0, one positive, got {self.density!r}"
            raise ValueError(msg)

    @classmethod
    def power_law(cls, index: float = 1.7, *, effective_area: bool = True) -> Spectrum:
        """Photons E^-index from 0.2 to 12 keV, through the mirrors or (protons, noise) without them."""
        energies = np.geomspace(LOWEST_EV, HIGHEST_EV, 200)
        return cls._seen(energies, energies**-index, effective_area)

    @classmethod
    def black_body(cls, temperature_kev: float = 0.5) -> Spectrum:
        """Photons E^2 / (exp(E / kT) - 1) from 0.2 to 12 keV, through the mirrors."""
        energies = np.geomspace(LOWEST_EV, HIGHEST_EV, 200)
        return cls._seen(energies, energies**2 / np.expm1(energies / (1000 * temperature_kev)), True)

    @classmethod
    def table(cls, energies_ev: Sequence[float], counts_per_ev: Sequence[float]) -> Spectrum:
        """Spectrum given point by point, as seen by the detector."""
        return cls(tuple(map(float, energies_ev)), tuple(map(float, counts_per_ev)))

    @classmethod
    def _seen(cls, energies: FloatArray, photons: FloatArray, effective_area: bool) -> Spectrum:
        area = np.interp(energies, _AREA_EV, _AREA) if effective_area else np.ones_like(energies)
        return cls.table(energies.tolist(), (photons * area).tolist())

    @cached_property
    def _cumulative(self) -> FloatArray:
        energies, density = np.asarray(self.energies), np.asarray(self.density)
        steps = 0.5 * (density[1:] + density[:-1]) * np.diff(energies)
        total = np.concatenate([[0.0], np.cumsum(steps)])
        return np.asarray(total / total[-1])

    def fraction(self, low_ev: float, high_ev: float) -> float:
        """Share of the photons between two energies."""
        low, high = np.interp([low_ev, high_ev], self.energies, self._cumulative)
        return float(high - low)

    def draw(self, rng: np.random.Generator, number: int) -> npt.NDArray[np.int16]:
        """Energies of `number` photons, whole eV."""
        energy = np.interp(rng.random(number), self._cumulative, self.energies)
        return np.rint(energy).astype(np.int16)


#: What a field of X-ray sources looks like.
SOURCE_SPECTRUM = Spectrum.power_law(1.7)
#: Soft protons: flat, so that a tenth of them lies above 10 keV.
FLARE_SPECTRUM = Spectrum.power_law(0.3, effective_area=False)
#: Cosmic-ray induced background: flat continuum with aluminium and silicon fluorescence.
PARTICLE_SPECTRUM = Spectrum.table(
    (200, 600, 1440, 1490, 1540, 1700, 1740, 1780, 5000, 9000, 12000),
    (3.0, 1.0, 1.0, 6.0, 1.0, 1.0, 2.5, 0.8, 0.45, 0.35, 0.2),
)
#: X-ray background of the sky.
SKY_SPECTRUM = Spectrum.power_law(2.2)
#: Electronic noise below the selected energies.
NOISE_SPECTRUM = Spectrum.table((90, 199), (5.0, 1.0))
