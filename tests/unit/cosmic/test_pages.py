"""Gallery and summary: figures in time and size, pages that split, escape and say what was left out."""

import io
import re
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from builders.cosmic_files import array_of, file_of, recipe_file, sky, stamp_bytes, voltages_of
from ephemera.cosmic.gallery import SEEN, Sheets, chosen, line_of, listed_hits, panels_of, title_of
from ephemera.cosmic.gallery_page import Book, Item, Picture, anchor, book_pages, hits_page
from ephemera.cosmic.stamp import open_stamps
from ephemera.cosmic.stamp_figures import (
    AntennaView,
    Axis,
    Line,
    Panel,
    decibels,
    line_ends,
    mosaic,
    overlay_lines,
    places_on_ground,
    waterfall_height,
)
from ephemera.cosmic.summary import NothingRead, occupancy, report, tally, total_counts
from ephemera.cosmic.summary_page import Summary, summary_page

AXIS = Axis(24150.2, 1.9073486328125, 0.524288, 16, 524)
NASTY = "</script><script>alert('x')</script>"


def test_decibels_are_above_the_edges():
    power = np.full((16, 100), 3.0)
    power[:, 50] = 30.0
    power[0, 60] = 0.0
    values = decibels(power)
    assert values[0, 10] == 0
    assert values[5, 50] == pytest.approx(10)
    assert np.isnan(values[0, 60])


def test_the_line_runs_beside_the_signal_and_ends_at_the_real_drift():
    axis = Axis(100.0, 2.0, 1.0, 6, 300)
    (x0, y0), (x1, y1) = line_ends(axis, Line(50.0, 70))
    assert x1 - x0 == pytest.approx(70 * 5 / 7 * 2e-3)
    assert x0 == pytest.approx((50 + 5) * 2e-3)
    assert (y0, y1) == (0.5, 5.5)
    assert line_ends(axis, Line(295.0, 0))[0][0] < 295 * 2e-3


def test_the_line_over_a_picture_is_where_the_figure_draws_it():
    (line,) = overlay_lines(1, AXIS, Line(262.0, 0), 7.09)
    x0, y0, x1, y1 = line
    assert x0 == x1
    assert 0.5 < x0 < 0.6
    assert y1 < y0
    assert len(overlay_lines(3, AXIS, Line(262.0, 5), 7.09)) == 3


@pytest.mark.parametrize("n_ant", [1, 2, 25, 64])
def test_the_mosaic_holds_every_antenna(n_ant):
    powers = np.random.default_rng(1).gamma(2, 1, (n_ant, 16, 524))
    image, corners = mosaic(powers)
    assert len(set(corners)) == n_ant
    assert np.isfinite(image).sum() == n_ant * 16 * (524 // 9)


def test_a_dead_antenna_is_an_empty_tile():
    powers = np.random.default_rng(1).gamma(2, 1, (4, 16, 60))
    powers[2] = 0
    image, _ = mosaic(powers)
    assert np.isfinite(image).sum() == 3 * 16 * 60


def test_places_on_the_ground():
    """At longitude and latitude 0: x is up, y east, z north."""
    positions = np.array([[5.0, 1.0, 2.0], [5.0, -1.0, -2.0]])
    np.testing.assert_allclose(places_on_ground(positions, 0, 0, "ecef"), [[1, 2], [-1, -2]])
    np.testing.assert_allclose(places_on_ground(positions, 0, 0, "enu"), [[0, 1], [0, -1]])


@pytest.fixture
def sheets(tmp_path):
    return lambda figures="gallery": Sheets(
        tmp_path, SimpleNamespace(figures=figures, show_path=True, title="A title")
    )


def test_pictures_of_a_stamp_are_small(sheets, tmp_path):
    """At most 150 kB a stamp, as they stand in the page."""
    array = array_of()
    voltages = voltages_of((16, 524, 2, 25), what=sky(50.0, column=262), array=array)
    recipe = recipe_file(tmp_path / "x.bfr5", array)
    (stamp,) = open_stamps(file_of(tmp_path / "x.stamps", stamp_bytes(voltages, column=262)), recipe)
    panels = panels_of(stamp, {"best_coherent": 0})
    assert [panel.name for panel in panels] == ["Best beam: 0", "Classic incoherent"]
    waterfalls = sheets().waterfall(panels, AXIS, line_of(stamp), "A title\nand more", "s")
    snr = np.random.default_rng(1).normal(size=25)
    places = array.positions[:, :2]
    view = AntennaView(array.names, stamp.antenna_powers(), snr, places, 2.0, SEEN, np.eye(25))
    antennas = sheets().antennas(view, "A title", "s")
    assert 4 / 3 * (len(waterfalls.image) + len(antennas.image)) < 150_000
    assert len(waterfalls.lines) == 2
    for picture in (waterfalls, antennas):
        width, height = Image.open(io.BytesIO(picture.image)).size
        assert (width, height > 300) == (1063, True)
    again = sheets().waterfall(panels, AXIS, line_of(stamp), "A title\nand more", "s")
    assert again.image == waterfalls.image
    assert not (tmp_path / "figures").exists()


def test_the_weighted_sum_is_drawn_where_it_differs(tmp_path):
    array = array_of(n_ant=5, gain_scatter=0.5)
    recipe = recipe_file(tmp_path / "x.bfr5", array)
    path = file_of(tmp_path / "x.stamps", stamp_bytes(signal={"beam": 2}))
    (stamp,) = open_stamps(path, recipe)
    names = [panel.name for panel in panels_of(stamp, {"best_coherent": 1})]
    assert names == ["Strongest coherent beam: 1", "Classic incoherent", "Weighted incoherent"]
    (stamp,) = open_stamps(path)
    assert [panel.name for panel in panels_of(stamp, {"best_coherent": None})] == ["Classic incoherent"]


def test_figures_are_files_on_request(sheets, tmp_path):
    power = np.random.default_rng(1).gamma(2, 1, (16, 100))
    axis = Axis(24150.2, -1.9, 0.5, 16, 100)
    sheets("all").waterfall([Panel("Hit", power)], axis, Line(50.0, -7), "$x$ {y}", "hit_1")
    assert {path.name for path in (tmp_path / "figures").iterdir()} == {
        "hit_1_waterfalls.png",
        "hit_1_waterfalls.pdf",
    }


@pytest.mark.parametrize("shape", [(1, 1), (2, 45), (64, 300)])
def test_waterfalls_of_any_shape(sheets, shape):
    axis = Axis(1.0, 2.0, 0.5, *shape)
    picture = sheets().waterfall([Panel("Hit", np.zeros(shape))], axis, None, "t", "n")
    assert picture.lines == []
    assert picture.shape[1] == waterfall_height(1)


def row_of(**changed):
    return {"class": "sky_like", "confidence": "low", "reasons": "g = 1 >= 0.5", **changed}


def items_of(count, **changed):
    picture = Picture(b"\x89PNG", "c", [[0, 0, 1, 1]])
    return [Item(f"o:0000:{k}", row_of(**changed), [("a", k)], [picture]) for k in range(count)]


@pytest.mark.parametrize(("count", "n_pages"), [(0, 1), (1, 1), (200, 1), (201, 2), (450, 3)])
def test_pages_split(count, n_pages):
    pages = book_pages(Book("o", "t", items_of(count)), 200)
    assert list(pages) == ["gallery.html", "gallery-2.html", "gallery-3.html"][:n_pages]
    assert sum(text.count('<article class="item"') for text in pages.values()) == count
    # The first page lists everything, also what is on the others.
    assert pages["gallery.html"].count("data-note-of=") - 1 == count
    for name, text in pages.items():
        for target in re.findall(r'href="([^"#]*)#(item-[^"]*)"', text):
            assert f'id="{target[1]}"' in pages[target[0] or name]


def test_text_from_files_is_escaped():
    item = Item(NASTY, row_of(**{"class": NASTY, "flags": NASTY, "reasons": NASTY}), [(NASTY, NASTY)])
    book = Book(NASTY, NASTY, [item], [dict.fromkeys(("step", "parameters", "by_reason"), NASTY) | NUMBERS])
    (text,) = book_pages(book, 200).values()
    assert "<script>alert" not in text
    hit = dict.fromkeys(("hit_id", "beam_kind", "stamp_id", "reason", "flags"), NASTY)
    hit |= dict.fromkeys(("freq_mhz", "drift_rate_hz_s", "snr", "snr_local", "beam", "n_repeats"))
    assert "<script>alert" not in hits_page(NASTY, [hit | {"kept": False, "position": 0, "offset": 0}], 1)


NUMBERS = {"n_in": 3, "n_out": 2, "n_removed": 1}


def test_anchors_are_plain():
    assert anchor("23B-169.sb1:0000:3") == "item-23B-169-sb1-0000-3"


def test_the_best_are_shown_in_the_order_of_the_files():
    rows = [
        {"stamp_id": str(k), "kept": kept, "snr_local": snr}
        for k, (kept, snr) in enumerate([(True, 5.0), (False, 99.0), (True, None), (True, 50.0)])
    ]
    assert [row["stamp_id"] for row in chosen(rows, 2)] == ["0", "3"]
    assert [row["stamp_id"] for row in chosen(rows, 3)] == ["0", "2", "3"]


def test_hits_with_a_stamp_are_listed_first(monkeypatch):
    monkeypatch.setattr("ephemera.cosmic.gallery.MOST_HITS", 2)
    rows = [
        {"position": k, "stamp_id": stamp, "kept": True, "snr": snr}
        for k, (stamp, snr) in enumerate([(None, 90.0), (None, 50.0), ("s", 1.0)])
    ]
    assert [row["position"] for row in listed_hits(rows)] == [0, 2]


def test_a_title_says_what_is_known():
    row = {"source": "S", "freq_mhz": 1.5, "drift_rate_hz_s": None, "stored_snr": 8.0, "snr_local": None}
    row |= {"snr_local_legacy": 3.25, "class": "ambiguous", "confidence": "low"}
    first, second = title_of(row, "").split("\n")
    assert "1.500000 MHz" in first
    assert second == "local SNR none   legacy 3.25   ambiguous (low)"
    assert title_of(row, "Mine").startswith("Mine")


def test_the_tally_counts_interference_only():
    stamps = {
        "ant_max": ["a", "b", "a", "a", None],
        "class": ["rfi_single_antenna", "sky_like", "rfi_few_antennas", "rfi_single_antenna", "unusable"],
    }
    found = tally(stamps)
    assert found == [{"antenna": "a", "n_rfi": 3, "n_single": 2, "share": 1.0}]


def test_occupancy_is_in_bins_of_1_mhz():
    assert occupancy(np.array([1.2, 1.9, 3.0])) == {1: 2, 3: 1}


def test_counts_of_observations_are_added():
    row = {"number": 1, "step": "copies", "parameters": "p", "n_in": 5, "n_out": 3, "by_reason": "copy 2"}
    (total,) = total_counts([row, {**row, "n_in": 2, "n_out": 2, "by_reason": None}])
    assert (total["n_in"], total["n_out"], total["n_removed"]) == (7, 5, 2)
    assert total["by_reason"] == "copy 2"


def test_a_run_fails_only_when_nothing_could_be_read(capsys):
    codes = {"truncated": ("hits", "rejected"), "tmp_file": ("tmp", "ignored")}
    bad = [
        dict(zip(("code", "kind", "action"), (code, *codes[code]), strict=True))
        for code in ("truncated", "truncated", "tmp_file")
    ]
    report(1, 0, bad)
    assert "1 hits and 0 stamps read, 3 bad inputs (truncated 2, tmp_file 1)" in capsys.readouterr().err
    report(0, 0, [])
    with pytest.raises(NothingRead):
        report(0, 0, bad)


@pytest.mark.parametrize(
    ("code", "kind", "action"),
    [("empty_file", "hits", "kept"), ("part_gap", "stamps", "kept"), ("not_hdf5", "recipe", "ignored")],
)
def test_files_without_a_hit_were_read(code, kind, action):
    report(0, 0, [{"code": code, "kind": kind, "action": action}])


def test_the_summary_leads_to_the_gallery_of_each_observation():
    nothing = np.zeros(0)
    row = {"hits": 0, "kept": 0, "stamps": 0, "unmatched": 0, "verdicts": ""}
    rows = [{"prefix": name, **row} for name in ("X & Y", "Z")]
    galleries = {"X & Y": "../X%20%26%20Y/gallery.html"}
    text = summary_page(Summary("p", rows, {}, [], [], nothing, nothing, nothing, {}, [], [], [], galleries))
    assert '<a href="../X%20%26%20Y/gallery.html">X &amp; Y</a>' in text
    assert text.count("gallery.html") == 1


def test_a_summary_of_nothing():
    nothing = np.zeros(0)
    empty = Summary("p", [], {}, [], [], nothing, nothing, nothing, {}, [], [], [], {})
    text = summary_page(empty)
    assert "Hits and stamps of p" in text
    assert text.count("None.") >= 3
