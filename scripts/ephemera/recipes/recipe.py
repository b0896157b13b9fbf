"""A recipe is one way to make one step; its key names the folder of everything made that way.

key(step) = sha256(step name, parameters, digest of the code, keys of the steps it reads)[:10]

A recipe that is known to give the same bytes as an older one (`ephemera.recipes.equality`) goes by the key of
the older one: its outputs are those of the older key, and what reads them need not be made again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ephemera.files import sha256_of
from ephemera.recipes.code import PACKAGE, SourceTree, code_digest

#: Letters of a key: enough for a few thousand recipes without a chance of confusion.
KEY_LENGTH = 10


@dataclass(frozen=True)
class Recipe:
    """One way to make one step.

    `step` is the dotted name (`xmm.cube`), `parameters` its validated options as JSON types,
    `modules` the digests of its code, `reads` the recipes of the steps it reads, `tables` the
    checksums of small tables that the parameters name, `results` the root folder of results,
    `equal_to` the key of an older recipe that gives the same bytes.
    """

    step: str
    parameters: Mapping[str, Any]
    modules: Mapping[str, str]
    reads: tuple[Recipe, ...]
    tables: Mapping[str, str]
    results: str
    equal_to: str | None = None

    @property
    def key(self) -> str:
        """Key under which the outputs are: that of an equal older recipe if there is one, else its own."""
        return self.equal_to or self.own_key

    @cached_property
    def own_key(self) -> str:
        """Ten hexadecimal letters that change exactly when the recipe does."""
        content = {
            "step": self.step,
            "parameters": self.parameters,
            "code": code_digest(self.modules),
            "reads": [recipe.key for recipe in self.reads],
            "tables": self.tables,
        }
        return hashlib.sha256(canonical(content).encode()).hexdigest()[:KEY_LENGTH]

    @cached_property
    def folder(self) -> str:
        """Folder of the outputs: `<results>/<branch>/<step>/<key>`."""
        return f"{self.results}/{self.step.replace('.', '/')}/{self.key}"

    def output(self, name: str) -> str:
        """Path of an output; `name` may hold wildcards."""
        return f"{self.folder}/{name}"

    def log(self, name: str) -> str:
        """Path of the log of the job that makes `name`."""
        return f"logs/{self.step.replace('.', '/')}/{self.key}/{name}.log"

    def benchmark(self, name: str) -> str:
        """Path of the resource measurements of the job that makes `name`."""
        return f"benchmarks/{self.step.replace('.', '/')}/{self.key}/{name}.tsv"

    @cached_property
    def document(self) -> dict[str, Any]:
        """What `recipe.json` says, short of commit and library versions."""
        return ({} if self.equal_to is None else {"made_by": self.own_key}) | {
            "step": self.step,
            "key": self.key,
            "folder": self.folder,
            "parameters": dict(self.parameters),
            "code": {"digest": code_digest(self.modules), "modules": dict(self.modules)},
            "reads": {recipe.step: recipe.key for recipe in self.reads},
            "tables": dict(self.tables),
        }


def make_recipe(
    step: str,
    parameters: Mapping[str, Any],
    *,
    reads: Sequence[Recipe] = (),
    tables: Sequence[str] = (),
    results: str = "results",
    sources: SourceTree | None = None,
) -> Recipe:
    """Recipe of a step as the code and tables are now.

    `tables` are paths of small files whose content is part of the recipe, `sources` modules that have been
    read already. Raises FileNotFoundError
    that names a table which is not there, ValueError for a step without a module.
    """
    missing = [path for path in tables if not Path(path).is_file()]
    if missing:
        message = f"{step}: the configuration names {', '.join(missing)}, which cannot be found"
        raise FileNotFoundError(message)
    return Recipe(
        step=step,
        parameters=parameters,
        modules=(sources or SourceTree()).digests(f"{PACKAGE}.{step}"),
        reads=tuple(reads),
        tables={path: sha256_of(path) for path in sorted(tables)},
        results=results,
    )


def canonical(content: Any) -> str:
    """Text of JSON content that does not depend on the order of keys."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def configuration_hash(*recipes: Recipe) -> str:
    """Ten letters that depend on all options of some steps and of all that they read, and on nothing else."""
    parameters: dict[str, Any] = {}
    waiting = list(recipes)
    while waiting:
        recipe = waiting.pop()
        if recipe.step not in parameters:
            parameters[recipe.step] = recipe.parameters
            waiting += recipe.reads
    return hashlib.sha256(canonical(parameters).encode()).hexdigest()[:KEY_LENGTH]
