"""Hot regions: found in detector coordinates, the published rectangles, and where nothing is known."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from ephemera.config.xmm_catalogue import HotRegions
from ephemera.tables import write
from ephemera.xmm.detection_columns import DETECTIONS
from ephemera.xmm.detector_positions import median_detector, pointing_angle, rotated
from ephemera.xmm.hot_regions import LEGACY_PIVOT, flag_hot, hot_cells, judge, legacy_rows
from ephemera.xmm.observation import XMM, Events
from ephemera.xmm.region_events import RegionEvents
from ephemera.xmm.sample_columns import HOT_FLAGS, HOT_REGIONS


def detections(rows):
    full = [{"detid": f"d{k:03d}", "t_bin": 5.0, "obsid": f"{k:010d}"} | row for k, row in enumerate(rows)]
    return DETECTIONS.arrow({name: [row.get(name) for row in full] for name in DETECTIONS.names})


def test_the_rotation_of_the_worked_case():
    x, y = rotated(25921 + 1000, 25921, 30.0)
    assert (x, y) == (pytest.approx(866.0254), pytest.approx(-500))
    assert np.isnan(rotated(1.0, 1.0, np.nan)).all()
    assert rotated(1.0, 2.0, 0.0, LEGACY_PIVOT) == (1 - 25719, 2 - 25719)


def test_the_published_rectangles_are_43():
    rows = legacy_rows()
    assert [sum(row["t_bin"] == t for row in rows) for t in (5, 50, 200)] == [35, 5, 3]
    assert HOT_REGIONS.arrow({n: [row.get(n) for row in rows] for n in HOT_REGIONS.names}).num_rows == 43


def scattered(n, random):
    return [(int(i), int(j), f"{k:010d}") for k, (i, j) in enumerate(random.integers(-20, 20, (n, 2)))]


def test_a_cell_with_many_observations_is_hot_and_chance_is_not():
    random = np.random.default_rng(3)
    found = scattered(400, random)
    assert hot_cells(found, 5, 1e-6) == []
    found += [(3, 4, f"9{k:09d}") for k in range(12)]
    (row,) = hot_cells(found, 5, 1e-6)
    assert row["cell"] == (3, 4)
    assert row["n_obsids"] >= 12
    assert hot_cells(found[::-1], 5, 1e-6) == [row]


def test_many_detections_of_one_observation_make_no_cell_hot():
    assert hot_cells([(0, 0, "a")] * 50 + scattered(100, np.random.default_rng(1)), 5, 1e-6) == []


def test_crowded_surroundings_raise_what_is_expected():
    crowd = [(i, j, f"{k:010d}") for k in range(12) for i in range(-3, 4) for j in range(-3, 4)]
    assert hot_cells(crowd, 5, 1e-6) == []


def sample(n=12):
    hot = [{"detx_pn": 1000.0 + k, "dety_pn": 2000.0} for k in range(n)]
    random = np.random.default_rng(5).uniform(-8000, 8000, (60, 2))
    return detections(hot + [{"detx_pn": x, "dety_pn": y} for x, y in random] + [{}])


def test_flags_follow_the_regions_and_are_null_where_nothing_is_known():
    table = sample()
    regions, flags = judge(table, 73, HotRegions())
    assert [row["camera"] for row in regions.to_pylist()] == ["PN"]
    assert flags[:12] == [True] * 12
    assert flags[12:-1].count(True) <= 1
    assert flags[-1] is None
    assert judge(table, 4, HotRegions())[1] == [None] * len(table)
    assert judge(table, 73, HotRegions(method="none"))[1] == [None] * len(table)
    flagged = flag_hot(table, HOT_FLAGS.arrow({"detid": table["detid"], "filt_hot_region": flags}))
    assert flagged["filt_hot_region"].to_pylist() == flags


def test_a_table_of_an_earlier_run_serves_a_small_sample(tmp_path):
    regions, _ = judge(sample(), 73, HotRegions())
    write(regions, HOT_REGIONS, tmp_path / "hot.parquet", {"version": "abc"})
    one = detections([{"detx_pn": 1001.0, "dety_pn": 2000.0}, {"detx_pn": -1.0, "dety_pn": 0.0}])
    assert judge(one, 1, HotRegions(table=str(tmp_path / "hot.parquet")))[1] == [True, False]


def test_a_table_in_coordinates_that_nobody_knows_is_refused(tmp_path):
    for names in (["ACIS"], ["PN", "ROTATED"]):
        rows = [{"camera": name, "t_bin": 5.0} for name in names]
        write({n: [row.get(n) for row in rows] for n in HOT_REGIONS.names}, HOT_REGIONS, tmp_path / "hot.csv")
        settings = HotRegions(table=str(tmp_path / "hot.csv"))
        with pytest.raises(ValueError, match="camera must be PN, M1, M2, or ROTATED in all rows, got"):
            judge(sample(), 73, settings)


def test_the_published_rectangles_need_the_angle_and_a_frame_length_they_have():
    inside = {"x": LEGACY_PIVOT + 9600.0, "y": LEGACY_PIVOT + 13700.0, "pa_pnt": 0.0}
    changes = ({}, {"pa_pnt": None}, {"t_bin": 600.0}, {"x": 20000.0})
    table = detections([inside | change for change in changes])
    assert judge(table, 1, HotRegions(method="legacy"))[1] == [True, None, None, False]
    turned = detections([{"x": LEGACY_PIVOT - 13700.0, "y": LEGACY_PIVOT + 9600.0, "pa_pnt": 90.0}])
    assert judge(turned, 1, HotRegions(method="legacy"))[1] == [True]


def test_medians_are_per_camera_and_nan_without_events():
    n = 5
    events = Events(
        *(np.zeros(n, dtype) for dtype in ("f8", "u2", "u2", "u2", "u1", "u2", "u2")),
        detx=np.array([1, 3, 100, 7, 9], "i2"),
        dety=np.array([10, 30, -100, 70, 90], "i2"),
        camera=np.array([0, 0, 1, 0, 2], "u1"),
    )
    inside = RegionEvents(np.array([0, 1, 2]), np.array([0, 0, 0]), np.zeros(3, int))
    columns = median_detector(events, inside, 2)
    assert columns["detx_pn"][0] == 2
    assert columns["dety_m1"][0] == -100
    assert np.isnan(columns["detx_m2"]).all()
    assert np.isnan(columns["detx_pn"][1])


def test_the_angle_of_a_subset_is_that_of_the_first_list_that_tells_it():
    headers = [SimpleNamespace(pa_pnt=angle, mission=XMM) for angle in (None, 12.5)]
    assert pointing_angle(SimpleNamespace(headers=headers)) == 12.5
    assert np.isnan(pointing_angle(SimpleNamespace(headers=headers[:1])))
