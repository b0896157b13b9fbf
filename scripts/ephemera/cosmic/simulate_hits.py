"""Hits of a simulated observation: one for each stamp, and others that have none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ephemera.cosmic.metadata import step_hz_s
from ephemera.cosmic.simulate_messages import hit_message
from ephemera.cosmic.simulate_signals import Simulated

if TYPE_CHECKING:
    from ephemera.config.cosmic import Simulate as Settings

#: Columns that a hit's cut-out shows beside the drift.
MARGIN = 40


def stamp_hit(stamp: Simulated, start_mjd: float, *, cut_out: bool) -> bytes:
    """The hit from which a stamp was cut."""
    fields, signal = stamp.fields, stamp.signal
    column = signal["index"] - fields["startChannel"]
    ends = (column, column + signal["driftSteps"])
    low = max(min(ends) - MARGIN, 0)
    high = min(max(ends) + MARGIN, stamp.power.shape[1])
    power = stamp.power[:, low:high].astype(np.float32)
    filterbank = {
        **{name: fields[name] for name in ("sourceName", "foff", "tsamp", "ra", "dec", "telescopeId")},
        "fch1": fields["fch1"] + low * fields["foff"],
        "tstart": start_mjd,
        "numTimesteps": power.shape[0],
        "numChannels": power.shape[1],
        "coarseChannel": signal["coarseChannel"],
        "startChannel": fields["startChannel"] + low,
        "beam": signal["beam"],
    }
    return hit_message(signal, filterbank, power if cut_out else None)


def lone_hits(
    settings: Settings, n_beam: int, start_mjd: float, f0_mhz: float, fft_size: int, rng: np.random.Generator
) -> Iterator[bytes]:
    """Hits without stamps: chance ones, and in turn a copy, a neighbour, and the same signal in all beams."""
    foff = settings.foff_hz * 1e-6
    step = step_hz_s(foff, settings.tsamp_s, settings.time_steps)
    left = settings.lone_hits
    while left > 0:
        coarse, index = int(rng.integers(6)), int(rng.integers(2000, fft_size - 2000))
        steps = int(rng.integers(-20, 21))
        signal: dict[str, Any] = {
            "frequency": f0_mhz + (coarse * fft_size + index) * foff,
            "index": index,
            "driftSteps": steps,
            "driftRate": steps * step,
            "snr": float(np.float32(8 + rng.exponential(3))),
            "coarseChannel": coarse,
            "beam": int(rng.integers(max(n_beam, 1))),
            "numTimesteps": settings.time_steps,
            "power": 1000.0,
        }
        group = [signal]
        if left % 4 == 0:
            group.append(signal)
        elif left % 4 == 1:
            near = {"index": index + 1, "frequency": signal["frequency"] + foff, "snr": signal["snr"] * 0.8}
            group.append({**signal, **near})
        elif left % 8 == 2:
            group = [{**signal, "beam": beam} for beam in range(n_beam)] or group
        for member in group[:left]:
            yield _lone(member, settings, start_mjd, foff)
        left -= len(group)


def _lone(signal: Mapping[str, Any], settings: Settings, start_mjd: float, foff: float) -> bytes:
    filterbank = {
        "sourceName": "SIMULATED",
        "fch1": signal["frequency"] - MARGIN * foff,
        "foff": foff,
        "tstart": start_mjd,
        "tsamp": settings.tsamp_s,
        "ra": 8.638,
        "dec": -0.693,
        "telescopeId": 12,
        "numTimesteps": settings.time_steps,
        "numChannels": 2 * MARGIN,
        "coarseChannel": signal["coarseChannel"],
        "startChannel": signal["index"] - MARGIN,
        "beam": signal["beam"],
    }
    return hit_message(signal, filterbank, None)
