import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.survey.finder import events, find_events, sideband_level


def rows_of(found):
    return [(e.sign, e.rows.tolist(), e.peak) for e in found]


def search(snr, usable=None, time=None, **options):
    snr = np.asarray(snr, float)
    usable = np.ones(len(snr), bool) if usable is None else np.asarray(usable, bool)
    time = np.arange(len(snr), dtype=float) if time is None else np.asarray(time, float)
    return events(time, snr, usable, **{"threshold": 5.0, "sideband": 3.0, **options})


def test_a_run_needs_a_peak_and_takes_its_sideband():
    assert rows_of(search([0, 3, 4, 5, 3, 0, 4, 4, 0])) == [(1, [1, 2, 3, 4], 3)]


def test_dips_are_events_of_their_own():
    assert rows_of(search([0, -3, -6, 0, 7, 0])) == [(-1, [1, 2], 2), (1, [4], 4)]


def test_opposite_neighbours_are_not_joined():
    assert rows_of(search([6, -6, 6])) == [(1, [0], 0), (-1, [1], 1), (1, [2], 2)]


def test_separate_peaks_are_separate_events():
    assert len(search([6, 0, 6, 0, 6])) == 3


def test_flagged_and_nan_epochs_neither_break_a_run_nor_belong_to_it():
    assert rows_of(search([0, 4, np.nan, 99, 6, 0], usable=[1, 1, 1, 0, 1, 1])) == [(1, [1, 4], 4)]


def test_a_long_step_breaks_a_run():
    time = [0, 1, 2, 10, 11]
    assert len(search([6, 6, 6, 6, 6], time=time, max_gap_days=5)) == 2
    assert len(search([6, 6, 6, 6, 6], time=time)) == 1


def test_gaps_and_ends_are_told():
    found = search([6, 0, 0, 6, 0, 0, 6, 0], time=[0, 1, 2, 3, 4, 5, 20, 21], max_gap_days=5)
    assert [e.touches_gap for e in found] == [True, False, True]


def test_signs_and_least_points():
    snr = [6, 0, -6, -6, 0]
    assert [e.sign for e in search(snr, signs="positive")] == [1]
    assert [e.sign for e in search(snr, signs="negative")] == [-1]
    assert [e.sign for e in search(snr, min_points=2)] == [-1]


def test_only_the_strongest_are_kept_but_written_by_time():
    found = search([5, 0, 9, 0, -7, 0, 6], most=2)
    assert [e.peak for e in found] == [2, 4]


def test_levels_of_the_sideband():
    assert sideband_level(5, -2) == 3
    assert sideband_level(5, 4) == 4
    with pytest.raises(ValueError, match="sideband"):
        search([1.0], sideband=6)


@given(st.lists(st.floats(-10, 10) | st.just(float("nan")), max_size=60), st.randoms())
def test_events_hold_what_they_promise(values, random):
    usable = [random.random() > 0.2 for _ in values]
    snr = np.array(values, float)
    found = search(snr, usable)
    marked = np.zeros(len(snr), int)
    for event in found:
        assert np.all(event.sign * snr[event.rows] >= 3)
        assert event.sign * snr[event.peak] == max(event.sign * snr[event.rows]) >= 5
        assert np.all(np.asarray(usable)[event.rows])
        marked[event.rows] += 1
    assert marked.max(initial=0) <= 1
    strong = np.asarray(usable, bool) & (np.abs(np.nan_to_num(snr)) >= 5)
    assert np.all(marked[strong] == 1)


@given(st.lists(st.floats(-10, 10), max_size=40))
def test_mirrored_fluxes_give_mirrored_events(values):
    one, other = search(values), search([-v for v in values])
    assert rows_of(one) == [(-s, r, p) for s, r, p in rows_of(other)]


def test_the_table_of_events():
    table = find_events([0.0, 1.0, 2.0], [0.0, 6.0, 0.0], [True] * 3)
    assert table.to_dict("records") == [
        {
            "sign": 1,
            "start": 1.0,
            "peak": 1.0,
            "end": 1.0,
            "snr": 6.0,
            "n": 1,
            "first_row": 1,
            "peak_row": 1,
            "last_row": 1,
            "rows": [1],
            "touches_gap": False,
        }
    ]
    assert len(find_events([], [], [])) == 0
