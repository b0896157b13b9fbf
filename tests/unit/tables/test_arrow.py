"""Values enter tables checked: types, ranges, lengths, and missing values as null."""

import enum

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.tables import Column, TableDeclaration, arrays, numbers


def column(dtype, values):
    """Values of a one-column table after the check."""
    table = TableDeclaration("t", "One column.", (Column("a", dtype, None, None, "A"),))
    return table.arrow({"a": values})["a"].to_pylist()


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_ids_of_64_bits_stay_exact(ids):
    assert column("i8", ids) == ids
    masked = np.ma.MaskedArray([i or 0 for i in ids], mask=[i is None for i in ids], dtype="i8")
    assert column("i8", masked) == ids


@pytest.mark.parametrize("values", [[1.0, 2.0], np.array([1.0]), pd.Series([1, None]), np.array([2.0**53])])
def test_floats_are_refused_for_ids(values):
    with pytest.raises(ValueError, match=r"table t, column a \(i8\).*int64.*double"):
        column("i8", values)


@pytest.mark.parametrize(
    ("dtype", "good", "bad"),
    [
        ("i4", 2**31 - 1, 2**31),
        ("i2", -(2**15), -(2**15) - 1),
        ("u1", 255, 256),
        ("u1", 0, -1),
        ("i8", 0, 2**63),
    ],
)
def test_integers_must_fit(dtype, good, bad):
    assert column(dtype, [good]) == [good]
    with pytest.raises(ValueError, match="column a"):
        column(dtype, [bad])


def test_missing_values_of_every_kind_are_null():
    assert column("f8", [1.5, None, float("nan")]) == [1.5, None, None]
    assert column("f8", np.array([np.nan, 2])) == [None, 2.0]
    assert column("f4", pa.array([float("nan"), 2.0])) == [None, 2.0]
    assert column("f8", np.ma.MaskedArray([1.0, 2.0], mask=[True, False])) == [None, 2.0]
    assert column("i4", pd.array([1, None], dtype="Int64")) == [1, None]
    assert column("i4", np.array([3, None], dtype=object)) == [3, None]
    assert column("bool", [True, None, False]) == [True, None, False]
    assert column("str", ["a", None, ""]) == ["a", None, None]
    assert column("str", pd.Series(["a", None, ""])) == ["a", None, None]
    assert column("i8", [None, None]) == [None, None]
    assert column("i8", [float("nan")]) == [None]


def test_infinities_stay_and_overflow_does_not_make_new_ones():
    assert column("f4", [np.inf, -np.inf, 3.0]) == [np.inf, -np.inf, 3.0]
    with pytest.raises(ValueError, match=r"must fit float, got 1e\+300"):
        column("f4", [1.0, 1e300])


def test_integers_enter_float_columns_only_without_loss():
    assert column("f8", np.arange(3)) == [0.0, 1.0, 2.0]
    with pytest.raises(ValueError, match="column a"):
        column("f8", [2**53 + 1])


def test_numpy_text_categories_and_byte_orders():
    class Kind(enum.StrEnum):
        PEAK = "peak"

    assert column("str", np.array(["x", "yy"])) == ["x", "yy"]
    assert column("str", pd.Series(["b", "b"], dtype="category")) == ["b", "b"]
    assert column("str", [Kind.PEAK]) == ["peak"]
    assert column("i4", np.array([1, 2], ">i8")) == [1, 2]
    assert column("f8", np.array([1.5], ">f4")) == [1.5]
    assert column("str", ["0124710801"]) == ["0124710801"]
    assert column("str", pa.chunked_array([["a"], ["b"]])) == ["a", "b"]


@pytest.mark.parametrize(
    ("dtype", "values"),
    [
        ("str", [1]),
        ("str", [b"bytes"]),
        ("str", ["\ud800"]),
        ("bool", [0, 1]),
        ("f8", ["1.5"]),
        ("f8", [True]),
        ("i4", ["7"]),
        ("i4", [True]),
        ("f8", np.zeros((2, 2))),
        ("str", [["a"]]),
        ("f8", 3.0),
        ("i4", np.array(["2020-01-01"], "datetime64[D]")),
    ],
)
def test_values_of_another_kind_are_refused_by_name(dtype, values):
    with pytest.raises(ValueError, match=rf"table t, column a \({dtype}\)"):
        column(dtype, values)


def test_nul_characters_become_visible():
    assert column("str", ["a\0b"]) == ["a\N{REPLACEMENT CHARACTER}b"]


PAIR = TableDeclaration(
    "pair",
    "Two columns.",
    (Column("a", "f8", "s", "time.duration", "A"), Column("b", "str", None, "meta.id", "B")),
)


def test_columns_must_be_those_declared_and_of_one_length():
    with pytest.raises(ValueError, match="missing: b; not declared: c"):
        PAIR.arrow({"a": [1.0], "c": [1.0]})
    with pytest.raises(ValueError, match=r"one length.*'a': 2.*'b': 1"):
        PAIR.arrow({"a": [1.0, 2.0], "b": ["x"]})


def test_any_table_like_is_taken_in_declared_order():
    expected = PAIR.arrow({"a": [1.0], "b": ["x"]})
    assert expected.column_names == ["a", "b"]
    assert PAIR.arrow(pd.DataFrame({"b": ["x"], "a": [1.0]})).equals(expected)
    assert PAIR.arrow(pa.table({"b": ["x"], "a": [1.0]})).equals(expected)
    assert PAIR.arrow(expected).equals(expected)


def test_rows_become_columns_what_they_lack_is_null_and_what_is_not_declared_is_refused():
    table = PAIR.arrow([{"a": 1.0}, {"b": "x", "a": None}])
    assert table.to_pylist() == [{"a": 1.0, "b": None}, {"a": None, "b": "x"}]
    assert PAIR.arrow([]).equals(PAIR.empty())
    with pytest.raises(ValueError, match="not declared: aa"):
        PAIR.arrow([{"a": 1.0}, {"aa": 2.0}])


def test_columns_come_back_as_arrays_with_nan_or_none_for_what_is_missing():
    table = pa.table({"a": [1, None], "b": ["x", None], "c": [True, None]})
    columns = arrays(table, ["a", "b"])
    assert list(columns) == ["a", "b"]
    assert np.isnan(columns["a"][1])
    assert columns["b"].tolist() == ["x", None]
    assert list(arrays(table)) == ["a", "b", "c"]
    np.testing.assert_array_equal(numbers(table, "c"), [1.0, np.nan])
    np.testing.assert_array_equal(numbers(table, "a"), [1.0, np.nan])


def test_metadata_and_the_empty_table():
    empty = PAIR.empty()
    assert len(empty) == 0
    assert empty.schema.names == ["a", "b"]
    assert empty.schema.field("a").metadata == {
        b"unit": b"s",
        b"ucd": b"time.duration",
        b"description": b"A",
    }
    assert b"unit" not in empty.schema.field("b").metadata
    assert empty.schema.metadata == {b"name": b"pair", b"description": b"Two columns."}
    assert PAIR.arrow({"a": np.array([]), "b": np.array([])}).equals(empty)
