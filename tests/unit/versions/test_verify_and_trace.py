"""Outputs against their records, and the way back to raw files."""

import json
import shutil
from pathlib import Path

import pytest

from ephemera.recipes import checksums
from ephemera.versions.lineage import Records, lineage
from ephemera.versions.store import Store


def test_a_version_as_it_was_made_is_all_right(results, ephemera):
    code, text, _ = ephemera("verify")
    assert code == 0
    assert text.startswith("3 steps, 6 files, ")
    assert "all as they were made" in text


def test_a_damaged_file_is_named(results, ephemera):
    path = Path(results.second["find"].folder, "u1.found.txt")
    text = path.read_text()
    path.write_text(text[:-1] + "X")
    code, answer, _ = ephemera("verify")
    assert code == 1
    (line,) = [line for line in answer.splitlines() if line.startswith("damaged")]
    assert str(path.relative_to(Path.cwd())) in line
    assert ephemera("verify", "--sizes-only")[0] == 0
    path.write_text(text + "X")
    assert ephemera("verify", "--sizes-only")[0] == 1
    assert ephemera("verify", "1")[0] == 0


def test_a_damaged_raw_file_is_named(results, ephemera):
    assert ", 2 raw files: all as they were made" in ephemera("verify")[1]
    (entry,) = json.loads((results.raw / "u1" / "manifest.json").read_text())["files"]
    path = Path(entry["path"])
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    code, text, _ = ephemera("verify", "--sizes-only")
    assert code == 1
    assert f"damaged     {path}  raw file: {len(whole) - 1} bytes instead of {len(whole)}" in text
    path.write_bytes(whole[:-1] + b"\x00")
    assert ephemera("verify", "--sizes-only")[0] == 0
    assert f"damaged     {path}  raw file: other content" in ephemera("verify")[1]
    path.unlink()
    assert f"missing     {path}  raw file: {len(whole)} bytes were noted" in ephemera("verify")[1]


def test_a_missing_file_is_named_also_without_its_record(results, ephemera):
    folder = Path(results.second["find"].folder)
    (folder / "u2.found.txt").unlink()
    assert "missing     results" in ephemera("verify")[1]
    checksums.forget(folder, "u2")
    code, text, _ = ephemera("verify")
    assert code == 1
    assert "u2.found.txt  lab.catalogue p read it" in text


def test_a_file_that_no_job_made_is_named(results, ephemera):
    Path(results.second["find"].folder, "mine.txt").touch()
    code, text, _ = ephemera("verify")
    assert code == 1
    assert "unrecorded" in text
    assert "mine.txt" in text


def test_a_missing_folder_and_a_broken_record_are_named(results, ephemera):
    shutil.rmtree(results.second["catalogue"].folder)
    record = checksums.record_path(results.second["find"].folder, "u1")
    record.write_text("{")
    code, text, _ = ephemera("verify", "2", "--cores", "2")
    assert code == 1
    assert "the folder of the key" in text
    assert "unreadable" in text


def test_results_without_links_say_so(results, ephemera):
    shutil.rmtree(results.root / "current")
    code, _, errors = ephemera("verify")
    assert code == 2
    assert "no current version" in errors


def catalogue(results):
    return Path(results.second["catalogue"].folder).relative_to(Path.cwd()) / "p" / "bursts.parquet"


def test_the_way_back_names_every_step_and_every_raw_file(results, ephemera):
    code, text, _ = ephemera("trace", str(catalogue(results)))
    assert code == 0
    assert "as it was made" in text
    order = [text.index(f"lab.{name} ") for name in ("catalogue", "find", "read")]
    assert order == sorted(order)
    assert results.first["find"].key not in text
    for unit in ("u1", "u2"):
        data = results.raw / unit / f"{unit}.fits"
        assert checksums.measured(data, "x")["x"].sha256 in text
        assert f"http://archive/{unit}" in text
    assert "from 2 raw files" in text


def test_a_file_of_one_unit_comes_from_its_raw_files_alone(results, ephemera):
    path = Path(results.second["find"].folder, "u1.found.txt")
    text = ephemera("trace", str(path))[1]
    assert "from 1 raw file" in text
    assert "u2" not in text


def test_links_of_current_can_be_followed(results, ephemera):
    text = ephemera("trace", "results/current/lab/catalogue/p/bursts.parquet")[1]
    assert text.startswith(f"{catalogue(results)}\n")


def test_the_whole_lineage_for_programs(results, ephemera):
    document = json.loads(ephemera("trace", str(catalogue(results)), "--json")[1])
    jobs = {
        (job["step"], job["name"] if "name" in job else "+".join(job["unit"].values()))
        for job in document["jobs"]
    }
    assert jobs == {("lab.catalogue", "p")} | {
        (f"lab.{s}", u) for s in ("find", "read") for u in ("u1", "u2")
    }
    assert [Path(raw["path"]).name for raw in document["raw"]] == ["u1.fits", "u2.fits"]
    assert document["unknown"] == []


def test_a_file_that_is_not_as_it_was_made_is_told(results, ephemera):
    path = Path(results.second["find"].folder, "u1.found.txt")
    path.write_text("other")
    code, text, _ = ephemera("trace", str(path))
    assert code == 1
    assert "NOT as it was made" in text


def test_raw_files_are_compared_when_asked(results, ephemera):
    assert "all as noted" in ephemera("trace", str(catalogue(results)), "--check")[1]
    (results.raw / "u1" / "u1.fits").write_text("other")
    (results.raw / "u2" / "u2.fits").unlink()
    assert ephemera("trace", str(catalogue(results)))[0] == 0
    code, text, _ = ephemera("trace", str(catalogue(results)), "--check")
    assert code == 1
    assert "changed" in text
    assert "missing" in text


def test_a_job_without_a_record_is_told(results, ephemera):
    checksums.forget(results.second["find"].folder, "u1")
    text = ephemera("trace", str(catalogue(results)))[1]
    assert "unknown: no job noted that it made" in text
    assert "u1.found.txt" in text


def test_only_the_first_raw_files_are_shown_unless_all_are_wanted(results, ephemera, monkeypatch):
    from ephemera.versions import trace

    monkeypatch.setattr(trace, "SHOWN", 1)
    assert "and 1 more" in ephemera("trace", str(catalogue(results)))[1]
    assert "more" not in ephemera("trace", str(catalogue(results)), "--all")[1]


def test_a_manifest_made_by_a_job_leads_to_that_job(results, ephemera):
    folder = Path(results.second["read"].folder).parents[1] / "get" / "00000000aa"
    manifest = results.raw / "u1" / "manifest.json"
    name = str(manifest.relative_to(Path.cwd()))
    made = checksums.measured(manifest, name)
    record = checksums.Record("lab.get", "00000000aa", "00000000aa", {"unit": "u1"}, elsewhere=made)
    folder.mkdir(parents=True)
    checksums.write(folder, record)
    found = lineage(Records(Store(Path("results"))), Path(name))
    assert [r.step for r in found.records.values()] == ["lab.get"]
    assert [Path(path).name for path in found.raw] == ["u1.fits"]


@pytest.mark.parametrize(
    ("name", "text"), [("nowhere.txt", "there is no"), ("results/versions.jsonl", "no job noted")]
)
def test_what_has_no_lineage_is_an_error(results, ephemera, name, text):
    code, _, errors = ephemera("trace", name)
    assert code == 2
    assert text in errors


def test_a_manifest_leads_to_its_raw_files(results, ephemera):
    code, text, _ = ephemera("trace", str(results.raw / "u1" / "manifest.json"))
    assert code == 0
    assert "http://archive/u1" in text
