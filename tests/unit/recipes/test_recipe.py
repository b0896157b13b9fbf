"""Keys follow parameters, code, tables and the steps read; nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.recipes.recipe import Recipe, canonical, configuration_hash, make_recipe


def recipe(step="xmm.cube", parameters=None, modules=None, reads=(), tables=None):
    return Recipe(
        step, parameters or {"a": 1}, modules or {"ephemera.x": "00"}, reads, tables or {}, "results"
    )


def test_a_key_is_ten_letters_and_repeats():
    assert recipe().key == recipe().key
    assert len(recipe().key) == 10


@pytest.mark.parametrize(
    "other",
    [
        recipe(step="xmm.detect"),
        recipe(parameters={"a": 2}),
        recipe(modules={"ephemera.x": "01"}),
        recipe(reads=(recipe(),)),
        recipe(tables={"t.csv": "ff"}),
    ],
)
def test_every_part_counts(other):
    assert other.key != recipe().key


def test_a_change_upstream_reaches_all_steps_below():
    keys = set()
    for value in (1, 2):
        first = recipe(step="xmm.events", parameters={"a": value})
        second = recipe(step="xmm.cube", reads=(first,))
        keys.add(recipe(step="xmm.detect", reads=(second,)).key)
    assert len(keys) == 2


@given(st.permutations(["a", "b", "c", "d"]))
def test_the_order_of_options_does_not_count(order):
    assert recipe(parameters=dict.fromkeys(order, 1)).key == recipe(parameters=dict.fromkeys("abcd", 1)).key


def test_nan_never_enters_a_key():
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical({"a": float("nan")})


def test_the_content_of_a_table_counts_and_its_time_does_not(tmp_path):
    table = tmp_path / "bad.csv"
    table.write_text("obsid\n1\n")
    first = make_recipe("files", {}, tables=[str(table)])
    table.touch()
    assert make_recipe("files", {}, tables=[str(table)]).key == first.key
    table.write_text("obsid\n2\n")
    assert make_recipe("files", {}, tables=[str(table)]).key != first.key


def test_a_missing_table_is_named():
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv"):
        make_recipe("files", {}, tables=["nowhere.csv"])


def test_the_document_says_what_the_key_was_made_of():
    upstream = recipe(step="xmm.events")
    document = recipe(reads=(upstream,)).document
    assert document["reads"] == {"xmm.events": upstream.key}
    assert document["folder"] == f"results/xmm/cube/{document['key']}"


def test_the_hash_of_a_configuration_follows_all_options_upstream_and_no_code():
    events = recipe("xmm.events", {"a": 1, "b": [2]})
    detect = recipe("xmm.detect", {"c": 3}, reads=(events,))
    same = recipe("xmm.detect", {"c": 3}, {"ephemera.x": "99"}, (recipe("xmm.events", {"b": [2], "a": 1}),))
    assert configuration_hash(detect) == configuration_hash(same)
    other = recipe("xmm.detect", {"c": 3}, reads=(recipe("xmm.events", {"a": 1, "b": [3]}),))
    assert configuration_hash(other) != configuration_hash(detect)
    assert configuration_hash(detect, events) == configuration_hash(events, detect)
