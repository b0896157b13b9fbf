import numpy as np
import pytest

from builders.event_lists import header
from ephemera.xmm.exposure import exposed_seconds
from ephemera.xmm.observation import Camera
from ephemera.xmm.partial_ccd import (
    counts_by_ccd,
    frames_with_silent_camera,
    frames_with_silent_ccd,
    frames_with_weak_quadrant,
    frames_without_ccd,
)

EDGES = 5.0 * np.arange(21)


def off(good_time, **changes):
    own = header(good_time=good_time, **changes)
    return np.flatnonzero(frames_without_ccd(own, exposed_seconds(own, EDGES), EDGES)).tolist()


def test_a_ccd_that_goes_off_for_a_while():
    others = {ccd: [[0, 100]] for ccd in range(1, 7)}
    assert off(others | {7: [[0, 40], [62, 100]]}) == [8, 9, 10, 11]
    assert off(others | {7: [[0, 38], [62, 100]]}) == [8, 9, 10, 11]
    assert off(others | {7: [[0, 37], [63, 100]]}) == [7, 8, 9, 10, 11, 12]


@pytest.mark.parametrize(("gap", "expected"), [(2.6, []), (5.2, []), (6.0, [8])])
def test_lost_readouts_are_no_ccd_that_is_off(gap, expected):
    others = {ccd: [[0, 100]] for ccd in range(1, 7)}
    assert off(others | {7: [[0, 40], [40 + gap, 100]]}, frame_time=2.6) == expected


def test_what_all_ccds_miss_is_no_partial_exposure():
    assert off({ccd: [[0, 33 + 0.01 * ccd], [61, 100]] for ccd in range(1, 8)}) == []


def test_counts_have_zeros_for_ccds_without_events():
    counts = counts_by_ccd(np.array([0, 0, 2]), np.array([12, 12, 3], np.uint8), 3)
    assert counts.shape == (3, 13)
    assert counts[0, 12] == 2
    assert counts[2, 3] == 1
    assert counts.sum() == 3


def test_silence_needs_ten_expected_counts():
    counts = np.zeros((40, 13), int)
    counts[:, 1:4] = 10
    counts[5, 3] = 0
    counts[6] = 0
    counts[6, 1:3] = 1
    assert np.flatnonzero(frames_with_silent_ccd(counts, (1, 2, 3))).tolist() == []
    counts[:, 1:4] *= 2
    assert np.flatnonzero(frames_with_silent_ccd(counts, (1, 2, 3))).tolist() == [5]
    assert not frames_with_silent_ccd(counts, (1, 2)).any()


def test_ccds_numbered_beyond_those_of_epic_count_together():
    counts = counts_by_ccd(np.zeros(40, int), np.array([20, 35] * 20, np.uint8), 2)
    assert counts[0, 12] == 40
    assert not frames_with_silent_ccd(counts, (20, 35))[0]


def test_chance_zeros_of_faint_cameras_are_no_gaps():
    rng = np.random.default_rng(0)
    counts = np.zeros((9000, 13), int)
    counts[:, 1:8] = rng.poisson(0.7, (9000, 7))
    assert (counts.sum(axis=1) == 0).any()
    assert not frames_with_silent_ccd(counts, tuple(range(1, 8))).any()
    own, others = rng.poisson(5, 9000), rng.poisson(5, 9000)
    assert (own == 0).any()
    assert not frames_with_silent_camera(own, others).any()


def test_a_camera_is_silent_where_the_others_are_not():
    own, others = np.full(100, 12), np.full(100, 30)
    own[[20, 21]] = 0
    others[21] = 5
    assert np.flatnonzero(frames_with_silent_camera(own, others)).tolist() == [20]
    assert not frames_with_silent_camera(own, np.zeros(100, int)).any()


@pytest.mark.parametrize(
    ("quadrants", "expected"),
    [
        ([10, 10, 10, 10], False),
        ([30, 30, 30, 10], False),
        ([31, 30, 30, 10], True),
        ([31, 30, 30, 0], True),
        ([4, 1, 1, 1], True),
        ([3, 0, 0, 0], False),
        ([0, 0, 0, 0], False),
    ],
)
def test_a_weak_quadrant_is_three_times_fainter(quadrants, expected):
    counts = np.zeros((1, 13), int)
    counts[0, 1:] = np.repeat(quadrants, 3)
    every = tuple(range(1, 13))
    assert frames_with_weak_quadrant(counts, every, Camera.PN).tolist() == [expected]
    assert frames_with_weak_quadrant(counts, every, Camera.M1).tolist() == [False]


def test_one_bright_ccd_does_not_make_a_quadrant_bright():
    counts = np.full((1, 13), 10)
    counts[0, 4] = 500
    assert not frames_with_weak_quadrant(counts, tuple(range(1, 13)), Camera.PN).any()


@pytest.mark.parametrize("lost", [(1,), (10, 11), (7, 8, 9), (1, 2, 3, 4, 5, 6, 7, 8, 9)])
def test_what_is_lost_for_the_whole_exposure_makes_no_frame_bad(lost):
    counts = np.full((5, 13), 40)
    counts[:, list(lost)] = 0
    kept = tuple(ccd for ccd in range(1, 13) if ccd not in lost)
    assert not frames_with_weak_quadrant(counts, kept, Camera.PN).any()
