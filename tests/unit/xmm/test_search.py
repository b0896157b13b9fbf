"""One observation through all steps: what is found, and how bad input ends."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from ephemera.sky.sphere import separation_arcsec
from ephemera.xmm.cube_store import read_cubes, run_keys
from ephemera.xmm.events_store import read_bad_times, read_subsets
from ephemera.xmm.expectation_store import read_expectation
from ephemera.xmm.light_curve_files import read_light_curves
from ephemera.xmm.observation import Camera
from ephemera.xmm.simulate import observation, small_case
from ephemera.xmm.simulate_hostile import LISTS
from ephemera.xmm.simulate_scene import Burst, Flare
from xmm_chain import search

OBSID = "0800000201"
HOSTILE = "0800000901"
FULL = {"cube": {"time_bins_s": [50.0], "bands_kev": [[0.2, 12.0]]}}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small observation (files) and what is in it."""
    folder = tmp_path_factory.mktemp("small") / OBSID
    truth = small_case(folder)
    return folder, truth


@pytest.fixture(scope="module")
def found(small, tmp_path_factory):
    """The small observation searched with the defaults."""
    return search(small[0], tmp_path_factory.mktemp("found"), OBSID)


def near(table, item, kind):
    """Rows of a detection table that match an item of the truth in place, time and kind."""
    separation = separation_arcsec(table["ra"].to_numpy(), table["dec"].to_numpy(), item.ra, item.dec)
    start, stop = table["t_start"].to_numpy(), table["t_stop"].to_numpy()
    same = (start < item.stop) & (stop > item.start) & (np.array(table["type"].to_pylist()) == kind)
    return table.filter((separation < 20) & same)


def test_the_burst_and_the_eclipse_are_found(small, found):
    _, truth = small
    burst = near(found.detections, truth.bursts[0], "peak")
    assert {5.0, 50.0, 200.0} <= set(burst["t_bin"].to_pylist())
    assert len(near(found.detections, truth.eclipses[0], "eclipse")) > 0


def test_counts_in_excess_are_those_of_the_burst(small, found):
    _, truth = small
    burst = near(found.detections, truth.bursts[0], "peak")
    row = max(burst.to_pylist(), key=lambda r: (r["e_max"] - r["e_min"], r["t_bin"]))
    assert row["counts_excess_q16"] * 0.7 < truth.bursts[0].kept < row["counts_excess_q84"] * 1.6


def test_every_run_says_how_it_ended_and_what_chance_gives(found):
    runs = found.runs.to_pylist()
    assert len(runs) == 9
    for row in runs:
        assert row["outcome"] in ("ok", "ok_no_regions")
        assert row["n_false_expected"] > 0
        assert row["cameras"] == "PN M1 M2"


def test_detections_elsewhere_are_in_number_with_chance(small, found):
    _, truth = small
    here = [*truth.bursts, *truth.eclipses]
    others = [
        row
        for row in found.detections.to_pylist()
        if all(separation_arcsec(row["ra"], row["dec"], item.ra, item.dec) > 40 for item in here)
    ]
    expected = sum(found.runs["n_false_expected"].to_pylist())
    assert len(others) <= expected + 4 * np.sqrt(expected) + 2


def test_bands_add_up_in_every_cell(found):
    keys = run_keys(found.folder / "cube.h5")
    cubes = {
        (k.dt, k.band.kev): c for k, c in zip(keys, read_cubes(found.folder / "cube.h5", keys), strict=True)
    }
    for dt in (5.0, 50.0, 200.0):
        parts = cubes[dt, (0.2, 2.0)].counts.sum() + cubes[dt, (2.0, 12.0)].counts.sum()
        assert cubes[dt, (0.2, 12.0)].counts.sum() == parts


def test_light_curves_hold_all_frames_and_the_counts_of_the_cube(found):
    for detid, curve in read_light_curves(found.folder / "light_curves.parquet"):
        row = next(r for r in found.detections.to_pylist() if r["detid"] == detid)
        run = next(r for r in found.runs.to_pylist() if r["runid"] == row["runid"])
        assert len(curve) == run["n_frames"]
        assert row["len"] == run["n_frames"]


def test_what_is_stored_is_what_was_made(found):
    subset = read_subsets(found.folder / "events.h5")[0]
    assert np.all(np.diff(subset.events.time) >= 0)
    assert subset.t0 <= subset.events.time[0]
    assert [h.camera for h in subset.headers]
    assert all(h.good_time for h in subset.headers)
    assert set(read_bad_times(found.folder / "events.h5")[0]) == {5.0, 50.0, 100.0}
    key = run_keys(found.folder / "cube.h5")[0]
    expectation = read_expectation(found.folder / "expectation.h5", key)
    assert expectation.templates[0].sum() > 0


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """Good files of the observation to which the bad lists belong."""
    folder = tmp_path_factory.mktemp("good") / HOSTILE
    small_case(folder, obsid=HOSTILE, duration=1500.0)
    return folder


@pytest.mark.parametrize("name", sorted(LISTS))
def test_a_bad_list_among_good_ones_ends_with_its_name_and_the_rest_is_searched(good, name, tmp_path):
    write, outcome = LISTS[name]
    folder = tmp_path / "data"
    shutil.copytree(good, folder)
    written = write(tmp_path / "bad")
    target = folder / written.name.replace("S003", "U009")
    shutil.copy(written, target)
    searched = search(folder, tmp_path / "out", HOSTILE, FULL)
    if name == "wrong_obsid":
        assert searched.manifest["outcome"] == searched.outcomes[0]["outcome"] == "wrong_obsid"
        assert len(searched.runs) == 0
        return
    assert searched.outcome_of(target.name) == outcome
    assert searched.manifest["outcome"] == "ok"
    assert searched.run_outcomes() <= {"ok", "ok_no_regions"}
    assert searched.runs["cameras"].to_pylist() == ["PN M1 M2"]


def test_no_lists(tmp_path):
    (tmp_path / "data").mkdir()
    searched = search(tmp_path / "data", tmp_path / "out", OBSID)
    assert "no_lists" in {row["outcome"] for row in searched.outcomes}
    assert len(searched.runs) == len(searched.detections) == 0


def test_no_source_list_is_a_caution(small, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(small[0], folder)
    next(folder.glob("*OBSMLI*")).unlink()
    searched = search(folder, tmp_path / "out", OBSID, FULL)
    assert "no_obsmli" in {row["outcome"] for row in searched.outcomes}
    assert searched.runs["cautions"].to_pylist() == ["no_obsmli"]
    assert searched.run_outcomes() <= {"ok", "ok_no_regions"}


def test_no_flare_curve_of_the_pipeline_is_a_caution(small, tmp_path):
    searched = search(small[0], tmp_path, OBSID, FULL | {"events": {"bti": "fbktsr"}})
    assert "no_flare_curve" in {row["outcome"] for row in searched.outcomes}
    assert searched.runs["cautions"].to_pylist() == ["no_flare_curve"]
    assert searched.runs["n_bti"].to_pylist() == [0]


def test_a_frame_longer_than_half_the_span_has_no_common_time(small, tmp_path):
    options = {"cube": {"time_bins_s": [50.0, 3000.0], "bands_kev": [[0.2, 12.0]]}}
    searched = search(small[0], tmp_path, OBSID, options)
    by_bin = {row["t_bin"]: row["outcome"] for row in searched.runs.to_pylist()}
    assert by_bin[3000.0] == "no_common_time"
    assert by_bin[50.0] in ("ok", "ok_no_regions")


def test_gti_only_with_all_time_bad_has_no_good_frames(small, tmp_path):
    low = {"pn": 1e-9, "m1": 1e-9, "m2": 1e-9}
    options = {
        "events": {"bti_threshold_ct_s": low, "bti_window_s": 1000.0},
        "cube": FULL["cube"] | {"gti_only": True},
    }
    searched = search(small[0], tmp_path, OBSID, options)
    assert searched.run_outcomes() == {"no_good_frames"}
    assert len(searched.detections) == 0


def test_all_time_bad_without_gti_only_goes_on_with_a_caution(small, tmp_path):
    low = {"pn": 1e-9, "m1": 1e-9, "m2": 1e-9}
    options = {"events": {"bti_threshold_ct_s": low, "bti_window_s": 1000.0}, **FULL}
    searched = search(small[0], tmp_path, OBSID, options)
    assert "all_bti" in searched.runs["cautions"][0].as_py()
    assert searched.run_outcomes() <= {"ok", "ok_no_regions"}


def test_a_band_without_events_has_no_regions(small, tmp_path):
    options = {"cube": {"time_bins_s": [50.0], "bands_kev": [[11.999, 12.0]]}}
    searched = search(small[0], tmp_path, OBSID, options)
    assert searched.run_outcomes() == {"ok_no_regions"}


def test_all_counts_under_the_mask_leave_no_background(small, tmp_path):
    options = {**FULL, "expectation": {"radii_arcsec": {"faint": 5000, "medium": 5000, "bright": 5000}}}
    searched = search(small[0], tmp_path, OBSID, options)
    assert searched.run_outcomes() == {"no_background"}


@pytest.mark.parametrize("size", [15.0, 10.0, 4.0])
def test_other_pixel_sizes_work(small, tmp_path, size):
    searched = search(small[0], tmp_path, OBSID, {"cube": FULL["cube"] | {"size_arcsec": size}})
    assert len(near(searched.detections, small[1].bursts[0], "peak")) > 0


@pytest.mark.parametrize("dt", [0.5, 30.0, 333.3, 1234.567])
def test_other_frame_lengths_work(small, tmp_path, dt):
    searched = search(small[0], tmp_path, OBSID, {"cube": FULL["cube"] | {"time_bins_s": [dt]}})
    assert searched.run_outcomes() <= {"ok", "ok_no_regions"}
    assert searched.runs["t_bin"].to_pylist() == [dt]


@pytest.mark.parametrize(
    ("section", "options"),
    [
        ("cube", {"shifted_grids": "time"}),
        ("cube", {"shifted_grids": "all"}),
        ("detect", {"second_pass": True}),
        ("events", {"span": "union"}),
        ("events", {"bti": "none"}),
        ("events", {"bti_window_s": 100 / 3}),
        ("expectation", {"fill": "navier_stokes"}),
        ("detect", {"clean_up": False, "gauss_above_1000": True}),
        ("regions", {"light_curve_area": "pixels", "event_position": False, "connectivity": 4}),
    ],
)
def test_every_option_finds_the_burst_once_in_a_run(small, tmp_path, section, options):
    merged = {**FULL, section: FULL.get(section, {}) | options}
    searched = search(small[0], tmp_path, OBSID, merged)
    burst = near(searched.detections, small[1].bursts[0], "peak")
    assert len(burst) == 1
    assert burst["n_grids"][0].as_py() == {"time": 2, "all": 8}.get(options.get("shifted_grids"), 1)


@pytest.mark.parametrize("grids", ["none", "time"])
def test_union_with_second_pass_on_any_grid(small, tmp_path, grids):
    cube = FULL["cube"] | {"shifted_grids": grids}
    options = {"cube": cube, "events": {"span": "union"}, "detect": {"second_pass": True}}
    searched = search(small[0], tmp_path, OBSID, options)
    assert len(near(searched.detections, small[1].bursts[0], "peak")) == 1


def test_the_second_pass_expects_less_where_the_burst_was(small, tmp_path):
    first = search(small[0], tmp_path / "one", OBSID, FULL)
    second = search(small[0], tmp_path / "two", OBSID, {**FULL, "detect": {"second_pass": True}})
    mu = [near(s.detections, small[1].bursts[0], "peak")["best_mu"][0].as_py() for s in (first, second)]
    assert mu[1] < mu[0]


@pytest.mark.parametrize("cameras", [[Camera.PN], [Camera.M1], [Camera.M1, Camera.M2]])
def test_any_set_of_cameras_works(tmp_path, cameras):
    truth = observation(
        tmp_path / "data", obsid=OBSID, seed=4, duration=2000.0, cameras=cameras,
        bursts=[Burst(25921.0 + 3000, 25921.0 + 3000, 900.0, 30.0, 150.0)], flares=[Flare(100, 200, 30)],
    )  # fmt: skip
    searched = search(tmp_path / "data", tmp_path / "out", OBSID, FULL)
    assert len(near(searched.detections, truth.bursts[0], "peak")) == 1


def test_the_same_files_give_the_same_bytes(small, tmp_path):
    names = ("events.h5", "cube.h5", "expectation.h5", "cells.parquet", "runs.parquet", "regions.parquet")
    names += ("alerts.parquet", "light_curves.parquet", "detections.parquet", "second_pass.h5")
    one, two = (search(small[0], tmp_path / name, OBSID, FULL).folder for name in ("one", "two"))
    for name in names:
        assert (one / name).read_bytes() == (two / name).read_bytes(), name


def test_results_open_in_xarray(found):
    import xarray

    key = run_keys(found.folder / "cube.h5")[0]
    with xarray.open_dataset(found.folder / "cube.h5", group=key.path, engine="h5netcdf") as cube:
        assert cube["counts"].dims == ("cell",)
    with xarray.open_dataset(found.folder / "expectation.h5", group=key.path, engine="h5netcdf") as factors:
        assert factors["templates"].dims == ("exposure_class", "y", "x")


def test_real_lists_search_where_they_should(shared_data, tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    for camera in ("mos1", "mos2"):
        name = f"xmm_0201901401_{camera}_clean_evts.fits"
        (folder / name).symlink_to(shared_data / "xray" / name)
    searched = search(folder, tmp_path / "out", "0201901401")
    assert {row["outcome"] for row in searched.outcomes} == {"ok", "no_obsmli"}
    expected = sum(searched.runs["n_false_expected"].to_pylist())
    assert len(searched.detections) <= expected + 4 * np.sqrt(expected) + 1
    subset = read_subsets(searched.folder / "events.h5")[0]
    exposed = [row["exposure"] for row in searched.runs.to_pylist() if row["t_bin"] == 200.0]
    assert 4500 < exposed[0] < 5136, "exposures follow the flare-cut intervals"
    for ra, dec in ((149.6729, -11.0737), (149.592, -11.064)):
        assert offset_of_peak(subset, ra, dec) < 2.0


def offset_of_peak(subset, ra, dec):
    """Arcsec from a position to the peak of the image around it, found by iterated means of events."""
    from ephemera.sky.tan import to_plane, to_sky

    header = subset.headers[0]
    x, y = (float(v) for v in to_plane(ra, dec, header.reference_ra, header.reference_dec))
    events = subset.events
    for _ in range(20):
        near_peak = np.hypot(events.x - x, events.y - y) < 8 / 0.05
        x, y = events.x[near_peak].mean(), events.y[near_peak].mean()
    return float(separation_arcsec(*to_sky(x, y, header.reference_ra, header.reference_dec), ra, dec))
