"""What features say of an outburst: times, counts, hardness, cameras, flux."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builders.event_lists import header
from builders.light_curves import T0, burst_curve, feature_row, light_curve
from ephemera.xmm.bayes import (
    eclipse_counts,
    peak_counts,
)
from ephemera.xmm.features import REQUIRED, detection_row, feature_values, features
from ephemera.xmm.psf import NOMINAL_PSF
from ephemera.xmm.source_mask import SourceList


def test_times_of_an_outburst():
    found = features(burst_curve())
    assert (found["t_start"] - T0, found["t_stop"] - T0, found["duration"]) == (1000, 1250, 250)
    assert (found["t_peak"] - T0, found["rise"], found["decay"]) == (1125, 125, 125)
    # 5 % of 260 counts is 13 of the first 28, linear in the frame; the last frame mirrors it.
    assert found["T90"] == pytest.approx(250 - 2 * 50 * 13 / 28)
    assert found["rate_peak"] == pytest.approx(88 / 45)


def test_counts_of_an_outburst_are_posterior_quantiles_of_its_frames():
    found = features(burst_curve())
    expected = peak_counts([0.1587, 0.5, 0.8413], 270, 10.0)
    names = ("counts_excess_q16", "counts_excess_q50", "counts_excess_q84")
    assert [found[name] for name in names] == pytest.approx(expected)


def test_an_eclipse_has_a_depth_and_times_too():
    n = np.full(100, 40)
    n[50:60] = 3
    found = features(light_curve(n, 40.0))
    assert found["counts_excess_q50"] == pytest.approx(eclipse_counts(0.5, 30, 400.0))
    assert (found["t_start"] - T0, found["duration"], found["T90"]) == (2500, 500, pytest.approx(450))
    assert found["rate_peak"] == pytest.approx(37 / 45)
    assert found["n_peaks"] == 1


def test_the_most_significant_group_is_described():
    n = np.full(400, 2)
    n[20:22] = 40
    n[300] = 100
    found = features(light_curve(n, 2.0))
    assert found["n_peaks"] == 2
    assert (found["t_start"] - T0, found["duration"], found["T90"]) == (15_000, 50, pytest.approx(45))


def test_frames_between_members_of_a_group_count_for_its_times_only():
    n = np.full(60, 2)
    n[[20, 24]] = 50
    found = features(light_curve(n, 2.0, bccd=[22]))
    assert found["duration"] == 250
    assert found["counts_excess_q50"] == pytest.approx(peak_counts(0.5, 100, 4.0))
    assert 200 < found["T90"] < 250


def test_without_a_significant_frame_the_best_one_is_described():
    n = np.full(60, 2)
    n[30] = 12  # log10 B 5.0: 2.8 sigma, below the level of groups
    found = features(light_curve(n, 2.0))
    assert found["n_peaks"] == 0
    assert (found["t_start"] - T0, found["duration"]) == (1500, 50)
    assert found["counts_excess_q50"] == pytest.approx(peak_counts(0.5, 12, 2.0))


def test_a_curve_as_expected_has_no_outburst():
    found = feature_row(features(light_curve([2] * 30, 2.0)))
    assert found["n_peaks"] == 0
    assert found["t_start"] is None
    assert found["counts_excess_q50"] is None


@given(st.integers(0, 59), st.integers(30, 400), st.sampled_from([5.0, 50.0, 200.0]))
def test_outburst_lies_where_it_was_put(frame, counts, t_bin):
    n = np.full(60, 1)
    n[frame] = counts
    found = features(light_curve(n, 1.0, t_bin=t_bin))
    assert found["t_start"] == pytest.approx(T0 + frame * t_bin)
    assert found["duration"] == pytest.approx(t_bin)
    assert found["T90"] == pytest.approx(0.9 * t_bin)
    assert found["counts_excess_q16"] < counts < found["counts_excess_q84"] + 1


# Bands and cameras


def test_hardness_of_the_excess_with_its_interval():
    n, soft = np.full(60, 4), np.full(60, 3)
    n[30], soft[30] = 44, 13
    found = features(light_curve(n, 4.0, n_soft=soft, n_hard=n - soft))
    share = (59 * 3 + 0.5) / (59 * 4 + 1)
    assert found["fluence_soft"] == pytest.approx(13 - 4 * share)
    assert found["fluence_hard"] == pytest.approx(31 - 4 * (1 - share))
    assert found["hr"] == pytest.approx((found["fluence_hard"] - found["fluence_soft"]) / 40)
    assert -1 < found["hr_low"] < found["hr"] < found["hr_high"] < 1
    assert 0.1 < (found["hr_high"] - found["hr_low"]) / 2 < 0.2


def test_hardness_interval_agrees_with_draws_from_the_posterior():
    n, soft = np.full(60, 2), np.full(60, 1)
    n[30], soft[30] = 20, 6
    found = features(light_curve(n, 2.0, n_soft=soft, n_hard=n - soft))
    rng = np.random.default_rng(4)
    s, h = rng.gamma(7, size=400_000) - 1, rng.gamma(15, size=400_000) - 1
    s, h = (draws[(s > 0) & (h > 0)] for draws in (s, h))
    low, high = np.quantile((h - s) / (h + s), [0.1587, 0.8413])
    assert (found["hr_low"], found["hr_high"]) == pytest.approx((low, high), abs=0.02)


def test_hardness_of_an_outburst_in_one_band_is_at_its_end():
    n = np.full(60, 4)
    n[30] = 60
    soft = np.where(n > 4, 0, 2)
    found = features(light_curve(n, 4.0, n_soft=soft, n_hard=n - soft))
    assert found["hr"] == 1.0
    assert found["hr_low"] < found["hr_high"] <= 1.0


def test_one_camera_that_has_all_of_an_outburst_is_flagged():
    n = np.full(60, 6)
    each = np.full(60, 2)
    n[30] += 50
    only_m1 = each.copy()
    only_m1[30] += 50
    found = features(light_curve(n, 6.0, n_pn=each, n_m1=only_m1, n_m2=each))
    assert found["filt_one_camera"] is True
    assert found["frac_camera_m1"] == pytest.approx(1.0, abs=0.01)
    pn, m = each.copy(), each.copy()
    pn[30] += 30
    m[30] += 10
    shared = features(light_curve(n, 6.0, n_pn=pn, n_m1=m, n_m2=m))
    assert shared["filt_one_camera"] is False
    assert shared["frac_camera_pn"] == pytest.approx(0.6, abs=0.01)


def test_shares_of_two_cameras_when_the_third_took_no_part():
    n = np.full(60, 4)
    each = np.full(60, 2)
    n[30] += 40
    only_m1 = each.copy()
    only_m1[30] += 40
    found = features(light_curve(n, 4.0, n_m1=only_m1, n_m2=each))
    assert found["filt_one_camera"] is True
    assert found["frac_camera_m1"] == pytest.approx(1.0, abs=0.01)
    assert np.isnan(found["frac_camera_pn"])
    alone = features(light_curve(n, 4.0, n_m1=n))
    assert alone["filt_one_camera"] is False


def test_a_burst_of_one_camera_is_flagged_where_the_others_saw_nothing_at_all():
    n, none = np.zeros(60, int), np.zeros(60, int)
    n[[3, 17, 44]], n[30] = 1, 40
    found = features(light_curve(n, 0.1, n_pn=n, n_m1=none, n_m2=none))
    assert found["filt_one_camera"] is True
    assert found["frac_camera_pn"] == 1.0
    n[::2] += 1  # a place where the MOS would have seen something, had it been on
    found = features(light_curve(n, 0.6, n_pn=n, n_m1=none, n_m2=none))
    assert found["filt_one_camera"] is False
    assert np.isnan(found["frac_camera_m1"])


def test_missing_counts_have_no_flux():
    n = np.full(60, 40)
    n[30:33] = 0
    values = feature_values({c: light_curve(n, 40.0)[c].to_numpy() for c in REQUIRED}, t_bin=50.0)
    assert values["rate_peak"] > 0
    region = {
        "ra": 10.0, "dec": 0.05, "type": "both", "area_bbox": 9, "obsid": "0000000001",
        "frac_one_raw_pixel": 0.1, "raw_pixel": "PN_01_001_001", "t_bin": 50.0,
    }  # fmt: skip
    row = detection_row(
        region,
        values,
        header(reference_ra=10.0),
        SourceList.empty(),
        size_arcsec=20.0,
        n_regions=1,
        bad_observations=(),
    )
    assert "flux" not in row


def test_flux_follows_the_listed_sources_and_is_an_option():
    n = np.full(60, 4)
    n[30], n[31] = 44, 24
    values = feature_values({c: light_curve(n, 4.0)[c].to_numpy() for c in REQUIRED}, t_bin=50.0)
    assert values["rate_peak"] == pytest.approx(40 / 45)
    assert values["rate_mean"] == pytest.approx(60 / 90)
    listed = SourceList.empty()
    where = {"ra": 10.0, "dec": 0.05, "extent": 0.0, "off_axis": 3.0, "rate_8": 0.2, "flux_8": 1e-12}
    filled = {f.name: np.array([where.get(f.name, np.nan)]) for f in fields(listed)}
    region = {
        "ra": 10.0, "dec": 0.05, "type": "peak", "area_bbox": 9, "obsid": "0000000001",
        "frac_one_raw_pixel": 0.1, "raw_pixel": "PN_01_001_001", "t_bin": 50.0,
    }  # fmt: skip
    of_list = header(reference_ra=10.0, reference_dec=0.0)
    more = {"size_arcsec": 20.0, "n_regions": 1, "bad_observations": ()}
    row = detection_row(region, values, of_list, replace(listed, **filled), **more)
    assert row["flux_peak"] / row["flux"] == pytest.approx(values["rate_peak"] / values["rate_mean"])
    encircled = NOMINAL_PSF.encircled_energy(np.sqrt(9 / np.pi) * 20)
    assert row["flux"] == pytest.approx(60 / 90 / encircled * 5e-12)
    assert np.isnan(detection_row(region, values, of_list, listed, **more)["flux"])
    assert "flux" not in detection_row(region, values, of_list, listed, **more, flux=False)


def test_bands_and_cameras_that_were_not_made_leave_no_feature():
    nothing = np.full(60, np.nan)
    found = features(burst_curve(n_soft=nothing, n_hard=nothing, n_pn=nothing, n_m1=nothing, n_m2=nothing))
    assert not {"hr", "fluence_soft", "frac_camera_pn", "filt_one_camera"} & found.keys()
    assert feature_row(found)["hr"] is None
