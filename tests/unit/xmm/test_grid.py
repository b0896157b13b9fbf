import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from ephemera.xmm.grid import PixelGrid, ShiftedGrid, shifted_grids, shifted_subset
from ephemera.xmm.observation import SKY_SIZE
from xmm_cubes import events_of, subset_of

SIZES = st.sampled_from([20.0, 15.0, 10.0, 4.0, 4.1, 0.1, 33.35, 2592.0])


@st.composite
def grids(draw):
    size = draw(SIZES)
    width = PixelGrid(size).width
    shifts = st.integers(0, width - 1)
    return PixelGrid(size, draw(shifts), draw(shifts))


@pytest.mark.parametrize(
    ("units", "pixel"), [(17086.8, 42), (27578.83, 68), (1, 0), (25921, 64), (400, 0), (401, 1), (51840, 129)]
)
def test_known_pixels_of_the_20_arcsec_grid(units, pixel):
    assert PixelGrid().index(units, "x") == pixel
    assert PixelGrid().index(units, "y") == pixel


def test_20_arcsec_grid_has_400_units_130_pixels_and_centres_at_400_x_plus_200_5():
    grid = PixelGrid(20)
    assert (grid.width, grid.n) == (400, 130)
    assert grid.centre([0, 42, 42.75], "x").tolist() == [200.5, 17000.5, 17300.5]
    assert grid.centre(68, "y") == 27400.5


@pytest.mark.parametrize(
    ("size", "width", "n"), [(15, 300, 173), (10, 200, 260), (4, 80, 648), (4.1, 82, 633)]
)
def test_other_sizes_keep_the_last_row_and_column(size, width, n):
    grid = PixelGrid(size)
    assert (grid.width, grid.n) == (width, n)
    assert grid.index(SKY_SIZE, "x") == n - 1


@pytest.mark.parametrize("size", [4.03, 0.0, -20.0, 0.01, 2600.0, float("nan"), float("inf")])
def test_size_that_is_no_whole_number_of_units_is_refused(size):
    with pytest.raises(ValueError, match="size_arcsec must be a whole number"):
        PixelGrid(size)


@pytest.mark.parametrize("shift", [-1, 400])
def test_shift_must_be_shorter_than_a_pixel(shift):
    with pytest.raises(ValueError, match="shift_y must lie in"):
        PixelGrid(20, 0, shift)


def test_unknown_axis_is_refused():
    with pytest.raises(ValueError, match="axis must be 'x' or 'y', got 0"):
        PixelGrid().index(1, 0)


@given(grids(), st.integers(1, SKY_SIZE), st.sampled_from(["x", "y"]))
def test_every_sky_position_lies_inside_the_pixel_it_is_given(grid, units, axis):
    index = int(grid.index(units, axis))
    assert 0 <= index < grid.n
    assert abs(units - grid.centre(index, axis)) <= grid.width / 2
    assert index == (units - 1 + grid.shift(axis)) // grid.width


@given(grids(), st.integers(1, SKY_SIZE), st.sampled_from(["u2", "i4", "f8"]))
def test_the_type_of_the_coordinates_does_not_matter(grid, units, dtype):
    assert grid.index(np.array([units], dtype), "y")[0] == grid.index(units, "y")


@given(grids(), st.integers(0, 129), st.sampled_from(["x", "y"]))
def test_centre_index_and_fraction_agree(grid, index, axis):
    centre = grid.centre(index, axis)
    assert grid.fraction(centre, axis) == pytest.approx(index, abs=1e-9)
    assert grid.index(centre, axis) == index


@given(grids(), st.integers(1, SKY_SIZE), st.integers(1, SKY_SIZE))
def test_pixel_numbers_split_into_their_indices(grid, x, y):
    pixel = grid.pixels(np.array([x], "u2"), np.array([y], "u2"))
    i, j = grid.split(pixel)
    assert (i[0], j[0]) == (grid.index(x, "x"), grid.index(y, "y"))


def test_real_coordinates_on_an_edge_belong_to_the_upper_pixel():
    assert PixelGrid().index([400.4999, 400.5], "x").tolist() == [0, 1]


@pytest.mark.real_data
def test_4_arcsec_grid_is_that_of_a_real_pipeline_image(shared_data):
    header = fits.getheader(shared_data / "xmm" / "exod1_0124710801" / "PN_image.fits")
    grid = PixelGrid(4)
    assert grid.n == header["NAXIS1"] == header["NAXIS2"]
    assert grid.width == header["CDELT1L"]
    assert grid.centre(header["CRPIX1L"] - 1, "x") == header["CRVAL1L"]
    assert grid.fraction(header["CRPIX1"] * 80 - 39.5, "x") == pytest.approx(header["CRPIX1"] - 1)


@pytest.mark.parametrize(("mode", "number"), [("none", 1), ("time", 2), ("all", 8)])
def test_number_of_shifted_grids(mode, number):
    shifted = shifted_grids(mode, 20.0, 5.0)
    assert len({(s.grid, s.time_shift) for s in shifted}) == len(shifted) == number
    assert shifted[0] == ShiftedGrid(PixelGrid(20.0), 0.0)
    assert {s.time_shift for s in shifted} <= {0.0, 2.5}
    assert {s.grid.shift_x for s in shifted} <= {0, 200}


def test_shifted_grids_are_named_by_the_axes_shifted():
    names = [s.name for s in shifted_grids("all", 20.0, 5.0)]
    assert names == ["main", "t", "x", "xt", "y", "yt", "xy", "xyt"]


def test_a_cluster_of_events_on_an_edge_is_whole_in_a_shifted_grid():
    x = np.array([399, 400, 401, 402], "u2")
    main, shifted = PixelGrid(), PixelGrid(20, 200, 0)
    assert len(set(main.index(x, "x"))) == 2
    assert len(set(shifted.index(x, "x"))) == 1


def test_bad_shift_requests_are_refused():
    with pytest.raises(ValueError, match="mode must be one of none, time, all"):
        shifted_grids("space", 20.0, 5.0)
    with pytest.raises(ValueError, match="dt must be a positive number"):
        shifted_grids("all", 20.0, 0.0)


def test_shifted_subset_starts_later_and_drops_only_events_before_its_start():
    subset = subset_of(events_of([0.0, 2.4, 2.5, 9.0], 1, 1, 500), 0.0, 10.0)
    shifted = shifted_subset(subset, 2.5)
    assert (shifted.t0, shifted.t1) == (2.5, 10.0)
    assert shifted.events.time.tolist() == [2.5, 9.0]
    assert shifted_subset(subset, 0.0).events.time.tolist() == subset.events.time.tolist()


@pytest.mark.parametrize("shift", [-1.0, 10.0, float("nan")])
def test_shift_must_stay_inside_the_span(shift):
    with pytest.raises(ValueError, match="time_shift must lie in"):
        shifted_subset(subset_of(events_of([1.0], 1, 1, 500), 0.0, 10.0), shift)
