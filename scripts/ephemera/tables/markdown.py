"""Documentation of a declared table as Markdown."""

from __future__ import annotations

from ephemera.tables.declaration import DTYPES, TableDeclaration


def markdown(declaration: TableDeclaration) -> str:
    """Section with the table's name, its description and one row per column; ends with a newline."""
    lines = [
        f"### `{declaration.name}`",
        "",
        _escape(declaration.description),
        "",
        "| column | type | unit | UCD | description |",
        "|---|---|---|---|---|",
    ]
    for column in declaration:
        ucd = f"`{column.ucd}`" if column.ucd else ""
        cells = (f"`{column.name}`", DTYPES[column.dtype], _escape(column.unit or ""), ucd)
        lines.append(f"| {' | '.join(cells)} | {_escape(column.description)} |")
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    """Text in which no character starts Markdown or HTML."""
    for sign in "\\`*_|[]":
        text = text.replace(sign, "\\" + sign)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
