"""Selections of detections by significance and by flags, for which completeness and purity are given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

#: Flags that throw doubt on a detection; what was not looked at (null) throws none.
DOUBTS = (
    "filt_large",
    "filt_tbin_5_n_l_5",
    "filt_raw_pixel",
    "filt_one_camera",
    "filt_g_20_detections",
    "filt_bright_wing",
)


def judged(sigmas: Sequence[float], threshold: float) -> list[float]:
    """Those of some significances at which a search by the significance `threshold` can be judged.

    Below its threshold a search keeps nothing; where all are below, the threshold itself is left.
    """
    return [sigma for sigma in sigmas if sigma >= threshold] or [threshold]


def _without(*names: str) -> Callable[[Row], bool]:
    return lambda row: not any(row.get(name) for name in names)


#: Name of each selection and which detections it keeps.
SELECTIONS: Mapping[str, Callable[[Row], bool]] = {
    "all": lambda _: True,
    "filt_5sig": lambda row: bool(row.get("filt_5sig")),
    **{f"not {name}": _without(name) for name in DOUBTS},
    "no doubt": _without(*DOUBTS),
}


def selected(rows: Iterable[Row]) -> dict[str, int]:
    """Number of detections that each selection keeps."""
    counts = dict.fromkeys(SELECTIONS, 0)
    for row in rows:
        for name, keeps in SELECTIONS.items():
            counts[name] += keeps(row)
    return counts
