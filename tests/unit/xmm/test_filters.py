"""Filters keep what they say, missing values never pass, fast combinations equal the readable ones."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.config.load import ConfigurationError, load
from ephemera.config.xmm_catalogue import Filters
from ephemera.xmm.detection_columns import DETECTIONS
from ephemera.xmm.filters import (
    Filter,
    apply,
    combination_columns,
    combinations,
    combinations_reference,
    compare,
    derived,
    filter_columns,
    filters_of,
    mask_declaration,
)
from ephemera.xmm.sample_columns import COMBINATIONS, FILTERS

STANDARD = [group.settings() for group in Filters().chosen_groups()]


def table(**columns):
    return pa.table(columns)


@pytest.mark.parametrize(
    ("op", "kept"),
    [
        ("==", [0, 1, 0, 0]),
        ("!=", [1, 0, 1, 0]),
        ("<", [1, 0, 0, 0]),
        ("<=", [1, 1, 0, 0]),
        (">", [0, 0, 1, 0]),
        (">=", [0, 1, 1, 0]),
    ],
)
def test_a_missing_value_fulfils_no_comparison(op, kept):
    answer = compare(table(x=[1.0, 2.0, 3.0, None]), ("x", op, 2.0))
    assert answer.kept.tolist() == [bool(k) for k in kept]
    assert answer.unknown.tolist() == [False, False, False, True]


def test_truth_values_and_texts_compare():
    flags = table(flag=[True, False, None], kind=["peak", None, "both"])
    assert compare(flags, ("flag", "==", False)).kept.tolist() == [False, True, False]
    assert compare(flags, ("kind", "!=", "peak")).kept.tolist() == [False, False, True]


def test_frame_lengths_are_numbers_not_parts_of_names():
    """The text `_5_` is in the name of subset 5 too; the number 5 is not."""
    runs = table(runid=["0000000001_5_50_0.2_12.0", "0000000001_0_5_0.2_12.0"], t_bin=[50.0, 5.0])
    assert compare(runs, ("t_bin", "==", 5.0)).kept.tolist() == [False, True]


def test_unknown_columns_and_mixed_kinds_are_refused():
    one = table(sigma_peak=[1.0], type=["peak"])
    with pytest.raises(ValueError, match="no column sigma_peek; close to it are sigma_peak"):
        compare(one, ("sigma_peek", ">", 1.0))
    with pytest.raises(ValueError, match="holds text"):
        compare(one, ("type", "==", 1.0))
    with pytest.raises(ValueError, match="holds numbers"):
        compare(one, ("sigma_peak", "==", "a"))


def test_a_row_that_another_comparison_removes_is_not_unknown():
    two = table(a=[1.0, None, None], b=[1.0, 1.0, 0.0])
    answer = apply(two, Filter("f", "g", (("a", "==", 1.0), ("b", "==", 1.0))))
    assert answer.kept.tolist() == [True, False, False]
    assert answer.unknown.tolist() == [False, True, False]


@given(data=st.data(), n=st.integers(0, 12))
def test_the_fast_combinations_equal_the_readable_ones(data, n):
    groups = data.draw(st.sampled_from([[], ["a"], ["a", "a", "b"], ["a", "b", "b", "c", "c"]]))
    masks = [np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool) for _ in groups]
    srcid = np.array(data.draw(st.lists(st.integers(1, 4), min_size=n, max_size=n)), np.int64)
    assert combinations(masks, groups, srcid) == combinations_reference(masks, groups, srcid)


@pytest.mark.parametrize(("sizes", "number"), [((1, 3, 3), 32), ((3, 3, 4, 4, 1, 1), 1600)])
def test_the_number_of_combinations(sizes, number):
    groups = [f"g{k}" for k, size in enumerate(sizes) for _ in range(size)]
    assert len(combinations([np.ones(1, bool)] * len(groups), groups, np.array([1]))) == number


def test_the_standard_filters_make_1600_combinations_of_declared_columns():
    filters = filters_of(STANDARD)
    detections = derived(DETECTIONS.empty()).append_column("srcid", pa.array([], pa.int64()))
    selections = [apply(detections, each) for each in filters]
    srcid = detections["srcid"].to_numpy()
    found = combinations([one.kept for one in selections], [each.group for each in filters], srcid)
    assert len(COMBINATIONS.arrow(combination_columns(filters, found))) == 1600
    assert FILTERS.arrow(filter_columns(filters, selections, srcid))["n_kept"].to_pylist() == [0] * 16
    assert len(mask_declaration(filters).columns) == 18
    names = combination_columns(filters, found)["name"]
    assert len(set(names)) == 1600
    assert names[0] == "all"


def test_derived_columns():
    rows = {name: [None] * 3 for name in DETECTIONS.names}
    rows |= {"obsid": ["a", "b", "a"], "sigma_peak": [3.0, None, None], "sigma_eclipse": [4.0, 5.0, None]}
    made = derived(DETECTIONS.arrow(rows))
    assert made["n_in_obsid"].to_pylist() == [2, 1, 2]
    assert made["sigma_either"].to_pylist() == [4.0, 5.0, None]


@pytest.mark.parametrize(
    "groups",
    [
        [{"name": "g", "filters": [{"name": "a", "where": []}]}],
        [{"name": "g", "filters": [{"name": "a", "where": [{"column": "x", "op": "~", "value": 1}]}]}],
        [
            {"name": f"g{k}", "filters": [{"name": "a", "where": [{"column": "x", "value": 1}]}]}
            for k in (0, 1)
        ],
    ],
)
def test_impossible_filters_are_configuration_errors(groups):
    with pytest.raises(ConfigurationError):
        load({"xmm": {"filters": {"groups": groups}}})
