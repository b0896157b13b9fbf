"""Flags of a detection: reasons for doubt (and one for trust) that select rows but remove none."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ephemera.xmm.bad_observations import MANY_REGIONS
from ephemera.xmm.bayes import thresholds
from ephemera.xmm.feature_events import CameraShares, RawPixelShare
from ephemera.xmm.observation import BoolArray, FloatArray

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
    bad_observations: Collection[str] = (),
    hot_region: bool | None = None,
    bright_wing: bool | None = None,
    raw_pixel: RawPixelShare | None = None,
    cameras: CameraShares | None = None,
) -> dict[str, bool | None]:
    """Flags of one detection from its features and its circumstances.

    `values` needs obsid, t_bin, n_max, B_peak_log_max and B_eclipse_log_max; `n_regions` is the number of
    regions in the run; `bad_observations` are obsids to exclude; `hot_region` and `bright_wing` say
    whether the detection lies in a hot detector region, or within 80 arcsec of a listed source brighter
    than 1 ct/s. What was not looked at is None: unknown, not good.

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
        "filt_hot_region": hot_region,
        "filt_bright_wing": bright_wing,
        "filt_raw_pixel": raw_pixel.suspect if raw_pixel is not None else None,
        "filt_one_camera": cameras.one_camera if cameras is not None else values.get("filt_one_camera"),
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
    sources = _directions(np.asarray(source_ra)[bright], np.asarray(source_dec)[bright])
    chord = np.linalg.norm(_directions(ra, dec)[:, None] - sources, axis=-1)
    limit = 2.0 * math.sin(0.5 * math.radians(WING_RADIUS_ARCSEC / 3600.0))
    return np.asarray((chord <= limit).any(axis=1))


def _directions(ra: npt.ArrayLike, dec: npt.ArrayLike) -> FloatArray:
    """Unit vectors (k, 3) of positions in degrees."""
    a, d = np.radians(np.asarray(ra, np.float64)), np.radians(np.asarray(dec, np.float64))
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=-1)
