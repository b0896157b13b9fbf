"""Read a configuration and say clearly what is wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import ValidationError

from ephemera.config.project import Configuration
from ephemera.config.section import Section


class ConfigurationError(Exception):
    """The configuration cannot be used; the message names key, value, what is allowed and a hint."""


def load(values: Mapping[str, Any]) -> Configuration:
    """Validate `values` (nested mappings as read from YAML).

    Raises ConfigurationError that lists every problem found.
    """
    try:
        return Configuration.model_validate(values)
    except ValidationError as error:
        problems = _explained(error.errors(), values)
        message = f"{len(problems)} problem(s) in the configuration:\n" + "\n".join(problems)
        raise ConfigurationError(message) from None


@dataclass(frozen=True)
class _Place:
    """Where a problem is: its key, the block around it, the declaration of the option, the value there."""

    key: str
    block: type[Section]
    field: Any
    value: Any


def _place(path: tuple[str | int, ...], values: Any) -> _Place:
    """Follow a path of keys through the declarations and the values, also into lists of blocks.

    Where an option takes several kinds of values, pydantic puts the name of the kind into the path; it is
    neither declared nor a key of the values, and left out.
    """
    names: list[str] = []
    block: type[Section] = Configuration
    inner: type[Section] | None = Configuration
    field = None
    for step in path:
        declared = inner.model_fields.get(str(step)) if inner is not None else None
        there = _has(values, step)
        if declared is None and not there:
            continue
        names.append(str(step))
        values = values[step] if there else None
        if inner is not None:
            block = inner
        if declared is not None:
            field, inner = declared, _block_of(declared.annotation)
    return _Place(".".join(names), block, field, values)


def _has(values: Any, step: str | int) -> bool:
    if isinstance(values, Mapping):
        return step in values
    return isinstance(values, list) and isinstance(step, int) and step < len(values)


def _block_of(annotation: Any) -> type[Section] | None:
    """The block that an option is, or of which it is a list; None for plain values."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    return next((found for part in get_args(annotation) if (found := _block_of(part)) is not None), None)


def _explained(problems: Sequence[Any], values: Mapping[str, Any]) -> list[str]:
    """Text of each problem; what is wrong with one value in several ways is one problem."""
    by_key: dict[str, list[tuple[_Place, Any]]] = {}
    for problem in problems:
        place = _place(tuple(problem["loc"]), values)
        by_key.setdefault(place.key, []).append((place, problem))
    # Of an option that may be a word or a list, the item that is wrong says more than that it is no word.
    told = [key for key in by_key if not any(other.startswith(f"{key}.") for other in by_key)]
    return [_explain(by_key[key][-1][0], [problem for _, problem in by_key[key]]) for key in told]


def _explain(place: _Place, problems: Sequence[Any]) -> str:
    kinds = {problem["type"] for problem in problems}
    if "extra_forbidden" in kinds:
        return _unknown_key(place)
    allowed = ", or ".join(dict.fromkeys(_allowed(place, problem) for problem in problems))
    if kinds == {"value_error"} and isinstance(place.value, Mapping):
        return f"  {place.key}: {allowed}"
    found = f"  {place.key} is missing" if "missing" in kinds else f"  {place.key} = {place.value!r}"
    lines = [found] if "missing" in kinds else [found, f"    allowed: {allowed}"]
    if place.field is not None and place.field.description:
        lines.append(f"    hint: {place.field.description}")
    return "\n".join(lines)


def _allowed(place: _Place, problem: Any) -> str:
    extra = getattr(place.field, "json_schema_extra", None)
    unit = extra.get("unit") if isinstance(extra, dict) else None
    message = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{message} [{unit}]" if unit else message


def _unknown_key(place: _Place) -> str:
    above, _, name = place.key.rpartition(".")
    known = sorted(place.block.model_fields)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    where = _elsewhere(name)
    if close:
        hint = f"did you mean {f'{above}.' if above else ''}{close[0]}?"
    elif where:
        hint = f"this option belongs at {where}"
    else:
        hint = "remove it; docs/configuration.md lists all options"
    return f"  {place.key}: there is no such option\n    allowed: {', '.join(known)}\n    hint: {hint}"


def _elsewhere(name: str, section: type[Section] = Configuration, prefix: str = "") -> str | None:
    """Where an option of that name is declared."""
    for key, field in section.model_fields.items():
        if key == name:
            return prefix + key
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found = _elsewhere(name, field.annotation, f"{prefix}{key}.")
            if found:
                return found
    return None
