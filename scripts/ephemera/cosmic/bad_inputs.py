"""Rows of the table of bad inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ephemera.cosmic.flags import BadMessage, Flag

#: Problems that end the reading of a file: how much was lost then is not known.
_STOPS = (Flag.BAD_FRAME,)


@dataclass(frozen=True)
class BadInput:
    """One row; `offset` and `position` are None for a whole file, `n_lost` where it cannot be known."""

    file: str
    kind: str
    offset: int | None
    position: int | None
    code: Flag
    message: str
    action: str
    n_lost: int | None


def bad_message(file: Path, kind: str, position: int, offset: int, problem: BadMessage) -> BadInput:
    """Row of a message that was rejected."""
    stops = problem.flag in _STOPS
    action = "stopped" if stops else "rejected"
    return BadInput(
        str(file), kind, offset, position, problem.flag, problem.detail, action, None if stops else 1
    )


def bad_file(file: Path | str, kind: str, code: Flag, message: str, action: str = "ignored") -> BadInput:
    """Row of a whole file."""
    return BadInput(str(file), kind, None, None, code, message, action, None)


def columns(rows: Iterable[BadInput]) -> Mapping[str, Sequence[Any]]:
    """Rows as columns, sorted by file and position, each row once."""
    unique = {tuple(asdict(row).values()): asdict(row) for row in rows}
    ordered = sorted(unique.values(), key=lambda row: (row["file"], row["position"] or 0, str(row["code"])))
    for row in ordered:
        row["code"] = str(row["code"])
    return {name: [row[name] for row in ordered] for name in BadInput.__dataclass_fields__}
