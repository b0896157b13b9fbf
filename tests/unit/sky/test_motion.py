"""Stars that move: by hand, over the pole, and as astropy says."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st

from ephemera.sky.motion import mjd_of_julian_year, moved
from ephemera.sky.sphere import separation_arcsec


def test_a_second_of_arc_a_year_by_hand():
    ra, dec = moved(10.0, 60.0, 1000.0, 0.0, 3.6)
    assert ra == pytest.approx(10.0 + 3.6 / 3600 / np.cos(np.radians(60)), abs=1e-9)
    assert dec == pytest.approx(60.0, abs=1e-7)
    assert moved(359.9999, 0.0, 1000.0, -500.0, 7.2) == pytest.approx((0.0019, -0.001), abs=1e-9)


def test_a_star_crosses_the_pole_and_goes_on_on_the_other_side():
    ra, dec = moved(30.0, 90 - 10 / 3600, 0.0, 1000.0, 25.0)
    assert (float(ra), float(dec)) == pytest.approx((210.0, 90 - 15 / 3600), abs=1e-6)


def test_missing_motions_and_years_move_nothing():
    ra, dec = moved(
        [1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [np.nan, 1e4, 0.0], [np.nan, 1e4, 0.0], [9.0, np.nan, 9.0]
    )
    np.testing.assert_allclose(ra, [1.0, 2.0, 3.0], rtol=1e-14)
    np.testing.assert_allclose(dec, [4.0, 5.0, 6.0], rtol=1e-14)


@given(st.floats(0, 360), st.floats(-89.9, 89.9), st.floats(-5000, 5000), st.floats(-5000, 5000))
def test_it_is_where_astropy_puts_it(ra, dec, pm_ra, pm_dec):
    start = SkyCoord(
        ra * u.deg, dec * u.deg, pm_ra_cosdec=pm_ra * u.mas / u.yr, pm_dec=pm_dec * u.mas / u.yr,
        distance=10 * u.pc, obstime=Time("J2000"),
    )  # fmt: skip
    there = start.apply_space_motion(Time("J2020"))
    away = separation_arcsec(*moved(ra, dec, pm_ra, pm_dec, 20.0), there.ra.deg, there.dec.deg)
    assert away < 1e-3


def test_julian_years():
    assert (mjd_of_julian_year(2000.0), mjd_of_julian_year(2016.0)) == (51544.5, 57388.5)
