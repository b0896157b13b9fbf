"""Recipes that gave the same bytes: noted only as far as it was shown."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from ephemera.recipes import checksums
from ephemera.recipes.checksums import Checksum, Record
from ephemera.recipes.equality import (
    compare,
    note_path,
    only_code_differs,
    read_note,
    resolved,
)
from ephemera.recipes.guests import forget_guests, forget_readers, guests
from ephemera.recipes.recipe import Recipe

RUN = {"obsid": {"u1", "u2"}}


@pytest.fixture
def recipe(tmp_path):
    """A function that gives the recipe of a step with this code and these options."""

    def make(code, parameters=None, reads=()):
        options = {"threshold": 3.0, "bands": ((0.2, 12.0),)} if parameters is None else parameters
        return Recipe("lab.find", options, {"ephemera.lab.find": code}, reads, {}, str(tmp_path))

    return make


def run(recipe, **contents):
    """Outputs, records and recipe.json as the step leaves them for these units."""
    folder = Path(recipe.folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "recipe.json").exists():
        (folder / "recipe.json").write_text(json.dumps(recipe.document))
    for unit, content in contents.items():
        (folder / f"{unit}.txt").write_text(content)
        checksum = Checksum(len(content), hashlib.sha256(content.encode()).hexdigest())
        made = {f"{unit}.txt": checksum}
        checksums.write(
            folder, Record(recipe.step, recipe.key, recipe.own_key, {"obsid": unit}, outputs=made)
        )
    return recipe


def test_the_same_bytes_for_every_unit_are_equal(recipe):
    old, new = run(recipe("a"), u1="x", u2="y"), run(recipe("b"), u1="x", u2="y")
    assert compare(new, old.key, RUN) == "equal"
    known = resolved(new, RUN)
    assert (known.key, known.own_key) == (old.key, new.key)
    assert known.folder == old.folder
    assert known.document["made_by"] == new.key
    assert resolved(old, RUN) == old


def test_what_reads_an_equal_step_keeps_its_key(recipe):
    old, new = run(recipe("a"), u1="x"), run(recipe("b"), u1="x")
    compare(new, old.key, RUN)
    below = [Recipe("lab.end", {}, {}, (step,), {}, "r").key for step in (old, resolved(new, RUN), new)]
    assert below[0] == below[1] != below[2]


@pytest.mark.parametrize("contents", [{"u1": "x", "u2": "z"}, {"u1": "x", "u2": "yy"}, {"u1": "z"}])
def test_one_other_byte_differs(recipe, contents):
    old, new = run(recipe("a"), u1="x", u2="y"), run(recipe("b"), **contents)
    assert compare(new, old.key, RUN) == "differs"
    assert resolved(new, RUN) == new
    assert read_note(new).differs_from == {old.key}


def test_another_set_of_files_differs(recipe):
    old, new = run(recipe("a"), u1="x"), run(recipe("b"), u1="x")
    record = checksums.read(new.folder, "u1")
    more = {**record.outputs, "u1.more": Checksum(0, "")}
    checksums.write(new.folder, Record("lab.find", new.key, new.key, record.unit, outputs=more))
    assert compare(new, old.key, RUN) == "differs"


@pytest.mark.parametrize("contents", [{}, {"u1": "x"}])
def test_nothing_is_equal_before_all_units_were_made(recipe, contents):
    old, new = run(recipe("a"), u1="x", u2="y"), run(recipe("b"), **contents)
    assert compare(new, old.key, RUN) == "incomplete"
    assert not note_path(new).exists()


def test_units_of_other_projects_neither_count_nor_hinder(recipe):
    old, new = run(recipe("a"), u1="x", u2="y", other="1"), run(recipe("b"), u1="x", u2="y", third="2")
    assert compare(new, old.key, RUN) == "equal"
    assert resolved(new, RUN).key == old.key
    # It was not shown for the other project, which runs the step itself.
    assert resolved(new, {"obsid": {"other"}}) == new
    assert resolved(new, {}) == new


def test_what_was_shown_in_parts_holds_for_the_whole(recipe):
    old, new = run(recipe("a"), u1="x", u2="y"), run(recipe("b"), u1="x")
    assert compare(new, old.key, {"obsid": {"u1"}}) == "equal"
    assert resolved(new, RUN) == new
    run(new, u2="y")
    assert compare(new, old.key, {"obsid": {"u2"}}) == "equal"
    assert resolved(new, RUN).key == old.key


def test_a_difference_found_later_ends_the_equality(recipe):
    old, new = run(recipe("a"), u1="x", u2="y"), run(recipe("b"), u1="x", u2="z")
    assert compare(new, old.key, {"obsid": {"u1"}}) == "equal"
    assert compare(new, old.key, RUN) == "differs"
    assert resolved(new, {"obsid": {"u1"}}) == new


def test_a_new_unit_goes_to_the_older_folder_and_says_who_made_it(recipe):
    old, new = run(recipe("a"), u1="x"), run(recipe("b"), u1="x")
    compare(new, old.key, RUN)
    run(resolved(new, RUN), u2="y")
    assert checksums.read(old.folder, "u2").made_by == new.key
    assert resolved(new, RUN).key == old.key
    assert guests(resolved(new, RUN), RUN) == []


def test_the_older_recipe_makes_again_what_another_made_in_its_place(recipe):
    old, new = run(recipe("a"), u1="x"), run(recipe("b"), u1="x")
    compare(new, old.key, RUN)
    run(resolved(new, RUN), u2="y", u3="w")
    assert [record.name for record in guests(old, RUN)] == ["u2"]
    assert forget_guests(old, RUN) == {old.output("u2.txt")}
    assert not Path(old.output("u2.txt")).exists()
    assert Path(old.output("u1.txt")).exists()
    run(old, u2="other")
    # For the newer recipe nothing was shown of this unit: it must make it itself.
    assert resolved(new, RUN) == new


def test_what_was_made_from_it_goes_too(recipe, tmp_path):
    old, new = run(recipe("a"), u1="x"), run(recipe("b"), u1="x")
    compare(new, old.key, RUN)
    run(resolved(new, RUN), u2="y")
    below = Recipe("lab.draw", {}, {}, (old,), {}, str(tmp_path))
    for unit in ("u1", "u2"):
        figures = Path(below.output(unit))
        figures.mkdir(parents=True)
        for name in ("a.png", ".snakemake_timestamp"):
            (figures / name).touch()
        inputs = {"found": (f"{tmp_path}/./lab/find/{old.key}/{unit}.txt",)}
        outputs = checksums.measured(figures, unit)
        checksums.write(
            below.folder,
            Record("lab.draw", below.key, below.key, {"obsid": unit}, inputs, outputs),
        )
    gone = forget_guests(old, RUN)
    assert forget_readers(below, set()) == set()
    assert forget_readers(below, gone) == {below.output("u2"), below.output("u2/a.png")}
    assert sorted(path.name for path in Path(below.folder).iterdir() if path.name[0] != ".") == ["u1"]
    assert checksums.units(below.folder) == ["u1"]


def test_an_older_folder_that_was_pruned_is_of_no_use(recipe):
    old, new = run(recipe("a"), u1="x"), run(recipe("b"), u1="x")
    compare(new, old.key, RUN)
    Path(old.folder, "recipe.json").unlink()
    assert resolved(new, RUN) == new


def test_steps_that_make_no_results_are_never_equal(recipe):
    old, new = recipe("a"), recipe("b")
    for each in (run(old), run(new)):
        elsewhere = {"raw/u1/manifest.json": Checksum(1, "00")}
        record = Record(each.step, each.key, each.key, {"obsid": "u1"}, elsewhere=elsewhere)
        checksums.write(each.folder, record)
    assert compare(new, old.key, RUN) == "incomplete"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"equal_to": "x"}'])
def test_a_broken_note_says_nothing(recipe, content):
    new = run(recipe("b"), u1="x")
    note_path(new).parent.mkdir()
    note_path(new).write_text(content)
    assert resolved(new, RUN) == new


def test_code_and_new_options_may_differ_where_it_is_worth_trying(recipe):
    old = run(recipe("a"), u1="x")
    upstream = recipe("u", {"a": 1})
    more = {"threshold": 3.0, "bands": [[0.2, 12.0]], "new_option": True}
    assert only_code_differs(recipe("b"), old.key)
    assert only_code_differs(recipe("b", more), old.key)
    assert not only_code_differs(recipe("b", {**more, "threshold": 4.0}), old.key)
    assert not only_code_differs(recipe("b", reads=(upstream,)), old.key)
    assert not only_code_differs(recipe("b"), "0000000000")
