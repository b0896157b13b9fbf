"""What can be wrong with a message or an input, by one name each, and the error that carries it."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache


class Flag(enum.StrEnum):
    """Names in the columns `flags` (kept messages) and `code` (the table of bad inputs)."""

    TRUNCATED = "truncated"
    BAD_FRAME = "bad_frame"
    WRONG_SCHEMA = "wrong_schema"
    BAD_DIMS = "bad_dims"
    NON_FINITE = "non_finite"
    DEAD_ANTENNA = "dead_antenna"
    BAD_AXIS = "bad_axis"
    BAD_COORDS = "bad_coords"
    NO_SIGNAL = "no_signal"
    STI = "sti"
    PATH_OUT = "path_out"
    NARROW = "narrow"
    DRIFT_MISMATCH = "drift_mismatch"
    FREQ_MISMATCH = "freq_mismatch"
    EDGES_CONTAMINATED = "edges_contaminated"
    RECIPE_TIME_FAR = "recipe_time_far"
    # Of files.
    TMP_FILE = "tmp_file"
    UNREADABLE = "unreadable"
    EMPTY_FILE = "empty_file"
    PART_GAP = "part_gap"
    DUPLICATE_FILE = "duplicate_file"
    NOT_HDF5 = "not_hdf5"
    BAD_RECIPE_SHAPE = "bad_recipe_shape"
    NO_RECIPE = "no_recipe"
    AMBIGUOUS_RECIPE = "ambiguous_recipe"


class BadMessage(Exception):  # noqa: N818 - a message that cannot be used is a result, not an error
    """A message or file that cannot be used: `flag` says why by name, `detail` in words."""

    def __init__(self, flag: Flag, detail: str) -> None:
        super().__init__(f"{flag}: {detail}")
        self.flag = flag
        self.detail = detail


@dataclass(frozen=True)
class Rejected:
    """A message that is not used: its number and first byte in the file, and why."""

    position: int
    offset: int
    problem: BadMessage


def joined(flags: Iterable[Flag]) -> str:
    """Flags as the text of a table cell: in the order of their declaration, separated by blanks."""
    found = frozenset(flags)
    return _text(found) if found else ""


@cache
def _text(found: frozenset[Flag]) -> str:
    return " ".join(flag for flag in Flag if flag in found)
