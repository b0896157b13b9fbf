"""Files appear whole or not at all."""

import multiprocessing
import os

import pytest

from ephemera.files import (
    atomic_path,
    begin_attempt,
    commit,
    end_attempt,
    final_path,
    partial_path,
    sha256_of,
    write_shared,
    write_text,
)


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_file_appears_under_its_name_only_when_complete(tmp_path):
    final = tmp_path / "deep" / "table.parquet"
    with atomic_path(final) as partial:
        partial.write_text("half")
        assert partial.suffix == ".parquet"
        assert partial.parent == final.parent
        assert not final.exists()
    assert names(final.parent) == ["table.parquet"]


def test_a_failure_leaves_the_old_file_and_no_leftover(tmp_path):
    final = tmp_path / "a.txt"
    write_text(final, "old")

    def fail_half_way():
        with atomic_path(final) as partial:
            partial.write_text("new")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail_half_way()
    assert final.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_leftover_of_a_killed_writer_is_overwritten(tmp_path):
    (tmp_path / ".partial.a.txt").write_text("left by a killed process")
    write_text(tmp_path / "a.txt", "whole")
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_appears_whole_and_replaces_the_old_one(tmp_path):
    final = tmp_path / "figures"
    for content in ("first", "second"):
        with atomic_path(final) as partial:
            partial.mkdir()
            (partial / content).write_text(content)
    assert names(final) == ["second"]
    assert names(tmp_path) == ["figures"]


def test_sha256_of_known_bytes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")


def test_an_attempt_knows_where_it_goes_and_leaves_no_trace(tmp_path):
    final = tmp_path / "cube.h5"
    partial = begin_attempt(final)
    assert partial.name == final.name
    assert final_path(partial) == final
    assert final_path(final) == final
    partial.write_text("whole")
    commit(partial, final)
    end_attempt(partial)
    assert names(tmp_path) == ["cube.h5"]


def test_what_killed_attempts_left_is_removed_by_the_next_one(tmp_path):
    final = tmp_path / "cube.h5"
    (tmp_path / ".partial.cube.h5" / "other-7").mkdir(parents=True)
    (tmp_path / ".partial.cube.h5" / "other-7" / "cube.h5").write_text("half")
    end_attempt(begin_attempt(final))
    assert names(tmp_path) == []
    (tmp_path / ".partial.cube.h5").write_text("half")
    end_attempt(begin_attempt(final))
    assert names(tmp_path) == []


def test_an_attempt_that_still_runs_can_neither_spoil_nor_name_what_the_next_one_writes(
    tmp_path, monkeypatch
):
    final = tmp_path / "cube.h5"
    old = begin_attempt(final)
    with old.open("w") as handle:
        handle.write("half")
        monkeypatch.setattr("os.getpid", lambda: 7)
        new = begin_attempt(final)
        new.write_text("whole")
        handle.write(" and more")
    with pytest.raises(FileNotFoundError):
        commit(old, final)
    end_attempt(old)
    commit(new, final)
    end_attempt(new)
    assert final.read_text() == "whole"
    assert names(tmp_path) == ["cube.h5"]


def test_what_killed_writers_of_a_shared_file_left_is_removed(tmp_path):
    left = partial_path(tmp_path / "recipe.json") / "other-7"
    for _ in range(2):  # before the file is there, and after
        left.parent.mkdir()
        left.write_text("half")
        write_shared(tmp_path / "recipe.json", "whole")
        assert names(tmp_path) == ["recipe.json"]
        assert (tmp_path / "recipe.json").read_text() == "whole"


def write_shared_file(path):
    write_shared(path, "whole")


def begin_and_end(path):
    end_attempt(begin_attempt(path))


def at_the_same_moments(action, barrier, folder, failures):
    """Do `action` in this process at the moments at which all others do it."""
    for k in range(80):
        barrier.wait(60)
        try:
            action(folder / str(k) / "recipe.json")
        except OSError as error:
            failures.put(f"{os.getpid()} {k}: {error!r}")


@pytest.mark.parametrize("action", [write_shared_file, begin_and_end])
def test_processes_that_write_at_the_same_moment_do_not_disturb_each_other(action, tmp_path):
    fork = multiprocessing.get_context("fork")
    barrier, failures = fork.Barrier(4), fork.Queue()
    arguments = (action, barrier, tmp_path, failures)
    processes = [fork.Process(target=at_the_same_moments, args=arguments) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert failures.empty(), failures.get()
    made = {name for folder in tmp_path.iterdir() for name in names(folder)}
    assert made == ({"recipe.json"} if action is write_shared_file else set())
