"""The XMM branch on a real Slurm: what holds is printed line by line; what does not hold ends it.

    python tests/slurm/run.py [--seconds 900]

It starts a controller and three nodes of one CPU each on this machine, sends three observations and one that
cannot work through `snakemake --profile slurm`, kills a node in the middle, and compares the catalogue with
that of a local run. Everything it started is stopped at the end, whatever happened. Where Slurm cannot be
installed it says so loudly and ends well.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPOSITORY / "tests"), str(REPOSITORY / "tests" / "slurm")]

from cluster import CannotInstallError, Cluster, SlurmJob, install, wait_for  # noqa: E402

from workflow_checkout import Checkout, copy_checkout, search_alone, sheet_of  # noqa: E402

PLUGIN = Path(sys.prefix) / "slurm-plugin"
GOOD = ("0000000001", "0000000002", "0000000003")
FAILING = "0000000004"
#: The nodes share one disk and jobs take seconds: look early, do not wait for files.
FAST = ("--slurm-init-seconds-before-status-checks", "4", "--latency-wait", "5")
#: What is waited for comes within a few seconds, or on a machine with other work within this time.
PATIENCE_S = 120


@dataclass
class Checks:
    """Prints what holds, with the seconds since the start."""

    start: float

    def holds(self, condition: object, what: str, otherwise: object = "") -> None:
        """Print `what`; raises AssertionError when it does not hold."""
        mark = "ok  " if condition else "FAIL"
        sys.stdout.write(f"{time.monotonic() - self.start:6.1f} s  {mark}  {what}\n")
        sys.stdout.flush()
        if not condition:
            raise AssertionError(f"{what}\n{otherwise}")


def prepare(root: Path) -> Checkout:
    """A checkout with three small observations in folders and the overlay that searches them."""
    from ephemera.xmm.simulate import small_case

    checkout = copy_checkout(REPOSITORY, root / "checkout")
    for obsid in GOOD:
        small_case(checkout.root / "data" / obsid, seed=int(obsid), obsid=obsid, duration=1500.0)
    (checkout.root / "overlay.yaml").write_text(search_alone("cluster"))
    return checkout


def write_sheet(checkout: Checkout, *, failing: bool) -> None:
    """The sample sheet, with or without the observation that cannot be simulated."""
    rows = [(obsid, "folder", f"data/{obsid}") for obsid in GOOD]
    if failing:
        rows.append((FAILING, "simulate", "no such scenario"))
    (checkout.root / "sheet.tsv").write_text(sheet_of(rows))


class Run:
    """Snakemake with the profile, in the background; its output goes to a file."""

    def __init__(self, checkout: Checkout, *arguments: str) -> None:
        self.output = checkout.root / f"run-{time.monotonic_ns()}.txt"
        environment = {name: value for name, value in os.environ.items() if name != "SNAKEMAKE_PROFILE"}
        environment["PYTHONPATH"] = f"{checkout.root / 'scripts'}:{PLUGIN}"
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        with self.output.open("wb") as output:
            self._process = subprocess.Popen(
                ["snakemake", "--profile", "slurm", "--configfile", "overlay.yaml", *FAST, *arguments],
                cwd=checkout.root,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                # A shell without job control starts its children deaf to Ctrl-C.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            )

    @property
    def text(self) -> str:
        """What it printed so far."""
        return self.output.read_text()

    def interrupt(self) -> None:
        """What Ctrl-C does."""
        self._process.send_signal(signal.SIGINT)

    def wait(self) -> int:
        """Its exit code; when the time of the whole test is up, TimeoutError with what it printed last."""
        try:
            return self._process.wait()
        except TimeoutError as error:
            raise TimeoutError(f"{error}; Snakemake does not end:\n{self.text[-4000:]}") from None


def catalogue(checkout: Checkout) -> dict[str, bytes]:
    """Every file of the current catalogue by its path there."""
    folder = checkout.root / "results/current/xmm/catalogue/cluster"
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items() if not Path(name).name.startswith(".")}


def chains(jobs: list[SlurmJob]) -> list[SlurmJob]:
    """Jobs that hold the chain of an observation."""
    return [job for job in jobs if "xmm_events" in job.name]


def grouped_steps(checkout: Checkout) -> list[str]:
    """Rules of which the profile makes one job for each observation."""
    profile = yaml.safe_load((checkout.root / "slurm" / "config.yaml").read_text())
    return [entry.split("=")[0] for entry in profile["groups"] if entry.startswith("xmm_")]


def first_run(cluster: Cluster, checkout: Checkout, checks: Checks) -> None:
    """Four observations, of which one fails; the first busy node dies."""
    grouped = grouped_steps(checkout)
    run = Run(checkout, "--default-resources", "mem_mb=1000", "runtime=30", "slurm_partition=main")
    wait_for(lambda: len(cluster.running()) >= 2, PATIENCE_S, "two jobs run\n" + run.text)
    expected = expected_resources(checkout)
    # The chain that fails has a step more.
    first = next(job for job in cluster.running() if job.minutes == expected[2])
    checks.holds(len({job.node for job in cluster.running()}) >= 2, "jobs run on more than one node")
    cluster.kill_node(first.node)
    victim = first.node
    checks.holds(True, f"node {victim} killed while it ran job {first.identity}")
    code = run.wait()
    jobs = cluster.jobs()
    checks.holds(code != 0, "the run ends with an error because one observation cannot work", run.text)
    log = f"logs/xmm/simulate/\\w+/{FAILING}.log"
    checks.holds(re.search(log, run.text), "and names the log of the failed step", run.text)
    made = {path.name[:10] for path in (checkout.root / "results/xmm/features").rglob("*.parquet")}
    checks.holds(made == set(GOOD), "the other observations are complete", run.text)
    dead = [job for job in jobs if job.state == "NODE_FAIL"]
    checks.holds([j.node for j in dead] == [victim], "Slurm lost one job, on the killed node", jobs)
    good = [job for job in chains(jobs) if job.state in ("COMPLETED", "NODE_FAIL")]
    checks.holds(len(good) == len(GOOD) + 1, "a chain of an observation is one Slurm job", jobs)
    again = [job for job in good if job.excluded == victim]
    checks.holds(len(again) == 1, f"the lost one was sent again, {victim} excluded", jobs)
    checks.holds(again[0].node != victim and again[0].state == "COMPLETED", "and done elsewhere", jobs)
    finished = set(re.findall(r"Finished jobid: \d+ \(Rule: (xmm_\w+)\)", run.text))
    missing = set(grouped) - finished - {"xmm_simulate"}
    checks.holds(not missing, f"with all its {len(finished)} steps", run.text)
    asked = {(job.cpus, job.memory_mb, job.minutes) for job in good}
    checks.holds(asked == {expected}, f"CPUs, MB and minutes as asked: {asked}", jobs)


def expected_resources(checkout: Checkout) -> tuple[int, int, int]:
    """What the chain of one observation should ask for: the largest memory and the sum of the times."""
    rules = (checkout.root / "rules" / "xmm.smk").read_text()
    steps = ("download", "events", "cube", "expectation", "detect", "regions", "features")
    texts = [rules.split(f"rule xmm_{step}:")[1].split("\nrule ")[0] for step in steps]
    memory = [int(match[1]) for text in texts if (match := re.search(r"mem_mb=(\d+)", text))]
    minutes = [int(match[1]) for text in texts if (match := re.search(r"runtime=(\d+)", text))]
    return 1, max(memory), sum(minutes)


def second_run(cluster: Cluster, checkout: Checkout, checks: Checks, local: dict[str, bytes]) -> None:
    """Without the observation that fails only what stands over all of them is left; then nothing is."""
    write_sheet(checkout, failing=False)
    before = len(cluster.jobs())
    run = Run(checkout)
    checks.holds(run.wait() == 0, "without it the run ends well", run.text)
    new = cluster.jobs()[before:]
    of_all = [job for job in new if not any(step in job.name for step in grouped_steps(checkout))]
    checks.holds(any("xmm_catalogue" in job.name for job in new), "having made the catalogue", new)
    checks.holds(of_all == new, "but no step of an observation", new)
    checks.holds(catalogue(checkout) == local, "which is that of the local run, byte for byte")
    run = Run(checkout)
    checks.holds(run.wait() == 0, "the same again ends well", run.text)
    checks.holds("Nothing to be done" in run.text, "and has nothing to do", run.text)
    checks.holds(len(cluster.jobs()) == before + len(new), "and sends no job")


def interrupted_run(cluster: Cluster, checkout: Checkout, checks: Checks) -> None:
    """Ctrl-C takes the jobs out of the queue and leaves neither lock nor half-written files."""
    before = {job.identity for job in cluster.jobs()}
    run = Run(checkout, "--config", "xmm={events: {bti: none}}")
    wait_for(lambda: cluster.running(), PATIENCE_S, "a job runs")
    run.interrupt()
    code = run.wait()
    checks.holds(code != 0, "Ctrl-C ends the run", run.text)
    new = [job for job in cluster.jobs() if job.identity not in before]
    wait_for(lambda: not cluster.running(), PATIENCE_S, "the queue is empty")
    states = {job.state for job in cluster.jobs() if job.identity in {each.identity for each in new}}
    checks.holds(states <= {"CANCELLED", "COMPLETING"}, f"its {len(new)} jobs are cancelled", states)
    plan = Run(checkout, "--dry-run")
    checks.holds(plan.wait() == 0 and "Nothing to be done" in plan.text, "no lock is left", plan.text)
    checks.holds(not list(checkout.root.rglob(".partial.*")), "and no half-written file")


def scenario(root: Path, checks: Checks) -> None:
    """The whole of it, in a folder of its own."""
    checkout = prepare(root)
    write_sheet(checkout, failing=False)
    checkout.snakemake("--configfile", "overlay.yaml")
    local = catalogue(checkout)
    checks.holds(len(local) > 10, "local run: the catalogue to compare with")
    for folder in ("results", "raw", "data/raw", ".snakemake"):
        shutil.rmtree(checkout.root / folder, ignore_errors=True)
    write_sheet(checkout, failing=True)
    with Cluster(root / "slurm") as cluster:
        checks.holds(len(cluster.idle()) == cluster.nodes, f"Slurm is up with {cluster.nodes} nodes")
        first_run(cluster, checkout, checks)
        second_run(cluster, checkout, checks, local)
        interrupted_run(cluster, checkout, checks)


def limited(seconds: int, body: Callable[[], None]) -> None:
    """Run `body`; a time limit, SIGTERM and SIGHUP end it like an error, so that it can clean up."""

    def end(number: int, _: FrameType | None) -> None:
        what = f"not done within {seconds} s" if number == signal.SIGALRM else f"signal {number}"
        raise TimeoutError(what)

    for number in (signal.SIGALRM, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, end)
    signal.alarm(seconds)
    try:
        body()
    finally:
        signal.alarm(0)


def main() -> int:
    """Exit code 0 when all holds or Slurm cannot be had, 1 otherwise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=900, help="end with an error after this time")
    seconds = parser.parse_args().seconds
    checks = Checks(time.monotonic())
    root = Path(tempfile.mkdtemp(prefix="ephemera-slurm-"))
    try:
        install()
        limited(seconds, lambda: scenario(root, checks))
    except CannotInstallError as error:
        line = "!" * 100
        sys.stderr.write(
            f"{line}\nSLURM CANNOT BE USED HERE, SO THE CLUSTER TEST DID NOT RUN: {error}\n{line}\n"
        )
        return 0
    except (AssertionError, TimeoutError, subprocess.SubprocessError) as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return 1
    finally:
        shutil.rmtree(root, ignore_errors=True)
    sys.stdout.write(f"all holds, {time.monotonic() - checks.start:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
