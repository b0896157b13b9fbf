"""The survey branch from end to end on made-up light curves: what comes out, and what a change makes new."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from ephemera.command import main
from ephemera.survey.database import connect
from ephemera.survey.histogram import load
from workflow.conftest import copy_checkout

CONFIG = """
project: test
survey:
  surveys: [DEMO]
  batch: 500
  batch_degrees: 360
  catalogue: {default: test, test_sources: 2000}
  fetch: {demo: {flares: 0.02}}
  inject: {n_per_source: 1, min_width: 10, max_width: 60}
  rates: {width_edges: [10, 60]}
  report: {max_light_curves: 2}
"""
OPTIONS = ("--configfile", "test.yaml")


@pytest.fixture(scope="module")
def run(repository, tmp_path_factory):
    """A finished run; tests that change it restore what they changed."""
    checkout = copy_checkout(repository, tmp_path_factory.mktemp("survey") / "checkout")
    (checkout.root / "test.yaml").write_text(CONFIG)
    checkout.snakemake(*OPTIONS, "--quiet", "all")
    return checkout


def current(run, step: str) -> Path:
    return (run.root / "results/current/survey" / step).resolve()


@pytest.fixture(scope="module")
def db(run):
    with connect(current(run, "tables") / "test") as connection:
        yield connection


def ask(db, query):
    return db.execute(query).fetchall()


def test_two_thousand_sources_go_through(db):
    assert ask(db, "SELECT count(*), sum(n_epochs) FROM properties") == [(2000, 200_000)]
    assert ask(db, "SELECT DISTINCT status FROM outcome") == [("ok",)]
    flaring = ask(db, "SELECT count(DISTINCT source) FROM detection WHERE sign > 0")[0][0]
    assert 20 <= flaring <= 60


def test_efficiency_rises_from_0_to_1_with_amplitude(db):
    query = (
        "SELECT amplitude_low, sum(k) / sum(n) FROM efficiency WHERE sign > 0 AND n > 0 "
        "GROUP BY amplitude_low ORDER BY amplitude_low"
    )
    shares = [float(share) for _, share in ask(db, query)]
    assert shares[0] < 0.05
    assert shares[-1] > 0.95
    assert all(later >= earlier - 0.1 for earlier, later in pairwise(shares))
    assert ask(db, "SELECT count(*) FROM efficiency WHERE n = 0 AND efficiency IS NOT NULL") == [(0,)]


def test_injected_events_never_count_as_real(db):
    assert ask(db, "SELECT count(*) FROM detection WHERE simulated OR injection_id IS NOT NULL") == [(0,)]
    assert ask(db, "SELECT count(*) FROM detection_all WHERE simulated")[0][0] > 100
    real = ask(db, "SELECT count(*) FROM detection")[0][0]
    assert ask(db, "SELECT sum(n_detections) FROM properties") == [(real,)]
    found = "SELECT id FROM detection_all"
    lost = f"SELECT count(*) FROM injection WHERE recovered AND detection_id NOT IN ({found})"
    assert ask(db, lost) == [(0,)]
    passed = ask(db, "SELECT count(*) FROM detection WHERE sign > 0 AND NOT quality_flag")[0][0]
    assert ask(db, "SELECT n_events FROM rates WHERE sign > 0") == [(passed,)]


def test_histograms_of_shards_add_to_the_unsharded_one(run):
    total = load(current(run, "histogram_sum") / "test.nc")
    assert len(total.sources) == 2000
    assert total.scores["all_scores", "snr"].total == 200_000
    whole = run.root / "whole.yaml"
    whole.write_text(CONFIG.replace("project: test", "project: whole").replace("batch: 500", "batch: 2000"))
    target = f"results/survey/histogram_sum/{current(run, 'histogram_sum').name}/whole.nc"
    run.snakemake("--configfile", "whole.yaml", "--quiet", "all", "--", target)
    single = load(run.root / target)
    assert single.sources == total.sources
    assert np.array_equal(single.exposure_us, total.exposure_us)
    for name, counts in total.scores.items():
        twin = single.scores[name]
        assert np.array_equal(counts.counts, twin.counts)
        assert (counts.underflow, counts.overflow, counts.unknown) == (
            twin.underflow,
            twin.overflow,
            twin.unknown,
        )


def test_nothing_is_left_to_do_and_bytes_repeat(run, tmp_path):
    assert not run.planned(*OPTIONS)
    other = copy_checkout(run.root, tmp_path / "other")
    text = CONFIG.replace("2000", "60").replace("batch: 500", "batch: 60")
    for checkout in (run, other):
        (checkout.root / "small.yaml").write_text(text.replace("project: test", "project: small"))
    run.snakemake("--configfile", "small.yaml", "--quiet", "all", cores=1)
    other.snakemake("--configfile", "small.yaml", "--quiet", "all", cores=2)
    for step in ("tables", "report"):
        names = {
            p.relative_to(current(run, step) / "small") for p in (current(run, step) / "small").rglob("*")
        }
        assert names
        for name in names:
            one, two = current(run, step) / "small" / name, current(other, step) / "small" / name
            if one.is_file():
                assert one.read_bytes() == two.read_bytes(), name
    run.snakemake(*OPTIONS, "--quiet", "all")


def test_a_raw_file_cut_in_the_store_is_named(run, monkeypatch, capsys):
    monkeypatch.chdir(run.root)
    assert main(("verify",)) == 0
    found = re.search(r", ([\d,]+) raw files: all as they were made", capsys.readouterr().out)
    assert found is not None
    assert int(found[1].replace(",", "")) >= 2000
    path = next(Path("raw").rglob("DEMO_photometry_*.parquet"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert main(("verify", "--sizes-only")) == 1
    told = capsys.readouterr().out
    assert f"damaged     {path}  raw file: {len(whole) - 1} bytes instead of {len(whole)}" in told
    path.write_bytes(whole)


def test_a_changed_threshold_makes_the_search_new_and_the_reduction_not(run):
    planned = run.planned(*OPTIONS, "--config", "survey={search: {finder: {snr_threshold: 4.5}}}")
    assert planned["survey_search"] == planned["survey_inject"] == 4
    assert planned["survey_rates"] == planned["survey_report"] == 1
    assert not planned.keys() & {"survey_catalogue", "survey_fetch", "survey_reduce"}


def test_a_comment_makes_nothing_new_and_what_is_unhashed_neither(run):
    path = "scripts/ephemera/survey/finder.py"
    run.edit(path, "from __future__", "# A remark.\nfrom __future__")
    assert not run.planned(*OPTIONS)
    run.edit(path, "# A remark.\nfrom __future__", "from __future__")
    changes = "survey={network: {read_timeout_s: 7}, surveys: [DEMO, DEMO]}"
    assert not run.planned(*OPTIONS, "--config", changes)


def test_sources_that_failed_are_tried_again(repository, tmp_path):
    checkout = copy_checkout(repository, tmp_path / "checkout")
    settings = {
        "project": "again",
        "survey": {
            "surveys": ["ZTF", "ZTFFORCED"],
            "catalogue": {"default": "test", "test_sources": 2, "range": "dec > -30 AND mag < 20"},
            "batch_degrees": 360,
            "network": {"offline": True},
            "report": {"max_light_curves": 0},
        },
    }
    (checkout.root / "test.yaml").write_text(json.dumps(settings))
    checkout.snakemake(*OPTIONS, "--quiet", "all")
    tables = checkout.root / "results/current/survey/tables/again"
    statuses = pq.read_table(tables / "raw.parquet")["status"].to_pylist()
    assert statuses
    assert set(statuses) == {"missing"}
    assert set(pq.read_table(tables / "raw.parquet")["survey"].to_pylist()) == {"ZTF", "ZTFFORCED"}
    assert not checkout.planned(*OPTIONS)
    settings["survey"]["network"]["offline"] = False
    (checkout.root / "test.yaml").write_text(json.dumps(settings))
    assert checkout.planned(*OPTIONS)["survey_fetch"] == 2
    settings["survey"] |= {"gaia": {"enabled": True}, "network": {"offline": True}}
    (checkout.root / "test.yaml").write_text(json.dumps(settings))
    checkout.snakemake(*OPTIONS, "--quiet", "all", "--until", "survey_catalogue")
    assert "survey_gaia" not in checkout.planned(*OPTIONS)
    settings["survey"]["network"]["offline"] = False
    (checkout.root / "test.yaml").write_text(json.dumps(settings))
    assert checkout.planned(*OPTIONS)["survey_gaia"] == 1


def test_the_file_of_a_plugin_is_part_of_the_keys_of_what_uses_it(run):
    plugin = "resources/survey/plugins/edge_quality.py"
    options = ("--config", f"survey={{plugins: {{quality: '{plugin}:EdgeQuality'}}}}")
    keys = []
    for _ in range(2):
        answer = run.snakemake("--dry-run", *OPTIONS, *options)
        keys.append(dict(re.findall(r"results/survey/(\w+)/([0-9a-f]{10})/", answer.stdout + answer.stderr)))
        text = (run.root / plugin).read_text()
        (run.root / plugin).write_text(text + "# A remark.\n")
    (run.root / plugin).write_text(text.replace("# A remark.\n", ""))
    changed = {step for step in keys[0] if keys[0][step] != keys[1][step]}
    assert {"search", "inject", "features", "tables"} <= changed
    assert not changed & {"catalogue", "fetch", "reduce"}
