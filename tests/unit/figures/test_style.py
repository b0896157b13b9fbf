from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pytest

from ephemera.figures.style import COLOURS, LINES, OKABE_ITO, SERIES, WIDTHS, figure, margins, plain, save


def written(path, height=1.0, size=3.0):
    with figure(1, height=height) as drawn:
        axes = drawn.subplots()
        axes.plot([0, 1], [1, size], label="curve")
        axes.fill_between([0, 1], 0, 1, hatch="//")
        axes.set_xlabel("Time [s]")
        axes.legend()
        save(drawn, path)
    return path.read_bytes()


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_same_figure_gives_the_same_bytes(tmp_path, suffix):
    first = written(tmp_path / f"a.{suffix}")
    assert written(tmp_path / f"b.{suffix}") == first
    assert written(tmp_path / f"c.{suffix}", size=4.0) != first


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_files_carry_no_date_and_no_version(tmp_path, suffix):
    content = written(tmp_path / f"a.{suffix}")
    for word in (b"matplotlib.org", b"CreationDate", b"<dc:date>", b"Software"):
        assert word not in content


def test_settings_of_the_user_do_not_enter(tmp_path):
    first = written(tmp_path / "a.png")
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 50}):
        assert written(tmp_path / "b.png") == first


def test_settings_are_as_before_and_the_figure_is_empty_afterwards():
    before = dict(mpl.rcParams)
    with figure(2, height=2.0) as drawn:
        drawn.subplots(1, 2)
        assert mpl.rcParams["font.size"] == 8.0
    assert dict(mpl.rcParams) == before
    assert drawn.axes == []


def test_a_figure_that_fails_leaves_no_file_and_no_settings(tmp_path):
    before = dict(mpl.rcParams)
    with pytest.raises(ZeroDivisionError), figure(1, height=1.0) as drawn:  # noqa: PT012
        drawn.subplots()
        raise ZeroDivisionError
    assert dict(mpl.rcParams) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.PNG"])
def test_other_formats_are_refused(tmp_path, name):
    with figure(1, height=1.0) as drawn, pytest.raises(ValueError, match="must end in"):
        save(drawn, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("columns", "height"), [(3, 1.0), (1, 0.0), (1, -1.0), (2, np.nan)])
def test_impossible_sizes_are_refused(columns, height):
    with pytest.raises(ValueError, match="columns must be 1 or 2"), figure(columns, height=height):
        pass


def test_widths_are_those_of_journal_columns():
    assert [round(width * 25.4) for width in WIDTHS.values()] == [88, 180]
    with figure(2, height=3.0) as drawn:
        assert tuple(drawn.get_size_inches()) == (WIDTHS[2], 3.0)
        assert drawn.canvas.get_default_filetype() == "png"


def test_margins_are_in_inch():
    with figure(2, height=4.0) as drawn:
        space = margins(drawn, left=0.5, right=0.25, bottom=1.0, top=0.4)
        axes = drawn.subplots(gridspec_kw=space)
        assert axes.get_position().x0 * WIDTHS[2] == pytest.approx(0.5)
        assert (1 - axes.get_position().x1) * WIDTHS[2] == pytest.approx(0.25)
        assert axes.get_position().y0 * 4.0 == pytest.approx(1.0)
        assert (1 - axes.get_position().y1) * 4.0 == pytest.approx(0.4)


def test_kinds_differ_in_colour_and_in_dashes():
    kinds = ("peak", "eclipse", "both")
    assert len({COLOURS[kind] for kind in kinds}) == len({LINES[kind] for kind in kinds}) == 3
    assert {COLOURS[kind] for kind in kinds} <= set(OKABE_ITO.values())
    assert len(set(SERIES)) == len(SERIES)


def test_texts_from_files_become_printable_ascii_of_bounded_length():
    assert plain(" a\tb\x00 \N{GREEK SMALL LETTER MU} ") == "a?b? ?"
    assert plain("x" * 100, 10) == "xxxxxxx..."
    assert plain("$5 {fine}") == "$5 {fine}"
