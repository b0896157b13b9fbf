"""Subsets compared: who has whose detections, are they alike, and what does clustering apart change."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from ephemera.xmm.catalogue_columns import CATALOGUE_DETECTIONS
from ephemera.xmm.sample_columns import HOMOGENEITY, RECLUSTER, SUBSET_INDICES, SUBSET_MATRIX
from ephemera.xmm.subset_matrix import (
    draw,
    find_matches,
    homogeneity,
    homogeneity_rows,
    index_columns,
    matrix_rows,
    recluster_rows,
    subset_keys,
)

KEYS = subset_keys([5.0, 50.0], [[0.2, 2.0], [2.0, 12.0]])
ARCSEC = 1 / 3600


def detections(rows):
    base = {"obsid": "0000000001", "subset": 0, "dec": 0.0, "type": "peak", "srcid": 1}
    full = [base | {"detid": f"d{k}"} | row for k, row in enumerate(rows)]
    return CATALOGUE_DETECTIONS.arrow(full)


def of(key, ra, **more):
    t_bin, low, high = KEYS[key]
    return {"t_bin": t_bin, "e_min": low, "e_max": high, "ra": ra} | more


ROWS = [
    of(0, 10.0),
    of(0, 11.0),
    of(1, 10.0 + 14 * ARCSEC),
    of(1, 11.0 + 16 * ARCSEC),
    of(2, 10.0, obsid="0000000002"),
    of(2, 10.0, subset=1),
    of(2, 359.9999),
    of(1, 0.0001),
]


def test_matches_are_within_the_radius_in_the_same_events_and_wrap():
    table = detections(ROWS)
    matches = find_matches(table, KEYS, 15.0)
    rows = {(r["t_bin_a"], r["e_min_a"], r["t_bin_b"], r["e_min_b"]): r for r in matrix_rows(matches)}
    assert rows[5.0, 0.2, 5.0, 2.0]["n_matched"] == 1
    assert rows[5.0, 0.2, 5.0, 2.0]["fraction"] == 0.5
    assert rows[5.0, 2.0, 5.0, 0.2]["fraction"] == pytest.approx(1 / 3)
    assert rows[5.0, 0.2, 50.0, 0.2]["n_matched"] == 0
    assert rows[50.0, 0.2, 5.0, 2.0]["n_matched"] == 1
    for key in KEYS[:3]:
        assert rows[key[0], key[1], key[0], key[1]]["fraction"] == 1
    assert rows[50.0, 2.0, 5.0, 0.2]["fraction"] is None
    assert len(SUBSET_MATRIX.arrow(list(rows.values()))) == 16


def test_indices_are_rows_of_the_table_and_minus_one_for_none():
    table = detections(ROWS)
    columns = index_columns(table, find_matches(table, KEYS, 15.0))
    indices = SUBSET_INDICES.arrow(columns)["index"].to_numpy().reshape(len(ROWS), 4)
    assert indices[0].tolist() == [0, 2, -1, -1]
    assert indices[2].tolist() == [0, 2, -1, -1]
    assert indices[4].tolist() == [-1, -1, 4, -1]
    assert indices[7].tolist() == [-1, 7, 6, -1]


def test_no_detections_are_tables_with_all_columns(tmp_path):
    matches = find_matches(CATALOGUE_DETECTIONS.empty(), KEYS, 15.0)
    rows = matrix_rows(matches)
    assert {row["fraction"] for row in rows} == {None}
    assert len(SUBSET_INDICES.arrow(index_columns(CATALOGUE_DETECTIONS.empty(), matches))) == 0
    draw(matches, rows, tmp_path / "m.png")
    assert (tmp_path / "m.png").stat().st_size > 1000


def test_the_chi_square_is_that_of_scipy():
    random = np.random.default_rng(7)
    subset, value = random.integers(0, 4, 300), random.integers(0, 3, 300)
    counts = np.zeros((4, 3))
    np.add.at(counts, (subset, value), 1)
    found = homogeneity(subset, value.tolist())
    expected = stats.chi2_contingency(counts, correction=False)
    assert found["chi2"] == pytest.approx(expected.statistic)
    assert found["pval"] == pytest.approx(expected.pvalue)
    assert found["dof"] == expected.dof == 6
    assert found["min_expected"] == pytest.approx(expected.expected_freq.min())


def test_what_differs_is_seen_and_nothing_to_compare_is_none():
    subset = np.repeat([0, 1], 100)
    assert homogeneity(subset, ["peak"] * 100 + ["eclipse"] * 100)["pval"] < 1e-20
    assert homogeneity(subset, ["peak"] * 200) is None
    assert homogeneity(subset, [None] * 200) is None
    assert homogeneity(np.zeros(4, int), ["a", "b", "a", "b"]) is None


def test_classes_and_properties_are_rows():
    table = detections([of(k % 2, 10.0 + k, type=("peak", "eclipse")[k % 3 == 0]) for k in range(20)])
    member = find_matches(table, KEYS, 15.0).member
    rows = homogeneity_rows(table, member, ["Star", "Galaxy"] * 10)
    assert [row["property"] for row in rows] == ["type", "simbad_class"]
    assert rows[1]["pval"] < 1e-3
    assert len(HOMOGENEITY.arrow(rows)) == 2


def test_a_chain_falls_apart_when_the_subset_that_bridges_it_is_left_out():
    rows = [of(0, 10.0), of(1, 10.0 + 15 * ARCSEC), of(0, 10.0 + 30 * ARCSEC), of(0, 12.0, srcid=2)]
    table = detections(rows)
    found = recluster_rows(table, find_matches(table, KEYS, 15.0), 20.0, "single")
    assert len(RECLUSTER.arrow(found)) == 4
    names = ("n_detections", "n_global", "n_alone", "n_same", "n_divided")
    assert [[row[name] for name in names] for row in found[:3]] == [
        [3, 2, 3, 1, 1],
        [1, 1, 1, 1, 0],
        [0, 0, 0, 0, 0],
    ]
