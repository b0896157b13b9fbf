"""Versions, pins and keys by the names that people give them."""

import json

import pytest

from ephemera.command import CommandError
from ephemera.versions.store import Store, open_store


@pytest.fixture
def store(results):
    return Store(results.root)


def test_versions_are_numbered_in_the_order_they_were_made(store, results):
    assert [v.number for v in store.versions] == [1, 2]
    assert [v.keys["lab.find"] for v in store.versions] == [
        results.first["find"].key,
        results.second["find"].key,
    ]
    assert store.versions[0].branches["lab"].keys() == {"read", "find", "catalogue"}


def test_the_current_version_is_the_one_linked_to(store, results):
    assert store.current().number == 2
    results.run(5)
    assert Store(results.root).current().number == 3
    assert Store(results.root).links["lab.find"] == results.first["find"].key


def test_of_two_projects_the_current_version_is_the_one_linked_to(results):
    results.run(20, project="q")
    store = Store(results.root)
    assert (store.current().project, store.current("p").number) == ("q", 2)
    assert store.version("p").number == 2
    assert store.version("q").number == 3


def test_versions_and_keys_are_found_by_name_number_and_first_letters(store, results):
    key = results.first["find"].key
    assert store.resolve("1").number == 1
    assert store.resolve("current").number == 2
    assert store.resolve("p").number == 2
    assert store.resolve(key[:6]) == key
    assert store.key(key[:3]) is None


@pytest.mark.parametrize("reference", ["0", "3", "nobody", "ffff", "../p", ""])
def test_an_unknown_name_is_an_error_that_says_how_versions_are_called(store, reference):
    with pytest.raises(CommandError, match="versions list"):
        store.resolve(reference)


def test_a_beginning_of_several_keys_is_an_error_that_names_them(store, results):
    for name in ("abcd000001", "abcd000002"):
        (results.root / "lab" / "read" / name).mkdir()
    with pytest.raises(CommandError, match="abcd000001, abcd000002"):
        Store(results.root).key("abcd")


def test_a_key_needs_all_it_reads(store, results):
    first = results.first
    assert store.with_upstream([first["catalogue"].key]) == {recipe.key for recipe in first.values()}
    assert store.with_upstream([first["read"].key]) == {first["read"].key}


def test_a_shard_keeps_its_tables_under_its_own_name(results):
    lines = (results.root / "versions.jsonl").read_text().splitlines()
    line = json.loads(lines[-1])
    line["configuration"]["shard"] = "2/3"
    with (results.root / "versions.jsonl").open("a") as handle:
        handle.write(json.dumps(line) + "\n")
    assert Store(results.root).versions[-1].folder_name == "p.shard-2-of-3"
    assert Store(results.root).versions[0].folder_name == "p"


def test_sizes_are_those_of_the_files(store, results):
    key = results.first["find"].key
    folder = store.folders[key]
    total = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    assert store.size(key) == total > 0
    assert store.size("0" * 10) == 0


def test_a_recipe_that_cannot_be_read_is_none(store, results):
    key = results.first["find"].key
    (store.folders[key] / "recipe.json").write_text("{")
    assert store.recipe(key) is None
    assert store.recipe("0" * 10) is None


def test_a_folder_that_is_not_there_is_an_error_that_names_the_option(tmp_path):
    with pytest.raises(CommandError, match="--results"):
        open_store(str(tmp_path / "nowhere"))


def test_results_without_versions_say_what_makes_one(tmp_path):
    with pytest.raises(CommandError, match="a run that ends well"):
        Store(tmp_path).current()
