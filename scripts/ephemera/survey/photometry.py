"""Magnitudes and fluxes, and how far an epoch lies from the mean of its light curve.

    f = 10^((ZP - m) / 2.5),  ef = f em ln(10) / 2.5          ZP = 23.9 gives microjansky (AB)
    noise = max(ef, rms),  snr = (f - mean) / noise,  snr_flux = f / noise
    L(f) = -(2.5 / ln 10) (asinh(f / (2 rms)) + ln rms),  dmag = L(mean) - L(f)

`dmag` is positive where the source is brighter, whatever the survey. The asinh magnitude (Lupton, Gunn and
Szalay 1999, AJ 118, 1406) is Pogson's for bright sources and is defined for fluxes of either sign.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: Zero point at which fluxes are microjansky.
MICROJANSKY = 23.9
#: Magnitudes per natural logarithm of flux.
POGSON = 2.5 / np.log(10)


def flux_of(
    mag: npt.ArrayLike, mag_err: npt.ArrayLike, zero_point: float = MICROJANSKY
) -> tuple[FloatArray, FloatArray]:
    """Flux and its error of magnitudes; the unit is that in which `zero_point` is magnitude of 1."""
    flux = 10.0 ** ((zero_point - np.asarray(mag, np.float64)) / 2.5)
    return flux, flux * np.asarray(mag_err, np.float64) / POGSON


def mag_of(
    flux: npt.ArrayLike, flux_err: npt.ArrayLike, zero_point: npt.ArrayLike = MICROJANSKY
) -> tuple[FloatArray, FloatArray]:
    """Magnitude and its error of fluxes; NaN where the flux is not positive."""
    flux, flux_err = np.asarray(flux, np.float64), np.asarray(flux_err, np.float64)
    positive = (flux > 0) & np.isfinite(flux)
    safe = np.where(positive, flux, 1.0)
    mag = np.where(positive, np.asarray(zero_point, np.float64) - 2.5 * np.log10(safe), np.nan)
    return mag, np.where(positive, flux_err / safe * POGSON, np.nan)


def noise_of(flux_err: FloatArray, rms: float) -> FloatArray:
    """Noise of each epoch: the larger of its error and the scatter; NaN where neither is positive."""
    noise = np.fmax(flux_err, rms)
    return np.where(noise > 0, noise, np.nan)


def brightening(flux: npt.ArrayLike, mean: float, rms: float) -> FloatArray:
    """Magnitudes by which `flux` is brighter than `mean` (module docstring); NaN where rms is 0."""
    flux = np.asarray(flux, np.float64)
    if not rms > 0:
        return np.full(flux.shape, np.nan)
    return np.asarray(POGSON * (np.arcsinh(flux / (2 * rms)) - np.arcsinh(mean / (2 * rms))))
