"""The one door through which the workflow enters a step: runs `main(job)` of the rule's module."""

from ephemera.job import leave, run_step

run_step(snakemake)  # noqa: F821  the workflow defines it
leave()
