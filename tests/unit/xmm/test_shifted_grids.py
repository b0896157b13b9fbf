from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemera.xmm.shifted_grids import GridDetections, merge_grids

PIXEL = 400.0


def detections(*rows):
    """Detections (x, y, sigma, [(start, stop), ...])."""
    label = [k for k, row in enumerate(rows) for _ in row[3]]
    spans = np.array([span for row in rows for span in row[3]], float).reshape(-1, 2)
    x, y, sigma = (np.array([row[k] for row in rows], float) for k in range(3))
    return GridDetections(x, y, sigma, np.array(label, int), spans[:, 0], spans[:, 1])


def kept(merged):
    return list(zip(merged.grid.tolist(), merged.row.tolist(), merged.found_on.tolist(), strict=True))


def test_the_most_significant_of_the_grids_is_kept():
    main = detections((1000, 1000, 4.0, [(0, 50)]))
    shifted = detections((1150, 900, 5.5, [(25, 75)]))
    merged = merge_grids([main, shifted], PIXEL)
    assert kept(merged) == [(1, 0, 2)]
    assert merged.n_grids == 2
    assert merged.absorbed.tolist() == [[0, 0, 0]]


def test_ties_go_to_the_main_grid():
    same = detections((1000, 1000, 4.0, [(0, 50)]))
    assert kept(merge_grids([same, same, same], PIXEL)) == [(0, 0, 3)]


@pytest.mark.parametrize(("distance", "number"), [(599, 1), (600, 2), (601, 2)])
def test_positions_must_be_less_than_one_and_a_half_pixels_apart(distance, number):
    main = detections((1000, 1000, 4.0, [(0, 50)]))
    shifted = detections((1000, 1000 + distance, 4.5, [(0, 50)]))
    assert len(merge_grids([main, shifted], PIXEL).grid) == number


@pytest.mark.parametrize(
    ("spans", "number"),
    [
        ([(50, 100)], 2),  # touches at one instant
        ([(49, 99)], 1),
        ([(-50, 0)], 2),
        ([(10, 20)], 1),  # inside
        ([(-100, 500)], 1),  # around
        ([(-100, -50), (100, 150)], 2),  # before and after: the frames themselves count, not their extent
        ([(200, 250), (225, 275), (25, 75)], 1),
    ],
)
def test_a_significant_frame_must_overlap(spans, number):
    main = detections((1000, 1000, 4.0, [(0, 50), (0, 50)]))
    shifted = detections((1000, 1000, 3.5, sorted(spans)))
    assert len(merge_grids([main, shifted], PIXEL).grid) == number


def test_detections_of_one_grid_never_take_each_other_away():
    main = detections((1000, 1000, 4.0, [(0, 50)]), (1100, 1000, 3.5, [(0, 50)]))
    merged = merge_grids([main, detections()], PIXEL)
    assert kept(merged) == [(0, 0, 1), (0, 1, 1)]


def test_a_stronger_one_between_two_of_another_grid_stands_for_both():
    main = detections((1000, 1000, 4.0, [(0, 50)]), (1800, 1000, 3.5, [(0, 50)]))
    shifted = detections((1400, 1000, 5.0, [(0, 50)]))
    merged = merge_grids([main, shifted], PIXEL)
    assert kept(merged) == [(1, 0, 2)]
    assert merged.absorbed.tolist() == [[0, 0, 0], [0, 1, 0]]


def test_what_was_taken_away_takes_nothing_away():
    # 5.0 takes 4.0 at 500 units; 3.0 is 500 units from 4.0 but 1000 from 5.0, and stays.
    grids = [
        detections((1000, 1000, 5.0, [(0, 50)])),
        detections((1500, 1000, 4.0, [(0, 50)])),
        detections((2000, 1000, 3.0, [(0, 50)])),
    ]
    assert kept(merge_grids(grids, PIXEL)) == [(0, 0, 2), (2, 0, 1)]


def test_no_detections_and_no_grids():
    merged = merge_grids([detections(), detections()], PIXEL)
    assert kept(merged) == []
    assert merged.absorbed.shape == (0, 3)
    with pytest.raises(ValueError, match="main grid"):
        merge_grids([], PIXEL)
    with pytest.raises(ValueError, match="pixel must be a positive width"):
        merge_grids([detections()], 0.0)


def test_bad_detections_are_refused():
    good = detections((1, 1, 1.0, [(0, 1)]))
    with pytest.raises(ValueError, match="x, y and sigma"):
        GridDetections(good.x, good.y, np.zeros(2), good.label, good.start, good.stop)
    with pytest.raises(ValueError, match="label, start and stop"):
        GridDetections(good.x, good.y, good.sigma, np.zeros(2, int), good.start, good.stop)
    with pytest.raises(ValueError, match=r"label must lie in 0\.\.0"):
        GridDetections(good.x, good.y, good.sigma, np.array([1]), good.start, good.stop)


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_merging_keeps_the_strongest_and_leaves_no_double(seed):
    rng = np.random.default_rng(seed)
    grids = []
    for _ in range(4):
        n = int(rng.integers(0, 6))
        x, y, sigma, start = (
            rng.uniform(low, high, n) for low, high in ((0, 2000), (0, 2000), (3, 9), (0, 200))
        )
        grids.append(GridDetections(x, y, sigma, np.arange(n), start, start + 50))
    merged = merge_grids(grids, PIXEL)
    assert len(merged.grid) + len(merged.absorbed) == sum(len(g) for g in grids)
    picked = list(zip(merged.grid, merged.row, strict=True))

    def near(a, b):
        (ga, ra), (gb, rb) = a, b
        one, two = grids[ga], grids[gb]
        apart = np.hypot(one.x[ra] - two.x[rb], one.y[ra] - two.y[rb])
        return apart < 1.5 * PIXEL and abs(one.start[ra] - two.start[rb]) < 50

    assert not any(near(a, b) for a in picked for b in picked if a[0] != b[0])
    for grid, row, keeper in merged.absorbed:
        assert near((grid, row), picked[keeper])
        assert grids[grid].sigma[row] <= grids[picked[keeper][0]].sigma[picked[keeper][1]]
    assert (merged.found_on >= 1).all()
    assert (merged.found_on <= 4).all()
