"""Filters of the hits of one observation. Nothing is deleted: each hit gets the reason that removes it.

Copies, repeats, cuts, many beams: each filter looks at the hits that the filters before it kept, and its
count before is its count after plus what it removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.cosmic.metadata import step_hz_s
from ephemera.sky.times import SECONDS_PER_DAY

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]
Hits = Mapping[str, npt.NDArray[Any]]

#: Fields that are the same in a copy: those of the signal, and the start of the cut-out.
COPY_FIELDS = (
    "freq_mhz",
    "index",
    "drift_steps",
    "drift_rate_hz_s",
    "snr",
    "coarse_channel",
    "beam",
    "n_time",
    "power",
    "incoherent_power",
    "fch1_mhz",
)
NONE = -1


@dataclass(frozen=True)
class Count:
    """Hits before and after a filter, and those removed by each reason."""

    step: str
    parameters: str
    n_in: int
    removed: Mapping[str, int]

    @property
    def n_removed(self) -> int:
        """Hits removed."""
        return sum(self.removed.values())

    @property
    def n_out(self) -> int:
        """Hits kept."""
        return self.n_in - self.n_removed


@dataclass
class Filtered:
    """What the filters said of each hit: why it is removed (empty: kept), of what it is a copy or repeat."""

    reason: npt.NDArray[Any]
    dup_of: IntArray
    repeat_of: IntArray
    n_repeats: IntArray
    n_beams: IntArray
    counts: list[Count] = field(default_factory=list)

    @classmethod
    def start(cls, n_hits: int) -> Filtered:
        """No hit removed."""
        none = np.full(n_hits, NONE)
        zero = np.zeros(n_hits, np.int64)
        return cls(np.full(n_hits, "", object), none, none.copy(), zero, zero.copy())

    @property
    def kept(self) -> BoolArray:
        """Hits that no filter removed yet."""
        return np.asarray(self.reason == "", np.bool_)

    def remove(self, step: str, parameters: str, reasons: npt.NDArray[Any]) -> None:
        """Note the reasons (empty: stays) that a filter gives to hits, and its counts."""
        before = self.kept
        gone = before & (reasons != "")
        names, numbers = np.unique(reasons[gone].astype(str), return_counts=True)
        removed = dict(zip(names.tolist(), numbers.tolist(), strict=True))
        self.reason[gone] = reasons[gone]
        count = Count(step, parameters, int(before.sum()), removed)
        assert int(self.kept.sum()) == count.n_out
        self.counts.append(count)


def remove_copies(hits: Hits, found: Filtered) -> None:
    """Remove hits that equal an earlier one in all fields of the signal and in fch1."""
    keys = [np.nan_to_num(hits[name].astype(np.float64), nan=-np.inf) for name in COPY_FIELDS]
    order = np.lexsort((np.arange(len(found.reason)), *keys))
    same = np.ones(max(len(order) - 1, 0), bool)
    for key in keys:
        same &= key[order][1:] == key[order][:-1]
    starts = np.flatnonzero(np.concatenate(([True], ~same))) if len(order) else np.zeros(0, np.int64)
    firsts = np.repeat(order[starts], np.diff(np.append(starts, len(order))))
    found.dup_of[order] = np.where(firsts == order, NONE, firsts)
    reasons = np.where(found.dup_of == NONE, "", "copy").astype(object)
    found.remove("copies", "all fields of the signal and fch1 equal", reasons)


def remove_repeats(hits: Hits, found: Filtered, tolerance_hz: float | None) -> None:
    """Remove weaker hits of one signal: same kind of beam and coarse channel, near in frequency, one step."""
    rows = np.flatnonzero(found.kept & np.isfinite(hits["freq_mhz"]) & np.isfinite(hits["snr"]))
    group = _groups([hits["beam_kind"][rows].astype(str), hits["coarse_channel"][rows]])
    if tolerance_hz is None:
        channel = np.abs(np.nan_to_num(hits["foff_hz"][rows]))
        reach = np.maximum(channel, np.abs(hits["drift_steps"][rows]) * channel)
    else:
        reach = np.full(len(rows), tolerance_hz)
    # A channel's width is known to more digits than a frequency of some GHz is.
    reach = reach * (1 + 1e-6) + 1e-4
    first, second = near_pairs(hits["freq_mhz"][rows] * 1e6, reach, group)
    steps = hits["drift_steps"][rows]
    close = np.abs(steps[first] - steps[second]) <= 1
    stronger = suppress(hits["snr"][rows], first[close], second[close])
    weak = np.flatnonzero(stronger != NONE)
    found.repeat_of[rows[weak]] = rows[stronger[weak]]
    np.add.at(found.n_repeats, rows[stronger[weak]], 1)
    reasons = np.where(found.repeat_of == NONE, "", "repeat").astype(object)
    text = "drift span, at least one channel" if tolerance_hz is None else f"{tolerance_hz:g} Hz"
    found.remove("repeats", f"within {text}, drift within one step", reasons)


def near_pairs(place: FloatArray, reach: FloatArray, group: IntArray) -> tuple[IntArray, IntArray]:
    """Pairs of one group that are no further apart than the larger of their reaches."""
    order = np.lexsort((place, group))
    place, reach, group = place[order], reach[order], group[order]
    largest = float(reach.max(initial=0.0))
    pairs: list[tuple[IntArray, IntArray]] = []
    left = np.arange(len(place))
    for shift in range(1, len(place)):
        left = left[left + shift < len(place)]
        right = left + shift
        near = (group[left] == group[right]) & (place[right] - place[left] <= largest)
        left = left[near]
        if len(left) == 0:
            break
        right = left + shift
        hit = place[right] - place[left] <= np.maximum(reach[left], reach[right])
        pairs.append((order[left[hit]], order[right[hit]]))
    if not pairs:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs])


def suppress(strength: FloatArray, first: IntArray, second: IntArray) -> IntArray:
    """For each item the stronger neighbour that suppresses it, or -1.

    As if items were taken from the strongest down, each that is still there suppressing its neighbours; of
    two equally strong the earlier goes first.
    """
    rank = np.empty(len(strength), np.int64)
    rank[np.lexsort((np.arange(len(strength)), -np.asarray(strength, np.float64)))] = np.arange(len(strength))
    swap = rank[first] > rank[second]
    strong, weak = np.where(swap, second, first), np.where(swap, first, second)
    gone = np.zeros(len(strength), bool)
    decided = np.ones(len(strength), bool)
    decided[weak] = False  # items without a stronger neighbour stay
    waiting = np.arange(len(strong))
    while len(waiting):
        sure = decided[strong[waiting]] & ~gone[strong[waiting]]
        gone[weak[waiting[sure]]] = True
        decided |= gone
        # Pairs end when the weaker item is decided or the stronger is gone; who waits for nobody stays.
        waiting = waiting[~(decided[weak[waiting]] | gone[strong[waiting]])]
        still = np.zeros(len(strength), bool)
        still[weak[waiting]] = True
        decided |= ~still
    best = np.full(len(strength), len(strength))
    valid = gone[weak] & ~gone[strong]
    np.minimum.at(best, weak[valid], rank[strong[valid]])
    by_rank = np.argsort(rank)
    return np.where(gone, by_rank[np.minimum(best, len(strength) - 1)], NONE) if len(rank) else rank


def apply_cuts(
    hits: Hits,
    found: Filtered,
    *,
    snr_min: float,
    drift_min: float,
    drift_max: float | None,
    drop_zero: bool,
    bands: Sequence[tuple[str, float, float]],
) -> None:
    """Remove hits by SNR, drift rate (Hz/s) and excluded bands (name, MHz, MHz)."""
    reasons = np.full(len(found.reason), "", object)
    rate = np.abs(hits["drift_rate_hz_s"])
    with np.errstate(invalid="ignore"):
        for name, low, high in bands:
            reasons[(hits["freq_mhz"] >= low) & (hits["freq_mhz"] <= high)] = f"band {name}"
        if drop_zero:
            reasons[zero_drift(hits)] = "zero drift"
        reasons[rate < drift_min] = "drift too small"
        if drift_max is not None:
            reasons[rate > drift_max] = "drift too large"
        reasons[hits["snr"] < snr_min] = "snr"
    parts = [f"snr >= {snr_min:g}", f"drift >= {drift_min:g} Hz/s"]
    parts += [f"drift <= {drift_max:g} Hz/s"] if drift_max is not None else []
    parts += ["no zero drift"] if drop_zero else []
    parts += [f"not {name} {low:g}-{high:g} MHz" for name, low, high in bands]
    found.remove("cuts", ", ".join(parts), reasons)


def zero_drift(hits: Hits) -> BoolArray:
    """Hits that drift by less than one step over their recording."""
    step = np.abs(step_hz_s(hits["foff_hz"] * 1e-6, hits["tsamp_s"], hits["n_time"]))
    with np.errstate(invalid="ignore"):
        small = np.abs(hits["drift_rate_hz_s"]) < step * (1 - 1e-6)
    return np.asarray((hits["drift_steps"] == 0) | small, np.bool_)


def remove_many_beams(
    hits: Hits, found: Filtered, *, n_beams: int | None, n_antennas: int | None, tolerance: int
) -> None:
    """Remove signals that many coherent beams have, or that the incoherent beam has too strongly.

    Many are at least two and at least half of all. Too strong is above 1.5 Zc/sqrt(A) + 3, where Zc is the
    SNR in the coherent beam and A the number of antennas.
    """
    # Hits of one signal in several beams are repeats of each other, and count as beams here.
    there = found.kept | (found.reason == "repeat")
    rows = np.flatnonzero(there & np.isfinite(hits["freq_mhz"]))
    start = np.nanmin(hits["tstart_mjd"][rows]) if np.isfinite(hits["tstart_mjd"][rows]).any() else 0.0
    late = np.nan_to_num(hits["tstart_mjd"][rows] - start) * SECONDS_PER_DAY
    place = hits["freq_mhz"][rows] * 1e6 - np.nan_to_num(hits["drift_rate_hz_s"][rows]) * late
    reach = tolerance * np.abs(np.nan_to_num(hits["foff_hz"][rows])) * (1 + 1e-6)
    first, second = near_pairs(place, reach, np.zeros(len(rows), np.int64))
    kind, beam, snr = hits["beam_kind"][rows], hits["beam"][rows], hits["snr"][rows]
    ends = np.concatenate((np.stack((first, second)), np.stack((second, first))), axis=1)
    seen = np.concatenate((ends, np.tile(np.arange(len(rows)), (2, 1))), axis=1)
    coherent = kind[seen[1]] == "coherent"
    pairs = np.unique(np.stack((seen[0][coherent], beam[seen[1][coherent]].astype(np.int64))), axis=1)
    number = np.bincount(pairs[0], minlength=len(rows)) if pairs.size else np.zeros(len(rows), np.int64)
    found.n_beams[rows] = number
    reasons = np.full(len(found.reason), "", object)
    if n_beams is not None:
        reasons[rows[number >= max(2, n_beams / 2)]] = "multi_beam"
    if n_antennas:
        strong = np.full(len(rows), -np.inf)
        also = (kind[ends[0]] == "coherent") & (kind[ends[1]] == "incoherent")
        np.maximum.at(strong, ends[0][also], np.nan_to_num(snr[ends[1][also]]))
        reasons[rows[strong > 1.5 * snr / np.sqrt(n_antennas) + 3]] = "multi_beam"
    limit = "unknown number of beams" if n_beams is None else f"n >= {max(2, n_beams / 2):g}"
    found.remove("many_beams", f"{limit} within {tolerance} channels", reasons)


def _groups(keys: Sequence[npt.NDArray[Any]]) -> IntArray:
    """Number of the group of each row, by equal keys."""
    codes = np.zeros(len(keys[0]), np.int64)
    for key in keys:
        values, inverse = np.unique(key, return_inverse=True)
        codes = codes * (len(values) + 1) + inverse
    return codes
