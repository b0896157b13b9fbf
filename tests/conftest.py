"""What all tests share: real data beside the checkout, when it is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# Tests time nothing, and what they draw is the same everywhere.
settings.register_profile("ephemera", deadline=None, derandomize=True)
settings.load_profile("ephemera")

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_configure(config: pytest.Config) -> None:
    """Declare the markers used in this suite."""
    config.addinivalue_line("markers", "real_data: needs the real data folder beside the checkout")


@pytest.fixture(scope="session")
def repository() -> Path:
    """Root of the checkout."""
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data: $EPHEMERA_SHARED_DATA, else ../shared/data beside the checkout."""
    folder = Path(os.environ.get("EPHEMERA_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"REAL DATA ABSENT: {folder} is not a folder, so this check on real files did not run")
    return folder
