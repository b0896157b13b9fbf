"""Recipes of this run: one for each step of the configured branches, made once while parsing.

A step whose code changed while its options and inputs did not is run before all others (`cut_off`). Where it
gives the same bytes as before, its recipe goes by the older key, and nothing that reads it is made again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ephemera.config.project import Configuration
from ephemera.recipes.code import SourceTree, memory_of, package_folder
from ephemera.recipes.equality import (
    compare,
    only_code_differs,
    read_note,
    resolved,
)
from ephemera.recipes.guests import forget_guests, forget_readers, guests
from ephemera.recipes.recipe import Recipe, make_recipe
from ephemera.recipes.versions import record, recorded

#: Keys that the main process decided on, by step: jobs on a cluster parse the workflow again and must agree.
DECIDED = "EPHEMERA_EQUAL_KEYS"


class Recipes:
    """Makes the recipe of each step from its section of the configuration and remembers it.

    `tell` says something to the user. `runner` gives a function that runs the jobs of a rule now, or None
    when nothing may be run or removed, as in a dry run. `units` holds the values of the wildcards that name
    units.
    """

    def __init__(
        self,
        configuration: Configuration,
        checkout: Path,
        *,
        main_process: bool = True,
        tell: Callable[[str], None] = lambda _: None,
        runner: Callable[[], Callable[[str], None] | None] = lambda: None,
    ) -> None:
        expected = checkout / "scripts" / "ephemera"
        if package_folder() != expected.resolve():
            message = (
                f"the package that runs is {package_folder()}, not {expected} of this workflow: "
                "its keys would describe other code. Install this checkout: make install"
            )
            raise RuntimeError(message)
        self.configuration = configuration
        self.made: list[Recipe] = []
        self.sources = SourceTree(memory=memory_of(package_folder()))
        self.units: dict[str, set[str]] = {}
        self.main_process = main_process
        self._tell = tell
        self._runner = runner
        self._decided: dict[str, str] = {}
        agreed = None if main_process else os.environ.get(DECIDED)
        self._agreed: dict[str, str] | None = None if agreed is None else json.loads(agreed)
        self._gone: set[str] = set()
        self._versions: list[dict[str, str]] | None = None

    def step(
        self,
        name: str,
        *,
        reads: Sequence[Recipe] = (),
        also: Mapping[str, Any] | None = None,
        tables: Sequence[str | None] = (),
    ) -> Recipe:
        """Recipe of step `name`, whose options are the section of that name, if there is one.

        `also` adds options that live in another section; `tables` are files whose content counts.
        """
        section: Any = self.configuration
        for part in name.split("."):
            section = getattr(section, part, None)
        recipe = make_recipe(
            name,
            {**(section.settings() if section else {}), **(also or {})},
            reads=reads,
            tables=[table for table in tables if table is not None],
            results=self.configuration.results_folder,
            sources=self.sources,
        )
        if self.configuration.early_cut_off:
            recipe = self._by_content(recipe)
        self.made.append(recipe)
        return recipe

    def _by_content(self, recipe: Recipe) -> Recipe:
        """The recipe under the key of the older one that gives the same bytes, if there is one."""
        if self._agreed is not None:
            return replace(recipe, equal_to=self._agreed.get(recipe.step))
        recipe = resolved(recipe, self.units)
        if not self.main_process:
            return recipe
        if recipe.equal_to is None:
            self._make_room(recipe)
            recipe = self._compared(recipe)
        if recipe.equal_to is not None:
            self._decided[recipe.step] = recipe.equal_to
        self._gone |= forget_readers(recipe, self._gone)
        os.environ[DECIDED] = json.dumps(self._decided)
        return recipe

    def _make_room(self, recipe: Recipe) -> None:
        """Let units be made again that a recipe equal to this one made in its place."""
        found = guests(recipe, self.units)
        if found and self._runner() is not None:
            self._gone |= forget_guests(recipe, self.units)
        elif found:
            self._tell(f"{recipe.step}: {len(found)} units of later code will be made again by this one")

    def _compared(self, recipe: Recipe) -> Recipe:
        """Run the step first, where only its code changed, and compare it with the older one."""
        older = self._older_key(recipe)
        if older is None:
            return recipe
        answer = compare(recipe, older, self.units)
        if answer == "incomplete":
            which = f"{recipe.step}: only the code differs from {older}"
            run_first = self._runner()
            if run_first is None:
                self._tell(f"{which}; it will run first, and what reads it only if results differ")
                return recipe
            self._tell(f"{which}; it runs first")
            run_first(recipe.step.replace(".", "_"))
            answer = compare(recipe, older, self.units)
        if answer == "equal":
            self._tell(f"{recipe.step}: same results as {older}, which stays in use")
        return resolved(recipe, self.units)

    def _older_key(self, recipe: Recipe) -> str | None:
        """Key of the last version of a step that differs in code alone and was not compared yet."""
        if self._versions is None:
            results = Path(self.configuration.results_folder)
            self._versions = [version["keys"] for version in reversed(recorded(results))]
        keys = list(dict.fromkeys(v[recipe.step] for v in self._versions if recipe.step in v))
        if recipe.own_key in keys:
            return None
        candidates = (key for key in keys if only_code_differs(recipe, key))
        older = next(candidates, None)
        return None if older in read_note(recipe).differs_from else older

    def record(self, units: int) -> bool:
        """Note the version that is now complete, point `results/current` at it; whether it is a new one."""
        results = Path(self.configuration.results_folder)
        results.mkdir(parents=True, exist_ok=True)
        settings = self.configuration.settings()
        return record(results, self.configuration.project, settings, self.made, units)
