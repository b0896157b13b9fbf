"""The same recipe makes the same bytes: for any number of cores, in any folder, at once or in shards."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from ephemera.recipes import checksums
from ephemera.tables import read
from ephemera.xmm.catalogue_columns import CATALOGUE_DETECTIONS
from workflow_checkout import copy_checkout, search_alone, sheet_of

pytestmark = pytest.mark.xdist_group("determinism")

RUN = ("--configfile", "overlay.yaml")
#: These three lie in both halves.
OBSIDS = ("0000000001", "0000000002", "0000000003")


def prepared(repository, folder):
    checkout = copy_checkout(repository, folder / "checkout")
    (checkout.root / "sheet.tsv").write_text(sheet_of((obsid, "simulate", "small") for obsid in OBSIDS))
    text = search_alone("twice", time_bins_s=(50.0,), figures=True)
    (checkout.root / "overlay.yaml").write_text(text)
    return checkout


@pytest.fixture(scope="module")
def at_once(repository, tmp_path_factory):
    """All observations in one run on one core."""
    checkout = prepared(repository, tmp_path_factory.mktemp("at_once"))
    checkout.snakemake(*RUN, cores=1)
    return checkout


@pytest.fixture(scope="module")
def in_shards(repository, tmp_path_factory):
    """The two halves one after the other on two cores, with the plan for the whole, then the whole."""
    checkout = prepared(repository, tmp_path_factory.mktemp("in_shards"))
    for shard in ("1/2", "2/2"):
        checkout.snakemake(*RUN, "--config", f"shard={shard}", cores=2)
    checkout.plan = checkout.planned(*RUN)
    checkout.snakemake(*RUN, cores=2)
    return checkout


def contents(folder, root=None):
    """Bytes of all that was made, by path; what tells of times and of shards is left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(root or folder).as_posix()
        if path.is_symlink() or not path.is_file() or ".shard-" in name or name == "versions.jsonl":
            continue
        if path.name in (".snakemake_timestamp", "source.json"):
            continue
        found[name] = path.read_bytes()
        if path.name == "manifest.json":
            found[name] = without_times(json.loads(found[name]))
        elif checksums.CHECKSUMS in path.parts:
            # The manifest of a download holds the times of the files it found.
            found[name] = json.loads(found[name]) | {"elsewhere": None}
    return found


def without_times(manifest):
    return {**manifest, "files": [entry | {"mtime_ns": None} for entry in manifest["files"]]}


@pytest.mark.parametrize("folder", ["results", "raw"])
def test_every_file_is_the_same_to_the_byte(at_once, in_shards, folder):
    first, second = contents(at_once.root / folder), contents(in_shards.root / folder)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    assert {"results": len(first) > 60, "raw": len(first) >= 5 * len(OBSIDS)}[folder]


def test_after_the_shards_only_the_tables_of_the_whole_are_made(in_shards):
    assert in_shards.plan == Counter(xmm_catalogue=1, xmm_recover=1)
    assert in_shards.planned(*RUN) == Counter()


def test_the_rows_of_the_whole_are_those_of_the_shards(in_shards):
    folder = in_shards.root / "results/current/xmm/catalogue"
    whole = read(folder / "twice/detections.parquet", CATALOGUE_DETECTIONS).to_pylist()
    parts = [
        row
        for k in (1, 2)
        for row in read(folder / f"twice.shard-{k}-of-2/detections.parquet", CATALOGUE_DETECTIONS).to_pylist()
    ]
    # Unique sources are numbered and joined over all observations of a table.
    own = [name for name in whole[0] if not name.startswith(("src", "SRC"))]

    def rows(table):
        return sorted(json.dumps([row[name] for name in own], default=str) for row in table)

    assert len(whole) > 0
    assert rows(parts) == rows(whole)


def test_every_output_has_a_record_that_holds(at_once):
    results = at_once.root / "results"
    keys = {path.parent for path in results.rglob("recipe.json")}
    assert len(keys) == 11
    for key in keys:
        assert len(checksums.units(key)) >= 1
        made = {path for record in checksums.records(key) for path in record.files(key)}
        there = {
            path
            for path in key.rglob("*")
            if path.is_file()
            and path.name != "recipe.json"
            and not any(p.startswith(".") for p in path.parts)
        }
        assert there <= made
        assert all(problem.path.parts[0] == "raw" for problem in checksums.verify(key))


def test_each_unit_of_every_branch_is_in_one_shard(checkout):
    demo = ("--configfile", "config/demo/demo.yaml")
    plans = {shard: checkout.planned(*demo, "--config", f"shard={shard}") for shard in ("1/1", "1/2", "2/2")}
    for rule in ("xmm_download", "jwst_scan", "cosmic_find", "alerts_collect"):
        assert plans["1/2"][rule] + plans["2/2"][rule] == plans["1/1"][rule] > 0
