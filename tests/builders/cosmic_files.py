"""Small stamps, hits and recipes for tests, with any field changed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from ephemera.cosmic.metadata import step_hz_s
from ephemera.cosmic.simulate_array import Array, make_array, write_recipe
from ephemera.cosmic.simulate_messages import Layout, hit_message, stamp_message
from ephemera.cosmic.simulate_signals import Band, Injection, Kind, inject, noise

FOFF, TSAMP, FCH1, START = 1.9073486328125e-06, 0.524288, 24150.197318458555, 1702816003.4131095
#: Thresholds and edges of the stamps step, as configured by default.
SETTINGS = SimpleNamespace(
    edge_columns=20, snr_min=6.0, antenna_snr=5.0, single_frac=0.5, few_antennas=0.2, gain_index_min=0.5
)


def array_of(n_ant: int = 25, n_pol: int = 2, n_beam: int = 2, seed: int = 0, **more: Any) -> Array:
    """An array whose recipe covers the stamps of this module."""
    rng = np.random.default_rng(seed)
    return make_array(
        rng, n_ant=n_ant, n_pol=n_pol, n_beam=n_beam, n_chan=4, first=START - 1, last=START + 60, **more
    )


def recipe_file(path: Path, array: Array, obsid: str = "Unknown") -> Path:
    """The recipe of an array."""
    write_recipe(path, array, obsid)
    return path


def fields_of(**changed: Any) -> dict[str, Any]:
    """Fields of a stamp as in the tutorial's first one."""
    return {
        "sourceName": "HerBS108",
        "ra": 8.63818611117221,
        "dec": -0.6929999990648925,
        "fch1": FCH1,
        "foff": FOFF,
        "tstart": START,
        "tsamp": TSAMP,
        "telescopeId": 0,
        "seticoreVersion": "0.0.0.a",
        "coarseChannel": 0,
        "fftSize": 524288,
        "startChannel": 155880,
        "schan": 0,
        "obsid": "Unknown",
        **changed,
    }


def signal_of(column: int, steps: int, n_time: int, **changed: Any) -> dict[str, Any]:
    """A signal that starts in a column of such a stamp."""
    foff = changed.pop("foff", FOFF)
    return {
        "frequency": FCH1 + column * foff,
        "index": 155880 + column,
        "driftSteps": steps,
        "driftRate": float(steps * step_hz_s(foff, TSAMP, n_time)),
        "snr": 20.0,
        "coarseChannel": 0,
        "beam": 0,
        "numTimesteps": n_time,
        "power": 1000.0,
        **changed,
    }


def voltages_of(
    shape: tuple[int, int, int, int] = (16, 96, 2, 5),
    seed: int = 1,
    what: Injection | None = None,
    array: Array | None = None,
) -> np.ndarray:
    """Noise with a signal."""
    rng = np.random.default_rng(seed)
    voltages = noise(rng, shape)
    if what is not None:
        assert array is not None
        band = Band((FCH1 + np.arange(shape[1]) * FOFF) * 1e-3, 0, 0)
        inject(voltages, what, array, band, rng)
    return voltages


def stamp_bytes(
    voltages: np.ndarray | None = None,
    *,
    column: int = 48,
    steps: int = 5,
    signal: dict[str, Any] | None = None,
    has_signal: bool = True,
    layout: Layout = "far",
    **fields: Any,
) -> bytes:
    """A stamp message; `fields` and `signal` change what the headers say."""
    voltages = voltages_of() if voltages is None else voltages
    foff = fields.get("foff", FOFF)
    known = signal_of(column, steps, voltages.shape[0], foff=foff, **(signal or {}))
    return stamp_message(fields_of(**fields), known if has_signal else None, voltages, layout)


def hit_bytes(
    power: np.ndarray | None = None,
    *,
    column: int = 40,
    steps: int = 5,
    signal: dict[str, Any] | None = None,
    has_signal: bool = True,
    old: bool = False,
    **bank: Any,
) -> bytes:
    """A hit message."""
    power = np.random.default_rng(5).gamma(2, 1, (16, 96)).astype(np.float32) if power is None else power
    known = signal_of(column, steps, power.shape[0], **(signal or {}))
    filterbank = {
        "sourceName": "HerBS108",
        "fch1": FCH1,
        "foff": FOFF,
        "tstart": START / 86400 + 40587,
        "tsamp": TSAMP,
        "ra": 8.638,
        "dec": -0.693,
        "telescopeId": 12,
        "numTimesteps": power.shape[0],
        "numChannels": power.shape[1],
        "coarseChannel": 0,
        "startChannel": 155880,
        "beam": 0,
        **bank,
    }
    return hit_message(known if has_signal else None, filterbank, power, old=old)


def file_of(path: Path, *messages: bytes) -> Path:
    """A file of messages."""
    path.write_bytes(b"".join(messages))
    return path


def sky(snr: float, column: int = 48, steps: int = 5, beam: int = 0) -> Injection:
    """A source in a beam."""
    return Injection(Kind.SKY, snr, column, steps, beam)
