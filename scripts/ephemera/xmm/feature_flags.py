"""Flags of a detection: reasons for doubt (and one for trust) that select rows but remove none."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.sky.sphere import separation_arcsec
from ephemera.xmm.bad_observations import MANY_REGIONS
from ephemera.xmm.bayes import thresholds
from ephemera.xmm.feature_events import RawPixelShare
from ephemera.xmm.observation import BoolArray

#: Frame length (s) and counts below which a detection rests on very few photons.
SHORT_FRAME_S = 5.0
FEW_COUNTS = 5
#: Sources brighter than this (ct/s, all cameras) have wings out to this radius (arcsec).
BRIGHT_RATE = 1.0
WING_RADIUS_ARCSEC = 80.0


def flags(
    values: Mapping[str, Any],
    *,
    n_regions: int,
    bad_observations: Collection[str],
    bright_wing: bool | None,
    raw_pixel: RawPixelShare,
) -> dict[str, bool | None]:
    """Flags of one detection from its features and its circumstances.

    `values` needs obsid, t_bin, n_max, B_peak_log_max and B_eclipse_log_max, and may have filt_one_camera;
    `n_regions` is the number of regions in the run; `bad_observations` are obsids to exclude; `bright_wing`
    says whether the detection lies within 80 arcsec of a listed source brighter than 1 ct/s. What was not
    looked at is None: unknown, not good. Hot regions of the detectors are known only from many observations.

    filt_5sig: log10 B_peak or log10 B_eclipse reaches 5 sigma (13.27883, 12.38049).
    filt_tbin_5_n_l_5: frames of 5 s and at most 4 counts in any.
    filt_g_20_detections: the run has more than 20 regions.
    """
    peak, eclipse = thresholds(5.0)
    n_max = _number(values, "n_max")
    return {
        "filt_5sig": _number(values, "B_peak_log_max") >= peak
        or _number(values, "B_eclipse_log_max") >= eclipse,
        "filt_tbin_5_n_l_5": _number(values, "t_bin") == SHORT_FRAME_S and n_max < FEW_COUNTS,
        "filt_g_20_detections": n_regions > MANY_REGIONS,
        "filt_exclude_obsid": values.get("obsid") in bad_observations,
        "filt_hot_region": None,
        "filt_bright_wing": bright_wing,
        "filt_raw_pixel": raw_pixel.suspect,
        "filt_one_camera": values.get("filt_one_camera"),
    }


def _number(values: Mapping[str, Any], name: str) -> float:
    """A feature as a number; NaN, with which no comparison holds, where it is not there."""
    value = values.get(name)
    return math.nan if value is None else float(value)


def in_bright_wing(
    ra: npt.ArrayLike,
    dec: npt.ArrayLike,
    source_ra: npt.ArrayLike,
    source_dec: npt.ArrayLike,
    source_rate: npt.ArrayLike,
) -> BoolArray:
    """Which positions lie within 80 arcsec of a listed source brighter than 1 ct/s.

    `ra`, `dec` (k,) of detections and `source_ra`, `source_dec`, `source_rate` (m,) of the source list, in
    degrees and ct/s; sources of unknown rate (NaN) count as faint. Returns (k,).
    """
    bright = np.asarray(source_rate, np.float64) > BRIGHT_RATE
    from_ra, from_dec = (np.asarray(values, np.float64)[bright] for values in (source_ra, source_dec))
    at_ra, at_dec = (np.asarray(values, np.float64)[:, None] for values in (ra, dec))
    away = separation_arcsec(at_ra, at_dec, from_ra, from_dec)
    return np.asarray((away <= WING_RADIUS_ARCSEC).any(axis=1))
