"""Declarations refuse what some format could not hold."""

import dataclasses
import subprocess
import sys

import pytest

from ephemera.tables import Column, TableDeclaration, markdown

GOOD = Column("ra", "f8", "deg", "pos.eq.ra;meta.main", "Right ascension, ICRS")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "4xmm"),
        ("name", "a b"),
        ("name", ""),
        ("dtype", "f16"),
        ("dtype", "float"),
        ("unit", "\N{MICRO SIGN}m"),
        ("unit", ""),
        ("ucd", "pos.eq.ra; meta.main"),
        ("ucd", ""),
        ("description", "line\nbreak"),
        ("description", "sigma \N{GREEK SMALL LETTER SIGMA}"),
        ("description", ""),
    ],
)
def test_column_names_what_it_refuses(field, value):
    with pytest.raises(ValueError, match=field if field != "name" else "column name") as caught:
        dataclasses.replace(GOOD, **{field: value})
    assert repr(value) in str(caught.value)


def test_columns_that_differ_in_case_only_are_one_to_fits_and_sql():
    with pytest.raises(ValueError, match="twice: ra"):
        TableDeclaration("t", "Two.", (GOOD, dataclasses.replace(GOOD, name="RA")))


def test_table_name_and_description_are_checked():
    with pytest.raises(ValueError, match="table name"):
        TableDeclaration("my table", "One.", (GOOD,))
    with pytest.raises(ValueError, match="description"):
        TableDeclaration("t", "", (GOOD,))


def test_columns_are_found_by_name():
    table = TableDeclaration("t", "One.", (GOOD,))
    assert table["ra"] is GOOD
    assert table.names == ("ra",)
    assert list(table) == [GOOD]
    with pytest.raises(KeyError):
        table["dec"]


def test_declaring_imports_no_slow_library():
    code = (
        "import sys; from ephemera.tables import *; Column('a', 'f8', None, None, 'A');"
        "print(sorted({'pyarrow', 'astropy', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_markdown_has_one_row_per_column_and_no_markup_from_texts():
    table = TableDeclaration(
        "things",
        "All <b>things</b> of t_bin.",
        (GOOD, Column("n", "i4", None, None, "a | b *c* `d` & n_max <e>")),
    )
    lines = markdown(table).splitlines()
    assert lines[0] == "### Table `things`"
    assert lines[2] == r"All &lt;b&gt;things&lt;/b&gt; of t\_bin."
    assert lines[-2] == "| `ra` | float, 64 bits | deg | `pos.eq.ra;meta.main` | Right ascension, ICRS |"
    assert lines[-1] == r"| `n` | integer, 32 bits |  |  | a \| b \*c\* \`d\` &amp; n\_max &lt;e&gt; |"
