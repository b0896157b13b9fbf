"""What is kept, what goes, and names under which versions are kept."""

import json
from pathlib import Path

import pytest

from ephemera.versions.prune import REMOVED_PREFIX, lock_files
from ephemera.versions.store import Store


def there(*recipes):
    return [Path(recipe.folder).is_dir() for recipe in recipes]


def lock(*paths):
    folder = Path(".snakemake/locks")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "0.input.lock").write_text("".join(f"{path}\n" for path in paths))


def test_nothing_is_removed_unless_asked(results, ephemera):
    before = sorted(results.root.rglob("*"))
    code, text, _ = ephemera("versions", "prune", "--keep", "1")
    assert code == 0
    assert "nothing was removed" in text
    assert results.first["find"].key in text
    assert sorted(results.root.rglob("*")) == before


def test_what_the_last_version_shares_with_older_ones_stays(results, ephemera):
    text = ephemera("versions", "prune", "--keep", "1", "--delete")[1]
    assert "2 keys removed" in text
    first, second = results.first, results.second
    assert there(first["read"], *second.values()) == [True] * 4
    assert there(first["find"], first["catalogue"]) == [False, False]
    assert [v.number for v in Store(results.root).versions] == [1, 2]
    assert not list(results.root.rglob(f"{REMOVED_PREFIX}*"))


def test_the_last_n_versions_of_every_project_stay_and_equal_ones_count_once(results, ephemera):
    results.run(20, project="q")
    results.run(10)
    results.run(20)
    results.run(10)
    ephemera("versions", "prune", "--keep", "2", "--delete")
    third = results.recipes(20)
    assert there(results.first["find"], results.second["find"], third["find"]) == [False, True, True]


def test_what_current_links_to_stays_though_it_is_older(results, ephemera):
    results.run(5)
    ephemera("versions", "prune", "--keep-named", "--delete")
    assert there(results.first["find"], results.second["find"]) == [True, False]


def test_a_pinned_version_stays_whole(results, ephemera):
    results.run(20)
    ephemera("versions", "pin", "paper", "1")
    ephemera("versions", "prune", "--keep-named", "--delete")
    assert there(*results.first.values()) == [True] * 3
    assert there(results.second["find"], results.second["catalogue"]) == [False, False]
    assert ephemera("verify", "paper")[0] == 0


def test_what_a_running_workflow_reads_or_makes_stays_with_all_it_needs(results, ephemera):
    lock(f"{results.first['catalogue'].folder}/p/bursts.parquet")
    code, text, _ = ephemera("versions", "prune", "--keep", "1", "--delete")
    assert code == 0
    assert "locked by a workflow" in text
    assert there(*results.first.values()) == [True] * 3


def test_a_workflow_that_starts_meanwhile_stops_the_removal(results, ephemera, monkeypatch):
    from ephemera.versions import prune

    answers = iter([set(), {Path("0.input.lock")}])
    monkeypatch.setattr(prune, "lock_files", lambda _: next(answers))
    code, _, errors = ephemera("versions", "prune", "--keep", "1", "--delete")
    assert code == 2
    assert "has started meanwhile" in errors
    assert there(results.first["find"]) == [True]


def test_locks_are_found_in_the_folder_of_the_workflow(results, monkeypatch, tmp_path):
    lock("x")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    assert len(lock_files(results.root)) == 1


def test_runs_that_ended_badly_keep_what_they_made_until_asked(results, ephemera):
    loose = results.root / "lab" / "find" / "0123456789"
    loose.mkdir()
    text = ephemera("versions", "prune", "--keep", "2", "--delete")[1]
    assert "1 key of runs that ended badly" in text
    assert loose.is_dir()
    ephemera("versions", "prune", "--keep", "2", "--unfinished", "--delete")
    assert not loose.exists()
    assert there(*results.first.values(), *results.second.values()) == [True] * 6


def test_results_that_equal_older_ones_and_are_not_used_go(results, ephemera):
    lines = (results.root / "versions.jsonl").read_text().splitlines()
    line = json.loads(lines[-1]) | {"made_by": {"lab.find": "0123456789"}}
    with (results.root / "versions.jsonl").open("a") as handle:
        handle.write(json.dumps(line) + "\n")
    twin = results.root / "lab" / "find" / "0123456789"
    twin.mkdir()
    (results.root / "lab" / "find" / ".equal").mkdir()
    assert "which ran" in ephemera("versions", "show", "3")[1]
    ephemera("versions", "pin", "paper", "3")
    assert json.loads((results.root / "named" / "paper.json").read_text()) == line
    ephemera("versions", "prune", "--keep", "2", "--delete")
    assert there(*results.first.values(), *results.second.values()) == [True] * 6
    assert not twin.exists()


def test_what_an_interrupted_removal_left_is_cleared(results, ephemera):
    left = results.root / "lab" / "find" / f"{REMOVED_PREFIX}0123456789"
    left.mkdir()
    (left / "x").touch()
    ephemera("versions", "prune", "--keep", "2", "--delete")
    assert not left.exists()


def test_something_must_be_kept(results, ephemera):
    assert ephemera("versions", "prune", "--keep", "0")[0] == 2
    with pytest.raises(SystemExit):
        ephemera("versions", "prune")


def test_a_pin_means_the_same_after_other_runs(results, ephemera):
    ephemera("versions", "pin", "paper")
    results.run(20)
    assert Store(results.root).version("paper").number == 2
    assert Store(results.root).current().number == 3


def test_a_name_is_given_once_and_can_be_taken_away(results, ephemera):
    assert ephemera("versions", "pin", "paper", "1")[0] == 0
    assert ephemera("versions", "pin", "paper", "1")[0] == 0
    code, _, errors = ephemera("versions", "pin", "paper", "2")
    assert code == 2
    assert "already names version 1" in errors
    assert ephemera("versions", "pin", "paper", "--remove")[0] == 0
    assert ephemera("versions", "pin", "paper", "2")[0] == 0
    assert ephemera("versions", "pin", "other", "--remove")[0] == 2


@pytest.mark.parametrize("name", ["1", "current", "../x", "a/b", "", "a b", "p"])
def test_a_name_that_could_mean_something_else_is_refused(results, ephemera, name):
    assert ephemera("versions", "pin", name)[0] == 2
    assert not list(results.root.glob("named/*"))


def test_a_version_that_is_not_all_there_cannot_be_pinned(results, ephemera):
    ephemera("versions", "prune", "--keep", "1", "--delete")
    code, _, errors = ephemera("versions", "pin", "paper", "1")
    assert code == 2
    assert "not all there" in errors


def test_a_key_is_no_version(results, ephemera):
    code, _, errors = ephemera("versions", "pin", "paper", results.first["find"].key)
    assert code == 2
    assert "key of one step" in errors
