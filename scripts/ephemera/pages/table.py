"""Tables that sort by a click or a key on their headings and filter as one types."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ephemera.pages.page import Markup, escape

if TYPE_CHECKING:
    from ephemera.tables import TableDeclaration


@dataclass(frozen=True)
class Heading:
    """Heading of a column: its name, unit, and what hovering tells; `numeric` aligns and sorts as numbers."""

    name: str
    unit: str = ""
    description: str = ""
    numeric: bool = False


@dataclass(frozen=True)
class Cell:
    """What a cell shows, and the value that it sorts by where that is another."""

    shown: object
    value: float | str | None = None


def table(
    headings: Sequence[Heading], rows: Iterable[Sequence[object]], *, caption: str = "", name: str = ""
) -> Markup:
    """A table; None and NaN are empty cells that sort last. `name` is the id of the element.

    Raises ValueError for a row whose length is not that of the headings.
    """
    body = "\n".join(_row(headings, row) for row in rows)
    head = "".join(_heading(heading) for heading in headings)
    anchor = f' id="{escape(name)}"' if name else ""
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    return Markup(
        f'<div class="table"><label class="filter">Filter <input type="search" autocomplete="off"></label>'
        f'<span class="count" role="status"></span>'
        f'<div class="scroll" tabindex="0"><table{anchor}>{title}'
        f"<thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div></div>\n"
    )


def declared_table(
    declaration: TableDeclaration, rows: Iterable[Mapping[str, object]], *, caption: str = "",
    titles: Mapping[str, str] | None = None, more: Sequence[str] = (),
) -> Markup:  # fmt: skip
    """The table of a declaration, with units and descriptions in its headings.

    `titles` are headings that say more than the name of a column does; `more` are further columns.
    """
    named = {name: name.replace("_", " ").capitalize() for name in declaration.names} | dict(titles or {})
    headings = [
        Heading(named[one.name], one.unit or "", one.description, one.dtype != "str") for one in declaration
    ]
    headings += [Heading(name) for name in more]
    return table(headings, [[row[n] for n in (*declaration.names, *more)] for row in rows], caption=caption)


def _heading(heading: Heading) -> str:
    unit = f' <span class="unit">[{escape(heading.unit)}]</span>' if heading.unit else ""
    kind = "number" if heading.numeric else "text"
    return (
        f'<th scope="col" data-kind="{kind}" aria-sort="none" title="{escape(heading.description)}">'
        f'<button type="button">{escape(heading.name)}{unit}</button></th>'
    )


def _row(headings: Sequence[Heading], row: Sequence[object]) -> str:
    if len(row) != len(headings):
        message = f"a row has {len(row)} cells, the table {len(headings)} headings"
        raise ValueError(message)
    return "<tr>" + "".join(_cell(h, cell) for h, cell in zip(headings, row, strict=True)) + "</tr>"


def _cell(heading: Heading, cell: object) -> str:
    shown, value = (cell.shown, cell.value) if isinstance(cell, Cell) else (cell, None)
    if isinstance(shown, float):
        value = shown if value is None else value
        shown = f"{shown:.6g}" if math.isfinite(shown) else None
    key = "" if value is None or value != value else f' data-value="{escape(value)}"'
    style = ' class="number"' if heading.numeric else ""
    return f"<td{style}{key}>{escape(shown)}</td>"
