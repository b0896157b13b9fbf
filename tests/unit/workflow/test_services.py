"""Notes of remote services: written once, and anew with another content after a failure."""

from __future__ import annotations

import json
import os
import sys

import pytest


@pytest.fixture
def note_service(repository, monkeypatch):
    monkeypatch.syspath_prepend(str(repository / "workflow"))
    sys.modules.pop("services", None)
    from services import note_service

    return note_service


def save(status, outcome, moment):
    status.write_text(json.dumps({"outcome": outcome}))
    os.utime(status, ns=(moment, moment))


def test_a_note_is_written_once_and_stays_while_all_is_well(note_service, tmp_path):
    note, status = tmp_path / "deep" / "gaia.json", tmp_path / "status.json"
    note_service(note, status)
    before = (note.read_bytes(), note.stat().st_mtime_ns)
    save(status, "ok", before[1] + 10)
    note_service(note, status)
    assert (note.read_bytes(), note.stat().st_mtime_ns) == before
    assert [path.name for path in note.parent.iterdir()] == ["gaia.json"]


def test_after_a_failure_the_note_is_another_and_younger_but_only_once(note_service, tmp_path):
    note, status = tmp_path / "gaia.json", tmp_path / "status.json"
    note_service(note, status)
    first = note.read_bytes()
    save(status, "unavailable", note.stat().st_mtime_ns + 10**12)  # a clock that was set back since
    note_service(note, status)
    second = (note.read_bytes(), note.stat().st_mtime_ns)
    assert second[0] != first
    assert second[1] > status.stat().st_mtime_ns
    note_service(note, status)
    assert (note.read_bytes(), note.stat().st_mtime_ns) == second


@pytest.mark.parametrize("text", ["", "{", "[]", '{"outcome": "offline"}'])
def test_a_status_that_says_no_failure_changes_nothing(note_service, tmp_path, text):
    note, status = tmp_path / "gaia.json", tmp_path / "status.json"
    note_service(note, status)
    before = note.read_bytes()
    status.write_text(text)
    os.utime(status, ns=(2**62, 2**62))
    note_service(note, status)
    assert note.read_bytes() == before
