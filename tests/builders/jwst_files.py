"""Small x1dints and HDF5 files for tests, with whatever oddity a test wants."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ephemera.jwst.simulate_fits import Spectra, write_product

KEYWORDS = {
    "TELESCOP": "JWST",
    "TARGNAME": "TEST",
    "INSTRUME": "NIRISS",
    "DETECTOR": "NIS",
    "FILTER": "CLEAR",
    "PROGRAM": "1",
}
START, CADENCE = 60000.0, 60.0 / 86400


def spectra(
    n: int = 20,
    channels: int = 30,
    *,
    first: int = 1,
    seed: int = 1,
    order: int = 1,
    detector: str = "NIS",
    unit: str = "Jy",
    low: float = 1.0,
    high: float = 2.0,
) -> Spectra:
    """A quiet star with noise, n integrations from number `first`, one a minute."""
    draw = np.random.default_rng([seed, order])
    number = np.arange(first, first + n)
    tdb = START + (number - 1) * CADENCE
    wavelength = np.linspace(low, high, channels)
    flux = 2.0 + 0.01 * draw.standard_normal((n, channels))
    error = np.full(flux.shape, 0.01)
    return Spectra(
        number,
        tdb,
        tdb - 0.004,
        CADENCE,
        wavelength,
        flux,
        error,
        np.zeros(flux.shape, np.int64),
        unit,
        order,
        detector,
    )


def rows(one: Spectra, chosen: slice | np.ndarray) -> Spectra:
    """Some integrations."""
    return replace(
        one,
        number=one.number[chosen],
        tdb=one.tdb[chosen],
        utc=one.utc[chosen],
        flux=one.flux[chosen],
        error=one.error[chosen],
        quality=one.quality[chosen],
    )


def product(
    path: Path, *series: Spectra, layout: str = "new", keywords: dict | None = None, **options
) -> Path:
    """Write a product; options are those of `write_product`."""
    write_product(path, layout, series or (spectra(),), {**KEYWORDS, **(keywords or {})}, **options)
    return path
