"""Names are cut, never rounded, and told apart."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.sky.names import iau_names


@pytest.mark.parametrize(
    ("ra", "dec", "name"),
    [
        (195.50039, 27.78237, "J130200.09+274656.5"),
        (359.9999999, -0.00001, "J235959.99+000000.0"),
        (10.0, -0.5001, "J004000.00-003000.3"),
        (83.633083, -5.5, "J053431.93-053000.0"),
        (0.0, 90.0, "J000000.00+900000.0"),
        (360.0, -90.0, "J000000.00-900000.0"),
        (-15.0, 0.0, "J230000.00+000000.0"),
        (-1e-13, -0.0, "J000000.00+000000.0"),
        (719.99999, -0.00003, "J235959.99-000000.1"),
    ],
)
def test_known_names(ra, dec, name):
    assert iau_names([ra], [dec], "EPH").tolist() == [f"EPH {name}"]
    assert iau_names([ra], [dec], "").tolist() == [name]


def reference_name(ra, dec):
    """By exact rational arithmetic, with the rounding of noise to 1e-6 of the last unit."""
    across = round(Fraction(ra % 360.0) * 24_000 * 10**6) // 10**6 % 8_640_000
    up = round(abs(Fraction(dec)) * 36_000 * 10**6) // 10**6
    sign = "-" if dec < 0 and up else "+"
    minutes, hundredths = divmod(across, 6000)
    arcmin, tenths = divmod(up, 600)
    return (
        f"J{minutes // 60:02}{minutes % 60:02}{hundredths // 100:02}.{hundredths % 100:02}"
        f"{sign}{arcmin // 60:02}{arcmin % 60:02}{tenths // 10:02}.{tenths % 10}"
    )


@given(st.floats(-720, 720), st.floats(-90, 90))
def test_equals_exact_arithmetic(ra, dec):
    assert iau_names([ra], [dec], "").tolist() == [reference_name(ra, dec)]


@given(st.integers(0, 8_639_999), st.integers(-3_240_000, 3_240_000))
def test_positions_on_a_printed_digit_keep_it(across, up):
    """Float noise of a value that is exactly a digit must not cut it to the digit before."""
    (name,) = iau_names([across / 24_000], [up / 36_000], "").tolist()
    hours, minutes, seconds = int(name[1:3]), int(name[3:5]), float(name[5:10])
    assert round((hours * 3600 + minutes * 60 + seconds) * 100) == across
    size = (int(name[11:13]) * 3600 + int(name[13:15]) * 60 + float(name[15:])) * 10
    assert round(size) * (-1 if name[10] == "-" else 1) == up


def test_equal_names_get_suffixes_in_the_given_order():
    names = iau_names([10.0, 83.6, 10.0, 10.0], [5.0, 5.0, 5.0, 5.0], "EPH")
    assert names.tolist() == [
        "EPH J004000.00+050000.0a",
        "EPH J053424.00+050000.0",
        "EPH J004000.00+050000.0b",
        "EPH J004000.00+050000.0c",
    ]


def test_more_than_26_equal_names_are_all_distinct():
    names = iau_names(np.full(800, 10.0), np.full(800, 5.0), "EPH").tolist()
    assert [name[-2:] for name in (names[25], names[26], names[27], names[701], names[702])] == [
        "0z", "aa", "ab", "zz", "aa",
    ]  # fmt: skip
    assert names[702].endswith("0.0aaa")
    assert len(set(names)) == 800


def test_no_positions_give_no_names():
    assert iau_names([], [], "EPH").shape == (0,)


@pytest.mark.parametrize(
    ("ra", "dec", "message"),
    [
        ([np.nan], [0.0], "ra_deg must be finite, got nan"),
        ([0.0], [np.nan], "dec_deg must be in"),
        ([0.0], [90.001], "got 90.001"),
        ([0.0, 1.0], [0.0], "one length"),
    ],
)
def test_what_is_no_position(ra, dec, message):
    with pytest.raises(ValueError, match=message):
        iau_names(ra, dec, "EPH")
