"""Which recipes a project's last successful run used: links, and one line for each version.

`results/current/<branch>/<step>` links to the folder of the key in use; `results/versions.jsonl`
gains a line whenever a run ends well with other keys, another configuration or other units than the
line before of the same project. `keys` are those of the folders in use; where a step's recipe is known to
be equal to an older one and its outputs are therefore those of the older key, `made_by` names its own key.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ephemera.recipes.recipe import Recipe

CURRENT = "current"
VERSIONS = "versions.jsonl"


def recorded(results: Path) -> list[dict[str, Any]]:
    """Versions in the order they were made; a line that a crash cut short is left out."""
    path = results / VERSIONS
    if not path.is_file():
        return []
    versions = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            versions.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return versions


def last(results: Path, project: str) -> dict[str, Any] | None:
    """The version of a project that was made last."""
    return next((v for v in reversed(recorded(results)) if v["project"] == project), None)


def record(
    results: Path, project: str, configuration: Mapping[str, Any], recipes: Iterable[Recipe], units: int
) -> bool:
    """Link `current` to these recipes and note the version; returns whether a line was added."""
    made = [recipe for recipe in recipes if Path(recipe.folder).is_dir()]
    for recipe in made:
        _link(results, recipe)
    version = {
        "project": project,
        "configuration": dict(configuration),
        "keys": {recipe.step: recipe.key for recipe in made},
        "units": units,
    }
    made_by = {recipe.step: recipe.own_key for recipe in made if recipe.equal_to is not None}
    if made_by:
        version["made_by"] = made_by
    before = last(results, project)
    if before and {name: before[name] for name in before.keys() - {"date", "commit"}} == version:
        return False
    line = {"date": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit(), **version}
    _append(results / VERSIONS, json.dumps(line, sort_keys=True))
    return True


def folder_name(project: str, shard: str) -> str:
    """Name under which steps keep what they make of all units of a project, or of one share of them."""
    return project if shard == "1/1" else f"{project}.shard-{shard.replace('/', '-of-')}"


def _append(path: Path, line: str) -> None:
    """Add a line to a file, also where a crash has cut short the one before."""
    with path.open("a+b") as handle:
        end = handle.seek(0, os.SEEK_END)
        handle.seek(max(end - 1, 0))
        cut_short = handle.read(1) not in (b"", b"\n")
        handle.write(b"\n" * cut_short + line.encode() + b"\n")


def commit() -> str | None:
    """Commit of the checkout that runs, with `+` when files differ from it; None outside git."""
    folder = Path(__file__).resolve().parent
    try:
        answer = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"],  # noqa: S607
            cwd=folder, capture_output=True, text=True, timeout=10, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip() or None


def _link(results: Path, recipe: Recipe) -> None:
    """Point `current/<branch>/<step>` at the recipe's folder, replacing an older link at once."""
    link = results / CURRENT / Path(*recipe.step.split("."))
    link.parent.mkdir(parents=True, exist_ok=True)
    target = os.path.relpath(recipe.folder, link.parent)
    if link.is_symlink() and os.readlink(link) == target:  # noqa: PTH115  the text of the link
        return
    fresh = link.with_name(f".{link.name}.{os.getpid()}")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)
