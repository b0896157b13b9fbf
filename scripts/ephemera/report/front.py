"""The front page of a run: a card for each branch that leads to its pages and tables.

Branches declare an `Entry` in their rules; nothing here knows any of them. The page lies beside the links of
the last run, `results/current/index.html`, and leads through them, so that it needs no server and the folder
of results can be moved as a whole. The same results give the same bytes: there is no date on it.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from ephemera.files import write_text
from ephemera.pages import Cell, Heading, Markup, escape, link, page, section, table
from ephemera.recipes.recipe import Recipe
from ephemera.recipes.versions import CURRENT

#: Pages of a branch that get a link of their own; of more, the others are counted.
MOST_PAGES = 40

STYLE = """
.cards { display: grid; gap: 1rem; margin: 1rem 0;
  grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr)); }
.card { border: 1px solid var(--line); border-radius: 6px; padding: 0 1rem .6rem; background: var(--soft);
  min-width: 0; }
.card h2 { margin-top: .9rem; } .card ul { padding-left: 1.2rem; } .card li { overflow-wrap: anywhere; }
.absent { color: color-mix(in srgb, var(--ink) 75%, var(--paper)); }
"""


@dataclass(frozen=True)
class Product:
    """A file that people open: what it is in words, the recipe that makes it, its name in that folder."""

    text: str
    recipe: Recipe
    name: str

    @property
    def path(self) -> Path:
        """Where it is."""
        return Path(self.recipe.output(self.name))

    @property
    def address(self) -> str:
        """Its address from `results/current`, through the link of its step."""
        return quote(f"{self.recipe.step.replace('.', '/')}/{self.name}")


@dataclass(frozen=True)
class Entry:
    """What a branch shows of itself: `pages` to look at, `tables` whose rows are counted."""

    title: str
    sentence: str
    pages: tuple[Product, ...]
    tables: tuple[Product, ...] = ()


def rows_of(path: Path) -> int | None:
    """Rows of a Parquet or CSV table; None for other files."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        return int(pq.read_metadata(path).num_rows)
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as handle:
            return max(sum(1 for row in csv.reader(handle) if row and not row[0].startswith("#")) - 1, 0)
    return None


def front_page(project: str, entries: Sequence[Entry], recipes: Sequence[Recipe]) -> str:
    """The page of a run; `recipes` are those of its steps."""
    cards = "".join(_card(entry) for entry in entries)
    nothing = "<p>This run has no data: name a sample sheet for at least one branch.</p>"
    body = [
        Markup(f"<p>Project {escape(project)}: what this run made, branch by branch.</p>"),
        Markup(f'<div class="cards">{cards}</div>' if entries else nothing),
        section("How it was made", _steps(recipes), anchor="recipes"),
    ]
    return page(f"Ephemera: {project}", Markup("\n".join(body)), styles=[STYLE])


def _card(entry: Entry) -> Markup:
    there = [product for product in entry.pages if product.path.exists()]
    lines = [f"<li>{link(product.address, product.text)}</li>" for product in there[:MOST_PAGES]]
    if len(there) > MOST_PAGES:
        lines.append(f"<li>and {len(there) - MOST_PAGES} more</li>")
    absent = [product.text for product in entry.pages if product not in there]
    if absent:
        lines.append(f'<li class="absent">not made in this run: {escape(", ".join(absent[:5]))}</li>')
    rows = [_with_rows(product) for product in entry.tables if product.path.exists()]
    tables = f"<h3>Tables</h3><ul>{''.join(rows)}</ul>" if rows else ""
    return Markup(
        f'<section class="card"><h2>{escape(entry.title)}</h2><p>{escape(entry.sentence)}</p>'
        f"<ul>{''.join(lines)}</ul>{tables}</section>\n"
    )


def _with_rows(product: Product) -> str:
    rows = rows_of(product.path)
    number = "" if rows is None else f"{rows:,} "
    return f"<li>{number}{link(product.address, product.text)}</li>"


def _steps(recipes: Sequence[Recipe]) -> Markup:
    """Table of the steps of a run and the recipes that made them."""
    rows = []
    for recipe in sorted(recipes, key=lambda one: one.step):
        step = recipe.step.replace(".", "/")
        note = Path(recipe.folder, "recipe.json")
        key = link(f"{step}/{note.name}", recipe.key) if note.exists() else recipe.key
        rows.append((recipe.step, Cell(key, recipe.key), ", ".join(read.step for read in recipe.reads)))
    headings = (
        Heading("Step"),
        Heading("Recipe", "", "Key of options, code and inputs; leads to its description"),
        Heading("Reads"),
    )
    return table(headings, rows, caption="Every step and the recipe that made it", name="steps")


def write_front(
    results: Path,
    project: str,
    entries: Sequence[Entry],
    recipes: Sequence[Recipe],
    *,
    new_version: bool = True,
) -> Path | None:
    """Write the front page of a run beside its links; returns its path, None where a run made nothing.

    Where the version is no new one, a page that is younger than all it shows stays, and no table is read.
    """
    made = [recipe for recipe in recipes if Path(recipe.folder).is_dir()]
    if not made:
        return None
    path = results / CURRENT / "index.html"
    if new_version or _older(path, entries):
        write_text(path, front_page(project, entries, made))
    return path


def _older(page: Path, entries: Sequence[Entry]) -> bool:
    """Whether the page is not there, or was written before something it shows."""
    if not page.exists():
        return True
    shown = (product.path for entry in entries for product in (*entry.pages, *entry.tables))
    return any(path.exists() and path.stat().st_mtime_ns > page.stat().st_mtime_ns for path in shown)
