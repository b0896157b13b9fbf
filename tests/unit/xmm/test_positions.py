from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ephemera.sky.tan import to_plane
from ephemera.xmm.connected_regions import find_regions
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.observation import Band
from ephemera.xmm.positions import (
    astrometric_shift,
    event_positions,
    grid_positions,
    position_error,
    positions,
    shifted,
)
from reference.regions import (
    FULL,
    MAIN,
    OBSID,
    flat_expectation,
    make_cells,
    make_events,
    make_expectation,
    make_frames,
    sparse,
)

#: Reference position of observation 0124710801.
RA0, DEC0 = 195.361708333333, 27.7594166666667
BOTH = np.sqrt(2)


def cube_of(events, frames, band=FULL, grid=MAIN):
    dense = np.zeros((frames.n_frames, grid.n, grid.n), int)
    frame = np.minimum(((events.time - frames.t0) // frames.dt).astype(int), frames.n_frames - 1)
    inside = band.contains(events.pi)
    np.add.at(dense, (frame, grid.index(events.y, "y"), grid.index(events.x, "x")), inside.astype(int))
    return sparse(dense, frames, grid, band)


def found(events, rows, *, n_frames=4, mu=1e-6, band=FULL, frames=None):
    """Regions of the cells `rows`, and what positions are made from."""
    frames = make_frames(n_frames) if frames is None else frames
    cube = cube_of(events, frames, band)
    cells = make_cells(rows)
    return find_regions(cells, cube, OBSID, 0), cells, cube, flat_expectation(frames, MAIN, mu), events


def placed(events, rows, **options):
    return positions(*found(events, rows, **options), RA0, DEC0)


def burst(x, y, n, *, frame=1, spread=0.0, seed=3, pi=1000):
    """Events of one frame around (x, y), sky units."""
    rng = np.random.default_rng(seed)
    place = np.rint(rng.normal((x, y), spread, (n, 2)))
    return make_events(1000 + 5 * (frame + rng.uniform(0.01, 0.99, n)), place[:, 0], place[:, 1], pi)


def test_centre_of_a_pixel():
    columns = placed(burst(17000, 27400, 1), [(42, 68, 1, 0)])
    assert (columns["x"][0], columns["y"][0]) == (17000.5, 27400.5)
    assert columns["ra"][0] == pytest.approx(195.5017438, abs=6e-8)
    assert columns["dec"][0] == pytest.approx(27.7798947, abs=6e-8)


def test_centroid_of_ten_and_thirty_counts():
    x = np.repeat([17000, 17400], [10, 30])
    events = make_events(np.full(40, 1006.0), x, np.full(40, 27400))
    columns = placed(events, [(42, 68, 1, 0), (43, 68, 1, 0)])
    assert columns["ra_grid"][0] == pytest.approx(195.4970344, abs=6e-8)
    assert columns["dec_grid"][0] == pytest.approx(27.7798994, abs=6e-8)
    x, y = grid_positions(found(events, [(42, 68, 1, 0), (43, 68, 1, 0)])[0])
    assert (x[0], y[0]) == (17300.5, 27400.5)


@given(st.floats(1, 1e5))
def test_error_of_grid_positions(excess):
    axis = 8.62 / np.sqrt(excess)
    assert position_error(excess, 20.0) == pytest.approx(BOTH * np.hypot(axis, 1.5), rel=2e-4)


def test_error_of_event_positions_and_its_floor():
    assert position_error([16.0]) == pytest.approx(BOTH * np.hypot(1.6, 1.5))
    assert position_error([0.2, 0.0, -3.0]) == pytest.approx([BOTH * np.hypot(6.4, 1.5)] * 3)
    assert position_error(1e12) == pytest.approx(BOTH * 1.5)
    assert position_error(4.0, sigma_psf=3.0, systematic=0.0) == pytest.approx(BOTH * 1.5)
    assert np.isnan(position_error(np.nan))


def test_event_position_is_the_mean_of_the_events():
    x, y = np.array([17100, 17110, 17120, 17130, 17141]), np.array([27500, 27500, 27520, 27510, 27500])
    columns = placed(make_events(np.full(5, 1006.0), x, y), [(42, 68, 1, 0)])
    assert columns["x"][0] == pytest.approx(x.mean(), abs=1e-6)
    assert columns["y"][0] == pytest.approx(y.mean(), abs=1e-6)
    assert (columns["n_evt"][0], columns["position"][0]) == (5, "events")


def test_event_position_of_a_source_on_a_pixel_corner_is_better_than_the_grid():
    events = burst(17200, 27600, 400, spread=60)
    columns = placed(events, [(42, 68, 1, 0)])
    event_miss = np.hypot(columns["x"][0] - 17200, columns["y"][0] - 27600)
    grid_miss = np.hypot(17000.5 - 17200, 27400.5 - 27600)
    assert event_miss < 12
    assert grid_miss > 280


def test_cells_full_of_background_do_not_pull_the_position():
    """Pixel (43, 68) has just the counts expected there, pixel (42, 68) 20 where 5 are expected."""
    frames = make_frames(2)
    x, y = np.repeat([17100, 17350], [20, 10]), np.full(30, 27400)
    events = make_events(np.full(30, 1006.0), x, y)
    template = np.full((1, 130, 130), 1e-6)
    template[0, 68, 42], template[0, 68, 43] = 5, 10
    expectation = make_expectation(
        frames, templates=template, background=np.ones(2), source=np.zeros((1, 130, 130))
    )
    cube = cube_of(events, frames)
    cells = make_cells([(42, 68, 1, 0)])
    measured = event_positions(find_regions(cells, cube, OBSID, 0), cells, cube, expectation, events)
    assert (measured.x[0], measured.n[0]) == (17100, 20)


def test_events_elsewhere_at_other_times_or_energies_do_not_count():
    there = burst(17000, 27400, 8)
    strangers = [
        burst(17000, 28050, 5),  # 32.5 arcsec north
        burst(17100, 27400, 5, frame=2),  # the next frame
        burst(17100, 27400, 5, pi=2500),  # the other band
    ]
    events = type(there).merge([there, *strangers])
    columns = placed(events, [(42, 68, 1, 0)], band=Band(200, 2000))
    assert (columns["x"][0], columns["y"][0], columns["n_evt"][0]) == (17000, 27400, 8)


def test_the_frames_of_one_region_are_not_those_of_another():
    one, two = burst(17000, 27400, 6), burst(30000, 12000, 9, frame=3)
    events = type(one).merge([one, two, burst(17100, 27400, 9, frame=3)])
    columns = placed(events, [(42, 68, 1, 0), (74, 29, 3, 0)])
    assert columns["x"] == pytest.approx([17000, 30000])
    assert columns["n_evt"].tolist() == [6, 9]


def test_an_event_at_the_very_end_belongs_to_the_last_frame():
    events = make_events(np.full(6, 1020.0), np.full(6, 17100), np.full(6, 27400))
    assert placed(events, [(42, 68, 3, 0)])["n_evt"][0] == 6


def test_four_events_leave_the_grid_position():
    columns = placed(burst(17100, 27450, 4), [(42, 68, 1, 0)])
    assert (columns["x"][0], columns["position"][0], columns["n_evt"][0]) == (17000.5, "grid", 4)
    assert columns["poserr"][0] == columns["poserr_grid"][0] > columns["poserr_evt"][0]
    assert columns["ra_evt"][0] != columns["ra"][0] == columns["ra_grid"][0]


def test_eclipse_without_any_count_has_a_grid_position_and_no_event_position():
    columns = placed(burst(9000, 9000, 3), [(42, 68, 1, 1, 0, 20.0, 8.7, 4.0)])
    assert columns["ra"][0] == pytest.approx(195.5017438, abs=6e-8)
    assert columns["poserr"][0] == pytest.approx(BOTH * np.hypot(8.6192 / np.sqrt(20), 1.5), rel=1e-4)
    assert np.isnan([columns[name][0] for name in ("ra_evt", "dec_evt", "poserr_evt")]).all()
    assert (columns["n_evt"][0], columns["position"][0]) == (0, "grid")


def test_frames_of_eclipses_do_not_give_event_positions():
    events = burst(17100, 27450, 9)
    regions, cells, cube, expectation, events = found(events, [(42, 68, 1, 1)], mu=0.1)
    assert event_positions(regions, cells, cube, expectation, events).n.tolist() == [0]


@pytest.mark.parametrize("pixel", [(0, 0), (129, 129), (0, 129)])
def test_regions_at_the_edge_of_the_grid_have_finite_positions(pixel):
    centre = np.clip(400 * np.array(pixel) + 200, 1, 51840)
    columns = placed(burst(*centre, 7), [(*pixel, 1, 0)])
    assert np.isfinite([columns[name][0] for name in ("ra", "dec", "x", "y", "poserr", "ra_evt")]).all()


def test_grids_shifted_by_half_a_pixel_give_the_same_sky():
    grid = PixelGrid(20.0, shift_x=200, shift_y=200)
    events = burst(17200, 27600, 9)
    frames = make_frames(4)
    cube = cube_of(events, frames, grid=grid)
    i, j = int(grid.index(17200, "x")), int(grid.index(27600, "y"))
    cells = make_cells([(i, j, 1, 0)])
    regions = find_regions(cells, cube, OBSID, 0, grid_number=3)
    columns = positions(regions, cells, cube, flat_expectation(frames, grid, 1e-6), events, RA0, DEC0)
    x, y = grid_positions(regions)
    assert (x[0], y[0]) == (17200.5, 27600.5)
    assert (columns["x"][0], columns["y"][0]) == pytest.approx((17200, 27600))
    assert regions["counts"].tolist() == [9]


def test_event_positions_can_be_left_out():
    regions, cells, cube, expectation, _ = found(burst(17100, 27450, 9), [(42, 68, 1, 0)])
    columns = positions(regions, cells, cube, expectation, None, RA0, DEC0)
    assert columns["position"].tolist() == ["grid"]
    assert np.isnan(columns["ra_evt"][0])


def test_no_regions_give_no_positions():
    columns = placed(burst(17100, 27450, 9), [])
    assert {len(column) for column in columns.values()} == {0}


def test_a_radius_of_nothing_is_refused():
    with pytest.raises(ValueError, match="clip_arcsec must be positive, got 0"):
        event_positions(*found(burst(17100, 27450, 9), [(42, 68, 1, 0)]), clip_arcsec=0.0)


def walk(regions, cells, cube, expectation, events, clip=600.0):
    """Event positions, event by event."""
    mu, n = expectation.dense(), np.zeros((cube.frames.n_frames, cube.grid.n, cube.grid.n))
    n.ravel()[cube.keys] = cube.counts
    x, y = grid_positions(regions)
    results = []
    for region in range(len(regions)):
        frames = set(cells.frame[(regions.cell_region == region) & (cells.kind == 0)])
        here, members = np.array([x[region], y[region]]), []
        for _ in range(3):
            members = []
            for event in range(len(events)):
                place = np.array([events.x[event], events.y[event]], float)
                frame = min(
                    int((events.time[event] - cube.frames.t0) // cube.frames.dt), cube.frames.n_frames - 1
                )
                if frame not in frames or np.hypot(*(place - here)) > clip:
                    continue
                cell = frame, (int(events.y[event]) - 1) // 400, (int(events.x[event]) - 1) // 400
                weight = max(0.0, 1 - mu[cell] / n[cell])
                if weight > 0:
                    members.append((weight, place))
            if not members:
                here = np.array([np.nan, np.nan])
                break
            here = sum(w * place for w, place in members) / sum(w for w, _ in members)
        results.append((*here, len(members)))
    return results


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_event_positions_equal_the_plain_walk(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 120))
    events = make_events(
        rng.uniform(1000, 1020, n), rng.integers(20001, 22400, n), rng.integers(30001, 31600, n)
    )
    rows = {
        (50 + int(a), 75 + int(b), int(f), int(k)) for a, b, f, k in rng.integers(0, (6, 4, 4, 2), (5, 4))
    }
    case = found(events, sorted(rows), mu=float(rng.uniform(0.2, 2)))
    measured = event_positions(*case)
    expected = walk(*case)
    np.testing.assert_allclose(measured.x, [row[0] for row in expected])
    np.testing.assert_allclose(measured.y, [row[1] for row in expected])
    assert measured.n.tolist() == [row[2] for row in expected]


def test_shift_of_a_source_list_is_its_median_correction():
    ra, dec = np.array([359.9999, 0.0001, 10.0]), np.array([1.0, 2.0, np.nan])
    shift = astrometric_shift(ra, dec, (ra + 0.0004) % 360, dec - 0.0002)
    assert shift == pytest.approx((0.0004, -0.0002))
    assert astrometric_shift(ra[:0], dec[:0], ra[:0], dec[:0]) == (0.0, 0.0)
    columns = {name: np.array([359.9998]) for name in ("ra", "ra_grid", "ra_evt")}
    columns |= {name: np.array([5.0]) for name in ("dec", "dec_grid", "dec_evt", "poserr")}
    moved = shifted(columns, shift)
    assert moved["ra"][0] == pytest.approx(0.0002, abs=1e-9)
    assert moved["dec_evt"][0] == pytest.approx(4.9998)
    assert moved["poserr"][0] == 5.0


@pytest.mark.parametrize(
    "file", ["xmm_0201901401_mos1_clean_evts.fits", "xmm_0201901401_mos2_clean_evts.fits"]
)
def test_position_of_a_real_source(shared_data, file):
    """The point source of the Abell 907 field, known at 149.6729 -11.0737, in real photons of one camera."""
    from astropy.io import fits

    with fits.open(shared_data / "xray" / file) as hdus:
        rows, header = hdus["EVENTS"].data, hdus["EVENTS"].header
        good = (rows["PI"] >= 500) & (rows["PI"] <= 2000) & (rows["PATTERN"] <= 12) & (rows["FLAG"] == 0)
        x_column = list(rows.names).index("X") + 1
        ra0, dec0 = header[f"TCRVL{x_column}"], header[f"TCRVL{x_column + 1}"]
        rows = rows[good & (rows["X"] >= 1) & (rows["Y"] >= 1)]
        events = make_events(rows["TIME"], rows["X"], rows["Y"], rows["PI"])
    t0 = float(events.time[0])
    frames = make_frames(1, dt=float(events.time[-1]) - t0, t0=t0)
    cube = cube_of(events, frames)
    x, y = to_plane(149.6729, -11.0737, ra0, dec0)
    i, j = int(MAIN.index(x, "x")), int(MAIN.index(y, "y"))
    cells = make_cells([(i, j, 0, 0, 300, 10.0, 99.0, 9.0)])
    regions = find_regions(cells, cube, OBSID, 0)
    columns = positions(regions, cells, cube, flat_expectation(frames, MAIN, 5.0), events, ra0, dec0)
    offset = np.array(
        [(columns["ra"][0] - 149.6729) * np.cos(np.radians(11.0737)), columns["dec"][0] + 11.0737]
    )
    assert np.hypot(*offset) * 3600 < 3
    assert columns["n_evt"][0] > 300
