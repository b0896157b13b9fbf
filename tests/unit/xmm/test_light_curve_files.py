from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ephemera.tables import read
from ephemera.xmm.connected_regions import find_regions
from ephemera.xmm.light_curve_files import (
    light_curve_ids,
    light_curve_table,
    read_light_curve,
    write_light_curves,
)
from ephemera.xmm.light_curves import region_light_curves
from ephemera.xmm.observation import Camera
from ephemera.xmm.region_columns import LIGHT_CURVES
from reference.regions import OBSID, flat_expectation, make_cells, make_frames, sparse
from xmm_cubes import header_of


def curves_of(rows, *, seed=1, n_frames=6, dt=5.0, extra=False):
    frames = make_frames(n_frames, dt=dt, bccd=[1], bti=[2])
    dense = np.random.default_rng(seed).poisson(1.0, (n_frames, 10, 10))
    cube = sparse(dense, frames)
    regions = find_regions(make_cells(rows), cube, OBSID, 0)
    return region_light_curves(
        cube, flat_expectation(frames), regions, header=header_of(Camera.PN), soft=cube if extra else None
    )


def runs():
    rows = [(1, 1, 0, 0), (5, 5, 0, 0)]
    return [
        curves_of(rows, extra=True),
        curves_of(rows, seed=2, dt=50.0, n_frames=3),
        curves_of([], dt=200.0),
    ]


def test_every_curve_comes_back_as_it_was(tmp_path):
    write_light_curves(tmp_path / "lc.parquet", runs())
    expected = [item for run in runs() for item in run.curves()]
    assert light_curve_ids(tmp_path / "lc.parquet") == [detid for detid, _ in expected]
    for detid, curve in expected:
        table = read_light_curve(tmp_path / "lc.parquet", detid)
        assert table.column_names == list(LIGHT_CURVES.names)
        assert set(table["detid"].to_pylist()) == {detid}
        for name, values in curve.items():
            np.testing.assert_array_equal(table[name].to_pandas().to_numpy(), values)


def test_masked_frames_are_null_and_columns_not_made_too(tmp_path):
    write_light_curves(tmp_path / "lc.parquet", runs())
    first, *_, last = light_curve_ids(tmp_path / "lc.parquet")
    table = read_light_curve(tmp_path / "lc.parquet", first)
    for name in ("mu", "B_peak_log", "B_eclipse_log"):
        assert [value is None for value in table[name].to_pylist()] == [False, True, *[False] * 4]
    assert (table["n"].null_count, table["n_soft"].null_count, table["n_pn"].null_count) == (0, 0, 6)
    assert read_light_curve(tmp_path / "lc.parquet", last)["n_soft"].null_count == 3


def test_reading_one_curve_leaves_the_others_unread(tmp_path):
    """With the bytes of all other curves destroyed, the one asked for is still read."""
    path = tmp_path / "lc.parquet"
    write_light_curves(path, runs())
    detid = light_curve_ids(path)[2]
    whole = read_light_curve(path, detid)
    with pq.ParquetFile(path) as file:
        group = file.metadata.row_group(2)
        chunks = [group.column(k) for k in range(group.num_columns)]
        keep = min(c.dictionary_page_offset if c.has_dictionary_page else c.data_page_offset for c in chunks)
        end = keep + sum(c.total_compressed_size for c in chunks)
        footer = max(
            c.data_page_offset + c.total_compressed_size
            for g in range(file.num_row_groups)
            for c in [file.metadata.row_group(g).column(group.num_columns - 1)]
        )
    content = bytearray(path.read_bytes())
    content[4:keep] = b"\xff" * (keep - 4)
    content[end:footer] = b"\xff" * (footer - end)
    path.write_bytes(content)
    assert read_light_curve(path, detid).equals(whole)
    with pytest.raises((OSError, pa.ArrowException)):
        read_light_curve(path, light_curve_ids(path)[0])


def test_identifiers_are_dictionary_encoded(tmp_path):
    write_light_curves(tmp_path / "lc.parquet", runs())
    with pq.ParquetFile(tmp_path / "lc.parquet") as file:
        group = file.metadata.row_group(0)
        encodings = {group.column(k).path_in_schema: group.column(k).has_dictionary_page for k in range(15)}
    assert encodings["detid"]
    assert not encodings["time"]


def test_same_curves_give_the_same_bytes(tmp_path):
    for name in ("one", "two"):
        write_light_curves(tmp_path / name, runs())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_table_of_a_run_is_the_declared_one():
    table = light_curve_table(runs()[0])
    declared = LIGHT_CURVES.arrow(table)
    assert declared.equals(table.cast(declared.schema))
    assert table.num_rows == 12


def test_other_readers_of_the_declared_table_read_the_file(tmp_path):
    write_light_curves(tmp_path / "lc.parquet", runs())
    table = read(tmp_path / "lc.parquet", LIGHT_CURVES)
    assert table.num_rows == 18
    assert table.slice(0, 6).equals(
        read_light_curve(tmp_path / "lc.parquet", light_curve_ids(tmp_path / "lc.parquet")[0])
    )


def test_nothing_found_is_a_file_with_columns_and_no_rows(tmp_path):
    write_light_curves(tmp_path / "lc.parquet", [])
    table = pq.read_table(tmp_path / "lc.parquet")
    assert (table.num_rows, table.column_names) == (0, list(LIGHT_CURVES.names))
    assert light_curve_ids(tmp_path / "lc.parquet") == []


def test_duplicate_identifiers_leave_no_file(tmp_path):
    run = curves_of([(1, 1, 0, 0)])
    with pytest.raises(ValueError, match="each curve must have its own detid, twice: 0724210501"):
        write_light_curves(tmp_path / "lc.parquet", [run, run])
    assert list(tmp_path.iterdir()) == []


def test_unknown_identifier_and_foreign_file_are_named(tmp_path):
    write_light_curves(tmp_path / "lc.parquet", runs())
    with pytest.raises(KeyError, match="no light curve of 'nobody'; it has 4 others"):
        read_light_curve(tmp_path / "lc.parquet", "nobody")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match=r"other\.parquet is not a file of light curves"):
        read_light_curve(tmp_path / "other.parquet", "nobody")
