"""Find a filter: a shipped one by name, `package.module:Name`, or `file.py:Name`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from typing import Any

from ephemera.alerts.filters.contract import ContractError, Filter
from ephemera.alerts.filters.shipped import SHIPPED


def load_filter(spec: str, seconds: float = 1.0, memory_mb: int = 2000) -> Filter:
    """A filter ready to be set up; one of a user runs in a process of its own.

    Raises ContractError for a name that is not known, and whatever importing a user's file raises.
    """
    if spec in SHIPPED:
        return SHIPPED[spec]()
    if ":" not in spec:
        message = f"filter {spec!r} is not known: {', '.join(SHIPPED)}, or file.py:Name"
        raise ContractError(message)
    from ephemera.alerts.filters.process import ProcessFilter

    return ProcessFilter(spec, seconds, memory_mb)


def user_filter(spec: str) -> Filter:
    """Import a user's filter into this process. Raises ContractError when it is none."""
    place, _, name = spec.rpartition(":")
    module = _module_of_file(Path(place)) if place.endswith(".py") else importlib.import_module(place)
    found: Any = getattr(module, name, None)
    if isinstance(found, type) and issubclass(found, Filter):
        return found()
    if isinstance(found, Filter):
        return found
    message = f"{spec}: {name} must be a Filter or a function with @declare, got {type(found).__name__}"
    raise ContractError(message)


def _module_of_file(path: Path) -> Any:
    specification = importlib.util.spec_from_file_location(f"user_filter_{path.stem}", path)
    if specification is None or specification.loader is None or not path.is_file():
        message = f"filter file {path} cannot be found"
        raise ContractError(message)
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module
