"""Unit vectors, and angles between them of any size."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import angular_separation
from hypothesis import given
from hypothesis import strategies as st

from ephemera.sky.sphere import angle_arcsec, chord, positions, separation_arcsec, unit_vectors

right_ascensions = st.floats(-720, 720)
declinations = st.floats(-90, 90)


@given(right_ascensions, declinations)
def test_there_and_back(ra, dec):
    vector = unit_vectors(ra, dec)
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-15)
    ra_back, dec_back = positions(7 * vector)
    assert 0 <= ra_back < 360
    assert separation_arcsec(ra, dec, ra_back, dec_back) < 1e-8


def test_chord_of_20_arcsec():
    assert chord(20.0) == pytest.approx(9.6962736e-5, rel=1e-8)
    assert angle_arcsec(chord(20.0)) == pytest.approx(20.0, rel=1e-12)
    assert angle_arcsec(2.0000001) == pytest.approx(180 * 3600)
    angles = np.array([0.0, 1e-6, 0.1, 30.0, 3600.0, 180 * 3600.0])
    assert angle_arcsec(chord(angles)) == pytest.approx(angles, rel=1e-9, abs=1e-9)


@given(right_ascensions, declinations, right_ascensions, declinations)
def test_separations_equal_astropy(ra1, dec1, ra2, dec2):
    expected = angular_separation(*(np.radians([ra1, dec1, ra2, dec2]))) * u.rad
    assert separation_arcsec(ra1, dec1, ra2, dec2) == pytest.approx(expected.to_value("arcsec"), abs=1e-8)


def test_small_and_antipodal_separations_are_exact():
    assert separation_arcsec(10.0, 0.0, 10.0 + 1e-9, 0.0) == pytest.approx(3.6e-6, rel=1e-5)
    assert separation_arcsec(0.0, 90.0, 123.0, -90.0) == pytest.approx(180 * 3600)
    assert separation_arcsec([359.9999, 10.0], [0.0, 0.0], 0.0001, 0.0)[0] == pytest.approx(0.72, rel=1e-6)


@pytest.mark.parametrize(
    ("ra", "dec", "message"),
    [
        ([np.nan], [0.0], "ra_deg must be finite, got nan"),
        ([0.0, 1.0], [0.0, 90.5], r"dec_deg must be in \[-90, 90\], got 90.5 among 2"),
        ([0.0], [np.nan], "dec_deg"),
        ([0.0, 1.0], [0.0], "one shape"),
    ],
)
def test_what_is_no_position(ra, dec, message):
    with pytest.raises(ValueError, match=message):
        unit_vectors(ra, dec)
