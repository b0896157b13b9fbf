"""Sample sheets and the notes of where units come from."""

import json
import os
import time

import pytest

import samples
from ephemera.files import sha256_of


def sheet(folder, text):
    path = folder / "sheet.tsv"
    path.write_text(text)
    return path


HEADER = "obsid\tsource\tlocation\n"
PATTERN = r"\d{10}"


def test_units_come_sorted_and_comments_are_skipped(tmp_path):
    path = sheet(tmp_path, f"# mine\n{HEADER}0000000002\tarchive\t\n\n0000000001\tfolder\tdata\n")
    units = samples.read_samples(path, "obsid", PATTERN)
    assert [(s.unit, s.source, s.location) for s in units] == [
        ("0000000001", "folder", "data"),
        ("0000000002", "archive", ""),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "is empty"),
        ("obs\tsource\n", r"line 1: the columns are \['obs', 'source'\]"),
        (f"{HEADER}12\tarchive\t\n", "line 2: obsid '12' does not match"),
        (f"{HEADER}0000000001\tweb\t\n", "line 2: source 'web' is none of archive"),
        (f"{HEADER}0000000001\tfolder\t\n", "needs a location"),
        (
            f"{HEADER}0000000001\tarchive\t\n0000000001\tarchive\t\n",
            "line 3: obsid 0000000001 is there twice",
        ),
        (f"{HEADER}../../etc\tarchive\t\n", "does not match"),
    ],
)
def test_a_bad_sheet_names_line_and_reason(tmp_path, text, expected):
    with pytest.raises(samples.SampleSheetError, match=expected):
        samples.read_samples(sheet(tmp_path, text), "obsid", PATTERN)


def test_a_source_that_the_branch_does_not_have_is_refused_with_its_line(tmp_path):
    path = sheet(tmp_path, f"{HEADER}0000000001\tarchive\t\n")
    with pytest.raises(samples.SampleSheetError, match="line 2: source 'archive' is none of folder, files"):
        samples.read_samples(path, "obsid", PATTERN, kinds=("folder", "files"))


def test_a_quotation_mark_without_its_twin_swallows_no_other_line(tmp_path):
    path = sheet(tmp_path, f'{HEADER}0000000001\tfolder\t"5 ks\n0000000002\tfolder\t"a b"\n')
    assert [s.location for s in samples.read_samples(path, "obsid", PATTERN)] == ["5 ks", "a b"]


@pytest.mark.parametrize("content", [b"obsid\tsource\tlocation\n\xe9\n", b"\xff\xfeo\0b\0", b"obsid\0\n"])
def test_a_sheet_that_is_no_text_is_refused(tmp_path, content):
    (tmp_path / "sheet.tsv").write_bytes(content)
    with pytest.raises(samples.SampleSheetError, match=r"sheet\.tsv"):
        samples.read_samples(tmp_path / "sheet.tsv", "obsid", PATTERN)


def test_a_missing_sheet_is_named(tmp_path):
    with pytest.raises(samples.SampleSheetError, match=r"none\.tsv cannot be read"):
        samples.read_samples(tmp_path / "none.tsv", "obsid", PATTERN)


def test_shards_are_disjoint_complete_and_stable():
    units = [samples.Sample(f"{k:010d}", "archive", "") for k in range(200)]
    shards = [samples.in_shard(units, f"{k}/7") for k in range(1, 8)]
    assert sorted(s.unit for shard in shards for s in shard) == [s.unit for s in units]
    assert all(shards)
    fewer = samples.in_shard(units[:50], "3/7")
    assert fewer == [s for s in shards[2] if s in units[:50]]


class Unit:
    """A unit of one local file with the manifest that its download wrote."""

    def __init__(self, folder):
        self.raw = folder / "raw"
        self.file = folder / "list.fits"
        self.file.write_bytes(b"events")
        self.sample = samples.Sample("0000000001", "files", str(self.file))
        self.note()
        status = self.file.stat()
        manifest = {
            "outcome": "ok",
            "files": [
                {
                    "path": str(self.file),
                    "size": status.st_size,
                    "mtime_ns": status.st_mtime_ns,
                    "sha256": sha256_of(self.file),
                }
            ],
        }
        self.manifest = self.raw / "0000000001" / "manifest.json"
        self.manifest.write_text(json.dumps(manifest))
        self.source = self.manifest.with_name("source.json")

    def note(self):
        samples.note_sources([self.sample], self.raw)

    def stale(self):
        return self.source.stat().st_mtime_ns > self.manifest.stat().st_mtime_ns

    def opened(self, monkeypatch):
        seen = []

        def look(path):
            seen.append(str(path))
            return sha256_of(path)

        monkeypatch.setattr(samples, "sha256_of", look)
        return seen


@pytest.fixture
def unit(tmp_path):
    return Unit(tmp_path)


def test_nothing_changed_nothing_opened_nothing_stale(unit, monkeypatch):
    opened = unit.opened(monkeypatch)
    unit.note()
    assert not unit.stale()
    assert opened == []


def test_a_touched_file_is_compared_once_and_is_not_stale(unit, monkeypatch):
    opened = unit.opened(monkeypatch)
    os.utime(unit.file, ns=(1, 1))
    unit.note()
    assert not unit.stale()
    assert len(opened) == 1
    unit.note()
    assert len(opened) == 1


@pytest.mark.parametrize("age", ["newer", "older"])
def test_other_content_is_stale_whatever_its_time(unit, age):
    unit.file.write_bytes(b"EVENTS")
    if age == "older":
        os.utime(unit.file, ns=(10**18, 10**18))
    unit.note()
    assert unit.stale()
    before = unit.source.stat().st_mtime_ns
    unit.note()
    assert unit.source.stat().st_mtime_ns == before


def test_another_place_is_stale_even_with_the_clock_set_back(unit, tmp_path, monkeypatch):
    future = unit.manifest.stat().st_mtime_ns + 10**15
    os.utime(unit.manifest, ns=(future, future))
    unit.sample = samples.Sample("0000000001", "folder", str(tmp_path))
    unit.note()
    assert unit.stale()


def test_a_failed_download_is_tried_again(unit):
    content = json.loads(unit.manifest.read_text()) | {"outcome": "download_failed", "files": []}
    unit.manifest.write_text(json.dumps(content))
    unit.note()
    assert unit.stale()


def test_a_lost_file_is_stale(unit):
    unit.file.unlink()
    unit.note()
    assert unit.stale()


def test_a_file_that_comes_into_the_folder_is_stale_and_an_old_bystander_is_not(unit, tmp_path):
    unit.sample = samples.Sample("0000000001", "folder", str(tmp_path))
    (tmp_path / "notes.txt").write_text("was here before")
    unit.note()
    # File systems tell times in ticks of a few milliseconds.
    time.sleep(0.05)
    unit.manifest.write_text(unit.manifest.read_text())
    unit.note()
    assert not unit.stale()
    time.sleep(0.05)
    (tmp_path / "second.fits").write_bytes(b"more events")
    unit.note()
    assert unit.stale()
