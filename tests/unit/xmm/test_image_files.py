from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from ephemera.sky.tan import Plane
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.image_files import sky_header, write_images

FIELD = Plane(195.361708333333, 27.7594166666667)
GRIDS = [PixelGrid(20.0), PixelGrid(4.0), PixelGrid(15.0), PixelGrid(20.0, shift_x=200, shift_y=200)]
PIXELS = st.tuples(st.integers(0, 128), st.integers(0, 128))


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("plane", [FIELD, Plane(359.999, -70.0), Plane(0.0, 90.0)])
@given(pixel=PIXELS)
def test_pixel_centres_lie_where_the_tangent_plane_puts_them(grid, plane, pixel):
    i, j = pixel
    wcs = WCS(sky_header(grid, plane))
    ra, dec = plane.to_sky(grid.centre(i, "x"), grid.centre(j, "y"))
    found_ra, found_dec = wcs.wcs_pix2world(i, j, 0)
    assert found_dec == pytest.approx(float(dec), abs=1e-9)
    across = (found_ra - float(ra) + 180) % 360 - 180
    assert across * np.cos(np.radians(float(dec))) == pytest.approx(0, abs=1e-9)


def test_a_pixel_of_a_real_field():
    """Pixel (42, 68) of the field of observation 0124710801 has its centre at X, Y = 17000.5, 27400.5."""
    ra, dec = WCS(sky_header(PixelGrid(20.0), FIELD)).wcs_pix2world(42, 68, 0)
    assert (float(ra), float(dec)) == (
        pytest.approx(195.5017438, abs=1e-7),
        pytest.approx(27.7798947, abs=1e-7),
    )


@pytest.mark.parametrize("grid", GRIDS)
@given(pixel=PIXELS)
def test_physical_coordinates_are_x_and_y(grid, pixel):
    header = sky_header(grid, FIELD)
    wcs = WCS(header, key="P")
    expected = [float(grid.centre(index, axis)) for index, axis in zip(pixel, ("x", "y"), strict=True)]
    np.testing.assert_allclose(wcs.wcs_pix2world([pixel], 0)[0], expected)
    by_ltm = [(pixel[k - 1] + 1 - header[f"LTV{k}"]) / header[f"LTM{k}_{k}"] for k in (1, 2)]
    np.testing.assert_allclose(by_ltm, expected)


def write(path, **images):
    grid = PixelGrid(2592.0)
    write_images(
        path, images or {"COUNTS": np.eye(1, dtype=np.int32)}, grid, FIELD, {"OBS_ID": ("0123456789", "id")}
    )
    return path.read_bytes()


def test_files_hold_all_images_with_their_headers_and_repeat_to_the_byte(tmp_path):
    images = {
        "COUNTS": np.array([[7]], np.int32),
        "MASK": np.array([[True]]),
        "SOURCE": np.array([[0.5]], "f4"),
    }
    first = write(tmp_path / "a.fits", **images)
    assert write(tmp_path / "b.fits", **images) == first
    with fits.open(tmp_path / "a.fits") as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", *images]
        assert [hdu.header["OBS_ID"] for hdu in hdus] == ["0123456789"] * 4
        assert [hdu.header["BUNIT"] for hdu in hdus[1:]] == ["count", "", "count"]
        assert (hdus["MASK"].data.dtype.kind, hdus["MASK"].data[0, 0]) == ("u", 1)
        assert hdus["COUNTS"].data[0, 0] == 7
        hdus.verify("exception")


def test_images_of_another_shape_are_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"image COUNTS must have the shape of the grid, \(1, 1\), got \(2, 2\)"
    ):
        write(tmp_path / "a.fits", COUNTS=np.zeros((2, 2)))
    assert list(tmp_path.iterdir()) == []


def test_an_earlier_file_is_replaced(tmp_path):
    write(tmp_path / "a.fits", COUNTS=np.array([[1]]))
    write(tmp_path / "a.fits", COUNTS=np.array([[2]]))
    assert fits.getdata(tmp_path / "a.fits")[0, 0] == 2
