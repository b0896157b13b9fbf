"""Five formats, one content: round trips, bytes that repeat, and what other programs read."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import table as astropy_table
from astropy.io import fits
from astropy.io.votable import parse_single_table
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ephemera.tables import SUFFIXES, Column, TableDeclaration, read, write

D = TableDeclaration(
    "things",
    "Some things.",
    (
        Column("id", "i8", None, "meta.id;meta.main", "Identifier"),
        Column("ra", "f8", "deg", "pos.eq.ra;meta.main", "Right ascension"),
        Column("rate", "f4", "count/s", "phot.count;em.X-ray", "Rate"),
        Column("x", "i4", "0.05 arcsec", "pos.cartesian.x;instr", "Sky coordinate X"),
        Column("ccd", "i2", None, None, "CCD, with" + 60 * " a long" + " description"),
        Column("code", "u1", None, "meta.code", "Code"),
        Column("flag", "bool", None, "meta.code.qual", "Flag"),
        Column("name", "str", None, "meta.id", "Name"),
        Column("obsid", "str", None, "meta.id", "Observation"),
    ),
)
ROWS = {
    "id": [2**62 + 1, None, -(2**63)],
    "ra": [359.99999999999994, None, float("inf")],
    "rate": [0.1, float("-inf"), float("nan")],
    "x": [25921, None, -(2**31)],
    "ccd": [None, -(2**15), 2**15 - 1],
    "code": [255, 0, None],
    "flag": [True, None, False],
    "name": [
        '\N{GREEK SMALL LETTER ALPHA} Cen \\x41 "q", r\r\ns\tt ',
        "",
        " \N{SNOWMAN WITHOUT SNOW}\U0001f52d",
    ],
    "obsid": ["0124710801", "NaN", None],
}
META = {"version": "0.1.0", "configuration_hash": "f" * 64, "n_observations": 3, "final": True, "step": 0.5}

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)
VALUES = {
    "i8": st.integers(-(2**63), 2**63 - 1),
    "f8": st.floats(allow_nan=False),
    "f4": st.floats(allow_nan=False, width=32),
    "i4": st.integers(-(2**31), 2**31 - 1),
    "i2": st.integers(-(2**15), 2**15 - 1),
    "u1": st.integers(0, 255),
    "bool": st.booleans(),
    "str": TEXT,
}


@pytest.fixture(params=list(SUFFIXES))
def suffix(request):
    return request.param


def tables():
    """Strategy of tables with nulls in any place."""
    row = st.tuples(*(st.none() | VALUES[column.dtype] for column in D))
    return st.lists(row, max_size=6).map(
        lambda rows: D.arrow({name: [row[k] for row in rows] for k, name in enumerate(D.names)})
    )


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(D.arrow(ROWS))
@example(D.empty())
@given(tables())
def test_every_format_gives_back_the_table(tmp_path, suffix, table):
    path = tmp_path / f"things{suffix}"
    write(table, D, path, META)
    assert read(path, D).equals(table, check_metadata=True)


@pytest.mark.parametrize("column", list(D), ids=lambda column: column.dtype)
def test_a_lone_column_keeps_its_null_rows(tmp_path, suffix, column):
    alone = TableDeclaration("alone", "One column.", (column,))
    table = alone.arrow({column.name: [None, ROWS[column.name][0], None, None]})
    write(table, alone, tmp_path / f"t{suffix}")
    assert read(tmp_path / f"t{suffix}", alone).equals(table)


def test_the_same_table_gives_the_same_bytes(tmp_path, suffix):
    first, second = tmp_path / f"a{suffix}", tmp_path / "elsewhere" / f"b{suffix}"
    write(ROWS, D, first, META)
    write(D.arrow(ROWS), D, second, META)
    assert first.read_bytes() == second.read_bytes()
    assert b"2026-" not in first.read_bytes()


def test_columns_not_declared_are_left_and_missing_ones_named(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    write(ROWS, D, path)
    fewer = TableDeclaration("fewer", "Fewer.", (D["name"], D["id"]))
    assert read(path, fewer).column_names == ["name", "id"]
    more = TableDeclaration("more", "More.", (D["id"], Column("new", "f8", None, None, "New")))
    with pytest.raises(ValueError, match=rf"t\{suffix}: column new of table more"):
        read(path, more)


def test_a_failed_write_leaves_the_old_file(tmp_path, suffix, monkeypatch):
    path = tmp_path / f"t{suffix}"
    write(ROWS, D, path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="column id"):
        write(ROWS | {"id": [0.5, 1.0, 2.0]}, D, path)
    with pytest.raises(ValueError, match="meta key"):
        write(ROWS, D, path, {"not a key": 1})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["t.txt", "t", "t.fits.gz"])
def test_unknown_suffix(tmp_path, name):
    with pytest.raises(ValueError, match=r"path must end in one of .parquet, .*got 't"):
        write(ROWS, D, tmp_path / name)
    with pytest.raises(ValueError, match="path must end"):
        read(tmp_path / name, D)


@pytest.mark.parametrize(
    "meta", [{"a": "two\nlines"}, {"a": float("nan")}, {"a": None}, {"1a": 1}, {"a-b": 1}]
)
def test_meta_that_no_header_holds(tmp_path, suffix, meta):
    with pytest.raises(ValueError, match="meta"):
        write(ROWS, D, tmp_path / f"t{suffix}", meta)


@pytest.mark.parametrize("key", ["naxis", "TFIELDS", "comment", "end", "date", "ttype1"])
def test_meta_named_as_a_structural_keyword_is_refused_by_fits(tmp_path, key):
    with pytest.raises(ValueError, match=f"meta {key}"):
        write(ROWS, D, tmp_path / "t.fits", {key: 1})


def test_fits_header_and_nulls_as_astropy_reads_them(tmp_path):
    path = tmp_path / "t.fits"
    write(ROWS, D, path, META)
    with fits.open(path) as file:
        file.verify("exception")
        header, columns = file[1].header, file[1].columns
        assert (header["EXTNAME"], header["NAXIS2"], header["TABDESC"]) == ("things", 3, "Some things.")
        assert [header.get(f"TUNIT{k}") for k in range(1, 5)] == [None, "deg", "count/s", "0.05 arcsec"]
        assert (header["TUCD2"], header["TCOMM5"]) == ("pos.eq.ra;meta.main", D["ccd"].description)
        assert {key: header[key] for key in META} == META
        assert "DATE" not in header
        assert "DATE" not in file[0].header
        nulls = {name: columns[name].null for name in ("id", "x", "ccd", "code")}
        # The extreme number marks a missing value unless a row holds it.
        assert nulls == {"id": -(2**63) + 1, "x": -(2**31) + 1, "ccd": -(2**15) + 1, "code": 254}
        assert file[1].data.view(np.ndarray)["flag"].view("u1").tolist() == [ord("T"), 0, ord("F")]
        assert list(file[1].data["obsid"]) == ["0124710801", "NaN", ""]
        assert file[1].data["name"][0] == r"\u03b1 Cen \\x41 \"q\", r\r\ns\tt\x20".replace(r"\"", '"')
    assert path.stat().st_size % 2880 == 0


def test_fits_says_when_no_number_is_left_for_null(tmp_path):
    bytes_only = TableDeclaration("t", "Bytes.", (D["code"],))
    write({"code": list(range(256))}, bytes_only, tmp_path / "t.fits")
    assert read(tmp_path / "t.fits", bytes_only)["code"].to_pylist() == list(range(256))
    with pytest.raises(ValueError, match="column code: no u1 number is left"):
        write({"code": [*range(256), None]}, bytes_only, tmp_path / "t.fits")


def test_fits_tables_of_other_programs_are_read(tmp_path):
    astropy_table.Table({"id": [1, 2], "ra": [1.5, np.nan], "name": ["a", ""], "flag": [True, False]}).write(
        tmp_path / "t.fits"
    )
    some = TableDeclaration("some", "Some.", tuple(D[name] for name in ("id", "ra", "name", "flag")))
    found = read(tmp_path / "t.fits", some).to_pydict()
    assert found == {"id": [1, 2], "ra": [1.5, None], "name": ["a", None], "flag": [True, False]}


def test_fits_without_a_table(tmp_path):
    fits.PrimaryHDU(np.zeros((2, 2))).writeto(tmp_path / "t.fits")
    with pytest.raises(ValueError, match="must hold a binary table extension"):
        read(tmp_path / "t.fits", D)


def test_votable_as_astropy_reads_it(tmp_path):
    path = tmp_path / "t.vot"
    write(ROWS, D, path, META | {"note": '<&"'})
    votable = parse_single_table(path, verify="ignore")
    assert [(f.name, f.datatype, f.ucd, f.unit and str(f.unit)) for f in votable.fields][:4] == [
        ("id", "long", "meta.id;meta.main", None),
        ("ra", "double", "pos.eq.ra;meta.main", "deg"),
        ("rate", "float", "phot.count;em.X-ray", "ct / s"),
        ("x", "int", "pos.cartesian.x;instr", "0.05 arcsec"),
    ]
    assert [f.datatype for f in votable.fields][-2:] == ["unicodeChar", "char"]
    assert votable.description == "Some things."
    assert votable.fields[4].description == D["ccd"].description.strip()
    assert votable.array["id"].mask.tolist() == [False, True, False]
    assert votable.array["flag"].mask.tolist() == [False, True, False]
    text = path.read_text(encoding="utf-8")
    assert '<VOTABLE version="1.4"' in text
    assert '<INFO name="note" value=\'&lt;&amp;"\'/>' in text


def test_votable_in_other_serialisations_is_read(tmp_path):
    some = TableDeclaration("some", "Some.", tuple(D[name] for name in ("id", "ra", "name")))
    table = astropy_table.Table({"id": [2**60 + 1, 5], "ra": [1.5, np.nan], "name": ["a", "b"]})
    for form in ("tabledata", "binary", "binary2"):
        table.write(tmp_path / "t.vot", format="votable", tabledata_format=form, overwrite=True)
        expected = {"id": [2**60 + 1, 5], "ra": [1.5, None], "name": ["a", "b"]}
        assert read(tmp_path / "t.vot", some).to_pydict() == expected


def test_ecsv_as_astropy_reads_it(tmp_path):
    write(ROWS, D, tmp_path / "t.ecsv", META)
    table = astropy_table.Table.read(tmp_path / "t.ecsv", format="ascii.ecsv")
    assert [table[name].dtype.name for name in D.names[:7]] == [
        "int64", "float64", "float32", "int32", "int16", "uint8", "bool",
    ]  # fmt: skip
    assert str(table["ra"].unit) == "deg"
    assert table["ra"].meta == {"ucd": "pos.eq.ra;meta.main"}
    assert table["ccd"].description == D["ccd"].description
    assert {key: table.meta[key] for key in META} == META
    assert table["id"].tolist() == ROWS["id"]
    assert table["flag"].tolist() == ROWS["flag"]
    assert table["obsid"].tolist() == ["0124710801", "NaN", None]


def test_parquet_as_astropy_reads_it(tmp_path):
    path = tmp_path / "t.parquet"
    # Its reader takes the text column's width from a warning and fails on missing texts and truth values.
    numbers = TableDeclaration("numbers", "Numbers.", (D["id"], D["ra"], D["x"]))
    write({"id": [2**62 + 1, 5], "ra": [1.5, 2.0], "x": [None, 7]}, numbers, path, META)
    table = astropy_table.Table.read(path, format="parquet.votable")
    assert str(table["ra"].unit) == "deg"
    assert (table["ra"].description, table["ra"].meta["ucd"]) == ("Right ascension", "pos.eq.ra;meta.main")
    assert table["id"].tolist() == [2**62 + 1, 5]
    metadata = pq.read_schema(path).metadata
    assert metadata[b"configuration_hash"] == b"f" * 64
    assert pq.read_schema(path).field("ra").metadata[b"ucd"] == b"pos.eq.ra;meta.main"


@pytest.mark.parametrize("suffix", [".parquet", ".fits", ".vot"])
def test_a_truncated_file_raises(tmp_path, suffix):
    path = tmp_path / f"t{suffix}"
    write({name: values * 1000 for name, values in ROWS.items()}, D, path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises((ValueError, OSError)):
        read(path, D)


def test_csv_is_plain(tmp_path):
    some = TableDeclaration("some", "Some.", tuple(D[name] for name in ("id", "ra", "flag", "obsid")))
    write({name: ROWS[name] for name in some.names}, some, tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text().splitlines() == [
        '"id","ra","flag","obsid"',
        '4611686018427387905,359.99999999999994,"True","0124710801"',
        ',,,"NaN"',
        '-9223372036854775808,inf,"False",',
    ]


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x1f\x8b", b"<html></html>", b"SIMPLE  =  T"])
def test_files_that_are_no_tables_raise(tmp_path, suffix, content):
    path = tmp_path / f"t{suffix}"
    path.write_bytes(content)
    with pytest.raises((ValueError, OSError)):
        read(path, D)


def test_large_texts_and_many_rows(tmp_path, suffix):
    some = TableDeclaration("some", "Some.", (D["id"], D["name"]))
    table = some.arrow({"id": np.arange(300), "name": [None, "x" * 20_000, "\n"] * 100})
    write(table, some, tmp_path / f"t{suffix}")
    assert read(tmp_path / f"t{suffix}", some).equals(table)


def test_arrow_chunks_make_no_difference(tmp_path, suffix):
    whole = D.arrow(ROWS)
    parts = pa.concat_tables([whole.slice(0, 1), whole.slice(1)])
    write(whole, D, tmp_path / f"a{suffix}")
    write(parts, D, tmp_path / f"b{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
