"""The rows of all streams of a night, and their JSON lines, by whole columns.

`stream_rows` and `json_line` of the step say the same a row at a time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring_ascii
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ephemera.alerts.tagging import properties_of

#: Made once: `json.dumps` with options makes an encoder for each call.
_ENCODER = json.JSONEncoder(sort_keys=True, allow_nan=False)
_OF_ALERT = {
    "alert_key": "alert_key", "alert_id": "alert_id_text", "survey": "survey", "object_id": "object_id",
    "alert_mjd": "mjd_utc", "band": "band", "mag": "mag", "mag_err": "mag_err", "flux": "flux",
}  # fmt: skip


def stream_table(
    schema: pa.Schema, loci: pa.Table, verdicts: pa.Table, alerts: pa.Table, aliases: Mapping[str, str], *,
    once: bool,
) -> pa.Table:  # fmt: skip
    """Rows of all streams of a night, by tag and locus, as `stream_rows` makes them."""
    tags = _whole(loci["tags"])
    parent = pc.list_parent_indices(tags)
    tag = pc.list_flatten(tags)
    columns = {name: pc.struct_field(tag, name) for name in ("name", "filter", "version", "mjd_set")}
    names = _whole(loci["locus_id"])
    keys, tonight = _alerts_of(names.take(parent).to_pylist(), columns["name"].to_pylist(), verdicts)
    place = pc.index_in(pa.array(keys, pa.string()), value_set=_whole(alerts["alert_key"]))
    given: dict[str, Any] = {
        "tag": columns["name"], "filter": columns["filter"], "filter_version": columns["version"],
        "mjd_set": columns["mjd_set"], "aliases": _old_names(names, aliases).take(parent),
        "tags": _names_of_tags(tags).take(parent), "properties": _properties(loci, parent).take(parent),
        "past": pa.repeat(pa.scalar(False), len(parent)),
        **{name: _whole(alerts[source]).take(place) for name, source in _OF_ALERT.items()},
    }  # fmt: skip
    arrays = [
        (given[field.name] if field.name in given else _whole(loci[field.name]).take(parent)).cast(field.type)
        for field in schema
    ]
    table = pa.Table.from_arrays(arrays, schema=schema)
    if once:
        first = pc.equal(table["alert_mjd"], table["mjd_set"]).fill_null(False)
        table = table.filter(pc.and_(first, pa.array(tonight, pa.bool_())))
    return table.take(pc.sort_indices(table, [("tag", "ascending"), ("locus_id", "ascending")]))


def _whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _alerts_of(
    names: Sequence[str], tags: Sequence[str], verdicts: pa.Table
) -> tuple[list[str | None], list[bool]]:
    """Alert of each tag of a locus, where it was given tonight or else the newest; and whether it was."""
    locus, key, given_tags = (_whole(verdicts[name]) for name in ("locus_id", "alert_key", "tags"))
    codes = np.asarray(locus.dictionary_encode().indices)
    last = pa.array(
        np.flatnonzero(np.append(codes[1:] != codes[:-1], True)) if len(codes) else [], pa.int64()
    )
    newest = dict(zip(locus.take(last).to_pylist(), key.take(last).to_pylist(), strict=True))
    parent = pc.list_parent_indices(given_tags)
    rows = (locus.take(parent), pc.list_flatten(given_tags), key.take(parent))
    given: dict[tuple[str, str], str] = {}
    for name, tag, at in zip(*(row.to_pylist() for row in rows), strict=True):
        given.setdefault((name, tag), at)
    cells = list(zip(names, tags, strict=True))
    return [given.get(cell) or newest.get(cell[0]) for cell in cells], [cell in given for cell in cells]


def _old_names(names: pa.Array, aliases: Mapping[str, str]) -> pa.Array:
    """Names that were merged into each locus."""
    old: dict[str, list[str]] = {}
    for before, now in aliases.items():
        old.setdefault(now, []).append(before)
    kind = pa.list_(pa.string())
    if not old:
        return pa.array([[]], kind).take(pa.array(np.zeros(len(names), np.int64)))
    return pa.array([sorted(old.get(name, ())) for name in names.to_pylist()], kind)


def _names_of_tags(tags: pa.ListArray) -> pa.Array:
    length = pc.list_value_length(tags).fill_null(0)
    offsets = np.concatenate([[0], np.cumsum(np.asarray(length, np.int64))])
    flat = pc.struct_field(pc.list_flatten(tags), "name")
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), flat)


def _properties(loci: pa.Table, needed: pa.Array) -> pa.Array:
    """Properties of each locus that is needed, as JSON."""
    wanted = np.zeros(len(loci), bool)
    wanted[np.asarray(needed)] = True
    rows = zip(properties_of(loci["properties"]), wanted.tolist(), strict=True)
    return pa.array([_ENCODER.encode(one) if want else None for one, want in rows], pa.string())


def json_lines(table: pa.Table) -> str:
    """Rows of a stream as lines of JSON, names in order; properties are JSON already."""
    names = sorted(table.column_names)
    line = "{" + ", ".join(f'"{name}": %s' for name in names) + "}\n"
    tokens = [
        table[name].to_pylist() if name == "properties" else _tokens(_whole(table[name])) for name in names
    ]
    return "".join([line % row for row in zip(*tokens, strict=True)])


def _tokens(column: pa.Array) -> list[str]:
    """Values as JSON. Raises ValueError for a number that is not finite."""
    if pa.types.is_string(column.type):
        coded = column.dictionary_encode()
        words = [encode_basestring_ascii(word) for word in coded.dictionary.to_pylist()]
        return ["null" if k is None else words[k] for k in coded.indices.to_pylist()]
    if pa.types.is_list(column.type):
        words = _tokens(pc.list_flatten(column))
        length = pc.list_value_length(column).to_pylist()
        ends = np.cumsum([n or 0 for n in length]).tolist()
        return [
            "null" if n is None else f"[{', '.join(words[end - n : end])}]"
            for n, end in zip(length, ends, strict=True)
        ]
    values = column.to_pylist()
    if pa.types.is_floating(column.type) and not all(v is None or math.isfinite(v) for v in values):
        message = "a number of a stream is not finite, which JSON cannot hold"
        raise ValueError(message)
    if pa.types.is_boolean(column.type):
        return ["null" if v is None else "true" if v else "false" for v in values]
    return ["null" if v is None else repr(v) for v in values]
