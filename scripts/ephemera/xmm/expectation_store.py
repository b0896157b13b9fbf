"""The HDF5 file of an observation's expectations: the factors of mu of each run, grouped as its cubes."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py

from ephemera.cubes import write_array, write_attributes
from ephemera.xmm.cube_store import RunKey
from ephemera.xmm.expected_counts import Expectation
from ephemera.xmm.observation import BoolArray
from ephemera.xmm.outcomes import Outcome


def write_expectation(handle: Any, key: RunKey, expectation: Expectation) -> None:
    """Write the factors of mu of one run; images are packed because most of them is empty."""
    group = handle.create_group(key.path)
    group.attrs["template_bti"] = expectation.template_bti
    image = ["y", "x"]
    write_array(
        group,
        "templates",
        expectation.templates,
        ["exposure_class", *image],
        compress=True,
        description="Share of the background counts of a frame",
    )
    write_array(
        group, "source", expectation.source, ["source_term", *image], compress=True, unit="count",
        description="Source counts per fully exposed frame",
    )  # fmt: skip
    write_array(group, "exposed", expectation.exposed, ["source_term", "time"])
    write_array(group, "background", expectation.background, ["time"], unit="count")
    write_array(group, "frame_class", expectation.frame_class, ["time"])
    write_array(group, "footprint", expectation.footprint, image, compress=True)
    write_array(group, "mask", expectation.mask, image, compress=True)


def write_no_expectation(handle: Any, key: RunKey, outcome: Outcome, detail: str) -> None:
    """Note why a run has no expectation."""
    write_attributes(handle.create_group(key.path), {"outcome": outcome.value, "detail": detail})


def write_list_mask(handle: Any, subset: int, grid: int, seen: BoolArray, listed: BoolArray) -> None:
    """Write what all runs of a subset share on one grid: footprint and mask of listed sources."""
    group = handle.require_group(f"subset_{subset}/grid_{grid}")
    write_array(group, "shared_footprint", seen, ["y", "x"], compress=True)
    write_array(group, "list_mask", listed, ["y", "x"], compress=True)


def read_list_mask(path: Path, subset: int, grid: int) -> tuple[BoolArray, BoolArray]:
    """Footprint and mask of listed sources of a subset on one grid."""
    with h5py.File(path) as handle:
        group = handle[f"subset_{subset}/grid_{grid}"]
        return group["shared_footprint"][()], group["list_mask"][()]


def read_expectation(
    path: Path, key: RunKey, second_pass: Path | None = None
) -> Expectation | tuple[Outcome, str]:
    """The expectation of one run, or the outcome and the words that say why there is none.

    That of the file `second_pass`, from which the detections are, goes before where it has the run.
    """
    if second_pass is not None:
        with h5py.File(second_pass) as handle:
            path = second_pass if key.path in handle else path
    with h5py.File(path) as handle:
        group = handle[key.path]
        if "outcome" in group.attrs:
            return Outcome(group.attrs["outcome"]), str(group.attrs["detail"])
        arrays = {
            f.name: group[f.name][()] if f.name != "template_bti" else group.attrs["template_bti"]
            for f in fields(Expectation)
        }
    return Expectation(**arrays)
