"""Options of the steps that measure the XMM search itself: completeness, false alarms, purity."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Len
from pydantic import field_validator, model_validator

from ephemera.config.section import Section, option

Positive = Annotated[float, Gt(0)]
Counted = Annotated[int, Ge(0)]
Interval = Annotated[list[Positive], Len(2, 2)]
Mode = Literal["main", "time", "all", "second_pass", "smooth_few"]
Sigmas = Annotated[list[Annotated[float, Gt(0), Le(30)]], Len(1)]


def _ascending(values: list[float]) -> list[float]:
    if not values[0] < values[1]:
        message = f"must be [low, high] with low < high, got {values}"
        raise ValueError(message)
    return values


def _once(values: list[Mode]) -> list[Mode]:
    if len(set(values)) != len(values):
        message = f"a way to search is named twice: {values}"
        raise ValueError(message)
    return values


class Inject(Section):
    """`xmm_inject`: injects bursts and eclipses into events and searches them again."""

    trials: Counted = option(0, "Searches of each observation with injections; 0 leaves the step out.")
    per_trial: int = option(6, "Bursts and eclipses injected at once.", ge=1, le=100)
    modes: Annotated[list[Mode], Len(1)] = option(
        ["main"],
        "Ways to search the same injections: main (one grid), time or all (shifted grids), second_pass, "
        "smooth_few (templates smoothed only below 25 counts a pixel).",
    )
    shapes: Annotated[list[Literal["box", "gaussian", "fred"]], Len(1)] = option(
        ["box", "gaussian", "fred"], "Shapes of bursts, drawn with equal odds."
    )
    fluence: Interval = option([5.0, 500.0], "Counts of bursts over all cameras, even in ln.", unit="count")
    duration_s: Interval = option([5.0, 2000.0], "Duration of bursts, even in ln.", unit="s")
    eclipse_share: float = option(0.25, "Share of eclipses among what is injected.", ge=0, le=1)
    eclipse_rate_ct_s: Interval = option(
        [0.1, 1.0], "Rate of the steady source injected with an eclipse, even in ln.", unit="ct/s"
    )
    eclipse_duration_s: Interval = option([200.0, 3000.0], "Duration of eclipses, even in ln.", unit="s")
    spectrum: Literal["power_law", "black_body", "table"] = option("power_law", "Spectrum of the photons.")
    power_law_index: float = option(1.7, "Photon index of the power law.", ge=-5, le=10)
    temperature_kev: Positive = option(0.5, "Temperature of the black body.", unit="keV")
    spectrum_table: str | None = option(
        None, "CSV with the columns energy_ev and counts_per_ev, for spectrum table."
    )
    separation_arcsec: Positive = option(
        150.0, "Least distance between injections of a trial.", unit="arcsec"
    )
    adaptive: bool = option(
        False, "Draw half of the fluences where about half of the bursts were found so far."
    )

    @model_validator(mode="after")
    def _table_named(self) -> Inject:
        if self.spectrum == "table" and self.spectrum_table is None:
            message = "spectrum table needs spectrum_table, a CSV with energy_ev and counts_per_ev"
            raise ValueError(message)
        return self

    ascending = field_validator("fluence", "duration_s", "eclipse_rate_ct_s", "eclipse_duration_s")(
        _ascending
    )
    once = field_validator("modes")(_once)


class Recover(Section):
    """`xmm_recover`: compares what was simulated or injected with what was found."""

    radius_arcsec: Positive = option(20.0, "Farthest a detection may lie from the truth.", unit="arcsec")
    sigmas: Sigmas = option([3.0, 5.0], "Significances at which completeness is given.", unit="sigma")


class FalseAlarms(Section):
    """`xmm_false_alarms`: searches draws in which nothing comes or goes."""

    draws: Counted = option(0, "Poisson draws from the expectation of each run; 0 leaves them out.")
    shuffles: Counted = option(
        0, "Searches of each observation with times of events shuffled within classes; 0 leaves them out."
    )
    modes: Annotated[list[Mode], Len(1)] = option(["main"], "Ways to search the shuffled events.")
    sigmas: Sigmas = option([3.0, 5.0], "Significances at which false alarms are counted.", unit="sigma")

    once = field_validator("modes")(_once)
