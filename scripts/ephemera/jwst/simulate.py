"""Simulated time series in all three layouts, with the truth about what is in them.

A star's spectrum times a transit, a sine in one band, a flare, a ramp, then noise, outliers, masked cells and
gaps between visits. Any size; the same scenario and seed give the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.files import json_text, remove
from ephemera.jwst.observation import FloatArray
from ephemera.jwst.scan import SIMULATED
from ephemera.jwst.simulate_fits import Spectra, write_product
from ephemera.jwst.transit import shape
from ephemera.seeds import generator

if TYPE_CHECKING:
    from ephemera.job import Job

#: UTC is earlier than BJD_TDB by this in simulated files, days: 69.184 s and a light travel time of 120 s.
UTC_DELAY = (69.184 + 120.0) / 86400
#: The star: temperature, K, and second radiation constant, um K.
TEMPERATURE, C2 = 4800.0, 14387.77


@dataclass(frozen=True)
class Scenario:
    """What to simulate; times in hours from the first integration, wavelengths in um, noise in ppm.

    `layout` is new, old or eureka; `detectors` (name, order, first, last wavelength, channels) are the
    series; `sine` is
    (low, high, amplitude, period h), `flare` (time, amplitude, decay h), `ramp` (amplitude, time scale h),
    `gaps` are (after hour, length h). `segments` files hold the integrations.
    """

    layout: str = "new"
    target: str = "EPHEMERA-1"
    instrument: str = "NIRISS"
    detectors: tuple[tuple[str, int, float, float, int], ...] = (("NIS", 1, 0.85, 2.80, 160),)
    n_integrations: int = 240
    cadence_s: float = 60.0
    start_mjd: float = 60200.25
    noise_ppm: float = 900.0
    depth: float = 0.015
    t0_hours: float = 2.0
    duration_hours: float = 1.6
    ingress_hours: float = 0.25
    sine: tuple[float, float, float, float] | None = (2.3, 2.7, 0.01, 0.8)
    flare: tuple[float, float, float] | None = None
    ramp: tuple[float, float] | None = None
    outliers: float = 0.0005
    masked_channels: int = 2
    gaps: tuple[tuple[float, float], ...] = ()
    segments: int = 1
    unit: str = "Jy"


SCENARIOS: Mapping[str, Scenario] = {
    "demo": Scenario(
        detectors=(("NIS", 1, 0.85, 2.80, 220), ("NIS", 2, 0.60, 0.85, 90)),
        n_integrations=360,
        cadence_s=50.0,
        t0_hours=2.6,
        duration_hours=1.9,
        segments=2,
        flare=(4.3, 0.012, 0.12),
        outliers=0.00005,
    ),
    "small": Scenario(detectors=(("NIS", 1, 0.85, 2.80, 40),), n_integrations=60, cadence_s=240.0),
    "old": Scenario(
        layout="old",
        detectors=(("NIS", 1, 0.85, 2.80, 40), ("NIS", 2, 0.60, 0.85, 24)),
        n_integrations=60,
        cadence_s=240.0,
    ),
    "eureka": Scenario(
        layout="eureka",
        instrument="NIRSPEC",
        detectors=(("NRS1", 1, 0.6, 5.2, 60),),
        n_integrations=60,
        cadence_s=240.0,
        unit="electron",
    ),
    "two_visits": Scenario(
        instrument="NIRSPEC",
        detectors=(("NRS1", 1, 2.87, 3.72, 40), ("NRS2", 1, 3.82, 5.17, 60)),
        n_integrations=80,
        cadence_s=180.0,
        gaps=((2.0, 3.0),),
        sine=(3.0, 3.3, 0.01, 0.8),
        depth=0.0,
    ),
}


def hours_of(scenario: Scenario) -> FloatArray:
    """Mid-times of all integrations, hours from the first."""
    hours = np.arange(scenario.n_integrations) * scenario.cadence_s / 3600
    for after, length in scenario.gaps:
        hours[hours > after] += length
    return hours


def star(wavelength: FloatArray) -> FloatArray:
    """Flux of the star, Jy: a black body with two water bands."""
    nu_flux = 1.0 / (wavelength**3 * np.expm1(C2 / (wavelength * TEMPERATURE)))
    dips = sum(0.15 * np.exp(-0.5 * ((wavelength - w) / 0.06) ** 2) for w in (1.4, 1.9, 2.7))
    flux: FloatArray = 0.4 * nu_flux / nu_flux.max() * (1 - dips)
    return flux


def signal(scenario: Scenario, hours: FloatArray, wavelength: FloatArray) -> FloatArray:
    """Relative flux without noise (time, wavelength)."""
    y = shape(hours, scenario.t0_hours, scenario.duration_hours, scenario.ingress_hours)
    relative = np.repeat((1 - scenario.depth * y)[:, None], len(wavelength), axis=1)
    if scenario.sine is not None:
        low, high, height, period = scenario.sine
        inside = (wavelength >= low) & (wavelength <= high)
        relative[:, inside] *= 1 + height * np.sin(2 * np.pi * hours / period)[:, None]
    if scenario.flare is not None:
        moment, height, decay = scenario.flare
        rise = np.where(hours >= moment, np.exp(-(hours - moment) / decay), 0)
        relative *= 1 + height * rise[:, None] * (wavelength.min() / wavelength)[None, :]
    if scenario.ramp is not None:
        height, scale = scenario.ramp
        relative *= 1 - height * np.exp(-hours / scale)[:, None]
    return relative


def make_series(scenario: Scenario, seed: int, index: int) -> Spectra:
    """One series of a scenario with noise, outliers and masked channels."""
    detector, order, low, high, channels = scenario.detectors[index]
    hours = hours_of(scenario)
    wavelength = np.linspace(low, high, channels)
    draw = generator(seed, scenario.target, scenario.layout, detector, order)
    flux = star(wavelength) * signal(scenario, hours, wavelength)
    sigma = scenario.noise_ppm * 1e-6 * star(wavelength)
    flux += draw.standard_normal(flux.shape) * sigma
    strange = draw.random(flux.shape) < scenario.outliers
    flux[strange] *= 1 + draw.choice([-0.2, 0.2], int(strange.sum()))
    quality = np.zeros(flux.shape, np.int64)
    bad = draw.choice(channels, min(scenario.masked_channels, channels // 4), replace=False)
    quality[:, bad] = 1
    tdb = scenario.start_mjd + hours / 24 + index * 3e-7
    return Spectra(
        np.arange(1, len(hours) + 1),
        tdb,
        tdb - UTC_DELAY,
        scenario.cadence_s / 86400,
        wavelength,
        flux,
        np.broadcast_to(sigma, flux.shape),
        quality,
        scenario.unit,
        order,
        detector,
    )


def keywords(scenario: Scenario) -> dict[str, object]:
    """Keywords of the primary header."""
    return {
        "DATAMODL": "TSOMultiSpecModel",
        "TELESCOP": "JWST",
        "TARGNAME": scenario.target,
        "INSTRUME": scenario.instrument,
        "DETECTOR": scenario.detectors[0][0],
        "FILTER": "CLEAR",
        "EXP_TYPE": "NIS_SOSS",
        "PROGRAM": "00001",
        "NINTS": scenario.n_integrations,
        "CAL_VER": "simulated",
    }


def simulate(folder: Path, scenario: Scenario, seed: int = 0) -> dict[str, Any]:
    """Write the files of a scenario into `folder` and return the truth about them.

    Raises ValueError for a layout that is not new, old or eureka.
    """
    folder.mkdir(parents=True, exist_ok=True)
    series = [make_series(scenario, seed, k) for k in range(len(scenario.detectors))]
    if scenario.layout == "eureka":
        for one in series:
            write_eureka(folder / f"S4_{one.detector}_SpecData.h5", one, scenario)
    elif scenario.layout in ("new", "old"):
        for k in range(scenario.segments):
            name = f"jw00001001001_04101_00001-seg{k + 1:03d}_x1dints.fits"
            parts = [_segment(one, k, scenario.segments) for one in series]
            write_product(folder / name, scenario.layout, parts, keywords(scenario))
    else:
        message = f"a layout is new, old or eureka, got {scenario.layout!r}"
        raise ValueError(message)
    return truth(scenario, seed)


def _segment(one: Spectra, k: int, count: int) -> Spectra:
    rows = slice(k * len(one.number) // count, (k + 1) * len(one.number) // count)
    return replace(
        one,
        number=one.number[rows],
        tdb=one.tdb[rows],
        utc=one.utc[rows],
        flux=one.flux[rows],
        error=one.error[rows],
        quality=one.quality[rows],
    )


def write_eureka(path: Path, one: Spectra, scenario: Scenario) -> None:
    """Write a stage 4 SpecData file as Eureka! does: big-endian times, mask beside finite values."""
    from ephemera.cubes import create, write_array

    with create(path) as handle:
        handle.attrs["inst"] = scenario.instrument.lower()
        handle.attrs["target"] = scenario.target
        write_array(handle, "time", one.tdb.astype(">f8"), ("time",))
        handle["time"].attrs["time_units"] = "BMJD_TDB"
        write_array(handle, "wave_1d", one.wavelength.astype(">f4"), ("x",))
        handle["wave_1d"].attrs["wave_units"] = "microns"
        arrays = {
            "stdspec": np.asarray(one.flux),
            "stdvar": np.asarray(one.error) ** 2,
            "optspec": np.asarray(one.flux),
            "opterr": np.asarray(one.error),
            "optmask": (one.quality != 0).astype(np.int8),
        }
        for name, values in arrays.items():
            stored = values if name == "optmask" else values.astype(np.float32)
            write_array(handle, name, stored, ("time", "x"))
            handle[name].attrs["flux_units"] = "ELECTRONS" if name != "optmask" else "None"


def truth(scenario: Scenario, seed: int) -> dict[str, Any]:
    """What is in the files: the scenario, mid-transit in days, and the integrations."""
    return {
        "scenario": asdict(scenario),
        "seed": seed,
        "t0": scenario.start_mjd + scenario.t0_hours / 24,
        "hours": [round(float(h), 9) for h in hours_of(scenario)[[0, -1]]],
    }


def main(job: Job) -> None:
    """Write the files of the scenario that the sample sheet names, and their truth."""
    note = json.loads(job.input.source.read_text(encoding="utf-8"))
    name = note["location"]
    if name not in SCENARIOS:
        message = f"there is no scenario {name!r}; known: {', '.join(sorted(SCENARIOS))}"
        raise ValueError(message)
    folder = job.input.source.parent / SIMULATED
    remove(folder)
    known = simulate(folder, SCENARIOS[name], job.settings.seed)
    job.output.truth.write_text(json_text(known), encoding="utf-8")
