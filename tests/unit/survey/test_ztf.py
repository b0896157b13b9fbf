import logging

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from ephemera.survey import ztf
from ephemera.survey.finder import find_events
from ephemera.survey.frames import scored_frame
from ephemera.survey.histogram import histogram_of
from survey_data import ZTF_SOURCE, settings_of

#: Rows of each season at a gap of 40 d, by filter and oid.
SEASONS = {
    ("ztf_g", "736115200001082"): [177, 4, 191, 116, 37],
    ("ztf_r", "736215200001589"): [201, 139, 132, 26, 33],
    ("ztf_i", "736315200051262"): [9, 10],
    ("ztf_g", "805101300013289"): [112, 87, 109, 36],
    ("ztf_r", "805201300017324"): [216, 75, 103, 4, 35],
}


@pytest.fixture(scope="session")
def rows(shared_data):
    return pd.read_csv(shared_data / "survey/ztf/ZTF_lightcurve.csv")


@pytest.fixture(scope="session")
def curves(rows):
    return ztf.reduce(rows, ZTF_SOURCE)


def test_the_file_is_the_one_the_numbers_are_of(rows):
    assert len(rows) == 1852
    assert rows.oid.nunique() == 5
    assert (rows.catflags == 0).sum() == 1801
    assert ((rows.catflags & 32768) != 0).sum() == 42
    assert rows.programid.value_counts().sort_index().tolist() == [1150, 658, 44]


def test_seasons_of_each_oid(curves):
    assert len(curves) == 21
    found = {}
    for curve in curves:
        found.setdefault((curve.attrs["filter"], curve.attrs["object_id"]), []).append(len(curve))
        assert curve.attrs["season"] == len(found[curve.attrs["filter"], curve.attrs["object_id"]])
    assert found == SEASONS
    assert all(c.attrs["season_of"] == len(found[c.attrs["filter"], c.attrs["object_id"]]) for c in curves)


@pytest.mark.parametrize(("gap", "n"), [(60, 18), (90, 12), (20, 37), (None, 5)])
def test_other_gaps(rows, gap, n):
    assert len(ztf.reduce(rows, ZTF_SOURCE, gap_days=gap)) == n


def test_flagged_rows_are_dropped_after_the_cut(rows):
    assert len(ztf.reduce(rows, ZTF_SOURCE, gap_days=60, drop_bad=True)) == 18
    assert len(ztf.reduce(rows[rows.catflags == 0], ZTF_SOURCE, gap_days=60)) == 19


def test_statistics_of_the_first_curve(curves):
    first = curves[0].attrs
    assert first["n_good"] == 167
    assert first["mean"] == pytest.approx(29.542, abs=5e-4)
    assert first["rms"] == pytest.approx(3.632, abs=5e-4)
    assert 23.9 - 2.5 * np.log10(first["mean"]) == pytest.approx(20.224, abs=5e-4)


def test_offsets_are_wrapped_before_any_median(curves):
    """Eleven rows lie beyond RA 0. Medians of RA as it stands, without wrapping, would flag 136 and 187."""
    flagged = sum(int(((c.offset.abs() > 3.5) & ~c.bad).sum()) for c in curves)
    qflag = sum(int(c.qflag.sum()) for c in curves)
    assert (flagged, qflag) == (139, 190)
    assert sum(len(c) for c in curves) == 1852
    unwrapped = 0
    for c in curves:
        good = ~c.bad
        east = np.mod(c.ra - c.ra[good].median() + 180, 360) - 180
        o = np.hypot(east * np.cos(np.radians(51.39372)), c.dec - c.dec[good].median())
        mad = (o[good] - o[good].median()).abs().median()
        unwrapped += int(((((o - o[good].median()) / mad).abs() > 3.5) & good).sum())
    assert unwrapped == 136
    assert unwrapped + 51 == 187
    assert 1852 - 187 == 1665


def events_of(curves, *, remove_failed):
    found = {}
    for curve in curves:
        usable = ~(curve.qflag if remove_failed else curve.bad)
        for event in find_events(curve.mjd, curve.snr, usable).itertuples():
            key = (curve.attrs["object_id"], curve.attrs["season"])
            found[key] = round(event.snr, 2)
            assert event.n == 1
    return found


def test_events_of_the_file(curves):
    expected = {
        ("736115200001082", 3): 6.04,
        ("736115200001082", 4): 6.29,
        ("736215200001589", 1): 5.09,
        ("805101300013289", 4): 9.29,
    }
    assert events_of(curves, remove_failed=True) == expected
    assert events_of(curves, remove_failed=False) == expected | {("805101300013289", 3): 5.01}


def test_pandas_and_arrow_tables_are_alike(rows, curves):
    table = pa.Table.from_pandas(rows, preserve_index=False)
    for one, other in zip(curves, ztf.reduce(table, ZTF_SOURCE), strict=True):
        pd.testing.assert_frame_equal(one, other)


def test_the_table_given_is_not_altered(rows):
    before = rows.copy(deep=True)
    ztf.reduce(rows, ZTF_SOURCE, drop_bad=True)
    pd.testing.assert_frame_equal(rows, before)


def test_row_order_does_not_matter(rows, curves):
    shuffled = rows.sample(frac=1, random_state=3).reset_index(drop=True)
    for one, other in zip(curves, ztf.reduce(shuffled, ZTF_SOURCE), strict=True):
        assert one.attrs["curve_id"] == other.attrs["curve_id"]
        assert len(one) == len(other)
        assert one.attrs["mean"] == pytest.approx(other.attrs["mean"])


def test_neighbours_across_ra_0_belong(rows):
    source = {**ZTF_SOURCE, "ra": 0.0001}
    assert len(ztf.reduce(rows, source)) == 21


def test_all_oids_rejected_gives_nothing(rows):
    assert ztf.reduce(rows, {**ZTF_SOURCE, "dec": 51.5}) == []


def test_magnitudes_are_compared_in_comparable_bands_only(rows):
    bright = {**ZTF_SOURCE, "mag": 15.0}
    kept = {c.attrs["filter"] for c in ztf.reduce(rows, bright, mag_range=0.75)}
    assert kept == {"ztf_r", "ztf_i"}
    assert len(ztf.reduce(rows, {**bright, "mag_band": "Gaia_XYZ"}, mag_range=0.75)) == 21


def small(**columns):
    n = len(columns["mjd"])
    given = {
        "oid": np.full(n, 7),
        "mjd": columns["mjd"],
        "mag": np.full(n, 18.0),
        "magerr": np.full(n, 0.1),
        "catflags": np.zeros(n, int),
        "filtercode": ["zg"] * n,
        "ra": np.full(n, 10.0),
        "dec": np.full(n, 20.0),
    }
    return pd.DataFrame({**given, **columns})


STAR = {"name": "a", "ra": 10.0, "dec": 20.0}


def test_unsorted_nan_and_faulty_rows_are_sorted_and_flagged():
    table = small(
        mjd=[5.0, np.nan, 3.0, 4.0, 3.0, 1.0],
        mag=[18.0, 18.0, np.nan, 18.0, 18.0, -np.inf],
        magerr=[0.1, 0.1, 0.1, 0.0, 0.1, 0.1],
    )
    (curve,) = ztf.reduce(table, STAR)
    assert curve.mjd.tolist()[:5] == [1.0, 3.0, 3.0, 4.0, 5.0]
    assert curve.bad.tolist() == [True, True, False, True, False, True]
    assert curve.attrs["n_good"] == 2


def test_mixed_filters_in_one_oid_are_split(caplog):
    table = small(mjd=[1.0, 2.0, 3.0], filtercode=["zg", "zr", "zg"])
    with caplog.at_level(logging.WARNING):
        curves = ztf.reduce(table, STAR)
    assert [(c.attrs["filter"], len(c)) for c in curves] == [("ztf_g", 2), ("ztf_r", 1)]
    assert "filters" in caplog.text


def test_an_unknown_filter_keeps_its_name():
    (curve,) = ztf.reduce(small(mjd=[1.0, 2.0], filtercode=["zz", "zz"]), STAR)
    assert curve.attrs["filter"] == "zz"


def test_a_table_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="filtercode"):
        ztf.light_curves(pd.DataFrame({"mjd": [1.0]}), STAR)


def test_one_point_and_all_flagged_curves_keep_their_rows():
    (one,) = ztf.reduce(small(mjd=[1.0]), STAR)
    assert len(one) == 1
    assert one.attrs["rms"] == 0.0
    (flagged,) = ztf.reduce(small(mjd=[1.0, 2.0], catflags=[1, 32768]), STAR)
    assert len(flagged) == 2
    assert np.isnan(flagged.attrs["mean"])
    assert len(find_events(flagged.mjd, flagged.snr, ~flagged.bad)) == 0


def test_strict_bits_keep_more():
    curves = ztf.light_curves(small(mjd=[1.0, 2.0, 3.0], catflags=[0, 1, 32768]), STAR, bad_bits=32768)
    assert curves[0].bad.tolist() == [False, False, True]
    assert scored_frame(curves[0]).flag.tolist() == [0, 1, 32768]


def test_histograms_of_the_file_hold_every_epoch(curves):
    """1,662 good epochs: 1,852 without the 190 that are flagged (1,665 with medians that are not wrapped)."""
    joined = pd.concat(curves, ignore_index=True)
    n = len(joined)
    bins = (np.zeros(n, int), np.array([30.0]), ["g"], np.array([20.2]))
    columns = {name: joined[name].to_numpy() for name in ("snr", "dmag", "offset", "qflag", "bad", "live")}
    counted = histogram_of(columns, *bins, ["ztf"], settings_of("histogram"))
    assert counted.scores["all_scores", "snr"].total == 1852
    assert counted.scores["good_scores", "snr"].total == counted.scores["good_scores", "dmag"].total == 1662
    assert counted.scores["quality_values", "offset"].total == 1852
