"""Draws what is injected in a trial: places in the footprint, times, shapes, counts.

Places are uniform over the pixels that have events, times uniform over those with any CCD exposed,
fluences, rates and durations even in their logarithms. With adaptive sampling half of the fluences are
drawn around the one at which half of the bursts of about the same duration were found so far, where an
injection says most.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ephemera.seeds import generator
from ephemera.tables.foreign import read_columns
from ephemera.xmm.detection_curve import fit_curve
from ephemera.xmm.exposure import any_exposure
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.injection import Injection
from ephemera.xmm.observation import UNIT_ARCSEC, FloatArray, Subset
from ephemera.xmm.simulate_spectra import Spectrum

if TYPE_CHECKING:
    from ephemera.config.xmm_completeness import Inject as InjectSettings

#: Draws of a place before an injection of a crowded trial is left out.
ATTEMPTS = 200
#: Bursts seen before sampling adapts; spread of ln F around the fluence found half of the time.
FIRST_BURSTS, SPREAD = 24, 0.4
#: Durations within this factor count for the fluence found half of the time.
LIKE_DURATION = 4.0


@dataclass
class Sampling:
    """What is known so far of the bursts of earlier trials: ln fluence, ln duration, found or not."""

    fluence: list[float] = field(default_factory=list)
    duration: list[float] = field(default_factory=list)
    found: list[bool] = field(default_factory=list)

    def learn(self, items: Sequence[Injection], found: Sequence[bool]) -> None:
        """Remember the bursts of a trial."""
        for item, hit in zip(items, found, strict=True):
            if not item.is_eclipse:
                self.fluence.append(item.counts)
                self.duration.append(item.duration)
                self.found.append(hit)

    def middle(self, duration: float) -> float | None:
        """Ln of the fluence found half of the time for bursts of about this duration; None when not known."""
        known = np.abs(np.log(np.array(self.duration) / duration)) < math.log(LIKE_DURATION)
        if np.count_nonzero(known) < FIRST_BURSTS:
            return None
        curve = fit_curve(np.array(self.fluence)[known], np.array(self.found)[known])
        return None if curve is None else curve.middle


def spectrum_of(settings: InjectSettings) -> tuple[str, Spectrum]:
    """Name and spectrum that the options ask for.

    Raises CatalogueError for a table that cannot be read, ValueError for one that is no spectrum.
    """
    if settings.spectrum == "power_law":
        return f"power law {settings.power_law_index:g}", Spectrum.power_law(settings.power_law_index)
    if settings.spectrum == "black_body":
        return f"black body {settings.temperature_kev:g} keV", Spectrum.black_body(settings.temperature_kev)
    table = read_columns(Path(str(settings.spectrum_table)), ("energy_ev", "counts_per_ev"))
    return "table", Spectrum.table(table["energy_ev"].to_pylist(), table["counts_per_ev"].to_pylist())


def draw(
    subset: Subset, settings: InjectSettings, spectrum: Spectrum, trial: int, seed: int, sampling: Sampling
) -> list[tuple[Injection, bool]]:
    """What is injected in one trial, each with whether its fluence was drawn adaptively."""
    header = subset.header
    rng = generator(seed, header.obsid, "truth", trial)
    exposed = any_exposure(subset)
    drawn: list[tuple[Injection, bool]] = []
    for x, y in _places(subset, settings, rng):
        ra, dec = header.plane.to_sky(x, y)
        t_peak = _exposed_time(exposed, rng)
        where = {"ra": float(ra), "dec": float(dec), "t_peak": t_peak, "spectrum": spectrum}
        if rng.random() < settings.eclipse_share:
            duration = _even_in_ln(rng, settings.eclipse_duration_s)
            rate, depth = _even_in_ln(rng, settings.eclipse_rate_ct_s), float(rng.random())
            drawn.append(
                (Injection(**where, duration=duration, shape="eclipse", rate=rate, depth=depth), False)  # type: ignore[arg-type]
            )
            continue
        duration = _even_in_ln(rng, settings.duration_s)
        shape = settings.shapes[int(rng.integers(len(settings.shapes)))]
        fluence, adapted = _fluence(rng, settings, sampling, duration)
        drawn.append((Injection(**where, duration=duration, shape=shape, fluence=fluence), adapted))  # type: ignore[arg-type]
    return drawn


def _exposed_time(intervals: FloatArray, rng: np.random.Generator) -> float:
    """A time, uniform over intervals (k, 2)."""
    ends = np.cumsum(intervals[:, 1] - intervals[:, 0])
    elapsed = float(ends[-1] * rng.random())
    piece = min(int(np.searchsorted(ends, elapsed, side="right")), len(ends) - 1)
    return float(intervals[piece, 1] - (ends[piece] - elapsed))


def _even_in_ln(rng: np.random.Generator, interval: Sequence[float]) -> float:
    low, high = interval
    return float(low * (high / low) ** rng.random())


def _fluence(
    rng: np.random.Generator, settings: InjectSettings, sampling: Sampling, duration: float
) -> tuple[float, bool]:
    plain = _even_in_ln(rng, settings.fluence)
    if not settings.adaptive or rng.random() < 0.5:
        return plain, False
    middle = sampling.middle(duration)
    if middle is None:
        return plain, False
    low, high = settings.fluence
    return float(np.clip(np.exp(middle + SPREAD * rng.standard_normal()), low, high)), True


def _places(subset: Subset, settings: InjectSettings, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Sky coordinates of at most `per_trial` places, uniform over lit pixels and apart from each other."""
    grid = PixelGrid()
    lit = np.unique(grid.pixels(subset.events.x, subset.events.y))
    i, j = grid.split(lit)
    apart = settings.separation_arcsec / UNIT_ARCSEC
    chosen: list[tuple[float, float]] = []
    for _ in range(ATTEMPTS * settings.per_trial):
        if len(chosen) == settings.per_trial:
            break
        pixel = int(rng.integers(len(lit)))
        inside: FloatArray = grid.width * (rng.random(2) - 0.5)
        x, y = (float(v) for v in _centre(grid, i[pixel], j[pixel]) + inside)
        if all(math.hypot(x - a, y - b) >= apart for a, b in chosen):
            chosen.append((x, y))
    return chosen


def _centre(grid: PixelGrid, i: npt.ArrayLike, j: npt.ArrayLike) -> FloatArray:
    return np.array([grid.centre(i, "x"), grid.centre(j, "y")], dtype=np.float64)
