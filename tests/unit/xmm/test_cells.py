from __future__ import annotations

import numpy as np
import pytest

from ephemera.xmm.cells import Cells, Kind, counts_at
from reference.detection import SIDE, make_cube


def cells_at(*places):
    """Cells at (i, j, frame, kind), in this order."""
    i, j, frame, kind = (np.array(column, dtype=np.int64) for column in zip(*places, strict=True))
    rest = np.zeros(len(i))
    return Cells(i, j, frame, kind.astype(np.int8), i.copy(), rest, rest, rest)


def test_no_cells_have_the_declared_dtypes():
    cells = Cells.empty()
    assert len(cells) == 0
    assert [str(getattr(cells, name).dtype) for name in ("i", "j", "frame", "kind", "n", "mu", "sigma")] == [
        "int64", "int64", "int64", "int8", "int64", "float64", "float64",
    ]  # fmt: skip


def test_merged_cells_are_sorted_by_frame_then_row_then_column_then_kind():
    one = cells_at((3, 1, 5, Kind.ECLIPSE), (2, 1, 5, Kind.PEAK))
    two = cells_at((0, 9, 4, Kind.PEAK), (3, 1, 5, Kind.PEAK), (0, 0, 5, Kind.PEAK))
    merged = Cells.merge([one, two])
    assert list(zip(merged.frame, merged.j, merged.i, merged.kind, strict=True)) == [
        (4, 9, 0, 0), (5, 0, 0, 0), (5, 1, 2, 0), (5, 1, 3, 0), (5, 1, 3, 1),
    ]  # fmt: skip
    assert merged.is_eclipse.tolist() == [False, False, False, False, True]
    assert (merged.is_peak != merged.is_eclipse).all()


def test_keys_and_take():
    cells = cells_at((3, 2, 1, Kind.PEAK), (4, 0, 0, Kind.ECLIPSE))
    assert cells.keys(10).tolist() == [123, 4]
    assert cells.take(np.array([1])).keys(10).tolist() == [4]
    assert cells.take(cells.is_peak).i.tolist() == [3]
    assert len(cells.take(slice(0, 0))) == 0


def test_columns_of_different_length_are_refused():
    full = cells_at((3, 2, 1, Kind.PEAK))
    with pytest.raises(ValueError, match=r"one length.*'mu': 2"):
        Cells(full.i, full.j, full.frame, full.kind, full.n, np.zeros(2), full.log10_b, full.sigma)


def test_counts_of_any_cells_empty_and_beyond_the_cube_included():
    dense = np.zeros((3, SIDE, SIDE), int)
    dense[1, 2, 3], dense[2, SIDE - 1, SIDE - 1] = 7, 4
    cube = make_cube(dense)
    assert np.array_equal(counts_at(cube, np.arange(dense.size)), dense.ravel())
    assert counts_at(cube, np.array([[-1, dense.size], [SIDE**2 + 2 * SIDE + 3, 0]])).tolist() == [
        [0, 0],
        [7, 0],
    ]
    assert counts_at(make_cube(np.zeros_like(dense)), np.array([0, 5])).tolist() == [0, 0]
