"""Events of known shape put into real light curves: what is drawn, what it does to the flux.

    f' = f + A t,   ef' = sqrt(ef^2 + max(0, A t) g)

with the template t averaged over each exposure and g the flux per photon, where it is known. A dip cannot
push the noiseless flux below 0. Draws depend on seed, source, survey and number alone, in any order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.seeds import generator
from ephemera.survey.finder import SIGNS
from ephemera.survey.light_curve import DAY, LightCurve
from ephemera.survey.quality import Scores
from ephemera.survey.templates import Shape, bank, profile

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Truth:
    """One injected event: width (FWHM, d), amplitude in its unit and in flux (signed), moment (MJD)."""

    shape: Shape
    sign: int
    width_d: float
    amplitude: float
    amplitude_unit: str
    amplitude_flux: float
    t0: float


def number_of_injections(seed: int, source: str, survey: str, mean: float) -> int:
    """How many events a source gets in a survey."""
    return int(generator(seed, "survey.inject", source, survey, "count").poisson(mean))


def amplitude_in_flux(
    amplitude: float, unit: str, sign: int, scores: Scores, usable: npt.NDArray[np.bool_]
) -> float:
    """Signed amplitude in flux of one in units of noise, of the mean flux, or in magnitudes."""
    if unit == "noise":
        return sign * amplitude * float(np.median(scores.noise[usable]))
    if unit == "mean":
        return sign * amplitude * scores.mean
    return scores.mean * (10 ** (0.4 * amplitude) - 1 if sign > 0 else 10 ** (-0.4 * amplitude) - 1)


def draw(
    rng: np.random.Generator, curves: Sequence[tuple[LightCurve, Scores]], settings: Any
) -> tuple[int, Truth] | None:
    """Number of the light curve and the event put into it; None where no light curve has usable time.

    The moment is uniform over the usable time of all light curves of the source.
    """
    live = [np.where(c.usable & np.isfinite(s.noise), c.live, 0.0) for c, s in curves]
    totals = np.array([part.sum() for part in live])
    if not totals.sum() > 0:
        return None
    which = int(rng.choice(len(curves), p=totals / totals.sum()))
    curve, scores = curves[which]
    at = int(rng.choice(len(curve), p=live[which] / totals[which]))
    t0 = float(curve.mjd[at] + (rng.random() - 0.5) * live[which][at] / DAY)
    shape: Shape = settings.shapes[int(rng.integers(len(settings.shapes)))]
    sign = int(rng.choice(SIGNS[settings.signs]))
    width = _width(rng, shape, settings)
    low, high = math.log(settings.min_amplitude), math.log(settings.max_amplitude)
    amplitude = math.exp(rng.uniform(low, high))
    usable = curve.usable & np.isfinite(scores.noise)
    flux = amplitude_in_flux(amplitude, settings.amplitude_unit, sign, scores, usable)
    return which, Truth(shape, sign, width, amplitude, settings.amplitude_unit, flux, t0)


def _width(rng: np.random.Generator, shape: Shape, settings: Any) -> float:
    if isinstance(settings.widths, list):
        return float(settings.widths[int(rng.integers(len(settings.widths)))])
    if settings.widths == "bank":
        widths = bank(shape, settings.min_width, settings.max_width, settings.overlap).width
        return float(widths[int(rng.integers(len(widths)))])
    return math.exp(rng.uniform(math.log(settings.min_width), math.log(settings.max_width)))


def inject(curve: LightCurve, mean: float, truth: Truth, gain: float | None = None) -> LightCurve:
    """The light curve with an event in it; the original is untouched."""
    exposure = curve.exptime / DAY if math.isfinite(curve.exptime) else 0.0
    added = truth.amplitude_flux * profile(truth.shape, curve.mjd - truth.t0, truth.width_d, exposure)
    added = np.where(np.isfinite(curve.mjd), added, 0.0)
    if mean > 0:
        added = np.maximum(added, -mean)
    error = curve.flux_err
    if gain is not None:
        error = np.sqrt(error**2 + np.maximum(0.0, added) * gain)
    return curve.with_flux(curve.flux + added, error)


@dataclass(frozen=True)
class Span:
    """What is left of an event when its light curve is gone: sign and rows, times of first and last."""

    sign: int
    rows: npt.NDArray[np.int64]
    start: float
    end: float


def is_real(found: Span, real: Sequence[Span]) -> bool:
    """Whether more than half of a detection's epochs belong to one real event of its sign."""
    return any(
        event.sign == found.sign and 2 * np.isin(found.rows, event.rows).sum() > len(found.rows)
        for event in real
    )


def recovers(found: Span, truth: Truth, cadence_d: float) -> bool:
    """Whether a detection is the injected event: its sign, and t0 within its span widened by c.

    c is the larger of half the width and the cadence.
    """
    margins = [truth.width_d / 2, cadence_d if math.isfinite(cadence_d) else 0.0]
    c = max(margins)
    return found.sign == truth.sign and found.start - c <= truth.t0 <= found.end + c


def truth_row(
    truth: Truth, curve: LightCurve, identifier: str, mag: float | None, detection: str | None
) -> Mapping[str, Any]:
    """Row of the table `injection`."""
    return {
        "id": identifier,
        "source": curve.source,
        "survey": curve.survey,
        "curve_id": curve.curve_id,
        "filter": curve.filter,
        "mag": mag,
        "shape": truth.shape,
        "sign": truth.sign,
        "width_d": truth.width_d,
        "amplitude": truth.amplitude,
        "amplitude_unit": truth.amplitude_unit,
        "amplitude_flux": truth.amplitude_flux,
        "t0": truth.t0,
        "recovered": detection is not None,
        "detection_id": detection,
    }
