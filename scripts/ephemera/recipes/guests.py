"""Units in the folder of a recipe that other recipes made, which were equal to it for all units until then.

When the older recipe comes back it must make such units itself: what the others made goes, and so does all
that was made from it.
"""

from __future__ import annotations

import os
from collections.abc import Set as AbstractSet
from pathlib import Path

from ephemera.files import remove
from ephemera.recipes import checksums
from ephemera.recipes.checksums import Record
from ephemera.recipes.equality import RunUnits, in_run
from ephemera.recipes.recipe import Recipe

#: What Snakemake leaves in a folder that is an output.
TIME_STAMP = ".snakemake_timestamp"


def guests(recipe: Recipe, run: RunUnits) -> list[Record]:
    """Units of a run in the recipe's own folder that only other recipes have made."""
    if recipe.equal_to is not None:
        return []
    found = []
    for unit in checksums.guests(recipe.folder):
        record = checksums.read(recipe.folder, unit)
        if record is not None and record.made_by != recipe.own_key and in_run(record, run):
            found.append(record)
    return found


def forget_guests(recipe: Recipe, run: RunUnits) -> set[str]:
    """Remove what `guests` names; returns the paths of the files and folders that are gone."""
    return {path for record in guests(recipe, run) for path in _forget(recipe, record)}


def forget_readers(recipe: Recipe, gone: AbstractSet[str]) -> set[str]:
    """Remove what jobs of a recipe made from paths that are gone; returns the paths that are gone now."""
    if not gone:
        return set()
    return {
        path
        for record in checksums.records(recipe.folder)
        if any(os.path.normpath(name) in gone for names in record.inputs.values() for name in names)
        for path in _forget(recipe, record)
    }


def _forget(recipe: Recipe, record: Record) -> set[str]:
    """Remove the outputs of a record, folders that are empty then, and the record."""
    top = Path(recipe.folder)
    files = record.files(top)
    folders = {parent for path in files for parent in path.parents if top in parent.parents}
    for path in files:
        remove(path)
    for folder in sorted(folders, reverse=True):
        if folder.is_dir() and {entry.name for entry in folder.iterdir()} <= {TIME_STAMP}:
            remove(folder)
    checksums.forget(top, record.name)
    return {str(path) for path in (*files, *folders)}
