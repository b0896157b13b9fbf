"""Rows of the table of bad inputs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ephemera.cosmic.flags import Flag, Rejected

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


def bad_message(file: Path, kind: str, found: Rejected) -> BadInput:
    """Row of a message that was rejected."""
    flag, detail = found.problem.flag, found.problem.detail
    stops = flag in _STOPS
    action = "stopped" if stops else "rejected"
    return BadInput(str(file), kind, found.offset, found.position, flag, detail, action, None if stops else 1)


def bad_file(file: Path | str, kind: str, code: Flag, message: str, action: str = "ignored") -> BadInput:
    """Row of a whole file."""
    return BadInput(str(file), kind, None, None, code, message, action, None)


def distinct(found: Iterable[BadInput]) -> list[dict[str, Any]]:
    """Rows of the table, sorted by file and position, each once."""
    rows = [asdict(one) | {"code": str(one.code)} for one in dict.fromkeys(found)]
    return sorted(rows, key=lambda row: (row["file"], row["position"] or 0, row["code"]))
