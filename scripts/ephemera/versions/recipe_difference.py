"""What makes two versions, or two recipes of one step, different: options, code, tables, what they read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ephemera.versions.text import flat, plain

#: Stands for an option or a module that is not there.
ABSENT = "-"

Change = tuple[str, str, str]


@dataclass(frozen=True)
class RecipeDifference:
    """Differences of two recipes of one step, as (name, in A, in B)."""

    step: str
    keys: tuple[str, str]
    options: tuple[Change, ...]
    modules: tuple[Change, ...]
    tables: tuple[Change, ...]
    reads: tuple[Change, ...]

    @property
    def is_its_own(self) -> bool:
        """Whether the step itself differs, and not only what it reads."""
        return bool(self.options or self.modules or self.tables)


def changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Change]:
    """Entries of nested mappings that differ, by dotted name, as (name, in A, in B)."""
    before, after = dict(flat(a)), dict(flat(b))
    for name in sorted(before.keys() | after.keys()):
        if name not in before or name not in after or before[name] != after[name]:
            yield (
                name,
                plain(before[name]) if name in before else ABSENT,
                plain(after[name]) if name in after else ABSENT,
            )


def compare(a: Mapping[str, Any], b: Mapping[str, Any]) -> RecipeDifference:
    """Differences of two documents of recipes."""
    return RecipeDifference(
        step=b["step"],
        keys=(a["key"], b["key"]),
        options=tuple(changes(a["parameters"], b["parameters"])),
        modules=tuple(_of_names(a["code"]["modules"], b["code"]["modules"])),
        tables=tuple(_of_names(a["tables"], b["tables"])),
        reads=tuple(_of_names(a["reads"], b["reads"])),
    )


def _of_names(a: Mapping[str, str], b: Mapping[str, str]) -> Iterator[Change]:
    """Entries that differ; names may hold dots and are not taken apart."""
    for name in sorted(a.keys() | b.keys()):
        if a.get(name) != b.get(name):
            yield name, a.get(name, ABSENT)[:10], b.get(name, ABSENT)[:10]
