"""Numbers that describe a light curve: 28 from the package light-curve where it is installed, five of ours.

Every number is finite or null. Epochs are usable ones in order of time; equal times are averaged by
weight; where an error is missing or not positive, the light curve counts as unweighted.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping
from importlib import metadata
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ephemera.survey.judging import Searched, finite
from ephemera.survey.light_curve import LightCurve
from ephemera.tables import Column, TableDeclaration

FloatArray = npt.NDArray[np.float64]

#: Pairs of epochs closer than this (d) enter Stetson's J.
PAIR_DAYS = 0.1
#: Share of epochs called brightest, and faintest, by the asymmetry.
EXTREME = 0.05

#: Extractors of the package light-curve, with their arguments.
EXTRACTORS: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("Amplitude", ()),
    ("AndersonDarlingNormal", ()),
    ("BeyondNStd", (1.0,)),
    ("Cusum", ()),
    ("Duration", ()),
    ("Eta", ()),
    ("EtaE", ()),
    ("ExcessVariance", ()),
    ("InterPercentileRange", (0.25,)),
    ("Kurtosis", ()),
    ("LinearFit", ()),
    ("LinearTrend", ()),
    ("MaximumSlope", ()),
    ("Mean", ()),
    ("MeanVariance", ()),
    ("Median", ()),
    ("MedianAbsoluteDeviation", ()),
    ("ObservationCount", ()),
    ("PercentAmplitude", ()),
    ("ReducedChi2", ()),
    ("Skew", ()),
    ("StandardDeviation", ()),
    ("StetsonK", ()),
    ("WeightedMean", ()),
)
#: What these give, in their order.
NAMES: tuple[str, ...] = (
    "amplitude",
    "anderson_darling_normal",
    "beyond_1_std",
    "cusum",
    "duration",
    "eta",
    "eta_e",
    "excess_variance",
    "inter_percentile_range_25",
    "kurtosis",
    "linear_fit_slope",
    "linear_fit_slope_sigma",
    "linear_fit_reduced_chi2",
    "linear_trend",
    "linear_trend_sigma",
    "linear_trend_noise",
    "maximum_slope",
    "mean",
    "mean_variance",
    "median",
    "median_absolute_deviation",
    "observation_count",
    "percent_amplitude",
    "chi2",
    "skew",
    "standard_deviation",
    "stetson_K",
    "weighted_mean",
)
_UNITS = {"duration": "d"}
OWN = (
    Column("stetson_J", "f8", None, "stat.value", "Stetson's J of pairs within 0.1 d"),
    Column("autocorrelation", "f8", None, "stat.correlation", "Autocorrelation of successive epochs"),
    Column(
        "asymmetry",
        "f8",
        None,
        "stat.value",
        "Mean of the 5 % brightest and faintest from the median, in std",
    ),
    Column("n_positive", "i4", None, "meta.number", "Brightenings found"),
    Column("n_negative", "i4", None, "meta.number", "Dips found"),
    Column("median_mag", "f8", "mag", "phot.mag;stat.median", "Median magnitude"),
)
PERIODS = (
    Column("period", "f8", "d", "src.var;time.period", "Best period, Lomb-Scargle"),
    Column("period_power", "f8", None, "stat.value", "Power of the best period"),
    Column("period_false_alarm", "f8", None, "stat.probability", "False-alarm probability"),
    Column("period_alias", "str", None, "meta.note", "Aliases it may be: day, half, double"),
    Column("box_period", "f8", "d", "src.var;time.period", "Best period of box-shaped dips"),
    Column("box_power", "f8", None, "stat.value", "Power of that period"),
    Column("box_depth", "f8", None, "phot.flux;arith.ratio", "Depth as share of the median flux"),
    Column("box_epoch", "f8", "d", "time.epoch", "Middle of a dip, MJD"),
)
FEATURES = TableDeclaration(
    "features",
    "Numbers that describe a light curve (fluxes in the curve's flux_unit).",
    (
        Column("curve_id", "str", None, "meta.id;meta.main", "Light curve"),
        Column("source", "str", None, "meta.id.parent", "Name in the catalogue"),
        Column("survey", "str", None, "meta.dataset", "Survey"),
        Column("filter", "str", None, "instr.filter", "Filter"),
        Column("simulated", "bool", None, "meta.modelled", "Of an injected light curve"),
        Column("injection_id", "str", None, "meta.id.cross", "Injection"),
        Column("n_used", "i4", None, "meta.number", "Epochs used"),
        Column("weighted", "bool", None, "meta.code", "Whether errors were used"),
        Column("library", "str", None, "meta.version", "Version of light-curve; null without"),
        *OWN,
        *(Column(name, "f8", _UNITS.get(name), "stat.value", f"light-curve: {name}") for name in NAMES),
        *PERIODS,
    ),
)


def prepared(
    time: FloatArray, flux: FloatArray, error: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    """Finite values in order of time, equal times averaged; errors None where not all are positive."""
    use = np.isfinite(time) & np.isfinite(flux)
    time, flux, error = time[use], flux[use], error[use]
    weighted = bool(np.all(np.isfinite(error) & (error > 0))) and len(time) > 0
    order = np.argsort(time, kind="stable")
    time, flux, error = time[order], flux[order], error[order]
    first = np.concatenate(([True], np.diff(time) > 0)) if len(time) else np.zeros(0, bool)
    if not np.all(first):
        group = np.cumsum(first) - 1
        with np.errstate(all="ignore"):  # errors may be too small for their weights
            weight = error**-2 if weighted else np.ones(len(time))
            total = np.bincount(group, weight)
            flux = np.bincount(group, weight * flux) / total
            time, error = time[first], np.asarray(total**-0.5, np.float64)
    return time, flux, error if weighted else None


class Extractor:
    """The package light-curve behind one call; without it (or told never) all its numbers are null."""

    def __init__(self, library: Literal["auto", "never"] = "auto") -> None:
        self.version: str | None = None
        self._extract: Any = None
        if library == "auto" and importlib.util.find_spec("light_curve") is not None:
            import light_curve

            self.version = metadata.version("light-curve")
            extractors = (getattr(light_curve, name)(*arguments) for name, arguments in EXTRACTORS)
            self._extract = light_curve.Extractor(*extractors)
            if tuple(self._extract.names) != NAMES:
                msg = f"light-curve {self.version} names its features otherwise: {self._extract.names}"
                raise RuntimeError(msg)

    def __call__(self, time: FloatArray, flux: FloatArray, error: FloatArray | None) -> FloatArray:
        """The 28 numbers; NaN where undefined."""
        if self._extract is None:
            return np.full(len(NAMES), np.nan)
        found = self._extract(time, flux, error, sorted=True, check=False, fill_value=math.nan)
        return np.asarray(found, np.float64)


def stetson_j(time: FloatArray, flux: FloatArray, error: FloatArray | None) -> float:
    """Stetson's J (1996, PASP 108, 851) of successive epochs within 0.1 d; nan without such a pair."""
    n = len(time)
    if n < 2:
        return float("nan")
    weight = np.ones(n) if error is None else error**-2
    spread = np.full(n, flux.std(ddof=1)) if error is None else error
    if not np.all(spread > 0):
        return float("nan")
    delta = math.sqrt(n / (n - 1)) * (flux - np.average(flux, weights=weight)) / spread
    close = np.diff(time) <= PAIR_DAYS
    product = (delta[1:] * delta[:-1])[close]
    return float(np.mean(np.sign(product) * np.sqrt(np.abs(product)))) if len(product) else float("nan")


def autocorrelation(flux: FloatArray) -> float:
    """Correlation of each epoch with the next; nan for fewer than three or a constant."""
    if len(flux) < 3:
        return float("nan")
    away = flux - flux.mean()
    power = float(away @ away)
    return float(away[1:] @ away[:-1]) / power if power > 0 else float("nan")


def asymmetry(flux: FloatArray) -> float:
    """Mean of the 5 % brightest and 5 % faintest, from the median, in standard deviations."""
    n = len(flux)
    if n < 2 or not flux.std() > 0:
        return float("nan")
    k = max(1, round(EXTREME * n))
    ordered = np.sort(flux)
    both = np.concatenate((ordered[:k], ordered[-k:]))
    return float((both.mean() - np.median(ordered)) / ordered.std())


def numbers_of(time: FloatArray, flux: FloatArray, error: FloatArray, extractor: Extractor) -> dict[str, Any]:
    """All features of plain arrays (unusable epochs already left out)."""
    time, flux, errors = prepared(time, flux, error)
    with np.errstate(all="ignore"):
        library = extractor(time, flux, errors)
        own = {
            "stetson_J": stetson_j(time, flux, errors),
            "autocorrelation": autocorrelation(flux),
            "asymmetry": asymmetry(flux),
        }
    row: dict[str, Any] = {"n_used": len(time), "weighted": errors is not None, "library": extractor.version}
    row |= {name: finite(value) for name, value in own.items()}
    return row | {name: finite(float(value)) for name, value in zip(NAMES, library, strict=True)}


def feature_row(
    searched: Searched,
    extractor: Extractor,
    injection: str | None = None,
    periods: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Row of the table `features`."""
    curve: LightCurve = searched.curve
    usable = curve.usable
    mags = curve.magnitudes[0][usable]
    mags = mags[np.isfinite(mags)]
    row = numbers_of(curve.mjd[usable], curve.flux[usable], curve.flux_err[usable], extractor)
    signs = [event.sign for event in searched.events]
    return row | {
        "curve_id": curve.curve_id,
        "source": curve.source,
        "survey": curve.survey,
        "filter": curve.filter,
        "simulated": injection is not None,
        "injection_id": injection,
        "n_positive": signs.count(1),
        "n_negative": signs.count(-1),
        "median_mag": float(np.median(mags)) if len(mags) else None,
        **(periods or {}),
    }
