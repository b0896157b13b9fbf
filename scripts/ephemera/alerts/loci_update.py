"""What a batch of alerts changes in the loci: sums, counts, times, magnitudes, identifiers, flags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ephemera.alerts.loci import from_columns, scatter_and_sep99, sums_of
from ephemera.alerts.outcomes import Kind
from ephemera.sky.sphere import ARCSEC_PER_RADIAN, positions, unit_vectors

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Joined:
    """Alerts of a batch in canonical order, and the locus of each.

    `locus` is an index into `names` and `founders`, which list the existing loci and then the new ones; -1
    for limits of no known object.
    """

    alerts: pa.Table
    kind: IntArray
    locus: IntArray
    names: list[str]
    founders: list[str]
    separation: FloatArray
    n_candidates: IntArray
    second: FloatArray
    late: BoolArray
    vectors: FloatArray
    weights: FloatArray
    moving: BoolArray


def update_loci(joined: Joined, loci: pa.Table, history: pa.Table | None, night: int) -> pa.Table:
    """Loci table after the batch, ordered by identifier; untouched rows are as they were."""
    touched, slot = np.unique(joined.locus[joined.locus >= 0], return_inverse=True)
    if len(touched) == 0:
        return loci
    rows = _Touched(joined, loci, touched.astype(np.int64), slot.astype(np.int64), night)
    table = from_columns(rows.columns(history))
    old = np.ones(len(loci), bool)
    old[touched[touched < len(loci)]] = False
    merged = pa.concat_tables([loci.filter(pa.array(old)), table])
    return merged.take(pc.sort_indices(merged["locus_id"]))


@dataclass(frozen=True)
class _Earlier:
    """Detections before the batch, and the slot of the locus of each."""

    alerts: pa.Table
    slot: IntArray


class _Touched:
    """The loci that a batch touches, by slot 0, 1, ...; `slot` is that of each alert that has a locus."""

    def __init__(self, joined: Joined, loci: pa.Table, touched: IntArray, slot: IntArray, night: int) -> None:
        self.joined, self.touched, self.slot, self.night = joined, touched, slot, night
        self.number = len(touched)
        self.is_old = touched < len(loci)
        self.old = loci.take(pa.array(touched[self.is_old]))
        located = joined.locus >= 0
        self.alerts = joined.alerts.filter(pa.array(located)) if not located.all() else joined.alerts
        self.kind, self.vectors = joined.kind[located], joined.vectors[located]
        self.weights, self.moving = joined.weights[located], joined.moving[located]
        self.n_candidates = joined.n_candidates[located]
        self.detected = self.kind == Kind.DETECTION

    def before(self, name: str, default: float) -> FloatArray:
        """Values of a column before the batch, `default` for new loci."""
        values = np.full(self.number, default, float)
        column = self.old[name].to_numpy(zero_copy_only=False).astype(float)
        values[self.is_old] = np.where(np.isfinite(column), column, default)
        return values

    def lists_before(self, name: str) -> list[Any]:
        """Values of a nested column before the batch, None for new loci."""
        values: list[Any] = [None] * self.number
        for k, value in zip(np.flatnonzero(self.is_old).tolist(), self.old[name].to_pylist(), strict=True):
            values[k] = value
        return values

    def count(self, kind: Kind) -> IntArray:
        """Alerts of a kind after the batch, by slot."""
        name = {Kind.DETECTION: "n_det", Kind.LIMIT: "n_limit", Kind.FORCED: "n_forced"}[kind]
        new = np.bincount(self.slot[self.kind == kind], minlength=self.number)
        return np.asarray(self.before(name, 0).astype(np.int64) + new)

    def sums(self) -> FloatArray:
        """Sums of unit vectors after the batch; moving objects do not pull loci of earlier nights."""
        sums = np.zeros((self.number, 3))
        sums[self.is_old] = sums_of(self.old)
        founded = self.before("night_founded", self.night)
        counts = self.detected & ~(self.moving & (founded[self.slot] < self.night))
        pull = self.vectors[counts] * self.weights[counts, None]
        np.add.at(sums, self.slot[counts], pull)
        return sums

    def extreme(self, name: str, source: str, *, largest: bool) -> FloatArray:
        """Largest or smallest value of the detections, by slot."""
        values = self.alerts[source].to_numpy(zero_copy_only=False).astype(float)
        start = -np.inf if largest else np.inf
        result = self.before(name, start)
        good = self.detected & np.isfinite(values)
        (np.maximum if largest else np.minimum).at(result, self.slot[good], values[good])
        return np.where(np.isfinite(result), result, np.nan)

    def columns(self, history: pa.Table | None) -> dict[str, Any]:
        """All columns of the touched loci."""
        sums = self.sums()
        ra, dec = positions(sums)
        names = [self.joined.names[k] for k in self.touched.tolist()]
        earlier = None if history is None else self.earlier(names, history)
        scatter, sep99 = self.spread(sums, earlier)
        return {
            "locus_id": names,
            "founder_key": [self.joined.founders[k] for k in self.touched.tolist()],
            **{f"sum_{axis}": np.ascontiguousarray(sums[:, k]) for k, axis in enumerate("xyz")},
            "n_det": self.count(Kind.DETECTION),
            "n_limit": self.count(Kind.LIMIT),
            "n_forced": self.count(Kind.FORCED),
            "ra": ra,
            "dec": dec,
            "scatter": scatter,
            "sep99": sep99,
            "mjd_first": self.extreme("mjd_first", "mjd_utc", largest=False),
            "mjd_last": self.extreme("mjd_last", "mjd_utc", largest=True),
            "mag_min": self.extreme("mag_min", "mag", largest=False).astype(np.float32),
            "mag_max": self.extreme("mag_max", "mag", largest=True).astype(np.float32),
            **self.texts(earlier),
            "tags": self.lists_before("tags"),
            "properties": self.lists_before("properties"),
            "matches": self.lists_before("matches"),
            "night_founded": self.before("night_founded", self.night).astype(np.int32),
            "night_updated": np.full(self.number, self.night, np.int32),
        }

    def earlier(self, names: Sequence[str], history: pa.Table) -> _Earlier:
        """Detections of the touched loci before the batch."""
        slots = {name: k for k, name in enumerate(names)}
        of = np.array([slots.get(name, -1) for name in history["locus_id"].to_pylist()], np.int64)
        chosen = (of >= 0) & (history["kind"].to_numpy() == Kind.DETECTION)
        return _Earlier(history.filter(pa.array(chosen)), of[chosen])

    def spread(self, sums: FloatArray, earlier: _Earlier | None) -> tuple[FloatArray, FloatArray]:
        """Scatter and 99 % separation of all detections; without those before, of loci that are new."""
        means = sums / np.linalg.norm(sums, axis=1, keepdims=True)
        vectors, group = self.vectors[self.detected], self.slot[self.detected]
        complete = np.ones(self.number, bool) if earlier is not None else ~self.is_old
        if earlier is not None:
            ra, dec = (earlier.alerts[name].to_numpy() for name in ("ra", "dec"))
            vectors = np.concatenate([unit_vectors(ra, dec).reshape(-1, 3), vectors])
            group = np.concatenate([earlier.slot, group])
        scatter, sep99 = scatter_and_sep99(vectors, group, means)
        # sigma^2 per axis is 1 - |sum| / n for a sum of n unit vectors.
        with np.errstate(invalid="ignore", divide="ignore"):
            length = np.linalg.norm(sums, axis=1) / self.count(Kind.DETECTION)
            rough = np.sqrt(np.maximum(0, 1 - length)) * ARCSEC_PER_RADIAN
        return np.where(complete, scatter, rough), np.where(complete, sep99, np.nan)

    def times_of_last(self, earlier: _Earlier | None) -> list[dict[str, float]]:
        """Time of the last magnitude before the batch, by slot and band.

        That of the last detection in any band serves as well where nothing in the batch is older than it, and
        has to serve where it is not known what was before.
        """
        latest = self.before("mjd_last", -np.inf)
        bands = self.lists_before("last_mag")
        mjd = self.alerts["mjd_utc"].to_numpy()
        late = self.detected & (mjd < latest[self.slot])
        if earlier is None or not late.any():
            return [
                dict.fromkeys(dict(m or ()), time) for m, time in zip(bands, latest.tolist(), strict=True)
            ]
        rows = pa.table({
            "slot": earlier.slot, "band": earlier.alerts["band"].cast(pa.string()),
            "mjd": earlier.alerts["mjd_utc"],
        }).filter(earlier.alerts["mag"].is_valid())  # fmt: skip
        last = rows.group_by(["slot", "band"]).aggregate([("mjd", "max")])
        times: list[dict[str, float]] = [{} for _ in bands]
        columns = (last[name].to_pylist() for name in ("slot", "band", "mjd_max"))
        for slot, band, time in zip(*columns, strict=True):
            times[slot][band] = time
        return times

    def texts(self, earlier: _Earlier | None) -> dict[str, list[Any]]:
        """Bands, last magnitudes, identifiers and flags."""
        bands = [set(b or ()) for b in self.lists_before("bands")]
        last = [dict(m or ()) for m in self.lists_before("last_mag")]
        times = self.times_of_last(earlier)
        objects: list[dict[str, set[str]]] = [
            {survey: set(names) for survey, names in m or ()} for m in self.lists_before("object_ids")
        ]
        flags = [set(f or ()) for f in self.lists_before("flags")]
        columns = (
            self.alerts[name].cast(pa.string()).to_pylist() for name in ("band", "survey", "object_id")
        )
        mjd, mags = self.alerts["mjd_utc"].to_pylist(), self.alerts["mag"].to_pylist()
        rows = zip(self.slot.tolist(), self.detected.tolist(), mjd, mags, *columns, strict=True)
        for slot, detected, time, mag, band, survey, name in rows:
            if name is not None:
                objects[slot].setdefault(survey, set()).add(name)
            if detected:
                bands[slot].add(band)
                if mag is not None and time >= times[slot].get(band, -np.inf):
                    last[slot][band], times[slot][band] = mag, time
        for slot in np.unique(self.slot[self.detected & (self.n_candidates > 1)]).tolist():
            flags[slot].add("crowded")
        for slot in np.unique(self.slot[self.detected & self.moving]).tolist():
            flags[slot].add("moving")
        return {
            "bands": [sorted(b) for b in bands],
            "last_mag": [sorted(m.items()) for m in last],
            "object_ids": [sorted((s, sorted(names)) for s, names in o.items()) for o in objects],
            "flags": [sorted(f) for f in flags],
        }
