"""The JWST branch through Snakemake: end to end, what a change makes stale, bad datasets beside good ones."""

import csv
import json
import zipfile
from collections import Counter

import pytest

OVERLAY = """\
project: jwst-test
jwst:
  samples: sheet.tsv
  series: {bands: [{name: Variable, start: 2.3, end: 2.7}]}
  video: {frames: 4, size: [320, 240]}
  compare: {datasets: [new, old]}
"""
SHEET = "dataset\tsource\tlocation\nnew\tsimulate\tsmall\nold\tsimulate\told\nbroken\tfolder\tdata/broken\n"
STEPS = {"jwst_scan", "jwst_read", "jwst_series", "jwst_figures", "jwst_video", "jwst_pages", "jwst_bundle"}


def prepare(checkout):
    folder = checkout.root / "data" / "broken"
    folder.mkdir(parents=True)
    (folder / "cut.fits").write_bytes(b"SIMPLE  =")
    (checkout.root / "sheet.tsv").write_text(SHEET)
    (checkout.root / "overlay.yaml").write_text(OVERLAY)
    return ("--configfile", "overlay.yaml")


def test_end_to_end_and_what_a_change_makes_stale(checkout):
    run = prepare(checkout)
    checkout.snakemake(*run, "--quiet", "all")
    root = checkout.root
    (outcomes,) = root.glob("results/jwst/outcomes/*/jwst-test.csv")
    rows = {row["dataset"]: row for row in csv.DictReader(outcomes.read_text().splitlines())}
    assert {name: row["outcome"] for name, row in rows.items()} == {
        "new": "ok",
        "old": "ok",
        "broken": "no_series",
    }
    assert rows["old"]["n_read"] == "120"
    for name in ("new", "old", "broken"):
        (bundle,) = root.glob(f"results/jwst/bundle/*/{name}/{name}.zip")
        with zipfile.ZipFile(bundle) as archive:
            assert f"{name}/combined.html" in archive.namelist()
    (comparison,) = root.glob("results/jwst/compare/*/jwst-test/comparison.html")
    assert "old" in comparison.read_text()
    assert checkout.planned(*run) == Counter()

    # A colour scale makes pages and ZIPs again, a band also light curves; neither reads a file.
    colours = checkout.planned(*run, "--config", "jwst={pages: {colorscale: Plasma}}")
    assert colours == Counter({"jwst_pages": 3, "jwst_bundle": 3})
    checkout.edit("overlay.yaml", "end: 2.7", "end: 2.6")
    bands = checkout.planned(*run)
    assert set(bands) == STEPS - {"jwst_scan", "jwst_read"} | {"jwst_compare", "jwst_outcomes"}
    checkout.edit("overlay.yaml", "end: 2.6", "end: 2.7")

    # A file that is repaired is read again, alone.
    source = next((root / "raw/jwst/new/simulated").iterdir())
    (root / "data/broken/cut.fits").write_bytes(source.read_bytes())
    planned = checkout.planned(*run)
    assert {planned[step] for step in STEPS} == {1}


def test_no_series_at_all_is_an_error_that_names_the_reasons(checkout):
    run = prepare(checkout)
    (checkout.root / "sheet.tsv").write_text("dataset\tsource\tlocation\nbroken\tfolder\tdata/broken\n")
    checkout.edit("overlay.yaml", "[new, old]", "[]")
    answer = checkout.snakemake(*run, check=False)
    assert answer.returncode != 0
    assert "no dataset gave a series. broken: no_series" in answer.stdout + answer.stderr


def test_comparison_with_an_unknown_dataset_is_refused(checkout):
    run = prepare(checkout)
    checkout.edit("overlay.yaml", "[new, old]", "[new, lost]")
    answer = checkout.snakemake("--dry-run", *run, check=False)
    assert answer.returncode != 0
    assert "not in the sample sheet: lost" in answer.stdout + answer.stderr


def beside(checkout, shared_data, name):
    """Overlay of config/test whose sample sheet leads to the real data from here."""
    sheet = checkout.root / f"config/test/{name}.tsv"
    sheet.write_text(sheet.read_text().replace("../shared/data", str(shared_data)))
    return ("--configfile", f"config/test/{name}.yaml")


@pytest.mark.real_data
def test_a_real_transit(checkout, shared_data):
    run = beside(checkout, shared_data, "jwst-hat-p-18b")
    assert {checkout.planned(*run)[step] for step in STEPS} == {1}
    checkout.snakemake(*run, "--until", "jwst_series", "--quiet", "all")
    (path,) = checkout.root.glob("results/jwst/series/*/hat-p-18b/quality.json")
    quality = json.loads(path.read_text())
    first, second = sorted(quality, key=lambda name: name[-1])
    assert quality[first]["transit"]["depth"] == pytest.approx(0.02002, abs=1e-4)
    assert quality[second]["transit"]["depth"] == pytest.approx(0.02093, abs=1e-4)
    assert "errors_too_large" in quality[first]["flags"]


@pytest.mark.real_data
def test_real_files_of_eureka_are_read_and_planned(checkout, shared_data):
    run = beside(checkout, shared_data, "jwst-eureka")
    planned = checkout.planned(*run)
    assert {planned[step] for step in STEPS} == {6}
    assert planned["jwst_compare"] == 1
    checkout.snakemake(*run, "--until", "jwst_read", "--quiet", "all")
    found = [json.loads(p.read_text()) for p in checkout.root.glob("results/jwst/read/*/[el]*.json")]
    assert len(found) == 6
    assert {facts["outcome"] for facts in found} == {"ok"}
