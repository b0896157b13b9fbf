"""Scale of the XMM branch: planning 15,000 observations, throughput, growth; writes docs/performance.md.

`python tests/bench/scale.py --units 1000 --observations 20 --largest 100000` is a quick look; the defaults
are those of the document and take about half an hour on two cores. Planning is compared with a bare
workflow of seven chained rules measured in the same run, since the time of both is that of Snakemake.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY / "tests"))

from performance_document import projection, write_document  # noqa: E402
from scale_archive import Cost, bare, finished, measure, obsids, write_sheet  # noqa: E402
from workflow_checkout import Checkout, copy_checkout  # noqa: E402

Row = tuple[str, float, str, str]

STEPS = ("simulate", "download", "events", "cube", "expectation", "detect", "regions", "features")
#: Jobs of an observation, without its simulation.
JOBS = len(STEPS) - 1
#: Observations whose seven steps (and one simulation) are about 300 jobs.
THREE_HUNDRED_JOBS = 37
DONE = re.compile(
    r"ephemera: (?P<step>\S+) (?P<unit>\S+) done in (?P<wall>[\d.]+) s; CPU (?P<cpu>[\d.]+) s, "
    r"(?P<start>[\d.]+) s of it to start; at most (?P<memory>\d+) MB"
)


@dataclass(frozen=True)
class StepCost:
    """What one job took: seconds of CPU, of which before the step began, and largest memory (MB)."""

    step: str
    unit: str
    cpu: float
    start: float
    memory: float


@dataclass
class Figures:
    """All that was measured, for the document."""

    rows: list[Row] = field(default_factory=list)
    values: dict[str, float] = field(default_factory=dict)
    steps: dict[str, list[StepCost]] = field(default_factory=dict)
    events: list[tuple[int, dict[str, StepCost]]] = field(default_factory=list)
    observations: dict[str, list[tuple[int, float, float]]] = field(default_factory=dict)
    exponents: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, value: float, unit: str, note: str = "") -> None:
        """Keep a figure under its name and as a line to print."""
        self.values[name] = value
        self.rows.append((f"scale {name}", value, unit, note))


def run(
    units: int = 15_000,
    observations: int = 200,
    largest: int = 3_000_000,
    document: Path | None = REPOSITORY / "docs" / "performance.md",
) -> list[Row]:
    """Rows of name, value, unit, note."""
    figures = Figures()
    figures.add("load by others", load_by_others(), "", "mean number of processes before these figures")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        planning(copy_checkout(REPOSITORY, root / "plan"), root / "bare", units, figures)
        nothing_to_do(copy_checkout(REPOSITORY, root / "done"), units, figures)
        throughput(copy_checkout(REPOSITORY, root / "many"), observations, figures)
        growth_with_events(copy_checkout(REPOSITORY, root / "events"), largest, figures)
        growth_of_catalogue(copy_checkout(REPOSITORY, root / "catalogue"), figures)
    growth_with_observations(figures)
    for where, seconds, limit in projection(figures.values):
        figures.add(f"15,000 observations, {where}", seconds / 3600, "h", f"limit: {limit}")
    if document is not None:
        cores = os.cpu_count() or 1
        write_document(document, figures, f"{platform.machine()}, {cores} cores", cores)
    return figures.rows


def load_by_others(seconds: float = 20.0) -> float:
    """Mean number of processes that want a core while this one sleeps."""
    found = []
    for _ in range(int(seconds * 5)):
        time.sleep(0.2)
        running = int(Path("/proc/loadavg").read_text().split()[3].split("/")[0])
        found.append(running - 1)  # the one that reads this
    return sum(found) / len(found)


def planning(checkout: Checkout, folder: Path, units: int, figures: Figures) -> None:
    """Dry run of a fresh archive, of a chunk of 300, of a share of the whole; and of the bare workflow."""
    arguments = write_sheet(checkout, units, kind="archive", location="")
    dry = ("-n", "-q", "all", *arguments)
    measure(checkout, *dry)  # the first run writes the notes of all units
    cost, jobs = measure(checkout, *dry), units * JOBS + 2
    figures.add("plan: jobs", jobs, "", f"{units} observations")
    figures.add("plan", cost.wall, "s", f"CPU {cost.cpu:.1f} s")
    figures.add("plan: one job", 1000 * cost.wall / jobs, "ms", f"CPU {1000 * cost.cpu / jobs:.2f} ms")
    figures.add("plan: memory", cost.memory, "MB")
    reference, reference_jobs = bare(folder, min(units, 2000))
    figures.add("plan: one job of a bare workflow", 1000 * reference.wall / reference_jobs, "ms", "same run")
    ratio = figures.values["plan: one job"] / figures.values["plan: one job of a bare workflow"]
    figures.add("plan: ours / bare", ratio, "x")
    if units > 300:
        share = measure(checkout, *dry, "--config", f"shard=1/{round(units / 300)}")
        figures.add("plan: a share of 300 of the whole sheet", share.wall, "s", f"CPU {share.cpu:.1f} s")
    chunk = measure(
        checkout, "-n", "-q", "all", *write_sheet(checkout, 300, kind="archive", location="", name="chunk")
    )
    figures.add("plan: a chunk of 300", chunk.wall, "s", f"CPU {chunk.cpu:.1f} s")
    start = measure(checkout, "-n", "-q", "all", *write_sheet(checkout, 1, kind="archive", location=""))
    figures.add("start of Snakemake", start.cpu, "s", "CPU, one observation planned")


def nothing_to_do(checkout: Checkout, units: int, figures: Figures) -> None:
    """Dry and real run when all is done."""
    arguments = finished(checkout, units)
    jobs = units * JOBS + 2
    cost = measure(checkout, "-n", "-q", "all", *arguments)
    _check_nothing_ran(cost)
    figures.add("nothing to do, dry", cost.wall, "s", f"CPU {cost.cpu:.1f} s, {cost.memory:.0f} MB")
    figures.add("nothing to do, dry: one job", 1000 * cost.wall / jobs, "ms")
    cost = measure(checkout, "--cores", "1", "-q", "all", *arguments)
    figures.add("nothing to do", cost.wall, "s", f"CPU {cost.cpu:.1f} s, {cost.memory:.0f} MB")


def _check_nothing_ran(cost: Cost) -> None:
    if "xmm_events" in cost.text.split("missing provenance", maxsplit=1)[0]:
        raise AssertionError(cost.text[-3000:])


def throughput(checkout: Checkout, observations: int, figures: Figures) -> None:
    """Small simulated observations through the whole chain on two cores."""
    first = min(THREE_HUNDRED_JOBS, observations)
    arguments = write_sheet(checkout, first, kind="simulate", location="small")
    begun = measure(checkout, "--cores", "2", "-q", "all", *arguments)
    again = measure(checkout, "--cores", "2", "-q", "all", *arguments)
    jobs = first * (JOBS + 1)
    figures.add("nothing to do after real jobs", again.wall, "s", f"{jobs} jobs, CPU {again.cpu:.1f} s")
    costs = [begun]
    if observations > first:
        arguments = write_sheet(checkout, observations, kind="simulate", location="small")
        costs.append(measure(checkout, "--cores", "2", "-q", "all", *arguments))
    figures.add("throughput: observations", observations, "", "small, simulated, two cores")
    wall = sum(cost.wall for cost in costs) / observations
    figures.add("throughput: one observation", wall, "s", "wall, simulation included")
    total = sum(cost.cpu for cost in costs)
    for cost in job_costs(checkout):
        figures.steps.setdefault(cost.step, []).append(cost)
    in_jobs = sum(cost.cpu for several in figures.steps.values() for cost in several)
    chain = [median(c.cpu for c in figures.steps[f"xmm.{step}"]) for step in STEPS[1:]]
    starts = [median(c.start for c in figures.steps[f"xmm.{step}"]) for step in STEPS[1:]]
    figures.add("throughput: CPU of an observation", sum(chain), "s", "its seven steps")
    figures.add("throughput: share of start-up", 100 * sum(starts) / sum(chain), "%", "Python and imports")
    in_jobs += len(costs) * figures.values["start of Snakemake"]
    overhead = max(total - in_jobs, 0.0) / (observations * (JOBS + 1))
    figures.add(
        "throughput: Snakemake itself", 1000 * overhead, "ms", "CPU for each job, its planning included"
    )
    for step in STEPS:
        several = figures.steps[f"xmm.{step}"]
        start, memory = median(c.start for c in several), max(c.memory for c in several)
        note = f"CPU, {start:.2f} s of it to start; {memory:.0f} MB"
        figures.add(f"throughput: xmm_{step}", median(c.cpu for c in several), "s", note)


def job_costs(checkout: Checkout) -> list[StepCost]:
    """What the jobs of a checkout took, from their logs."""
    found = []
    for path in sorted((checkout.root / "logs").rglob("*.log")):
        match = DONE.search(path.read_text())
        if match:
            numbers = (float(match[name]) for name in ("cpu", "start", "memory"))
            found.append(StepCost(match["step"], match["unit"], *numbers))
    return found


def growth_with_events(checkout: Checkout, largest: int, figures: Figures) -> None:
    """The nine searches of observations of 20 ks with 1e4 to 3e6 events, each step's own CPU and memory."""
    from ephemera.seeds import generator
    from ephemera.xmm.simulate import observation
    from ephemera.xmm.simulate_scene import NO_DEFECTS, field_sources

    sizes = [n for n in (10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000) if n <= largest]
    rows = ["obsid\tsource\tlocation"]
    for obsid, size in zip(obsids(len(sizes)), sizes, strict=True):
        sources = field_sources(generator(1, "sources"), 10, brightest=0.01)
        observation(
            checkout.root / "data" / obsid, obsid=obsid, seed=1, duration=20_000.0, sources=sources,
            total_events=size, defects=NO_DEFECTS,
        )  # fmt: skip
        rows.append(f"{obsid}\tfolder\tdata/{obsid}")
    (checkout.root / "sizes.tsv").write_text("\n".join(rows) + "\n")
    (checkout.root / "sizes.yaml").write_text("xmm: {samples: sizes.tsv, figures: {enabled: false}}\n")
    measure(checkout, "--cores", "1", "-q", "all", "--configfile", "sizes.yaml")
    by_unit: dict[str, dict[str, StepCost]] = {}
    for cost in job_costs(checkout):
        by_unit.setdefault(cost.unit, {})[cost.step] = cost
    figures.events = [(size, by_unit[obsid]) for obsid, size in zip(obsids(len(sizes)), sizes, strict=True)]
    for size, costs in figures.events:
        total, memory = sum(c.cpu - c.start for c in costs.values()), max(c.memory for c in costs.values())
        figures.add(f"growth: {size:.0e} events", total, "s", f"CPU of seven steps; {memory:.0f} MB at most")
    upper = [(n, sum(c.cpu - c.start for c in costs.values())) for n, costs in figures.events[-3:]]
    figures.exponents["seven steps with events"] = exponent(upper)
    note = "fitted to the three largest"
    figures.add("growth: exponent with events", exponent(upper), "", note)
    memory_of = [(n, max(c.memory for c in costs.values())) for n, costs in figures.events[-3:]]
    figures.exponents["memory with events"] = exponent(memory_of)
    figures.add("growth: exponent of memory with events", exponent(memory_of), "", note)


def growth_of_catalogue(checkout: Checkout, figures: Figures) -> None:
    """The catalogue step on 10 to 320 observations; the slope carries to 15,000."""
    found = []
    numbers = (10, 80, 320)
    arguments = finished(checkout, max(numbers))
    for number in numbers:
        write_sheet(checkout, number, kind="folder", location="data")
        measure(checkout, "--cores", "1", "-q", "all", *arguments, "--forcerun", "xmm_catalogue")
        cost = next(c for c in job_costs(checkout) if c.step == "xmm.catalogue")
        found.append((number, cost.cpu, cost.memory))
        figures.add(f"catalogue of {number} observations", cost.cpu, "s", f"CPU; {cost.memory:.0f} MB")
    (first, low, less), (last, high, more) = found[0], found[-1]
    figures.add("catalogue: one more observation", 1000 * (high - low) / (last - first), "ms", "CPU")
    figures.add("catalogue: memory of one more", (more - less) / (last - first), "MB")
    figures.observations["catalogue step"] = found


def growth_with_observations(figures: Figures) -> None:
    """Combining, clustering and crossmatching the detections of 10 to 15,000 observations."""
    import pyarrow as pa

    from ephemera.sky.clusters import cluster, sources
    from ephemera.sky.crossmatch import Catalogue, crossmatch
    from ephemera.xmm.catalogue import combine

    rng = np.random.default_rng(1)
    sky = Catalogue("sky", np.arange(200_000), rng.uniform(0, 360, 200_000), rng.uniform(-90, 90, 200_000))
    for number in (10, 100, 1000, 15_000):
        ra, dec = simulated_positions(rng, number)
        names = [f"{k:010d}" for k in range(len(ra))]
        table = pa.table({"detid": names, "ra": ra, "dec": dec, "poserr": np.full(len(ra), 2.0)})
        parts = [table.slice(12 * k, 12) for k in reversed(range(number))]

        def clustered(ra: np.ndarray = ra, dec: np.ndarray = dec) -> object:
            return sources(ra, dec, np.full(len(ra), 2.0), cluster(ra, dec, 20.0, "single"))

        def combined(parts: list[pa.Table] = parts) -> object:
            return combine(parts, ["detid"])

        def matched(table: pa.Table = table) -> object:
            return crossmatch(table, sky, 10.0)

        for name, function in (("combine", combined), ("cluster", clustered), ("crossmatch", matched)):
            seconds, memory = _once(function)
            figures.observations.setdefault(name, []).append((number, seconds, memory))
    for name in ("combine", "cluster", "crossmatch"):
        found = figures.observations[name]
        figures.exponents[name] = exponent([(n, seconds) for n, seconds, _ in found[-2:]])
        note = f"{found[-1][1]:.2f} s for {found[-1][0]} observations of 12 detections"
        figures.add(f"growth: exponent of {name}", figures.exponents[name], "", note)


def simulated_positions(rng: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions (degrees) of twelve detections in each of `number` fields, some of them seen before."""
    fields = rng.uniform((0.0, -80.0), (360.0, 80.0), (max(1, 2 * number // 3), 2))
    centres = fields[rng.integers(len(fields), size=number)]
    offsets = rng.uniform(-0.2, 0.2, (number, 12, 2))
    places = (centres[:, None] + offsets).reshape(-1, 2)
    return places[:, 0] % 360, places[:, 1]


def _once(function: Callable[[], object]) -> tuple[float, float]:
    """Seconds of CPU, and largest memory above that before (MB) of NumPy and Python in a second call."""
    start = time.process_time()
    function()
    seconds = time.process_time() - start
    tracemalloc.start()
    function()
    memory = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return seconds, memory


def exponent(pairs: Iterable[tuple[float, float]]) -> float:
    """Power with which the second number grows with the first, fitted to logarithms."""
    n, seconds = np.array(list(pairs), dtype=float).T
    return float(np.polyfit(np.log(n), np.log(np.maximum(seconds, 1e-6)), 1)[0]) if len(n) > 1 else np.nan


def main() -> None:
    """Command line for a quick look; the document is written only when it is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=15_000)
    parser.add_argument("--observations", type=int, default=200)
    parser.add_argument("--largest", type=int, default=3_000_000, help="events of the largest observation")
    parser.add_argument("--document", type=Path, default=None)
    options = parser.parse_args()
    for name, value, unit, note in run(**vars(options)):
        sys.stdout.write(f"{name:60} {value:12.3f} {unit:4} {note}\n")


if __name__ == "__main__":
    main()
