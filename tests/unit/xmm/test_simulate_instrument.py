"""Good time, live pixels and hot pixels of a simulated exposure."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ephemera.seeds import generator
from ephemera.xmm.observation import Camera
from ephemera.xmm.psf import King
from ephemera.xmm.simulate_detector import SkyMask
from ephemera.xmm.simulate_instrument import build_instrument, open_position
from ephemera.xmm.simulate_scene import NO_DEFECTS, NOMINAL_DEFECTS, Exposure, Gap

PN, M1 = Exposure(Camera.PN, "S003"), Exposure(Camera.M1, "S001", 50.0, 30.0, lost_ccds=(3, 6))


def build(exposure: Exposure, **options):
    settings = {"start": 1000.0, "duration": 2000.0, "position_angle": 40.0, "defects": NO_DEFECTS}
    return build_instrument(exposure, **(settings | options))


@pytest.mark.parametrize("exposure", [PN, M1])
def test_good_time_fills_the_exposure_with_whole_frames(exposure: Exposure):
    instrument = build(exposure)
    assert instrument.start == 1000 - exposure.early
    assert instrument.stop == 3000 + exposure.late
    for ccd in instrument.ccds:
        ((start, stop),) = instrument.good_time[ccd]
        assert instrument.start <= start < instrument.start + 0.1
        assert instrument.stop - instrument.frame[ccd] - 1e-6 < stop <= instrument.stop
        frames = (stop - start) / instrument.frame[ccd]
        assert frames == pytest.approx(round(frames), abs=1e-6)


def test_ccds_start_milliseconds_apart():
    starts = [gti[0, 0] for gti in build(PN).good_time.values()]
    assert 0 < np.ptp(starts) < 0.1
    assert len(set(starts)) == 12


def test_a_gap_is_cut_out_of_its_ccds_alone():
    gaps = [Gap(Camera.PN, 500, 100, (1, 2)), Gap(Camera.M1, 0, 2000)]
    instrument = build(PN, gaps=gaps)
    assert [len(gti) for gti in instrument.good_time.values()] == [2, 2] + [1] * 10
    before, after = instrument.good_time[1]
    assert before[1] <= 1500 < 1600 <= after[0]
    assert after[0] - before[1] == pytest.approx(100, abs=0.2)


def test_gaps_at_the_ends_and_over_everything():
    instrument = build(PN, gaps=[Gap(Camera.PN, -100, 600), Gap(Camera.PN, 1900, 900)])
    for gti in instrument.good_time.values():
        ((start, stop),) = gti
        assert 1500 <= start < 1500.1
        assert 2899.9 < stop <= 2900
    silent = build(PN, gaps=[Gap(Camera.PN, -10, 3000, (4,))])
    assert silent.good_time[4].shape == (0, 2)


def test_times_are_good_exactly_inside_the_intervals():
    instrument = build(PN, gaps=[Gap(Camera.PN, 500, 100)])
    time = np.array([999.0, 1100.0, 1550.0, 1700.0, 3001.0])
    good = instrument.on_time(np.full(5, 7), time)
    np.testing.assert_array_equal(good, [False, True, False, True, False])
    assert not instrument.on_time(np.array([0]), np.array([1100.0])).any()


def test_lost_ccds_and_windows_give_no_events():
    instrument = build(M1)
    assert instrument.ccds == (1, 2, 4, 5, 7)
    windowed = build(replace(M1, submode="PrimePartialW2"))
    assert windowed.live[1].sum() == 100 * 100
    assert windowed.live[2].all()
    assert windowed.frame[1] < windowed.frame[2]


def test_dead_columns_and_hot_pixels_belong_to_the_detector():
    first, second = (build(PN, defects=NOMINAL_DEFECTS, position_angle=a) for a in (10.0, 200.0))
    np.testing.assert_array_equal(first.hot, second.hot)
    dead = sum(int((~live).all(axis=0).sum()) for live in first.live.values())
    assert 1 <= dead <= NOMINAL_DEFECTS.dead_columns
    assert first.is_live(*first.hot.T).all()
    single = NOMINAL_DEFECTS.hot_pixels
    assert single < len(first.hot) <= single + 30 * NOMINAL_DEFECTS.hot_columns


def test_a_mask_limits_the_footprint():
    image = np.zeros((1000, 1000), dtype=bool)
    image[:, 500:] = True
    mask = SkyMask(image, first=26.0, step=51.84, position_angle=40.0)
    seen = build(PN, mask=mask).sky_footprint(step=200)
    assert not seen[:, :128].any()
    assert seen[:, 131:].any()
    assert seen.sum() < build(PN).sky_footprint(step=200).sum()


def test_landed_photons_are_on_live_pixels_in_the_field():
    instrument = build(PN, defects=NOMINAL_DEFECTS)
    rng = np.random.default_rng(0)
    x, y = rng.uniform(1, 51840, (2, 20000))
    ccd, rawx, rawy = instrument.land(x, y)
    hit = ccd > 0
    assert 0.1 < hit.mean() < 0.6
    assert instrument.is_live(ccd[hit], rawx[hit], rawy[hit]).all()
    detx, dety = instrument.layout.to_detector(x[hit], y[hit], 40.0)
    assert instrument.layout.in_field(detx, dety).all()


def test_open_positions_are_seen_and_apart():
    observations = [[build(PN), build(M1)], [build(PN, position_angle=200.0)]]
    rng, found = generator(0, "positions"), []
    for _ in range(3):
        found.append(open_position(observations, King(), rng, share=0.8, away_from=found))
    for x, y in found:
        assert observations[1][0].visible_share(x, y, King(), rng) > 0.7
    assert min(np.hypot(a - c, b - d) for a, b in found[:1] for c, d in found[1:]) >= 3000


def test_impossible_requests_are_refused():
    with pytest.raises(ValueError, match="share must be reachable"):
        open_position([[build(PN)]], King(), generator(0), share=1.01, attempts=20)
    with pytest.raises(ValueError, match="exposure must have a positive length"):
        build(replace(PN, early=-1500.0, late=-600.0))
    with pytest.raises(ValueError, match="exposure must have a positive length and a CCD"):
        build(replace(PN, lost_ccds=tuple(range(1, 13))))
