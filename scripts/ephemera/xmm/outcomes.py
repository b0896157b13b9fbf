"""How every event list and every run ends, by one name.

An outcome is data: it is written to the outcome table, counted in the report, and never stops the
other lists, runs or observations.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Outcome(enum.Enum):
    """The one way in which a list or a run ended; the value is the name in the outcome table."""

    OK = "ok"
    OK_NO_REGIONS = "ok_no_regions"
    SKIPPED_TIMING_MODE = "skipped_timing_mode"
    SKIPPED_SUBMODE = "skipped_submode"
    SKIPPED_SLEW = "skipped_slew"
    SKIPPED_FILTER = "skipped_filter"
    BAD_FILE = "bad_file"
    BAD_COLUMNS = "bad_columns"
    BAD_KEYWORDS = "bad_keywords"
    NO_EVENTS = "no_events"
    NO_LISTS = "no_lists"
    NO_COMMON_TIME = "no_common_time"
    NO_GOOD_FRAMES = "no_good_frames"
    NO_BACKGROUND = "no_background"
    DOWNLOAD_FAILED = "download_failed"
    WRONG_OBSID = "wrong_obsid"


class Caution(enum.Enum):
    """What a run went on in spite of; the value is the name in the outcome table."""

    NO_OBSMLI = "no_obsmli"
    ALL_BTI = "all_bti"
    MIXED_POINTING = "mixed_pointing"
    NO_FLARE_CURVE = "no_flare_curve"
    BARYCENTRED = "barycentred"
    NO_GTI = "no_gti"


@dataclass(frozen=True)
class OutcomeRow:
    """One row of the outcome table; `file` or `run` is empty where it does not apply."""

    obsid: str
    file: str
    run: str
    outcome: Outcome | Caution
    detail: str


class ListRejected(Exception):  # noqa: N818 - a list that cannot be used is a result, not an error
    """An event list that cannot be searched: `outcome` says why by name, `detail` in words."""

    def __init__(self, outcome: Outcome, detail: str) -> None:
        super().__init__(f"{outcome.value}: {detail}")
        self.outcome = outcome
        self.detail = detail

    def row(self, obsid: str, file: str) -> OutcomeRow:
        """The row of the outcome table for this file."""
        return OutcomeRow(obsid, file, "", self.outcome, self.detail)
