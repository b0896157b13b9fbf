"""Drift paths of the Taylor tree."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.cosmic.drift import drift_path, line_end
from ephemera.cosmic.metadata import rounded_steps, step_hz_s


@pytest.mark.parametrize(
    ("drift", "steps", "path"),
    [
        (3, 16, "0 0 0 0 1 1 1 1 2 2 2 2 3 3 3 3"),
        (20, 16, "0 1 3 4 5 6 8 9 11 12 14 15 16 17 19 20"),
        (36, 16, "0 2 5 7 10 12 15 17 19 21 24 26 29 31 34 36"),
        (5, 6, "0 1 1 2 3 4"),
        (-5, 6, "0 -1 -1 -2 -3 -4"),
        (7, 1, "0"),
        (7, 2, "0 7"),
        (-7, 2, "0 -7"),
    ],
)
def test_known_paths(drift, steps, path):
    assert " ".join(map(str, drift_path(drift, steps))) == path


@given(drift=st.integers(-300, 300), power=st.integers(1, 7))
def test_a_path_ends_at_its_drift_and_stays_near_the_line(drift, power):
    steps = 1 << power
    path = drift_path(drift, steps)
    assert path[0] == 0
    assert path[-1] == drift
    line = np.arange(steps) * drift / (steps - 1)
    assert np.abs(path - line).max() <= power
    assert np.all(np.diff(path) * np.sign(drift) >= 0)


@given(drift=st.integers(0, 300), steps=st.integers(1, 100))
def test_other_numbers_of_steps_begin_the_path_of_the_next_power_of_two(drift, steps):
    whole = drift_path(drift, rounded_steps(steps))
    np.testing.assert_array_equal(drift_path(drift, steps), whole[:steps])
    np.testing.assert_array_equal(drift_path(-drift, steps), -whole[:steps])


def test_no_steps_no_path():
    with pytest.raises(ValueError, match="at least one"):
        drift_path(3, 0)


@pytest.mark.parametrize(("steps", "rounded"), [(1, 1), (2, 2), (3, 4), (16, 16), (17, 32), (64, 64)])
def test_steps_round_up_to_a_power_of_two(steps, rounded):
    assert rounded_steps(steps) == rounded
    assert rounded_steps(np.array([steps, np.nan])).tolist() == [rounded, 1]


def test_the_line_on_figures_ends_before_the_drift_when_steps_are_no_power_of_two():
    assert line_end(5, 6) == pytest.approx(5 * 5 / 7)
    assert line_end(36, 16) == 36


@pytest.mark.real_data
def test_the_detector_s_drift_rates_have_the_sign_of_their_steps(shared_data):
    """GBT hits: 10 steps are -0.10204 Hz/s and -8 steps +0.08163 Hz/s, so foff is negative."""
    text = (shared_data / "cosmic/seticore-golden-hits.txt").read_text()
    assert "0.10204" in text
    assert "0.08163" in text
    step = step_hz_s(-2.7939677238464355e-06, 18.253611008, 16)
    assert 10 * step == pytest.approx(-0.10204, abs=1e-5)
    assert -8 * step == pytest.approx(0.08163, abs=1e-5)


def test_one_step_of_the_tutorial():
    assert step_hz_s(1.9073486328125e-06, 0.524288, 16) == pytest.approx(0.2425, abs=1e-4)
