"""What a column of times means, told by its name; offsets in names are added back.

mjd, jd, bjd, hjd, btjd (BJD - 2457000), unix or timestamp (s), iso; MJD-50000, HJD - 2450000, ...
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

#: Julian date at MJD 0; MJD of 1970-01-01.
MJD_ZERO, UNIX_ZERO = 2400000.5, 40587.0
DAY = 86400.0
#: What to add to values of each kind of day count for MJD.
KINDS = {"mjd": 0.0, "jd": -MJD_ZERO, "bjd": -MJD_ZERO, "hjd": -MJD_ZERO, "btjd": 2457000 - MJD_ZERO}
KINDS |= {"bkjd": 2454833 - MJD_ZERO}
UNIX = frozenset({"unix", "timestamp", "unixtime", "unix_time"})
ISO = frozenset({"iso", "isot", "date", "datetime", "date_obs", "date-obs"})
_OFFSET = re.compile(r"(?P<kind>[a-z]+)[\s_]*(?:-[\s_]*(?P<offset>\d+(?:\.\d+)?))?(?:[\s_\[(].*)?")


@dataclass(frozen=True)
class TimeKind:
    """How a column becomes MJD: days are `value + add`; `unit` is d, s or iso. `kind` names the count."""

    kind: str
    unit: str
    add: float

    @property
    def barycentric(self) -> bool:
        """Whether times are barycentric (TDB)."""
        return self.kind in ("bjd", "btjd", "bkjd")

    def mjd(self, values: npt.NDArray[Any]) -> FloatArray:
        """Values as MJD."""
        if self.unit == "iso":
            from astropy.time import Time

            return np.asarray(Time(np.asarray(values, str), scale="utc").mjd, np.float64)
        numbers = np.asarray(values, np.float64)
        return numbers / DAY + UNIX_ZERO if self.unit == "s" else numbers + self.add


def time_kind(name: str) -> TimeKind | None:
    """Meaning of a column's name; None for one that tells nothing, such as `time`."""
    lowered = name.strip().lower()
    if lowered in UNIX:
        return TimeKind("unix", "s", 0.0)
    if lowered in ISO:
        return TimeKind("iso", "iso", 0.0)
    match = _OFFSET.fullmatch(lowered)
    if match is None or match["kind"] not in KINDS:
        return None
    offset = float(match["offset"] or 0.0)
    return TimeKind(match["kind"], "d", KINDS[match["kind"]] + offset)


def find_time(names: list[str], told: str | None = None, column: str | None = None) -> tuple[str, TimeKind]:
    """Column of times among `names` and its meaning; `told` and `column` come from the configuration.

    Raises ValueError when there is none, or when its meaning has to be told.
    """
    vague = [n for n in names if n.strip().lower() in ("time", "t", "epoch")]
    clear = [n for n in names if time_kind(n) is not None]
    # MJD wins over HJD where a table has both.
    clear.sort(key=lambda n: getattr(time_kind(n), "kind", "") != "mjd")
    candidates = [column] if column else (vague + clear if told else clear + vague)
    if not candidates or candidates[0] not in names:
        msg = (
            f"there is no column of times among {', '.join(names)}: name it under survey.fetch.files.columns"
        )
        raise ValueError(msg)
    chosen = candidates[0]
    own = time_kind(chosen)
    kind = own if own is not None and not (column and told) else time_kind(told or "")
    if kind is None:
        msg = f"the times in {chosen!r} may be anything: say what they are under survey.fetch.files.time"
        raise ValueError(msg)
    return chosen, kind
