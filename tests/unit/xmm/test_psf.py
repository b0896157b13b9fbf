"""Properties of the point-spread functions, and values known in closed form."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from ephemera.xmm.psf import Gaussian, King, Profile

PROFILES = [King(), King(3.0, 1.2), King(6.0, 2.5), Gaussian(), Gaussian(2.0)]


def solid_angle_fraction(r0: float, size: float, dx: float, dy: float) -> float:
    """For beta = 1.5 the share in a rectangle is the solid angle it fills from height r0, over 2 pi."""
    total = 0.0
    for sx in (-1, 1):
        for sy in (-1, 1):
            x, y = sx * size / 2 - dx, sy * size / 2 - dy
            total += sx * sy * np.arctan(x * y / (r0 * np.sqrt(r0**2 + x**2 + y**2)))
    return total / (2 * np.pi)


@pytest.mark.parametrize("psf", PROFILES)
def test_the_integral_over_the_plane_is_one(psf: Profile):
    value, _ = integrate.quad(lambda u: psf.density(np.expm1(u)) * 2 * np.pi * np.expm1(u) * np.exp(u), 0, 80)
    assert value == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("psf", PROFILES)
@given(fraction=st.floats(0, 0.999999))
def test_the_inverse_undoes_the_encircled_energy(psf: Profile, fraction: float):
    assert psf.encircled_energy(psf.radius_of(fraction)) == pytest.approx(fraction, abs=1e-12)


@pytest.mark.parametrize("psf", PROFILES)
def test_the_encircled_energy_is_the_integral_of_the_density(psf: Profile):
    value, _ = integrate.quad(lambda r: psf.density(r) * 2 * np.pi * r, 0, 12.0)
    assert psf.encircled_energy(12.0) == pytest.approx(value, rel=1e-10)


def test_default_king_values():
    psf = King()
    assert psf.encircled_energy(7.5) == pytest.approx(0.5000, abs=5e-5)
    assert psf.encircled_energy(10) == pytest.approx(0.6027, abs=5e-5)
    assert 2 * psf.radius_of(0.5) == pytest.approx(15, abs=0.01)


def test_share_of_a_twenty_arcsec_pixel():
    assert King().pixel_fraction(20) == pytest.approx(0.6374, abs=5e-5)
    assert Gaussian().pixel_fraction(20) == pytest.approx(0.7776, abs=5e-5)


def test_a_source_on_a_pixel_corner_gives_four_equal_shares():
    assert Gaussian().pixel_fraction(20, 10, 10) == pytest.approx(0.2491, abs=5e-5)
    assert King().pixel_fraction(20, 10, 10) == pytest.approx(0.2022, abs=5e-5)
    shares = King().pixel_fraction(20, [10, -10, 10, -10], [10, 10, -10, -10])
    np.testing.assert_allclose(shares, shares[0], rtol=1e-12)


@given(
    size=st.floats(1, 100),
    dx=st.floats(-60, 60),
    dy=st.floats(-60, 60),
    r0=st.floats(1, 10),
)
def test_the_pixel_share_equals_the_closed_form(size: float, dx: float, dy: float, r0: float):
    share = King(r0).pixel_fraction(size, dx, dy)
    assert share == pytest.approx(solid_angle_fraction(r0, size, dx, dy), abs=1e-6)


@pytest.mark.parametrize("psf", PROFILES)
def test_pixels_that_tile_the_plane_share_all_photons(psf: Profile):
    whole = psf.pixel_fraction(300, 3.0, -7.0)
    centres = 20.0 * np.arange(15) - 140
    x, y = np.meshgrid(centres, centres)
    assert psf.pixel_fraction(20, 3.0 - x, -7.0 - y).sum() == pytest.approx(float(whole), abs=1e-6)


def test_drawn_offsets_follow_the_encircled_energy():
    dx, dy = King().offsets(np.random.default_rng(5), 200_000)
    radius = np.hypot(dx, dy)
    for limit in (2.0, 7.5, 10.0, 60.0):
        expected = float(King().encircled_energy(limit))
        assert np.mean(radius < limit) == pytest.approx(expected, abs=5 * np.sqrt(0.25 / len(radius)))
    inside = np.mean((np.abs(dx) < 10) & (np.abs(dy) < 10))
    assert inside == pytest.approx(float(King().pixel_fraction(20)), abs=0.006)
    assert abs(np.median(dx)) < 0.1


def test_the_same_seed_draws_the_same_offsets():
    first, second = (King().offsets(np.random.default_rng(3), 10) for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(("kind", "value"), [("r0", 0.0), ("r0", np.nan), ("beta", 1.0), ("beta", np.inf)])
def test_a_profile_without_a_finite_integral_is_refused(kind: str, value: float):
    with pytest.raises(ValueError, match=kind):
        King(**{kind: value})


def test_sizes_must_be_positive():
    with pytest.raises(ValueError, match="sigma"):
        Gaussian(-1)
    with pytest.raises(ValueError, match="size"):
        King().pixel_fraction(0)
