"""Tags and properties from night to night, by cells: columns against rows taken one by one."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ephemera.alerts.crossmatch import MATCHES
from ephemera.alerts.filter import TAGGED, state_by_cell, with_state
from ephemera.alerts.loci import LOCI, as_value

NAMES = [f"EPH{k}" for k in range(8)]
HOME = {name: 10 + k % 3 for k, name in enumerate(NAMES)}
ROW = st.tuples(
    st.sets(st.sampled_from("abc"), max_size=2),
    st.dictionaries(st.sampled_from("pq"), st.one_of(st.integers(-9, 9), st.floats(-1, 1), st.text(max_size=2)), max_size=2),
)  # fmt: skip
STATE = st.dictionaries(st.sampled_from(NAMES), ROW, max_size=len(NAMES))


def row_of(name, drawn, night):
    tags, properties = drawn
    return {
        "locus_id": name,
        "tags": [{"name": t, "filter": t, "version": "1", "mjd_set": float(night)} for t in sorted(tags)],
        "properties": sorted((n, as_value(v)) for n, v in properties.items()),
        "night_updated": night,
    }


def table(rows, schema):
    blank = {field.name: None for field in schema}
    return pa.Table.from_pylist([{**blank, **row} for row in rows], schema)


@given(before=STATE, now=STATE, gone=st.sets(st.sampled_from(NAMES), max_size=2))
def test_the_state_of_cells_is_that_of_rows_one_by_one(before, now, gone):
    now = {name: drawn for name, drawn in now.items() if name not in gone}
    rows = {}
    old = {}
    for cell in sorted({HOME[name] for name in before}):
        mine = [row_of(n, before[n], 1) for n in sorted(before) if HOME[n] == cell]
        old[cell] = table(mine, TAGGED)
        rows[cell] = {row["locus_id"]: row for row in mine if row["locus_id"] not in gone}
    loci = [row_of(name, now[name], 2) for name in sorted(now)]
    for row in loci:
        if row["tags"] or row["properties"]:
            rows.setdefault(HOME[row["locus_id"]], {})[row["locus_id"]] = row
    found = state_by_cell(table(loci, LOCI), old, dict.fromkeys(gone, "new"), HOME)
    expected = {cell: table([r[n] for n in sorted(r)], TAGGED) for cell, r in rows.items() if r}
    assert found.keys() == expected.keys()
    for cell, one in expected.items():
        assert found[cell].equals(one)


@given(
    before=STATE, matched=st.sets(st.sampled_from(NAMES)), there=st.sets(st.sampled_from(NAMES), min_size=1)
)
def test_loci_get_the_state_and_matches_that_are_theirs(before, matched, there):
    match = {"catalogue": "c", "row": 1, "sep_arcsec": 0.5, "nearest": True, "columns": "{}"}
    kinds = {"locus_id": pa.string(), "matches": LOCI.field("matches").type}
    matches = pa.Table.from_pylist(
        [{"locus_id": name, "matches": [match]} for name in sorted(matched)], pa.schema(kinds)
    )
    loci = table([{"locus_id": name} for name in sorted(there)], LOCI)
    rows = {name: row_of(name, drawn, 1) for name, drawn in before.items()}
    found = with_state(loci, table([rows[n] for n in sorted(rows)], TAGGED), matches, {})
    nothing = {"tags": [], "properties": []}
    expected = [
        {
            "locus_id": name,
            **{k: rows.get(name, nothing)[k] for k in nothing},
            "matches": [match] * (name in matched),
        }
        for name in sorted(there)
    ]
    assert found.equals(table(expected, LOCI))


def test_a_merged_locus_keeps_the_earliest_time_of_a_tag_and_a_time_before_none():
    """A region of a watch list that is new sets tags of the past without a time."""

    def tagged(name, mjd):
        return {"locus_id": name, "tags": [{"name": "a", "filter": "f", "version": "1", "mjd_set": mjd}]}

    loci, nothing = table([{"locus_id": "EPH0"}], LOCI), table([], MATCHES)
    for times, kept in (((None, 5.0), 5.0), ((5.0, None), 5.0), ((7.0, 5.0), 5.0), ((None, None), None)):
        rows = [tagged(name, mjd) for name, mjd in zip(("EPH0", "EPH1"), times, strict=True)]
        found = with_state(loci, table(rows, TAGGED), nothing, {"EPH1": "EPH0"})
        assert [tag["mjd_set"] for tag in found["tags"][0].as_py()] == [kept]
