"""A checkout of its own for each workflow test."""

from __future__ import annotations

import shutil

import pytest

from workflow_checkout import Checkout, copy_checkout

OVERLAY = """\
project: stale
xmm:
  samples: sheet.tsv
  cube: {time_bins_s: [200.0], bands_kev: [[0.2, 12.0]]}
  figures: {enabled: false}
  hot_regions: {method: none}
  sample_products: []
  pages: {enabled: false}
  sample: {enabled: false}
  spectra: {enabled: false}
"""
OBSIDS = ("0000000001", "0000000002")


@pytest.fixture
def checkout(repository, tmp_path) -> Checkout:
    """A fresh copy of the workflow."""
    return copy_checkout(repository, tmp_path / "checkout")


@pytest.fixture(scope="session")
def finished(repository, tmp_path_factory):
    """A checkout in which two small simulated observations, read from folders, have been searched."""
    from ephemera.xmm.simulate import small_case

    checkout = copy_checkout(repository, tmp_path_factory.mktemp("finished") / "checkout")
    rows = ["obsid\tsource\tlocation"]
    for obsid in OBSIDS:
        small_case(checkout.root / "data" / obsid, seed=int(obsid), obsid=obsid, duration=1500.0)
        rows.append(f"{obsid}\tfolder\tdata/{obsid}")
    (checkout.root / "sheet.tsv").write_text("\n".join(rows) + "\n")
    (checkout.root / "overlay.yaml").write_text(OVERLAY)
    checkout.snakemake("--configfile", "overlay.yaml")
    return checkout


@pytest.fixture
def stale(finished, tmp_path):
    """A copy of the finished checkout with all file times kept, and its dry run."""
    root = tmp_path / "checkout"
    shutil.copytree(finished.root, root, symlinks=True)
    copy = type(finished)(root)
    copy.plan = lambda *arguments: copy.planned("--configfile", "overlay.yaml", *arguments)
    return copy
