"""Closed lists: kinds of alerts, why a packet is refused and at which stage, how a filter ended."""

from __future__ import annotations

import enum


class Kind(enum.IntEnum):
    """What an alert is."""

    DETECTION = 0
    LIMIT = 1
    FORCED = 2


class Stage(enum.Enum):
    """Where on its way a packet was refused."""

    OPEN = "open"
    CODEC = "codec"
    SCHEMA = "schema"
    DECODE = "decode"
    MAP = "map"
    RANGE = "range"


class Reason(enum.Enum):
    """Why a packet was refused; the list is closed, so that nights can be compared."""

    NOT_AVRO = "not_avro"
    TRUNCATED = "truncated"
    SYNC_MARKER = "sync_marker"
    SCHEMA_INVALID = "schema_invalid"
    CODEC_MISSING = "codec_missing"
    UNKNOWN_SCHEMA = "unknown_schema"
    MISSING_FIELD = "missing_field"
    BAD_POSITION = "bad_position"
    BAD_TIME = "bad_time"
    BAD_ID = "bad_id"
    WRONG_TYPE = "wrong_type"
    OTHER = "other"


class FilterOutcome(enum.Enum):
    """How a filter ended on one locus."""

    SUCCEEDED = "succeeded"
    SKIPPED = "skipped"
    ERRORED = "errored"


class PacketError(Exception):
    """A packet that cannot be used: `stage`, `reason`, and a sentence that says what is wrong with it."""

    def __init__(self, stage: Stage, reason: Reason, detail: str) -> None:
        super().__init__(f"{reason.value}: {detail}")
        self.stage, self.reason, self.detail = stage, reason, detail


class AccountError(Exception):
    """Numbers of packets or alerts that must be equal are not: something was lost or counted twice."""


class LateNightError(Exception):
    """A night that is older than the newest table has other alerts than when it was closed."""
