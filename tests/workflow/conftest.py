"""A checkout of its own for each workflow test."""

from __future__ import annotations

import shutil

import pytest

from workflow_checkout import Checkout, copy_checkout, search_alone, sheet_of

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
    for obsid in OBSIDS:
        small_case(checkout.root / "data" / obsid, seed=int(obsid), obsid=obsid, duration=1500.0)
    rows = ((obsid, "folder", f"data/{obsid}") for obsid in OBSIDS)
    (checkout.root / "sheet.tsv").write_text(sheet_of(rows))
    (checkout.root / "overlay.yaml").write_text(search_alone("small"))
    checkout.snakemake("--configfile", "overlay.yaml")
    return checkout


@pytest.fixture
def complete(finished, tmp_path) -> Checkout:
    """A copy of the finished checkout with all file times kept."""
    root = tmp_path / "checkout"
    shutil.copytree(finished.root, root, symlinks=True)
    return Checkout(root)


@pytest.fixture
def stale(complete):
    """A finished checkout that a test changes, and its dry run."""
    complete.plan = lambda *arguments: complete.planned("--configfile", "overlay.yaml", *arguments)
    return complete
