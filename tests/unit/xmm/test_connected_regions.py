from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.measure import regionprops

from ephemera.xmm.cells import Cells
from ephemera.xmm.connected_regions import detection_ids, find_regions, label_regions
from ephemera.xmm.region_columns import REGION_COLUMNS
from reference.regions import COARSE, MAIN, OBSID, empty_cube, make_cells, make_frames, sparse

cell_rows = st.lists(
    st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 2), st.integers(0, 1)), unique=True
)


def regions_of(rows, cube=None, **options):
    return find_regions(make_cells(rows), cube or empty_cube(), OBSID, 0, **options)


def flood(pixels, connectivity):
    """Label of each (i, j), by walking from pixel to pixel in the order that the numbering promises."""
    labels = {}
    for seed in sorted(pixels):
        if seed in labels:
            continue
        number = max(labels.values(), default=-1) + 1
        waiting = [seed]
        while waiting:
            i, j = waiting.pop()
            if (i, j) in labels or (i, j) not in pixels:
                continue
            labels[i, j] = number
            steps = [(a, b) for a in (-1, 0, 1) for b in (-1, 0, 1) if connectivity == 8 or a == 0 or b == 0]
            waiting += [(i + a, j + b) for a, b in steps]
    return labels


@given(cell_rows, st.sampled_from([4, 8]))
def test_labels_are_connected_components_numbered_by_first_pixel(rows, connectivity):
    cells = make_cells(rows)
    expected = flood({(i, j) for i, j, *_ in rows}, connectivity)
    labels = label_regions(cells, 10, connectivity)
    assert labels.tolist() == [expected[i, j] for i, j in zip(cells.i, cells.j, strict=True)]


@given(cell_rows, st.randoms(use_true_random=False))
def test_labels_do_not_depend_on_the_order_of_cells(rows, random):
    cells = make_cells(rows)
    order = list(range(len(cells)))
    random.shuffle(order)
    order = np.array(order, dtype=np.int64)
    assert label_regions(cells.take(order), 10).tolist() == label_regions(cells, 10)[order].tolist()


def test_touching_corners_join_with_eight_neighbours_only():
    cells = make_cells([(3, 3, 0, 0), (4, 4, 1, 0)])
    assert label_regions(cells, 10).tolist() == [0, 0]
    assert label_regions(cells, 10, 4).tolist() == [0, 1]


@pytest.mark.parametrize("connectivity", [0, 6])
def test_other_connectivities_are_refused(connectivity):
    with pytest.raises(ValueError, match="connectivity must be 4 or 8"):
        label_regions(Cells.empty(), 10, connectivity)


@pytest.mark.parametrize("row", [(10, 0, 0, 0), (0, -1, 0, 0)])
def test_cells_outside_the_grid_are_refused(row):
    with pytest.raises(ValueError, match="must lie on the grid"):
        label_regions(make_cells([row]), 10)


@given(cell_rows, st.integers(0, 2**32 - 1))
def test_shapes_agree_with_scikit_image(rows, seed):
    counts = np.random.default_rng(seed).poisson(0.8, (3, 10, 10))
    cube = sparse(counts, make_frames(3))
    cells = make_cells(rows)
    regions = find_regions(cells, cube, OBSID, 0)
    labelled = np.zeros((10, 10), int)
    labelled[cells.j, cells.i] = regions.cell_region + 1
    for row, shape in enumerate(regionprops(labelled, intensity_image=counts.sum(axis=0).astype(float))):
        y0, x0, y1, x1 = shape.bbox
        assert [regions[name][row] for name in ("x0", "y0", "x1", "y1")] == [x0, y0, x1, y1]
        assert regions["n_pixels"][row] == shape.area
        assert regions["area_bbox"][row] == shape.area_bbox
        assert regions["equiv_diameter"][row] == pytest.approx(shape.equivalent_diameter_area)
        total = shape.image_intensity.sum()
        assert regions["counts"][row] == total
        assert regions["mean_pixel_counts"][row] == pytest.approx(total / shape.area)
        plain = shape.centroid
        assert (regions["centroid_y"][row], regions["centroid_x"][row]) == pytest.approx(plain)
        weighted = shape.centroid_weighted if total else plain
        assert (regions["wcentroid_y"][row], regions["wcentroid_x"][row]) == pytest.approx(weighted)


def test_every_cell_and_pixel_belongs_to_one_region():
    rows = [(1, 1, 0, 0), (1, 2, 0, 0), (1, 2, 1, 1), (7, 7, 2, 0)]
    regions = regions_of(rows)
    assert regions.cell_region.tolist() == [0, 0, 0, 1]
    assert regions.pixel.tolist() == [11, 21, 77]
    assert regions.pixel_region.tolist() == [0, 0, 1]
    assert regions["n_pixels"].tolist() == [2, 1]


def test_weights_ten_and_thirty_put_the_centroid_at_three_quarters():
    dense = np.zeros((1, 130, 130), int)
    dense[0, 68, 42], dense[0, 68, 43] = 10, 30
    cube = sparse(dense, make_frames(1), MAIN)
    regions = regions_of([(42, 68, 0, 0), (43, 68, 0, 0)], cube)
    assert regions["wcentroid_x"][0] == 42.75
    assert regions["wcentroid_y"][0] == 68.0
    assert regions["counts"][0] == 40
    assert regions["mean_pixel_counts"][0] == 20


def test_region_without_counts_has_a_finite_centroid():
    regions = regions_of([(0, 0, 0, 1), (1, 0, 0, 1)])
    assert (regions["wcentroid_x"][0], regions["wcentroid_y"][0]) == (0.5, 0.0)
    assert regions["type"][0] == "eclipse"


def test_masked_frames_give_no_weight():
    dense = np.zeros((2, 10, 10), int)
    dense[0, 5, 5], dense[1, 5, 6] = 3, 99
    regions = regions_of([(5, 5, 0, 0), (6, 5, 0, 0)], sparse(dense, make_frames(2, bccd=[1])))
    assert regions["counts"][0] == 3
    assert regions["wcentroid_x"][0] == 5


def test_regions_at_the_edges_of_the_grid_are_kept():
    corners = [(0, 0, 0, 0), (9, 0, 0, 0), (0, 9, 0, 0), (9, 9, 0, 0)]
    regions = regions_of(corners)
    assert list(zip(regions["x0"], regions["y0"], strict=True)) == [(0, 0), (0, 9), (9, 0), (9, 9)]
    assert regions["x1"].max() == regions["y1"].max() == COARSE.n


def test_types_and_numbers_of_cells():
    rows = [(1, 1, 0, 0), (1, 1, 1, 1), (5, 5, 0, 0), (5, 6, 2, 0), (8, 1, 1, 1)]
    regions = regions_of(rows)
    assert regions["type"].tolist() == ["both", "peak", "eclipse"]
    assert regions["n_peak_cells"].tolist() == [1, 2, 0]
    assert regions["n_eclipse_cells"].tolist() == [1, 0, 1]
    assert regions["first_frame"].tolist() == [0, 0, 1]
    assert regions["last_frame"].tolist() == [1, 2, 1]
    assert np.isnan(regions["sigma_eclipse"]).tolist() == [False, True, False]
    assert np.isnan(regions["sigma_peak"]).tolist() == [False, False, True]


def test_best_cell_has_the_largest_bayes_factor_whatever_its_kind():
    rows = [(4, 4, 0, 0, 7, 0.5, 8.0, 3.5), (5, 4, 2, 1, 0, 20.0, 8.7, 4.0), (5, 5, 1, 0, 9, 0.5, 8.0, 3.6)]
    regions = regions_of(rows)
    best = {
        name: regions[f"best_{name}"][0] for name in ("n", "mu", "logB", "sigma", "frame", "x", "y", "pixel")
    }
    assert best == {"n": 0, "mu": 20, "logB": 8.7, "sigma": 4, "frame": 2, "x": 5, "y": 4, "pixel": 45}
    assert regions["sigma_peak"][0] == 3.6
    assert regions["sigma_eclipse"][0] == 4.0
    assert regions["n_excess"][0] == 6.5 + 20 + 8.5


def test_equal_bayes_factors_leave_the_earliest_cell_as_best():
    regions = regions_of([(4, 4, 2, 0), (5, 4, 1, 0), (5, 5, 1, 0)])
    assert (regions["best_frame"][0], regions["best_pixel"][0]) == (1, 45)


def test_identifier_names_run_and_best_pixel():
    dense = np.zeros((1, 130, 130), int)
    cube = sparse(dense, make_frames(1), MAIN)
    assert regions_of([(42, 68, 0, 0)], cube)["detid"][0] == "0724210501_0_5_0.2_12.0_x042y068"


@given(cell_rows)
def test_identifiers_do_not_depend_on_other_regions(rows):
    cells = make_cells(rows)
    regions = find_regions(cells, empty_cube(), OBSID, 0)
    assert len(set(regions["detid"])) == len(regions)
    for row in range(len(regions)):
        alone = find_regions(cells.take(regions.cell_region == row), empty_cube(), OBSID, 0)
        assert alone["detid"].tolist() == [regions["detid"][row]]


def test_identifiers_of_shifted_grids_and_large_grids_are_their_own():
    pixels = np.array([2591]), np.array([7])
    assert detection_ids("run", *pixels).tolist() == ["run_x2591y007"]
    assert detection_ids("run", *pixels, grid_number=3).tolist() == ["run_x2591y007_g3"]
    assert regions_of([(1, 1, 0, 0)], grid_number=2)["grid"].tolist() == [2]


def test_only_regions_above_the_largest_area_are_flagged():
    square = [(i, j, 0, 0) for i in range(6) for j in range(6)]
    assert regions_of(square)["filt_large"].tolist() == [False]
    assert regions_of([*square, (6, 0, 0, 0)])["filt_large"].tolist() == [True]
    assert regions_of(square, max_area=35)["filt_large"].tolist() == [True]
    with pytest.raises(ValueError, match="max_area must be at least 1"):
        regions_of(square, max_area=0)


def test_nothing_found_is_a_table_with_all_columns():
    none, one = regions_of([]), regions_of([(1, 1, 0, 0)])
    assert len(none) == 0
    assert none.columns.keys() == one.columns.keys() <= {column.name for column in REGION_COLUMNS}
    assert {name: column.dtype for name, column in none.columns.items()} == {
        name: column.dtype for name, column in one.columns.items()
    }


def test_part_of_the_regions_keeps_its_pixels_cells_and_labels():
    regions = regions_of([(1, 1, 0, 0), (1, 2, 0, 0), (4, 4, 0, 0), (7, 7, 2, 0)])
    part = regions.take(np.array([2, 0]))
    assert part["label"].tolist() == [2, 0]
    assert part.pixel.tolist() == [77, 11, 21]
    assert part.pixel_region.tolist() == [0, 1, 1]
    assert part.cell_region.tolist() == [1, 1, -1, 0]
    assert regions.take(np.array([True, False, True]))["label"].tolist() == [0, 2]
