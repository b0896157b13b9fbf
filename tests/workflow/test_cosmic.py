"""The branch of hits and stamps from end to end: what it makes, what it makes again, what it survives."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from builders.cosmic_files import array_of, file_of, hit_bytes, recipe_file, stamp_bytes

#: Without pages and exports, where a test looks at neither.
QUICK = "events: {formats: []}, gallery: {figures: none}"
SMALL = ("--configfile", "config/test/cosmic-small.yaml", "--quiet", "all")


def table(root: Path, step: str, name: str) -> list[dict]:
    (path,) = root.glob(f"results/cosmic/{step}/*/{name}.parquet")
    return pq.read_table(path).to_pylist()


def content(root: Path) -> dict[str, bytes]:
    """All results but those that note the run."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted((root / "results/cosmic").rglob("*"))
        if path.is_file() and path.name != "recipe.json" and "/." not in str(path.relative_to(root))
    }


def test_a_simulated_observation_from_end_to_end(checkout):
    answer = checkout.snakemake(*SMALL)
    root = checkout.root
    assert "14 stamps read, 0 bad inputs" in answer.stderr
    stamps = table(root, "events", "simulated.0001/stamps")
    truth = json.loads((root / "raw/cosmic/simulated.0001/truth.json").read_text())["stamps"]
    assert [(s["part"], s["position"]) for s in stamps] == [(t["part"], t["position"]) for t in truth]
    assert all(s["match_kind"] == "exact" for s in stamps)
    verdicts = {t["kind"]: s["class"] for s, t in zip(stamps, truth, strict=True)}
    expected = {"sky": "sky_like", "zero_drift": "sky_like_zero_drift", "noise": "not_confirmed"}
    expected |= {"one_antenna": "rfi_single_antenna"}
    assert {kind: verdicts[kind] for kind in expected} == expected
    # With nine antennas random phases may add up a little towards the beam.
    assert verdicts["random_phases"] in ("incoherent_all", "ambiguous")
    assert len(table(root, "events", "simulated.0001/antennas")) == 14 * 9
    assert len(table(root, "events", "simulated.0001/beams")) == 14 * 4
    counts = table(root, "events", "simulated.0001/filter_counts")
    assert counts[0]["n_in"] == 26
    assert all(row["n_in"] == row["n_out"] + row["n_removed"] for row in counts)
    assert {row["by_reason"].split()[0] for row in counts if row["by_reason"]} >= {"copy", "repeat"}
    (gallery,) = root.glob("results/cosmic/gallery/*/simulated.0001")
    pages = {path.name for path in gallery.glob("*.html")}
    assert pages == {"gallery.html", "gallery-2.html", "hits.html"}
    (tables,) = root.glob("results/cosmic/events/*/simulated.0001/tables")
    assert {path.suffix for path in tables.glob("hits.*")} == {".fits", ".vot"}
    (summary,) = root.glob("results/cosmic/summary/*/cosmic-small")
    assert "sky_like" in (summary / "summary.html").read_text()
    completeness = (summary / "completeness.csv").read_text()
    assert '"noise",,3,3,1' in completeness

    assert checkout.planned(*SMALL[:2]) == {}
    # Only what reads a changed option is made again.
    changed = checkout.planned(*SMALL[:2], "--config", "cosmic={stamps: {snr_min: 7}}")
    expected = {"cosmic_stamps": 2, "cosmic_events": 1, "cosmic_cadence": 1}
    assert changed == expected | {"cosmic_gallery": 1, "cosmic_summary": 1}
    assert checkout.planned(*SMALL[:2], "--config", "cosmic={gallery: {title: Mine}}") == {
        "cosmic_gallery": 1,
        "cosmic_summary": 1,
    }


def test_the_number_of_workers_changes_nothing(checkout):
    quick = ("--config", f"cosmic={{{QUICK}}}")
    found = []
    for cores in (1, 2):
        checkout.snakemake(*SMALL, *quick, cores=cores)
        found.append(content(checkout.root))
        shutil.rmtree(checkout.root / "results")
    assert found[0] == found[1]


@pytest.fixture
def own_folder(checkout):
    """A folder of files as a user may have it: two observations, unfinished, damaged and foreign files."""
    folder = checkout.root / "data"
    folder.mkdir()
    array = array_of(n_ant=5)
    recipe_file(folder / "23B-1.sb2.X.1.bfr5", array, "23B-1.sb2")
    good = [stamp_bytes(column=40 + k) for k in range(3)]
    file_of(folder / "23B-1.sb2.X.1.seticore.0000.stamps", *good)
    file_of(folder / "23B-1.sb2.X.1.seticore.0002.stamps", good[0], good[1][:-1000])
    file_of(folder / "23B-1.sb2.X.1.seticore.hits", *(hit_bytes(column=40 + k) for k in range(2)))
    file_of(folder / "23B-1.sb2.X.1.seticore.0003.stamps.tmp", good[0])
    file_of(folder / "other.hits", hit_bytes(numChannels=7), hit_bytes(), b"\0" * 5)
    file_of(folder / "notes.txt", b"nothing")
    return folder


def test_a_folder_of_one_s_own_with_bad_files(checkout, own_folder):
    run = ("--config", f"cosmic={{inputs: [data], {QUICK}}}", "--quiet", "all")
    answer = checkout.snakemake(*run)
    assert "3 hits and 4 stamps read" in answer.stderr
    root, prefix = checkout.root, "23B-1.sb2.X.1"
    bad = [row for path in root.glob("results/cosmic/events/*/*/bad_inputs.parquet") for row in read(path)]
    codes = sorted((Path(row["file"]).name.replace(prefix, "X"), row["code"]) for row in bad)
    assert codes == [
        ("X.seticore.0002.stamps", "part_gap"),
        ("X.seticore.0002.stamps", "truncated"),
        ("X.seticore.0003.stamps.tmp", "tmp_file"),
        ("other.hits", "bad_dims"),
        ("other.hits", "truncated"),
    ]
    stamps = table(root, "events", f"{prefix}/stamps")
    assert {row["recipe_reason"] for row in stamps} == {"prefix+time+folder"}
    ids = [row["stamp_id"] for row in stamps]
    assert ids == [f"{prefix}:0000:0", f"{prefix}:0000:1", f"{prefix}:0000:2", f"{prefix}:0002:0"]
    before = content(root)
    assert checkout.planned(*run[:2]) == {}

    # A touched file makes nothing new; a new file makes its observation new, and no id changes.
    (own_folder / "other.hits").touch()
    assert checkout.planned(*run[:2]) == {}
    file_of(own_folder / f"{prefix}.seticore.0001.stamps", stamp_bytes())
    planned = checkout.planned(*run[:2])
    assert planned["cosmic_find"] == 1
    assert planned["cosmic_stamps"] == 3
    checkout.snakemake(*run)
    after = table(root, "events", f"{prefix}/stamps")
    assert [row["stamp_id"] for row in after if row["part"] != "0001"] == ids
    assert sum("/other/" in name for name in before) == sum("/other/" in name for name in content(root))


def read(path: Path) -> list[dict]:
    return pq.read_table(path).to_pylist()


def test_nothing_readable_is_an_error(checkout):
    folder = checkout.root / "data"
    folder.mkdir()
    file_of(folder / "X.seticore.0000.stamps", stamp_bytes()[:-8])
    answer = checkout.snakemake("--config", "cosmic={inputs: [data]}", "--quiet", "all", check=False)
    assert answer.returncode != 0
    assert "0 hits and 0 stamps read, 1 bad inputs (truncated 1)" in answer.stderr


def test_a_place_that_is_not_there_is_named(checkout):
    answer = checkout.snakemake("--dry-run", "--config", "cosmic={inputs: [nowhere]}", check=False)
    assert answer.returncode != 0
    assert "cosmic.inputs: nowhere is neither a file nor a folder" in answer.stdout + answer.stderr


@pytest.mark.real_data
def test_real_hits_of_voyager(checkout, shared_data):
    place = shared_data / "cosmic/voyager.hits"
    overlay = ("--configfile", "config/test/cosmic-voyager.yaml")
    checkout.snakemake(*overlay, "--config", f"cosmic={{inputs: ['{place}']}}", "--quiet", "all")
    hits = table(checkout.root, "events", "voyager/hits")
    assert [row["kept"] for row in hits] == [True] * 5
    assert hits[2]["snr_local"] == pytest.approx(956.476, rel=1e-4)
    (gallery,) = checkout.root.glob("results/cosmic/gallery/*/voyager/gallery.html")
    assert gallery.read_text().count('<article class="item"') == 5
