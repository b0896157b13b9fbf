"""What was wrong with the files of a dataset, and how a dataset ends.

A problem is data: it becomes a row of `bad_inputs.ecsv`, and the other files go on.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from ephemera.tables import Column, TableDeclaration


class Outcome(enum.Enum):
    """The one way in which a dataset ended."""

    OK = "ok"
    NO_FILES = "no_files"
    NO_SERIES = "no_series"
    BAD_ARCHIVE = "bad_archive"
    TOO_LARGE = "too_large"
    MIXED_UNITS = "mixed_units"
    BAD_RANGE = "bad_range"
    DOWNLOAD_FAILED = "download_failed"


class Action(enum.Enum):
    """What was done about a problem."""

    REFUSED = "refused"
    IGNORED = "ignored"
    USED = "used"


@dataclass(frozen=True)
class Problem:
    """One row: `file` and `extension`, a `code`, the message, what was done, integrations lost."""

    file: str
    extension: str
    code: str
    message: str
    action: Action
    n_lost: int = 0


class Unusable(Exception):  # noqa: N818 - a file that cannot be used is a result, not an error
    """A file, extension or series that cannot be used: `code` by name, the message in words."""

    def __init__(self, code: str, message: str, *, extension: str = "", n_lost: int = 0) -> None:
        super().__init__(message)
        self.code = code
        self.extension = extension
        self.n_lost = n_lost

    def row(self, file: str) -> Problem:
        """The row of the table for this file."""
        return Problem(file, self.extension, self.code, str(self), Action.REFUSED, self.n_lost)


class RangeError(ValueError):
    """A range that holds nothing; the message names the range that is available."""


BAD_INPUTS = TableDeclaration(
    "bad_inputs",
    "Files, extensions and integrations that were refused, ignored or used with a remark.",
    (
        Column("file", "str", None, "meta.file", "File as it is named in the input"),
        Column("extension", "str", None, "meta.id", "Extension of the file"),
        Column("code", "str", None, "meta.code", "Kind of problem"),
        Column("message", "str", None, "meta.note", "The problem in words"),
        Column("action", "str", None, "meta.code", "refused, ignored or used"),
        Column("n_lost", "i8", None, "meta.number", "Integrations that could not be used"),
    ),
)


def problem_columns(problems: Sequence[Problem]) -> dict[str, list[object]]:
    """Columns of the table `BAD_INPUTS`, in an order that does not depend on the order of the files."""
    rows = sorted((p.file, p.extension, p.code, _line(p.message), p.action.value, p.n_lost) for p in problems)
    return {name: [row[k] for row in rows] for k, name in enumerate(BAD_INPUTS.names)}


def _line(text: str) -> str:
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
