"""The model of separations: normalised, and fitted to what was drawn from it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from ephemera.sky.separations import density, expected_counts, fit_separations

R = 20.0


def drawn(n, sigma, fraction, seed=1):
    """Separations of `n` sources, true ones by Rayleigh within R, others even over the circle."""
    random = np.random.default_rng(seed)
    n_true = int(n * fraction)
    error = np.broadcast_to(sigma, n)[:n_true]
    true = error * np.sqrt(-2 * np.log1p(-random.random(n_true) * -np.expm1(-(R**2) / (2 * error**2))))
    return np.concatenate([true, R * np.sqrt(random.random(n - n_true))])


@pytest.mark.parametrize(("sigma", "fraction"), [(1.5, 0.9), (5.0, 0.3), (100.0, 1.0)])
def test_the_density_is_normalised_and_the_counts_are_its_integral(sigma, fraction):
    r = np.linspace(0, R, 200_001)
    assert np.trapezoid(density(r, R, sigma, fraction), r) == pytest.approx(1, rel=1e-6)
    edges = np.array([0.0, 2.0, 7.0, R])
    parts = [
        np.trapezoid(density(x, R, sigma, fraction), x)
        for x in (np.linspace(a, b, 100_001) for a, b in pairwise(edges))
    ]
    counts = expected_counts(edges, R, sigma, fraction, 50)
    np.testing.assert_allclose(counts, 50 * np.array(parts), rtol=1e-6)


@pytest.mark.parametrize(("sigma", "fraction"), [(1.5, 0.9), (3.0, 0.6)])
def test_sigma_and_share_come_back_within_their_errors(sigma, fraction):
    fit = fit_separations(drawn(4000, sigma, fraction), R)
    assert abs(fit.scale - sigma) < 4 * fit.scale_err
    assert abs(fit.fraction - fraction) < 4 * fit.fraction_err
    assert 0 < fit.scale_err < 0.1 * sigma


def test_stated_errors_are_scaled():
    stated = np.random.default_rng(2).uniform(0.5, 3.0, 4000)
    fit = fit_separations(drawn(4000, 1.4 * stated, 0.8), R, stated)
    assert abs(fit.scale - 1.4) < 4 * fit.scale_err


def test_few_separations_are_not_fitted_and_those_beyond_the_radius_do_not_count():
    assert fit_separations(np.ones(9), R) is None
    assert fit_separations(np.full(50, 21.0), R) is None
    assert fit_separations([], R) is None
