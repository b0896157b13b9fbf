"""Signals that are added to the noise of a stamp, each with the amplitude that gives a wanted SNR.

With unit noise, A antennas, P polarisations and T steps on the path, amplitude s in each antenna gives
    coherent SNR  Zc = s^2 A sqrt(T P)       source in the beam
    antenna SNR      = s^2 sqrt(T P)         one or a few antennas
    incoherent    Zi = s^2 sqrt(A T P)       all antennas with random phases
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.cosmic.beamform import FloatArray, Voltages, phasors
from ephemera.cosmic.drift import drift_path, line_end
from ephemera.cosmic.simulate_array import LIGHT_M_NS, Array
from ephemera.cosmic.snr import inside


class Kind(enum.StrEnum):
    """Kinds of simulated signals."""

    SKY = "sky"
    SKY_POLARISED = "sky_polarised"
    ZERO_DRIFT = "zero_drift"
    ELSEWHERE = "elsewhere"
    ONE_ANTENNA = "one_antenna"
    THREE_ANTENNAS = "three_antennas"
    RANDOM_PHASES = "random_phases"
    TRANSMITTER = "transmitter"
    BROAD_BAND = "broad_band"
    BRIGHT_PIXEL = "bright_pixel"
    CROSSING = "crossing"
    LEAVING = "leaving"
    NOISE = "noise"


#: Kinds that shine from the place a beam is made for.
SKY_KINDS = (Kind.SKY, Kind.SKY_POLARISED, Kind.ZERO_DRIFT, Kind.CROSSING, Kind.LEAVING)


@dataclass(frozen=True)
class Band:
    """Where a stamp lies: frequency of its channels (GHz), row of the recipe, channel of the calibration."""

    ghz: FloatArray
    row: int
    channel: int


@dataclass(frozen=True)
class Injection:
    """A signal: kind, SNR as in the module's text, first column, drift steps, beam (for the sky)."""

    kind: Kind
    snr: float
    column: int
    steps: int
    beam: int = 0


@dataclass(frozen=True)
class Simulated:
    """A stamp: what was injected, fields and signal by the names of the schema, voltages.

    `power` (time, channel) is that of the beam in which the detector had it.
    """

    injection: Injection
    fields: Mapping[str, Any]
    signal: Mapping[str, Any]
    voltages: Voltages
    power: FloatArray


def noise(rng: np.random.Generator, shape: tuple[int, int, int, int]) -> Voltages:
    """Complex Gaussian noise of variance 1."""
    numbers = rng.standard_normal((*shape, 2), dtype=np.float32)
    numbers *= np.float32(np.sqrt(0.5))
    found: Voltages = numbers.view(np.complex64)[..., 0]
    return found


def inject(voltages: Voltages, what: Injection, array: Array, band: Band, rng: np.random.Generator) -> None:
    """Add a signal to voltages (time, channel, polarisation, antenna) in place."""
    if what.kind is Kind.NOISE:
        return
    if what.kind is Kind.BROAD_BAND:
        _broad_band(voltages, what, rng)
        return
    if what.kind is Kind.BRIGHT_PIXEL:
        step = voltages.shape[0] // 2
        voltages[step, what.column] += np.sqrt(what.snr).astype(np.float32)
        return
    response = _response(what, array, band, voltages.shape, rng)
    _tone(voltages, what, response, rng)
    if what.kind is Kind.CROSSING:
        other = Injection(what.kind, what.snr, what.column + what.steps, -what.steps, what.beam)
        _tone(voltages, other, response, rng)


def kept_power(steps: int, n_time: int) -> FloatArray:
    """Share of the power of a tone on a straight line that falls into the path's channel at each step."""
    line = np.linspace(0.0, line_end(steps, n_time), n_time)
    kept: FloatArray = np.clip(1.0 - np.abs(line - drift_path(steps, n_time)), 0.0, 1.0)
    return kept


def _tone(
    voltages: Voltages, what: Injection, response: npt.NDArray[np.complex64], rng: np.random.Generator
) -> None:
    """A tone on the drift path with a random phase at each step; loss between channels is made up for."""
    n_time, n_chan = voltages.shape[:2]
    kept = kept_power(what.steps, n_time)
    phase = np.exp(2j * np.pi * rng.random(n_time)) * np.sqrt(kept / kept.mean())
    path = what.column + drift_path(what.steps, n_time)
    for step in np.flatnonzero(inside(path, n_chan)):
        column = path[step]
        voltages[step, column] += (phase[step] * response[min(column, len(response) - 1)]).astype(
            np.complex64
        )


def _response(
    what: Injection,
    array: Array,
    band: Band,
    shape: tuple[int, ...],
    rng: np.random.Generator,
) -> npt.NDArray[np.complex64]:
    """Voltage of the signal in each channel, polarisation and antenna."""
    n_time, n_chan, n_pol, n_ant = shape
    spread = np.sqrt(n_time * n_pol)
    flat = np.ones((n_chan, n_pol, n_ant), np.complex64)
    if what.kind in (Kind.ONE_ANTENNA, Kind.THREE_ANTENNAS):
        count = min(1 if what.kind is Kind.ONE_ANTENNA else 3, n_ant)
        chosen = rng.choice(n_ant, count, replace=False)
        flat[..., np.setdiff1d(np.arange(n_ant), chosen)] = 0
        flat[..., chosen] *= np.exp(2j * np.pi * rng.random(count)).astype(np.complex64)
        return flat * np.float32(np.sqrt(what.snr / spread))
    if what.kind is Kind.RANDOM_PHASES:
        flat *= np.exp(2j * np.pi * rng.random((n_pol, n_ant))).astype(np.complex64)
        return flat * np.float32(np.sqrt(what.snr / (np.sqrt(n_ant) * spread)))
    if what.kind is Kind.TRANSMITTER:
        place = array.positions.mean(axis=0) + rng.uniform(-2000, 2000, 3)
        delays = np.linalg.norm(array.positions - place, axis=1) / LIGHT_M_NS
        flat *= phasors(band.ghz, delays)[:, np.newaxis]
        return flat * np.float32(np.sqrt(what.snr / (np.sqrt(n_ant) * spread)))
    # Without beams the sky shines from the phase centre.
    delays = array.delays[band.row, what.beam] if len(array.beams) else np.zeros(n_ant)
    if what.kind is Kind.ELSEWHERE:
        delays = delays + (array.positions - array.positions[0]) @ rng.normal(0, 3e-4, 3) / LIGHT_M_NS
    gains = array.gains[band.channel].astype(np.complex128)
    flat *= phasors(band.ghz, delays)[:, np.newaxis] * (gains / np.abs(gains) ** 2).astype(np.complex64)
    if what.kind is Kind.SKY_POLARISED:
        flat[:, 1:] = 0
        return flat * np.float32(np.sqrt(what.snr * n_pol / (n_ant * spread)))
    return flat * np.float32(np.sqrt(what.snr / (n_ant * spread)))


def _broad_band(voltages: Voltages, what: Injection, rng: np.random.Generator) -> None:
    """Noise that all antennas share, over a quarter of the channels around the column."""
    n_time, n_chan, n_pol, _ = voltages.shape
    half = max(n_chan // 8, 1)
    low, high = max(what.column - half, 0), min(what.column + half, n_chan)
    shared = noise(rng, (n_time, high - low, n_pol, 1))
    voltages[:, low:high] += shared * np.float32(np.sqrt(what.snr / np.sqrt(n_time * n_pol)))
