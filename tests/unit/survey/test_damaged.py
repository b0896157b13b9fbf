"""Files that are damaged, cut or of another kind concern their own source, and say what is wrong."""

import csv
import io
import shutil

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ephemera.files import sha256_of
from ephemera.survey import catalogue, populate, reduce, store
from ephemera.survey.columns import SOURCE
from ephemera.survey.outcomes import SourceError
from ephemera.survey.own_files import read_file
from ephemera.survey.parquet_tables import read_table, table_of_rows, write_table
from ephemera.survey.reducing import reduce_raw
from ephemera.survey.seasons import seasons
from survey_data import job, settings_of
from survey_fetching import Fetching

STARS = [{"name": name, "ra": 10.0, "dec": 20.0} for name in ("a", "b")]


def spoil_rows(path):
    """Damage the pages of a Parquet file and leave its footer whole."""
    content = bytearray(path.read_bytes())
    first = pq.read_metadata(path).row_group(0).column(0)
    content[first.data_page_offset + 20 : first.data_page_offset + first.total_compressed_size] = b"\xff" * (
        first.total_compressed_size - 20
    )
    path.write_bytes(content)
    assert pq.read_metadata(path).num_rows


def test_a_raw_file_with_damaged_pages_stops_no_other(tmp_path):
    fetching = Fetching(tmp_path, None)
    fetching("DEMO", *STARS)
    spoil_rows(next(path for path in fetching.files() if path.stem.endswith("_a")))
    rows = fetching("DEMO", *STARS)
    assert {name: row["status"] for name, row in rows.items()} == {"a": "error", "b": "ok"}
    assert "DEMO_photometry_a.parquet is no raw file that can be read" in rows["a"]["reason"]
    assert fetching.incomplete


@pytest.mark.parametrize("content", ["text", "no group", "a table of objects"])
def test_hdf5_that_is_none_or_another_is_an_orphan(tmp_path, content):
    path = tmp_path / "ZTF/RA010/ZTF_photometry_stranger.h5"
    path.parent.mkdir(parents=True)
    if content == "text":
        path.write_text("no HDF5")
    else:
        with h5py.File(path, "w") as handle:
            handle.create_group("photometry" if content != "no group" else "spectra")
    sources = table_of_rows(SOURCE, STARS)
    rows, orphans = populate.matches(sources, store.raw_files(tmp_path, "ZTF"), "ZTF", 2.0)
    assert rows == []
    assert [found for found, _ in orphans] == [path]


@pytest.mark.parametrize("metadata", [b"[]", b"{", b'{"row": 3}', b'{"row": {"ra": null, "dec": 1}}'])
def test_metadata_of_another_form_make_an_orphan(tmp_path, metadata):
    path = tmp_path / "ZTF/RA010/ZTF_photometry_stranger.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"mjd": [1.0]}).replace_schema_metadata({store.KEY: metadata}), path)
    rows, orphans = populate.matches(
        table_of_rows(SOURCE, STARS), store.raw_files(tmp_path, "ZTF"), "ZTF", 2.0
    )
    assert (rows, [found for found, _ in orphans]) == ([], [path])


def test_archives_that_are_cut_say_so(tmp_path, shared_data):
    whole = (shared_data / "survey/macho/lc_1.3444.614.tar.bz2").read_bytes()
    for length in (len(whole) // 3, len(whole) - 10):
        (tmp_path / "cut.tar.bz2").write_bytes(whole[:length])
        with pytest.raises(SourceError, match=r"cut\.tar\.bz2: "):
            read_file(tmp_path / "cut.tar.bz2", "macho", {}, None)


@pytest.mark.parametrize("layout", ["alerce", "kepler", "antares", "peer", "ogle", "table"])
def test_files_of_another_layout_name_the_file(tmp_path, layout):
    (tmp_path / "star.csv").write_text("colour,shape\nred,round\n")

    def curves():
        return reduce_raw(
            "FILES", read_file(tmp_path / "star.csv", layout, {}, None), STARS[0], settings_of("reduce")
        )

    with pytest.raises((SourceError, ValueError), match=r"star\.csv|no column of times"):
        curves()


def test_first_and_last_times_of_own_files_are_mjd(tmp_path):
    pd.DataFrame({"HJD-2450000": [8000.5, 8010.5], "mag": [15.0, 15.1], "magerr": [0.1, 0.1]}).to_csv(
        tmp_path / "a.csv", index=False
    )
    fetching = Fetching(tmp_path, None)
    fetching.options = {"fetch": {"files": {"pattern": str(tmp_path / "{name}.csv")}}}
    row = fetching("FILES", STARS[0])["a"]
    assert (row["mjd_first"], row["mjd_last"]) == (58000.0, 58010.0)


def reduced(folder, survey, raw_path, name="a"):
    """Outcome of the step for one raw file."""
    write_table(table_of_rows(SOURCE, STARS), "source", folder / "batch")
    entry = {"source": name, "survey": survey, "status": "ok", "reason": None, "path": str(raw_path)}
    pq.write_table(
        pa.table({k: [v] for k, v in entry.items()} | {"sha256": [sha256_of(raw_path)]}), folder / "raw"
    )
    settings = settings_of("reduce")
    settings.survey_plugin = None
    inputs = {"batch": folder / "batch", "raw": folder / "raw"}
    outputs = {"curves": folder / "curves", "outcomes": folder / "outcomes"}
    reduce.main(job(settings, inputs, outputs, survey=survey))
    (outcome,) = read_table(folder / "outcomes").to_pylist()
    return outcome


@pytest.mark.parametrize("survey", ["DEMO", "ZTF", "ZTFFORCED", "TESS", "FILES"])
def test_rows_of_another_survey_are_an_error_of_their_source(tmp_path, survey):
    path = store.raw_path(tmp_path, survey, "a", 10.0)
    store.write_raw(path, store.Raw(pa.table({"colour": ["red"]}), {"meanings": {}}))
    outcome = reduced(tmp_path, survey, path)
    assert (outcome["status"], outcome["n_curves"]) == ("error", 0)
    assert outcome["reason"]


def test_a_peers_file_where_tess_rows_belong_is_an_error(tmp_path, shared_data):
    path = tmp_path / "TESS_photometry_a.h5"
    shutil.copyfile(shared_data / "survey/tess/TESS_photometric_series1.h5", path)
    outcome = reduced(tmp_path, "TESS", path)
    assert outcome["status"] == "error"
    assert "missing: " in outcome["reason"]


def test_a_peers_file_is_read_by_the_names_of_its_columns(tmp_path, shared_data):
    path = tmp_path / "FILES_photometry_a.h5"
    shutil.copyfile(shared_data / "survey/tess/TESS_photometric_series1.h5", path)
    outcome = reduced(tmp_path, "FILES", path)
    assert (outcome["status"], outcome["reason"]) == ("ok", None)
    assert outcome["n_curves"] > 0


def test_names_with_quotes_and_commas_stay_whole_in_lists(tmp_path):
    odd = 'a "b", c'
    frame = pd.DataFrame({"name": [odd, "fine"], "ra": [400.0, 10.0], "dec": [99.0, 20.0]})
    frame.to_csv(tmp_path / "c.csv", index=False)
    settings = settings_of("catalogue", catalogue={"file": str(tmp_path / "c.csv")})
    settings.batch, settings.batch_degrees, settings.shard = 5, 360, "1/1"
    outputs = {
        "sources": tmp_path / "s.parquet",
        "rejected": tmp_path / "rejected.csv",
        "batches": tmp_path / "b",
    }
    catalogue.main(job(settings, {"catalogue": tmp_path / "c.csv"}, outputs))
    (row,) = csv.DictReader(io.StringIO((tmp_path / "rejected.csv").read_text()))
    assert (row["row"], row["name"]) == ("0", odd)


def test_times_of_nan_and_infinity_join_the_last_season():
    parts = seasons(np.array([np.inf, 2.0, 1.0, np.nan, 100.0, -np.inf]), 40)
    assert [sorted(part.tolist()) for part in parts] == [[1, 2], [0, 3, 4, 5]]
