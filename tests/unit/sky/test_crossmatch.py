"""Matching of positions: wraps, poles, nothing found, proper motion, chance."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemera.sky.crossmatch import Catalogue, chance_positions, crossmatch
from ephemera.sky.sphere import separation_arcsec


def stars(ra, dec, **more):
    ra, dec = np.atleast_1d(np.asarray(ra, float)), np.atleast_1d(np.asarray(dec, float))
    return Catalogue("set", np.arange(len(ra)) + 2**60, ra, dec, **more)


def test_the_nearest_within_the_radius_is_taken_and_counted():
    catalogue = stars([10.0, 10.0 + 3 / 3600, 50.0], [0.0, 0.0, 0.0])
    table = crossmatch({"ra": [10.0 + 1 / 3600, 20.0], "dec": [0.0, 0.0]}, catalogue, 5.0).to_pylist()
    assert table[0]["set_id"] == 2**60
    assert table[0]["set_n_within"] == 2
    assert table[0]["set_sep_arcsec"] == pytest.approx(1.0)
    assert table[0]["set_ra_offset"] == pytest.approx(1.0)
    assert table[1]["set_id"] is None
    assert table[1]["set_sep_arcsec"] is None
    assert table[1]["set_n_within"] == 0


def test_offsets_wrap_at_ra_zero_and_shrink_with_declination():
    row = crossmatch({"ra": [0.001], "dec": [60.0]}, stars(359.999, 60.0), 20.0).to_pylist()[0]
    assert row["set_ra_offset"] == pytest.approx(0.002 * 3600 * np.cos(np.radians(60)))
    assert row["set_dec_offset"] == 0


def test_the_pole_is_a_place():
    row = crossmatch({"ra": [0.0], "dec": [89.9999]}, stars(180.0, 89.9999), 1.0).to_pylist()[0]
    assert row["set_sep_arcsec"] == pytest.approx(0.72)


def test_all_within_gives_each_pair_once_by_distance():
    catalogue = stars(10.0 + np.array([2.0, 1.0, 9.0]) / 3600, np.zeros(3))
    table = crossmatch({"ra": [10.0, 30.0], "dec": [0.0, 0.0]}, catalogue, 5.0, all_within=True)
    assert table["row"].to_pylist() == [0, 0]
    assert table["set_id"].to_pylist() == [2**60 + 1, 2**60]


@pytest.mark.parametrize("all_within", [False, True])
@pytest.mark.parametrize(("n", "m"), [(0, 3), (2, 0), (0, 0)])
def test_nothing_gives_all_columns(n, m, all_within):
    catalogue = stars(np.zeros(m), np.zeros(m), extra={"mag": np.zeros(m)})
    table = crossmatch({"ra": np.full(n, 9.0), "dec": np.zeros(n)}, catalogue, 5.0, all_within=all_within)
    assert table.num_rows == (0 if all_within else n)
    assert {"set_id", "set_sep_arcsec", "set_mag", "set_n_within"} <= set(table.column_names)


def test_positions_that_are_none_match_nothing():
    table = crossmatch({"ra": [np.nan, 1.0], "dec": [0.0, 0.0]}, stars([1.0, np.nan], [0.0, 0.0]), 5.0)
    assert table["set_id"].to_pylist() == [None, 2**60]


def test_extra_columns_come_along_with_nulls():
    catalogue = stars([1.0, 2.0], [0.0, 0.0], extra={"type": np.array(["Star", "Galaxy"])})
    table = crossmatch({"ra": [2.0, 3.0], "dec": [0.0, 0.0]}, catalogue, 5.0)
    assert table["set_type"].to_pylist() == ["Galaxy", None]


def test_a_fast_star_is_found_where_it_was():
    catalogue = stars(10.0, 0.0, pm_ra=np.array([1000.0]), pm_dec=np.array([0.0]), epoch=57388.0)
    then = {"ra": [10.0 + 10 / 3600], "dec": [0.0], "mjd": [57388.0 + 3652.5]}
    assert crossmatch(then, catalogue, 1.0)["set_id"][0].as_py() is None
    row = crossmatch(then, catalogue, 1.0, epoch="mjd").to_pylist()[0]
    assert row["set_sep_arcsec"] == pytest.approx(0.0, abs=1e-6)


def test_a_fast_star_beyond_the_pole_stops_nothing():
    catalogue = stars(0.0, 90 - 5 / 3600, pm_ra=np.array([0.0]), pm_dec=np.array([1000.0]), epoch=57388.0)
    then = {"ra": [180.0], "dec": [90 - 5 / 3600], "mjd": [57388.0 + 3652.5]}
    assert crossmatch(then, catalogue, 1.0, epoch="mjd").to_pylist()[0]["set_sep_arcsec"] < 0.01


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(1, 2000))
def test_matches_are_those_of_all_pairs(seed, radius):
    rng = np.random.default_rng(seed)
    ra, dec = (359.8 + rng.uniform(0, 0.5, (2, 20))) % 360, rng.uniform(-0.2, 0.2, (2, 20))
    found = crossmatch({"ra": ra[0], "dec": dec[0]}, stars(ra[1], dec[1]), radius)
    every = separation_arcsec(ra[0][:, None], dec[0][:, None], ra[1], dec[1])
    nearest = np.where(every.min(axis=1) <= radius, every.argmin(axis=1) + 2**60, -1)
    assert [(-1 if k is None else k) for k in found["set_id"].to_pylist()] == nearest.tolist()
    assert found["set_n_within"].to_pylist() == (every <= radius).sum(axis=1).tolist()


def test_shifted_positions_are_far_enough_from_where_they_were():
    ra, dec = np.array([0.01, 10.0]), np.array([0.0, 89.99])
    moved = list(chance_positions(ra, dec, 20.0))
    assert len(moved) == 40
    shifts = np.array([separation_arcsec(ra, dec, *places) for places in moved])
    assert shifts.reshape(5, 8, 2) == pytest.approx(
        np.broadcast_to(60.0 * np.arange(1, 6)[:, None, None], (5, 8, 2))
    )
    assert len(list(chance_positions(ra, dec, 100.0))) == 16
    assert list(chance_positions(ra, dec, 200.0)) == []


def test_a_radius_that_is_none_is_refused():
    with pytest.raises(ValueError, match="radius_arcsec"):
        crossmatch({"ra": [1.0], "dec": [1.0]}, stars(1.0, 1.0), 0.0)


def test_the_real_answer_of_the_cross_match_service(shared_data):
    pd = pytest.importorskip("pandas")
    folder = shared_data / "survey" / "catalogs"
    asked = pd.read_csv(folder / "xmatch_allwise_input.csv")
    answer = pd.read_csv(folder / "xmatch_allwise_response.csv")
    names = {name.lower(): name for name in answer.columns}
    star_ra, star_dec = (answer[names[k]].to_numpy() for k in ("raj2000", "dej2000"))
    ra_name, dec_name = (next(c for c in asked.columns if c.lower().startswith(k)) for k in ("ra", "de"))
    table = {"ra": asked[ra_name].to_numpy(), "dec": asked[dec_name].to_numpy()}
    found = crossmatch(
        table, stars(star_ra, star_dec), answer[names["angdist"]].max() + 0.01, all_within=True
    )
    assert len(found) >= len(answer)
    ours = np.sort(found["set_sep_arcsec"].to_numpy())
    assert np.min(np.abs(ours[:, None] - answer[names["angdist"]].to_numpy()), axis=0).max() < 0.01
