"""The steps of one observation run one after the other in this process, as the workflow would."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from ephemera.config.load import load
from ephemera.cubes import read_json
from ephemera.job import Job, namespace
from ephemera.tables import read
from ephemera.xmm import cube, detect, download, events, expectation, features, regions
from ephemera.xmm.detection_columns import DETECTIONS
from ephemera.xmm.region_columns import ALERTS
from ephemera.xmm.run_columns import RUNS

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Searched:
    """Files made for one observation."""

    folder: Path

    @property
    def manifest(self) -> dict:
        return json.loads((self.folder / "manifest.json").read_text())

    @property
    def outcomes(self) -> list[dict]:
        return read_json(self.folder / "events.h5", "outcomes")

    @property
    def runs(self) -> pa.Table:
        return read(self.folder / "runs.parquet", RUNS)

    @property
    def detections(self) -> pa.Table:
        return read(self.folder / "detections.parquet", DETECTIONS)

    @property
    def cells(self) -> pa.Table:
        return read(self.folder / "alerts.parquet", ALERTS)

    def outcome_of(self, file: str) -> str:
        return next(row["outcome"] for row in self.outcomes if row["file"] == file)

    def run_outcomes(self) -> set[str]:
        return set(self.runs["outcome"].to_pylist())


def search(
    source: Path, folder: Path, obsid: str, xmm: dict | None = None, mission: str | None = None
) -> Searched:
    """Search the observation whose files are in `source`; `xmm` are options that differ from the defaults.

    `mission` is what the sample sheet says, where it says something.
    """
    options = load({"xmm": xmm or {}}).xmm
    folder.mkdir(parents=True, exist_ok=True)
    note = {"unit": obsid, "kind": "folder", "location": str(source)}
    note |= {"mission": mission} if mission else {}
    (folder / "source.json").write_text(json.dumps(note))
    span = {"span": options.events.span}
    made = {
        "source": "source.json",
        "manifest": "manifest.json",
        "events": "events.h5",
        "cube": "cube.h5",
        "expectation": "expectation.h5",
        "significant": "cells.parquet",
        "runs": "runs.parquet",
        "second_pass": "second_pass.h5",
        "regions": "regions.parquet",
        "alerts": "alerts.parquet",
        "light_curves": "light_curves.parquet",
        "detections": "detections.parquet",
    }

    def step(module, section, also, inputs, outputs):
        job = Job(
            input=SimpleNamespace(**{name: folder / made[key] for name, key in inputs.items()}),
            output=SimpleNamespace(**{name: folder / made[key] for name, key in outputs.items()}),
            settings=namespace({**(section.settings() if section else {}), **also}),
            wildcards=SimpleNamespace(obsid=obsid),
            recipe={"key": "test"},
            threads=1,
        )
        module.main(job)

    same = lambda *names: {name: name for name in names}  # noqa: E731
    bins = {"time_bins_s": options.cube.time_bins_s}
    step(download, options.download, {}, same("source"), same("manifest"))
    step(events, options.events, bins, same("manifest"), same("events"))
    window = {"bti_window_s": options.events.bti_window_s}
    step(cube, options.cube, span | window, same("events"), same("cube"))
    step(expectation, options.expectation, span, same("events", "cube"), same("expectation"))
    also = span | {"bands_kev": options.cube.bands_kev, "expectation": options.expectation.settings()}
    step(
        detect,
        options.detect,
        also,
        same("events", "cube", "expectation"),
        {"cells": "significant", "runs": "runs", "second_pass": "second_pass"},
    )
    step(
        regions,
        options.regions,
        {},
        same("events", "cube", "expectation", "second_pass") | {"cells": "significant"},
        {"regions": "regions", "cells": "alerts", "light_curves": "light_curves"},
    )
    step(
        features,
        options.features,
        {"size_arcsec": options.cube.size_arcsec, "bad_observations": None},
        same("events", "regions", "light_curves") | {"cells": "alerts"},
        same("detections"),
    )
    return Searched(folder)
