import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.survey.quality import QualityColumn, centroid_score, judge, offset_score
from survey_data import made_up

RNG = np.random.default_rng(5)
EAST, NORTH = RNG.normal(scale=1e-4, size=(2, 60))
GOOD = RNG.random(60) > 0.2


@given(st.floats(0, 360))
def test_no_right_ascension_is_special(ra):
    away = np.mod(ra + EAST, 360)
    assert offset_score(away, NORTH, GOOD) == pytest.approx(offset_score(180 + EAST, NORTH, GOOD), abs=1e-4)


def test_score_by_hand():
    ra, dec = np.array([10.0, 10.0, 10.0, 10.0]), np.array([0.0, 1.0, 2.0, 10.0])
    # Median 1.5: offsets 1.5, 0.5, 0.5, 8.5; median 1; deviations 0.5, 0.5, 0.5, 7.5; MAD 0.5.
    assert offset_score(ra, dec, [True] * 4) == pytest.approx([1.0, -1.0, -1.0, 15.0])


def test_equal_positions_score_zero_and_missing_ones_nothing():
    score = centroid_score([1.0, 1.0, 1.0, np.nan], [2.0, 2.0, 2.0, 2.0], [True] * 4)
    assert score[:3].tolist() == [0.0, 0.0, 0.0]
    assert np.isnan(score[3])
    assert np.isnan(centroid_score([1.0], [1.0], [False])).all()


def test_the_arrays_given_are_not_altered():
    ra, dec = EAST + 359.99, NORTH.copy()
    before = ra.copy(), dec.copy()
    offset_score(ra, dec, GOOD)
    assert np.array_equal(ra, before[0])
    assert np.array_equal(dec, before[1])


def test_one_and_two_sided_columns():
    values = np.array([-9.0, 0.0, 9.0, np.nan])
    assert QualityColumn(values, 5, two_sided=True).failed.tolist() == [True, False, True, True]
    one = QualityColumn(values, 5, two_sided=False)
    assert one.failed.tolist() == [False, False, True, True]
    assert one.worst(np.array([0, 1])) == 0.0
    assert QualityColumn(values, 5, two_sided=True).worst(np.array([0, 1])) == 9.0


def test_without_positions_there_is_no_offset_and_no_flag():
    scores = judge(made_up())
    assert "offset" not in scores.quality
    assert np.isnan(scores.offset).all()
    assert not scores.qflag.any()


def test_nothing_is_remembered_between_calls():
    curve = made_up(x=EAST, y=NORTH, position="pixel", n=60)
    first = judge(curve)
    judge(made_up(60, seed=9, x=EAST * 50, y=NORTH, position="pixel"))
    again = judge(curve)
    assert np.array_equal(first.snr, again.snr)
    assert np.array_equal(first.offset, again.offset)


def test_flags_of_survey_and_offset_join():
    bad = np.zeros(60, bool)
    bad[3] = True
    x = EAST.copy()
    x[7] = 1.0
    scores = judge(made_up(60, x=x, y=NORTH, position="pixel", bad=bad))
    assert scores.qflag[[3, 7]].all()
    assert scores.mean == pytest.approx(100, abs=0.5)
