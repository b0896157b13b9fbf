"""Cells of positions: the inverse of the centres of cells."""

from __future__ import annotations

import numpy as np
import pytest

from ephemera.sky.healpix import cell_centres, cells_of
from ephemera.sky.sphere import unit_vectors


@pytest.mark.parametrize("order", [0, 1, 2, 5, 12, 20, 29])
def test_the_cell_of_a_centre_is_that_cell(order):
    n = 12 * 4**order
    cells = np.arange(n) if n <= 12288 else np.random.default_rng(order).integers(0, n, 20000)
    assert np.array_equal(cells_of(unit_vectors(*cell_centres(cells, order)), order), cells)


def test_a_cell_lies_inside_its_parent_wherever_it_is():
    random = np.random.default_rng(3)
    vectors = random.normal(size=(20000, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    fine = cells_of(vectors, 10)
    for order in (0, 3, 7):
        assert np.array_equal(cells_of(vectors, order), fine >> (2 * (10 - order)))


def test_poles_and_wrap():
    vectors = unit_vectors([0.0, 0.0, 359.9999999, 0.0], [90.0, -90.0, 10.0, 10.0])
    cells = cells_of(vectors, 5)
    assert np.all((cells >= 0) & (cells < 12 * 4**5))
    assert len(set(cells[2:].tolist())) <= 2


def test_order_must_exist():
    with pytest.raises(ValueError, match="order"):
        cells_of(unit_vectors([0.0], [0.0]), 30)
