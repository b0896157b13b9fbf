"""What names of files say, and how observations are found."""

from pathlib import Path

import pytest

from ephemera.cosmic.index import gaps, sort_files
from ephemera.cosmic.names import observations, parse_name, prefix_of


@pytest.mark.parametrize(
    ("name", "kind", "prefix", "part"),
    [
        ("X.seticore.0000.stamps", "stamps", "X", "0000"),
        ("X.seticore.0012.stamps", "stamps", "X", "0012"),
        ("X.stamps", "stamps", "X", "single"),
        ("X.stamp", "stamps", "X", "single"),
        ("X.seticore.hits", "hits", "X", ""),
        ("X.hits", "hits", "X", ""),
        ("X.bfr5", "recipe", "X", ""),
        ("example.raw.seticore.0000.stamps", "stamps", "example.raw", "0000"),
        ("X.seticore.0000.stamps.tmp", "tmp", "X", "0000"),
        ("X.0001.hits", "hits", "X.0001", ""),
        (
            "23B-169.sb44907755.eb44921564.60295.44951556713.34.1.AC.C416.0021.hits",
            "hits",
            "23B-169.sb44907755.eb44921564.60295.44951556713.34.1.AC.C416.0021",
            "",
        ),
    ],
)
def test_kinds_prefixes_and_parts(name, kind, prefix, part):
    found = parse_name(Path("/folder") / name)
    assert (found.kind, found.prefix, found.part) == (kind, prefix, part)


@pytest.mark.parametrize("name", ["X.raw", "X.txt", "stamps", "X.stamps.gz", ".partial.X.stamps", "X.tmp"])
def test_other_files_are_ignored(name):
    assert parse_name(Path(name)) is None


def test_the_prefix_of_a_stamps_file_with_a_number_of_other_length():
    assert prefix_of("X.12345.stamps") == "X.12345"


def touch(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_observations_are_found_below_folders(tmp_path):
    touch(
        tmp_path,
        "a/X.seticore.0001.stamps",
        "a/X.seticore.0000.stamps",
        "a/X.seticore.hits",
        "a/X.bfr5",
        "a/b/Y.hits",
        "a/b/Y.log",
        "a/b/Z.hits.tmp",
        "r/W.bfr5",
    )
    found = observations([str(tmp_path / "a")], [str(tmp_path / "r")])
    assert list(found) == ["X", "Y", "Z"]
    assert found["X"].parts == ["0000", "0001"]
    assert [path.name for path in found["X"].recipes] == ["X.bfr5", "W.bfr5"]
    # The folder above counts too.
    assert [path.name for path in found["Y"].recipes] == ["X.bfr5", "W.bfr5"]
    assert found["Z"].parts == []
    assert observations([str(tmp_path / "a/*.hits")])["X"].parts == []


def test_a_place_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match="neither a file nor a folder"):
        observations([str(tmp_path / "none")])


@pytest.mark.parametrize("name", ["{x}.hits", " x.hits", "a\nb.hits", "a;b/x.hits"])
def test_names_that_cannot_be_folders_are_refused(tmp_path, name):
    touch(tmp_path, name)
    with pytest.raises(ValueError, match="rename"):
        observations([str(tmp_path)])


def test_files_that_cannot_be_used_are_named(tmp_path):
    touch(
        tmp_path, "X.hits", "X.seticore.hits", "X.0000.stamps.tmp", "X.0000.stamps", "X.0003.stamps", "X.bfr5"
    )
    contents = sort_files(sorted(tmp_path.iterdir()))
    codes = sorted((Path(row.file).name, str(row.code)) for row in contents.bad)
    assert codes == [
        ("X.0000.stamps", "empty_file"),
        ("X.0000.stamps.tmp", "tmp_file"),
        ("X.0003.stamps", "empty_file"),
        ("X.0003.stamps", "part_gap"),
        ("X.bfr5", "not_hdf5"),
        ("X.hits", "empty_file"),
        ("X.seticore.hits", "duplicate_file"),
        ("X.seticore.hits", "empty_file"),
    ]


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    touch(tmp_path, "X.hits")
    monkeypatch.setattr("os.access", lambda *_: False)
    (row,) = sort_files([tmp_path / "X.hits"]).bad
    assert row.code == "unreadable"


@pytest.mark.parametrize(
    ("parts", "missing"),
    [("0000 0001", []), ("0001", ["0000"]), ("0000 0002 0009", ["0001", "0003 to 0008"]), ("single", [])],
)
def test_gaps_in_the_numbers_are_noted(parts, missing):
    rows = list(gaps({part: Path(f"X.{part}.stamps") for part in parts.split()}))
    assert [row.message for row in rows] == [f"{text} not there" for text in missing]
