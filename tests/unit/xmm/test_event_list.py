import gzip
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from builders.event_lists import OBSID, rows, write_list
from ephemera.xmm.event_list import read_event_list
from ephemera.xmm.good_time import ALL_CCDS
from ephemera.xmm.observation import Camera
from ephemera.xmm.outcomes import ListRejected, Outcome

NAMES = {"time": "TIME", "x": "X", "y": "Y", "pi": "PI", "flag": "FLAG", "pattern": "PATTERN", "ccd": "CCDNR"}
NAMES |= {name: name.upper() for name in ("rawx", "rawy", "detx", "dety")}


def outcome_of(path: Path, **options) -> tuple[Outcome, str]:
    with pytest.raises(ListRejected) as caught:
        read_event_list(path, **options)
    return caught.value.outcome, caught.value.detail


@pytest.mark.parametrize("obsid", ["0201901401", "0404910601"])
@pytest.mark.parametrize(("mos", "camera"), [(1, Camera.M1), (2, Camera.M2)])
def test_real_lists_read_as_astropy_reads_them(shared_data, obsid, mos, camera):
    path = shared_data / "xray" / f"xmm_{obsid}_mos{mos}_clean_evts.fits"
    raw = read_event_list(path, obsid=obsid)
    with fits.open(path) as hdus:
        table, cards = hdus["EVENTS"].data, hdus["EVENTS"].header
        for name, column in NAMES.items():
            np.testing.assert_array_equal(getattr(raw, name), table[column])
        references = [key for key in cards if key.endswith("DSREF6")]
        assert list(raw.good_time) == [int(cards[key.replace("DSREF6", "DSVAL1")]) for key in references]
        for key, (ccd, intervals) in zip(references, raw.good_time.items(), strict=True):
            assert np.diff(intervals, axis=1).sum() == pytest.approx(cards[f"ONTIME{ccd:02d}"], abs=1e-3)
            named = hdus[cards[key].lstrip(":")].data
            assert (intervals[0, 0], intervals[-1, 1]) == (named["START"].min(), named["STOP"].max())
        assert (raw.header.start, raw.header.stop) == (
            min(g[0, 0] for g in raw.good_time.values()),
            max(g[-1, 1] for g in raw.good_time.values()),
        )
        assert raw.header.ontime == cards["ONTIME"]
        assert raw.header.pa_pnt == cards["PA_PNT"]
        assert (raw.header.reference_ra, raw.header.reference_dec) == (cards["RA_PNT"], cards["DEC_PNT"])
    assert raw.header.camera is camera
    assert raw.header.obsid == obsid
    assert raw.header.submode == "PrimeFullWindow"
    assert raw.header.filter == "Thin1"
    assert raw.header.frame_time == 2.6
    assert raw.flag_mask == 0x766BA000


def test_a_lost_ccd_shifts_the_numbers_of_the_tables(shared_data):
    raw = read_event_list(shared_data / "xray" / "xmm_0404910601_mos1_clean_evts.fits")
    assert list(raw.good_time) == [1, 2, 3, 4, 5, 7]


def test_headers_may_say_things_in_several_ways(tmp_path):
    a = read_event_list(write_list(tmp_path / "a.fits"))
    other = {"REVOLUT": None, "MJDREF": "5.0814E+04", "TIMEZERO": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        b = read_event_list(write_list(tmp_path / "a.FTZ", events=other))
    assert b.header.revolution == 1000
    assert b.header.mjdref == 50814.0
    assert a.header.__dict__ | {"file": "a.FTZ"} == b.header.__dict__
    assert a.header.frame_time == pytest.approx(0.07336496)
    for name in NAMES:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_the_overflown_reference_of_the_event_table_is_not_used(tmp_path):
    path = write_list(tmp_path / "a.fits", events={"REFXCRVL": 1.0, "REFYCRVL": 2.0})
    header = read_event_list(path).header
    assert (header.reference_ra, header.reference_dec) == (150.0, -11.0)


def test_the_column_keywords_replace_a_missing_reference(tmp_path):
    names = list(rows())
    x, y = names.index("X") + 1, names.index("Y") + 1
    cards = {f"TCRVL{x}": -10.0, f"TCRVL{y}": 20.0, f"TCRPX{x}": 25921}
    path = write_list(tmp_path / "a.fits", primary={"REFXCRVL": None}, events=cards)
    header = read_event_list(path).header
    assert (header.reference_ra, header.reference_dec) == (350.0, 20.0)


def test_null_and_impossible_values_become_recognisable(tmp_path):
    columns = rows(7)
    columns["X"] = np.array([-99999999, 0, 1, 51840, 51841, 5, 5])
    columns["PI"] = np.array([-32768, -1, 200, 300, 300, 300, 300])
    columns["TIME"] = np.array([1, 2, 3, 4, 5, np.nan, np.inf])
    columns["RAWX"] = np.array([-4, 0, 64, 1, 1, 1, 1])
    columns["FLAG"] = np.array([-(2**31), 0, 0x766BA000, 1, 1, 1, 1])
    raw = read_event_list(write_list(tmp_path / "a.fits", columns))
    assert raw.x.tolist() == [0, 0, 1, 51840, 0, 5, 5]
    assert (raw.pi[:3] < [0, 0, 201]).all()
    assert np.isnan(raw.time[5:]).all()
    assert raw.rawx[:3].tolist() == [0, 0, 64]
    assert raw.flag[0] == 2**31
    assert raw.flag[2] == 0x766BA000


def test_columns_of_other_types_and_missing_detector_coordinates(tmp_path):
    columns = rows(50)
    del columns["DETX"], columns["DETY"]
    expected = read_event_list(write_list(tmp_path / "a.fits", columns))
    floats = {"X": "E", "Y": "D", "PI": "E", "FLAG": "K", "PATTERN": "I", "CCDNR": "J", "RAWX": "E"}
    found = read_event_list(write_list(tmp_path / "b.fits", columns, formats=floats))
    for name in NAMES:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
        assert getattr(found, name).dtype == getattr(expected, name).dtype
    assert not found.detx.any()
    columns["PI"] = columns["PI"] + 0.9
    columns["X"] = np.full(50, np.nan)
    lowered = read_event_list(write_list(tmp_path / "c.fits", columns, formats=floats))
    np.testing.assert_array_equal(lowered.pi, expected.pi)
    assert not lowered.x.any()


def test_any_table_with_event_columns_will_do_under_any_name(tmp_path):
    expected = read_event_list(write_list(tmp_path / "a.fits"))
    found = read_event_list(write_list(tmp_path / "my own list.fits.gz", extname="PHOTONS"))
    np.testing.assert_array_equal(found.time, expected.time)


def test_without_good_times_the_keywords_give_the_interval(tmp_path):
    raw = read_event_list(write_list(tmp_path / "a.fits", good_time={}))
    assert raw.good_time == {}
    assert (raw.header.start, raw.header.stop) == (1000.0, 2000.0)
    raw = read_event_list(write_list(tmp_path / "b.fits", good_time={}, tables={"GTI": [[1100, 1200]]}))
    assert list(raw.good_time) == [ALL_CCDS]
    assert (raw.header.start, raw.header.stop) == (1100.0, 1200.0)


@pytest.mark.parametrize(
    ("options", "outcome", "detail"),
    [
        ({"events": {"DATAMODE": "TIMING"}}, Outcome.SKIPPED_TIMING_MODE, "TIMING"),
        ({"events": {"DATAMODE": "BURST", "SUBMODE": "FastBurst"}}, Outcome.SKIPPED_TIMING_MODE, "BURST"),
        ({"events": {"OBS_MODE": "SLEW"}}, Outcome.SKIPPED_SLEW, "SLEW"),
        ({"events": {"FILTER": "CalClosed"}}, Outcome.SKIPPED_FILTER, "CalClosed"),
        ({"events": {"FILTER": "Closed"}}, Outcome.SKIPPED_FILTER, "Closed"),
        ({"events": {"FILTER": "CalThin1"}}, Outcome.SKIPPED_FILTER, "CalThin1"),
        ({"events": {"SUBMODE": "PrimeSmallWindow"}}, Outcome.SKIPPED_SUBMODE, "PrimeSmallWindow"),
        ({"events": {"SUBMODE": "PrimePartialW2"}}, Outcome.SKIPPED_SUBMODE, "PrimePartialW2"),
        ({"events": {"SUBMODE": "Large Offset"}}, Outcome.SKIPPED_SUBMODE, "Large Offset"),
        ({"camera": Camera.M1, "events": {"SUBMODE": "PrimeLargeWindow"}}, Outcome.SKIPPED_SUBMODE, "Large"),
        ({"camera": Camera.M2, "events": {"SUBMODE": "FastUncompressed"}}, Outcome.SKIPPED_SUBMODE, "Fast"),
        ({"events": {"INSTRUME": "RGS1"}}, Outcome.BAD_KEYWORDS, "RGS1"),
        ({"events": {"INSTRUME": None}, "primary": {"INSTRUME": None}}, Outcome.BAD_KEYWORDS, "INSTRUME"),
        ({"events": {"SUBMODE": None}, "primary": {"SUBMODE": None}}, Outcome.BAD_KEYWORDS, "SUBMODE"),
        ({"events": {"REVOLUT": "none"}, "primary": {"REVOLUT": None}}, Outcome.BAD_KEYWORDS, "REVOLUT"),
        ({"primary": {"REFYCRVL": None}}, Outcome.BAD_KEYWORDS, "REFYCRVL"),
        ({"primary": {"REFYCRVL": 300.0}}, Outcome.BAD_KEYWORDS, "declination is 300"),
        ({"primary": {"REFXCRPX": 1000}}, Outcome.BAD_KEYWORDS, "25921"),
        ({"primary": {"REFYCDLT": 1e-5}}, Outcome.BAD_KEYWORDS, "scale of Y"),
        ({"extname": "SPECTRUM", "columns": {"CHANNEL": np.arange(3)}}, Outcome.BAD_FILE, "no table EVENTS"),
        ({"columns": {name: v[:0] for name, v in rows().items()}}, Outcome.NO_EVENTS, "no rows"),
        ({"obsid": "0000000001"}, Outcome.WRONG_OBSID, OBSID),
    ],
)
def test_lists_that_cannot_be_searched_say_why(tmp_path, options, outcome, detail):
    options = dict(options)
    reading = {"obsid": options.pop("obsid")} if "obsid" in options else {"obsid": OBSID}
    found, text = outcome_of(write_list(tmp_path / "a.FTZ", **options), **reading)
    assert found is outcome
    assert detail in text


@pytest.mark.parametrize("extname", ["EVENTS", "EVENTSxy"])
@pytest.mark.parametrize("missing", [["CCDNR"], ["X", "Y"], ["RAWX", "PATTERN", "FLAG"]])
def test_missing_columns_are_all_named(tmp_path, missing, extname):
    columns = {name: values for name, values in rows().items() if name not in missing}
    found, text = outcome_of(write_list(tmp_path / "a.fits", columns, extname=extname))
    assert found is Outcome.BAD_COLUMNS
    assert all(name in text for name in missing)


def test_a_timing_list_is_known_by_its_name_alone(tmp_path):
    path = tmp_path / "P0884250101PNU002TIEVLI0000.FTZ"
    path.write_bytes(b"not even read")
    assert outcome_of(path)[0] is Outcome.SKIPPED_TIMING_MODE


@pytest.mark.parametrize(
    ("content", "detail"),
    [
        (b"", "empty"),
        (b"<html>503</html>", "html"),
        (gzip.compress(b"", mtime=0), "empty"),
    ],
)
def test_files_that_are_no_lists(tmp_path, content, detail):
    path = tmp_path / "P0884250101PNS003PIEVLI0000.FTZ"
    path.write_bytes(content)
    found, text = outcome_of(path)
    assert found is Outcome.BAD_FILE
    assert detail in text


@pytest.mark.parametrize("share", [0.3, 0.8, 0.999])
def test_a_truncated_list_is_a_bad_file_that_says_where(tmp_path, share):
    path = write_list(tmp_path / "a.FTZ", rows(20_000))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    found, text = outcome_of(path)
    assert found is Outcome.BAD_FILE
    assert f"of {int(share * len(whole))}" in text


@pytest.mark.parametrize("suffix", [".fits", ".FTZ"])
def test_memory_holds_little_more_than_the_columns_kept(tmp_path, suffix):
    n = 300_000
    columns = rows(n) | {"PAT_ID": np.zeros(n, int), "TIME_RAW": np.zeros(n)}
    path = write_list(tmp_path / f"a{suffix}", columns, formats={"TIME_RAW": "D"})
    kept = 28 * n
    read_event_list(path)
    tracemalloc.start()
    raw = read_event_list(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(getattr(raw, name).nbytes for name in NAMES) == kept
    assert peak < 1.5 * kept
