"""Recipes that turned out to give the same bytes: early cut-off by content.

A step whose code changed has a new key. When its outputs are, unit by unit, those of an older key, the
new recipe is noted as equal to the older one and goes by its key from then on: what reads the step keeps
its key and is not made again.

The note, `<results>/<branch>/<step>/.equal/<new key>.json`, holds the units that were compared. It counts
for a run only as far as it was shown: each unit of the run that the older key's folder holds must have
been compared, or have been made by the new recipe itself. Units that are new go to the older key's
folder too; the record of each says whose recipe made it, so that they are made again should the older
recipe come back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ephemera.files import json_text, write_text
from ephemera.recipes import checksums
from ephemera.recipes.checksums import Record
from ephemera.recipes.recipe import Recipe

EQUAL = ".equal"

#: Units of a run: the allowed values of the wildcards that name them, such as {"obsid": {...}}.
RunUnits = Mapping[str, AbstractSet[str]]


@dataclass(frozen=True)
class Note:
    """What is known of a recipe beside older ones.

    `equal_to` is the older key that gave the same bytes for each of `units`; `differs_from` are keys
    that gave other bytes for at least one unit.
    """

    equal_to: str | None = None
    units: frozenset[str] = frozenset()
    differs_from: frozenset[str] = frozenset()


def note_path(recipe: Recipe) -> Path:
    """Where the note of a recipe is."""
    return Path(recipe.folder).parent / EQUAL / f"{recipe.own_key}.json"


def read_note(recipe: Recipe) -> Note:
    """What is known of a recipe; an empty note when nothing is."""
    try:
        content = json.loads(note_path(recipe).read_bytes())
        return Note(content["equal_to"], frozenset(content["units"]), frozenset(content["differs_from"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Note()


def write_note(recipe: Recipe, note: Note) -> None:
    """Remember what is known of a recipe, and the recipe itself: its own folder may be pruned."""
    content = {
        "recipe": replace(recipe, equal_to=None).document,
        "equal_to": note.equal_to,
        "units": sorted(note.units),
        "differs_from": sorted(note.differs_from),
    }
    write_text(note_path(recipe), json_text(content))


def resolved(recipe: Recipe, run: RunUnits) -> Recipe:
    """The recipe under the key of the older one that it is known to equal for the units of a run."""
    note = read_note(recipe)
    if note.equal_to is None:
        return recipe
    older = replace(recipe, equal_to=note.equal_to)
    if not Path(older.folder, "recipe.json").is_file():
        return recipe
    for unit in checksums.units(older.folder):
        if unit not in note.units:
            record = checksums.read(older.folder, unit)
            if record is not None and in_run(record, run) and record.made_by != recipe.own_key:
                return recipe
    return older


def only_code_differs(recipe: Recipe, older_key: str) -> bool:
    """Whether a recipe has the inputs of an older key and its values of all options that both have."""
    try:
        text = (Path(recipe.folder).with_name(older_key) / "recipe.json").read_bytes()
        document = json.loads(text)
        parameters: Mapping[str, Any] = document["parameters"]
        reads = document["reads"]
    except (OSError, ValueError, KeyError):
        return False
    now = json.loads(json.dumps(recipe.document))
    common = parameters.keys() & now["parameters"].keys()
    return bool(reads == now["reads"] and all(parameters[name] == now["parameters"][name] for name in common))


def compare(recipe: Recipe, older_key: str, run: RunUnits) -> Literal["equal", "differs", "incomplete"]:
    """Compare what a recipe made with what an older key holds, and remember the answer.

    `equal` means that each unit of the run that the older folder holds was made by the new recipe with the
    same names, sizes and SHA-256, and that there is at least one; `incomplete` that some were not made yet.
    """
    note = read_note(recipe)
    folder = Path(recipe.folder).with_name(recipe.own_key)
    older = folder.with_name(older_key)
    same, waiting = set(), False
    made = frozenset(checksums.units(folder))
    if not made:
        return "incomplete"
    for unit in checksums.units(older):
        if unit not in made:
            before = checksums.read(older, unit)
            waiting |= before is not None and in_run(before, run) and before.made_by != recipe.own_key
            continue
        before, now = checksums.read(older, unit), checksums.read(folder, unit)
        if before is None or not in_run(before, run):
            continue
        if now is None or not before.outputs:
            waiting = True
        elif now.outputs != before.outputs:
            was_equal = note.equal_to if note.equal_to != older_key else None
            write_note(recipe, Note(was_equal, note.units, note.differs_from | {older_key}))
            return "differs"
        else:
            same.add(unit)
    if waiting or not same:
        return "incomplete"
    known = note.units if note.equal_to == older_key else frozenset()
    write_note(recipe, replace(note, equal_to=older_key, units=known | same))
    return "equal"


def in_run(record: Record, run: RunUnits) -> bool:
    """Whether a job is one of the run, as far as its wildcards tell."""
    return all(value in run[name] for name, value in record.unit.items() if name in run)
