from __future__ import annotations

import numpy as np
import pytest
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib.colors import AsinhNorm

from ephemera.figures.axes import (
    colour_bar,
    decade_ticks,
    draw_outline,
    extent,
    frame_axis,
    outlines,
    runs,
    shade,
    sky_axes,
    spread_axis,
    spread_norm,
    step_band,
    steps,
    time_axis,
    view,
)
from ephemera.figures.style import figure

MASKS = arrays(bool, st.tuples(st.integers(1, 6), st.integers(1, 6)))


@pytest.fixture
def drawn():
    with figure(1, height=2.0) as made:
        yield made


def sky(dec=20.0):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [359.99, dec], [10.0, 10.0], [-0.01, 0.01]
    return wcs


@pytest.mark.parametrize("dec", [20.0, -89.99, 90.0])
def test_sky_axes_are_named_and_numbered(drawn, dec):
    axes = sky_axes(drawn, sky(dec))
    axes.imshow(np.zeros((20, 20)))
    drawn.canvas.draw()
    assert [coordinate.get_axislabel() for coordinate in axes.coords] == [
        "Right ascension (ICRS)", "Declination (ICRS)",
    ]  # fmt: skip


def test_inner_panels_have_ticks_without_names(drawn):
    axes = sky_axes(drawn, sky(), left=False, bottom=False)
    drawn.canvas.draw()
    assert [coordinate.get_axislabel().strip() for coordinate in axes.coords] == ["", ""]
    assert not any(coordinate.get_ticklabel_visible() for coordinate in axes.coords)


@given(MASKS)
def test_the_outlines_separate_inside_from_outside(mask):
    """Closed lines through every place half-way between a pixel inside and a neighbour outside, no other."""
    lines = outlines(mask)
    assert all(np.array_equal(line[0], line[-1]) for line in lines)
    places = [tuple(place) for line in lines for place in line[:-1]]
    padded = np.pad(mask, 1).astype(int)
    y, x = np.nonzero(np.diff(padded[:, 1:-1], axis=0))
    flat = set(zip(x.astype(float), y - 0.5, strict=True))
    y, x = np.nonzero(np.diff(padded[1:-1], axis=1))
    steep = set(zip(x - 0.5, y.astype(float), strict=True))
    assert set(places) == flat | steep
    assert len(places) == len(flat) + len(steep)


def test_one_pixel_has_one_outline_half_a_pixel_away(drawn):
    mask = np.zeros((3, 4), bool)
    mask[1, 2] = True
    (line,) = outlines(mask)
    assert {tuple(place) for place in line} == {(1.5, 1.0), (2.5, 1.0), (2.0, 0.5), (2.0, 1.5)}
    axes = drawn.subplots()
    draw_outline(axes, mask)
    assert len(axes.collections[0].get_paths()) == 1


def test_the_view_holds_the_pixels_shown_and_all_where_none_is(drawn):
    mask = np.zeros((10, 20), bool)
    assert extent(mask, 0) == (-0.5, 19.5, -0.5, 9.5)
    mask[3:5, 7] = True
    assert extent(mask, 1) == (5.5, 8.5, 1.5, 5.5)
    axes = drawn.subplots()
    view(axes, mask, 0)
    assert (*axes.get_xlim(), *axes.get_ylim()) == (6.5, 7.5, 2.5, 4.5)


@given(st.lists(st.booleans(), max_size=20))
def test_runs_are_the_stretches_of_true(values):
    where = np.array(values, bool)
    rebuilt = np.zeros_like(where)
    first, stop = runs(where)
    for a, b in zip(first, stop, strict=True):
        assert a < b
        rebuilt[a:b] = True
    np.testing.assert_array_equal(rebuilt, where)
    assert np.all(first[1:] > stop[:-1])


def test_shaded_frames_have_their_own_edges(drawn):
    axes = drawn.subplots()
    shade(axes, np.array([0.0, 1.0, 2.0, 4.0]), np.array([False, True, True]), label="bad")
    (boxes,) = axes.collections
    (path,) = boxes.get_paths()
    assert (path.vertices[:, 0].min(), path.vertices[:, 0].max()) == (1.0, 4.0)
    assert (path.vertices[:, 1].min(), path.vertices[:, 1].max()) == (0.0, 1.0)
    shade(axes, np.array([0.0, 1.0]), np.array([False]))
    assert len(axes.collections) == 1


def test_steps_and_bands_keep_the_frames_beside_a_gap(drawn):
    axes = drawn.subplots()
    edges, values = np.array([0.0, 1.0, 2.0, 3.0]), np.array([5.0, np.nan, 7.0])
    steps(axes, edges, values)
    shown = axes.lines[0].get_xydata()
    np.testing.assert_array_equal(shown[:2], [[0, 5], [1, 5]])
    np.testing.assert_array_equal(shown[-2:], [[2, 7], [3, 7]])
    step_band(axes, edges, values - 1, values + 1)
    corners = np.concatenate([path.vertices for path in axes.collections[0].get_paths()])
    assert {tuple(c) for c in corners} >= {(0, 4), (0, 6), (1, 4), (1, 6), (2, 6), (2, 8), (3, 6), (3, 8)}


def test_time_and_frames_are_labelled_with_units(drawn):
    axes = drawn.subplots()
    axes.set_xlim(0, 3)
    time_axis(axes, 57505.316671)
    top = frame_axis(axes, 50.0)
    drawn.canvas.draw()
    assert axes.get_xlabel() == "Time since MJD 57505.31667 (TT) [ks]"
    assert top.get_xlabel() == "Frame of 50 s"
    assert top.get_xlim() == (0, 60)


@given(st.floats(1e-9, 1e6), st.floats(1e-9, 1e9))
def test_ticks_begin_at_zero_ascend_and_end_within_the_axis(width, top):
    ticks = decade_ticks(width, top)
    assert ticks[0] == 0
    assert len(ticks) >= 2
    assert np.all(np.diff(ticks) > 0)
    assert ticks[-1] <= top


def test_ticks_of_ordinary_ranges():
    np.testing.assert_allclose(decade_ticks(1.5, 50.0), [0, 1, 3, 10, 30])
    np.testing.assert_allclose(decade_ticks(20.0, 5e5), [0, 10, 100, 1000, 1e4, 1e5])
    np.testing.assert_allclose(decade_ticks(1.0, 0.49), [0, 0.2])


def test_a_spread_axis_begins_at_zero(drawn):
    axes = drawn.subplots()
    spread_axis(axes, 1.5, 50.0)
    drawn.canvas.draw()
    assert axes.get_ylim() == (0, 50)
    assert [label.get_text() for label in axes.get_yticklabels()] == ["0", "1", "3", "10", "30"]


def test_colours_spread_around_the_typical_value():
    norm = spread_norm(np.array([1.0, 2.0, 300.0, np.nan]))
    assert isinstance(norm, AsinhNorm)
    assert (norm.linear_width, norm.vmin, norm.vmax) == (2.0, 0, 300.0)


@pytest.mark.parametrize("values", [[], [np.nan], [0.0]])
def test_images_without_values_have_colours_too(drawn, values):
    axes = drawn.subplots()
    norm = spread_norm(np.array(values))
    image = axes.imshow(np.full((2, 2), values[0] if values else np.nan), norm=norm)
    colour_bar(drawn, axes, image, "right", "Counts")
    drawn.canvas.draw()
    assert np.isfinite(norm.vmin)
    assert norm.vmin < norm.vmax < np.inf


@pytest.mark.parametrize("side", ["right", "top"])
def test_colour_bars_are_labelled_and_as_long_as_the_axes(drawn, side):
    axes = drawn.subplots()
    image = axes.imshow(np.array([[1.0, 2.0], [3.0, 100.0]]), norm=AsinhNorm(2.0, 0, 100.0))
    bar = colour_bar(drawn, axes, image, side, "Counts")
    drawn.canvas.draw()
    axis = bar.ax.yaxis if side == "right" else bar.ax.xaxis
    assert axis.get_label_text() == "Counts"
    assert [label.get_text() for label in axis.get_ticklabels()] == ["0", "1", "3", "10", "30", "100"]
    inner, outer = bar.ax.get_window_extent(), axes.get_window_extent()
    lengths = (inner.height, outer.height) if side == "right" else (inner.width, outer.width)
    assert lengths[0] == pytest.approx(lengths[1])
