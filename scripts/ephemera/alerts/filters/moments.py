"""The alerts of a night at which filters run, as arrays: what filters need can be asked of all at once."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ephemera.alerts.filters.contract import Filter
from ephemera.alerts.filters.locus import AlertColumns, Locus
from ephemera.alerts.outcomes import Kind

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class Moments:
    """Moments in order of loci and of time: a locus (its row in the table), its first alert, its newest."""

    def __init__(self, columns: AlertColumns, locus: IntArray, first: IntArray, newest: IntArray) -> None:
        self.columns, self.locus, self.first, self.row = columns, locus, first, newest
        self._edges = np.stack([first, newest + 1], axis=1).ravel()

    def __len__(self) -> int:
        return len(self.row)

    def newest(self, name: str) -> FloatArray:
        """A number of the newest alert at each moment, NaN for null."""
        return self.columns.array(name)[self.row]

    def is_detection(self) -> BoolArray:
        """Whether the newest alert is a detection."""
        return np.asarray(self.newest("kind") == Kind.DETECTION)

    def smallest(self, values: FloatArray) -> FloatArray:
        """Smallest of values by alert, from the first alert to the newest; NaN where there is none."""
        return self._over(np.fmin, values)

    def largest(self, values: FloatArray) -> FloatArray:
        """Largest of values by alert, from the first alert to the newest; NaN where there is none."""
        return self._over(np.fmax, values)

    def count(self, chosen: BoolArray) -> IntArray:
        """Number of chosen alerts from the first to the newest."""
        total = np.concatenate([[0], np.cumsum(chosen)])
        return np.asarray(total[self.row + 1] - total[self.first], np.int64)

    def detections(self, name: str) -> FloatArray:
        """A number of all alerts, NaN for null and where an alert is no detection."""
        return np.where(self.columns.array("kind") == Kind.DETECTION, self.columns.array(name), np.nan)

    def _over(self, function: np.ufunc, values: FloatArray) -> FloatArray:
        if len(self) == 0:
            return np.zeros(0)
        return np.asarray(function.reduceat(np.append(values, np.nan), self._edges)[::2], float)


def moments_of(
    columns: AlertColumns, loci: pa.Array, *, night: int | None, new_keys: Collection[str] | None, each: bool
) -> Moments:
    """Alerts at which filters run: the newest of each locus, or each.

    Of the alerts with one of `new_keys` (all when None), those of the night where there are any, and of these
    the detections where there are any.
    """
    first, end, names = columns.segments()
    place = pc.index_in(names, value_set=loci)
    known = np.asarray(pc.and_(place.is_valid(), names.is_valid()), bool)
    segment = np.repeat(np.arange(len(first)), end - first)
    pool = np.repeat(known, end - first)
    if new_keys is not None:
        given = pa.array(sorted(new_keys), pa.string())
        pool &= np.asarray(pc.is_in(columns.table["alert_key"].combine_chunks(), value_set=given), bool)
    if night is not None:
        pool = _narrowed(pool, columns.array("night") == night, segment, len(first))
    pool = _narrowed(pool, columns.array("kind") == Kind.DETECTION, segment, len(first))
    rows = np.flatnonzero(pool)
    if not each and len(rows):
        rows = rows[np.append(segment[rows[1:]] != segment[rows[:-1]], True)]
    of = segment[rows]
    locus = np.asarray(place.fill_null(-1), np.int64)[of]
    return Moments(columns, locus, first[of], rows.astype(np.int64))


def _narrowed(pool: BoolArray, chosen: BoolArray, segment: IntArray, number: int) -> BoolArray:
    """The chosen of the pool, and the whole pool of a segment that has none of them."""
    both = pool & chosen
    has = np.bincount(segment[both], minlength=number) > 0
    return np.asarray(np.where(has[segment], both, pool), bool) if len(pool) else pool


def missing_requirements(
    candidate: Filter, moments: Moments, catalogues: frozenset[str], *, counts: bool
) -> pa.Array:
    """`missing_requirement` of all moments at once, but for tags and properties, which change as filters run.

    `counts` says whether the number of detections is asked for: it comes after the tags and properties.
    """
    table, rows = moments.columns.table, pa.array(moments.row)
    missing = pa.nulls(len(moments), pa.string())
    for what, allowed in (("survey", candidate.surveys), ("band", candidate.bands)):
        if allowed:
            words = table[what].combine_chunks().cast(pa.string()).take(rows)
            wrong = pc.invert(pc.is_in(words, value_set=pa.array(list(allowed), pa.string())))
            text = pc.binary_join_element_wise(what, words.fill_null("None"), " ")
            missing = pc.coalesce(missing, pc.if_else(wrong, text, None))
    for name in candidate.required_fields:
        absent = pa.array(~moments.columns.known(name)[moments.row])
        missing = pc.coalesce(missing, pc.if_else(absent, name, None))
    for name in candidate.required_catalogues:
        if name not in catalogues:
            missing = missing.fill_null(f"catalogue {name}")
    if counts and candidate.min_detections:
        seen = moments.count(moments.columns.array("kind") == Kind.DETECTION)
        few = pa.array(seen < candidate.min_detections)
        missing = pc.coalesce(missing, pc.if_else(few, f"{candidate.min_detections} detections", None))
    return missing


def missing_requirement(candidate: Filter, locus: Locus, catalogues: frozenset[str]) -> str | None:
    """What a filter needs and the locus does not have; None when all is there."""
    newest = locus.newest
    if candidate.surveys and newest.survey not in candidate.surveys:
        return f"survey {newest.survey}"
    if candidate.bands and newest.band not in candidate.bands:
        return f"band {newest.band}"
    for name in candidate.required_fields:
        value = newest.get(name)
        if value is None or value != value:
            return name
    needed = (
        *(("catalogue", name) for name in candidate.required_catalogues if name not in catalogues),
        *(("tag", name) for name in candidate.required_tags if name not in locus.tags),
        *(("property", n) for n in candidate.required_properties if locus.properties.get(n) is None),
    )
    if needed:
        return " ".join(needed[0])
    few = candidate.min_detections and locus.n_detections < candidate.min_detections
    return f"{candidate.min_detections} detections" if few else None
