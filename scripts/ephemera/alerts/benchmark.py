"""To be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ephemera.job import Job


def main(job: Job) -> None:
    """Make empty outputs."""
    for path in job.output:
        path.mkdir() if path.name.endswith(".pages") else path.write_text("{}")
