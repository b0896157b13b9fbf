import io

import numpy as np
import pytest

from ephemera.survey import tess
from ephemera.survey.efficiency import rate_of
from ephemera.survey.finder import find_events
from ephemera.survey.periods import Series, find_boxes, find_period
from survey_data import WASP_4


@pytest.fixture(scope="module")
def wasp(shared_data):
    return tess.read_light_curve(shared_data / "survey" / WASP_4)


def test_numbers_of_wasp_4(wasp):
    usable = ~wasp.bad
    assert (len(wasp), int(wasp.mjd.isna().sum()), int(usable.sum())) == (19737, 1038, 18316)
    assert wasp.attrs["mean"] == pytest.approx(2964.471, abs=5e-4)
    assert wasp.attrs["rms"] == pytest.approx(7.8738, abs=5e-5)
    assert wasp.snr[usable].min() == pytest.approx(-12.943, abs=5e-4)
    assert wasp.snr[usable].max() == pytest.approx(3.905, abs=5e-4)
    assert int((wasp.snr[usable] <= -5).sum()) == 935
    assert wasp.attrs["zero_point_measured"] == pytest.approx(20.458, abs=5e-4)
    assert int(((wasp.offset.abs() > 3.5) & usable).sum()) == 574
    assert wasp.attrs["series"] == "2_2_4"
    assert wasp.attrs["exptime"] == pytest.approx(95.04)


def test_eighteen_transits_are_eighteen_dips(wasp):
    found = find_events(wasp.mjd, wasp.snr, ~wasp.bad, max_gap_days=0.5)
    assert len(found) == 18
    assert (found.sign == -1).all()
    assert (found.n.min(), found.n.max()) == (48, 58)
    hours = (found.end - found.start) * 24
    assert (round(hours.min(), 2), round(hours.max(), 2)) == (1.77, 1.90)
    btjd = found.iloc[0][["start", "end"]] - 56999.5
    assert btjd.tolist() == pytest.approx([1355.1463, 1355.2227], abs=5e-5)
    assert found.start[0] == pytest.approx(58354.6464, abs=2e-4)
    middle = ((found.start + found.end) / 2).to_numpy()
    number = np.round((middle - middle[0]) / 1.338)
    assert np.polyfit(number, middle, 1)[0] == pytest.approx(1.338, abs=5e-4)
    assert np.diff(number).tolist().count(3) == 1  # two transits lie in the gap
    lost = found[(found.start > 58366.6) & (found.end < 58368.2)]
    assert len(lost) == 0


def test_no_brightening_is_found_in_wasp_4(wasp):
    assert len(find_events(wasp.mjd, wasp.snr, ~wasp.bad, signs="positive", max_gap_days=0.5)) == 0
    days = 18316 * 120 / 86400
    assert days == pytest.approx(25.439, abs=5e-4)
    assert rate_of(0, [days], [1], [1]).limit == pytest.approx(0.1178, abs=5e-5)


def test_box_period_of_wasp_4(wasp):
    good = wasp[~wasp.bad]
    series = Series(good.mjd.to_numpy(), good.flux.to_numpy(), good.flux_err.to_numpy())
    found = find_boxes(series, 1.30, 1.38, durations=[0.08])
    assert found["box_period"] == pytest.approx(1.3382, abs=5e-4)
    assert found["box_depth"] == pytest.approx(0.0240, abs=1.5e-3)
    epoch = found["box_epoch"] - 56999.5
    assert (epoch - 1355.1854 + 0.1) % 1.3382 - 0.1 == pytest.approx(0.0, abs=0.01)


def test_a_free_period_search_gives_the_planet(wasp):
    good = wasp[~wasp.bad]
    dips = Series(good.mjd.to_numpy(), good.flux.to_numpy(), good.flux_err.to_numpy())
    found = find_boxes(dips, 0.8, 5.0, durations=[0.05, 0.08])
    assert found["box_period"] == pytest.approx(1.3382, abs=5e-4)


@pytest.mark.parametrize(
    ("name", "usable", "low", "events", "zero_point"),
    [
        ("tess2018206045859-s0001-0000000117544915-0120-s_lc.fits", 18096, 2687, 18, 20.487),
        ("tess2018206045859-s0001-0000000150065151-0120-s_lc.fits", 18102, 0, 0, 20.389),
        ("tess2018234235059-s0002-0000000150065151-0121-s_lc.fits", 18316, 0, 0, 20.535),
    ],
)
def test_other_stars(shared_data, name, usable, low, events, zero_point):
    frame = tess.read_light_curve(shared_data / "survey/tess" / name)
    good = ~frame.bad
    assert int(good.sum()) == usable
    assert int((frame.snr[good] <= -5).sum()) == low
    found = find_events(frame.mjd, frame.snr, good, max_gap_days=0.5)
    assert (len(found), set(found.sign)) == (events, {-1} if events else set())
    assert frame.attrs["zero_point_measured"] == pytest.approx(zero_point, abs=5e-4)


def test_times_are_tdb_at_the_barycentre(wasp):
    known = wasp.mjd.notna()
    assert np.allclose(wasp.time_bjd_tdb[known] - 2400000.5, wasp.mjd[known])


def test_the_header_exposure_is_days_not_a_cadence(shared_data):
    _, cards = tess.read_file(shared_data / "survey" / WASP_4)
    assert cards["EXPOSURE"] == pytest.approx(21.7104, abs=1e-4)
    assert cards["BJDREFI"] == 2457000


def test_a_peers_file_agrees_with_its_own_mjd(shared_data):
    import h5py

    from ephemera.survey.hdf5_tables import pandas_table

    with h5py.File(shared_data / "survey/tess/TESS_photometric_series1.h5") as handle:
        columns, _ = pandas_table(handle["photometry"])
    assert len(columns["time"]) == 18699
    assert np.allclose(columns["time"] + 2457000 - 2400000.5, columns["mjd"])
    assert np.allclose(columns["exp_time"], 21.7065, atol=5e-3)


def test_sap_flux_and_other_positions(shared_data):
    path = shared_data / "survey" / WASP_4
    sap = tess.read_light_curve(path, flux="SAP", position="POS_CORR")
    assert sap.attrs["mean"] != pytest.approx(2964.471, abs=1)


def test_a_short_file_is_refused(shared_data):
    whole = (shared_data / "survey" / WASP_4).read_bytes()
    for length in (100, 2880, 60_000, len(whole) // 2):
        with pytest.raises(ValueError, match="no complete TESS light curve"):
            tess.read_file(io.BytesIO(whole[:length]))


def test_periods_of_the_transits_by_lomb_scargle(wasp):
    good = wasp[~wasp.bad]
    found = find_period([Series(good.mjd.to_numpy(), good.flux.to_numpy())], 1.0, 2.0)
    assert found.period == pytest.approx(1.3382, rel=0.02)
