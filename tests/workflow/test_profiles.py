"""Profiles: nothing in the default one overrides Slurm's, each entry is explained, and a dry run works."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from workflow_checkout import copy_checkout

#: What decides where jobs run; the default profile wins over others and must not hold it.
PLACE = {"executor", "cores", "jobs", "retries", "latency-wait", "default-resources", "groups"}


def profile(repository, name):
    return yaml.safe_load((repository / "profiles" / name / "config.yaml").read_text())


def test_the_default_profile_overrides_nothing_of_slurm(repository):
    default, slurm = profile(repository, "default"), profile(repository, "slurm")
    assert not default.keys() & slurm.keys()
    assert not default.keys() & PLACE


@pytest.mark.parametrize("name", ["default", "slurm"])
def test_every_entry_is_explained(repository, name):
    text = (repository / "profiles" / "README.md").read_text()
    assert [entry for entry in profile(repository, name) if f"`{entry}" not in text] == []


def test_the_link_in_the_root_is_the_profile(repository):
    assert (repository / "slurm").readlink() == Path("profiles/slurm")


def test_rules_of_the_group_exist(repository):
    rules = (repository / "rules" / "xmm.smk").read_text()
    for entry in profile(repository, "slurm")["groups"]:
        assert f"rule {entry.split('=')[0]}:" in rules


def test_slurm_dry_run(checkout):
    plugin = Path(sys.prefix) / "slurm-plugin"
    if not plugin.is_dir():
        pytest.skip("SLURM PLUGIN ABSENT: `make test` installs it into .venv/slurm-plugin")
    (checkout.root / "sheet.tsv").write_text("obsid\tsource\tlocation\n0000000001\tsimulate\tsmall\n")
    environment = {
        **os.environ,
        "PYTHONPATH": f"{checkout.root / 'scripts'}:{plugin}",
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    answer = subprocess.run(
        ["snakemake", "--profile", "slurm", "-n", "--config", "xmm={samples: sheet.tsv}"],
        cwd=checkout.root, env=environment, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    text = answer.stdout + answer.stderr
    assert answer.returncode == 0, text
    assert "xmm_events" in text


def test_shards_that_ran_on_disks_of_their_own_come_together(repository, tmp_path):
    """The last example of profiles/README.md: only the catalogue of all is left to make."""
    from ephemera.xmm.simulate import small_case

    obsids = ("0000000001", "0000000002")
    folders = [copy_checkout(repository, tmp_path / name / "checkout") for name in ("one", "two", "home")]
    small_case(tmp_path / "data" / obsids[0], obsid=obsids[0], duration=1000.0)
    (tmp_path / "data" / obsids[1]).mkdir()
    rows = ["obsid\tsource\tlocation", *(f"{obsid}\tfolder\t../../data/{obsid}" for obsid in obsids)]
    for checkout in folders:
        (checkout.root / "sheet.tsv").write_text("\n".join(rows) + "\n")
    off = ", ".join(f"{step}: {{enabled: false}}" for step in ("figures", "pages", "sample", "spectra"))
    few = "hot_regions: {method: none}, sample_products: []"
    options = ("--config", f"xmm={{samples: sheet.tsv, {off}, {few}}}")
    *nodes, home = folders
    for number, node in enumerate(nodes, 1):
        node.snakemake(*options, f"shard={number}/2")
        for part in ("results", "raw"):
            leave = shutil.ignore_patterns("current", "versions.jsonl")
            if (node.root / part).is_dir():
                shutil.copytree(node.root / part, home.root / part, ignore=leave, dirs_exist_ok=True)
    assert home.planned(*options) == {"xmm_catalogue": 1}
    home.snakemake(*options)
    assert home.planned(*options) == {}
