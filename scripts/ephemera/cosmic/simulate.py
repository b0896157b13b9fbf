"""Simulated observations: stamps, hits and the recipe of an array with known signals, and the truth.

The same note gives the same bytes. Half of the stamps stand in files of one segment a message and half in
files of two, as different writers make them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.cosmic.beamform import Voltages, coherent, incoherent, phasors
from ephemera.cosmic.drift import drift_path
from ephemera.cosmic.metadata import rounded_steps, step_hz_s
from ephemera.cosmic.simulate_array import BORESIGHT, Array, make_array, write_recipe
from ephemera.cosmic.simulate_hits import lone_hits, stamp_hit
from ephemera.cosmic.simulate_messages import Layout, stamp_message
from ephemera.cosmic.simulate_signals import SKY_KINDS, Band, Injection, Kind, Simulated, inject, noise
from ephemera.cosmic.snr import inside
from ephemera.seeds import generator
from ephemera.sky.times import mjd_of_unix

if TYPE_CHECKING:
    from ephemera.config.cosmic import Simulate as Settings
    from ephemera.job import Job

#: Start of the simulated recordings, Unix seconds (2023-12-17T12:26:43).
START = 1702816003.4131095
#: Bottom of the band, MHz, and fine channels of a coarse one.
F0_MHZ, FFT_SIZE = 24149.9, 524288
COARSE_CHANNELS, SCHAN = 8, 2


def injections(settings: Settings, rng: np.random.Generator) -> list[Injection]:
    """All signals of an observation, in a random order."""
    found = []
    for kind, count in sorted(vars(settings.counts).items()):
        levels = [0.0] if kind == "noise" else settings.snr
        for snr in levels:
            found += [_injection(Kind(kind), snr, settings, rng) for _ in range(count)]
    order = rng.permutation(len(found))
    return [found[place] for place in order]


def _injection(kind: Kind, snr: float, settings: Settings, rng: np.random.Generator) -> Injection:
    middle, reach = settings.channels // 2, max(settings.channels // 8, 1)
    steps = 0 if kind is Kind.ZERO_DRIFT else int(rng.integers(-reach, reach + 1)) or 1
    column = middle - steps // 2
    if kind is Kind.LEAVING:
        steps, column = abs(steps) + 8, settings.channels - 4
    beam = int(rng.integers(settings.beams)) if settings.beams and kind in SKY_KINDS else 0
    return Injection(kind, snr, column, steps, beam)


def simulate_stamp(
    settings: Settings, array: Array, what: Injection, number: int, rng: np.random.Generator
) -> Simulated:
    """One stamp of an observation."""
    foff = settings.foff_hz * 1e-6
    shape = (settings.time_steps, settings.channels, settings.polarisations, settings.antennas)
    coarse = number % (COARSE_CHANNELS - SCHAN)
    start_channel = int(rng.integers(1000, FFT_SIZE - settings.channels - 1000))
    fch1 = F0_MHZ + (coarse * FFT_SIZE + start_channel + 0.5) * foff
    row = int(np.argmin(np.abs(array.times - START)))
    band = Band((fch1 + np.arange(settings.channels, dtype=np.float64) * foff) * 1e-3, row, SCHAN + coarse)
    voltages = noise(rng, shape)
    inject(voltages, what, array, band, rng)
    coherent_beam = what.kind in SKY_KINDS and len(array.beams) > 0
    power = _beam_power(voltages, array, band, what.beam if coherent_beam else None)
    path = what.column + drift_path(what.steps, settings.time_steps)
    seen = inside(path, settings.channels)
    signal = {
        "frequency": fch1 + what.column * foff,
        "index": start_channel + what.column,
        "driftSteps": what.steps,
        "driftRate": what.steps * step_hz_s(foff, settings.tsamp_s, settings.time_steps),
        "snr": max(what.snr, 6.0) * (1 + 0.02 * rng.standard_normal()),
        "coarseChannel": coarse,
        "beam": what.beam if coherent_beam else len(array.beams),
        "numTimesteps": settings.time_steps,
        "power": power[seen, path[seen]].sum(),
    }
    fields = {
        "sourceName": "SIMULATED",
        "ra": np.degrees(BORESIGHT[0]) / 15,
        "dec": np.degrees(BORESIGHT[1]),
        "fch1": fch1,
        "foff": foff,
        "tstart": START,
        "tsamp": settings.tsamp_s,
        "telescopeId": 12,
        "seticoreVersion": "simulated",
        "coarseChannel": coarse,
        "fftSize": FFT_SIZE,
        "startChannel": start_channel,
        "schan": SCHAN,
        "obsid": "Unknown",
    }
    return Simulated(what, fields, signal, voltages, power)


def _beam_power(voltages: Voltages, array: Array, band: Band, beam: int | None) -> Any:
    """Power (time, channel) that the detector had: of a coherent beam, or the incoherent sum."""
    gains = array.gains[band.channel]
    if beam is None:
        return incoherent(voltages, np.abs(gains.astype(np.complex128)) ** 2)
    weights = gains * phasors(band.ghz, array.delays[band.row, beam])[:, np.newaxis]
    return coherent(voltages, weights)


def observation_array(settings: Settings, rng: np.random.Generator) -> Array:
    """The array of an observation; its recipe covers the recording with a minute to spare."""
    span = int(rounded_steps(settings.time_steps)) * settings.tsamp_s
    return make_array(
        rng,
        n_ant=settings.antennas,
        n_pol=settings.polarisations,
        n_beam=settings.beams,
        n_chan=COARSE_CHANNELS,
        first=START - 1.5 * settings.tsamp_s,
        last=START + span,
        gain_scatter=settings.gain_scatter,
    )


def observation(settings: Settings, prefix: str, folder: Path, seed: int) -> Iterator[dict[str, Any]]:
    """Write the files of an observation into `folder`; gives the truth about each stamp as it is written."""
    rng = generator(seed, "cosmic", prefix)
    array = observation_array(settings, rng)
    write_recipe(folder / f"{prefix}.bfr5", array, f"{prefix}-obsid", f0_mhz=F0_MHZ)
    planned = injections(settings, rng)
    share = -(-len(planned) // settings.files)
    start_mjd = mjd_of_unix(START)
    with (folder / f"{prefix}.seticore.hits").open("wb") as hits:
        for part in range(settings.files):
            layout: Layout = "one" if part % 2 else "far"
            path = folder / f"{prefix}.seticore.{part:04d}.stamps"
            with path.open("wb") as stamps:
                for position, what in enumerate(planned[part * share : (part + 1) * share]):
                    made = simulate_stamp(settings, array, what, part * share + position, rng)
                    hits.write(stamp_hit(made, start_mjd, cut_out=settings.cut_out))
                    stamps.write(stamp_message(made.fields, made.signal, made.voltages, layout))
                    yield {"part": f"{part:04d}", "position": position, **asdict(what)}
        for raw in lone_hits(settings, len(array.beams), start_mjd, F0_MHZ, FFT_SIZE, rng):
            hits.write(raw)


def main(job: Job) -> None:
    """Write the files of one simulated observation, and the truth about it."""
    settings: Settings = job.settings
    folder: Path = job.output.files
    folder.mkdir(parents=True)
    stamps = list(observation(settings, job.wildcards.prefix, folder, job.settings.seed))
    truth = {"prefix": job.wildcards.prefix, "stamps": stamps}
    job.output.truth.write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
