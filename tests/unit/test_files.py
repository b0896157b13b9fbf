"""Files appear whole or not at all."""

import pytest

from ephemera.files import atomic_path, sha256_of, write_text


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
