"""The lists of an observation: how each ends, once, and under which name."""

from __future__ import annotations

import pytest

from builders.event_lists import OBSID, rows, write_list
from ephemera.config.load import load
from ephemera.xmm.events import select_lists
from ephemera.xmm.observation import Camera
from ephemera.xmm.outcomes import Outcome
from xmm_chain import search


@pytest.fixture
def settings():
    return load({}).xmm.events


def test_files_of_one_name_go_by_their_whole_path(tmp_path, settings):
    folders = [tmp_path / name for name in ("pn", "mos1", "bad")]
    for folder in folders:
        folder.mkdir()
    write_list(folders[0] / "clean.fits")
    write_list(folders[1] / "clean.fits", camera=Camera.M1)
    (folders[2] / "clean.fits").write_text("nothing")
    paths = [folder / "clean.fits" for folder in folders]
    found = select_lists(OBSID, paths, settings)
    names = list(map(str, paths))
    assert [item.header.file for item in found.lists] == names[:2]
    assert list(found.cuts) == names[:2]
    assert [(row.file, row.outcome) for row in found.outcomes] == [
        (names[0], Outcome.OK), (names[1], Outcome.OK), (names[2], Outcome.BAD_FILE),
    ]  # fmt: skip
    assert select_lists(OBSID, paths[:1], settings).lists[0].header.file == "clean.fits"


def test_times_that_make_no_sense_are_refused_before_frames_are_made_of_them(tmp_path, settings):
    path = write_list(tmp_path / "a.fits", good_time={1: [[1000.0, 1e12]]})
    (row,) = select_lists(OBSID, [path], settings).outcomes
    assert row.outcome is Outcome.BAD_KEYWORDS
    assert "longer than 1e+07 s" in row.detail


def test_every_list_ends_once(tmp_path):
    """MOS1 shares only 400 s with the pn: it is read, but in no subset."""
    source = tmp_path / "data"
    source.mkdir()
    write_list(source / "pn.fits", good_time={ccd: [[1000.0, 2000.0]] for ccd in (1, 2)})
    write_list(
        source / "mos1.fits",
        rows(300, t0=1000.0, span=400.0),
        camera=Camera.M1,
        good_time={ccd: [[1000.0, 1400.0]] for ccd in (1, 2)},
    )
    found = search(source, tmp_path / "out", OBSID, {"cube": {"time_bins_s": [50.0]}})
    ended = {row["file"]: row["outcome"] for row in found.outcomes if row["file"]}
    assert ended == {"pn.fits": "ok", "mos1.fits": "no_common_time"}
    assert len(ended) == sum(bool(row["file"]) for row in found.outcomes)
