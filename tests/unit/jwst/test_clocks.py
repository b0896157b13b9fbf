"""Clocks of integrations: the ladder of sources, numbers that roll over, stamps that occur twice."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from builders.jwst_files import CADENCE, START, product, rows, spectra
from ephemera.jwst.clocks import nearest, reduced, resolve_duplicates, unwrap
from ephemera.jwst.read import read_dataset, read_series


def codes(result):
    return {problem.code for problem in result.problems}


def test_integration_numbers_past_32767_keep_their_order():
    assert unwrap([32765, 32766, 32767, -32768, -32767]).tolist() == [32765, 32766, 32767, 32768, 32769]


def test_a_segment_that_holds_only_rolled_numbers():
    assert unwrap([-32768, -32767]).tolist() == [32768, 32769]


def test_numbers_that_restart_count_on():
    assert unwrap([1, 2, 3, 1, 2, 3, 1]).tolist() == [1, 2, 3, 4, 5, 6, 7]


@given(st.integers(1, 100000), st.integers(1, 300))
def test_unwrapping_gives_back_what_was_wrapped(first, count):
    true = np.arange(first, first + count)
    wrapped = (true + 32768) % 65536 - 32768
    found = unwrap(wrapped)
    assert (np.diff(found) == 1).all()
    assert found[0] in (true[0], true[0] % 65536)


def test_rolled_over_file(tmp_path):
    one = replace(spectra(6), number=np.array([32766, 32767, -32768, -32767, -32766, -32765]))
    found = read_series([product(tmp_path / "a.fits", one)])[0]
    np.testing.assert_array_equal(found.integration_number, np.arange(32766, 32772))


def test_full_julian_dates():
    assert reduced(np.array([2460000.5, 60000.0])).tolist() == [60000.0, 60000.0]


def test_nearest():
    assert nearest(np.array([0.0, 1.0, 3.0]), np.array([-1, 0.4, 0.6, 2.1, 9])).tolist() == [0, 0, 1, 2, 2]
    assert nearest(np.array([5.0]), np.array([1.0, 9.0])).tolist() == [0, 0]


def test_times_from_int_times_by_number(tmp_path):
    one = replace(spectra(10), tdb=np.full(10, np.nan), utc=np.full(10, np.nan))
    path = tmp_path / "a.fits"
    product(path, spectra(10))
    from ephemera.jwst import simulate_fits as f

    with path.open("wb") as file:
        f.write_primary(file, {"DETECTOR": "NIS"})
        f.write_int_times(file, spectra(10))
        f.write_new(file, rows(one, slice(4, 8)), 1)
    result, _ = read_dataset([path], ["a.fits"], {})
    found = result.series[0]
    assert found.time_scale == "BJD_TDB"
    np.testing.assert_allclose(found.time, START + np.arange(4, 8) * CADENCE, atol=1e-10)
    assert "times" in codes(result)


def test_only_utc_makes_the_series_utc_and_says_so(tmp_path):
    one = spectra(10)
    path = product(tmp_path / "a.fits", replace(one, tdb=np.full(10, np.nan)), int_times=False)
    found = read_series([path])[0]
    assert found.time_scale == "MJD_UTC"
    np.testing.assert_array_equal(found.time, one.utc)


def test_one_file_with_utc_only_makes_all_files_utc(tmp_path):
    one = spectra(20)
    late = rows(one, slice(10, 20))
    paths = [
        product(tmp_path / "a.fits", rows(one, slice(0, 10))),
        product(tmp_path / "b.fits", replace(late, tdb=np.full(10, np.nan)), int_times=False),
    ]
    found = read_series(paths)[0]
    assert found.time_scale == "MJD_UTC"
    np.testing.assert_array_equal(found.time, one.utc)


def test_evenly_between_start_and_end(tmp_path):
    nothing = np.full(10, np.nan)
    one = replace(spectra(10), tdb=nothing, utc=nothing)
    keywords = {"TDB-BEG": START, "TDB-END": START + 1.0}
    found = read_series([product(tmp_path / "a.fits", one, int_times=False, keywords=keywords)])[0]
    np.testing.assert_allclose(found.time, START + (np.arange(10) + 0.5) / 10)


def test_no_time_at_all_is_refused(tmp_path):
    nothing = np.full(10, np.nan)
    path = product(tmp_path / "a.fits", replace(spectra(10), tdb=nothing, utc=nothing), int_times=False)
    result, outcome = read_dataset([path], ["a.fits"], {})
    assert (outcome.value, codes(result)) == ("no_series", {"no_times"})
    assert result.n_read == 10


def test_some_nan_times_lose_those_integrations(tmp_path):
    one = spectra(10)
    tdb, utc = one.tdb.copy(), one.utc.copy()
    tdb[3], utc[3] = np.nan, np.nan
    result, _ = read_dataset(
        [product(tmp_path / "a.fits", replace(one, tdb=tdb, utc=utc), int_times=False)], ["a"], {}
    )
    assert len(result.series[0].time) == 9
    assert [p.n_lost for p in result.problems if p.code == "no_time"] == [1]


def test_odd_dates_are_warned_about(tmp_path):
    one = spectra(10)
    result, _ = read_dataset([product(tmp_path / "a.fits", replace(one, tdb=one.tdb - 50000))], ["a"], {})
    assert "odd_times" in codes(result)


def test_overlapping_segments_count_once(tmp_path):
    one = spectra(20)
    paths = [
        product(tmp_path / "a.fits", rows(one, slice(0, 12))),
        product(tmp_path / "b.fits", rows(one, slice(8, 20))),
    ]
    result, _ = read_dataset(paths, ["a", "b"], {})
    np.testing.assert_array_equal(result.series[0].time, one.tdb)
    assert [p.n_lost for p in result.problems if p.code == "duplicate"] == [4]
    assert result.n_read == 24
    assert result.n_used == 20


def test_wrong_stamp_follows_from_its_number(tmp_path):
    one = spectra(20)
    tdb = one.tdb.copy()
    tdb[8] = tdb[7]
    found = read_series([product(tmp_path / "a.fits", replace(one, tdb=tdb))])[0]
    np.testing.assert_allclose(found.time, one.tdb, atol=1e-9)
    assert found.flags[8] & 1
    assert found.flags.sum() == 1


def test_same_time_and_number_with_other_flux_keeps_the_first():
    time = np.array([0.0, 1.0, 1.0, 2.0, 3.0])
    stamps = resolve_duplicates(time, np.array([1, 2, 2, 3, 4]), lambda i, j: False)
    assert stamps.keep.tolist() == [True, True, False, True, True]
    assert (stamps.n_same, stamps.n_other) == (0, 1)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=60))
def test_times_always_increase(ticks):
    time = np.sort(np.array(ticks, float))
    stamps = resolve_duplicates(time, np.arange(len(time)), lambda i, j: (i + j) % 2 == 0)
    assert (np.diff(stamps.time[stamps.keep]) > 0).all()
    assert stamps.keep.sum() + stamps.n_same + stamps.n_other == len(time)
