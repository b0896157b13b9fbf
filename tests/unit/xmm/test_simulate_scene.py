"""What a scene is made of: burst shapes, shares of the cameras, reproducible random numbers."""

from __future__ import annotations

import numpy as np
import pytest

from ephemera.seeds import generator
from ephemera.xmm.observation import EPIC, Camera
from ephemera.xmm.simulate_scene import (
    Exposure,
    Pointing,
    burst_times,
    camera_share,
    default_exposures,
    field_sources,
)


def test_random_numbers_depend_on_seed_and_names_alone():
    first = generator(1, "0800000101", "PN").random(3)
    np.testing.assert_array_equal(first, generator(1, "0800000101", "PN").random(3))
    for other in (generator(2, "0800000101", "PN"), generator(1, "0800000101", "M1"), generator(1)):
        assert not np.array_equal(first, other.random(3))


def test_a_box_burst_is_flat_within_its_interval():
    time = burst_times(generator(0), "box", 100.0, 25.0, 40_000)
    assert time.min() >= 100
    assert time.max() < 125
    assert np.mean(time < 105) == pytest.approx(0.2, abs=0.01)


def test_a_gaussian_burst_is_centred():
    time = burst_times(generator(0), "gaussian", 100.0, 40.0, 40_000)
    assert time.mean() == pytest.approx(120, abs=0.3)
    assert time.std() == pytest.approx(10, abs=0.2)


def test_a_fred_rises_fast_and_decays_slowly():
    time = burst_times(generator(0), "fred", 0.0, 100.0, 100_000)
    assert time.min() >= 0
    assert np.mean(time < 10) == pytest.approx(5 / 25, abs=0.01)
    late = time[time > 10] - 10
    assert late.mean() == pytest.approx(20, abs=0.4)
    counts, _ = np.histogram(time, np.arange(0, 30, 2))
    assert counts.argmax() in (4, 5)  # the peak ends the rise, at 10 s


def test_impossible_bursts_are_refused():
    with pytest.raises(ValueError, match="duration must be a positive"):
        burst_times(generator(0), "box", 0.0, 0.0, 5)
    with pytest.raises(ValueError, match="shape must be"):
        burst_times(generator(0), "saw", 0.0, 1.0, 5)  # type: ignore[arg-type]


def test_shares_of_the_cameras_present_add_to_one():
    for cameras in (list(EPIC), [Camera.M1, Camera.M2], [Camera.PN]):
        exposures = [Exposure(camera, "S001") for camera in cameras]
        assert sum(camera_share(exposures, camera) for camera in cameras) == pytest.approx(1)
    twice = [Exposure(Camera.M1, "S001"), Exposure(Camera.M1, "U002")]
    assert camera_share(twice, Camera.M1) == 1


def test_default_exposures_have_the_pn_inside_the_mos():
    pn, m1, m2 = default_exposures(list(EPIC), 45000.0, 3000)
    assert (pn.early, pn.late) == (0, 0)
    assert min(m1.early, m1.late, m2.early, m2.late) > 100
    assert m1.lost_ccds == (3, 6)
    assert default_exposures([Camera.M1], 45000.0, 1500)[0].lost_ccds == (6,)
    assert default_exposures([Camera.M1], 45000.0, 100)[0].lost_ccds == ()


def test_revolutions_give_their_epoch():
    day = 86400
    assert Pointing(revolution=184).start == pytest.approx(92870729, abs=day)
    assert Pointing(revolution=3829).start == pytest.approx(7.2096e8, abs=3 * day)


def test_field_sources_follow_their_number_counts():
    sources = field_sources(generator(4), 4000)
    rates = np.array([s.rate for s in sources])
    assert rates.min() >= 0.0015
    assert rates.max() <= 0.3
    assert np.mean(rates > 0.003) == pytest.approx(0.5, abs=0.03)
    assert 0 < sum(s.extent > 0 for s in sources) < 200
    assert np.hypot([s.x - 25921 for s in sources], [s.y - 25921 for s in sources]).max() <= 16000
