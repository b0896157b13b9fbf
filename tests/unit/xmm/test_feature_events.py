from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from ephemera.xmm.feature_events import camera_shares, energy_per_count, peak_flux, raw_pixel_share, witnesses


def events(*rows):
    camera, ccd, rawx, rawy = np.array(rows).T
    return camera.astype(np.uint8), ccd.astype(np.uint8), rawx.astype(np.uint16), rawy.astype(np.uint16)


def test_a_hot_raw_pixel_is_named_and_flagged():
    share = raw_pixel_share(*events(*[(0, 4, 47, 84)] * 6, (0, 4, 48, 84), (1, 4, 47, 84), (0, 5, 47, 84)))
    assert share.fraction == pytest.approx(6 / 9)
    assert share.raw_pixel == "PN_04_047_084"
    assert share.suspect


def test_half_of_the_events_is_not_more_than_half():
    share = raw_pixel_share(*events((2, 1, 600, 600), (2, 1, 600, 599)))
    assert (share.fraction, share.raw_pixel, share.suspect) == (0.5, "M2_01_600_599", False)


def test_no_events_have_no_raw_pixel():
    share = raw_pixel_share(*(np.empty(0, np.uint8) for _ in range(4)))
    assert math.isnan(share.fraction)
    assert share.raw_pixel is None
    assert not share.suspect


@given(st.lists(st.tuples(*(st.integers(0, 2) for _ in range(4))), min_size=1, max_size=40), st.randoms())
def test_raw_pixel_share_is_the_largest_and_needs_no_order(rows, random):
    most = max(rows.count(row) for row in rows)
    share = raw_pixel_share(*events(*rows))
    assert share.fraction == pytest.approx(most / len(rows))
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert raw_pixel_share(*events(*shuffled)) == share


def test_event_columns_must_have_one_length():
    with pytest.raises(ValueError, match="camera, ccd, rawx and rawy must have one length"):
        raw_pixel_share(np.zeros(2, int), np.zeros(2, int), np.zeros(2, int), np.zeros(3, int))


def test_a_burst_in_all_cameras_is_shared_by_area():
    shares = camera_shares([62, 21, 22], [2.0, 1.0, 2.0], [True] * 3)
    assert shares.fraction.tolist() == pytest.approx([0.6, 0.2, 0.2])
    assert shares.p_value > 0.1
    assert not shares.one_camera


def test_counts_in_one_camera_only_are_flagged_when_chance_cannot_do_it():
    shares = camera_shares([50, 1, 0], [0.5, 0.4, 0.4], [True] * 3)
    assert shares.fraction[0] > 0.95
    excess = 49.5 + 0.6
    share = (0.5 + 0.6 * excess) / (1.3 + excess)
    assert shares.p_value == pytest.approx(stats.binom.sf(49, 51, share), rel=1e-9)
    assert shares.one_camera


def test_few_counts_in_the_largest_camera_may_be_chance():
    assert not camera_shares([8, 0, 0], [0.1, 0.1, 0.1], [True] * 3).one_camera
    assert camera_shares([0, 8, 0], [0.1, 0.1, 0.1], [True] * 3).one_camera


def test_a_camera_that_was_off_is_no_witness():
    shares = camera_shares([50, 0, 0], [1.0, 0.0, 0.0], [True, False, False])
    assert shares.fraction[0] == 1.0
    assert np.isnan(shares.fraction[1:]).all()
    assert math.isnan(shares.p_value)
    assert not shares.one_camera


def test_a_camera_without_a_count_is_a_witness_unless_that_would_be_a_wonder():
    all_three, burst = np.ones(3, bool), np.array([30.0, 0.0, 0.0])
    # The quiet pn counts lead to 8 and 10 thirds of a count in a MOS: 7 % and 3.6 % for none.
    assert witnesses(all_three, burst, np.array([7.9, 0.0, 0.0])).all()
    assert witnesses(all_three, burst, np.array([10.0, 0.0, 0.0])).tolist() == [True, False, False]
    assert witnesses(all_three, burst, np.zeros(3)).all()
    assert witnesses(np.array([True, True, False]), burst, np.zeros(3)).tolist() == [True, True, False]
    assert witnesses(all_three, np.array([30.0, 1.0, 0.0]), np.array([90.0, 0.0, 0.0])).tolist() == [
        True, True, False,
    ]  # fmt: skip
    assert not witnesses(np.zeros(3, bool), np.zeros(3), np.zeros(3)).any()


def test_without_excess_there_is_nothing_to_share():
    shares = camera_shares([1, 0, 0], [2.0, 1.0, 1.0], [True] * 3)
    assert np.isnan(shares.fraction).all()
    assert not shares.one_camera


def test_camera_values_come_in_threes():
    with pytest.raises(ValueError, match="one value for each of 3 cameras"):
        camera_shares([1, 2], [0.1, 0.1], [True, True])


def test_flux_per_count_is_the_median_of_point_sources_at_a_similar_angle():
    flux = np.array([2e-12, 4e-12, 9e-12, 1e-9, 1e-9, 1e-9])
    rate = np.array([1.0, 1.0, 1.0, 1.0, 0.0, 1.0])
    extent = np.array([0.0, 0.0, 0.0, 8.0, 0.0, 0.0])
    angle = np.array([10.0, 11.9, 8.1, 10.0, 10.0, 12.5])
    assert energy_per_count(flux, rate, extent, angle, 10.0) == pytest.approx(4e-12)
    assert math.isnan(energy_per_count(flux, rate, extent, angle, 1.0))
    assert math.isnan(energy_per_count([], [], [], [], 3.0))
    assert energy_per_count([2e-12], [0.5], [0.0], [0.8], 0.0) == pytest.approx(4e-12)


def test_flux_undoes_the_share_of_the_psf_in_the_region():
    assert peak_flux(0.05, 0.5, 4e-12) == pytest.approx(4e-13)
    assert math.isnan(peak_flux(0.05, 0.5, math.nan))
    for encircled in (0.0, -1.0, 1.5, math.nan):
        with pytest.raises(ValueError, match="encircled must be a fraction"):
            peak_flux(0.05, encircled, 4e-12)
