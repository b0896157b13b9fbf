from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.sky.regions import HEADER
from ephemera.sky.tan import Plane
from ephemera.xmm.figure_detections import Detections, region_file
from ephemera.xmm.grid import PixelGrid

PLANE = Plane(195.4, 27.8)


def detections(places, sigmas, **columns) -> Detections:
    """Detections at places one arcmin apart, one pixel each."""
    n = len(places)
    known = {
        "ra": 195.4 + np.array(places, float) / 60, "dec": np.zeros(n), "best_sigma": np.array(sigmas, float),
        "detid": np.array([f"d{k}" for k in range(n)], object), "type": np.full(n, "peak", object),
        "subset": np.zeros(n, np.int32), "grid": np.zeros(n, np.int32),
        "x0": np.arange(n), "y0": np.full(n, 7), "x1": np.arange(n) + 1, "y1": np.full(n, 9),
    }  # fmt: skip
    return Detections(known | columns)


def test_places_are_numbered_by_their_most_significant_detection():
    found = detections([3, 1, 3, 2], [4.0, 9.0, 5.0, 4.5])
    np.testing.assert_array_equal(found.place, [2, 1, 2, 3])


def test_every_place_comes_before_any_comes_twice():
    found = detections([1, 1, 1, 2, 3, 3], [9.0, 8.0, 7.0, 3.0, 4.0, 3.5])
    assert found.most_significant(12).tolist() == [0, 4, 3, 1, 5, 2]
    assert found.most_significant(2).tolist() == [0, 4]
    assert found.most_significant(0).tolist() == []


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0, 50)), max_size=15), st.integers(0, 20))
def test_chosen_detections_are_distinct_and_begin_with_the_best(rows, most):
    found = detections([place for place, _ in rows], [sigma for _, sigma in rows])
    chosen = found.most_significant(most).tolist()
    assert len(chosen) == len(set(chosen)) == min(most, len(rows))
    if chosen:
        assert found.sigma[chosen[0]] == found.sigma.max()
        assert len({found.place[row] for row in chosen}) == min(len(chosen), found.place.max())


def test_no_detections_have_no_places_and_an_empty_region_file():
    found = detections([], [])
    assert len(found) == 0
    assert found.place.tolist() == found.most_significant(5).tolist() == []
    assert region_file(found, {}, {}) == HEADER


def test_an_unknown_significance_comes_last():
    found = detections([1, 2, 3], [np.nan, 3.0, 4.0])
    assert found.most_significant(3).tolist() == [2, 1, 0]


@pytest.mark.parametrize(("grid", "left"), [(PixelGrid(20.0), 400.5), (PixelGrid(20.0, shift_x=200), 200.5)])
def test_edges_of_boxes_are_those_of_their_pixels(grid, left):
    edges = detections([1, 2], [3.0, 3.0]).edges(np.array([1]), grid)
    np.testing.assert_allclose(edges[:, 0], [left, 2800.5, left + 400, 3600.5])
    assert grid.index(edges[0, 0] + 0.01, "x") == grid.index(edges[2, 0] - 0.01, "x") == 1


def test_region_files_have_a_box_a_detection_in_the_plane_of_its_subset():
    found = detections([1, 2, 3], [3.0, 4.0, 5.0], subset=np.array([0, 1, 0]), grid=np.array([0, 0, 1]))
    planes = {0: PLANE, 1: Plane(10.0, -80.0)}
    text = region_file(found, planes, {0: PixelGrid(20.0), 1: PixelGrid(20.0, shift_x=200)})
    lines = text.removeprefix(HEADER).splitlines()
    assert [line.split("text=")[1] for line in lines] == ["{d0}", "{d2}", "{d1}"]
    ra, dec = planes[1].to_sky(600.5, 3200.5)
    assert lines[2].startswith(f'fk5; box({float(ra):.7f},{float(dec):+.7f},20",40",0)')
