"""Records of what jobs made: written whole, found again, and compared with what is there."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.recipes import checksums
from ephemera.recipes.checksums import Checksum, Record

EMPTY = Checksum(0, hashlib.sha256(b"").hexdigest())


def made(folder, unit="u1", content=b"data", **changes):
    """A job's outputs, one file and one folder, and their record."""
    (folder / f"{unit}.figures" / "deep").mkdir(parents=True)
    (folder / f"{unit}.h5").write_bytes(content)
    (folder / f"{unit}.figures" / "a.png").write_bytes(b"")
    (folder / f"{unit}.figures" / "deep" / "b.png").write_bytes(b"png")
    (folder / f"{unit}.figures" / ".snakemake_timestamp").touch()
    outputs = checksums.measured(folder / f"{unit}.h5", f"{unit}.h5")
    outputs |= checksums.measured(folder / f"{unit}.figures", f"{unit}.figures")
    record = Record("lab.find", folder.name, folder.name, {"obsid": unit}, outputs=outputs)
    record = replace(record, **changes)
    checksums.write(folder, record)
    return record


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "results" / "lab" / "find" / "0123456789"
    path.mkdir(parents=True)
    return path


def test_a_record_is_read_as_it_was_written(folder):
    record = made(folder, inputs={"events": ("results/lab/read/aa/u1.h5",)}, elsewhere={"raw/u1.json": EMPTY})
    assert checksums.read(folder, "u1") == record
    assert list(checksums.records(folder)) == [record]
    assert [path.name for path in (folder / checksums.CHECKSUMS).iterdir()] == ["u1.json"]


def test_each_file_of_a_folder_is_measured_and_snakemakes_own_files_are_not(folder):
    record = made(folder)
    assert list(record.outputs) == ["u1.h5", "u1.figures/a.png", "u1.figures/deep/b.png"]
    assert record.outputs["u1.figures/a.png"] == EMPTY
    assert record.outputs["u1.h5"] == Checksum(4, hashlib.sha256(b"data").hexdigest())


def test_the_same_job_gives_the_same_bytes(folder):
    record = made(folder)
    path = checksums.record_path(folder, "u1")
    before = path.read_bytes()
    checksums.write(folder, replace(record, outputs=dict(reversed(record.outputs.items()))))
    assert path.read_bytes() == before


def test_the_folder_of_the_key_of_a_file_is_found(folder, tmp_path):
    made(folder)
    assert checksums.key_folder(folder / "u1.figures/deep/b.png") == folder
    assert checksums.key_folder(tmp_path / "notes.txt") is None


def test_nothing_is_wrong_with_what_was_made(folder):
    made(folder)
    assert list(checksums.verify(folder)) == []


def test_damaged_and_missing_files_are_named(folder):
    made(folder)
    (folder / "u1.h5").write_bytes(b"dada")
    (folder / "u1.figures" / "a.png").unlink()
    (folder / "u1.figures" / "deep" / "b.png").write_bytes(b"longer")
    found = {problem.path.name: problem.kind for problem in checksums.verify(folder)}
    assert found == {"u1.h5": "damaged", "a.png": "missing", "b.png": "damaged"}
    sizes = {problem.path.name for problem in checksums.verify(folder, content=False)}
    assert sizes == {"a.png", "b.png"}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"step": "lab.find"}', b"\xff\xfe"])
def test_a_broken_record_is_named_and_hides_no_other(folder, content):
    made(folder)
    record = made(folder, "u2")
    checksums.record_path(folder, "u1").write_bytes(content)
    assert checksums.read(folder, "u1") is None
    assert list(checksums.records(folder)) == [record]
    (problem,) = checksums.verify(folder)
    assert (problem.path, problem.kind) == (checksums.record_path(folder, "u1"), "unreadable")


def test_a_missing_record_is_missing(folder):
    (problem,) = checksums.verify(folder, ["u1"])
    assert problem.kind == "missing"


def test_what_another_recipe_made_is_marked_until_the_folders_own_makes_it(folder):
    record = made(folder, made_by="ffffffffff")
    assert checksums.guests(folder) == ["u1"]
    checksums.write(folder, replace(record, made_by=folder.name))
    assert checksums.guests(folder) == []
    checksums.write(folder, record)
    checksums.forget(folder, "u1")
    assert checksums.guests(folder) == checksums.units(folder) == []


def test_a_writer_that_was_killed_leaves_no_record(folder):
    made(folder)
    (folder / checksums.CHECKSUMS / ".partial.u2.json").write_text("{")
    assert checksums.units(folder) == ["u1"]


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1, max_size=400), max_size=3))
def test_any_unit_has_a_name_that_is_a_file_name(unit):
    name = checksums.unit_name(unit)
    assert 0 < len(os.fsencode(name)) <= 250
    assert "/" not in name
    assert not name.startswith(".")
    assert "\0" not in name


def test_names_of_units_tell_them_apart():
    values = ("x", "x+y", "x/y", "x%2Fy", ".x", "é" * 300, "é" * 301)
    units = [{}, {"a": "x", "b": "y"}, *({"a": value} for value in values)]
    assert len({checksums.unit_name(unit) for unit in units}) == len(units)
    assert checksums.unit_name({"obsid": "0000000001", "camera": "M1"}) == "0000000001+M1"
