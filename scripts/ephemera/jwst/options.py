"""Options of a step for one dataset: those of the section, with what the dataset overrides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ephemera.job import namespace

if TYPE_CHECKING:
    from ephemera.job import Job


def settings_of(job: Job) -> Any:
    """Options of the job's step for the dataset of the job."""
    return namespace(merged(job.recipe["parameters"], str(job.wildcards.dataset)))


def merged(parameters: Mapping[str, Any], dataset: str) -> dict[str, Any]:
    """Options of a recipe with the overrides of a dataset; blocks are merged, values replaced."""
    common = {name: value for name, value in parameters.items() if name != "datasets"}
    return _merge(common, parameters.get("datasets", {}).get(dataset, {}))


def _merge(common: Mapping[str, Any], special: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(common)
    for name, value in special.items():
        before = result.get(name)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            result[name] = _merge(before, value)
        else:
            result[name] = value
    return result
