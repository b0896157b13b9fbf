import json
import os
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ephemera.survey import export_postgres
from ephemera.survey.columns import DETECTION, EPOCH, NESTED, SOURCE, TABLES
from ephemera.survey.database import connect
from ephemera.survey.describing import FEATURES
from ephemera.survey.judging import Search, curve_row, detection_rows, search_curve
from ephemera.survey.merging import merge
from ephemera.survey.parquet_tables import plain, table_of, table_of_rows, write_table
from ephemera.survey.properties import colours_of, write_properties
from ephemera.survey.search import write_epochs
from ephemera.survey.tables import DECLARATIONS, write_hdf5
from ephemera.survey.tables import write_epochs as export_epochs
from ephemera.tables import SUFFIXES, read, write
from servers.survey_postgres import programs, server
from survey_data import made_up

SEARCH = Search(threshold=5.0)


def curve_with_flare(name="star", sign=1):
    flux = made_up().flux
    flux[40:44] += sign * 20
    return made_up(flux=flux, source=name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tables of a project with one flare, one dip, one quiet source, one without data, one simulated row."""
    root = tmp_path_factory.mktemp("tables")
    (root / "epoch").mkdir()
    curves = [curve_with_flare("a"), curve_with_flare("b", -1), made_up(source="c")]
    searched = [search_curve(curve, SEARCH) for curve in curves]
    rows = [row for s in searched for row in detection_rows(s, SEARCH)]
    rows += detection_rows(search_curve(curve_with_flare("c"), SEARCH), SEARCH, "c:DEMO:0")
    names = ["a", "b", "c", "nothing"]
    outcomes = [
        {
            "source": n,
            "survey": "DEMO",
            "status": "empty" if n == "nothing" else "ok",
            "n_curves": n != "nothing",
        }
        for n in names
    ]
    outcomes = [{**o, "n_curves": int(o["n_curves"])} for o in outcomes]
    tables = {name: declaration.empty() for name, declaration in DECLARATIONS.items() if name not in NESTED}
    tables |= {name: table_of_rows(DECLARATIONS[name], []) for name in NESTED}
    tables["source"] = table_of_rows(
        SOURCE,
        [
            {"name": n, "cat_index": k, "ra": 1.0 * k, "dec": 0.0, "local_ids": {"TIC": "12"}}
            for k, n in enumerate(names)
        ],
    )
    tables["outcome"] = table_of_rows(DECLARATIONS["outcome"], outcomes)
    tables["curve"] = table_of_rows(DECLARATIONS["curve"], [curve_row(s) for s in searched])
    tables["detection"] = table_of_rows(DETECTION, rows)
    for name, table in tables.items():
        write_table(table, name, root / f"{name}.parquet")
    write_properties(root, root / "properties.parquet")
    write_epochs(searched, root / "epoch/one.parquet")
    return root


def test_every_column_carries_unit_ucd_and_description(folder):
    for name, declaration in {**DECLARATIONS, "epoch": EPOCH}.items():
        path = folder / ("epoch/one.parquet" if name == "epoch" else f"{name}.parquet")
        schema = pq.read_schema(path)
        assert schema.names == list(declaration.names)
        for field, column in zip(schema, declaration, strict=True):
            facts = {k.decode(): v.decode() for k, v in field.metadata.items()}
            assert facts.get("unit") == column.unit
            assert facts.get("ucd") == column.ucd
            assert facts["description"] == column.description


def test_types_of_the_tables(folder):
    detection = pq.read_schema(folder / "detection.parquet")
    assert detection.field("sign").type == pa.int8()
    assert detection.field("epochs").type == pa.list_(pa.int32())
    assert detection.field("quality").type == pa.map_(pa.string(), pa.float64())
    assert pq.read_schema(folder / "source.parquet").field("local_ids").type == pa.map_(
        pa.string(), pa.string()
    )
    meta = pq.read_metadata(folder / "detection.parquet").row_group(0).column(0)
    assert meta.compression == "ZSTD"


def test_tables_are_sorted_and_repeat_to_the_byte(folder, tmp_path):
    table = pq.read_table(folder / "detection.parquet")
    ids = table["id"].to_pylist()
    assert ids == sorted(ids)
    rows = table.to_pylist()
    for name, order in (("one", rows), ("two", rows[::-1])):
        again = table_of_rows(DETECTION, [{**r, "quality": dict(r["quality"])} for r in order])
        write_table(again, "detection", tmp_path / f"{name}.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()
    assert pq.read_table(tmp_path / "one.parquet").equals(table)


def test_one_row_a_source_also_without_data(folder):
    rows = {r["source"]: r for r in pq.read_table(folder / "properties.parquet").to_pylist()}
    assert list(rows) == ["a", "b", "c", "nothing"]
    assert (rows["a"]["n_positive"], rows["b"]["n_negative"], rows["c"]["n_detections"]) == (1, 1, 0)
    assert rows["a"]["best_snr"] > 5
    assert rows["b"]["best_negative_snr"] < -5
    assert (rows["nothing"]["has_data"], rows["nothing"]["status"]) == (False, "empty")
    assert rows["nothing"]["best_snr"] is None


def test_views_hide_what_was_simulated(folder):
    with connect(folder) as db:
        for query, answer in (
            ("SELECT count(*) FROM detection", 2),
            ("SELECT count(*) FROM detection_all", 3),
            ("SELECT count(*) FROM epoch WHERE detected", 8),
            ("SELECT local_ids['TIC'] FROM source LIMIT 1", "12"),
        ):
            assert db.execute(query).fetchall() == [(answer,)]
    with pytest.raises(FileNotFoundError, match="no tables"):
        connect(folder / "epoch")


def test_the_five_first_questions_of_the_documentation(folder, repository):
    """Each query of docs/survey.md runs, and says what it is said to."""
    text = re.search(r"```sql\n(.*?)```", (repository / "docs/survey.md").read_text(), re.DOTALL)[1]
    queries = [query for query in text.split(";") if query.strip()]
    assert len(queries) == 5
    with connect(folder) as db:
        (flare, dip) = db.execute("SELECT id FROM detection ORDER BY sign DESC").fetchall()
        found = [db.execute(query.replace("'ID'", f"'{flare[0]}'")).fetchall() for query in queries]
    assert flare != dip
    assert sorted(row[0] for row in found[0]) == ["a", "b"]
    assert [abs(row[5]) for row in found[0]] == sorted((abs(row[5]) for row in found[0]), reverse=True)
    assert len(found[1]) == 100
    assert sum(row[5] for row in found[1]) == 4
    assert found[2] == [("empty", None, 1), ("ok", None, 3)]
    assert found[3] == found[4] == []  # nothing was injected, and there is one survey


@pytest.mark.parametrize("suffix", [s for s in SUFFIXES if s != ".parquet"])
def test_exports_hold_the_same(folder, tmp_path, suffix):
    for name in ("detection", "source", "curve"):
        table = pq.read_table(folder / f"{name}.parquet")
        columns = plain(table, DECLARATIONS[name])
        write(columns, DECLARATIONS[name], tmp_path / f"{name}{suffix}")
        found = read(tmp_path / f"{name}{suffix}", DECLARATIONS[name])
        assert found.equals(DECLARATIONS[name].arrow(columns))
    epochs = plain(pq.read_table(folder / "detection.parquet"), DETECTION)["epochs"].to_pylist()
    assert json.loads(epochs[0]) == [40, 41, 42, 43]


def test_light_curves_in_the_peers_layout(folder, tmp_path):
    import h5py

    write_hdf5(tmp_path / "curves", sorted((folder / "epoch").glob("*.parquet")), folder / "curve.parquet")
    assert len(list((tmp_path / "curves").iterdir())) == 3
    with h5py.File(tmp_path / "curves/light_curves_photometry_a.h5") as handle:
        assert handle["photometry/table"].dtype.names[:3] == ("time", "flux", "fluxerr")
        assert "mjd" in handle["photometry/table"].dtype.names
        assert len(handle["photometry/table"]) == 100


FEATURE_ROWS = [
    ("a", "ZTF", "ztf_g", False, 18.0, 10),
    ("a", "ZTF", "ztf_g", False, 20.0, 10),
    ("a", "ZTF", "ztf_r", False, 18.5, 5),
    ("a", "ZTF", "ztf_i", False, 18.0, 5),
    ("a", "ZTF", "zz", False, 10.0, 5),
    ("a", "ZTF", "ztf_r", True, 1.0, 500),
    ("a", "TESS", "tess_red", False, 17.0, 5),
    ("b", "ZTF", "ztf_g", False, 17.0, 5),
]


def test_colours_only_between_filters_of_one_survey(folder, tmp_path):
    for path in folder.glob("*.parquet"):
        os.link(path, tmp_path / path.name)
    names = ["source", "survey", "filter", "simulated", "median_mag", "n_used"]
    rows = [dict(zip(names, row, strict=True)) for row in FEATURE_ROWS]
    rows = [{**row, "curve_id": str(k)} for k, row in enumerate(rows)]
    (tmp_path / "features.parquet").unlink()
    write_table(table_of_rows(FEATURES, rows), "features", tmp_path / "features.parquet")
    write_properties(tmp_path, tmp_path / "again.parquet")
    found = {r["source"]: dict(r["colours"]) for r in pq.read_table(tmp_path / "again.parquet").to_pylist()}
    assert found["a"] == {"ztf_g-ztf_r": 0.5, "ztf_g-ztf_i": 1.0, "ztf_r-ztf_i": 0.5}
    assert found["b"] == found["nothing"] == {}
    assert colours_of(None) == {}


def test_the_best_status_of_several_surveys_is_told(folder, tmp_path):
    for path in folder.glob("*.parquet"):
        os.link(path, tmp_path / path.name)
    outcomes = [("a", "ZTF", "empty", "no_match"), ("a", "TESS", "ok", None), ("b", "ZTF", "error", "broken")]
    outcomes += [("b", "TESS", "missing", "offline"), ("c", "ZTF", "error", "broken")]
    rows = [dict(zip(("source", "survey", "status", "reason"), row, strict=True)) for row in outcomes]
    (tmp_path / "outcome.parquet").unlink()
    write_table(table_of_rows(DECLARATIONS["outcome"], rows), "outcome", tmp_path / "outcome.parquet")
    write_properties(tmp_path, tmp_path / "again.parquet")
    found = pq.read_table(tmp_path / "again.parquet")
    assert found["status"].to_pylist() == ["ok", "missing", "error", None]
    assert found["reason"].to_pylist() == [None, "offline", "broken", None]


def test_merged_files_equal_one_sorted_table(folder, tmp_path):
    table = pq.read_table(folder / "detection.parquet")
    for k in range(len(table)):
        pq.write_table(table.slice(len(table) - 1 - k, 1), tmp_path / f"{k}.parquet")
    parts = sorted(tmp_path.glob("?.parquet"))
    assert merge(parts, DETECTION, tmp_path / "all.parquet", {"project": "p"}) == 3
    merged = pq.read_table(tmp_path / "all.parquet")
    assert merged.equals(table)
    assert merged.schema.metadata[b"project"] == b"p"
    assert merged.schema.field("snr").metadata == table.schema.field("snr").metadata
    assert merge([], DETECTION, tmp_path / "none.parquet") == 0
    assert pq.read_schema(tmp_path / "none.parquet").equals(table.schema)
    assert not list(tmp_path.glob(".sorting*"))


def test_epochs_are_exported_like_the_other_tables(folder, tmp_path):
    (tmp_path / "DEMO").mkdir()
    os.link(folder / "epoch/one.parquet", tmp_path / "DEMO/RA000.epochs.parquet")
    export_epochs(tmp_path / "epoch", [tmp_path / "DEMO/RA000.epochs.parquet"], ["fits", "csv", "votable"])
    names = {path.name for path in (tmp_path / "epoch").iterdir()}
    assert names == {f"DEMO.RA000.{suffix}" for suffix in ("parquet", "fits", "csv", "vot")}
    for suffix in ("fits", "csv", "vot"):
        assert read(tmp_path / f"epoch/DEMO.RA000.{suffix}", EPOCH).num_rows == 300


def test_columns_that_lack_or_do_not_fit_are_told():
    with pytest.raises(ValueError, match="missing columns cat_index"):
        table_of(SOURCE, {"name": []})
    with pytest.raises(ValueError, match="column cat_index"):
        table_of_rows(SOURCE, [{"name": "a", "cat_index": 1.5}])


def test_ids_tell_detections_apart():
    searched = search_curve(curve_with_flare(), SEARCH)
    (real,) = detection_rows(searched, SEARCH)
    (simulated,) = detection_rows(searched, SEARCH, "x:DEMO:0")
    assert real["id"] != simulated["id"]
    assert detection_rows(searched, SEARCH) == [real]


@pytest.fixture(scope="module")
def postgres():
    if programs() is None:
        pytest.skip("POSTGRESQL ABSENT: install the Debian package postgresql, or this export is not tested")
    with server() as conninfo:
        yield conninfo


def rows_of(conninfo, query):
    import psycopg

    with psycopg.connect(conninfo) as connection:
        return connection.execute(query).fetchall()


def test_a_real_server_loaded_twice_holds_the_same(folder, postgres):
    first = export_postgres.load(postgres, folder, "My-Project", "0123456789")
    query = "SELECT id, sign, epochs, quality, simulated FROM survey_my_project.detection ORDER BY id"
    before = rows_of(postgres, query)
    assert export_postgres.load(postgres, folder, "My-Project", "0123456789") == first
    assert rows_of(postgres, query) == before
    assert first["detection"] == len(before) == 3
    assert first["epoch"] == 300
    table = pq.read_table(folder / "detection.parquet").to_pylist()
    assert [r[2] for r in before] == [t["epochs"] for t in table]
    assert [set(r[3]) for r in before] == [set(dict(t["quality"])) for t in table]


def test_keys_indices_and_comments(folder, postgres):
    export_postgres.load(postgres, folder, "demo", "0123456789")
    indexed = rows_of(postgres, "SELECT indexdef FROM pg_indexes WHERE schemaname = 'survey_demo'")
    text = " ".join(row[0] for row in indexed)
    for part in (
        "detection USING btree (mjd_peak)",
        "detection USING btree (simulated)",
        "source USING btree (name)",
    ):
        assert part in text
    assert "epoch USING btree (curve_id)" in text
    query = "SELECT col_description('survey_demo.source'::regclass, 3)"
    assert rows_of(postgres, query) == [("Right ascension, ICRS, at the epoch [deg]",)]
    total = rows_of(postgres, "SELECT flux FROM survey_demo.epoch ORDER BY curve_id, mjd LIMIT 3")
    expected = pq.read_table(folder / "epoch/one.parquet")["flux"].to_pylist()[:3]
    assert [r[0] for r in total] == expected


def test_a_load_that_fails_leaves_the_old_tables(folder, postgres, tmp_path):
    export_postgres.load(postgres, folder, "careful", "0123456789")
    half = tmp_path / "half"
    half.mkdir()
    for path in folder.glob("*.parquet"):
        os.link(path, half / path.name)
    (half / "epoch").mkdir()
    (half / "rates.parquet").unlink()
    (half / "rates.parquet").write_bytes(b"nothing")
    with pytest.raises(pa.ArrowInvalid):
        export_postgres.load(postgres, half, "careful", "0123456789")
    assert rows_of(postgres, "SELECT count(*) FROM survey_careful.detection") == [(3,)]


def test_names_of_schemas_hold_no_sql():
    assert export_postgres.schema_name('x"; DROP') == "survey_x___drop"
    with pytest.raises(ValueError, match="no PostgreSQL type"):
        export_postgres.sql_type(pa.duration("s"))
    with pytest.raises(ValueError, match="71 letters, more than 63: shorten"):
        export_postgres.schema_name("x" * 64)


def test_a_schema_of_others_is_left_as_it_is(folder, postgres):
    import psycopg

    export_postgres.load(postgres, folder, "my.night", "0123456789")
    with pytest.raises(RuntimeError, match=r"not of project my-night, but says: project my\.night"):
        export_postgres.load(postgres, folder, "my-night", "0123456789")
    with psycopg.connect(postgres) as connection:
        connection.execute("CREATE SCHEMA survey_hand; CREATE TABLE survey_hand.work AS SELECT 1 AS x")
    with pytest.raises(RuntimeError, match="says: nothing; it is left as it is: rename it"):
        export_postgres.load(postgres, folder, "hand", "0123456789")
    assert rows_of(postgres, "SELECT x FROM survey_hand.work") == [(1,)]
    assert rows_of(postgres, "SELECT count(*) FROM survey_my_night.detection") == [(3,)]


def test_every_table_of_a_project_is_declared_and_named_once():
    assert tuple(DECLARATIONS) == TABLES
