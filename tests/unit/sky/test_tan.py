"""Tangent plane: against astropy, against published positions, and at the awkward places."""

import warnings

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from ephemera.sky.tan import REFERENCE_PIXEL, SCALE_DEG, Plane, to_plane, to_sky, wrap_degrees

#: Observation 0124710801.
COMA = (195.361708333333, 27.7594166666667)

references = st.tuples(st.floats(0, 360, exclude_max=True), st.floats(-90, 90))
coordinates = st.floats(1, 51840)


def header_wcs(ra0, dec0):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [ra0, dec0]
    wcs.wcs.crpix = [REFERENCE_PIXEL, REFERENCE_PIXEL]
    wcs.wcs.cdelt = [-SCALE_DEG, SCALE_DEG]
    return wcs


@pytest.mark.parametrize(
    ("x", "y", "ra", "dec"),
    [
        (17086.8, 27578.83, 195.5003923, 27.7823729),
        (17000.5, 27400.5, 195.5017438, 27.7798947),
        (17300.5, 27400.5, 195.4970344, 27.7798994),
        (25921.0, 25921.0, 195.361708333333, 27.7594166666667),
    ],
)
def test_known_positions(x, y, ra, dec):
    found = to_sky(x, y, *COMA)
    np.testing.assert_allclose(found, (ra, dec), atol=6e-8)
    np.testing.assert_allclose(to_plane(*found, *COMA), (x, y), atol=1e-6)


@given(reference=references, x=coordinates, y=coordinates)
def test_there_and_back(reference, x, y):
    ra, dec = to_sky(x, y, *reference)
    assert 0 <= ra < 360
    assert -90 <= dec <= 90
    np.testing.assert_allclose(to_plane(ra, dec, *reference), (x, y), atol=1e-5)


@given(reference=references, x=coordinates, y=coordinates)
def test_equals_astropy(reference, x, y):
    expected = header_wcs(*reference).all_pix2world([[x, y]], 1)[0]
    ra, dec = to_sky(x, y, *reference)
    assert abs(dec - expected[1]) < 1e-9
    across = (ra - expected[0] + 180) % 360 - 180
    assert abs(across) * np.cos(np.radians(dec)) < 1e-9


def test_east_is_to_the_left_and_north_up():
    (east, _), (_, north) = to_sky(25821.0, 25921.0, 10.0, 0.0), to_sky(25921.0, 26021.0, 10.0, 0.0)
    assert (east - 10.0) * 3600 == pytest.approx(5.0, rel=1e-6)
    assert north * 3600 == pytest.approx(5.0, rel=1e-6)


def test_right_ascension_0_and_the_poles():
    ra, _ = to_sky([25821.0, 26021.0], 25921.0, 0.0, 0.0)
    np.testing.assert_allclose(ra, [5 / 3600, 360 - 5 / 3600], atol=1e-9)
    ra, dec = to_sky(25921.0, [25921.0 - 100, 25921.0 + 100], 30.0, 90.0)
    np.testing.assert_allclose(ra, [30.0, 210.0], atol=1e-9)
    np.testing.assert_allclose(90 - dec, 5 / 3600, atol=1e-9)


def test_arrays_broadcast_and_nan_stays():
    ra, dec = to_sky(np.array([1.0, 2.0, np.nan]), 5.0, *COMA)
    assert ra.shape == dec.shape == (3,)
    assert np.isnan([ra[2], dec[2]]).all()
    assert np.isfinite([ra[:2], dec[:2]]).all()
    assert to_sky(np.empty(0), np.empty(0), *COMA)[0].shape == (0,)


def test_positions_behind_the_plane_have_no_image():
    x, y = to_plane([10.0, 190.0, 100.0, 99.0], [0.0, 0.0, 0.0, 0.0], 10.0, 0.0)
    assert np.isnan([x[1:3], y[1:3]]).all()
    assert np.isfinite([x[[0, 3]], y[[0, 3]]]).all()


def test_plane_is_the_two_functions():
    plane = Plane(*COMA)
    assert plane.unit_arcsec == pytest.approx(0.05)
    assert plane.to_sky(17086.8, 27578.83) == to_sky(17086.8, 27578.83, *COMA)
    assert plane.to_plane(195.5, 27.7) == to_plane(195.5, 27.7, *COMA)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ra0", (np.nan, 0.0)),
        ("dec0", (0.0, 90.1)),
        ("dec0", (0.0, np.nan)),
        ("scale_deg", (0.0, 0.0, 1.0, 1.0, 0.0)),
        ("scale_deg", (0.0, 0.0, 1.0, 1.0, np.inf)),
    ],
)
@pytest.mark.parametrize("function", [to_sky, to_plane])
def test_references_that_are_none(function, name, arguments):
    with pytest.raises(ValueError, match=f"{name} must be"):
        function(1.0, 1.0, *arguments)


def test_wrapping_never_gives_360():
    np.testing.assert_array_equal(wrap_degrees([-1e-20, 360.0, 720.5, -0.5, -0.0]), [0, 0, 0.5, 359.5, 0])


@pytest.mark.real_data
def test_pixels_of_a_pipeline_image(shared_data):
    path = shared_data / "xmm" / "exod1_0124710801" / "PN_image.fits"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = fits.getheader(path)
        wcs = WCS(header)
    image_pixels = np.array([[1.0, 1.0], [648.0, 1.0], [214.1, 345.2], [324.50625, 324.50625]])
    units = (image_pixels - 0.5) * 80 + 0.5
    ra, dec = to_sky(units[:, 0], units[:, 1], header["REFXCRVL"], header["REFYCRVL"])
    np.testing.assert_allclose(np.stack([ra, dec], 1), wcs.all_pix2world(image_pixels, 1), atol=1e-8)
