"""docs/performance.md: what was measured, and what it means for an archive of 15,000 observations."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

ARCHIVE = 15_000
STEPS_OF_AN_OBSERVATION = 7
#: Observations that the Slurm profile puts into one job (`group-components`), which starts Snakemake twice.
GROUP = 1

TEXT = """\
# Performance

Measured by `make bench` ({machine}); other machines differ, the ratios less so. Times of this page are
written by `tests/bench/scale.py`; nothing in it is typed by hand.{disturbance}

## Planning

A plan of {units:,.0f} observations ({jobs:,.0f} jobs) with `snakemake -n -q all`:

| what | |
|---|---|
| whole plan | {plan:.0f} s, {plan_memory:,.0f} MB |
| one job | {plan_job:.2f} ms |
| one job of a bare workflow of seven rules in the same run | {bare_job:.2f} ms |
| all done already, dry run | {noop:.0f} s, {noop_job:.2f} ms a job |
| all done already, real run | {noop_real:.0f} s |
| a chunk of 300 observations | {chunk:.1f} s |
| real run with nothing to do after {small} | {again:.1f} s |

No data file is opened while planning, and no library that reads data is imported; a test counts both.
Each observation costs two small notes (`source.json`, `manifest.json`).

Very large archives go in shares: `--config shard=3/50` plans a fiftieth of the observations; a unit's
share depends on its name alone. When all shares are done, a run without `shard` makes the one catalogue.

## Throughput

{observations:.0f} simulated observations of 5 ks with about 80,000 rows, one search (200 s, full band), on
two cores: **{wall:.1f} s for each observation**, its simulation included, and {cpu:.1f} s of CPU in its seven
steps, of which {share:.0f} % is the start of Python and its libraries. Snakemake takes {overhead:.0f} ms of
CPU for each job.

| rule | CPU, s | to start, s | peak memory, MB |
|---|---|---|---|
{steps}

CPU and memory are those that the operating system counts for the whole process of the job, and stand at
the end of each job's log; the benchmark files look at a job too seldom for jobs of half a second.

## What 15,000 observations take

Of this size, with the files already there:

| where | time | what limits |
|---|---|---|
{projection}

One process of Snakemake starts at most {rate:.0f} jobs a second, so that more cores than {useful:.0f} in one
local run wait for it. On Slurm an observation is one job, which plans itself. What remains is
the catalogue of all, one job that needs {catalogue:.0f} ms for each observation. Observations of a million
events take longer in each step, see below, and shift the limit to the cores.

## Growth with the number of events

Observations of 20 ks, nine searches (5, 50, 200 s; soft, hard, full band), CPU of each step without its
start, and the largest memory of all steps:

{events}

Fitted to the three largest: time grows as the number of events to the power {time_exponent:.2f}, memory
to the power {memory_exponent:.2f}.

## Growth with the number of observations

{observations_table}

The catalogue step reads a few small tables of each observation: {catalogue:.0f} ms of CPU and
{catalogue_memory:.2f} MB more for each. Combining grows as the number of observations to the power
{combine:.2f}, clustering {cluster:.2f}, crossmatching with 200,000 sources {crossmatch:.2f} (fitted to the
two largest).
"""

#: Running processes of others, for each core, that the page may pass over in silence.
QUIET = 0.2
DISTURBED = """

**The machine was not quiet:** {load:.1f} processes of others ran on its {cores} cores just before. Times of
this page are upper bounds, those of the clock many times too long, those of CPUs less so.
"""


def projection(values: Mapping[str, float]) -> list[tuple[str, float, str]]:
    """Where, seconds and what limits, for an archive of small observations whose files are there."""
    jobs = ARCHIVE * STEPS_OF_AN_OBSERVATION
    planning = jobs * values["plan: one job"] / 1000
    starting = jobs * values["throughput: Snakemake itself"] / 1000
    work = ARCHIVE * values["throughput: CPU of an observation"]
    catalogue = ARCHIVE * values["catalogue: one more observation"] / 1000
    replanning = ARCHIVE / GROUP * 2 * values["start of Snakemake"]
    found = []
    for where, cores in (
        ("1 core", 1),
        ("one machine, 100 cores", 100),
        ("Slurm, 100 cores", 100),
        ("Slurm, 1000 cores", 1000),
    ):
        parts = {"planning, one process": planning, "the catalogue, one job": catalogue}
        if cores == 1:
            parts["the core"] = work + starting
        elif where.startswith("Slurm"):
            parts["the cores"] = (work + starting + replanning) / cores
        elif starting > work / cores:
            parts["starting jobs, one process"] = starting
        else:
            parts["the cores"] = work / cores
        found.append((where, sum(parts.values()), max(parts, key=lambda name: parts[name])))
    return found


def write_document(path: Path, figures: Any, machine: str, cores: int) -> None:
    """Write the page from what was measured."""
    values = figures.values
    load = values["load by others"]
    rate = 1000 / values["throughput: Snakemake itself"]
    text = TEXT.format(
        machine=machine,
        disturbance=DISTURBED.format(load=load, cores=cores).rstrip() if load > QUIET * cores else "",
        units=(values["plan: jobs"] - 2) / STEPS_OF_AN_OBSERVATION,
        jobs=values["plan: jobs"],
        plan=values["plan"],
        plan_memory=values["plan: memory"],
        plan_job=values["plan: one job"],
        bare_job=values["plan: one job of a bare workflow"],
        noop=values["nothing to do, dry"],
        noop_job=values["nothing to do, dry: one job"],
        noop_real=values["nothing to do"],
        chunk=values["plan: a chunk of 300"],
        again=values["nothing to do after real jobs"],
        small=_note(figures, "nothing to do after real jobs").split(",")[0],
        observations=values["throughput: observations"],
        wall=values["throughput: one observation"],
        cpu=values["throughput: CPU of an observation"],
        share=values["throughput: share of start-up"],
        overhead=values["throughput: Snakemake itself"],
        steps=_steps(figures),
        projection=_projection(values),
        rate=rate,
        useful=rate * values["throughput: CPU of an observation"] / STEPS_OF_AN_OBSERVATION,
        catalogue=values["catalogue: one more observation"],
        catalogue_memory=values["catalogue: memory of one more"],
        events=_events(figures),
        time_exponent=figures.exponents["seven steps with events"],
        memory_exponent=figures.exponents["memory with events"],
        observations_table=_observations(figures),
        combine=figures.exponents["combine"],
        cluster=figures.exponents["cluster"],
        crossmatch=figures.exponents["crossmatch"],
    )
    path.write_text(text, encoding="utf-8")


def _note(figures: Any, name: str) -> str:
    return next(note for what, _, _, note in figures.rows if what == f"scale {name}")


def _steps(figures: Any) -> str:
    rows = []
    for step, costs in figures.steps.items():
        cpu, start = median(c.cpu for c in costs), median(c.start for c in costs)
        memory, rule = max(c.memory for c in costs), step.replace(".", "_")
        rows.append(f"| {rule} | {cpu:.2f} | {start:.2f} | {memory:.0f} |")
    return "\n".join(sorted(rows))


def _projection(values: Mapping[str, float]) -> str:
    rows = []
    for where, seconds, limit in projection(values):
        hours = f"{seconds / 3600:.1f} h" if seconds > 5400 else f"{seconds / 60:.0f} min"
        rows.append(f"| {where} | {hours} | {limit} |")
    return "\n".join(rows)


def _events(figures: Any) -> str:
    steps = sorted({step for _, costs in figures.events for step in costs})
    lines = [
        f"| events | {' | '.join(step.split('.')[1] for step in steps)} | all | MB |",
        "|---" * (len(steps) + 3) + "|",
    ]
    for size, costs in figures.events:
        times = [costs[step].cpu - costs[step].start for step in steps]
        cells = " | ".join(f"{seconds:.2f}" for seconds in times)
        memory = max(cost.memory for cost in costs.values())
        lines.append(f"| {size:,} | {cells} | {sum(times):.2f} | {memory:.0f} |")
    return "\n".join(lines)


def _observations(figures: Any) -> str:
    lines = ["| what | observations | CPU, s | memory, MB |", "|---|---|---|---|"]
    for name, found in figures.observations.items():
        lines += [f"| {name} | {n:,} | {seconds:.3f} | {memory:.0f} |" for n, seconds, memory in found]
    return "\n".join(lines)
