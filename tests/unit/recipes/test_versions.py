"""Versions: links to what is current, one line for each change."""

import json
from pathlib import Path

from ephemera.recipes.recipe import Recipe
from ephemera.recipes.versions import record, recorded


def made(results, value):
    recipe = Recipe("xmm.cube", {"a": value}, {}, (), {}, str(results))
    Path(recipe.folder).mkdir(parents=True, exist_ok=True)
    return recipe


def test_current_follows_the_last_version_and_back(tmp_path):
    link = tmp_path / "current" / "xmm" / "cube"
    for value in (1, 2, 1):
        recipe = made(tmp_path, value)
        record(tmp_path, "p", {}, [recipe], 1)
        assert link.resolve() == Path(recipe.folder).resolve()
        assert not Path(link.readlink()).is_absolute()
    assert [v["keys"]["xmm.cube"] for v in recorded(tmp_path)] == [
        made(tmp_path, value).key for value in (1, 2, 1)
    ]


def test_the_same_version_is_noted_once(tmp_path):
    recipe = made(tmp_path, 1)
    assert record(tmp_path, "p", {}, [recipe], 1)
    assert not record(tmp_path, "p", {}, [recipe], 1)
    assert record(tmp_path, "p", {}, [recipe], 2)
    assert record(tmp_path, "q", {}, [recipe], 2)


def test_a_step_that_made_nothing_is_not_linked(tmp_path):
    record(tmp_path, "p", {}, [Recipe("xmm.cube", {}, {}, (), {}, str(tmp_path))], 0)
    assert not (tmp_path / "current").exists()
    assert recorded(tmp_path)[0]["keys"] == {}


def test_a_line_cut_short_by_a_crash_hides_no_other(tmp_path):
    record(tmp_path, "p", {}, [made(tmp_path, 1)], 1)
    with (tmp_path / "versions.jsonl").open("a") as handle:
        handle.write(json.dumps({"project": "p"})[:7])
    assert record(tmp_path, "p", {}, [made(tmp_path, 2)], 1)
    assert [v["keys"]["xmm.cube"] for v in recorded(tmp_path)] == [made(tmp_path, k).key for k in (1, 2)]
