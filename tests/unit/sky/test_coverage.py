"""Footprints as MOCs: cells whose centre is inside, unbiased areas, sums that add up."""

import json

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from astropy.io.votable.ucd import parse_ucd
from astropy.time import Time
from hypothesis import given
from hypothesis import strategies as st
from mocpy import MOC, STMOC, TimeMOC

from ephemera.sky.coverage import (
    COVERAGE,
    ORDER,
    Footprint,
    area_deg2,
    coverage_columns,
    footprint_moc,
    save_moc,
    space_time_moc,
    union,
)
from ephemera.sky.healpix import cell_centres
from ephemera.sky.tan import Plane


def disc(n=130, radius=40.0, centre=(64, 64)):
    j, i = np.mgrid[:n, :n]
    return np.hypot(i - centre[0], j - centre[1]) < radius


PLANE = Plane(195.36, 27.76)


@given(st.integers(0, 29).flatmap(lambda k: st.tuples(st.just(k), st.integers(0, 12 * 4**k - 1))))
def test_cell_centres_lie_in_their_cells(order_and_cell):
    order, cell = order_and_cell
    ra, dec = cell_centres([cell], order)
    assert 0 <= ra[0] < 360
    assert MOC.from_lonlat(ra * u.deg, dec * u.deg, max_norder=order).flatten().tolist() == [cell]


def test_centres_of_the_coarsest_cells():
    ra, dec = cell_centres(np.arange(12), 0)
    latitude = np.degrees(np.arcsin(2 / 3))
    np.testing.assert_allclose(ra, [45, 135, 225, 315, 0, 90, 180, 270, 45, 135, 225, 315])
    np.testing.assert_allclose(dec, np.repeat([latitude, 0, -latitude], 4), atol=1e-12)


@pytest.mark.parametrize(("cells", "order"), [([0], -1), ([0], 30), ([-1], 3), ([768], 3)])
def test_cells_that_do_not_exist(cells, order):
    with pytest.raises(ValueError, match="must be in 0"):
        cell_centres(cells, order)


@pytest.mark.parametrize(
    "position", [(195.36, 27.76), (0.0, 0.0), (10.0, 41.81), (300.0, 89.95), (5.0, -90.0)]
)
def test_a_cell_is_in_exactly_if_its_centre_is(position):
    footprint, plane = disc(radius=20.0) & (np.arange(130) % 7 != 0), Plane(*position)
    moc = footprint_moc(footprint, 400, plane)
    around = MOC.from_cone(
        *(np.array(position) * u.deg), radius=12 * u.arcmin, max_depth=ORDER, delta_depth=4
    )
    cells = around.flatten()
    x, y = plane.to_plane(*cell_centres(cells, ORDER))
    i, j = np.floor((x - 0.5) / 400).astype(int), np.floor((y - 0.5) / 400).astype(int)
    assert moc.flatten().tolist() == cells[footprint[j, i]].tolist()


def test_area_is_not_biased():
    rng = np.random.default_rng(3)
    footprint = disc() & ~disc(radius=8.0, centre=(50, 70))
    areas = [
        area_deg2(footprint_moc(footprint, 400, Plane(ra, np.degrees(np.arcsin(z)))))
        for ra, z in rng.uniform((0, -1), (360, 1), (60, 2))
    ]
    exact = footprint.sum() * (20 / 3600) ** 2
    np.testing.assert_allclose(areas, exact, rtol=0.02)
    assert np.mean(areas) == pytest.approx(exact, rel=0.002)


def test_pixels_of_another_size_and_a_shifted_grid():
    whole = footprint_moc(np.ones((40, 40), bool), 400, PLANE, left=17921.0, bottom=17921.0)
    fine = footprint_moc(np.ones((200, 200), bool), 80, PLANE, left=17921.0, bottom=17921.0)
    assert whole == fine
    moved = footprint_moc(np.ones((40, 40), bool), 400, PLANE, left=17921.0 + 16000, bottom=17921.0)
    assert whole.intersection(moved).empty()


def test_nothing_covered():
    moc = footprint_moc(np.zeros((130, 130), bool), 400, PLANE)
    assert moc.empty()
    assert area_deg2(moc) == 0
    assert area_deg2(MOC.from_string("0/0-11")) == pytest.approx(41252.96, abs=0.01)


@pytest.mark.parametrize(
    ("footprint", "pixel", "message"),
    [
        (np.ones((3, 3)), 400, "boolean image, got float64"),
        (np.ones(3, bool), 400, "boolean image"),
        (np.ones((3, 3), bool), 0, "pixel_units must be positive"),
    ],
)
def test_what_is_no_footprint(footprint, pixel, message):
    with pytest.raises(ValueError, match=message):
        footprint_moc(footprint, pixel, PLANE)


def test_union_of_any_number():
    parts = [footprint_moc(disc(radius=5, centre=(20 * k, 64)), 400, PLANE) for k in range(1, 4)]
    assert union([]).empty()
    assert union(parts[:1]) == parts[0]
    assert area_deg2(union(parts)) == pytest.approx(sum(map(area_deg2, parts)))
    assert union(parts) == union(parts[::-1])


def test_coverage_table_counts_overlaps_once_in_area_and_all_in_area_time():
    first = footprint_moc(disc(radius=10, centre=(50, 64)), 400, PLANE)
    second = footprint_moc(disc(radius=10, centre=(90, 64)), 400, PLANE)
    table = coverage_columns(
        [
            Footprint(second, 20_000.0, 5.0, 2.0, 12.0),
            Footprint(first, 10_000.0, 5.0, 0.2, 2.0),
            Footprint(first, 30_000.0, 5.0, 0.2, 2.0),
            Footprint(second, 5_000.0, 5.0, 0.2, 2.0),
        ]
    )
    checked = COVERAGE.arrow(table).to_pylist()
    a, b = area_deg2(first), area_deg2(second)
    assert [row["n_footprints"] for row in checked] == [3, 1]
    assert [row["e_min"] for row in checked] == [0.2, 2.0]
    assert checked[0]["area"] == pytest.approx(a + b)
    assert checked[0]["area_sum"] == pytest.approx(2 * a + b)
    assert checked[0]["exposure"] == pytest.approx(45.0)
    assert checked[0]["area_time"] == pytest.approx(40 * a + 5 * b)
    assert COVERAGE.arrow(coverage_columns([])).equals(COVERAGE.empty())


def test_ucds_of_the_coverage_table_exist():
    for column in COVERAGE:
        if column.ucd is not None:
            assert parse_ucd(column.ucd, check_controlled_vocabulary=True)


@pytest.mark.parametrize("suffix", [".fits", ".json"])
def test_mocs_are_saved_whole_and_the_same_each_time(tmp_path, suffix):
    moc = footprint_moc(disc(), 400, PLANE)
    save_moc(moc, tmp_path / f"a{suffix}")
    save_moc(moc, str(tmp_path / f"b{suffix}"))
    save_moc(moc, tmp_path / f"b{suffix}")
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()
    assert MOC.load(str(tmp_path / f"a{suffix}"), format=suffix[1:]) == moc
    assert len(list(tmp_path.iterdir())) == 2


def test_a_saved_moc_says_its_order(tmp_path):
    save_moc(footprint_moc(disc(), 400, PLANE), tmp_path / "a.fits")
    save_moc(footprint_moc(disc(), 400, PLANE), tmp_path / "a.json")
    assert fits.getheader(tmp_path / "a.fits", 1)["MOCORD_S"] == 13
    assert max(map(int, json.loads((tmp_path / "a.json").read_text()))) == 13


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"path must end in one of .fits, .json, got 'a.txt'"):
        save_moc(MOC.new_empty(13), tmp_path / "a.txt")


def test_space_time_moc_knows_where_and_when(tmp_path):
    first = footprint_moc(disc(radius=10, centre=(40, 64)), 400, PLANE)
    second = footprint_moc(disc(radius=10, centre=(90, 64)), 400, PLANE)
    both = space_time_moc([59000.0, 59010.0], [59000.5, 59010.5], [first, second])
    for start, where in ((58999.0, first), (59009.0, second)):
        begin, end = (Time([mjd], format="mjd", scale="tdb") for mjd in (start, start + 2))
        assert both.query_by_time(TimeMOC.from_time_ranges(begin, end)) == where
    save_moc(both, tmp_path / "st.fits")
    assert STMOC.load(str(tmp_path / "st.fits"), format="fits") == both


@pytest.mark.parametrize(
    ("start", "stop", "message"),
    [([59000.0], [59000.0], "must exceed"), ([59000.0, 1.0], [59001.0], "one length, got 2, 1, 1")],
)
def test_intervals_that_are_none(start, stop, message):
    with pytest.raises(ValueError, match=message):
        space_time_moc(start, stop, [MOC.new_empty(13)])


@pytest.mark.real_data
def test_a_real_detector_mask_with_its_gaps(shared_data):
    mask = fits.getdata(shared_data / "xmm" / "detector_masks" / "PN_mask.fits.gz", "MASK") > 0
    moc = footprint_moc(mask, 50, PLANE, left=3400.5, bottom=3400.5)
    assert area_deg2(moc) == pytest.approx(mask.sum() * (2.5 / 3600) ** 2, rel=0.01)
    assert 0.1 < area_deg2(moc) < 0.25
