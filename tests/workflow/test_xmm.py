"""The XMM branch through Snakemake: simulated, real, and with bad observations among good ones."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from urllib.parse import unquote

import numpy as np
from astropy.io import fits

from ephemera.tables import read
from ephemera.xmm.catalogue_columns import (
    BAD_TIMES,
    CATALOGUE_DETECTIONS,
    OUTCOMES,
    SELECTION,
    SOURCES,
)
from ephemera.xmm.completeness_columns import RECOVERY
from ephemera.xmm.long_term_columns import LONG_TERM_SOURCES
from ephemera.xmm.simulate import small_case
from ephemera.xmm.simulate_hostile import LISTS

SHORT = """\
project: {project}
xmm:
  samples: sheet.tsv
  cube: {{time_bins_s: [50.0], bands_kev: [[0.2, 12.0]]}}
  figures: {{enabled: {figures}}}
  hot_regions: {{method: none}}
  sample_products: {products}
  pages: {{enabled: {figures}}}
  sample: {{enabled: {figures}}}
  spectra: {{enabled: {figures}}}
"""


def write_sheet(checkout, rows, project="short", figures="false", products="[]"):
    lines = ["obsid\tsource\tlocation", *("\t".join(row) for row in rows)]
    (checkout.root / "sheet.tsv").write_text("\n".join(lines) + "\n")
    (checkout.root / "overlay.yaml").write_text(
        SHORT.format(project=project, figures=figures, products=products)
    )
    return ("--configfile", "overlay.yaml")


def catalogue(checkout, project="short", results="results"):
    return checkout.root / results / "current" / "xmm" / "catalogue" / project


def test_a_plan_reads_like_one_before_anything_is_made(checkout):
    arguments = write_sheet(checkout, [("0000000001", "simulate", "small")])
    answer = checkout.snakemake("--dry-run", *arguments)
    text = answer.stdout + answer.stderr
    assert "Selecting events of 0000000001" in text
    assert "Looking for peaks and eclipses in 0000000001" in text
    assert not (checkout.root / "results").exists()


def test_simulated_observations_become_a_catalogue(checkout):
    project = "first"
    rows = [("0000000001", "simulate", "small"), ("0000000002", "simulate", "small")]
    arguments = write_sheet(checkout, rows, project, figures="true")
    checkout.snakemake(*arguments)
    folder = catalogue(checkout, project)
    recovery = read(checkout.root / "results/current/xmm/recover" / f"{project}.recovery.parquet", RECOVERY)
    peaks = [row for row in recovery.to_pylist() if row["kind"] == "peak"]
    assert all(row["found"] for row in peaks)
    tables = [read(folder / f"detections.{s}", CATALOGUE_DETECTIONS) for s in ("fits", "vot", "parquet")]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])
    assert len(read(folder / "sources.fits", SOURCES)) > 0
    with fits.open(folder / "detections.fits") as hdus:
        header = hdus[1].header
        for k in range(1, header["TFIELDS"] + 1):
            assert header[f"TCOMM{k}"], header[f"TTYPE{k}"]
            assert header[f"TUCD{k}"], header[f"TTYPE{k}"]
    bad = read(folder / "bad_times.parquet", BAD_TIMES)
    assert (bad["mean_rate"].to_numpy() > bad["threshold"].to_numpy()).all()
    assert len(bad) > 0
    cuts = read(folder / "selection.csv", SELECTION).to_pylist()
    assert all(row["rows_out"] <= row["rows_in"] for row in cuts)
    assert {"flag", "pattern"} <= {row["cut"].lower() for row in cuts}
    figures = checkout.root / "results/current/xmm/figures/0000000001"
    assert {p.suffix for p in figures.iterdir() if not p.name.startswith(".")} == {".png", ".fits", ".reg"}
    versions = (checkout.root / "results/versions.jsonl").read_text().splitlines()
    assert [json.loads(line)["project"] for line in versions] == [project]
    recipe = json.loads((checkout.root / "results/current/xmm/cube/recipe.json").read_text())
    assert recipe["parameters"]["time_bins_s"] == [50.0]
    assert recipe["key"] == (checkout.root / "results/current/xmm/cube").resolve().name
    assert checkout.planned(*arguments) == Counter()
    checkout.snakemake(*arguments, "--report", "report.html", "--quiet", "all")
    assert "XMM-Newton" in (checkout.root / "report.html").read_text()
    front = checkout.root / "results/current/index.html"
    links = re.findall(r'href="([^"]+)"', front.read_text())
    assert f"xmm/catalogue/{project}/detections.fits" in links
    assert f"xmm/pages/{project}/index.html" in links
    assert all((front.parent / link).is_file() for link in links)
    pages = checkout.root / "results/current/xmm/pages" / project
    for page in pages.rglob("*.html"):
        for link in re.findall(r'(?:href|src)="([^"]+)"', page.read_text()):
            local = (page.parent / unquote(link)).is_file()
            assert local or link.startswith("https://aladin.cds.unistra.fr/"), (page, link)
    assert {path.name for path in pages.iterdir()} >= {"observation", "source", "figures", "sample"}
    found = sum(recovery["found"].to_pylist())
    assert (
        f"{found} of {len(recovery)} simulated bursts and eclipses found"
        in (pages / "index.html").read_text()
    )


def test_bad_observations_among_good_ones_end_with_a_name_and_the_rest_is_complete(checkout, tmp_path):
    data = checkout.root / "data"
    small_case(data / "good", obsid="0000000001", duration=1500.0)
    LISTS["timing_list"][0](data / "timing")
    LISTS["truncated_gzip"][0](data / "truncated")
    LISTS["calibration_lamp"][0](data / "lamp")
    LISTS["wrong_obsid"][0](data / "wrong")
    (data / "empty").mkdir()
    folders = {
        "0000000001": "good",
        "0000000002": "empty",
        "0000000003": "nowhere",
        "0000000004": "lamp",
        "0000000005": "truncated",
        "0800000901": "timing",
    }
    rows = [(obsid, "folder", f"data/{name}") for obsid, name in folders.items()]
    pages = data / "page.fits"
    pages.write_text("<html>not found</html>")
    rows.append(("0000000006", "files", "data/page.fits;data/none.fits"))
    arguments = write_sheet(checkout, rows)
    checkout.snakemake(*arguments)
    outcomes = read(catalogue(checkout) / "outcomes.csv", OUTCOMES).to_pylist()
    by_observation = {}
    for row in outcomes:
        by_observation.setdefault(row["obsid"], set()).add(row["outcome"])
    assert by_observation["0000000001"] & {"ok", "ok_no_regions"}
    assert by_observation["0000000003"] & {"download_failed", "no_lists"}
    for obsid in ("0000000002", "0000000004", "0000000005", "0800000901"):
        assert "no_lists" in by_observation[obsid], by_observation
    assert "skipped_timing_mode" in by_observation["0800000901"]
    assert not by_observation["0000000006"] & {"ok", "ok_no_regions"}
    detections = read(catalogue(checkout) / "detections.parquet", CATALOGUE_DETECTIONS)
    assert set(detections["obsid"].to_pylist()) == {"0000000001"}


def test_a_failing_job_says_where_its_log_is_and_the_others_finish(checkout):
    rows = [("0000000001", "simulate", "small"), ("0000000002", "simulate", "no such scenario")]
    arguments = write_sheet(checkout, rows)
    answer = checkout.snakemake(*arguments, check=False)
    text = answer.stdout + answer.stderr
    assert answer.returncode != 0
    assert "the location of a simulated observation is one of demo-1, demo-2, " in text
    log = next((checkout.root / "logs/xmm/simulate").rglob("0000000002.log"))
    assert "Traceback" in log.read_text()
    assert len(list((checkout.root / "results/xmm/features").rglob("0000000001.detections.parquet"))) == 1
    assert not list(checkout.root.rglob(".partial.*"))


def test_a_wrong_key_stops_before_anything_starts(checkout):
    arguments = write_sheet(checkout, [("0000000001", "simulate", "small")])
    answer = checkout.snakemake(*arguments, "--config", "xmm={detect: {treshold_sigma: 4}}", check=False)
    text = answer.stdout + answer.stderr
    assert answer.returncode != 0
    assert "did you mean xmm.detect.threshold_sigma?" in text
    assert "Traceback" not in text


def test_the_archive_is_asked_over_http_and_not_twice(checkout):
    from servers.xmm_archive import XmmArchive

    source = checkout.root / "data"
    small_case(source, obsid="0000000007", duration=1500.0)
    with XmmArchive() as server:
        server.add_folder(source)
        arguments = write_sheet(checkout, [("0000000007", "archive", ""), ("0000000008", "archive", "")])
        options = ("--config", f"xmm={{download: {{archive_url: {server.url}}}}}")
        checkout.snakemake(*arguments, *options)
        asked = len(server.asked)
        assert asked >= 4
        assert checkout.planned(*arguments, *options) == Counter()
        checkout.snakemake(*arguments, *options, "--forcerun", "xmm_download")
        assert {request.query["obsno"] for request in server.asked[asked:]} <= {"0000000008"}
    outcomes = read(catalogue(checkout) / "outcomes.csv", OUTCOMES).to_pylist()
    assert "no_lists" in {row["outcome"] for row in outcomes if row["obsid"] == "0000000008"}


def test_real_mos_observations(repository, checkout, shared_data):
    shared = checkout.root.parent / "shared"
    shared.mkdir()
    (shared / "data").symlink_to(shared_data)
    arguments = ("--configfile", "config/test/xmm-mos.yaml")
    checkout.snakemake(*arguments)
    assert checkout.planned(*arguments) == Counter()
    folder = catalogue(checkout, "xmm-mos")
    detections = read(folder / "detections.fits", CATALOGUE_DETECTIONS)
    from ephemera.xmm.run_columns import RUNS

    runs = read(folder / "runs.parquet", RUNS)
    expected = sum(runs["n_false_expected"].to_pylist())
    assert len(runs) == 18
    assert abs(len(detections) - expected) < 4 * np.sqrt(expected)
    higher = ("--config", "xmm={detect: {threshold_sigma: 4}}")
    steps = ("detect", "regions", "features", "figures")
    sample = ("hot_regions", "catalogue", "filters", "subset_matrix", "export", "long_term")
    plan = checkout.planned(*arguments, *higher)
    shown = Counter(xmm_pages=1, xmm_sample=1, xmm_spectra=2)
    assert plan - shown == Counter(
        {f"xmm_{step}": 2 for step in steps} | {f"xmm_{step}": 1 for step in sample}
    )
    faded = read(folder.parents[1] / "long_term" / "xmm-mos" / "sources.parquet", LONG_TERM_SOURCES)
    near = [row for row in faded.to_pylist() if abs(row["ra"] - 149.6729) < 0.003 and row["variable"]]
    assert [(row["n_obs"], row["n_seen"]) for row in near] == [(2, 2)]
    assert 4 < near[0]["ratio"] < 5
    shutil.rmtree(folder)
    plan = checkout.planned(*arguments)
    assert plan - shown == Counter({f"xmm_{step}": 1 for step in sample[1:]})
