"""Runs the jobs of one rule before the rest is planned: the same command, only until that rule."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import FrameType

from snakemake.exceptions import WorkflowError

#: Set in the process that runs one rule first: it plans nothing first itself and notes no version.
RUNS_FIRST = "EPHEMERA_RUNS_FIRST"

#: Options with which Snakemake does something else than run what is not up to date, or only a part of it.
OTHER_PURPOSES = (
    "dryrun",
    "touch",
    "unlock",
    "lint",
    "list_rules",
    "list_target_rules",
    "print_compilation",
    "dag",
    "rulegraph",
    "filegraph",
    "d3dag",
    "summary",
    "detailed_summary",
    "archive",
    "containerize",
    "export_cwl",
    "generate_unit_tests",
    "report",
    "list_changes",
    "list_input_changes",
    "list_params_changes",
    "list_untracked",
    "cleanup_metadata",
    "cleanup_shadow",
    "conda_cleanup_envs",
    "conda_create_envs_only",
    "list_conda_envs",
    "container_cleanup_images",
    "delete_all_output",
    "delete_temp_output",
    "until",
    "omit_from",
    "batch",
    "force",
    "forceall",
    "forcerun",
)


def running_first() -> bool:
    """Whether this process was started by `runner` of another one."""
    return RUNS_FIRST in os.environ


@cache
def runner() -> Callable[[str], None] | None:
    """A function that runs one rule's jobs; None when this process is not there to run everything.

    The command line is read again for this (a quarter of a second), so it is asked only when a step changed.
    """
    if running_first() or not _is_command_line() or "--" in sys.argv:
        return None
    from snakemake.cli import parse_args

    _, options = parse_args(sys.argv[1:])
    if any(getattr(options, name, None) for name in OTHER_PURPOSES):
        return None
    return run_first


def run_first(rule: str) -> None:
    """Run this command until `rule`; a failing job stops nothing, it will be tried again with the rest.

    Raises WorkflowError when the user interrupts.
    """
    command = [sys.executable, "-m", "snakemake", *sys.argv[1:], "--until", rule]
    process = subprocess.Popen(command, env={**os.environ, RUNS_FIRST: rule})  # noqa: S603  this command

    received: list[int] = []

    def forward(number: int, _: FrameType | None) -> None:
        received.append(number)
        process.send_signal(number)

    before = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        status = process.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received or status < 0:
        message = f"interrupted while {rule} ran"
        raise WorkflowError(message)


def _is_command_line() -> bool:
    program = Path(sys.argv[0])
    return program.name == "snakemake" or program.parts[-2:] == ("snakemake", "__main__.py")
