"""Zero points of times, and Unix seconds as Modified Julian Dates."""

from __future__ import annotations

from typing import Any

SECONDS_PER_DAY = 86400.0
#: MJD = JD - this.
JD_OF_MJD_0 = 2400000.5
#: Day on which Unix seconds start, 1970-01-01.
MJD_OF_UNIX_0 = 40587.0


def mjd_of_unix(seconds: Any) -> Any:
    """MJD (UTC) of Unix seconds, numbers or arrays."""
    return seconds / SECONDS_PER_DAY + MJD_OF_UNIX_0
