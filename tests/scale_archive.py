"""An archive of many observations for tests and benchmarks of scale: the others are links to one of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from workflow_checkout import Checkout, search_alone, sheet_of

#: Notes which files and modules a process opens, at the path in OPENED; Python runs it at every start.
AUDIT = """\
import os, sys
_log = os.open(os.environ["OPENED"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
def _note(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        os.write(_log, f"open {arguments[0]}\\n".encode())
    elif event == "import":
        os.write(_log, f"import {arguments[0]}\\n".encode())
sys.addaudithook(_note)
"""


@dataclass(frozen=True)
class Cost:
    """What a run of Snakemake took: seconds, seconds of CPU, largest memory in MB; and what it said."""

    wall: float
    cpu: float
    memory: float
    text: str


def obsids(number: int) -> list[str]:
    """Names of `number` observations."""
    return [f"{k:010d}" for k in range(1, number + 1)]


def write_sheet(
    checkout: Checkout, number: int, *, kind: str, location: str, name: str = "many"
) -> list[str]:
    """Write `<name>.tsv` and `<name>.yaml` for `number` observations; returns arguments for Snakemake."""
    (checkout.root / f"{name}.tsv").write_text(sheet_of((obsid, kind, location) for obsid in obsids(number)))
    text = search_alone(name, sheet=f"{name}.tsv")
    (checkout.root / f"{name}.yaml").write_text(text)
    return ["--configfile", f"{name}.yaml"]


def measure(checkout: Checkout, *arguments: str, environment: dict[str, str] | None = None) -> Cost:
    """Run Snakemake in the checkout and measure it and what it started. Raises AssertionError."""
    variables = {name: value for name, value in os.environ.items() if name != "SNAKEMAKE_PROFILE"}
    variables |= {
        "PYTHONPATH": str(checkout.root / "scripts"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        **(environment or {}),
    }
    with (checkout.root / "said.txt").open("w+") as said:
        start = time.perf_counter()
        process = subprocess.Popen(
            ["snakemake", *arguments], cwd=checkout.root, env=variables, stdout=said, stderr=said
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        text = said.read()
    if process.returncode:
        raise AssertionError(text[-5000:])
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)


def finished(checkout: Checkout, number: int) -> list[str]:
    """An archive in which all of `number` observations are done; returns arguments for Snakemake.

    One small observation is made through the workflow. The outputs of the others are links to its outputs,
    with the same times; their notes name the same raw files.
    """
    from ephemera.xmm.simulate import small_case

    first, *others = obsids(number)
    small_case(checkout.root / "data", obsid=first, duration=1000.0)
    arguments = write_sheet(checkout, 1, kind="folder", location="data")
    checkout.snakemake(*arguments)
    # What Snakemake knows of the inputs of the catalogue would make it stale when others are added.
    shutil.rmtree(checkout.root / ".snakemake" / "metadata")
    write_sheet(checkout, number, kind="folder", location="data")
    raw = checkout.root / "raw" / "xmm"
    made = [p for p in (checkout.root / "results" / "xmm").rglob(f"{first}.*") if ".checksums" not in p.parts]
    note = json.loads((raw / first / "source.json").read_text())
    moment = (raw / first / "source.json").stat()
    for other in others:
        (raw / other).mkdir()
        os.link(raw / first / "manifest.json", raw / other / "manifest.json")
        path = raw / other / "source.json"
        path.write_text(json.dumps({**note, "unit": other}))
        os.utime(path, ns=(moment.st_atime_ns, moment.st_mtime_ns))
        for output in made:
            os.link(output, output.with_name(output.name.replace(first, other)))
    return arguments


def audited(checkout: Checkout, *arguments: str) -> tuple[set[str], set[str]]:
    """Run Snakemake and return the files below its folder that were opened, and the modules imported."""
    (checkout.root / "scripts" / "sitecustomize.py").write_text(AUDIT)
    log = checkout.root / "opened.log"
    measure(checkout, *arguments, environment={"OPENED": str(log)})
    (checkout.root / "scripts" / "sitecustomize.py").unlink()
    lines = [line.split(" ", 1) for line in log.read_text(errors="replace").splitlines()]
    root = f"{checkout.root}/"
    opened = {text.removeprefix(root) for what, text in lines if what == "open"}
    return (
        {path for path in opened if not path.startswith("/")},
        {text for what, text in lines if what == "import"},
    )


BARE_RULE = """\
rule step_{k}:
    input: {previous}
    output: made="results/{k}/{{unit}}.h5"
    log: "logs/{k}/{{unit}}.log"
    params: recipe=dict(a=1)
    message: "Making {{wildcards.unit}}"
    script: "../step.py"
"""


def bare(folder: Path, number: int) -> tuple[Cost, int]:
    """Cost and number of jobs of a dry run of seven chained rules with log, params, message and script."""
    (folder / "workflow").mkdir(parents=True)
    (folder / "scripts").mkdir()
    (folder / "step.py").write_text("")
    rules = [BARE_RULE.format(k=k, previous=f'a="results/{k - 1}/{{unit}}.h5"') for k in range(2, 8)]
    first = BARE_RULE.format(k=1, previous="")
    targets = f"rule all:\n    input: expand('results/7/{{unit}}.h5', unit={obsids(number)})\n"
    (folder / "workflow" / "Snakefile").write_text("\n".join([targets, first, *rules]))
    options = ("--scheduler", "greedy", "--rerun-triggers", "mtime", "input")
    return measure(Checkout(folder), "-n", "-q", "all", *options), 7 * number + 1
