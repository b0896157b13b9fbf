import numpy as np
import pytest

from ephemera.xmm.fits_stream import Header, open_fits
from ephemera.xmm.good_time import ALL_CCDS, good_time_of_ccds


def header(**cards) -> Header:
    def text(value):
        return f"'{value}'" if isinstance(value, str) else str(value)

    return Header(b"".join(f"{name.lstrip('_'):8s}= {text(v):70s}".encode() for name, v in cards.items()))


def table(*intervals):
    return np.array(intervals, float).reshape(-1, 2)


def as_lists(result):
    return {ccd: intervals.tolist() for ccd, intervals in result.items()}


ON = {"STDGTI01": table((0, 100)), "STDGTI02": table((1, 100)), "STDGTI07": table((2, 100))}


def test_the_table_named_counts_and_not_its_number():
    events = header(
        DSTYP1="CCDNR", DSTYP6="TIME", DSVAL1="1", DSVAL6="TABLE", DSREF6=":GTI00006",
        _2DSVAL1="7", _2DSREF6=":GTI00106",
    )  # fmt: skip
    tables = ON | {"GTI00006": table((0, 10), (20, 30)), "GTI00106": table((0, 11))}
    assert as_lists(good_time_of_ccds(events, tables)) == {1: [[0, 10], [20, 30]], 7: [[0, 11]]}


def test_an_alternative_takes_from_the_first_what_it_does_not_say():
    events = header(
        DSTYP1="CCDNR", DSTYP2="TIME", DSTYP4="FLAG", DSVAL1="1", DSVAL2="TABLE", DSREF2=":STDGTI01",
        DSVAL4="0", _2DSVAL4=":", _3DSVAL1="2", _3DSREF2=":STDGTI02",
    )  # fmt: skip
    assert as_lists(good_time_of_ccds(events, ON)) == {1: [[0, 100]], 2: [[1, 100]]}


def test_two_time_axes_are_both_needed():
    events = header(
        DSTYP1="CCDNR", DSVAL1="1", DSTYP2="TIME", DSVAL2="TABLE", DSREF2=":STDGTI01",
        DSTYP3="TIME", DSVAL3="TABLE", DSREF3=":GTI00003", DSTYP4="TIME", DSVAL4="5:25,40:60",
    )  # fmt: skip
    tables = ON | {"GTI00003": table((0, 10), (20, 50))}
    assert as_lists(good_time_of_ccds(events, tables)) == {1: [[5, 10], [20, 25], [40, 50]]}


def test_ccds_as_lists_and_ranges():
    events = header(DSTYP1="CCDNR", DSVAL1="1:2,7", DSTYP2="TIME", DSVAL2="TABLE", DSREF2=":GTI00001")
    assert list(good_time_of_ccds(events, {"GTI00001": table((0, 1))})) == [1, 2, 7]


@pytest.mark.parametrize("cards", [{"DSTYP2": "TIME", "DSVAL2": "TABLE", "DSREF2": ":GTI00001"}, {}])
def test_a_table_without_ccd_holds_for_all(cards):
    tables = {"GTI00001": table((0, 1)), "GTI": table((0, 1))}
    assert as_lists(good_time_of_ccds(header(**cards), tables)) == {ALL_CCDS: [[0, 1]]}


def test_without_keywords_the_detector_tables_count():
    assert as_lists(good_time_of_ccds(header(), ON)) == {1: [[0, 100]], 2: [[1, 100]], 7: [[2, 100]]}


def test_a_table_that_is_named_but_absent_is_replaced():
    events = header(DSTYP1="CCDNR", DSVAL1="2", DSTYP2="TIME", DSVAL2="TABLE", DSREF2=":GTI00001")
    assert as_lists(good_time_of_ccds(events, ON)) == {2: [[1, 100]]}


def test_a_ccd_with_an_empty_table_has_no_good_time():
    events = header(DSTYP1="CCDNR", DSVAL1="2", DSTYP2="TIME", DSVAL2="TABLE", DSREF2=":GTI00001")
    assert as_lists(good_time_of_ccds(events, {"GTI00001": table()})) == {2: []}


def test_a_file_that_says_nothing():
    assert good_time_of_ccds(header(), {}) == {}


@pytest.mark.parametrize("expected", [24])
def test_real_keywords_with_two_alternatives_for_each_ccd(shared_data, expected):
    path = shared_data / "xmm" / "pn_images" / "0400620101_image_500_2000_119.48ks.fits"
    tables, primary = {}, None
    with open_fits(path) as stream:
        for hdu in stream:
            if hdu.index == 0:
                primary = hdu.header
            elif hdu.is_table:
                columns = hdu.read(["START", "STOP"])
                tables[hdu.header.name] = np.column_stack([columns["START"], columns["STOP"]])
    found = good_time_of_ccds(primary, tables)
    assert list(found) == list(range(1, 13))
    assert sum(name.endswith("DSVAL1") for name in primary) <= expected
    for ccd, intervals in found.items():
        named = tables[f"GTI0{ccd - 1:02d}02"]
        assert np.diff(intervals, axis=1).sum() == pytest.approx(np.diff(named, axis=1).sum())
