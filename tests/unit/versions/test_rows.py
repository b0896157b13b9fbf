"""Rows of two tables that are the same thing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.versions.rows import Places, match

NAN = float("nan")


def places(*rows, names=None):
    ra, dec, start, stop = (
        (np.array(column, float) for column in zip(*rows, strict=True)) if rows else (np.empty(0),) * 4
    )
    identifiers = [np.array(names, object)] if names else []
    return Places(ra, dec, start, stop, identifiers)


def pairs(found):
    return list(zip(found.in_a.tolist(), found.in_b.tolist(), strict=True))


def test_near_rows_match_and_far_ones_do_not():
    a = places((10, 0, 5, 5), (20, 0, 5, 5))
    b = places((20 + 15 / 3600, 0, 5, 5), (10, 25 / 3600, 5, 5))
    found = match(a, b, 20, 0.01)
    assert pairs(found) == [(1, 0)]
    assert found.separation == pytest.approx([15], abs=1e-6)
    assert found.only_a.tolist() == [0]
    assert found.only_b.tolist() == [1]


def test_the_same_place_at_another_time_is_another_thing():
    a, b = places((10, 0, 5, 5)), places((10, 0, 5.02, 5.02))
    assert pairs(match(a, b, 20, 0.01)) == []
    assert pairs(match(a, b, 20, 0.03)) == [(0, 0)]


def test_ranges_of_time_match_when_they_overlap_or_nearly_do():
    a = places((10, 0, 5, 9))
    for start, stop, same in (
        (8, 12, True),
        (9.005, 12, True),
        (9.02, 12, False),
        (0, 20, True),
        (1, 4, False),
    ):
        assert bool(pairs(match(a, places((10, 0, start, stop)), 20, 0.01))) is same, (start, stop)


def test_an_unknown_time_meets_any():
    assert pairs(match(places((10, 0, NAN, NAN)), places((10, 0, 5, 5)), 20, 0)) == [(0, 0)]


def test_a_row_without_a_position_meets_only_others_without():
    a, b = places((NAN, NAN, 5, 5), (10, 0, 5, 5)), places((10, 0, 5, 5), (NAN, NAN, 5, 5))
    assert pairs(match(a, b, 20, 0)) == [(0, 1), (1, 0)]


def test_each_row_is_used_once_and_the_nearest_first():
    a = places((10, 0, 5, 5), (10, 10 / 3600, 5, 5))
    b = places((10, 9 / 3600, 5, 5))
    found = match(a, b, 20, 0.01)
    assert pairs(found) == [(1, 0)]
    assert found.only_a.tolist() == [0]


def test_equal_identifiers_come_before_the_nearest():
    a = places((10, 0, 5, 5), (10, 1 / 3600, 5, 5), names=["x", "y"])
    b = places((10, 1 / 3600, 5, 5), (10, 0, 5, 5), names=["x", "y"])
    assert pairs(match(a, b, 20, 0.01)) == [(0, 0), (1, 1)]


def test_the_pole_and_the_beginning_of_right_ascension_are_not_special():
    a = places((0.0001, 0, 5, 5), (10, 89.9999, 5, 5))
    b = places((359.9999, 0, 5, 5), (190, 89.9999, 5, 5))
    assert pairs(match(a, b, 20, 0)) == [(0, 0), (1, 1)]


@pytest.mark.parametrize(("radius", "tolerance"), [(-1, 0), (1, -1), (NAN, 0), (0, NAN)])
def test_negative_limits_are_refused(radius, tolerance):
    with pytest.raises(ValueError, match="zero or more"):
        match(places(), places(), radius, tolerance)


rows = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.001, 0.01, 180.0]), st.sampled_from([-90.0, 0.0, 0.003]), st.integers(0, 2)
    ),
    max_size=8,
)


@given(rows, rows)
def test_every_row_is_in_one_pair_or_left_over(first, second):
    a, b = (places(*((r, d, t, t) for r, d, t in part)) for part in (first, second))
    found = match(a, b, 20, 0.5)
    assert sorted([*found.in_a, *found.only_a]) == list(range(len(first)))
    assert sorted([*found.in_b, *found.only_b]) == list(range(len(second)))
    back = match(b, a, 20, 0.5)
    assert len(back.in_a) == len(found.in_a)


@given(rows)
def test_a_table_matches_itself_row_by_row(part):
    a = places(*((r, d, t, t) for r, d, t in part))
    found = match(a, a, 20, 0.5)
    assert len(found.in_a) == len(part)
    assert (found.separation < 1e-3).all()
