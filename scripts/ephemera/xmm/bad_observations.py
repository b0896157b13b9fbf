"""The list of observations to be flagged: a table people edit, not code.

A CSV file with the columns obsid, reason, evidence, comment. Detections in these observations are flagged,
never removed.
"""

from __future__ import annotations

import csv
import enum
import os
import re
from dataclasses import dataclass
from pathlib import Path

COLUMNS = ("obsid", "reason", "evidence", "comment")
#: A run with more regions than this is suspect as a whole.
MANY_REGIONS = 20
_OBSID = re.compile(r"[0-9]{10}")


class Reason(enum.Enum):
    """Why an observation is not to be trusted."""

    SOLAR_SYSTEM_TARGET = "solar_system_target"  # Jupiter, Saturn, comets move over the field
    BRIGHT_EXTENDED = "bright_extended"  # supernova remnants and clusters fill the field
    END_OF_EXPOSURE = "end_of_exposure"
    CALIBRATION = "calibration"
    MOVING_TARGET = "moving_target"


@dataclass(frozen=True)
class BadObservation:
    """One row of the list."""

    obsid: str
    reason: Reason
    evidence: str
    comment: str


def read_bad_observations(path: str | os.PathLike[str]) -> dict[str, BadObservation]:
    """Rows of the list by obsid, in the order of the file.

    Raises ValueError naming file and line for a wrong header, a row with too few or too many values, an
    obsid that is not ten digits or comes twice, and an unknown reason.
    """
    name = os.fspath(path)
    rows: dict[str, BadObservation] = {}
    with Path(path).open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file, strict=True)
        header = tuple(next(reader, ()))
        if header != COLUMNS:
            msg = f"{name}: header must be {','.join(COLUMNS)}, got {','.join(header)!r}"
            raise ValueError(msg)
        for row in reader:
            entry = _entry(row, f"{name}, line {reader.line_num}")
            if entry.obsid in rows:
                msg = f"{name}, line {reader.line_num}: obsid {entry.obsid} comes twice"
                raise ValueError(msg)
            rows[entry.obsid] = entry
    return rows


def _entry(row: list[str], where: str) -> BadObservation:
    if len(row) != len(COLUMNS):
        msg = f"{where}: a row must have {len(COLUMNS)} values, got {len(row)}"
        raise ValueError(msg)
    obsid, reason, evidence, comment = (value.strip() for value in row)
    if not _OBSID.fullmatch(obsid):
        msg = f"{where}: obsid must be ten digits, got {obsid!r}"
        raise ValueError(msg)
    known = [r.value for r in Reason]
    if reason not in known:
        msg = f"{where}: reason must be one of {', '.join(known)}, got {reason!r}"
        raise ValueError(msg)
    return BadObservation(obsid, Reason(reason), evidence, comment)
