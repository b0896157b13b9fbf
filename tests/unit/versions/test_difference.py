"""What differs between two versions: options, code, and rows of tables."""

import re
import shutil

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from builders.results_folder import BURSTS, ROWS, Results
from ephemera.tables import read, write
from ephemera.versions.catalogue_difference import DIFFERENCES, compare
from ephemera.versions.difference import project_files
from ephemera.versions.recipe_difference import changes
from ephemera.versions.recipe_difference import compare as compare_recipes
from ephemera.versions.store import Store


def table(path, **replaced):
    write(ROWS | replaced, BURSTS, path)
    return path


@pytest.fixture
def two(tmp_path):
    def compared(relative=0.0, radius=20.0, **replaced):
        a, b = table(tmp_path / "a.parquet"), table(tmp_path / "b.parquet", **replaced)
        return compare("t", a, b, radius_arcsec=radius, tolerance_days=0.01, relative=relative)

    return compared


def test_equal_tables_differ_in_nothing(two):
    found = two()
    assert found.counts == {"appear": 0, "vanish": 0, "change": 0, "stay": 4}
    assert found.rows == []
    assert found.matched_by == "position and mjd_peak"


def test_a_changed_cell_is_named_with_both_values(two):
    found = two(counts=[10, 5, 21, 4], detid=["a", "b", "C", "d"])
    assert found.counts["change"] == 1
    (row,) = found.rows
    assert (row["status"], row["row"], row["row_before"]) == ("changes", "C", "c")
    assert row["changes"] == "detid: c -> C; counts: 20 -> 21"
    assert found.columns == {"detid": 1, "counts": 1}


def test_a_row_that_moves_a_little_changes_and_one_that_moves_far_is_another(two):
    near = two(dec=[5 / 3600, -30.0, 89.9, 5.0])
    assert near.counts == {"appear": 0, "vanish": 0, "change": 1, "stay": 3}
    assert near.rows[0]["separation"] == pytest.approx(5)
    far = two(dec=[30 / 3600, -30.0, 89.9, 5.0])
    assert far.counts == {"appear": 1, "vanish": 1, "change": 0, "stay": 3}
    assert [(row["status"], row["row"]) for row in far.rows] == [("appears", "a"), ("vanishes", "a")]


def test_numbers_within_the_relative_limit_are_equal(two):
    rate = [0.1 * (1 + 1e-9), 0.2, 0.3, 0.4]
    assert two(rate=rate).counts["change"] == 1
    assert two(rate=rate, relative=1e-6).counts["change"] == 0


def test_missing_values_are_equal_to_each_other_only(two):
    assert two(rate=[None, 0.2, 0.3, 0.4]).rows[0]["changes"] == "rate: 0.1 -> None"
    assert two(detid=[None, "b", "c", "d"]).rows[0]["changes"] == "detid: a -> None"


def test_running_numbers_are_not_compared(two):
    assert two(srcid=[7, 8, 9, 10]).counts["change"] == 0


def test_empty_tables_can_be_compared(two):
    found = two(**{name: [] for name in ROWS})
    assert found.counts == {"appear": 0, "vanish": 4, "change": 0, "stay": 0}


def test_tables_without_positions_are_compared_by_whole_rows(tmp_path):
    paths = tmp_path / "a.parquet", tmp_path / "b.parquet"
    for path, counts in zip(paths, ([1, 1, 2], [1, 2, 3]), strict=True):
        pq.write_table(pyarrow.table({"n": counts}), path)
    found = compare("t", *paths, radius_arcsec=20, tolerance_days=1)
    assert found.counts == {"appear": 1, "vanish": 1, "stay": 2}


def test_tables_without_positions_whose_rows_have_names_are_matched_by_them(tmp_path):
    import pyarrow as pa

    named = pa.schema([pa.field("run", pa.string(), metadata={"ucd": "meta.id"}), ("n", pa.int64())])
    paths = tmp_path / "a.parquet", tmp_path / "b.parquet"
    for path, (runs, n) in zip(paths, ((["x", "y"], [1, 2]), (["y", "z"], [3, 4])), strict=True):
        pq.write_table(pa.table([runs, n], schema=named), path)
    found = compare("t", *paths, radius_arcsec=20, tolerance_days=1)
    assert found.counts == {"appear": 1, "vanish": 1, "change": 1, "stay": 0}
    assert (found.columns, found.matched_by) == ({"n": 1}, "identifiers")


def test_a_range_of_moments_is_used_where_there_is_no_moment(tmp_path):
    import pyarrow as pa

    def field(name, unit, ucd):
        return pa.field(name, pa.float64(), metadata={"unit": unit, "ucd": ucd})

    schema = pa.schema(
        [
            field("ra", "deg", "pos.eq.ra;meta.main"),
            field("dec", "deg", "pos.eq.dec;meta.main"),
            field("first_seen", "d", "time.epoch;stat.min"),
            field("last_seen", "d", "time.epoch;stat.max"),
        ]
    )
    paths = tmp_path / "a.parquet", tmp_path / "b.parquet"
    for path, last in zip(paths, (2.0, 9.0), strict=True):
        pq.write_table(pa.table([[1.0], [1.0], [1.0], [last]], schema=schema), path)
    found = compare("t", *paths, radius_arcsec=20, tolerance_days=0)
    assert found.matched_by == "position and first_seen to last_seen"
    assert found.counts["change"] == 1


def test_changes_of_nested_options_have_dotted_names():
    before = {"a": {"b": 1, "c": [1]}, "d": "x", "e": None}
    after = {"a": {"b": 2, "c": [1]}, "d": "x", "f": True}
    assert list(changes(before, after)) == [("a.b", "1", "2"), ("e", "null", "-"), ("f", "-", "true")]


def test_an_option_that_becomes_a_section_is_a_change():
    assert list(changes({"a": 1}, {"a": {"b": 1}})) == [("a", "1", "-"), ("a.b", "-", "1")]


def test_recipes_differ_in_options_modules_tables_and_what_they_read():
    recipes = [r["find"].document for r in (Results(root).recipes(5) for root in [_root()])]
    other = Results(_root()).recipes(6, code="9")["find"].document
    other["tables"] = {"t.csv": "cd"}
    other["code"]["modules"]["ephemera.lab.new"] = "3" * 12
    found = compare_recipes(recipes[0], other)
    assert found.options == (("threshold", "5", "6"),)
    assert found.modules == (
        ("ephemera.lab.find", "1" * 10, "9" * 10),
        ("ephemera.lab.new", "-", "3" * 10),
    )
    assert found.tables == (("t.csv", "ab", "cd"),)
    assert found.reads == ()
    assert found.is_its_own


def _root():
    from pathlib import Path

    return Path("results")


def test_the_difference_of_two_versions_for_people(results, ephemera):
    code, text, _ = ephemera("versions", "diff", "1", "2")
    assert code == 0
    first, second = results.first, results.second
    assert re.search(r"lab\.find\.threshold +5 -> 10", text)
    assert "unused" not in text  # of a branch that did not run
    assert f"lab.find {first['find'].key} -> {second['find'].key}" in text
    assert "option threshold  5 -> 10" in text
    assert "new because of what they read: lab.catalogue" in text
    assert "the same: lab.read" in text
    assert re.search(r"lab\.catalogue/bursts +3 -> 2 rows: +0 appear, 1 vanish, 0 change, 2 stay", text)
    assert re.search(r"vanishes +20\.00000 +-30\.00000 +50001\.00000 +b", text)
    assert "lab.catalogue: other content in report.txt" in text


def test_code_that_differs_is_named_with_its_digests(results, ephemera):
    results.run(10, code="9")
    text = ephemera("versions", "diff", "2", "3")[1]
    assert re.search(r"ephemera\.lab\.find +1111111111 -> 9999999999 +in find", text)
    assert "configuration: the same" in text


def test_a_version_and_itself_differ_in_nothing(results, ephemera):
    text = ephemera("versions", "diff", "2", "current")[1]
    assert "configuration: the same" in text
    assert "the same: lab.read, lab.find, lab.catalogue" in text
    assert "->" not in text


def test_two_keys_of_one_step_can_be_compared(results, ephemera):
    keys = results.first["catalogue"].key, results.second["catalogue"].key
    text = ephemera("versions", "diff", *keys)[1]
    assert re.search(rf"reads lab\.find +{results.first['find'].key} -> {results.second['find'].key}", text)
    assert "1 vanish" in text


@pytest.mark.parametrize(
    ("a", "b", "text"), [("1", "key", "two versions or two keys"), ("1", "9", "knows no")]
)
def test_what_cannot_be_compared_is_an_error(results, ephemera, a, b, text):
    code, _, errors = ephemera("versions", "diff", a, results.first["find"].key if b == "key" else b)
    assert code == 2
    assert text in errors


def test_keys_of_two_steps_cannot_be_compared(results, ephemera):
    code, _, errors = ephemera("versions", "diff", results.first["find"].key, results.first["read"].key)
    assert code == 2
    assert "keys of one step" in errors


def test_all_rows_can_be_written_in_every_format(results, ephemera, tmp_path):
    for suffix in (".csv", ".fits", ".parquet"):
        path = tmp_path / f"rows{suffix}"
        text = ephemera("versions", "diff", "2", "1", "--table", str(path), "--rows", "0")[1]
        assert "1 row written" in text
        assert "and 1 more" in text
        (row,) = read(path, DIFFERENCES).to_pylist()
        assert (row["table"], row["status"], row["row"]) == ("lab.catalogue/bursts", "appears", "b")
    code, _, errors = ephemera("versions", "diff", "2", "1", "--table", "rows.txt")
    assert code == 2
    assert ".csv" in errors


def test_a_version_of_which_parts_are_gone_can_still_be_compared(results, ephemera):
    shutil.rmtree(results.first["find"].folder)
    code, text, _ = ephemera("versions", "diff", "1", "2")
    assert code == 0
    assert "the recipe is no longer there" in text
    assert "1 vanish" in text


def test_files_of_a_project_whose_name_goes_on_are_not_taken(results):
    results.run(5, project="p.more")
    store = Store(results.root)
    key = results.first["catalogue"].key
    assert set(project_files(store, key, "p")) == {"bursts.parquet", "report.txt"}
    assert set(project_files(store, key, "p.more")) == {"bursts.parquet", "report.txt"}
    assert project_files(store, "0" * 10, "p") == {}
