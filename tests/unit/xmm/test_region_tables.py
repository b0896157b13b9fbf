from __future__ import annotations

import numpy as np
import pytest

from ephemera.xmm.clean_up import Reason
from ephemera.xmm.connected_regions import find_regions
from ephemera.xmm.light_curves import region_light_curves
from ephemera.xmm.observation import Camera
from ephemera.xmm.positions import positions
from ephemera.xmm.region_columns import ALERTS, DETECTOR_COLUMNS, LIGHT_CURVES, REGIONS
from ephemera.xmm.region_tables import cell_table, region_table
from reference.regions import MAIN, OBSID, flat_expectation, make_cells, make_events, make_frames, sparse
from xmm_cubes import header_of

ROWS = [(42, 68, 1, 0, 10, 1.0, 7.0, 3.4), (42, 69, 2, 1, 0, 20.0, 8.7, 4.0), (7, 7, 2, 0, 5, 0.1, 7.1, 3.4)]


def case(rows, reason=None):
    frames = make_frames(4, last=0.5)
    dense = np.zeros((4, 130, 130), int)
    dense[1, 68, 42] = 10
    cube = sparse(dense, frames, MAIN)
    cells = make_cells(rows)
    reason = np.zeros(len(cells), np.int8) if reason is None else np.array(reason, np.int8)
    kept = cells.take(reason == Reason.KEPT)
    return cells, reason, cube, find_regions(kept, cube, OBSID, 0), kept


def rows_of(rows):
    _, _, cube, regions, kept = case(rows)
    events = make_events(np.full(10, 1006.0), np.full(10, 17010), np.full(10, 27410))
    expectation = flat_expectation(cube.frames, MAIN)
    where = positions(regions, kept, cube, expectation, events, 195.36, 27.76)
    curves = region_light_curves(cube, expectation, regions, header=header_of(Camera.PN))
    share = np.full(len(regions), 0.2)
    raw = {"frac_one_raw_pixel": share, "raw_pixel": np.full(len(regions), "PN_04_010_100", object)}
    raw |= {name: np.full(len(regions), 100.0) for name in (column.name for column in DETECTOR_COLUMNS)}
    return region_table(regions, where | raw, curves)


def test_region_rows_fill_every_declared_column():
    table = REGIONS.arrow(rows_of(ROWS))
    assert table.num_rows == 2
    assert table["type"].to_pylist() == ["peak", "both"]
    assert table["sigma_eclipse"].to_pylist() == [None, 4.0]
    assert table["x"].to_pylist()[1] == pytest.approx(17010)
    required = set(REGIONS.names) - {"ra_evt", "dec_evt", "poserr_evt", "sigma_peak", "sigma_eclipse"}
    assert [name for name in required if table[name].null_count] == []


def test_no_regions_are_a_table_with_all_columns():
    assert REGIONS.arrow(rows_of([])).equals(REGIONS.empty())


def test_cells_have_centres_times_counts_and_detections():
    cells, reason, cube, regions, _ = case(ROWS)
    table = ALERTS.arrow(cell_table(cells, reason, cube, "run", regions)).to_pylist()
    peak = next(row for row in table if row["i"] == 42 and row["type"] == "peak")
    assert (peak["x"], peak["y"], peak["time"]) == (17000.5, 27400.5, 1007.5)
    assert peak["detid"] == regions["detid"][1]
    quantiles = [peak[name] for name in ("counts_q16", "counts_q50", "counts_q84")]
    assert quantiles == sorted(quantiles)
    assert quantiles[1] == pytest.approx(9.6685, abs=1e-4)
    eclipse = next(row for row in table if row["type"] == "eclipse")
    assert eclipse["counts_q50"] == pytest.approx(19.3069, abs=1e-4)
    assert {row["rejected"] for row in table} == {None}


def test_rejected_cells_stay_with_their_reason_and_without_detection():
    reason = [Reason.KEPT, Reason.FLARING_CCD_EDGE, Reason.PARTIAL_EXPOSURES]
    cells, reason, cube, regions, _ = case(ROWS, reason)
    table = ALERTS.arrow(cell_table(cells, reason, cube, "run", regions))
    assert table["rejected"].to_pylist() == [None, "flaring_ccd_edge", "partial_exposures"]
    assert [detid is None for detid in table["detid"].to_pylist()] == [False, True, True]
    assert table["runid"].to_pylist() == ["run"] * 3


def test_last_frame_has_the_middle_of_its_own_length():
    cells, reason, cube, regions, _ = case([(1, 1, 3, 0)])
    assert cell_table(cells, reason, cube, "run", regions)["time"].tolist() == [1016.25]


def test_no_cells_are_a_table_with_all_columns():
    cells, reason, cube, regions, _ = case([])
    assert ALERTS.arrow(cell_table(cells, reason, cube, "run", regions)).equals(ALERTS.empty())


def test_cells_of_other_regions_are_refused():
    cells, reason, cube, regions, _ = case(ROWS)
    with pytest.raises(ValueError, match="reason must keep the 3 cells of regions"):
        cell_table(cells, reason + 1, cube, "run", regions)


@pytest.mark.parametrize("table", [REGIONS, ALERTS, LIGHT_CURVES])
def test_every_column_is_described_and_has_a_ucd(table):
    assert [c.name for c in table if not c.ucd or not c.description] == []
    plain = {"frac_one_raw_pixel", "logB", "best_logB", "B_peak_log", "B_eclipse_log"}
    for column in table:
        if column.dtype in ("f8", "f4") and "sigma" not in column.name and column.name not in plain:
            assert column.unit, column.name
