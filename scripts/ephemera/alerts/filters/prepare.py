"""Filters set up and in order, with what each may take and what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ephemera.alerts.filters.contract import (
    ContractError,
    Filter,
    RequirementMissingError,
    check_declaration,
    check_options,
)
from ephemera.alerts.filters.features import Anomaly
from ephemera.alerts.filters.load import load_filter
from ephemera.alerts.filters.process import FilterProcessError, ProcessFilter, name_of

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Limits:
    """Seconds a locus may take, fraction of errors that switches a filter off, and when filters run.

    `trigger` is "night" (once, at the newest alert of the night) or "alert" (at each alert of the night).
    """

    seconds: float = 1.0
    max_error_fraction: float = 0.05
    trigger: str = "night"
    memory_mb: int = 2000


@dataclass
class Tally:
    """Counts of one filter over a night, and the time it took."""

    version: str = ""
    input: int = 0
    succeeded: int = 0
    skipped: int = 0
    errored: int = 0
    passed: int = 0
    seconds: float = 0.0
    switched_off: bool = False
    problem: str | None = None


class Prepared:
    """A filter that is set up, or why it cannot run; and how it fares as the loci are gone through.

    `changing` says whether its requirements change as other filters run, `tried` counts the moments up to
    each at which all others are met, of which `not_tried` were without a tag or property that it needs.
    """

    def __init__(
        self, name: str, candidate: Filter | None, problem: str | None, *, skip: bool = False
    ) -> None:
        self.name, self.filter, self.skip = name, candidate, skip
        self.tally = Tally(getattr(candidate, "version", "") or "", problem=problem)
        self.changing, self.errors, self.not_tried = False, 0, 0
        self.tried: npt.NDArray[np.int64] = np.zeros(0, np.int64)

    def send_night(self, loci: pa.Table, alerts: pa.Table) -> None:
        """Give a filter in a process of its own the night; one that cannot take it does not run."""
        if isinstance(self.filter, ProcessFilter) and not self.skip:
            try:
                self.filter.send_night(loci, alerts)
            except (FilterProcessError, ContractError) as error:
                self.close()
                self.filter, self.tally.problem = None, f"{name_of(error)}: {error}"

    def close(self) -> None:
        """End a process of its own."""
        if isinstance(self.filter, ProcessFilter):
            self.filter.close()


def prepare(filters: Sequence[str | Filter], config: Mapping[str, Any], limits: Limits) -> list[Prepared]:
    """Filters set up and in order; those that cannot be loaded stay in the list with their problem."""
    prepared = []
    for given in filters:
        label = given if isinstance(given, str) else given.name
        candidate: Filter | None = None
        try:
            candidate = (
                load_filter(given, limits.seconds, limits.memory_mb) if isinstance(given, str) else given
            )
            check_declaration(candidate)
            files = {k: Path(v) for k, v in config.get("files", {}).get(candidate.name, {}).items()}
            check_options(candidate, config.get(candidate.name, {}))
            candidate.setup(config.get(candidate.name, {}), files)
            check_declaration(candidate)
            if isinstance(candidate, Anomaly):
                candidate.train(config.get("before", []))
        except RequirementMissingError as error:
            name = label if candidate is None else candidate.name
            prepared.append(Prepared(name, candidate, str(error), skip=True))
        except Exception as error:  # noqa: BLE001  a filter of a user may raise anything
            Prepared(label, candidate, None).close()
            prepared.append(Prepared(label, None, f"{name_of(error)}: {error}"))
        else:
            prepared.append(Prepared(candidate.name, candidate, None))
    return ordered(prepared)


def ordered(prepared: Sequence[Prepared]) -> list[Prepared]:
    """Topological order by required tags, properties and `order_after`, then by name.

    Raises ValueError for filters that wait for each other and for two of one name.
    """
    names = [one.name for one in prepared]
    if len(set(names)) != len(names):
        message = f"filters must have names of their own, got {', '.join(sorted(names))}"
        raise ValueError(message)
    makers: dict[str, set[str]] = {}
    for one in prepared:
        for output in (
            *getattr(one.filter, "output_tags", ()),
            *getattr(one.filter, "output_properties", ()),
        ):
            makers.setdefault(output.name, set()).add(one.name)
    waits = {}
    for one in prepared:
        f = one.filter
        needed = (*getattr(f, "required_tags", ()), *getattr(f, "required_properties", ()))
        before = {maker for name in needed for maker in makers.get(name, ())} | set(
            getattr(f, "order_after", ())
        )
        waits[one.name] = (before & set(names)) - {one.name}
    done: list[str] = []
    while len(done) < len(names):
        ready = sorted(n for n in names if n not in done and waits[n] <= set(done))
        if not ready:
            message = f"filters wait for each other: {', '.join(sorted(set(names) - set(done)))}"
            raise ValueError(message)
        done.append(ready[0])
    by_name = {one.name: one for one in prepared}
    return [by_name[name] for name in done]
