"""A small folder of results as the workflow leaves it: recipes, outputs, records, links, versions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from ephemera.recipes import checksums
from ephemera.recipes.checksums import Record
from ephemera.recipes.recipe import Recipe
from ephemera.recipes.versions import record
from ephemera.tables import Column, TableDeclaration, write

UNITS = ("u1", "u2")
LIBRARIES = {"numpy": "2.4.6", "scipy": "1.17.1"}

BURSTS = TableDeclaration(
    "bursts",
    "Bursts.",
    (
        Column("detid", "str", None, "meta.id;meta.main", "Detection"),
        Column("srcid", "i8", None, "meta.id", "Source, a running number"),
        Column("ra", "f8", "deg", "pos.eq.ra;meta.main", "Right ascension"),
        Column("dec", "f8", "deg", "pos.eq.dec;meta.main", "Declination"),
        Column("mjd_peak", "f8", "d", "time.epoch", "Time"),
        Column("counts", "i8", "count", "phot.count", "Counts"),
        Column("rate", "f8", "ct/s", "phot.count", "Rate"),
    ),
)
#: Four bursts; the threshold of the step `lab.find` decides which of them are found.
ROWS = {
    "detid": ["a", "b", "c", "d"],
    "srcid": [1, 2, 3, 4],
    "ra": [10.0, 20.0, 359.9999, 40.0],
    "dec": [0.0, -30.0, 89.9, 5.0],
    "mjd_peak": [50000.0, 50001.0, 50002.0, 50003.0],
    "counts": [10, 5, 20, 4],
    "rate": [0.1, 0.2, 0.3, 0.4],
}


class Results:
    """Makes versions of a chain `lab.read` -> `lab.find` -> `lab.catalogue` over two raw units."""

    def __init__(self, root: Path, project: str = "p") -> None:
        self.root = root
        self.raw = root.parent / "raw" / "lab"
        self.project = project

    def recipes(self, threshold: int, code: str = "1") -> dict[str, Recipe]:
        """The chain's recipes by the last word of the step."""
        modules = {"ephemera.lab.find": code * 12}
        read = Recipe("lab.read", {"cut": 1}, {"ephemera.lab.read": "0" * 12}, (), {}, str(self.root))
        options = {"threshold": threshold, "shape": {"kind": "king"}}
        find = Recipe("lab.find", options, modules, (read,), {"t.csv": "ab"}, str(self.root))
        catalogue = Recipe(
            "lab.catalogue", {}, {"ephemera.lab.catalogue": "2" * 12}, (find,), {}, str(self.root)
        )
        return {recipe.step.partition(".")[2]: recipe for recipe in (read, find, catalogue)}

    def run(self, threshold: int, code: str = "1", *, project: str | None = None) -> dict[str, Recipe]:
        """What a run that ends well leaves; returns the recipes."""
        name = project or self.project
        recipes = self.recipes(threshold, code)
        for unit in UNITS:
            self._raw_unit(unit)
            manifest = self.raw / unit / "manifest.json"
            read, find = recipes["read"], recipes["find"]
            self._job(read, {"unit": unit}, {"manifest": (manifest,)}, {f"{unit}.txt": f"read {unit}"})
            inputs = {"events": (Path(read.folder, f"{unit}.txt"),)}
            self._job(find, {"unit": unit}, inputs, {f"{unit}.found.txt": f"{threshold} {unit}"})
        self._catalogue(recipes["catalogue"], recipes["find"], name, threshold)
        configuration = {
            "project": name,
            "lab": {"find": {"threshold": threshold}},
            "other": {"unused": threshold},
        }
        record(self.root, name, configuration, recipes.values(), len(UNITS))
        return recipes

    def _raw_unit(self, unit: str) -> None:
        folder = self.raw / unit
        folder.mkdir(parents=True, exist_ok=True)
        data = folder / f"{unit}.fits"
        data.write_text(f"raw {unit}")
        entry = {"path": str(data), "size": data.stat().st_size, "url": f"http://archive/{unit}"}
        entry["sha256"] = checksums.measured(data, "x")["x"].sha256
        (folder / "manifest.json").write_text(json.dumps({"outcome": "ok", "files": [entry]}))

    def _catalogue(self, recipe: Recipe, find: Recipe, project: str, threshold: int) -> None:
        kept = [k for k, counts in enumerate(ROWS["counts"]) if counts >= threshold]
        table = {name: [values[k] for k in kept] for name, values in ROWS.items()}
        table["srcid"] = list(range(1, len(kept) + 1))
        path = Path(recipe.folder, project, "bursts.parquet")
        write(table, BURSTS, path, {"recipe": recipe.key})
        inputs = {"found": tuple(Path(find.folder, f"{unit}.found.txt") for unit in UNITS)}
        report = Path(recipe.folder, f"{project}.report.txt")
        report.write_text(f"{len(kept)} bursts\n")
        names = [f"{project}/bursts.parquet", f"{project}.report.txt"]
        self._note(recipe, {"project": project}, inputs, names)

    def _job(self, recipe: Recipe, unit: Mapping[str, str], inputs, outputs: Mapping[str, str]) -> None:
        folder = Path(recipe.folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in outputs.items():
            (folder / name).write_text(text)
        self._note(recipe, unit, inputs, list(outputs))

    def _note(self, recipe: Recipe, unit: Mapping[str, str], inputs, names: list[str]) -> None:
        folder = Path(recipe.folder)
        made = {}
        for name in names:
            made |= checksums.measured(folder / name, name)
        paths = {name: tuple(map(str, files)) for name, files in inputs.items()}
        checksums.write(folder, Record(recipe.step, recipe.key, recipe.key, unit, paths, made))
        document = {**recipe.document, "commit": "c" * 40, "python": "3.11.7", "libraries": LIBRARIES}
        (folder / "recipe.json").write_text(json.dumps(document))
