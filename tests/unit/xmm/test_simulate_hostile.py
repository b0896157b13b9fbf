"""Hostile files: each has one fault, and a reader gives it the outcome that is written beside it."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from ephemera.xmm.event_list import read_event_list
from ephemera.xmm.outcomes import ListRejected, Outcome
from ephemera.xmm.selection import select
from ephemera.xmm.simulate_hostile import (
    DURATION,
    LISTS,
    OBSID,
    ODD_LISTS,
    healthy,
    keyword_dialect,
    time_jump,
)
from ephemera.xmm.simulate_hostile_sources import SOURCE_LISTS, healthy_sources
from ephemera.xmm.source_list import SourceListUnreadable, read_source_list


def chosen(path: Path):
    """Events of a list after selection."""
    return select(read_event_list(path, obsid=OBSID))[0]


@pytest.mark.parametrize("name", LISTS)
def test_every_bad_list_ends_with_its_outcome(tmp_path, name: str):
    write, outcome = LISTS[name]
    path = write(tmp_path)
    assert path.parent == tmp_path
    assert path.name.startswith(f"P{OBSID}")
    with pytest.raises(ListRejected) as rejected:
        chosen(path)
    assert rejected.value.outcome == Outcome(outcome)
    assert rejected.value.detail


def test_every_list_outcome_has_an_example():
    covered = {outcome for _, outcome in LISTS.values()}
    assert covered == {
        "bad_file", "bad_columns", "bad_keywords", "no_events", "skipped_timing_mode", "skipped_filter",
        "skipped_submode", "skipped_slew", "wrong_obsid",
    }  # fmt: skip


def test_the_healthy_list_is_healthy(tmp_path):
    header = chosen(healthy(tmp_path)).header
    assert header.stop - header.start == pytest.approx(DURATION, abs=0.1)
    assert len(header.good_time) == 12


@pytest.mark.parametrize("name", ODD_LISTS)
def test_every_odd_list_is_usable(tmp_path, name: str):
    events = chosen(ODD_LISTS[name](tmp_path)).events
    assert len(events) > 400
    assert np.all(np.diff(events.time) >= 0)


def test_odd_lists_differ_from_the_healthy_one_as_they_say(tmp_path):
    good = chosen(healthy(tmp_path / "good")).events
    odd = {name: chosen(ODD_LISTS[name](tmp_path / name)) for name in ODD_LISTS}
    for name in ("unsorted", "without_good_time", "keyword_dialect", "uncompressed"):
        np.testing.assert_array_equal(odd[name].events.time, good.time)
    assert len(odd["duplicates"].events) > 1.15 * len(good)
    assert odd["without_good_time"].header.good_time == {}
    assert all(len(gti) == 3 for gti in odd["flare_cut"].header.good_time.values())
    assert set(odd["without_quadrant"].header.good_time) == set(range(1, 13)) - {4, 5, 6}
    switched = odd["quadrant_switched_off"].header.good_time
    assert [len(switched[ccd]) for ccd in (1, 2, 3, 4)] == [2, 2, 2, 1]


def test_a_time_jump_moves_the_second_half(tmp_path):
    header = chosen(time_jump(tmp_path)).header
    assert header.stop - header.start == pytest.approx(DURATION + 1e5, abs=0.1)
    first, second = header.good_time[1]
    assert second[0] - first[1] == pytest.approx(1e5, abs=5)


def test_the_dialect_swaps_text_and_number(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(keyword_dialect(tmp_path)) as hdus:
            assert isinstance(hdus[0].header["REVOLUT"], int)
            assert isinstance(hdus["EVENTS"].header["REVOLUT"], str)
            assert isinstance(hdus["EVENTS"].header["TIMEZERO"], float)


@pytest.mark.parametrize("name", SOURCE_LISTS)
def test_bad_source_lists_are_read_or_called_unreadable(tmp_path, name: str):
    path = SOURCE_LISTS[name](tmp_path)
    if name == "sources_unreadable":
        with pytest.raises(SourceListUnreadable):
            read_source_list(path)
        return
    good = read_source_list(healthy_sources(tmp_path / "good"))
    found = read_source_list(path)
    assert len(found.ra) == (0 if name == "sources_zero_rows" else len(good.ra))
    if name == "sources_all_outside":
        assert np.all(np.abs(found.dec - good.dec) > 50)
    if name == "sources_nan_rates":
        assert np.all(np.isnan(found.rate_total))
    if name == "sources_without_corrected_positions":
        assert np.all(np.abs(found.dec - good.dec) < 2 / 3600)
