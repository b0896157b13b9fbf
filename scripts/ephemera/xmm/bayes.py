"""Bayes factors of peaks and eclipses, their thresholds, and what follows from them.

factors     log10 B_peak and log10 B_eclipse of n counts where mu are expected
limits      which n are peaks and eclipses at a given mu and sigma, exactly and fast
sigma       a Bayes factor as an equivalent number of sigma
counts      how many counts a peak has in excess or an eclipse lacks
"""

from __future__ import annotations

from ephemera.xmm.bayes_counts import REPORTED_QUANTILES, eclipse_counts, peak_counts
from ephemera.xmm.bayes_factors import (
    log10_bayes_eclipse,
    log10_bayes_factors,
    log10_bayes_peak,
    negative_log_pmf,
)
from ephemera.xmm.bayes_limits import (
    ANCHOR_MU,
    NO_ECLIPSE,
    NO_PEAK,
    Limits,
    eclipse_limit,
    expected_false_alarms,
    limits,
    peak_limit,
    thresholds,
    two_poisson_counts,
)
from ephemera.xmm.bayes_sigma import (
    LARGEST_ECLIPSE_SIGMA,
    sigma_equivalent_eclipse,
    sigma_equivalent_peak,
)

__all__ = [
    "ANCHOR_MU",
    "LARGEST_ECLIPSE_SIGMA",
    "NO_ECLIPSE",
    "NO_PEAK",
    "REPORTED_QUANTILES",
    "Limits",
    "eclipse_counts",
    "eclipse_limit",
    "expected_false_alarms",
    "limits",
    "log10_bayes_eclipse",
    "log10_bayes_factors",
    "log10_bayes_peak",
    "negative_log_pmf",
    "peak_counts",
    "peak_limit",
    "sigma_equivalent_eclipse",
    "sigma_equivalent_peak",
    "thresholds",
    "two_poisson_counts",
]
