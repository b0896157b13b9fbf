"""Columns of what the features say of a detection."""

from __future__ import annotations

from ephemera.tables import Column

_COUNTS = "phot.count;em.X-ray"
_EXPECTED = "phot.count;em.X-ray;stat.mean"
_FLAG = "meta.code.qual"
_NUMBER = "meta.number"

_COVERAGE = (
    Column("len", "i4", None, _NUMBER, "Frames of the light curve"),
    Column("n_bccd", "i4", None, _NUMBER, "Frames masked: not or only partly exposed"),
    Column("n_bti", "i4", None, _NUMBER, "Frames of flaring background"),
    Column("ratio_bccd", "f8", None, "stat.value", "n_bccd / len"),
    Column("ratio_bti", "f8", None, "stat.value", "n_bti / len"),
)

_COUNT_STATISTICS = (
    Column("n_min", "i8", "count", f"{_COUNTS};stat.min", "Least counts of an exposed frame"),
    Column("n_max", "i8", "count", f"{_COUNTS};stat.max", "Most counts of an exposed frame"),
    Column("n_mean", "f8", "count", f"{_COUNTS};stat.mean", "Mean counts of the exposed frames"),
    Column("n_std", "f8", "count", f"{_COUNTS};stat.stdev", "Sample standard deviation of the counts"),
    Column("n_sum", "i8", "count", _COUNTS, "Counts of all exposed frames"),
    Column("n_skew", "f8", None, "stat.value", "Skewness of the counts"),
    Column("n_kurt", "f8", None, "stat.value", "Excess kurtosis of the counts"),
    Column("mu_min", "f8", "count", f"{_COUNTS};stat.min", "Least expected counts of an exposed frame"),
    Column("mu_max", "f8", "count", f"{_COUNTS};stat.max", "Most expected counts of an exposed frame"),
    Column("mu_mean", "f8", "count", _EXPECTED, "Mean expected counts of the exposed frames"),
    Column("mu_std", "f8", "count", f"{_COUNTS};stat.stdev", "Sample standard deviation of the expectation"),
    Column("mu_sum", "f8", "count", _EXPECTED, "Expected counts of all exposed frames"),
    Column("mu_skew", "f8", None, "stat.value", "Skewness of the expectation"),
    Column("mu_kurt", "f8", None, "stat.value", "Excess kurtosis of the expectation"),
    Column("n_max_idx", "i4", None, _NUMBER, "First exposed frame with the most counts, from 0"),
    Column("n_max_first_bin", "bool", None, _FLAG, "Most counts in the first exposed frame"),
    Column("n_max_last_bin", "bool", None, _FLAG, "Most counts in the last exposed frame"),
    Column(
        "n_max_isolated_flare", "bool", None, _FLAG, "Both frames beside the maximum are exposed and empty"
    ),
)

_TESTS = (
    Column(
        "ks_stat", "f8", None, "stat.fit.goodness", "Kolmogorov-Smirnov distance of counts and expectation"
    ),
    Column("ks_pval", "f8", None, "stat.probability", "Chance probability of ks_stat"),
    Column(
        "chi2_pval", "f8", None, "stat.probability", "Chance probability of chi-square, groups of 5 counts"
    ),
    Column("B_peak_log_max", "f8", None, "stat.likelihood;stat.max", "Largest log10 Bayes factor of a peak"),
    Column(
        "B_eclipse_log_max",
        "f8",
        None,
        "stat.likelihood;stat.max",
        "Largest log10 Bayes factor of an eclipse",
    ),
    Column("sigma_max_B_peak", "f8", None, "stat.snr", "B_peak_log_max in sigma"),
    Column("sigma_max_B_eclipse", "f8", None, "stat.snr", "B_eclipse_log_max in sigma"),
    *(
        Column(
            f"n_{sigma}_sig_{kind}_bins{suffix}",
            "i4",
            None,
            _NUMBER,
            f"Frames with {a} {kind} of {sigma} sigma{where}",
        )
        for sigma in (3, 5)
        for kind, a in (("peak", "a"), ("eclipse", "an"))
        for suffix, where in (("", ""), ("_bti", ", in bad time"), ("_gti", ", in good time"))
    ),
    Column("num_B_peak_above_6_4", "i4", None, _NUMBER, "Local maxima of log10 B_peak above 6.4"),
    Column("num_B_eclipse_above_5_5", "i4", None, _NUMBER, "Local maxima of log10 B_eclipse above 5.5"),
    Column("n_peaks", "i4", None, _NUMBER, "Groups of significant frames"),
    Column(
        "edge_excess_start", "f8", None, "stat.snr", "Excess of the first 2 % of the exposed frames, in sigma"
    ),
    Column(
        "edge_excess_end", "f8", None, "stat.snr", "Excess of the last 2 % of the exposed frames, in sigma"
    ),
)

_OUTBURST = (
    Column("t_start", "f8", "s", "time.start", "Start of the most significant group, TT since MJDREF"),
    Column("t_stop", "f8", "s", "time.end", "End of the most significant group, TT since MJDREF"),
    Column("duration", "f8", "s", "time.duration", "t_stop - t_start"),
    Column("t_peak", "f8", "s", "time.epoch", "Middle of the most significant frame, TT since MJDREF"),
    Column(
        "T90", "f8", "s", "time.duration", "From 5 % to 95 % of the excess (or missing) counts of the group"
    ),
    Column("rise", "f8", "s", "time.duration", "t_peak - t_start"),
    Column("decay", "f8", "s", "time.duration", "t_stop - t_peak"),
    Column(
        "counts_excess_q16",
        "f8",
        "count",
        _COUNTS,
        "Counts in excess, or missing in an eclipse; 15.87 % quantile",
    ),
    Column("counts_excess_q50", "f8", "count", _COUNTS, "The same, median"),
    Column("counts_excess_q84", "f8", "count", _COUNTS, "The same, 84.13 % quantile"),
    Column(
        "rate_peak", "f8", "count/s", "arith.rate;phot.count;em.X-ray", "Rate in excess (missing) at t_peak"
    ),
    Column(
        "fluence_soft", "f8", "count", "phot.count;em.X-ray.soft", "Counts in excess (missing), soft band"
    ),
    Column(
        "fluence_hard", "f8", "count", "phot.count;em.X-ray.hard", "Counts in excess (missing), hard band"
    ),
    Column("hr", "f8", None, "phot.color;em.X-ray", "Hardness (H - S) / (H + S) of the excess"),
    Column("hr_low", "f8", None, "phot.color;em.X-ray;stat.min", "15.87 % quantile of the hardness"),
    Column("hr_high", "f8", None, "phot.color;em.X-ray;stat.max", "84.13 % quantile of the hardness"),
    Column(
        "rate_mean",
        "f8",
        "count/s",
        "arith.rate;phot.count;em.X-ray;stat.mean",
        "Rate in excess (missing) over the significant frames of the group",
    ),
    Column(
        "flux",
        "f8",
        "erg.cm**-2.s**-1",
        "phot.flux;em.X-ray;stat.mean",
        "rate_mean / encircled energy of the region x median EP_8_FLUX / EP_8_RATE (0.2-12 keV) of listed "
        "point sources within 20 % of its off-axis angle; null without a source list",
    ),
    Column(
        "flux_peak",
        "f8",
        "erg.cm**-2.s**-1",
        "phot.flux;em.X-ray;stat.max",
        "The same from rate_peak",
    ),
    Column("frac_camera_pn", "f8", None, "stat.value", "Share of EPIC-pn in the excess"),
    Column("frac_camera_m1", "f8", None, "stat.value", "Share of MOS1 in the excess"),
    Column("frac_camera_m2", "f8", None, "stat.value", "Share of MOS2 in the excess"),
    Column(
        "one_camera_pval",
        "f8",
        None,
        "stat.probability",
        "Chance probability of the brightest camera's counts",
    ),
)

_FLAGS = (
    Column("filt_5sig", "bool", None, _FLAG, "Peak or eclipse of 5 sigma"),
    Column("filt_tbin_5_n_l_5", "bool", None, _FLAG, "Frames of 5 s and fewer than 5 counts in any"),
    Column("filt_g_20_detections", "bool", None, _FLAG, "The run has more than 20 regions"),
    Column("filt_exclude_obsid", "bool", None, _FLAG, "The observation is in the list of bad observations"),
    Column("filt_hot_region", "bool", None, _FLAG, "In a hot region of the detector; null if not known"),
    Column("filt_bright_wing", "bool", None, _FLAG, "Near a bright listed source; null if not known"),
    Column("filt_raw_pixel", "bool", None, _FLAG, "More than half of the events in one raw pixel"),
    Column(
        "filt_one_camera", "bool", None, _FLAG, "All of the excess in one camera though others were exposed"
    ),
)

FEATURE_COLUMNS: tuple[Column, ...] = (*_COVERAGE, *_COUNT_STATISTICS, *_TESTS, *_OUTBURST, *_FLAGS)
