"""Numbers that describe a light curve: 28 from the package light-curve where it is installed, five of ours.

Every number is finite or null. Epochs are usable ones in order of time; equal times are averaged by
weight; where an error is missing or not positive, the light curve counts as unweighted.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ephemera.survey.light_curve import Photometry
from ephemera.survey.own_features import NUMBERS, Prepared, in_parts, lay_out, own_numbers
from ephemera.survey.parquet_tables import table_of
from ephemera.survey.photometry import mag_of
from ephemera.tables import Column, TableDeclaration

FloatArray = npt.NDArray[np.float64]

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
    Column("median_mag", "f8", "mag", "phot.mag;stat.median", "Magnitude of the median flux"),
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

    def many(self, curves: Sequence[Prepared]) -> FloatArray:
        """The 28 numbers of each light curve (rows); NaN where undefined."""
        found = np.full((len(curves), len(NAMES)), np.nan)
        if self._extract is None:
            return found
        for weighted in (True, False):
            which = [k for k, curve in enumerate(curves) if (curve.error is not None) == weighted]
            # Errors that only fill a place make an unweighted set: the library takes one kind at a time.
            arrays = [
                (c.time, c.flux, c.error) if c.error is not None else (c.time, c.flux)
                for c in (curves[k] for k in which)
            ]
            if weighted and which:
                options = {"sorted": True, "check": False, "fill_value": math.nan}
                found[which] = self._extract.many(arrays, **options, n_jobs=1)  # jobs run side by side
            elif which:
                found[which] = [self._one(*curve) for curve in arrays]
        return found

    def _one(self, *curve: FloatArray) -> FloatArray:
        found = self._extract(*curve, sorted=True, check=False, fill_value=math.nan)
        return np.asarray(found, np.float64)


def number_columns(curves: Sequence[Photometry], extractor: Extractor) -> dict[str, Any]:
    """Columns of the table `features` that come from the epochs: the library's and our own.

    A few light curves at a time go through all of it, while their epochs are in the processor's cache.
    """
    n = len(curves)
    library = np.full((n, len(NAMES)), np.nan)
    own = {name: np.full(n, np.nan) for name in NUMBERS}
    used, weighted = np.zeros(n, np.int32), np.zeros(n, bool)
    for part in in_parts([len(curve.mjd) for curve in curves]):
        epochs = lay_out(curves[part])
        used[part], weighted[part] = epochs.n, epochs.weighted
        library[part] = extractor.many(epochs.curves())
        for name, values in own_numbers(epochs).items():
            own[name][part] = values
    library[~np.isfinite(library)] = np.nan
    return {
        "n_used": used,
        "weighted": weighted,
        "library": pa.array([extractor.version] * n, pa.string()),
        **{name: np.where(np.isfinite(values), values, np.nan) for name, values in own.items()},
        **dict(zip(NAMES, library.T, strict=True)),
    }


def feature_table(
    curves: Sequence[Photometry],
    signs: Sequence[Sequence[int]],
    extractor: Extractor,
    injections: Sequence[str] | None = None,
    periods: Sequence[Mapping[str, Any]] | None = None,
) -> pa.Table:
    """Table `features`, one row a light curve; `signs` are those of the events found in each.

    `injections` names the injection of each light curve where they are injected ones; `periods` are the
    columns of the period search where there was one.
    """
    n = len(curves)
    columns = number_columns(curves, extractor)
    median = columns.pop("median_flux")
    zero_points = np.array([curve.zero_point for curve in curves], np.float64)
    columns["median_mag"] = mag_of(median, np.full(n, np.nan), zero_points)[0]
    columns |= {
        name: [getattr(c, name) for c in curves] for name in ("curve_id", "source", "survey", "filter")
    }
    columns["simulated"] = np.full(n, injections is not None)
    columns["injection_id"] = injections or [None] * n
    columns["n_positive"] = [list(some).count(1) for some in signs]
    columns["n_negative"] = [list(some).count(-1) for some in signs]
    found = periods or [{}] * n
    columns |= {column.name: [row.get(column.name) for row in found] for column in PERIODS}
    return table_of(FEATURES, columns)


def usable_epochs(curve: Photometry) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Time, flux and error of the usable epochs."""
    usable = curve.usable
    return curve.mjd[usable], curve.flux[usable], curve.flux_err[usable]
