"""What makes plans of 100,000 jobs fit: Snakemake keeps every job until it ends."""

from __future__ import annotations

import atexit
import functools
import gc
from typing import Any

from snakemake.iocontainers import AttributeGuard


def prepare() -> None:
    """Spend less time and memory on the jobs of this process's plan."""
    # Jobs live as long as the plan: looking for garbage among them again and again is in vain,
    # and so is taking them apart, one by one, before the process ends (a sixth of a dry run).
    gc.set_threshold(20_000, 20, 20)
    atexit.register(gc.freeze)
    # Each list of files of each job has two guards, equal in all (1 kB of a job's 18).
    AttributeGuard.__new__ = functools.cache(_guard)  # type: ignore[method-assign, assignment]
    AttributeGuard.__reduce__ = _made_again  # type: ignore[method-assign]


def start_at_once(workflow: Any) -> None:
    """Lift the limit of starts in a second where jobs run on this machine; for `onstart`.

    Its clock looks over all ready jobs once more for each start, and ends a run with a second of waiting.
    """
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


def _guard(cls: type[AttributeGuard], name: str) -> AttributeGuard:  # noqa: ARG001  one for each name
    return object.__new__(cls)


def _made_again(guard: AttributeGuard) -> tuple[type[AttributeGuard], tuple[str]]:
    """How copies and jobs get theirs."""
    return AttributeGuard, (guard.name,)
