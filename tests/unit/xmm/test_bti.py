from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.event_lists import events, header, subset
from ephemera.xmm.bti import (
    BadTime,
    bad_frames,
    bad_time_columns,
    bad_times,
    flare_curve,
    read_pipeline_curve,
    window_of,
)
from ephemera.xmm.intervals import bad_time_intervals, complement
from ephemera.xmm.observation import EPIC
from ephemera.xmm.outcomes import ListRejected, Outcome

PN, M1, M2 = EPIC


def hard_events(counts, window=100.0, t0=0.0):
    """Events above 10 keV, `counts` in each window."""
    return events(
        np.concatenate([t0 + window * (k + np.arange(n) / max(n, 1)) for k, n in enumerate(counts)]), pi=11000
    )


def test_the_real_rate_curve_gives_the_real_good_times(shared_data):
    folder = shared_data / "xmm" / "exod1_0124710801"
    with fits.open(folder / "PN_rate.fits") as hdus:
        rate = hdus["RATE"].data["RATE"].astype(float)
        centre = hdus["RATE"].data["TIME"].astype(float)
    with fits.open(folder / "PN_gti.fits") as hdus:
        good = np.column_stack([hdus[1].data["START"], hdus[1].data["STOP"]]).astype(float)
    edges = np.append(centre - 50, centre[-1] + 50)
    assert len(rate) == 238
    assert np.flatnonzero(rate > 0.5).tolist() == [*range(201, 212), *range(215, 224), 228]
    bad = bad_time_intervals(edges, rate, 0.5)
    expected = [[92890829.26, 92891929.26], [92892229.26, 92893129.26], [92893529.26, 92893629.26]]
    np.testing.assert_allclose(bad, expected, atol=0.005)
    found = complement(bad, edges[0], edges[-1])
    np.testing.assert_array_equal(found, good)
    assert np.diff(found, axis=1).sum() == pytest.approx(21700)


@pytest.mark.parametrize(
    ("rates", "bad", "frames"),
    [
        ([0.1, 0.1, 2, 2, 2, 0.1, 0.1], [[200, 500]], [2, 3, 4]),
        ([0.1, 0.1, 2, 0.1], [[200, 300]], [2]),
        ([2, 0.1, 0.1, 0.1], [[0, 100]], [0]),
        ([0.1, 0.1, 0.1, 2], [[300, 400]], [3]),
        ([1.5, 1.5, 1.5, 1.51], [[300, 400]], [3]),
    ],
)
def test_worked_curves_of_three_cameras(rates, bad, frames):
    headers = [header(c, 0, 100 * len(rates)) for c in EPIC]
    photons = hard_events([round(100 * r) for r in rates])
    whole = subset(headers, photons)
    found = bad_times(whole, 100)
    assert found.intervals.tolist() == bad
    np.testing.assert_allclose(found.curve.rate, rates)
    np.testing.assert_allclose(found.curve.threshold, 1.5)
    assert found.curve.counts.sum() == len(photons)
    edges = 100.0 * np.arange(len(rates) + 1)
    exposed = np.array([[0.0, edges[-1]]])
    assert np.flatnonzero(bad_frames(found.intervals, exposed, edges, 0.5)).tolist() == frames


def test_the_threshold_follows_the_cameras_that_are_on():
    on_half = header(M2, 0, 1000, good_time={1: [[0, 500]], 2: [[0, 500]]})
    one_ccd_off = header(M1, 0, 1000, good_time={1: [[0, 1000]], 2: [[0, 800]]})
    pn = header(PN, 0, 1000, good_time={1: [[0, 1000]]})
    whole = subset([pn, one_ccd_off, on_half], hard_events([120] * 10), 0, 1000)
    curve = flare_curve(whole, 100)
    np.testing.assert_allclose(curve.threshold, [1.5] * 5 + [1.0] * 3 + [0.75] * 2)
    assert bad_times(whole, 100).intervals.tolist() == [[500, 1000]]
    limits = {PN: 0.4, M1: 0.2, M2: 0.1}
    np.testing.assert_allclose(flare_curve(whole, 100, limits).threshold, [0.7] * 5 + [0.6] * 3 + [0.5] * 2)


def test_rates_are_per_exposed_second_in_cut_windows():
    """Half a window at the quiet rate stays quiet, and a window in a gap is neither good nor bad."""
    cut = header(PN, 0, 400, good_time={1: [[0, 150], [300, 400]]})
    photons = events(np.concatenate([np.arange(0, 150, 2.5), np.arange(300, 400, 2.5)]), pi=10000)
    curve = flare_curve(subset([cut], photons), 100)
    np.testing.assert_allclose(curve.rate, [0.4, 0.4, np.nan, 0.4])
    np.testing.assert_allclose(curve.exposed, [100, 50, 0, 100])
    assert curve.threshold[1] == pytest.approx(0.5)


def test_only_hard_events_count_and_both_edges_do():
    photons = events(np.arange(4.0), pi=np.array([9999, 10000, 12000, 12001]))
    assert flare_curve(subset([header()], photons), 100).counts.sum() == 2


def test_the_last_window_is_shorter_and_holds_the_last_event():
    whole = subset([header(PN, 0, 250)], events([0.0, 249.0, 250.0], pi=11000))
    curve = flare_curve(whole, 100)
    assert curve.edges.tolist() == [0, 100, 200, 250]
    assert curve.counts.tolist() == [1, 0, 2]
    assert curve.rate[2] == pytest.approx(2 / 50)


@settings(max_examples=30)
@given(st.lists(st.integers(0, 120), min_size=2, max_size=30))
def test_bad_windows_are_those_above_the_threshold(counts):
    whole = subset([header(PN, 0, 100 * len(counts))], hard_events(counts))
    found = bad_times(whole, 100).intervals
    bad = {k for a, b in found for k in range(int(a) // 100, int(b) // 100)}
    assert bad == {k for k, n in enumerate(counts) if n > 50}


def test_no_bad_times_when_none_are_asked_for():
    found = bad_times(subset([header()], hard_events([1000])), 100, method="none")
    assert found.intervals.shape == (0, 2)
    assert found.curve is None


def test_the_real_pipeline_curve(shared_data):
    path = shared_data / "xmm" / "exod1_0124710801" / "P0124710801PNS001FBKTSR0000.FTZ"
    curve = read_pipeline_curve(path)
    with fits.open(path) as hdus:
        table = hdus["RATE"].data
        cut = hdus["SN_TO_BKGCUT"].header["BGOPTCUT"]
        share = hdus["SN_TO_BKGCUT"].header["FRACTLFT"]
        np.testing.assert_allclose(curve.rate, table["RATE"])
        assert curve.edges[0] == pytest.approx(table["TIME"][0] - 5)
    assert len(curve.edges) == 2376
    assert set(curve.threshold) == {cut}
    bad = bad_time_intervals(curve.edges, curve.rate, curve.threshold)
    kept = 1 - np.diff(bad, axis=1).sum() / (curve.edges[-1] - curve.edges[0])
    assert kept == pytest.approx(share, abs=1e-4)
    # Its flares are those of the 10-12 keV curve, at a threshold that leaves more time.
    assert bad.min() >= 92890829.26 - 600
    assert bad.max() <= 92893629.26 + 600
    whole = subset([header(PN, 92890000.0, 92892000.0)], events([]), 92890000.0, 92892000.0)
    inside = bad_times(whole, 100, method="fbktsr", pipeline_curves=[curve]).intervals
    assert inside.min() >= 92890000.0
    assert inside.max() <= 92892000.0


def write_curve(path, time, rate, *, fraction=None, cut=10.0, timedel=10.0):
    columns = [fits.Column("TIME", "D", array=time), fits.Column("RATE", "E", array=rate)]
    if fraction is not None:
        columns.append(fits.Column("FRACEXP", "E", array=fraction))
    table = fits.BinTableHDU.from_columns(columns, name="RATE")
    table.header["TIMEDEL"] = timedel
    other = fits.BinTableHDU.from_columns([fits.Column("N", "J", array=[1])], name="SN_TO_BKGCUT")
    if cut is not None:
        other.header["BGOPTCUT"] = cut
    fits.HDUList([fits.PrimaryHDU(), table, other]).writeto(path, overwrite=True)
    return path


def test_gaps_and_dead_bins_of_a_pipeline_curve_are_not_exposed(tmp_path):
    time = [45, 5, 15, 65, 75]
    path = write_curve(tmp_path / "f.fits", time, [99, 99, 1, 99, 99], fraction=[1, 0.5, 1, 1, 0])
    curve = read_pipeline_curve(path)
    assert curve.edges.tolist() == [0, 10, 20, 40, 50, 60, 70, 80]
    np.testing.assert_allclose(curve.rate, [99, 1, np.nan, 99, np.nan, 99, np.nan])
    np.testing.assert_allclose(curve.exposed, [5, 10, 0, 10, 0, 10, 0])
    bad = bad_times(subset([header()], events([])), 100, method="fbktsr", pipeline_curves=[curve, curve])
    assert bad.intervals.tolist() == [[0, 10], [40, 50], [60, 70]]


def test_a_pipeline_curve_without_bins_is_an_outcome(tmp_path):
    for number, time in enumerate(([], [np.nan, np.nan])):
        with pytest.raises(ListRejected) as caught:
            read_pipeline_curve(write_curve(tmp_path / f"{number}.fits", time, [1.0] * len(time)))
        assert caught.value.outcome is Outcome.NO_EVENTS


@pytest.mark.parametrize(
    ("change", "outcome"),
    [({"cut": None}, Outcome.BAD_KEYWORDS), ({"timedel": 0.0}, Outcome.BAD_KEYWORDS)],
)
def test_unusable_pipeline_curves(tmp_path, change, outcome):
    with pytest.raises(ListRejected) as caught:
        read_pipeline_curve(write_curve(tmp_path / "f.fits", [5.0], [1.0], **change))
    assert caught.value.outcome is outcome


def test_files_that_are_no_pipeline_curve(tmp_path):
    path = tmp_path / "f.fits"
    fits.PrimaryHDU().writeto(path)
    with pytest.raises(ListRejected) as caught:
        read_pipeline_curve(path)
    assert caught.value.outcome is Outcome.BAD_COLUMNS
    path.write_bytes(b"nothing")
    with pytest.raises(ListRejected) as caught:
        read_pipeline_curve(path)
    assert caught.value.outcome is Outcome.BAD_FILE


def test_the_product_has_times_in_both_units_and_the_mean_rate():
    own = replace(header(PN, 0, 400), timezero=0.0)
    found = bad_times(subset([own], hard_events([0, 100, 200, 0])), 100)
    columns = bad_time_columns(found, own)
    assert columns["start"].tolist() == [100]
    assert columns["stop"].tolist() == [300]
    np.testing.assert_allclose(columns["start_mjd"], 50814 + 100 / 86400, rtol=0, atol=1e-9)
    np.testing.assert_allclose(columns["stop_mjd"], 50814 + 300 / 86400, rtol=0, atol=1e-9)
    np.testing.assert_allclose(columns["mean_rate"], [1.5])
    np.testing.assert_allclose(columns["threshold"], [0.5])


def test_no_bad_times_give_empty_columns():
    columns = bad_time_columns(BadTime(np.empty((0, 2))), header())
    assert {len(values) for values in columns.values()} == {0}


@pytest.mark.parametrize(
    ("bad", "share", "expected"),
    [
        ([[0, 5]], 0.5, [True, False, False]),
        ([[0, 4.9]], 0.5, [False, False, False]),
        ([[0, 4.9]], 0.4, [True, False, False]),
        ([[0, 30]], 1.0, [True, True, False]),
        ([[14, 16]], 0.5, [False, True, False]),
        ([], 0.5, [False, False, False]),
    ],
)
def test_frames_are_bad_by_share_of_exposed_time(bad, share, expected):
    """Frames of 10 s; the second is exposed for 4 s from 12 to 16, the third not at all."""
    exposed = np.array([[0.0, 10.0], [12.0, 16.0]])
    edges = np.array([0.0, 10.0, 20.0, 30.0])
    found = bad_frames(np.array(bad, float).reshape(-1, 2), exposed, edges, share)
    assert found.tolist() == expected


@pytest.mark.parametrize(
    ("dt", "fixed", "expected"), [(5, None, 5), (200, None, 100), (200, 30.0, 30), (5, 30.0, 30)]
)
def test_windows_follow_frames_up_to_a_limit(dt, fixed, expected):
    assert window_of(dt, fixed) == expected


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: bad_times(s, 100, method="sas"), "'he', 'fbktsr' or 'none', not 'sas'"),
        (lambda s: bad_times(s, 100, method="fbktsr"), "pipeline_curves"),
        (lambda s: bad_times(s, 0), "step"),
        (lambda s: flare_curve(s, 100, {M1: 0.5}), "lack PN"),
        (lambda _: bad_frames(np.empty((0, 2)), np.empty((0, 2)), np.arange(3.0), 0), "bti_min_overlap"),
    ],
)
def test_refusals_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call(subset([header()], events([1.0])))
