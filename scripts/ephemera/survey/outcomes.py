"""How the raw rows of a source ended up, and what becomes of them."""

from __future__ import annotations

import enum


class Status(enum.Enum):
    """Status of one source in one survey."""

    OK = "ok"
    EMPTY = "empty"  # the survey answered that it has nothing, or cannot have anything
    MISSING = "missing"  # not on disk, and the network was not to be used
    STALE = "stale"  # on disk, but asked for with other parameters
    ERROR = "error"  # could not be had or not be used


class SourceError(Exception):
    """One source cannot be worked on; the message says why. Others go on."""


class StopSurvey(Exception):  # noqa: N818  it stops a survey for good reason, such as refused credentials
    """The survey cannot be asked at all; the message says what the user must do."""
