"""Text for a terminal: sizes, aligned columns, nested options on one line each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any


def size(n_bytes: int) -> str:
    """A number of bytes for people: `999 B`, `1.5 kB`, `23 MB`."""
    value = float(n_bytes)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 9.95 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"


def aligned(rows: Sequence[Sequence[str]], indent: str = "  ", right: Sequence[int] = ()) -> list[str]:
    """Rows as lines whose cells stand below each other; `right` are the columns set to the right."""
    if not rows:
        return []
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        (
            indent
            + "  ".join(
                cell.rjust(width) if k in right else cell.ljust(width)
                for k, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
        ).rstrip()
        for row in rows
    ]


def flat(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Options of nested sections with dotted names, sorted."""
    for name in sorted(options):
        value = options[name]
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def plain(value: Any) -> str:
    """A value of an option on one line."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def short_commit(commit: str | None) -> str:
    """The first letters of a commit, with its `+` when files differed from it."""
    if commit is None:
        return "no commit"
    return commit[:10] + ("+" if commit.endswith("+") else "")
