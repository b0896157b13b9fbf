"""Which hit a stamp was cut from.

*exact*: same coarse channel, drift steps and kind of beam, frequencies within half a channel, SNR equal to
1e-3. *covers*, where nothing is exact: same coarse channel, frequency inside the stamp, drift within one
step, times that overlap. Of several the nearest in frequency, then the strongest. Old hits match by
frequency too; their index counts from the cut-out and is never compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.cosmic.metadata import step_hz_s
from ephemera.sky.times import SECONDS_PER_DAY

SNR_RELATIVE = 1e-3


@dataclass(frozen=True)
class Match:
    """Row of the hit (None without one), exact or covers, and how many hits could be it."""

    hit: int | None
    kind: str | None
    n_candidates: int


class HitIndex:
    """Hits sorted by frequency, so that a stamp looks only at those near it."""

    def __init__(self, hits: Mapping[str, npt.NDArray[Any]]) -> None:
        self.hits = hits
        self.order = np.argsort(hits["freq_mhz"], kind="stable")
        self.frequency = hits["freq_mhz"][self.order]

    def between(self, low: float, high: float) -> npt.NDArray[np.int64]:
        """Rows of hits with a frequency (MHz) from `low` to `high`."""
        first = np.searchsorted(self.frequency, low, "left")
        last = np.searchsorted(self.frequency, high, "right")
        return np.sort(self.order[first:last])


def match(stamp: Mapping[str, Any], index: HitIndex) -> Match:
    """The hit of a stamp (a row of the table of stamps)."""
    if stamp["sig_freq_mhz"] is None:
        return Match(None, None, 0)
    foff = stamp["foff_hz"] * 1e-6
    ends = (stamp["fch1_mhz"] - foff / 2, stamp["fch1_mhz"] + (stamp["n_chan"] - 0.5) * foff)
    near = index.between(min(ends) - abs(foff), max(ends) + abs(foff))
    near = near[_same_or_unknown(index.hits["coarse_channel"][near], stamp["sig_coarse_channel"])]
    distance = np.abs(index.hits["freq_mhz"][near] - stamp["sig_freq_mhz"])
    exact = near[_exact(stamp, index.hits, near, distance, abs(foff))]
    if len(exact):
        return _nearest(exact, stamp, index.hits, "exact")
    inside = (index.hits["freq_mhz"][near] >= min(ends)) & (index.hits["freq_mhz"][near] <= max(ends))
    covers = near[inside & _covers(stamp, index.hits, near)]
    return _nearest(covers, stamp, index.hits, "covers") if len(covers) else Match(None, None, 0)


def _exact(
    stamp: Mapping[str, Any],
    hits: Mapping[str, npt.NDArray[Any]],
    near: npt.NDArray[np.int64],
    distance: npt.NDArray[np.float64],
    foff: float,
) -> npt.NDArray[np.bool_]:
    snr = stamp["sig_snr"]
    same: npt.NDArray[np.bool_] = (
        (hits["drift_steps"][near] == stamp["sig_drift_steps"])
        & (hits["beam_kind"][near] == stamp["sig_beam_kind"])
        # Rounding of frequencies of some 1e4 MHz costs up to 1e-5 of a channel.
        & (distance <= (0.5 + 1e-5) * foff)
        & (np.abs(hits["snr"][near] - snr) <= SNR_RELATIVE * abs(snr))
    )
    return same


def _covers(
    stamp: Mapping[str, Any], hits: Mapping[str, npt.NDArray[Any]], near: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    foff, tsamp, n_time = stamp["foff_hz"] * 1e-6, stamp["tsamp_s"], stamp["n_time"]
    step = abs(step_hz_s(foff, tsamp, n_time))
    apart = np.abs(hits["drift_rate_hz_s"][near] - stamp["sig_drift_rate_hz_s"])
    late = np.abs(hits["tstart_mjd"][near] - stamp["tstart_mjd"]) * SECONDS_PER_DAY
    fits: npt.NDArray[np.bool_] = (apart <= step * (1 + 1e-6)) & (late < n_time * tsamp)
    return fits


def _same_or_unknown(values: npt.NDArray[Any], wanted: int | None) -> npt.NDArray[np.bool_]:
    if wanted is None:
        return np.ones(len(values), bool)
    return np.asarray((values == wanted) | np.isnan(values), np.bool_)


def _nearest(
    rows: npt.NDArray[np.int64], stamp: Mapping[str, Any], hits: Mapping[str, npt.NDArray[Any]], kind: str
) -> Match:
    distance = np.abs(hits["freq_mhz"][rows] - stamp["sig_freq_mhz"])
    best = np.lexsort((-hits["snr"][rows], distance))[0]
    return Match(int(rows[best]), kind, len(rows))


def match_all(stamps: Sequence[Mapping[str, Any]], hits: Mapping[str, npt.NDArray[Any]]) -> list[Match]:
    """The hit of each stamp."""
    index = HitIndex(hits)
    return [match(stamp, index) for stamp in stamps]
