from __future__ import annotations

import pytest

from ephemera.xmm.bad_observations import Reason, read_bad_observations

HEADER = "obsid,reason,evidence,comment\n"


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "bad.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_rows_are_found_by_obsid_with_leading_zeros(written):
    text = (
        '0200080734,solar_system_target,OBJECT,"Jupiter, moving"\n0001730201, bright_extended ,image,Tycho\n'
    )
    rows = read_bad_observations(written(HEADER + text))
    assert list(rows) == ["0200080734", "0001730201"]
    assert rows["0200080734"].comment == "Jupiter, moving"
    assert rows["0001730201"].reason is Reason.BRIGHT_EXTENDED


def test_a_list_without_rows_flags_nothing(written):
    assert read_bad_observations(written(HEADER)) == {}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "header must be obsid,reason,evidence,comment"),
        ("obsid,reason\n", "header must be obsid,reason,evidence,comment"),
        # Two obsids fused by a missing comma: the reason a list does not belong into code.
        (HEADER + "02000807340202190301,calibration,,\n", "line 2: obsid must be ten digits"),
        (HEADER + "200080734,calibration,,\n", "line 2: obsid must be ten digits"),
        (HEADER + "0200080734,dull,,\n", "line 2: reason must be one of solar_system_target"),
        (HEADER + "0200080734,calibration\n", "line 2: a row must have 4 values, got 2"),
        (HEADER + "0200080734,calibration,,\n" * 2, "line 3: obsid 0200080734 comes twice"),
    ],
)
def test_a_broken_list_is_refused_with_its_line(written, text, complaint):
    with pytest.raises(ValueError, match=complaint):
        read_bad_observations(written(text))
