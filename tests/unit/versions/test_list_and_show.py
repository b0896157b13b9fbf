"""What `versions list` and `versions show` say."""

import json
import re
import shutil

from ephemera.versions.store import Store


def test_the_list_says_project_date_commit_steps_keys_units_and_sizes(results, ephemera):
    code, text, _ = ephemera("versions", "list")
    assert code == 0
    for version, recipes in ((1, results.first), (2, results.second)):
        line = next(line for line in text.splitlines() if line.startswith(f"  {version}  p  "))
        assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC  \S+.*2 units  [\d.]+ kB, own [\d.]+ kB", line)
        for recipe in recipes.values():
            assert recipe.key in text
    assert "[current]" in text.splitlines()[2]


def test_steps_stand_after_those_they_read_and_new_ones_are_marked(results, ephemera):
    second = ephemera("versions", "list")[1].splitlines()[3]
    keys = {name: recipe.key for name, recipe in results.second.items()}
    assert second.split() == [
        "lab", "read", keys["read"], "find", f"{keys['find']}*", "catalogue", f"{keys['catalogue']}*",
    ]  # fmt: skip


def test_what_versions_share_is_not_their_own(results, ephemera):
    store = Store(results.root)
    own = sum(store.size(results.second[name].key) for name in ("find", "catalogue"))
    assert f"own {own / 1000:.1f} kB" in ephemera("versions", "list")[1].splitlines()[2]
    assert "own" not in ephemera("versions", "list", "--no-sizes")[1]


def test_a_removed_key_stands_in_brackets_and_a_pin_beside_its_version(results, ephemera):
    ephemera("versions", "pin", "paper", "1")
    shutil.rmtree(results.second["find"].folder)
    text = ephemera("versions", "list")[1]
    assert f"({results.second['find'].key})" in text
    assert "[pinned as paper]" in text.splitlines()[0]


def test_one_project_can_be_listed(results, ephemera):
    results.run(20, project="q")
    text = ephemera("versions", "list", "--project", "q")[1]
    assert "  3  q" in text
    assert "  1  p" not in text


def test_a_folder_without_versions_says_so(tmp_path, ephemera):
    code, text, _ = ephemera("versions", "list", "--results", str(tmp_path))
    assert code == 0
    assert "no version yet" in text


def test_show_says_options_code_libraries_units_and_users(results, ephemera):
    recipe = results.first["find"]
    code, text, _ = ephemera("versions", "show", recipe.key[:5])
    assert code == 0
    assert text.startswith(f"lab.find {recipe.key}\n")
    for line in (
        "made      2 units",
        "versions  1 (p)",
        "commit    " + "c" * 40,
        "with      Python 3.11.7, numpy 2.4.6, scipy 1.17.1",
        f"reads     lab.read {results.first['read'].key}",
        "shape.kind  king",
        "threshold   5",
        "t.csv  ab",
    ):
        assert line in text, line
    assert "ephemera.lab.find" not in text
    assert "ephemera.lab.find  111111111111" in ephemera("versions", "show", recipe.key, "--code")[1]
    document = json.loads(ephemera("versions", "show", recipe.key, "--json")[1])
    assert document["parameters"] == {"threshold": 5, "shape": {"kind": "king"}}


def test_show_a_version_says_its_steps_and_the_options_that_are_not_default(results, ephemera):
    text = ephemera("versions", "show", "2")[1]
    assert text.startswith("version 2 of p\n")
    assert results.second["find"].key in text
    assert re.search(r"lab\.find\.threshold +10", text)
    assert re.search(r"project +p\n", text)
    assert json.loads(ephemera("versions", "show", "2", "--json")[1])["project"] == "p"


def test_show_a_removed_key_says_who_used_it(results, ephemera):
    recipe = results.first["find"]
    shutil.rmtree(recipe.folder)
    code, _, errors = ephemera("versions", "show", recipe.key)
    assert code == 2
    assert "versions 1 used it" in errors
