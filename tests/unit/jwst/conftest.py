"""Steps of the branch run without the workflow, on one simulated dataset for the whole session."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from ephemera.config.jwst import Jwst
from ephemera.job import namespace
from ephemera.jwst import bundle, figures, pages, read, scan, series, video
from ephemera.jwst.simulate import SCENARIOS, Scenario, simulate

BANDS = [
    {"name": "Variable", "start": 2.3, "end": 2.7},
    {"name": "</script><b>x", "start": 1.0, "end": 1.2},
    {"name": "Nowhere", "start": 8.0, "end": 9.0},
]
STEPS = {
    "scan": scan,
    "read": read,
    "series": series,
    "figures": figures,
    "video": video,
    "pages": pages,
    "bundle": bundle,
}


def run_steps(folder, source, options=None, unit="unit", until="bundle", note=None):
    """Run the steps of one dataset up to one of them; returns the folder that holds their outputs."""
    folder.mkdir(parents=True, exist_ok=True)
    configuration = Jwst.model_validate(options or {})
    document = note or {"unit": unit, "kind": "folder", "location": str(source)}
    (folder / "source.json").write_text(json.dumps(document))
    f = {
        name: folder / name
        for name in (
            "manifest.json",
            "series.h5",
            "bad.ecsv",
            "read.json",
            "products",
            "analysis.h5",
            "figures",
            "video",
            "pages",
            "bundle",
        )
    }
    both = {"series": f["series.h5"], "analysis": f["analysis.h5"]}
    plan = {
        "scan": ({"source": folder / "source.json"}, {"manifest": f["manifest.json"]}),
        "read": (
            {"manifest": f["manifest.json"]},
            {"series": f["series.h5"], "bad_inputs": f["bad.ecsv"], "summary": f["read.json"]},
        ),
        "series": (
            {"series": f["series.h5"], "bad_inputs": f["bad.ecsv"], "summary": f["read.json"]},
            {"products": f["products"], "analysis": f["analysis.h5"]},
        ),
        "figures": (both, {"figures": f["figures"]}),
        "video": (both, {"video": f["video"]}),
        "pages": ({**both, "bad_inputs": f["bad.ecsv"], "video": f["video"]}, {"pages": f["pages"]}),
        "bundle": (
            {
                "manifest": f["manifest.json"],
                "products": f["products"],
                "figures": f["figures"],
                "video": f["video"],
                "pages": f["pages"],
            },
            {"bundle": f["bundle"]},
        ),
    }
    for name, (inputs, outputs) in plan.items():
        section = getattr(configuration, name, None)
        parameters = {
            **(section.settings() if section else {}),
            "visit_gap_hours": configuration.series.visit_gap_hours,
        }
        overrides = configuration.overrides(name)
        parameters |= {"datasets": overrides} if overrides else {}
        recipe = {"parameters": parameters, "key": "0123456789", "reads": {}, "code": {"digest": "x"}}
        STEPS[name].main(
            SimpleNamespace(
                input=SimpleNamespace(**inputs),
                output=SimpleNamespace(**outputs),
                settings=namespace(parameters),
                wildcards=SimpleNamespace(dataset=unit),
                recipe=recipe,
                threads=2,
                log=folder / f"{name}.log",
            )
        )
        if name == until:
            break
    return folder


@pytest.fixture(scope="session")
def small() -> Scenario:
    """A quick scenario with a sine in one band."""
    return SCENARIOS["small"]


@pytest.fixture(scope="session")
def products(tmp_path_factory, small):
    """All products of the quick scenario."""
    root = tmp_path_factory.mktemp("jwst")
    simulate(root / "source", small)
    options = {"series": {"bands": BANDS, "transit": True}, "video": {"frames": 12, "size": [321, 241]}}
    return run_steps(root / "out", root / "source", options)
