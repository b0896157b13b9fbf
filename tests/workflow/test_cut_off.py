"""Early cut-off: a step whose code changed runs first; what reads it runs only when its results differ."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import pytest

from ephemera.recipes import checksums

pytestmark = pytest.mark.xdist_group("staleness")

OVERLAY = ("--configfile", "overlay.yaml")
DETECT = "scripts/ephemera/xmm/detect.py"
CLEAN_UP = "scripts/ephemera/xmm/clean_up.py"


def key(checkout, step):
    return (checkout.root / "results/current/xmm" / step).resolve().name


def versions(checkout):
    lines = (checkout.root / "results/versions.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def rename_a_variable(checkout):
    """A refactoring of clean_up.py, whose code the steps detect and regions run."""
    text = (checkout.root / CLEAN_UP).read_text()
    assert text.count("stretch") > 2
    (checkout.root / CLEAN_UP).write_text(text.replace("stretch", "piece"))
    return Counter(xmm_detect=2, xmm_regions=2)


def refactor_detect(checkout):
    """Another tree, the same numbers; only the step detect runs this code."""
    with (checkout.root / DETECT).open("a") as handle:
        handle.write("\n\nUNUSED = None\n")
    return Counter(xmm_detect=2)


@pytest.mark.parametrize("refactor", [rename_a_variable, refactor_detect])
def test_a_refactoring_costs_its_step_and_nothing_after_it(stale, refactor):
    before = {step: key(stale, step) for step in ("detect", "regions", "catalogue")}
    jobs = refactor(stale)
    assert stale.plan()["xmm_features"] == 2
    assert stale.ran(*OVERLAY) == jobs
    assert stale.plan() == Counter()
    assert stale.ran(*OVERLAY) == Counter()
    assert {step: key(stale, step) for step in before} == before
    first, second = versions(stale)
    assert first["keys"] == second["keys"]
    assert set(second["made_by"]) == {rule.replace("_", ".") for rule in jobs}


def test_changed_results_are_not_cut_off_and_back_costs_nothing(stale):
    before = key(stale, "detect")
    path = stale.root / DETECT
    older = path.read_text()
    path.write_text(older.replace("settings.threshold_sigma", "settings.threshold_sigma + 0.5"))
    jobs = Counter(xmm_detect=2, xmm_regions=2, xmm_features=2, xmm_catalogue=1)
    assert stale.ran(*OVERLAY) == jobs
    assert key(stale, "detect") != before
    assert stale.ran(*OVERLAY) == Counter()
    path.write_text(older)
    assert stale.ran(*OVERLAY) == Counter()
    assert key(stale, "detect") == before


def test_what_later_code_made_is_made_again_when_the_older_code_comes_back(stale):
    older = (stale.root / DETECT).read_text()
    before = key(stale, "detect")
    refactor_detect(stale)
    stale.snakemake(*OVERLAY)
    shutil.copytree(stale.root / "data/0000000001", stale.root / "data/0000000003")
    with (stale.root / "sheet.tsv").open("a") as sheet:
        sheet.write("0000000003\tfolder\tdata/0000000003\n")
    per_unit = ("download", "events", "cube", "expectation", "detect", "regions", "features")
    jobs = Counter({f"xmm_{step}": 1 for step in (*per_unit, "catalogue")})
    assert stale.plan() == jobs
    assert stale.ran(*OVERLAY) == jobs
    folder = stale.root / "results/xmm/detect" / before
    makers = {record.name: record.made_by for record in checksums.records(folder)}
    assert makers["0000000001"] == before
    assert makers["0000000003"] == versions(stale)[-1]["made_by"]["xmm.detect"]
    (stale.root / DETECT).write_text(older)
    answer = stale.snakemake("-n", *OVERLAY)
    assert "1 units of later code will be made again" in answer.stdout + answer.stderr
    assert stale.ran(*OVERLAY)["xmm_detect"] == 1
    assert checksums.read(folder, "0000000003").made_by == before
    assert stale.plan() == Counter()


def test_without_early_cut_off_everything_after_the_step_runs(stale):
    refactor_detect(stale)
    jobs = stale.plan("--config", "early_cut_off=false")
    assert jobs == Counter(xmm_detect=2, xmm_regions=2, xmm_features=2, xmm_catalogue=1)
    assert stale.ran(*OVERLAY, "--config", "early_cut_off=false") == jobs


def test_nothing_is_run_first_for_other_purposes_than_a_run(stale):
    refactor_detect(stale)
    for purpose in (("--summary",), ("--touch",), ("--until", "xmm_events"), ("--unlock",)):
        stale.snakemake(*OVERLAY, *purpose)
        assert len(list((stale.root / "results/xmm/detect").glob("?*"))) == 1, purpose
