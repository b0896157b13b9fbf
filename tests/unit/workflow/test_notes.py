"""Notes of attempts: written once, and anew with another content after a failure."""

from __future__ import annotations

import os

import pytest

from notes import note_attempt


def made_at(path, moment):
    path.write_text("made")
    os.utime(path, ns=(moment, moment))


def test_a_note_is_written_once_and_stays_while_all_is_well(tmp_path):
    note, made = tmp_path / "deep" / "gaia.json", tmp_path / "made"
    note_attempt(note, made, failed=False)
    before = (note.read_bytes(), note.stat().st_mtime_ns)
    made_at(made, before[1] + 10)
    note_attempt(note, made, failed=False)
    assert (note.read_bytes(), note.stat().st_mtime_ns) == before
    assert [path.name for path in note.parent.iterdir()] == ["gaia.json"]


def test_after_a_failure_the_note_is_another_and_younger_but_only_once(tmp_path):
    note, made = tmp_path / "gaia.json", tmp_path / "made"
    note_attempt(note, made, failed=False)
    first = note.read_bytes()
    made_at(made, note.stat().st_mtime_ns + 10**12)  # a clock that was set back since
    note_attempt(note, made, failed=True)
    second = (note.read_bytes(), note.stat().st_mtime_ns)
    assert second[0] != first
    assert second[1] > made.stat().st_mtime_ns
    note_attempt(note, made, failed=True)
    assert (note.read_bytes(), note.stat().st_mtime_ns) == second


@pytest.mark.parametrize("text", ["", "{", "[]", "\\udc80"])
def test_a_note_that_cannot_be_read_is_the_first(tmp_path, text):
    note, made = tmp_path / "gaia.json", tmp_path / "made"
    note.write_text(text)
    made_at(made, note.stat().st_mtime_ns + 10)
    note_attempt(note, made, failed=True)
    assert '"attempts": 1' in note.read_text()
