"""Candidates for the table of bad observations: what a person should look at. Nothing is flagged by this."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py

from ephemera.cubes import read_attribute
from ephemera.xmm.bad_observations import MANY_REGIONS, Reason
from ephemera.xmm.observation import Subset

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]


def crowded(detections: pa.Table) -> list[Row]:
    """Observations with more than 20 regions in a run."""
    in_run = Counter(zip(detections["obsid"].to_pylist(), detections["runid"].to_pylist(), strict=True))
    return [
        {"obsid": obsid, "reason": None, "evidence": f"{number} regions in run {runid}"}
        for (obsid, runid), number in sorted(in_run.items())
        if number > MANY_REGIONS
    ]


def named(obsid: str, subsets: Sequence[Subset], bad_objects: Mapping[str, Sequence[str]]) -> list[Row]:
    """An observation whose OBJECT holds one of the names, whatever its case, by reason."""
    objects = sorted({header.object_name for subset in subsets for header in subset.headers})
    return [
        {"obsid": obsid, "reason": reason, "evidence": f"OBJECT is {name}"}
        for reason, known in bad_objects.items()
        for name in objects
        if any(bad.lower() in name.lower() for bad in known)
    ]


def drifting(obsid: str, drift: Mapping[str, float], max_pointing: float, max_angle: float) -> list[Row]:
    """An observation whose pointing (arcsec) or position angle (deg) drifted too far."""
    rows = []
    for name, limit, unit in (("pointing", max_pointing, "arcsec"), ("position angle", max_angle, "deg")):
        value = drift.get(name)
        if value is not None and value > limit:
            evidence = f"{name} drifts by {value:.4g} {unit} (ATTTSR)"
            rows.append({"obsid": obsid, "reason": Reason.MOVING_TARGET.value, "evidence": evidence})
    return rows


def read_drift(path: Path) -> dict[str, float]:
    """Drift noted in an event file: `pointing` (arcsec) and `position angle` (deg); empty when not known."""
    with h5py.File(path) as handle:
        return {
            name: float(handle.attrs[key])
            for name, key in (("pointing", "pointing_drift_arcsec"), ("position angle", "angle_drift_deg"))
            if key in handle.attrs
        }


def candidates(
    observations: Mapping[Path, Sequence[Subset]],
    detections: pa.Table,
    bad_objects: Mapping[str, Sequence[str]],
    *,
    max_pointing_arcsec: float,
    max_angle_deg: float,
) -> list[Row]:
    """Observations with more than 20 regions in a run, of a suspect object, or that drifted."""
    rows = crowded(detections)
    for path, subsets in observations.items():
        obsid = str(read_attribute(path, "obsid"))
        rows += named(obsid, subsets, bad_objects)
        rows += drifting(obsid, read_drift(path), max_pointing_arcsec, max_angle_deg)
    return sorted(rows, key=lambda row: (row["obsid"], row["evidence"]))
