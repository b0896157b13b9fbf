"""All products of one simulated dataset, made once for the whole session."""

from __future__ import annotations

import pytest

from builders.jwst_steps import run_steps
from ephemera.jwst.simulate import SCENARIOS, Scenario, simulate

BANDS = [
    {"name": "Variable", "start": 2.3, "end": 2.7},
    {"name": "</script><b>x", "start": 1.0, "end": 1.2},
    {"name": "Nowhere", "start": 8.0, "end": 9.0},
]


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
