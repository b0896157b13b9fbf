"""Code blocks of the documents, and a shell in which their commands run as a reader would run them.

Commands that install, that take minutes, or that need a cluster are replaced by stand-ins that check what
can be checked: `make` knows its targets, `snakemake` plans (all options and paths must be right), `pip`
knows the extras of the package, `sbatch` the syntax of its script. All others are real.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

#: Opening fence with its language and indentation, content.
_FENCE = re.compile(
    r"^(?P<pad> *)```(?P<language>[a-z]*)\n(?P<code>.*?)^(?P=pad)```$", re.MULTILINE | re.DOTALL
)
LANGUAGES = {"bash", "python", "yaml", "toml", "sql", "text"}

STAND_INS = {
    "make": """
for word in "$@"; do
    case $word in *=*) continue;; esac
    grep -qE "^$word:" "$REPOSITORY/Makefile" || { echo "no target $word"; exit 2; }
done""",
    "snakemake": """
case "$*" in *--profile*) export PYTHONPATH="$PYTHONPATH:$BIN/../slurm-plugin";; esac
exec "$BIN/snakemake" "$@" --dry-run --quiet all --nolock""",
    "ephemera": """
exec "$BIN/python" -c "import sys; from ephemera.command import main; sys.exit(main())" "$@\"""",
    "pip": """
extra=$(sed -nE "s/.*ephemera\\[([a-z]+)\\].*/\\1/p" <<< "$*")
grep -qE "^$extra = \\[" "$REPOSITORY/pyproject.toml" || { echo "no extra $extra"; exit 2; }""",
    "sbatch": """
for word in "$@"; do
    case $word in --wrap) next=1;; *) [ -z "$next" ] || bash -n -c "$word"; next=;; esac
done""",
    "python": """
case "$*" in *kafka*) set -- -m ephemera.alerts.kafka consume --help;; esac
exec "$BIN/python" "$@\"""",
    "tmux": "true",
    "git": "true",
    "duckdb": "true",
    "rsync": "true",
}


@dataclass(frozen=True)
class Block:
    """A fenced block of a document: its language, its code, and the line at which it starts."""

    document: str
    line: int
    language: str
    code: str


def blocks_of(repository: Path, document: str) -> list[Block]:
    """All fenced blocks of a document, in order."""
    text = (repository / document).read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        pad = len(match["pad"])
        code = "\n".join(line[pad:] for line in match["code"].split("\n"))
        found.append(Block(document, text[: match.start()].count("\n") + 1, match["language"], code))
    return found


def commands_of(transcript: str) -> str:
    """What was typed in a transcript: lines after `$ `."""
    return "\n".join(line[2:] for line in transcript.splitlines() if line.startswith("$ "))


def run_shell(code: str, folder: Path, repository: Path, stand_ins: Path, real: tuple[str, ...] = ()) -> str:
    """Run the commands with bash in `folder`; what they printed. Raises AssertionError when one fails.

    `real` names stand-ins that are left away.
    """
    stand_ins.mkdir(exist_ok=True)
    for name, body in STAND_INS.items():
        path = stand_ins / name
        path.unlink(missing_ok=True)
        if name not in real:
            path.write_text(f"#!/usr/bin/env bash\nset -eu\nnext=\n{body}\n")
            path.chmod(0o755)
    bin_folder = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{stand_ins}:{bin_folder}:{os.environ['PATH']}",
        "PYTHONPATH": str(folder / "scripts"),
        "REPOSITORY": str(repository),
        "BIN": str(bin_folder),
        "HOME": str(folder.parent / "home"),
        "TMPDIR": str(folder.parent),
        "SLURM_ARRAY_TASK_ID": "1",
    }
    answer = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code], cwd=folder, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600, check=False,
    )  # fmt: skip
    assert answer.returncode == 0, f"{code}\n--- printed\n{answer.stdout[-4000:]}"
    return answer.stdout
