"""The contract of a filter: what it declares, what it gets, what it may return.

A filter is a class with the attributes of `Filter`, or a function decorated with `declare`. It is found by
`package.module:Name` or `file.py:Name`. A newcomer copies this and changes the body of `run`:

    from ephemera.alerts.filters.contract import Filter, Property, Tag, Verdict

    class FastRiser(Filter):
        name = "fast_riser"
        version = "1"
        description = "Brighter by a magnitude or more within two days, in one band"
        required_fields = ("mag",)
        min_detections = 2
        output_tags = (Tag("fast_riser", "Brightened by at least 1 mag within 2 d"),)
        output_properties = (Property("fast_riser_mag", float, "mag", "Brightening over two days"),)

        def run(self, locus):
            curve = locus.light_curve(band=locus.newest.band)
            recent = curve.mag[curve.mjd > locus.newest.mjd_utc - 2.0]
            rise = float(recent.max() - recent[-1])
            if rise >= 1.0:
                return Verdict(tags=["fast_riser"], properties={"fast_riser_mag": rise})

`setup` runs once per process, `run` once for each locus that the night touched. What is required and absent
(null counts as absent) makes the outcome `skipped`; an exception, an output that is not declared, a wrong
type or a float that is not finite makes it `errored`. Neither ever stops the stream.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from ephemera.alerts.filters.locus import Locus
    from ephemera.alerts.filters.moments import Moments

Value = float | int | str
#: A stream is a file of the name of its tag; this one lists what could not be sent.
RESERVED_TAGS = ("resend",)


@dataclass(frozen=True)
class Tag:
    """A tag that a filter may set, also the name of a stream."""

    name: str
    description: str


@dataclass(frozen=True)
class Property:
    """A property that a filter may set; `kind` is float, int or str."""

    name: str
    kind: type
    unit: str | None
    description: str


@dataclass(frozen=True)
class Verdict:
    """What a filter found on one locus."""

    tags: Sequence[str] = ()
    properties: Mapping[str, Value] = field(default_factory=dict)


class ContractError(Exception):
    """A filter returned, or declares, what the contract does not allow."""


class RequirementMissingError(Exception):
    """Something that a filter needs for the whole night is not there: a package, or a file of its options."""


class Filter(ABC):
    """What a filter declares. `surveys` and `bands` are those of the newest alert; empty means any.

    `required_fields` are canonical columns or `extra.<name>` of the newest alert, `required_catalogues`
    catalogues that must be configured and there, `order_after` names of filters that run before.
    `known_options` are the options that `setup` understands; any other stops the filter (None asks nothing).
    """

    name: str = ""
    version: str = "1"
    description: str = ""
    surveys: Sequence[str] = ()
    bands: Sequence[str] = ()
    required_fields: Sequence[str] = ()
    required_properties: Sequence[str] = ()
    required_tags: Sequence[str] = ()
    required_catalogues: Sequence[str] = ()
    output_tags: Sequence[Tag] = ()
    output_properties: Sequence[Property] = ()
    min_detections: int = 0
    known_options: Sequence[str] | None = None
    order_after: Sequence[str] = ()

    def setup(self, config: Mapping[str, Any], files: Mapping[str, Path]) -> None:  # noqa: B027  most need nothing
        """Prepare for a night: options of this filter, and files that it may read."""

    def screen(self, moments: Moments) -> Any:
        """Whether `run` may say something at each moment, as an array; where it is False `run` says nothing.

        For speed: by default `run` is called everywhere. It must hold wherever `run` answers more than None,
        and may hold elsewhere.
        """
        return np.ones(len(moments), bool)

    @abstractmethod
    def run(self, locus: Locus) -> Verdict | Mapping[str, Any] | Sequence[str] | None:
        """Judge one locus by its alerts up to `locus.newest`."""


class FunctionFilter(Filter):
    """A filter made of a function of one locus."""

    def __init__(self, function: Callable[[Locus], Any], declaration: Mapping[str, Any]) -> None:
        self.function = function
        for name, value in declaration.items():
            if not hasattr(Filter, name):
                message = f"a filter declares no {name!r}"
                raise ContractError(message)
            setattr(self, name, value)

    def run(self, locus: Locus) -> Any:
        """Call the function."""
        return self.function(locus)


def declare(**declaration: Any) -> Callable[[Callable[[Locus], Any]], FunctionFilter]:
    """Make a filter of a function: `@declare(name="bright", version="1", output_tags=(...))`."""

    def make(function: Callable[[Locus], Any]) -> FunctionFilter:
        return FunctionFilter(function, {"name": function.__name__, **declaration})

    return make


def check_options(candidate: Filter, config: Mapping[str, Any]) -> None:
    """Raise ContractError for an option that the filter does not understand, such as a misspelt one."""
    if candidate.known_options is None:
        return
    for name in config:
        if name not in candidate.known_options:
            known = ", ".join(candidate.known_options) or "none"
            message = f"alerts.filter.options.{candidate.name}: {name!r} is not known; allowed: {known}"
            raise ContractError(message)


def check_declaration(candidate: Filter) -> None:
    """Raise ContractError unless the declaration can be used."""
    if not _is_name(candidate.name):
        message = f"{type(candidate).__name__}: name must be letters, digits and '_', got {candidate.name!r}"
        raise ContractError(message)
    for tag in candidate.output_tags:
        if not isinstance(tag, Tag) or not _is_name(tag.name, "-") or tag.name in RESERVED_TAGS:
            named = f"named with letters, digits, '_' and '-', not {', '.join(RESERVED_TAGS)}"
            message = f"{candidate.name}: output_tags must be Tags {named}, got {tag!r}"
            raise ContractError(message)
    for output in candidate.output_properties:
        if not isinstance(output, Property) or output.kind not in (float, int, str):
            message = (
                f"{candidate.name}: output_properties must be Properties of float, int or str, got {output!r}"
            )
            raise ContractError(message)


def _is_name(text: object, marks: str = "") -> bool:
    """Whether a text can name files and topics: letters, digits, '_' and `marks`, at most 60 of them."""
    return isinstance(text, str) and re.fullmatch(rf"[\w{marks}]{{1,60}}", text) is not None


def checked(candidate: Filter, answer: Any) -> Verdict:
    """The answer of a filter as a verdict. Raises ContractError for anything that was not declared."""
    if answer is None:
        return Verdict()
    if isinstance(answer, Mapping):
        unknown = sorted(set(answer) - {"tags", "properties"})
        if unknown:
            message = f"an answer has tags and properties, not {', '.join(map(str, unknown))}"
            raise ContractError(message)
        answer = Verdict(answer.get("tags", ()), answer.get("properties", {}))
    elif isinstance(answer, list | tuple | set | frozenset):
        answer = Verdict(tuple(answer))
    if not isinstance(answer, Verdict) or isinstance(answer.tags, str):
        message = f"an answer is a Verdict, a list of tags or None, got {type(answer).__name__}"
        raise ContractError(message)
    declared = {tag.name for tag in candidate.output_tags}
    for name in answer.tags:
        if name not in declared:
            message = f"tag {name!r} is not declared"
            raise ContractError(message)
    kinds = {output.name: output.kind for output in candidate.output_properties}
    properties = {name: _value(name, value, kinds) for name, value in answer.properties.items()}
    return Verdict(tuple(sorted(set(answer.tags))), properties)


def _value(name: str, value: Any, kinds: Mapping[str, type]) -> Value:
    if name not in kinds:
        message = f"property {name!r} is not declared"
        raise ContractError(message)
    kind = kinds[name]
    plain: Any = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
    if kind is float and isinstance(plain, int) and not isinstance(plain, bool):
        plain = float(plain)
    if type(plain) is not kind or not isinstance(plain, float | int | str):
        message = f"property {name!r} must be {kind.__name__}, got {type(plain).__name__}"
        raise ContractError(message)
    if isinstance(plain, float) and not math.isfinite(plain):
        message = f"property {name!r} must be finite, got {plain}"
        raise ContractError(message)
    return plain
