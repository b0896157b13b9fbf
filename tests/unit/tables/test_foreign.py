"""Catalogue files of other people: every format gives the same columns, and damage is named."""

from __future__ import annotations

import gzip
import re

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import MaskedColumn, Table

from ephemera.tables.foreign import CatalogueError, column_facts, read_all, read_columns

NAMES = ("t.csv", "t.tsv", "t.csv.gz", "t.fits", "t.fits.gz", "t.h5", "t.parquet", "t.vot", "t.vot.gz")
#: More than 64-bit floats hold; a text; a position.
ROWS = {"id": [2**60 + 1, 7], "ra": [1.5, 359.0], "name": ["a", "b"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same rows in every format, many times over; where a format can, one magnitude is missing."""
    folder = tmp_path_factory.mktemp("catalogues")
    many = {name: values * 500 for name, values in ROWS.items()}
    table = Table(many)
    table["mag"] = MaskedColumn([15.0, 16.0] * 500, mask=[False, True] * 500, unit="mag")
    table["ra"].unit = "deg"
    table.write(folder / "t.fits")
    table.write(folder / "t.vot", format="votable")
    lines = [
        f"{i},{ra},{name},{'' if name == 'b' else 15.0}" for i, ra, name in zip(*many.values(), strict=True)
    ]
    text = "\n".join(["id, ra,name,mag", *lines]) + "\n"
    (folder / "t.csv").write_text(text)
    (folder / "t.tsv").write_text(text.replace(",", "\t"))
    pq.write_table(pa.table({**many, "mag": [15.0, None] * 500}), folder / "t.parquet")
    with h5py.File(folder / "t.h5", "w") as handle:
        kinds = [("id", "i8"), ("ra", "f8"), ("name", "S1"), ("mag", "f8")]
        handle["t"] = np.array([(2**60 + 1, 1.5, b"a", 15.0), (7, 359.0, b"b", np.nan)] * 500, kinds)
    for name in ("t.csv", "t.fits", "t.vot"):
        (folder / f"{name}.gz").write_bytes(gzip.compress((folder / name).read_bytes()))
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_every_format_gives_the_same_rows(folder, name):
    table = read_all(folder / name)
    assert table.column_names == ["id", "ra", "name", "mag"]
    found = table.slice(0, 2).to_pydict()
    assert {key: found[key] for key in ROWS} == ROWS
    assert found["mag"] == [15.0, None]
    assert len(table) == 1000
    some = read_columns(folder / name, ["ra", "id", "ra", "pm"], optional=frozenset({"pm"}))
    assert some.column_names == ["ra", "id"]


@pytest.mark.parametrize("name", NAMES)
def test_an_absent_column_is_named_with_those_that_are_there(folder, name):
    with pytest.raises(CatalogueError, match=r"there is no column dec; the file has id, ra, name, mag"):
        read_columns(folder / name, ["ra", "dec"])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", ["half", "empty", "garbage", "page"])
def test_a_damaged_file_is_named_whatever_its_format(folder, tmp_path, name, damage):
    content = (folder / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(
        {
            "half": content[: len(content) // 2],
            "empty": b"",
            "garbage": b"\x00\xff\x1f\x8b garbage",
            "page": b"<html></html>",
        }[damage]
    )
    with pytest.raises(CatalogueError, match=re.escape(str(path))):
        read_columns(path, ["id", "ra"])


def test_an_unknown_suffix_is_named_with_those_that_are_known(tmp_path):
    with pytest.raises(CatalogueError, match=r"suffix must be one of \.csv, "):
        read_all(tmp_path / "t.doc")


@pytest.mark.parametrize("name", ["t.fits", "t.vot"])
def test_units_are_told_where_a_format_has_them(folder, name):
    facts = column_facts(folder / name)
    assert [facts[column][0] for column in ("id", "ra", "mag")] == [None, "deg", "mag"]
    assert column_facts(folder / "t.csv") == {}
