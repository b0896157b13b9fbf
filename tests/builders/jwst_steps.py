"""Steps of the JWST branch one after the other, as the workflow runs them but in one process."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ephemera.config.jwst import Jwst
from ephemera.job import namespace
from ephemera.jwst import bundle, figures, pages, read, scan, series, video

STEPS = {
    "scan": scan,
    "read": read,
    "series": series,
    "figures": figures,
    "video": video,
    "pages": pages,
    "bundle": bundle,
}
#: Inputs and outputs of each step: argument -> file below the folder of the run.
_INPUTS = {
    "scan": {"source": "source.json"},
    "read": {"manifest": "manifest.json"},
    "series": {"series": "series.h5", "bad_inputs": "bad.ecsv", "summary": "read.json"},
    "figures": {"series": "series.h5", "analysis": "analysis.h5"},
    "video": {"series": "series.h5", "analysis": "analysis.h5"},
    "pages": {"series": "series.h5", "analysis": "analysis.h5", "bad_inputs": "bad.ecsv", "video": "video"},
    "bundle": {"manifest": "manifest.json"} | {n: n for n in ("products", "figures", "video", "pages")},
}
_OUTPUTS = {
    "scan": {"manifest": "manifest.json"},
    "read": {"series": "series.h5", "bad_inputs": "bad.ecsv", "summary": "read.json"},
    "series": {"products": "products", "analysis": "analysis.h5"},
    "figures": {"figures": "figures"},
    "video": {"video": "video"},
    "pages": {"pages": "pages"},
    "bundle": {"bundle": "bundle"},
}


def run_steps(
    folder: Path,
    source: Path,
    options: dict[str, Any] | None = None,
    unit: str = "unit",
    until: str = "bundle",
    note: dict[str, Any] | None = None,
    times: dict[str, float] | None = None,
) -> Path:
    """Run the steps of one dataset up to one of them; returns the folder that holds their outputs.

    `times` gets the seconds that each step took.
    """
    folder.mkdir(parents=True, exist_ok=True)
    configuration = Jwst.model_validate(options or {})
    document = note or {"unit": unit, "kind": "folder", "location": str(source)}
    (folder / "source.json").write_text(json.dumps(document))
    for name, step in STEPS.items():
        section = getattr(configuration, name, None)
        parameters = {
            **(section.settings() if section else {}),
            "visit_gap_hours": configuration.series.visit_gap_hours,
        }
        overrides = configuration.overrides(name)
        parameters |= {"datasets": overrides} if overrides else {}
        recipe = {"parameters": parameters, "key": "0123456789", "reads": {}, "code": {"digest": "x"}}
        start = time.perf_counter()
        step.main(
            SimpleNamespace(
                input=SimpleNamespace(**{k: folder / file for k, file in _INPUTS[name].items()}),
                output=SimpleNamespace(**{k: folder / file for k, file in _OUTPUTS[name].items()}),
                settings=namespace(parameters),
                wildcards=SimpleNamespace(dataset=unit),
                recipe=recipe,
                threads=2,
                log=folder / f"{name}.log",
            )
        )
        if times is not None:
            times[name] = time.perf_counter() - start
        if name == until:
            break
    return folder
