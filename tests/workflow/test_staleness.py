"""Exactly the jobs that a change makes stale are planned, read from a dry run."""

from __future__ import annotations

import os
import shutil
from collections import Counter

import pytest

OBSIDS = ("0000000001", "0000000002")  # of the fixture `stale`
ALL_STEPS = ("events", "cube", "expectation", "detect", "regions", "features")


def jobs(*steps, n=2):
    """Planned jobs of these steps for `n` observations, and of the catalogue that follows."""
    return Counter({f"xmm_{step}": n for step in steps}) + Counter({"xmm_catalogue": 1})


pytestmark = pytest.mark.xdist_group("staleness")


def test_a_second_run_has_nothing_to_do(stale):
    assert stale.plan() == Counter()


def test_a_threshold_reruns_detection_and_what_follows_and_back_reruns_nothing(stale):
    current = stale.root / "results" / "current" / "xmm" / "detect"
    first = current.resolve()
    higher = ("--config", "xmm={detect: {threshold_sigma: 4}}")
    assert stale.plan(*higher) == jobs("detect", "regions", "features")
    stale.snakemake("--configfile", "overlay.yaml", *higher)
    assert stale.plan(*higher) == Counter()
    assert current.resolve() != first
    assert stale.plan() == Counter()
    stale.snakemake("--configfile", "overlay.yaml")
    assert current.resolve() == first


@pytest.mark.parametrize(
    ("option", "steps"),
    [
        ("{events: {bti: none}}", ALL_STEPS),
        ("{cube: {mask_frame_before: false}}", ALL_STEPS[1:]),
        ("{expectation: {smooth_sigma_pix: 0.6}}", ALL_STEPS[2:]),
        ("{regions: {max_area: 30}}", ALL_STEPS[4:]),
        ("{features: {min_gap_s: 100}}", ALL_STEPS[5:]),
        ("{catalogue: {cluster_radius_arcsec: 15}}", ()),
    ],
)
def test_one_option_reruns_its_step_and_what_follows(stale, option, steps):
    assert stale.plan("--config", f"xmm={option}") == jobs(*steps)


def test_an_option_that_no_step_of_the_run_reads_reruns_nothing(stale):
    assert stale.plan("--config", "xmm={download: {retries: 7}}") == Counter()


@pytest.mark.parametrize(
    ("module", "old", "new", "steps"),
    [
        ("xmm/clean_up.py", "REACH = 5", "REACH = 4", ALL_STEPS[3:]),
        ("xmm/background.py", "LARGEST_HOLE = 2", "LARGEST_HOLE = 3", ALL_STEPS[2:]),
        ("sky/clusters.py", "CHAIN_ARCSEC = 40.0", "CHAIN_ARCSEC = 41.0", ()),
    ],
)
def test_one_line_of_a_shared_module_reruns_the_steps_that_import_it(stale, module, old, new, steps):
    stale.edit(f"scripts/ephemera/{module}", old, new)
    assert stale.plan() == jobs(*steps)


def test_a_comment_reruns_nothing(stale):
    path = stale.root / "scripts" / "ephemera" / "xmm" / "intervals.py"
    path.write_text(path.read_text() + "\n# another comment\n")
    assert stale.plan() == Counter()


def test_a_touched_raw_file_reruns_nothing(stale):
    for path in (stale.root / "data" / OBSIDS[0]).iterdir():
        os.utime(path)
    assert stale.plan() == Counter()


@pytest.mark.parametrize("keep_time", [False, True])
def test_a_reprocessed_raw_file_reruns_its_observation_alone(stale, keep_time):
    path = next((stale.root / "data" / OBSIDS[0]).glob("*M1*"))
    before = path.stat()
    # A byte in the time stamp of the gzip header: other bytes, the same events.
    content = bytearray(path.read_bytes())
    content[4] ^= 1
    path.write_bytes(content)
    if keep_time:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns - 10**9))
    assert stale.plan() == jobs("download", *ALL_STEPS, n=1)


def test_a_fresh_clone_reruns_nothing(stale):
    for folder in ("scripts", "rules", "workflow", "config"):
        for path in (stale.root / folder).rglob("*"):
            os.utime(path)
    assert stale.plan() == Counter()


def test_a_new_observation_is_searched_alone(stale):
    shutil.copytree(stale.root / "data" / OBSIDS[0], stale.root / "data" / "0000000003")
    with (stale.root / "sheet.tsv").open("a") as sheet:
        sheet.write("0000000003\tfolder\tdata/0000000003\n")
    assert stale.plan() == jobs("download", *ALL_STEPS, n=1)


def test_options_of_a_simulation_and_the_seed_make_its_units_stale(checkout):
    (checkout.root / "nights.tsv").write_text("delivery\tsource\tlocation\nsurvey\tsimulate\tsurvey\n")
    note = checkout.root / "raw/alerts/survey/source.json"
    seen = set()
    for options in ("{samples: nights.tsv}", "{samples: nights.tsv, simulate: {epochs: 3}}"):
        for seed in (1, 2):
            checkout.snakemake("--dry-run", "--config", f"seed={seed}", f"alerts={options}")
            seen.add(note.read_text())
            age = note.stat().st_mtime_ns
            checkout.snakemake("--dry-run", "--config", f"seed={seed}", f"alerts={options}")
            assert note.stat().st_mtime_ns == age
    assert len(seen) == 4
