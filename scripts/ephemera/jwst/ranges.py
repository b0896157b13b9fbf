"""Ranges of wavelength and time that a user asks for: inclusive, either end open, never silently empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ephemera.jwst.normalised import Normalised
from ephemera.jwst.observation import FloatArray
from ephemera.jwst.problems import RangeError
from ephemera.jwst.visits import visits


def range_slice(values: FloatArray, limits: Sequence[float | None] | None, what: str, unit: str) -> slice:
    """Places of ascending `values` inside `limits`, both ends inclusive, None open.

    Raises RangeError when nothing is inside, naming what is available.
    """
    if limits is None:
        return slice(0, len(values))
    low, high = limits
    available = f"{what} from {values[0]:g} to {values[-1]:g} {unit} is available"
    if low is not None and high is not None and low >= high:
        raise RangeError(f"{what}: {low:g} to {high:g} {unit} is no range; {available}")
    start = 0 if low is None else int(np.searchsorted(values, low, "left"))
    stop = len(values) if high is None else int(np.searchsorted(values, high, "right"))
    if start >= stop:
        raise RangeError(f"{what}: nothing between {low} and {high} {unit}; {available}")
    return slice(start, stop)


def cut(norm: Normalised, channels: slice, times: slice, gap_hours: float) -> Normalised:
    """A normalised series cut to ranges; it stays normalised by what was before the cut."""
    part = norm.series.part(channels, times)
    visit = norm.visit[times]
    ranges = visits(part.hours, gap_hours)
    level = np.array([norm.level[visit[start]] for start, _ in ranges])[:, channels]
    baseline = norm.baseline[times]
    return replace(
        norm, series=part, median=norm.median[channels], level=level, ranges=ranges,
        n_valid=norm.n_valid[channels], baseline=baseline if baseline.any() else np.ones_like(baseline),
    )  # fmt: skip
