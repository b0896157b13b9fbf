from __future__ import annotations

import math

import numpy as np
import pytest

from ephemera.xmm.detection_curve import DetectionCurve, fit_curve


def sample(n, middle, width, plateau, seed=0):
    rng = np.random.default_rng(seed)
    fluence = np.exp(rng.uniform(np.log(3), np.log(500), n))
    share = plateau / (1 + np.exp(-(np.log(fluence) - middle) / width))
    return fluence, rng.random(n) < share


def test_levels_by_hand():
    curve = DetectionCurve(math.log(40.0), 0.25, 1.0, np.zeros((3, 3)), (1.0, 1000.0))
    assert curve.level(0.5).fluence == pytest.approx(40.0)
    assert curve.level(0.9).fluence == pytest.approx(40.0 * 9**0.25)
    assert curve.share([40.0]) == pytest.approx([0.5])
    low = DetectionCurve(math.log(40.0), 0.25, 0.8, np.zeros((3, 3)), (1.0, 1000.0))
    assert math.isnan(low.level(0.9).fluence)
    assert low.level(0.5).fluence == pytest.approx(40.0 * (0.5 / 0.3) ** 0.25)


@pytest.mark.parametrize("plateau", [1.0, 0.8])
def test_a_fit_finds_what_was_drawn_within_its_errors(plateau):
    pulls = []
    for seed in range(30):
        fluence, found = sample(600, math.log(40.0), 0.3, plateau, seed)
        curve = fit_curve(fluence, found)
        level = curve.level(0.5)
        truth = math.log(40.0) + 0.3 * math.log(0.5 / (plateau - 0.5))
        error = 0.5 * math.log(level.high / level.low)
        pulls.append((math.log(level.fluence) - truth) / error)
    assert abs(np.mean(pulls)) < 0.6
    assert 0.6 < np.std(pulls) < 1.5


def test_clean_separation_has_a_fit_and_too_little_has_none():
    fluence = np.geomspace(5, 500, 40)
    curve = fit_curve(fluence, fluence > 50)
    assert curve.level(0.5).fluence == pytest.approx(50, rel=0.1)
    assert fit_curve(fluence, np.ones(40, bool)) is None
    assert fit_curve(fluence[:5], fluence[:5] > 6) is None


def test_a_level_outside_what_was_sampled_is_none():
    fluence, found = sample(300, math.log(40.0), 0.3, 1.0)
    few = fluence < 45
    curve = fit_curve(fluence[few], found[few])
    assert curve is None or math.isnan(curve.level(0.9).fluence)


def test_derivatives_are_those_of_the_curve():
    from ephemera.xmm.detection_curve import _share

    x, theta = np.linspace(0, 6, 20), np.array([3.0, -1.0, 1.5])
    _, slopes = _share(theta, x)
    for k, step in enumerate(np.eye(3) * 1e-6):
        numeric = (_share(theta + step, x)[0] - _share(theta - step, x)[0]) / 2e-6
        assert slopes[k] == pytest.approx(numeric, abs=1e-8)
