"""Features of one light curve: keys, coverage, statistics, significant frames, awkward curves."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from builders.event_lists import header
from builders.light_curves import burst_curve, feature_row, light_curve, quiet
from ephemera.xmm.bayes import (
    log10_bayes_eclipse,
    log10_bayes_peak,
    sigma_equivalent_eclipse,
    sigma_equivalent_peak,
    thresholds,
)
from ephemera.xmm.connected_regions import find_regions
from ephemera.xmm.detection_columns import DETECTIONS
from ephemera.xmm.features import feature_values, features
from ephemera.xmm.light_curve_files import read_light_curve, write_light_curves
from ephemera.xmm.light_curves import region_light_curves
from ephemera.xmm.region_columns import LIGHT_CURVES
from reference.regions import flat_expectation, make_cells, make_frames, sparse

# Keys and coverage


def test_keys_come_from_columns_then_from_the_region():
    curve = light_curve([1, 2, 3], 2.0)
    region = {"obsid": "0724210501", "subset": 0, "t_bin": 50.0, "e_min": 0.2, "e_max": 12.0}
    found = features(curve, keys=region)
    assert (found["detid"], found["obsid"]) == ("0724210501_0_50_0.2_12.0_x042y068", "0724210501")
    assert (found["subset"], found["t_bin"], found["E_low"], found["E_hi"]) == (0, 50.0, 0.2, 12.0)
    assert features(curve.assign(obsid="0000000001"), keys=region)["obsid"] == "0000000001"
    alone = features(curve)
    assert alone["obsid"] is None
    assert alone["t_bin"] == 50.0


def test_coverage_counts_all_frames():
    found = features(light_curve([1] * 8, 1.0, bti=[1, 2, 3], bccd=[3, 7]))
    assert (found["len"], found["n_bccd"], found["n_bti"]) == (8, 2, 3)
    assert (found["ratio_bccd"], found["ratio_bti"]) == (0.25, 0.375)


def test_masked_frames_enter_no_statistic():
    n = np.array([2, 3, 900, 1, 4])
    whole = features(light_curve(n, 2.0, bccd=[2]))
    assert (whole["n_max"], whole["n_sum"], whole["n_min"]) == (4, 10, 1)
    assert whole["n_std"] == pytest.approx(np.std([2, 3, 1, 4], ddof=1))
    assert whole["mu_sum"] == pytest.approx(8.0)
    assert whole["n_peaks"] == 0
    assert whole["n_max_idx"] == 3  # in the order of the exposed frames


def test_expectation_has_moments_of_its_own():
    mu = np.array([1.0, 2.0, 4.0, 8.0])
    found = features(light_curve([3, 3, 3, 3], mu))
    assert (found["n_mean"], found["n_std"], found["n_skew"], found["n_kurt"]) == (3, 0, 0, 0)
    assert (found["mu_min"], found["mu_max"], found["mu_mean"]) == (1, 8, 3.75)
    assert found["mu_skew"] == pytest.approx(stats.skew(mu))
    assert found["mu_kurt"] == pytest.approx(stats.kurtosis(mu))


# The largest frame


@pytest.mark.parametrize(
    ("n", "bccd", "first", "last", "isolated"),
    [
        ([0, 9, 0, 1], [], False, False, True),
        ([1, 9, 0, 1], [], False, False, False),
        ([9, 0, 0, 0], [], True, False, False),
        ([0, 0, 0, 9], [], False, True, False),
        ([0, 0, 9, 0], [1], False, False, False),
        ([0, 0, 9, 0], [3], False, True, False),
        ([5, 0, 9, 0], [0], False, False, True),
        ([9], [], True, True, False),
    ],
)
def test_the_largest_frame_and_its_neighbours(n, bccd, first, last, isolated):
    found = features(light_curve(n, 1.0, bccd=bccd), keys={"t_bin": 50.0})
    names = ("n_max_first_bin", "n_max_last_bin", "n_max_isolated_flare")
    assert [found[name] for name in names] == [first, last, isolated]


# Agreement with the expectation


def test_chance_agrees_with_the_expectation_and_a_burst_does_not():
    n = np.random.default_rng(8).poisson(0.1, 9000)
    calm = features(light_curve(n, 0.1, t_bin=5.0))
    assert min(calm["ks_pval"], calm["chi2_pval"]) > 1e-3
    n[4000:4005] += 18
    burst = features(light_curve(n, 0.1, t_bin=5.0))
    assert burst["chi2_pval"] < 1e-12
    double = features(light_curve(n, 0.2, t_bin=5.0))
    assert double["ks_pval"] < calm["ks_pval"]


def test_random_part_of_the_test_is_reproducible_but_its_own_for_each_curve():
    curve = light_curve(quiet(), 2.0)
    assert features(curve)["ks_stat"] == features(curve)["ks_stat"]
    assert features(curve)["ks_stat"] != features(curve.assign(detid="another"))["ks_stat"]


# Significant frames


def test_frames_are_counted_by_significance_kind_and_time():
    n = np.full(40, 30)
    n[[3, 10]] = 62  # above 3 sigma (59), below 5 (79)
    n[[20]] = 90
    n[[30]] = 6  # an eclipse at 3 sigma (8)
    n[[31]] = 0  # and one at 5 (0)
    found = features(light_curve(n, 30.0, bti=[10, 31, 39]))
    names = [
        f"n_{s}_sig_{k}_bins{w}" for s in (3, 5) for k in ("peak", "eclipse") for w in ("", "_bti", "_gti")
    ]
    assert [found[name] for name in names] == [3, 1, 2, 2, 1, 1, 1, 0, 1, 1, 1, 0]
    assert found["B_peak_log_max"] == log10_bayes_peak(90, 30)
    assert found["B_eclipse_log_max"] == log10_bayes_eclipse(0, 30)
    assert found["sigma_max_B_peak"] == sigma_equivalent_peak(log10_bayes_peak(90, 30))
    assert found["sigma_max_B_eclipse"] == sigma_equivalent_eclipse(log10_bayes_eclipse(0, 30))


@pytest.mark.parametrize("t_bin", [0.5, 5.0, 50.0, 200.0, 300.0])
def test_groups_of_peaks_need_a_gap_in_seconds_whatever_the_frame(t_bin):
    size = 4 + math.ceil(12_000 / t_bin)
    n = np.zeros(size, int)
    n[1] = 60
    apart = int(5000 // t_bin)
    n[1 + apart] = 60
    assert features(light_curve(n, 1.0, t_bin=t_bin))["n_peaks"] == 1
    n[1 + apart], n[2 + apart] = 0, 60
    assert features(light_curve(n, 1.0, t_bin=t_bin))["n_peaks"] == 2
    assert features(light_curve(n, 1.0, t_bin=t_bin), min_gap=1e5)["n_peaks"] == 1


def test_local_maxima_of_the_curve_are_counted():
    n = np.full(30, 1)
    n[[5, 6, 10, 29]] = [40, 40, 50, 70]
    found = features(light_curve(n, 1.0))
    assert (found["num_B_peak_above_6_4"], found["num_B_eclipse_above_5_5"]) == (2, 0)


# High start or end


def test_high_start_and_end_stand_out():
    n = np.full(400, 3)
    flat = features(light_curve(n, 3.0))
    assert max(flat["edge_excess_start"], flat["edge_excess_end"]) < 0.1
    n[-8:] = 12
    high = features(light_curve(n, 3.0))
    assert high["edge_excess_end"] == sigma_equivalent_peak(log10_bayes_peak(96, 24))
    assert high["edge_excess_start"] < 0.1


def test_edges_are_at_least_three_frames_and_count_exposed_ones():
    found = features(light_curve([9, 9, 9, 9, 0, 0], 1.0, bccd=[0]))
    assert found["edge_excess_start"] == sigma_equivalent_peak(log10_bayes_peak(27, 3))
    short = features(light_curve([9, 8], 1.0))
    assert (
        short["edge_excess_start"]
        == short["edge_excess_end"]
        == sigma_equivalent_peak(log10_bayes_peak(17, 2))
    )


# Awkward curves


def test_a_curve_without_exposed_frames_has_coverage_only():
    found = feature_row(features(light_curve([1, 2, 3], 2.0, bccd=[0, 1, 2])))
    assert (found["len"], found["n_bccd"], found["n_sum"]) == (3, 3, 0)
    assert found["n_max"] is None
    assert found["ks_stat"] is None


def test_an_empty_curve_needs_its_frame_length():
    empty = light_curve(np.zeros(0, int), 1.0)
    with pytest.raises(ValueError, match="t_bin must be a positive number of seconds, got None"):
        features(empty)
    found = features(empty, keys={"t_bin": 5.0, "detid": "d"})
    assert (found["len"], found["detid"]) == (0, "d")
    assert math.isnan(found["ratio_bti"])


def test_all_counts_zero_and_two_million_counts():
    zero = features(light_curve(np.zeros(50, int), 1e-6))
    assert (zero["n_max"], zero["n_skew"], zero["n_peaks"]) == (0, 0.0, 0)
    assert math.isnan(zero["chi2_pval"])
    n = np.full(50, 1_000_000)
    n[20] = 2_000_000
    bright = features(light_curve(n, 1_000_000.0))
    assert bright["duration"] == 50
    assert bright["chi2_pval"] == 0.0
    assert math.isfinite(bright["sigma_max_B_peak"])


@given(st.lists(st.tuples(st.integers(0, 40), st.floats(1e-6, 40), st.booleans()), min_size=2, max_size=40))
def test_any_curve_gives_declared_features_of_the_declared_kinds(frames):
    n, mu, off = zip(*frames, strict=True)
    curve = light_curve(np.array(n), np.array(mu), bccd=np.flatnonzero(off))
    table = DETECTIONS.arrow([feature_row(features(curve))])
    assert table.num_rows == 1
    assert table["len"][0].as_py() == len(frames)
    exposed = np.array(n)[~np.array(off)]
    assert table["n_sum"][0].as_py() == exposed.sum()


def test_frames_before_and_after_do_not_matter_for_masked_rows():
    n = quiet()
    n[40] = 40
    inner = features(light_curve(n, 2.0))
    padded = light_curve(np.concatenate([n, [99, 98]]), 2.0, bccd=[200, 201])
    outer = features(padded)
    changed = {name for name in inner if inner[name] != outer[name]}
    assert changed == {"len", "n_bccd", "ratio_bccd"}


def test_the_curve_is_not_changed():
    curve = burst_curve(bccd=[3])
    before = curve.copy(deep=True)
    features(curve)
    pd.testing.assert_frame_equal(curve, before)


def test_arrays_and_data_frames_give_the_same():
    curve = burst_curve()
    columns = {name: curve[name].to_numpy() for name in curve.columns}
    arrays = feature_values(columns, detid=str(curve["detid"].iloc[0]))
    assert {name: features(curve)[name] for name in arrays} == arrays


def test_stored_light_curves_give_the_same():
    curve = burst_curve(bccd=[7])
    missing = dict.fromkeys(("n_pn", "n_m1", "n_m2", "n_soft", "n_hard"), [None] * len(curve))
    stored = LIGHT_CURVES.arrow({name: curve[name] for name in curve.columns} | missing)
    assert features(stored.to_pandas()) == features(curve)


def test_light_curves_of_a_search_have_features(tmp_path):
    frames = make_frames(400, bccd=[7], bti=[200])
    dense = np.random.default_rng(5).poisson(0.1, (400, 10, 10))
    dense[100:103, 5, 5] += 15
    cube = sparse(dense, frames)
    regions = find_regions(make_cells([(5, 5, 101, 0)]), cube, "0724210501", 0)
    run = region_light_curves(cube, flat_expectation(frames), regions, header=header(), soft=cube)
    write_light_curves(tmp_path / "lc.parquet", [run])
    ((detid, columns),) = run.curves()
    found = feature_row(features(read_light_curve(tmp_path / "lc.parquet", detid).to_pandas()))
    assert (found["detid"], found["len"], found["n_bccd"], found["n_peaks"]) == (detid, 400, 1, 1)
    assert (found["t_start"], found["duration"]) == (frames.t0 + 500, 15)
    assert found["counts_excess_q16"] < 45 < found["counts_excess_q84"]
    assert feature_values(columns, detid=detid, t_bin=5.0)["ks_stat"] == found["ks_stat"]


def test_complaints_name_the_column():
    curve = burst_curve()
    with pytest.raises(ValueError, match="missing: exposure, mu"):
        features(curve.drop(columns=["mu", "exposure"]))
    with pytest.raises(ValueError, match="mu must be given in every exposed frame, missing in 2 of them"):
        features(curve.assign(mu=curve["mu"].where(curve.index > 1)))
    with pytest.raises(ValueError, match="min_gap must be a time >= 0 in s, got -1"):
        features(curve, min_gap=-1)
    with pytest.raises(ValueError, match="t_bin must be a positive number of seconds, got 0"):
        features(curve, keys={"t_bin": 0.0})
    columns = {name: curve[name].to_numpy() for name in curve.columns}
    with pytest.raises(ValueError, match="must have one length"):
        feature_values(columns | {"n": np.zeros(3)})


@pytest.mark.real_data
def test_the_flares_of_a_real_background_curve_are_its_outburst(shared_data):
    from astropy.io import fits

    with fits.open(shared_data / "xmm" / "exod1_0124710801" / "PN_rate.fits") as file:
        table = file[1].data
        n = np.round(np.asarray(table["RATE"], float) * 100).astype(int)
        start = np.asarray(table["TIME"], float) - 50.0
    curve = light_curve(n, float(np.median(n)), t_bin=100.0).assign(time=start)
    found = features(curve)
    assert found["len"] == 238
    # The known flares (rate above 0.5 ct/s) lie in the frames 201 to 228, 92890829 to 92893629 s.
    assert found["t_peak"] == pytest.approx(start[202] + 50)
    assert found["t_start"] <= 92890829.26
    assert found["t_stop"] >= 92893629.26
    peak = thresholds(5.0)[0]
    assert found["n_5_sig_peak_bins"] == np.count_nonzero(curve["B_peak_log"] >= peak) > 20
    assert found["chi2_pval"] < 1e-100
    assert found["ks_pval"] < 1e-3
