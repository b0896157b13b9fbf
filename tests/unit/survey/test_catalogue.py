import gzip

import h5py
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st

from ephemera.survey import catalogue, populate, store
from ephemera.survey.catalogue import (
    CatalogueError,
    batches_of,
    in_range,
    load,
    made_up_columns,
    warn_of_neighbours,
)
from ephemera.survey.nearest import Sky
from ephemera.survey.parquet_tables import read_table
from ephemera.tables.foreign import degrees
from survey_data import job, settings_of

#: 19 digits; a float keeps 16.
GAIA = [3222350478553854464, 286237751845802112, 558441062394445184]


def options(**changes):
    return settings_of("catalogue", catalogue=changes)


def read(path, **changes):
    return load(path, options(file=str(path), **changes))


FRAME = pd.DataFrame(
    {"name": GAIA, "ra": [10.5, 359.9997, 0.0], "dec": [-1.0, 51.0, 90.0], "mag": [15.0, 16.5, np.nan]}
)


def test_every_format_gives_the_same_sources(tmp_path):
    table = Table.from_pandas(FRAME)
    FRAME.to_csv(tmp_path / "c.csv", index=False)
    FRAME.to_parquet(tmp_path / "c.parquet")
    table.write(tmp_path / "c.fits")
    with h5py.File(tmp_path / "c.hdf5", "w") as handle:
        handle["data"] = FRAME.to_records(index=False)
    table.write(tmp_path / "c.vot", format="votable")
    (tmp_path / "c.fits.gz").write_bytes(gzip.compress((tmp_path / "c.fits").read_bytes()))
    (tmp_path / "c.csv.gz").write_bytes(gzip.compress((tmp_path / "c.csv").read_bytes()))
    read_tables = [read(path).table for path in sorted(tmp_path.iterdir())]
    assert len(read_tables) == 7
    for found in read_tables:
        assert found["name"].to_pylist() == [str(n) for n in GAIA]
        assert found.equals(read_tables[0])


def test_ids_that_went_through_floats_are_refused(tmp_path):
    FRAME.astype({"name": float}).to_parquet(tmp_path / "c.parquet")
    with pytest.raises(CatalogueError, match="lose digits"):
        read(tmp_path / "c.parquet")


def test_real_catalogues(shared_data):
    folder = shared_data / "survey/catalogs"
    dwarfs = read(
        folder / "MontWarWDs_gaiaedr3.csv",
        columns={"name": "GaiaEDR3", "ra": "RA_ICRS", "dec": "DE_ICRS", "mag": "Gmag"},
    ).table
    assert len(dwarfs) == 7077
    assert dwarfs["name"][0].as_py() == "3222350478553854464"
    assert len({name[:5] for name in batches_of(dwarfs, 200)}) == 326
    columns = {"name": "Name", "ra": "RA(J2000)", "dec": "DEC(J2000)"}
    with pytest.raises(CatalogueError, match="43 names are in the catalogue more than once: And, Aql"):
        read(folder / "cataclysmic_variables_catalog.txt", columns=columns)
    rows = pd.read_csv(folder / "cataclysmic_variables_catalog.txt")
    assert degrees(pa.array(rows["RA(J2000)"]), hours=True)[0] == pytest.approx(278.01875)
    galaxies = read(folder / "CLU_mini.hdf5").table
    assert len(galaxies) == 92
    gaia = read(
        folder / "gaia_dr3_2sources.vot", columns={"name": "SOURCE_ID", "mag": "phot_g_mean_mag"}
    ).table
    assert len(gaia) == 2
    assert all(len(name) > 15 for name in gaia["name"].to_pylist())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("18 32 04.5", 278.01875),
        ("-00:30:00", -7.5),
        ("1h30m", 22.5),
        ("12.25", 12.25),
        ("", np.nan),
        ("north", np.nan),
        ("1 70 0", np.nan),
        ("10 -5 3", float("nan")),
    ],
)
def test_sexagesimal_text(text, expected):
    assert degrees(pa.array([text]), hours=True)[0] == pytest.approx(expected, nan_ok=True)


def test_right_ascensions_are_wrapped_and_bad_rows_rejected(tmp_path):
    pd.DataFrame(
        {
            "name": ["a", "b", "c", "d", "e", ""],
            "ra": [-0.1, 360.0, 359.9997, 10.0, np.nan, 1.0],
            "dec": [0.0, 0.0, 0.0, 91.0, 0.0, 0.0],
        }
    ).to_csv(tmp_path / "c.csv", index=False)
    found = read(tmp_path / "c.csv")
    assert found.table["ra"].to_pylist() == pytest.approx([359.9, 0.0, 359.9997])
    assert found.table["cat_index"].to_pylist() == [0, 1, 2]
    assert [(row, reason) for row, _, reason in found.rejected] == [
        (3, "declination beyond +-90"),
        (4, "no position"),
        (5, "no name"),
    ]


def test_duplicate_names_are_an_error_that_lists_five(tmp_path):
    names = [f"n{k // 2}" for k in range(14)]
    pd.DataFrame({"name": names, "ra": range(14), "dec": range(14)}).to_csv(tmp_path / "c.csv", index=False)
    with pytest.raises(CatalogueError, match=r"7 names .* n0, n1, n2, n3, n4$"):
        read(tmp_path / "c.csv")


def test_duplicate_positions_are_told(tmp_path, caplog):
    pd.DataFrame({"name": ["a", "b", "c"], "ra": [10.0, 10.00001, 11.0], "dec": [0.0] * 3}).to_csv(
        tmp_path / "c.csv", index=False
    )
    assert warn_of_neighbours(read(tmp_path / "c.csv").table) == 1
    assert "a = b" in caplog.text


def test_frames_are_converted(tmp_path):
    pd.DataFrame({"name": ["gc"], "ra": [0.0], "dec": [0.0]}).to_csv(tmp_path / "c.csv", index=False)
    table = read(tmp_path / "c.csv", frame="galactic").table
    assert (table["ra"][0].as_py(), table["dec"][0].as_py()) == pytest.approx(
        (266.40499, -28.93617), abs=1e-4
    )


def test_missing_columns(tmp_path):
    pd.DataFrame({"name": ["a"], "ra": [0.0], "dec": [0.0]}).to_csv(tmp_path / "c.csv", index=False)
    table = read(tmp_path / "c.csv").table
    assert table["mag"][0].as_py() is None
    with pytest.raises(CatalogueError, match=r"no column RAJ2000; the file has name, ra, dec"):
        read(tmp_path / "c.csv", columns={"ra": "RAJ2000"})
    with pytest.raises(CatalogueError, match="suffix"):
        read(tmp_path / "c.xlsx")


def test_pmdec_is_not_pmra(tmp_path):
    pd.DataFrame({"name": ["a"], "ra": [0.0], "dec": [0.0], "E": [5.0], "N": [-7.0], "em": [0.1]}).to_csv(
        tmp_path / "c.csv", index=False
    )
    (row,) = read(tmp_path / "c.csv", columns={"pmra": "E", "pmdec": "N", "mag_err": "em"}).table.to_pylist()
    assert (row["pmra"], row["pmdec"]) == (5.0, -7.0)
    assert row["mag_err"] == pytest.approx(0.1)


def test_ranges(tmp_path):
    FRAME.to_csv(tmp_path / "c.csv", index=False)
    table = read(tmp_path / "c.csv").table
    assert in_range(table, "0:1")["cat_index"].to_pylist() == [0, 1]
    assert in_range(table, [str(GAIA[2])])["cat_index"].to_pylist() == [2]
    assert in_range(table, "mag < 16 AND dec < 0")["cat_index"].to_pylist() == [0]
    with pytest.raises(CatalogueError, match="neither first:last nor an SQL condition"):
        in_range(table, "magnitude <")
    with pytest.raises(CatalogueError, match="not in the catalogue"):
        in_range(table, ["nobody"])
    with pytest.raises(CatalogueError, match="condition"):
        in_range(table, "mag < (SELECT max(column0) FROM read_csv('/etc/passwd'))")


def sources(n):
    return load(None, options(default="test", test_sources=n)).table


def test_the_test_catalogue_is_always_the_same():
    first = sources(10)
    assert len(first) == 10
    assert first.equals(sources(10))
    assert all(15 <= m <= 20 for m in first["mag"].to_pylist())
    assert made_up_columns(3)["name"].to_pylist()[0].startswith("J")


@given(st.integers(1, 9), st.sampled_from([1, 90, 360]))
def test_batches_hold_every_source_once_and_no_slice_is_crossed(size, width):
    table = sources(40)
    found = batches_of(table, size, width)
    names = [name for part in found.values() for name in part["name"].to_pylist()]
    assert sorted(names) == sorted(table["name"].to_pylist())
    for part in found.values():
        assert len(part) <= size
        assert len({int(ra // width) for ra in part["ra"].to_pylist()}) == 1


def test_a_change_renames_the_batches_it_concerns():
    table = sources(40)
    before = set(batches_of(table, 5))
    mags = table["mag"].to_pylist()
    mags[3] += 1
    changed = table.set_column(
        table.column_names.index("mag"), table.schema.field("mag"), pa.array(mags, pa.float32())
    )
    after = set(batches_of(changed, 5))
    assert len(before - after) == len(after - before) == 1
    order = np.random.default_rng(0).permutation(40)
    assert set(batches_of(table.take(pa.array(order)), 5)) == before


def test_shards_hold_every_source_once():
    table = sources(50)
    parts = [catalogue.in_shard(table, f"{k}/3")["name"].to_pylist() for k in (1, 2, 3)]
    assert all(5 < len(part) < 30 for part in parts)
    assert sorted(name for part in parts for name in part) == sorted(table["name"].to_pylist())


def test_the_step_writes_what_its_rules_promise(tmp_path):
    settings = options(default="test", test_sources=12)
    settings.batch, settings.batch_degrees, settings.shard = 5, 360, "1/1"
    outputs = {"sources": tmp_path / "s.parquet", "rejected": tmp_path / "r.csv", "batches": tmp_path / "b"}
    catalogue.main(job(settings, {}, outputs))
    assert len(read_table(outputs["sources"])) == 12
    assert len(list((tmp_path / "b").iterdir())) == 3
    assert {p.stat().st_mtime for p in (tmp_path / "b").iterdir()} == {catalogue.AGELESS}


def test_allwise_matches_are_those_of_cds(shared_data):
    folder = shared_data / "survey/catalogs"
    wanted = pd.read_csv(folder / "xmatch_allwise_input.csv", dtype={"id": str})
    answer = pd.read_csv(folder / "xmatch_allwise_response.csv", dtype={"id_in": str})
    stars = answer.drop_duplicates("AllWISE").reset_index(drop=True)
    rows, separation = Sky(stars.RAJ2000, stars.DEJ2000).nearest(wanted.ra, wanted.dec, 1.0)
    found = rows >= 0
    assert (len(wanted), int(found.sum())) == (5553, 5440)
    partner = dict(zip(answer.id_in, answer.AllWISE, strict=True))
    mine = dict(zip(wanted.id[found], stars.AllWISE[rows[found]], strict=True))
    assert mine == partner
    told = dict(zip(answer.id_in, answer.angDist, strict=True))
    difference = separation[found] - wanted.id[found].map(told).to_numpy()
    assert np.abs(difference).max() < 3e-4
    assert np.median(separation[found]) == pytest.approx(0.1015, abs=5e-5)
    assert separation[found].max() == pytest.approx(0.9928, abs=5e-5)


@pytest.mark.parametrize(("radius", "n"), [(1, 2), (2, 7), (5, 13)])
def test_white_dwarfs_that_are_variables(shared_data, radius, n):
    folder = shared_data / "survey/catalogs"
    dwarfs = pd.read_csv(folder / "MontWarWDs_gaiaedr3.csv")
    variables = pd.read_parquet(folder / "gcvs.parquet")
    assert len(variables) == 59099
    rows, _ = Sky(variables.ra, variables.dec).nearest(dwarfs.RA_ICRS, dwarfs.DE_ICRS, radius)
    assert int((rows >= 0).sum()) == n


def test_wrap_and_poles_are_no_edges():
    sky = Sky([359.9999, 10.0, 200.0], [0.0, 89.9999, -30.0])
    rows, separation = sky.nearest([0.0001, 190.0, 100.0], [0.0, 89.9999, 0.0], 2.0)
    assert rows.tolist() == [0, 1, -1]
    assert separation[:2] == pytest.approx([0.72, 0.72], abs=1e-6)
    assert Sky([], []).nearest([1.0], [1.0])[0].tolist() == [-1]


def test_paths_in_the_store(tmp_path):
    path = store.raw_path(tmp_path, "ZTF", "a b/../c%", -0.1)
    assert path == tmp_path / "ZTF/RA359/ZTF_photometry_a%20b%2F..%2Fc%25.parquet"
    assert store.name_in(path.name) == ("ZTF", "a b/../c%")
    assert store.folder_of(tmp_path, "ZTF", 359.9999, seconds=True) == tmp_path / "ZTF/RA359/M59/S59"
    assert store.folder_of(tmp_path, "ZTF", 360.0, minutes=True) == tmp_path / "ZTF/RA000/M00"
    for name in ("", "x" * 201):
        with pytest.raises(ValueError, match="1 to 200"):
            store.file_name("ZTF", name)


@given(st.text(min_size=1, max_size=30))
def test_names_come_back_from_file_names(name):
    if not any(0xD800 <= ord(c) <= 0xDFFF for c in name):
        try:
            file = store.file_name("TESS", name)
        except ValueError:
            return
        assert "/" not in file
        assert store.name_in(file) == ("TESS", name)


def put(root, name, ra, dec, **metadata):
    path = store.raw_path(root, "ZTF", name, ra)
    store.write_raw(
        path, store.Raw(pa.table({"mjd": [1.0]}), {"row": {"name": name, "ra": ra, "dec": dec}, **metadata})
    )
    return path


def test_files_on_disk_are_matched_by_name_then_by_position(tmp_path):
    table = sources(10)
    name, ra, dec = (table[c][4].as_py() for c in ("name", "ra", "dec"))
    other, ra2, dec2 = (table[c][5].as_py() for c in ("name", "ra", "dec"))
    by_name = put(tmp_path, name, ra, dec)
    by_place = put(tmp_path, "old name", ra2, dec2 + 1.5 / 3600)
    orphan = put(tmp_path, "stranger", 123.0, 45.0)
    second = put(tmp_path, "also old", ra, dec)
    broken = tmp_path / "ZTF/RA000/ZTF_photometry_broken.parquet"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"nothing")
    rows, orphans = populate.matches(table, store.raw_files(tmp_path, "ZTF"), "ZTF", 2.0)
    assert {r["source"]: r["path"] for r in rows} == {name: str(by_name), other: str(by_place)}
    assert {path for path, _ in orphans} == {orphan, second, broken}


def test_a_damaged_raw_file_is_told(tmp_path):
    path = put(tmp_path, "a", 1.0, 2.0)
    path.write_bytes(path.read_bytes()[:-30])
    for read_it in (store.read_raw, store.read_metadata):
        with pytest.raises(ValueError, match="no raw file"):
            read_it(path)
