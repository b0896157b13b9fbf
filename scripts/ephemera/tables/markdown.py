"""Documentation of a declared table as Markdown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ephemera.tables.declaration import DTYPES, TableDeclaration

if TYPE_CHECKING:
    import pyarrow as pa


def markdown(declaration: TableDeclaration) -> str:
    """Section with the table's name, its description and one row per column; ends with a newline."""
    columns = ((c.name, DTYPES[c.dtype], c.unit, c.ucd, c.description) for c in declaration)
    return _section(declaration.name, declaration.description, columns)


def schema_markdown(schema: pa.Schema) -> str:
    """The same for an Arrow schema whose metadata name the table and describe its fields."""
    facts = {key.decode(): text.decode() for key, text in (schema.metadata or {}).items()}
    columns = []
    for field in schema:
        about = {key.decode(): text.decode() for key, text in (field.metadata or {}).items()}
        columns.append(
            (field.name, str(field.type), about.get("unit"), about.get("ucd"), about.get("description", ""))
        )
    return _section(facts["name"], facts.get("description", ""), columns)


def _section(
    name: str, description: str, columns: Iterable[tuple[str, str, str | None, str | None, str]]
) -> str:
    lines = [
        f"### Table `{name}`",
        "",
        _escape(description),
        "",
        "| column | type | unit | UCD | description |",
        "|---|---|---|---|---|",
    ]
    for column, kind, unit, ucd, text in columns:
        cells = (f"`{column}`", _escape(kind), _escape(unit or ""), f"`{ucd}`" if ucd else "")
        lines.append(f"| {' | '.join(cells)} | {_escape(text)} |")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    """Text in which no character starts Markdown or HTML."""
    for sign in "\\`*_|[]":
        text = text.replace(sign, "\\" + sign)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
