"""Words around numbers, for pages, logs and terminals."""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun: `1 run`, `2 runs`, `1,000 deliveries` (where the plural is not noun + s)."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"
