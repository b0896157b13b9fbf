"""A checkout of its own for each workflow test."""

from __future__ import annotations

import pytest

from workflow_checkout import Checkout, copy_checkout


@pytest.fixture
def checkout(repository, tmp_path) -> Checkout:
    """A fresh copy of the workflow."""
    return copy_checkout(repository, tmp_path / "checkout")
