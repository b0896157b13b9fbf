"""Recipes of this run: one for each step of the configured branches, made once while parsing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ephemera.config.project import Configuration
from ephemera.recipes.code import SourceTree, memory_of, package_folder
from ephemera.recipes.recipe import Recipe, make_recipe
from ephemera.recipes.versions import record


class Recipes:
    """Makes the recipe of each step from its section of the configuration and remembers it."""

    def __init__(self, configuration: Configuration, checkout: Path) -> None:
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
        self.made.append(recipe)
        return recipe

    def record(self, units: int) -> None:
        """Note the version that is now complete and point `results/current` at it."""
        results = Path(self.configuration.results_folder)
        results.mkdir(parents=True, exist_ok=True)
        settings = self.configuration.settings()
        record(results, self.configuration.project, settings, self.made, units)
