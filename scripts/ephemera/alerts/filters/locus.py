"""What a filter sees: a locus with its alerts, light curves, tags, properties and matches; all read-only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from ephemera.alerts.loci import value_of
from ephemera.alerts.outcomes import Kind

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class AlertColumns:
    """Alerts of many loci, sorted by locus and time; columns become lists when they are first asked for."""

    def __init__(self, alerts: pa.Table) -> None:
        keys = {"locus": alerts["locus_id"], "mjd": alerts["mjd_utc"], "key": alerts["alert_key"]}
        order = pc.sort_indices(pa.table(keys), sort_keys=[(name, "ascending") for name in keys])
        self.table = alerts.take(order).combine_chunks()
        self.lists: dict[str, list[Any]] = {}
        self.arrays: dict[str, FloatArray] = {}

    def segments(self) -> tuple[IntArray, IntArray, pa.Array]:
        """First row, row after the last, and name of each locus, in order."""
        names = self.table["locus_id"].combine_chunks()
        codes = np.asarray(names.dictionary_encode(null_encoding="encode").indices, np.int64)
        starts = np.flatnonzero(np.append(True, codes[1:] != codes[:-1])) if len(codes) else codes
        return starts, np.append(starts, len(codes))[1:], names.take(pa.array(starts))

    def segment_of_rows(self) -> IntArray:
        """Number of the locus of each row."""
        first, end, _ = self.segments()
        return np.repeat(np.arange(len(first)), end - first)

    def spans(self) -> dict[str, tuple[int, int]]:
        """First row and row after the last of each locus."""
        first, end, names = self.segments()
        rows = zip(names.to_pylist(), first.tolist(), end.tolist(), strict=True)
        return {name: (a, b) for name, a, b in rows if name is not None}

    def _column(self, name: str) -> Any:
        column, _, field = name.partition(".")
        if column not in self.table.column_names:
            message = f"an alert has no {name!r}"
            raise AttributeError(message)
        values = self.table[column]
        return pc.struct_field(values, field) if field else values

    def get(self, name: str) -> list[Any]:
        """A column, or a field of `extra` as `extra.rb`, as plain values."""
        if name not in self.lists:
            self.lists[name] = self._column(name).to_pylist()
        return self.lists[name]

    def known(self, name: str) -> BoolArray:
        """Where a column or field is neither null nor NaN; nowhere when there is no such field."""
        try:
            column = self._column(name).combine_chunks()
        except (AttributeError, pa.ArrowException):
            return np.zeros(len(self.table), bool)
        return np.asarray(column.is_valid() if not pa.types.is_floating(column.type) else pc.invert(
            column.is_null(nan_is_null=True)), bool)  # fmt: skip

    def array(self, name: str) -> FloatArray:
        """A numeric column, NaN for null, read-only."""
        if name not in self.arrays:
            column = self._column(name).combine_chunks()
            if pa.types.is_dictionary(column.type):
                array = np.asarray(column.dictionary_decode().to_pylist(), object)
            else:
                array = column.to_numpy(zero_copy_only=False).astype(float)
            array.setflags(write=False)
            self.arrays[name] = array
        return self.arrays[name]


class Alert:
    """One alert: its columns as attributes, fields of `extra` by name (`alert.field("rb")`); null is None."""

    __slots__ = ("_columns", "_row")

    def __init__(self, columns: AlertColumns, row: int) -> None:
        object.__setattr__(self, "_columns", columns)
        object.__setattr__(self, "_row", row)

    def __getattr__(self, name: str) -> Any:
        return self._columns.get(name)[self._row]

    def __setattr__(self, name: str, value: Any) -> None:
        message = "alerts are read-only"
        raise AttributeError(message)

    def get(self, name: str) -> Any:
        """A column or `extra.<name>`; None when it is null or there is no such field."""
        try:
            return self._columns.get(name)[self._row]
        except (AttributeError, pa.ArrowException):
            return None

    def field(self, name: str) -> Any:
        """A field of `extra`."""
        return self.get(f"extra.{name}")


class LightCurve:
    """Measurements in time order: read-only arrays, NaN where there is no value.

    An array is made when it is asked for: most filters want two of the nine.
    """

    __slots__ = ("_columns", "_rows")

    def __init__(self, columns: AlertColumns, rows: npt.NDArray[np.intp]) -> None:
        self._columns, self._rows = columns, rows

    def __len__(self) -> int:
        return len(self._rows)

    def _of(self, name: str) -> npt.NDArray[Any]:
        values = self._columns.array(name)[self._rows]
        values.setflags(write=False)
        return values

    @property
    def mjd(self) -> FloatArray:
        """Times, MJD (UTC)."""
        return self._of("mjd_utc")

    @property
    def mag(self) -> FloatArray:
        """Magnitudes."""
        return self._of("mag")

    @property
    def mag_err(self) -> FloatArray:
        """Errors of the magnitudes."""
        return self._of("mag_err")

    @property
    def flux(self) -> FloatArray:
        """Difference fluxes, signed, nJy."""
        return self._of("flux")

    @property
    def flux_err(self) -> FloatArray:
        """Errors of the fluxes, nJy."""
        return self._of("flux_err")

    @property
    def maglim(self) -> FloatArray:
        """5 sigma limiting magnitudes."""
        return self._of("maglim")

    @property
    def sign(self) -> FloatArray:
        """Signs of the fluxes."""
        return self._of("sign")

    @property
    def band(self) -> npt.NDArray[Any]:
        """Names of the bands."""
        return self._of("band")

    @property
    def night(self) -> FloatArray:
        """Nights."""
        return self._of("night")


class Locus:
    """A locus as filters see it, at the moment of its newest alert.

    Its position, counts and matches are those at the end of the night.
    """

    __slots__ = ("_columns", "_end", "_first", "facts", "matches", "newest", "night", "properties", "tags")

    def __init__(
        self, columns: AlertColumns, first: int, newest: int, facts: Mapping[str, Any], night: int,
        tags: Mapping[str, Any], properties: Mapping[str, Any],
        matches: Mapping[str, Sequence[Mapping[str, Any]]],
    ) -> None:  # fmt: skip
        self._columns, self._first, self._end = columns, first, newest + 1
        self.newest = Alert(columns, newest)
        self.facts, self.night = MappingProxyType(facts), night
        self.tags = frozenset(tags)
        self.properties = MappingProxyType(dict(properties))
        self.matches = MappingProxyType(matches)

    @property
    def row(self) -> int:
        """Row of the newest alert among those of the night."""
        return self._end - 1

    @property
    def locus_id(self) -> str:
        """Identifier."""
        return str(self.facts["locus_id"])

    @property
    def ra(self) -> float:
        """Right ascension of the mean, degrees."""
        return float(self.facts["ra"])

    @property
    def dec(self) -> float:
        """Declination of the mean, degrees."""
        return float(self.facts["dec"])

    @property
    def alerts(self) -> list[Alert]:
        """Alerts by time, the newest last."""
        return [Alert(self._columns, row) for row in range(self._first, self._end)]

    @property
    def n_detections(self) -> int:
        """Detections up to the newest alert."""
        kinds = self._columns.get("kind")
        return kinds[self._first : self._end].count(int(Kind.DETECTION))

    def values(self, name: str, kind: Kind | None = Kind.DETECTION) -> list[Any]:
        """A field of the alerts of a kind (None for all), by time."""
        values = self._columns.get(name)[self._first : self._end]
        if kind is None:
            return values
        kinds = self._columns.get("kind")[self._first : self._end]
        return [value for value, k in zip(values, kinds, strict=True) if k == kind]

    def light_curve(self, band: str | None = None, kind: Kind | int = Kind.DETECTION) -> LightCurve:
        """Measurements of one band (None for all) and kind."""
        span = slice(self._first, self._end)
        chosen = self._columns.array("kind")[span] == int(kind)
        if band is not None:
            chosen = chosen & (self._columns.array("band")[span] == band)
        return LightCurve(self._columns, np.flatnonzero(chosen) + self._first)

    def nearest(self, catalogue: str) -> Mapping[str, Any] | None:
        """The nearest row of a catalogue within its radius, with `sep_arcsec`; None when there is none."""
        rows = self.matches.get(catalogue, ())
        return min(rows, key=lambda row: (row["sep_arcsec"], row["row"])) if rows else None


def plain_properties(properties: Any) -> dict[str, Any]:
    """Properties of the loci table as plain values."""
    return {name: value_of(value) for name, value in properties or ()}


def by_catalogue(matches: Any) -> dict[str, list[dict[str, Any]]]:
    """Matches of the loci table, by catalogue."""
    found: dict[str, list[dict[str, Any]]] = {}
    for match in matches or ():
        row = {"row": match["row"], "sep_arcsec": match["sep_arcsec"], "nearest": match["nearest"]}
        found.setdefault(match["catalogue"], []).append({**json.loads(match["columns"] or "{}"), **row})
    return found
