"""Units of wavelength and flux: known, guessed where they must be, and never assumed for flux."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ephemera.jwst.observation import FloatArray
from ephemera.jwst.problems import Unusable

#: um in one unit of wavelength.
WAVELENGTHS = {"um": 1.0, "nm": 1e-3, "Angstrom": 1e-4, "m": 1e6}
_WAVELENGTH_NAMES = {
    "um": "um", "micron": "um", "microns": "um", "micrometer": "um", "micrometers": "um", "µm": "um",
    "nm": "nm", "nanometer": "nm", "nanometers": "nm", "angstrom": "Angstrom", "angstroms": "Angstrom",
    "aa": "Angstrom", "a": "Angstrom", "m": "m",
}  # fmt: skip

#: Speed of light, m/s.
LIGHT = 299792458.0
#: Jy in one unit of spectral flux density per frequency.
FLUX_DENSITIES = {"Jy": 1.0, "mJy": 1e-3, "MJy": 1e6, "W m-2 Hz-1": 1e26, "erg s-1 cm-2 Hz-1": 1e23}
#: W m-2 um-1 in one unit of spectral flux density per wavelength.
FLUX_PER_WAVELENGTH = {"W m-2 um-1": 1.0, "erg s-1 cm-2 Angstrom-1": 10.0}
_FLUX_NAMES = {
    "jy": "Jy", "w m-2 hz-1": "W m-2 Hz-1", "w / (hz m2)": "W m-2 Hz-1",
    "erg s-1 cm-2 hz-1": "erg s-1 cm-2 Hz-1", "erg / (hz s cm2)": "erg s-1 cm-2 Hz-1",
    "dn/s": "DN/s", "dn / s": "DN/s", "dn s-1": "DN/s", "electrons": "electron", "electron": "electron",
    "e-": "electron", "normalised": "normalised", "normalized": "normalised",
}  # fmt: skip


def wavelength_unit(name: str, values: npt.ArrayLike) -> tuple[str, bool]:
    """Unit of `values` and whether it was guessed from their median.

    Guess: below 50 um, to 50,000 nm, above that Angstrom. Raises Unusable for a name that is no unit of
    wavelength.
    """
    text = name.strip().lower()
    if text in _WAVELENGTH_NAMES:
        return _WAVELENGTH_NAMES[text], False
    if text not in ("", "none", "unknown"):
        message = f"wavelengths are in {name!r}; known: {', '.join(WAVELENGTHS)}"
        raise Unusable("unknown_unit", message)
    array = np.asarray(values, float)
    known = array[np.isfinite(array) & (array > 0)]
    middle = float(np.median(known)) if known.size else 0.0
    return ("um" if middle < 50 else "nm" if middle <= 50000 else "Angstrom"), True


def flux_unit(name: str) -> str:
    """One spelling of a flux unit; an unknown one stays as it is written, none is `unknown`."""
    text = " ".join(name.strip().split())
    if text in ("MJy", "mJy"):
        return text  # a factor of 1e9 hangs on the case of one letter: MJY and mjy are neither
    return _FLUX_NAMES.get(text.lower(), text or "unknown")


def kind(unit: str) -> str:
    """Units of one kind convert into each other."""
    return "flux density" if unit in FLUX_DENSITIES else unit


def flux_factor(unit: str, wanted: str, wavelength_um: FloatArray) -> FloatArray:
    """Factors (one a channel) from `unit` to `wanted`; F_lambda = F_nu c / lambda^2.

    Raises ValueError for units of different kinds, naming both and what is allowed.
    """
    if wanted in ("native", unit):
        return np.ones(len(wavelength_um))
    if unit in FLUX_DENSITIES and wanted in FLUX_DENSITIES:
        return np.full(len(wavelength_um), FLUX_DENSITIES[unit] / FLUX_DENSITIES[wanted])
    if unit in FLUX_DENSITIES and wanted in FLUX_PER_WAVELENGTH:
        metres = wavelength_um * 1e-6
        per_um = FLUX_DENSITIES[unit] * 1e-26 * LIGHT / metres**2 * 1e-6
        return per_um / FLUX_PER_WAVELENGTH[wanted]
    allowed = [unit, *FLUX_DENSITIES, *FLUX_PER_WAVELENGTH] if unit in FLUX_DENSITIES else [unit, "native"]
    message = f"flux in {unit} cannot be shown in {wanted}; allowed: {', '.join(dict.fromkeys(allowed))}"
    raise ValueError(message)
