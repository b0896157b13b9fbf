"""Read a configuration and say clearly what is wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

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
        problems = [_explain(problem, values) for problem in error.errors()]
        message = f"{len(problems)} problem(s) in the configuration:\n" + "\n".join(problems)
        raise ConfigurationError(message) from None


def section_at(path: tuple[str | int, ...]) -> type[Section] | None:
    """The section class at a path of keys, None where the path names an option."""
    section: type[Section] = Configuration
    for key in path:
        field = section.model_fields.get(str(key))
        if field is None or not (
            isinstance(field.annotation, type) and issubclass(field.annotation, Section)
        ):
            return None
        section = field.annotation
    return section


def _explain(problem: Any, values: Mapping[str, Any]) -> str:
    path = tuple(problem["loc"])
    key = ".".join(str(part) for part in path)
    if problem["type"] == "extra_forbidden":
        return _unknown_key(path, key)
    value = _value_at(values, path)
    lines = [f"  {key} = {value!r}", f"    allowed: {_allowed(path, problem)}"]
    text = _description(path)
    if text:
        lines.append(f"    hint: {text}")
    return "\n".join(lines)


def _unknown_key(path: tuple[str | int, ...], key: str) -> str:
    section = section_at(path[:-1]) or Configuration
    known = sorted(section.model_fields)
    close = difflib.get_close_matches(str(path[-1]), known, n=1, cutoff=0.5)
    where = _elsewhere(str(path[-1]))
    if close:
        hint = f"did you mean {'.'.join([*map(str, path[:-1]), close[0]])}?"
    elif where:
        hint = f"this option belongs at {where}"
    else:
        hint = "remove it; docs/configuration.md lists all options"
    return f"  {key}: there is no such option\n    allowed: {', '.join(known)}\n    hint: {hint}"


def _elsewhere(name: str, section: type[Section] = Configuration, prefix: str = "") -> str | None:
    for key, field in section.model_fields.items():
        if key == name:
            return prefix + key
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            found = _elsewhere(name, field.annotation, f"{prefix}{key}.")
            if found:
                return found
    return None


def _value_at(values: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        try:
            values = values[key]
        except (KeyError, IndexError, TypeError):
            return values
    return values


def _allowed(path: tuple[str | int, ...], problem: Any) -> str:
    unit = _unit(path)
    message = str(problem["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    return f"{message} [{unit}]" if unit else message


def _field(path: tuple[str | int, ...]) -> Any:
    section: type[Section] = Configuration
    for key in path:
        field = section.model_fields.get(str(key))
        if field is None:
            return None
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            section = field.annotation
            continue
        return field
    return None


def _unit(path: tuple[str | int, ...]) -> str | None:
    field = _field(path)
    extra = getattr(field, "json_schema_extra", None)
    return extra.get("unit") if isinstance(extra, dict) else None


def _description(path: tuple[str | int, ...]) -> str | None:
    field = _field(path)
    return field.description if field is not None else None
