"""One crate of a version: whole, described, the same bytes every time."""

import csv
import hashlib
import json
import re
import zipfile
from pathlib import Path

import pytest
import yaml

from ephemera.versions.export import citations
from ephemera.versions.store import Store


@pytest.fixture
def crate(results, ephemera):
    ephemera("versions", "pin", "paper", "1")
    assert ephemera("versions", "export", "paper", "--output", "paper")[0] == 0
    return Path("paper")


def described(crate):
    document = json.loads((crate / "ro-crate-metadata.json").read_text())
    return {entity["@id"]: entity for entity in document["@graph"]}


def files(crate):
    return {str(path.relative_to(crate)): path for path in crate.rglob("*") if path.is_file()}


def test_it_holds_tables_recipes_configuration_environment_raw_files_and_citations(crate):
    assert files(crate).keys() == {
        "SHA256SUMS",
        "catalogue/lab/catalogue/bursts.parquet",
        "catalogue/lab/catalogue/report.txt",
        "citations.bib",
        "config/config.yaml",
        "environment/requirements.txt",
        "raw_files.csv",
        "recipes/lab.catalogue.json",
        "recipes/lab.find.json",
        "recipes/lab.read.json",
        "ro-crate-metadata.json",
    }
    assert yaml.safe_load((crate / "config/config.yaml").read_text())["lab"]["find"]["threshold"] == 5
    assert "numpy==" in (crate / "environment/requirements.txt").read_text()
    assert "@software{ephemera" in (crate / "citations.bib").read_text()


def test_the_description_follows_ro_crate(crate, results):
    entities = described(crate)
    descriptor, root = entities["ro-crate-metadata.json"], entities["./"]
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert descriptor["about"] == {"@id": "./"}
    assert {"name", "description", "datePublished", "license"} <= root.keys()
    parts = {part["@id"] for part in root["hasPart"]}
    assert parts == files(crate).keys() - {"ro-crate-metadata.json", "SHA256SUMS"}
    for name in parts:
        content = (crate / name).read_bytes()
        assert entities[name]["@type"] == "File"
        assert entities[name]["contentSize"] == str(len(content))
        assert entities[name]["sha256"] == hashlib.sha256(content).hexdigest()
    step = results.first["catalogue"]
    action = entities[f"#lab.catalogue-{step.key}"]
    assert action["@type"] == "CreateAction"
    assert {"@id": "catalogue/lab/catalogue/bursts.parquet"} in action["result"]
    assert entities["#numpy-2.4.6"]["version"] == "2.4.6"


def test_everything_that_is_referred_to_is_described(crate):
    entities = described(crate)

    def references(value):
        if isinstance(value, dict):
            if value.keys() == {"@id"}:
                yield value["@id"]
            for item in value.values():
                yield from references(item)
        elif isinstance(value, list):
            for item in value:
                yield from references(item)

    asked = {name for entity in entities.values() for name in references(entity)}
    assert {name for name in asked if not name.startswith("https:")} <= entities.keys()


def test_the_sums_are_those_of_all_files(crate):
    lines = (crate / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert sums.keys() == files(crate).keys() - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((crate / name).read_bytes()).hexdigest() == digest


def test_the_raw_files_are_listed_with_checksums_and_addresses(crate, results):
    rows = list(csv.DictReader((crate / "raw_files.csv").read_text().splitlines()))
    assert [row["url"] for row in rows] == ["http://archive/u1", "http://archive/u2"]
    for row in rows:
        assert hashlib.sha256(Path(row["path"]).read_bytes()).hexdigest() == row["sha256"]


def test_a_zip_holds_the_same_and_its_bytes_repeat(crate, ephemera, results):
    ephemera("versions", "export", "paper")
    ephemera("versions", "export", "paper", "--output", "again.zip")
    assert Path("paper.zip").read_bytes() == Path("again.zip").read_bytes()
    with zipfile.ZipFile("paper.zip") as archive:
        assert archive.testzip() is None
        assert {n: archive.read(n) for n in archive.namelist()} == {
            n: p.read_bytes() for n, p in files(crate).items()
        }


def test_what_is_there_is_not_overwritten(crate, ephemera):
    code, _, errors = ephemera("versions", "export", "paper", "--output", "paper")
    assert code == 2
    assert "there already" in errors


def test_a_version_of_which_parts_are_gone_cannot_be_exported(results, ephemera):
    ephemera("versions", "prune", "--keep", "1", "--delete")
    code, _, errors = ephemera("versions", "export", "1")
    assert code == 2
    assert "not all there" in errors
    assert not Path("1.zip").exists()


def test_a_licence_and_the_sample_sheet_go_with_it(results, ephemera):
    lines = (results.root / "versions.jsonl").read_text().splitlines()
    line = json.loads(lines[-1])
    Path("sheet.tsv").write_text("unit\tsource\tlocation\n")
    line["configuration"]["lab"]["samples"] = "sheet.tsv"
    with (results.root / "versions.jsonl").open("a") as handle:
        handle.write(json.dumps(line) + "\n")
    address = "https://creativecommons.org/licenses/by/4.0/"
    ephemera("versions", "export", "p", "--output", "crate", "--licence", address)
    assert described(Path("crate"))["./"]["license"] == address
    assert Path("crate/config/lab-sheet.tsv").read_text() == Path("sheet.tsv").read_text()


def test_every_branch_says_what_to_cite(repository, results):
    from ephemera.config.project import Configuration
    from ephemera.config.section import Section

    branches = [n for n, f in Configuration.model_fields.items() if issubclass_of(f.annotation, Section)]
    assert "xmm" in branches
    for name in ("ephemera", *branches):
        text = (repository / "resources" / "citations" / f"{name}.bib").read_text()
        entries = re.findall(r"^@(\w+)\{(\w+),$(.*?)^\}$", text, re.MULTILINE | re.DOTALL)
        assert entries, name
        assert text.count("@") == len(entries)
        for kind, key, body in entries:
            fields = dict(re.findall(r"^  (\w+) +?= \{(.*)\},$", body, re.MULTILINE))
            assert {"author", "title", "year"} <= fields.keys(), key
            assert kind != "article" or {"journal", "doi"} <= fields.keys(), key
            assert body.count("{") == body.count("}"), key


def issubclass_of(annotation, parent):
    return isinstance(annotation, type) and issubclass(annotation, parent)


def test_citations_are_those_of_the_branches_that_ran(results, tmp_path):
    folder = tmp_path / "resources" / "citations"
    folder.mkdir(parents=True)
    for name in ("ephemera", "lab", "other"):
        (folder / f"{name}.bib").write_text(f"% {name}\n")
    assert citations(Store(results.root).versions[0], tmp_path) == "% ephemera\n\n% lab\n"
