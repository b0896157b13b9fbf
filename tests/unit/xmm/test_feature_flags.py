from __future__ import annotations

import math

import numpy as np
import pytest

from ephemera.xmm import feature_flags
from ephemera.xmm.bayes import thresholds
from ephemera.xmm.detection_columns import DETECTIONS
from ephemera.xmm.feature_events import RawPixelShare
from ephemera.xmm.feature_flags import in_bright_wing

QUIET = {"obsid": "0724210501", "t_bin": 5.0, "n_max": 5, "B_peak_log_max": 7.0, "B_eclipse_log_max": 1.0}


FINE = RawPixelShare(0.1, "PN_04_047_084")


def flags(values, *, n_regions, bad_observations=(), bright_wing=None, raw_pixel=FINE):
    return feature_flags.flags(
        values,
        n_regions=n_regions,
        bad_observations=bad_observations,
        bright_wing=bright_wing,
        raw_pixel=raw_pixel,
    )


def test_a_plain_detection_has_no_flag_and_what_was_not_looked_at_is_unknown():
    found = flags(QUIET, n_regions=20)
    unknown = {"filt_hot_region", "filt_bright_wing", "filt_one_camera"}
    assert {name for name, value in found.items() if value is None} == unknown
    assert not any(found.values())
    assert set(found) <= set(DETECTIONS.names)


@pytest.mark.parametrize("name", ["B_peak_log_max", "B_eclipse_log_max"])
def test_five_sigma_is_reached_at_the_threshold(name):
    threshold = thresholds(5.0)[name == "B_eclipse_log_max"]
    assert threshold == pytest.approx(13.27883 if name == "B_peak_log_max" else 12.38049, abs=1e-5)
    assert flags(QUIET | {name: threshold}, n_regions=1)["filt_5sig"]
    assert not flags(QUIET | {name: np.nextafter(threshold, 0)}, n_regions=1)["filt_5sig"]


@pytest.mark.parametrize(
    ("t_bin", "n_max", "flag"), [(5.0, 4, True), (5.0, 5, False), (50.0, 4, False), (5, 0, True)]
)
def test_short_frames_with_few_counts(t_bin, n_max, flag):
    assert flags(QUIET | {"t_bin": t_bin, "n_max": n_max}, n_regions=1)["filt_tbin_5_n_l_5"] is flag


def test_crowded_runs_and_bad_observations():
    assert flags(QUIET, n_regions=21)["filt_g_20_detections"]
    assert flags(QUIET, n_regions=1, bad_observations={"0724210501": "why"})["filt_exclude_obsid"]
    assert not flags(QUIET, n_regions=1, bad_observations=["724210501"])["filt_exclude_obsid"]


def test_what_others_found_is_passed_on():
    found = flags(
        QUIET | {"filt_one_camera": True},
        n_regions=1,
        bright_wing=False,
        raw_pixel=RawPixelShare(0.6, "PN_04_047_084"),
    )
    names = ("filt_bright_wing", "filt_raw_pixel", "filt_one_camera")
    assert [found[name] for name in names] == [False, True, True]


def test_missing_features_raise_no_flag():
    found = flags({"t_bin": 5.0, "n_max": None, "B_peak_log_max": math.nan}, n_regions=0)
    assert not any(found.values())


def test_the_wing_of_a_bright_source_ends_at_eighty_arcsec():
    near, far = 79.9 / 3600, 80.1 / 3600
    found = in_bright_wing([10.0, 10.0, 190.0], [near, far, 0.0], [10.0], [0.0], [1.5])
    assert found.tolist() == [True, False, False]
    assert not in_bright_wing([10.0], [0.0], [10.0, 10.0], [0.0, 0.0], [1.0, math.nan]).any()
    assert in_bright_wing([359.99], [89.999], [180.0], [89.995], [2.0]).all()
    assert in_bright_wing([359.999], [0.0], [0.001], [0.0], [2.0]).all()
    assert in_bright_wing([1.0, 2.0], [0.0, 0.0], [], [], []).tolist() == [False, False]
