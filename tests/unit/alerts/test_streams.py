"""Streams of tags: rows, columns against rows, JSON lines."""

from __future__ import annotations

import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.alerts import alert, alerts
from ephemera.alerts.filter import with_state
from ephemera.alerts.filters.verdicts import VERDICTS
from ephemera.alerts.loci import LOCI, as_value
from ephemera.alerts.stream import STREAM, json_line, stream_rows, write_streams
from ephemera.alerts.stream_columns import json_lines, stream_table


def test_one_row_per_locus_and_tag(night):
    rows = stream_rows(night.loci, night.verdicts, night.alerts, {}, once=False)
    assert [(r["tag"], r["locus_id"]) for r in rows] == sorted(
        ("single_point", n) for n in (night.names["ztf:1"], night.names["ztf:3"])
    )
    by_locus = {r["locus_id"]: r for r in rows}
    assert by_locus[night.names["ztf:1"]]["alert_id"] == "2"
    assert by_locus[night.names["ztf:3"]]["mjd_set"] == 59001.2


def test_once_sends_a_single_time(night):
    rows = stream_rows(night.loci, night.verdicts, night.alerts, {}, once=True)
    assert [r["locus_id"] for r in rows] == [night.names["ztf:3"]]


def test_identifiers_are_text_in_json(night, tmp_path):
    rows = stream_rows(night.loci, night.verdicts, night.alerts, {"OLD": night.names["ztf:3"]}, once=False)
    counts = write_streams(pa.Table.from_pylist(rows, STREAM), tmp_path / "streams")
    assert counts == {"single_point": 2}
    lines = (tmp_path / "streams" / "single_point.jsonl").read_text().splitlines()
    documents = {d["locus_id"]: d for d in map(json.loads, lines)}
    assert documents[night.names["ztf:3"]]["alert_id"] == "3"
    assert documents[night.names["ztf:3"]]["aliases"] == ["OLD"]
    assert documents[night.names["ztf:1"]]["properties"] == {"x": 1.5}
    table = pq.read_table(tmp_path / "streams" / "single_point.parquet")
    assert table["locus_id"].to_pylist() == sorted(documents)
    assert json_line(rows[0]) in lines


def test_tags_of_merged_loci_go_to_the_survivor(night):
    row = night.loci.to_pylist()[0]
    tagged = pa.Table.from_pylist(
        [
            {
                "locus_id": "OLD",
                "tags": [{"name": "t", "filter": "t", "version": "1", "mjd_set": 1.0}],
                "properties": [],
                "night_updated": 1,
            }
        ],
        pa.schema([LOCI.field(n) for n in ("locus_id", "tags", "properties", "night_updated")]),
    )
    nothing = pa.table(
        {"locus_id": pa.array([], pa.string()), "matches": pa.array([], LOCI.field("matches").type)}
    )
    after = with_state(night.loci, tagged, nothing, {"OLD": row["locus_id"]})
    assert [t["name"] for t in after.to_pylist()[0]["tags"]] == ["t"]


TEXTS = st.text(max_size=4)
NUMBERS = st.one_of(st.none(), st.floats(-90, 90, width=32))
_MANY = {
    "tags": st.lists(st.sampled_from("abc"), unique=True, max_size=3),
    "properties": st.dictionaries(TEXTS, st.one_of(TEXTS, st.integers(-9, 9), st.floats(-1, 1)), max_size=2),
    "object_id": st.one_of(st.none(), TEXTS),
    "mag": NUMBERS,
    "scatter": NUMBERS,
    "given": st.sets(st.sampled_from("abc")),
    "judged": st.booleans(),
    "first": st.booleans(),
    "old": st.lists(TEXTS, max_size=2),
}


@settings(deadline=None)
@given(st.lists(st.fixed_dictionaries(_MANY), max_size=6), st.booleans())
def test_columns_are_the_rows_written_one_by_one(drawn, once):
    loci, verdicts, rows, aliases = [], [], [], {}
    for k, one in enumerate(drawn):
        name, key = f"EPH{k}", f"ztf:{k}"
        tags = [{"name": t, "filter": t, "version": "1", "mjd_set": 59000.0 + k * one["first"]} for t in one["tags"]]  # fmt: skip
        blank = {field.name: None for field in LOCI}
        stored = sorted((n, as_value(v)) for n, v in one["properties"].items())
        loci.append({**blank, "locus_id": name, "tags": tags, "properties": stored, "scatter": one["scatter"], "n_det": k})  # fmt: skip
        rows.append(alert(k, 10.0, 0.0, 59000.0 + k, mag=one["mag"], object_id=one["object_id"]))
        if one["judged"]:
            for tag in ("a", "b", "c"):
                blank = {field.name: None for field in VERDICTS}
                given_tags = [tag] if tag in one["given"] else []
                verdicts.append({**blank, "locus_id": name, "alert_key": key, "tags": given_tags})
        aliases |= dict.fromkeys(one["old"], name)
    tables = (
        pa.Table.from_pylist(loci, LOCI), pa.Table.from_pylist(verdicts, VERDICTS), alerts(*rows), aliases,
    )  # fmt: skip
    expected = stream_rows(*tables, once=once)
    found = stream_table(STREAM, *tables, once=once)
    assert found.equals(pa.Table.from_pylist(expected, STREAM))
    lines = [json_line(row) + "\n" for row in found.to_pylist()]
    assert json_lines(found) == "".join(lines)


def test_a_number_that_is_not_finite_is_no_json():
    row = {field.name: None for field in STREAM} | {"properties": "{}", "flux": math.inf}
    with pytest.raises(ValueError, match="not finite"):
        json_lines(pa.Table.from_pylist([row], STREAM))
