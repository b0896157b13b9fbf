"""What is injected into events: bursts and eclipses with a place, a time, a shape, counts and a spectrum.

`duration` is that of `burst_times`: a box is constant over it; a Gaussian has a standard deviation of a
quarter of it, its peak in the middle; a fast rise lasts a tenth of it and the exponential decay has a time
constant of a fifth. An eclipse is a box in which each photon of its source is removed with the probability
`depth`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from ephemera.xmm.simulate_spectra import SOURCE_SPECTRUM, Spectrum

InjectedShape = Literal["box", "gaussian", "fred", "eclipse"]

#: Where the peak of each shape lies between its start and its end.
PEAK_AT: Mapping[str, float] = MappingProxyType({"box": 0.5, "gaussian": 0.5, "fred": 0.1, "eclipse": 0.5})


@dataclass(frozen=True)
class Injection:
    """One burst or eclipse.

    `ra`, `dec` degrees; `t_peak` s since MJDREF; `duration` s. A burst has a `fluence` in counts over all
    active cameras, of selected quality, or a mean `rate` in ct/s over its duration. An eclipse has the `rate`
    of a steady source that is injected with it, or none: then the source that is there is eclipsed. Raises
    ValueError for values that make no sense.
    """

    ra: float
    dec: float
    t_peak: float
    duration: float
    shape: InjectedShape = "box"
    fluence: float | None = None
    rate: float | None = None
    depth: float = 1.0
    spectrum: Spectrum = SOURCE_SPECTRUM

    def __post_init__(self) -> None:
        if self.shape not in get_args(InjectedShape):
            msg = f"shape must be one of {', '.join(get_args(InjectedShape))}, got {self.shape!r}"
            raise ValueError(msg)
        if not all(map(math.isfinite, (self.ra, self.dec, self.t_peak))) or not abs(self.dec) <= 90:
            msg = (
                f"ra, dec and t_peak must be finite, dec in -90..90, got {self.ra}, {self.dec}, {self.t_peak}"
            )
            raise ValueError(msg)
        if not (math.isfinite(self.duration) and self.duration > 0):
            msg = f"duration must be a positive number of seconds, got {self.duration!r}"
            raise ValueError(msg)
        if not 0 <= self.depth <= 1:
            msg = f"depth must lie in 0..1, got {self.depth!r}"
            raise ValueError(msg)
        self._check_counts()

    def _check_counts(self) -> None:
        given = [value for value in (self.fluence, self.rate) if value is not None]
        if any(not (math.isfinite(value) and value >= 0) for value in given):
            msg = f"fluence and rate must be numbers >= 0, got {self.fluence!r} and {self.rate!r}"
            raise ValueError(msg)
        if self.is_eclipse and self.fluence is not None:
            msg = (
                f"an eclipse has a rate, or none for the source that is there, got the fluence {self.fluence}"
            )
            raise ValueError(msg)
        if not self.is_eclipse and len(given) != 1:
            msg = f"a burst has either a fluence or a rate, got {self.fluence!r} and {self.rate!r}"
            raise ValueError(msg)

    @property
    def is_eclipse(self) -> bool:
        """Whether photons are taken away."""
        return self.shape == "eclipse"

    @property
    def start(self) -> float:
        """Start, s since MJDREF."""
        return self.t_peak - PEAK_AT[self.shape] * self.duration

    @property
    def stop(self) -> float:
        """End, s since MJDREF."""
        return self.start + self.duration

    @property
    def counts(self) -> float:
        """Expected counts of a burst over all active cameras; of an eclipse those of its source meanwhile."""
        return self.fluence if self.fluence is not None else (self.rate or 0.0) * self.duration
