"""Numbers of packets, and the attributes that only some surveys send, as columns."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.alerts.mapping import PacketMapping
from ephemera.alerts.schema import EXTRA
from ephemera.tables.nested import F8, TEXT

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

#: Surveys write this, or less, where they have no value.
MISSING = -998.0


def floats(values: Sequence[Any]) -> tuple[FloatArray, BoolArray]:
    """Numbers with NaN for null and for the surveys' missing-value mark, and where a value is no number."""
    try:
        array, wrong = np.array(values, float), np.zeros(len(values), bool)
    except (TypeError, ValueError):
        array, wrong = np.full(len(values), np.nan), np.zeros(len(values), bool)
        for k, value in enumerate(values):
            if value is None or (isinstance(value, str) and value.strip().lower() in ("", "nan", "null")):
                continue
            try:
                array[k] = float(value)
            except (TypeError, ValueError):
                wrong[k] = True
    if array.ndim != 1:
        return np.full(len(values), np.nan), np.ones(len(values), bool)
    return array, wrong


def extra_of(values: Mapping[str, Sequence[Any]], mapping: PacketMapping) -> dict[str, Any]:
    """Columns of `extra`; None where no alert of the chunk has a value."""
    extra: dict[str, Any] = {}
    for name, kind in EXTRA.items():
        given = values.get(name)
        if given is None or given.count(None) == len(given):
            extra[name] = None
        elif kind == TEXT:
            extra[name] = [_text(v) for v in given]
        else:
            array, _ = floats(given)
            array = np.where(array <= MISSING, np.nan, array) * mapping.scale.get(name, 1.0)
            extra[name] = array if kind == F8 else _integers(array, given)
    return extra


def _text(value: Any) -> str | None:
    """Text as it is; records of a broker as JSON of their plain values."""
    if not isinstance(value, Mapping):
        return None if value is None else str(value)
    flat: dict[str, Any] = {}
    for name, item in value.items():
        inner = item.items() if isinstance(item, Mapping) else ((None, item),)
        for key, plain in inner:
            if isinstance(plain, str | bool | int) or (isinstance(plain, float) and math.isfinite(plain)):
                flat[name if key is None else f"{name}.{key}"] = plain
    return json.dumps(flat, sort_keys=True) if flat else None


def _integers(array: FloatArray, given: Sequence[Any]) -> list[int | None]:
    if set(map(type, given)) == {int} and np.isfinite(array).all():
        return list(given)
    return [int(v) if isinstance(v, int) and f == f else (int(f) if f == f else None)
            for v, f in zip(given, array.tolist(), strict=True)]  # fmt: skip


def score_of(extra: Mapping[str, Any]) -> FloatArray | None:
    """The survey's best score: deep real-bogus, else real-bogus, else Rubin's reliability."""
    score = None
    for name in ("drb", "rb", "reliability"):
        if extra[name] is not None:
            score = extra[name] if score is None else np.where(np.isfinite(score), score, extra[name])
    return score
