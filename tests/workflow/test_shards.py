"""Shards of COSMIC and JWST (XMM: test_determinism): together they are the unsharded run, byte for byte."""

from __future__ import annotations

from collections import Counter

import pytest

from ephemera.files import sha256_of
from workflow_checkout import copy_checkout

OVERLAY = """\
project: parts
jwst:
  samples: datasets.tsv
  video: {enabled: false}
cosmic:
  events: {formats: []}
  gallery: {figures: none}
  simulate:
    observations: 2
    files: 1
    channels: 32
    antennas: 4
    counts: {sky: 1, noise: 1}
    snr: [60.0]
    lone_hits: 2
"""
#: Tables only: pages and figures are made of them, one dataset at a time.
RUN = ("--configfile", "overlay.yaml", "--until", "jwst_outcomes", "cosmic_summary")
#: One of them, and of the two simulated observations, lies in each half.
DATASETS = ("new", "old")
#: What says when or by which commit something was made, or only what a shard holds.
NOT_COMPARED = ("recipe.json", "versions.jsonl")


def prepared(repository, folder):
    checkout = copy_checkout(repository, folder / "checkout")
    rows = ["dataset\tsource\tlocation", *(f"{dataset}\tsimulate\tsmall" for dataset in DATASETS)]
    (checkout.root / "datasets.tsv").write_text("\n".join(rows) + "\n")
    (checkout.root / "overlay.yaml").write_text(OVERLAY)
    return checkout


def contents(checkout):
    """Checksum of every result by path."""
    results = checkout.root / "results"
    names = {path.relative_to(results).as_posix(): path for path in results.rglob("*") if path.is_file()}
    return {
        name: sha256_of(path)
        for name, path in names.items()
        if ".shard-" not in name and "/." not in name and not name.startswith("current/")
        if path.name not in NOT_COMPARED
    }


@pytest.mark.xdist_group("shards")
def test_the_union_of_the_shards_is_the_unsharded_run(repository, tmp_path):
    whole, parts = (prepared(repository, tmp_path / name) for name in ("whole", "parts"))
    whole.snakemake(*RUN)
    for shard in ("1/2", "2/2"):
        parts.snakemake(*RUN, "--config", f"shard={shard}")
    assert parts.planned(*RUN) == Counter(cosmic_cadence=1, cosmic_summary=1, jwst_outcomes=1)
    parts.snakemake(*RUN)
    expected, found = contents(whole), contents(parts)
    assert {name.split("/")[0] for name in expected} >= {"cosmic", "jwst"}
    assert len(expected) > 20
    assert found == expected
