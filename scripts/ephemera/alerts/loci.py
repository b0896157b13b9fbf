"""Loci: places on the sky to which alerts are joined. Their identifiers, their table, and its updates.

Sums of unit vectors are stored, not means, so that updates are exact and can be merged. The scatter is the
rms per axis of the offsets from the mean; `sep99` the 99 % separation from it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ephemera.sky.sphere import angle_arcsec
from ephemera.tables.nested import F4, F8, FLAG, I4, I8, TEXT, NestedColumn, nested_schema

FloatArray = npt.NDArray[np.float64]

PREFIX = "EPH"
_LETTERS = 13

TAG = pa.struct(
    [("name", pa.string()), ("filter", pa.string()), ("version", pa.string()), ("mjd_set", pa.float64())]
)
#: A value of a property: exactly one of the three is not null.
VALUE = pa.struct([("float", pa.float64()), ("int", pa.int64()), ("text", pa.string())])
MATCH = pa.struct(
    [
        ("catalogue", pa.string()),
        ("row", pa.int64()),
        ("sep_arcsec", pa.float64()),
        ("nearest", pa.bool_()),
        ("columns", pa.string()),
    ]
)

_COLUMNS: tuple[NestedColumn, ...] = (
    ("locus_id", TEXT, None, "meta.id;meta.main", "Identifier, from the key of the founding alert"),
    ("founder_key", TEXT, None, "meta.id", "Key of the founding alert"),
    ("sum_x", F8, None, None, "Sum of weighted unit vectors, x"),
    ("sum_y", F8, None, None, "Sum of weighted unit vectors, y"),
    ("sum_z", F8, None, None, "Sum of weighted unit vectors, z"),
    ("n_det", I8, None, "meta.number", "Detections joined"),
    ("n_limit", I8, None, "meta.number", "Upper limits joined"),
    ("n_forced", I8, None, "meta.number", "Forced photometry joined"),
    ("ra", F8, "deg", "pos.eq.ra;meta.main", "Right ascension of the mean, ICRS"),
    ("dec", F8, "deg", "pos.eq.dec;meta.main", "Declination of the mean, ICRS"),
    ("scatter", F8, "arcsec", "stat.stdev;pos", "Rms of the detections per axis"),
    (
        "sep99",
        F8,
        "arcsec",
        "pos.angDistance",
        "Separation of 99 % of the detections from the mean",
    ),
    ("mjd_first", F8, "d", "time.start", "Time of the first detection"),
    ("mjd_last", F8, "d", "time.end", "Time of the last detection"),
    ("bands", pa.list_(TEXT), None, "instr.bandpass", "Bands with a detection"),
    ("mag_min", F4, "mag", "phot.mag;stat.min", "Brightest magnitude"),
    ("mag_max", F4, "mag", "phot.mag;stat.max", "Faintest magnitude"),
    (
        "last_mag",
        pa.map_(TEXT, F4),
        "mag",
        "phot.mag",
        "Magnitude of the last detection by band",
    ),
    (
        "object_ids",
        pa.map_(TEXT, pa.list_(TEXT)),
        None,
        "meta.id.cross",
        "Objects of each survey in the locus",
    ),
    ("flags", pa.list_(TEXT), None, "meta.code.qual", "crowded, moving, merged"),
    ("tags", pa.list_(TAG), None, "meta.code", "Tags with the filter, its version and the time when set"),
    ("properties", pa.map_(TEXT, VALUE), None, "meta.code", "Properties set by filters"),
    ("matches", pa.list_(MATCH), None, "meta.id.cross", "Rows of catalogues within their radius"),
    ("night_founded", I4, "d", "time.epoch", "Night of the founding alert"),
    ("night_updated", I4, "d", "time.epoch", "Last night with a new alert"),
)


LOCI = nested_schema("loci", "Places on the sky to which alerts are joined.", _COLUMNS)
ASSOCIATION = nested_schema(
    "association",
    "Which alert belongs to which locus.",
    (
        ("alert_key", TEXT, None, "meta.id;meta.main", "Alert"),
        ("locus_id", TEXT, None, "meta.id", "Locus it was joined to; null for a limit without one"),
        ("sep_arcsec", F8, "arcsec", "pos.angDistance", "Separation from the mean of the locus"),
        ("n_candidates", I8, None, "meta.number", "Loci within the radius"),
        ("second_sep", F8, "arcsec", "pos.angDistance", "Separation from the second locus"),
        ("late", FLAG, None, "meta.code.qual", "Whether it came with a later night"),
    ),
)


def locus_id(alert_key: str) -> str:
    """Identifier of the locus that an alert founds: `EPH` and 65 bits of its SHA-256 in base 32."""
    digest = hashlib.sha256(alert_key.encode()).digest()
    return PREFIX + base64.b32encode(digest)[:_LETTERS].decode()


def sums_of(loci: pa.Table) -> FloatArray:
    """Sums of unit vectors (n, 3)."""
    return np.stack([loci[name].to_numpy() for name in ("sum_x", "sum_y", "sum_z")], axis=1).reshape(-1, 3)


def means_of(loci: pa.Table) -> FloatArray:
    """Mean positions as unit vectors (n, 3)."""
    sums = sums_of(loci)
    return np.asarray(sums / np.linalg.norm(sums, axis=1, keepdims=True), float)


def value_of(value: Any) -> Any:
    """Plain value of a property."""
    return next((v for v in value.values() if v is not None), None) if isinstance(value, dict) else value


def as_value(value: float | str) -> dict[str, Any]:
    """A property as it is stored."""
    kind = "text" if isinstance(value, str) else "int" if isinstance(value, int) else "float"
    return {"float": None, "int": None, "text": None, kind: value}


def scatter_and_sep99(
    vectors: FloatArray, group: npt.NDArray[np.int64], means: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Rms per axis and 99 % separation, arcsec, of the vectors (n, 3) in each group around its mean (m, 3).

    The rms is sqrt(sum of squared separations / 2 n); the quantile the smallest separation that at least
    99 % of the members do not exceed.
    """
    m = len(means)
    apart = angle_arcsec(np.linalg.norm(vectors - means[group], axis=1))
    number = np.bincount(group, minlength=m)
    with np.errstate(invalid="ignore", divide="ignore"):
        scatter = np.sqrt(np.bincount(group, apart**2, minlength=m) / (2 * number))
    order = np.lexsort((apart, group))
    start = np.cumsum(number) - number
    rank = np.maximum(np.ceil(0.99 * number - 1e-9).astype(np.int64) - 1, 0)
    sep99 = np.full(m, np.nan)
    has = number > 0
    sep99[has] = apart[order][(start + rank)[has]]
    return np.where(has, scatter, np.nan), sep99


def from_columns(columns: dict[str, Sequence[Any]]) -> pa.Table:
    """Loci table of columns; NaN becomes null."""
    arrays = []
    for column in LOCI:
        values = columns[column.name]
        if isinstance(values, pa.Array | pa.ChunkedArray):
            arrays.append(values)
        else:
            arrays.append(pa.array(values, column.type, from_pandas=isinstance(values, np.ndarray)))
    return pa.Table.from_arrays(arrays, schema=LOCI)
