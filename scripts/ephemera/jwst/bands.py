"""Bands of wavelength that a user names."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ephemera.jwst.grids import band_channels
from ephemera.jwst.observation import BoolArray, FloatArray

LONGEST_NAME = 40
#: Name of the light curve of all channels, which no band may have.
WHITE = "white"


@dataclass(frozen=True)
class Band:
    """A band: name, first and last wavelength (um, inclusive)."""

    name: str
    start: float
    end: float

    def channels(self, wavelength: FloatArray) -> BoolArray:
        """Channels inside."""
        return band_channels(wavelength, self.start, self.end)


def make_bands(listed: Sequence[Mapping[str, Any]]) -> tuple[list[Band], list[str]]:
    """Bands of a list of {name, start, end}, and warnings.

    Ends in the wrong order are swapped, names that are taken numbered. Raises ValueError naming a band
    without a name of 1 to 40 characters, or whose ends are not two different finite numbers.
    """
    bands: list[Band] = []
    warnings: list[str] = []
    for entry in listed:
        name = str(entry["name"]).strip()
        start, end = float(entry["start"]), float(entry["end"])
        if not 1 <= len(name) <= LONGEST_NAME:
            message = f"a band's name has 1 to {LONGEST_NAME} characters, got {name!r}"
            raise ValueError(message)
        if not (math.isfinite(start) and math.isfinite(end)) or start == end:
            message = f"band {name!r}: start and end must be two different finite numbers, got {start}, {end}"
            raise ValueError(message)
        if start > end:
            warnings.append(f"band {name!r}: start and end were swapped")
            start, end = end, start
        taken = {WHITE, *(band.name for band in bands)}
        unique, number = name, 2
        while unique in taken:
            unique, number = f"{name} {number}", number + 1
        if unique != name:
            warnings.append(f"the name {name!r} is taken: that band is called {unique!r}")
        bands.append(Band(unique, start, end))
    return bands, warnings
