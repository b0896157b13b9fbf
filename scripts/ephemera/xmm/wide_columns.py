"""Columns of the table of wide features: one row per detection, see `wide_statistics`."""

from __future__ import annotations

from ephemera.tables import Column, TableDeclaration
from ephemera.xmm.wide_statistics import LAGS, WINDOWS

_TEXTS: dict[str, str] = {
    "r_mean": "Mean deviation (n - mu) / sqrt(mu) of the exposed frames",
    "r_std": "Standard deviation of the deviations",
    "r_skew": "Skewness of the deviations",
    "r_kurt": "Excess kurtosis of the deviations",
    "r_median": "Median deviation",
    "r_mad": "Median absolute departure from the median deviation",
    "r_amplitude": "Half the distance of the 5 % and 95 % quantiles of the deviations",
    "r_iqr_to_range": "Distance of the quartiles over that of the 5 % and 95 % quantiles",
    "beyond_1": "Share of frames with a deviation beyond 1",
    "beyond_2": "Share of frames with a deviation beyond 2",
    "beyond_3": "Share of frames with a deviation beyond 3",
    "stetson_k": "Stetson's K of the deviations: 0.80 for a Gaussian",
    "anderson_darling": "Anderson-Darling A2 of counts against the expectation",
    "zero_excess": "Frames without counts beyond those expected, in sigma",
    "excess_variance": "Variance of the rate beyond counting noise, over its squared mean",
    "excess_variance_err": "Error of excess_variance",
    "fano": "Variance over mean of the counts",
    "eta": "Von Neumann's ratio: 2 for deviations without order",
    "runs_z": "Runs above and below the expectation beyond those by chance, in sigma",
    "longest_above": "Longest run of frames above the expectation",
    "longest_below": "Longest run of frames below the expectation",
    "cusum_range": "Range of the cumulative sum of n - mu over sqrt(sum mu)",
    "correlation_length": "First lag at which the autocorrelation is below 1/e, frames",
    "slope_sigma": "Linear trend of the deviations, in sigma",
    "curvature_sigma": "Quadratic trend of the deviations, in sigma",
    "halves_sigma": "Second half against the first, in sigma",
    "best_window": "Window of the most significant excess, frames",
    "power_max": "Largest normalised power of the deviations",
    "power_period": "Its period, frames",
    "power_log10_chance": "log10 of its chance probability",
    "power_slope": "Slope of log power against log frequency",
    "gini": "Gini coefficient of the excess over frames",
    "entropy": "Entropy of the excess over frames, 1 when even",
    "half_share": "Share of the frames that hold half of the excess",
    "largest_share": "Share of the excess in its largest frame",
    "second_to_first": "Second largest excess over the largest",
    "peak_place": "Place of the largest deviation, 0 first to 1 last frame",
    "peak_r": "Largest deviation",
    "peak_beside": "Mean deviation of the frames beside it",
    "peak_asymmetry": "Excess after minus before it, over their sum, 10 frames each",
    "dip_r": "Smallest deviation",
    "r_mu_correlation": "Correlation of deviations and expectation",
    "r_exposure_correlation": "Correlation of deviations and exposure",
    "r_bti_difference": "Mean deviation in bad time minus that in good time",
    "r_edge_difference": "Mean deviation of the first and last 2 % minus that of the rest",
}
_TEXTS |= {f"autocorrelation_{lag}": f"Autocorrelation of the deviations at lag {lag}" for lag in LAGS}
_TEXTS |= {f"structure_{lag}": f"Mean squared difference of deviations at lag {lag}" for lag in LAGS}
_TEXTS |= {f"sigma_peak_{w}": f"Most significant excess of {w} frames in sequence, in sigma" for w in WINDOWS}
_TEXTS |= {
    f"sigma_eclipse_{w}": f"Most significant deficit of {w} frames in sequence, in sigma" for w in WINDOWS
}

#: Names of all wide features, in order.
WIDE_NAMES: tuple[str, ...] = tuple(_TEXTS)

WIDE_FEATURES = TableDeclaration(
    "wide_features",
    "Numbers that describe the shape of the light curve of each detection, for classification.",
    (
        Column("detid", "str", None, "meta.id;meta.main", "Detection: run and pixel of the best cell"),
        *(Column(name, "f8", None, "stat.value", text) for name, text in _TEXTS.items()),
    ),
)
