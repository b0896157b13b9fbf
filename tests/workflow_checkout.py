"""A checkout of its own for a workflow test, and Snakemake run in it as a user would."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

#: What a run needs of the repository.
PARTS = ("workflow", "rules", "scripts", "config", "profiles", "resources", "slurm")
#: The search of X-ray observations and its catalogue, without what can be made of them beside.
SEARCH_ALONE = """\
project: {project}
xmm:
  samples: {sheet}
  cube: {{time_bins_s: {time_bins_s}, bands_kev: [[0.2, 12.0]]}}
  figures: {{enabled: {figures}}}
  hot_regions: {{method: none}}
  sample_products: []
  pages: {{enabled: false}}
  sample: {{enabled: false}}
  spectra: {{enabled: false}}
"""


def search_alone(
    project: str,
    *,
    sheet: str = "sheet.tsv",
    time_bins_s: tuple[float, ...] = (200.0,),
    figures: bool = False,
) -> str:
    """Configuration of a small search, as YAML."""
    return SEARCH_ALONE.format(
        project=project, sheet=sheet, time_bins_s=list(time_bins_s), figures=str(figures).lower()
    )


def sheet_of(rows: Iterable[tuple[str, str, str]]) -> str:
    """A sample sheet: obsid, source and location of each observation."""
    return "".join("\t".join(row) + "\n" for row in [("obsid", "source", "location"), *rows])


@dataclass
class Checkout:
    """A copy of the workflow in a folder of its own; tests may change any file of it."""

    root: Path

    def environment(self) -> dict[str, str]:
        """Variables with which Snakemake runs: the checkout's own copy of the package is imported."""
        environment = {name: value for name, value in os.environ.items() if name != "SNAKEMAKE_PROFILE"}
        environment["PYTHONPATH"] = str(self.root / "scripts")
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        return environment

    def snakemake(self, *arguments: str, check: bool = True, cores: int = 2) -> subprocess.CompletedProcess:
        """Run Snakemake in the checkout; its own copy of the package is the one that is imported."""
        answer = subprocess.run(
            ["snakemake", "--cores", str(cores), *arguments],
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=600,
        )
        if check and answer.returncode:
            raise AssertionError(answer.stdout + answer.stderr)
        return answer

    def planned(self, *arguments: str) -> Counter:
        """Number of jobs by rule that a dry run plans, `all` left out."""
        answer = self.snakemake("--dry-run", *arguments)
        text = answer.stdout + answer.stderr
        if "Nothing to be done" in text:
            return Counter()
        stats = re.search(r"^job +count\n-+ +-+\n(.*?)^total", text, re.MULTILINE | re.DOTALL)
        assert stats, text
        rows = (line.split() for line in stats[1].splitlines())
        return Counter({rule: int(count) for rule, count in rows if rule != "all"})

    def ran(self, *arguments: str) -> Counter:
        """Run, and count the jobs by rule that were done, `all` left out."""
        answer = self.snakemake(*arguments)
        done = re.findall(
            r"^Finished jobid: \d+ \(Rule: (\w+)\)", answer.stdout + answer.stderr, re.MULTILINE
        )
        return Counter(rule for rule in done if rule != "all")

    def edit(self, path: str, old: str, new: str) -> None:
        """Replace a piece of text in a file of the checkout."""
        file = self.root / path
        text = file.read_text()
        assert old in text, f"{path} does not hold {old!r}"
        file.write_text(text.replace(old, new, 1))


def copy_checkout(repository: Path, root: Path) -> Checkout:
    """Copy what a run needs into `root`."""
    root.mkdir(parents=True)
    for part in PARTS:
        source = repository / part
        if source.is_symlink():
            (root / part).symlink_to(source.readlink())
        else:
            shutil.copytree(source, root / part, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    return Checkout(root)
