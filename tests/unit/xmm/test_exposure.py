import numpy as np
import pytest

from builders.event_lists import events, header, subset
from ephemera.xmm.exposure import any_exposure, exposed_seconds, missing_time, silences
from ephemera.xmm.observation import Camera


def test_seconds_of_each_ccd():
    own = header(good_time={1: [[0, 50]], 4: [[10, 20], [25, 100]]})
    seconds = exposed_seconds(own, np.array([0.0, 20, 40, 100]))
    np.testing.assert_allclose(seconds, [[20, 20, 10], [10, 15, 60]])


def test_without_good_time_a_list_is_exposed_from_start_to_stop():
    seconds = exposed_seconds(header(start=5, stop=30), np.array([0.0, 20, 40]))
    np.testing.assert_allclose(seconds, [[15, 10]])


def test_any_exposure_stays_inside_the_span():
    a = header(Camera.PN, good_time={1: [[0, 50]], 2: [[40, 60]]})
    b = header(Camera.M1, good_time={1: [[80, 200]]})
    both = subset([a, b], events([]), 10, 100)
    assert any_exposure(both).tolist() == [[10, 60], [80, 100]]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ([[0, 100]], []),
        ([[0, 40], [42, 100]], []),
        ([[0, 40], [46, 100]], [[40, 46]]),
        ([[1, 100]], []),
        ([[10, 100]], [[0, 10]]),
        ([[0, 90]], [[90, 100]]),
    ],
)
def test_missing_time_is_longer_than_two_frames(own, expected):
    both = header(frame_time=2.6, good_time={1: own, 2: [[0, 100]]})
    assert missing_time(both, 1).tolist() == expected


def test_what_no_ccd_has_is_not_missing():
    """After a flare cut one CCD may come back a frame later than the others."""
    cut = header(frame_time=2.6, good_time={1: [[0, 100], [202.6, 300]], 2: [[0, 100], [200, 300]]})
    assert missing_time(cut, 1).shape == (0, 2)
    assert missing_time(cut, 2).shape == (0, 2)


def test_a_long_silence_is_a_gap_and_chance_is_not():
    rng = np.random.default_rng(0)
    times = np.sort(rng.uniform(0, 1e5, 5000))
    assert not len(silences(times, 0, 1e5))
    jumped = np.concatenate([times, times + 2e5])
    ((start, stop),) = silences(jumped, 0, 3e5)
    assert (start, stop) == (times[-1], times[0] + 2e5)


def test_quiet_time_after_a_flare_is_no_gap():
    rng = np.random.default_rng(1)
    times = np.sort(np.concatenate([rng.uniform(0, 1000, 50_000), rng.uniform(1000, 50_000, 10_000)]))
    assert not len(silences(times, 0, 50_000))


def test_few_events_have_no_gaps():
    assert silences(np.array([5.0]), 0, 1e6).shape == (0, 2)
    assert silences(np.empty(0), 0, 1e6).shape == (0, 2)
