"""Matches of sources and detections with local and remote catalogues, and what may go wrong with them."""

from __future__ import annotations

import csv
import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ephemera.config.load import ConfigurationError, load
from ephemera.job import Job, namespace
from ephemera.sky.crossmatch import Catalogue
from ephemera.tables import Column, TableDeclaration, read, write
from ephemera.tables.foreign import read_all
from ephemera.xmm import crossmatch
from ephemera.xmm.catalogue_columns import CATALOGUE_DETECTIONS, SOURCES
from ephemera.xmm.crossmatch import Positions, chance_columns, chance_counts, match
from ephemera.xmm.crossmatch_columns import CALIBRATION, CHANCE, detection_matches, source_matches
from ephemera.xmm.crossmatch_presets import PRESETS, SetPlan, plan
from ephemera.xmm.crossmatch_sets import ReadSet, position_columns, read_set
from ephemera.xmm.filters import compare
from servers.xmatch import Fault, Table, XMatchService

GAIA = Table(
    [
        {
            "DR3Name": "Gaia DR3 6636090334814214528", "RA_ICRS": 359.9999, "DE_ICRS": 0.0, "Gmag": 12.5,
            "VarFlag": "VARIABLE", "pmRA": "", "pmDE": "",
        },
        {
            "DR3Name": "Gaia DR3 2", "RA_ICRS": 10.0, "DE_ICRS": 89.9999, "Gmag": "", "VarFlag": "",
            "pmRA": 3.0, "pmDE": -4.0,
        },
    ],
    "RA_ICRS",
    "DE_ICRS",
)  # fmt: skip
PLACES = [(0.0001, 0.0), (190.0, 89.9999), (100.0, -30.0)]


def rows(declaration, several):
    return declaration.arrow(several)


def run(folder, sets, file=None, places=PLACES, **options):
    """Run the step for the first of the sets; returns the tables of sources and detections and the note."""
    folder.mkdir(parents=True, exist_ok=True)
    here = [{"ra": ra, "dec": dec, "poserr": 2.0} for ra, dec in places]
    sources = [
        row | {"srcid": k + 1, "best_sigma": 6.0, "first_seen": 58000.0, "last_seen": 58000.0}
        for k, row in enumerate(here)
    ]
    detections = [
        row | {"detid": f"d{k}", "obsid": "0000000001", "sigma_peak": 4.0, "mjd_peak": 58000.0}
        for k, row in enumerate(here)
    ]
    write(rows(SOURCES, sources), SOURCES, folder / "s.parquet")
    write(rows(CATALOGUE_DETECTIONS, detections), CATALOGUE_DETECTIONS, folder / "d.parquet")
    section = load({"xmm": {"crossmatch": {"sets": sets, "retries": 0, **options}}}).xmm.crossmatch.settings()
    parameters = section | {"kept_answers": str(folder / "answers")}
    inputs = {"sources": folder / "s.parquet", "detections": folder / "d.parquet"}
    names = ("sources", "detections", "chance", "calibration", "status")
    job = Job(
        input=SimpleNamespace(**inputs, **({"file": file} if file else {})),
        output=SimpleNamespace(**{name: folder / f"{name}.parquet" for name in names}),
        settings=namespace(parameters),
        wildcards=SimpleNamespace(set=sets[0]["name"], project="p"),
        recipe={"key": "test", "parameters": parameters},
        threads=1,
    )
    crossmatch.main(job)
    how = plan(section["sets"][0], section["radius_arcsec"])
    return (
        read(folder / "sources.parquet", source_matches(how.name, how.columns)),
        read(folder / "detections.parquet", detection_matches(how.name, how.columns)),
        json.loads((folder / "status.parquet").read_text()),
    )


def test_the_service_gives_matches_chance_and_calibration_and_is_asked_once(tmp_path):
    with XMatchService({"vizier:I/355/gaiadr3": GAIA}) as service:
        sources, detections, note = run(tmp_path, [{"name": "gaia"}], service=service.url)
        asked = len(service.asked)
        assert note["outcome"] == "ok"
        assert sources["gaia_id"].to_pylist() == ["Gaia DR3 6636090334814214528", "Gaia DR3 2", None]
        assert sources["gaia_gmag"].to_pylist() == [12.5, None, None]
        assert sources["gaia_ra_offset"].to_pylist()[0] == pytest.approx(0.72)
        assert sources["gaia_n_within"].to_pylist() == [1, 1, 0]
        assert detections.drop_columns("detid").equals(sources.drop_columns("srcid"))
        again = run(tmp_path, [{"name": "gaia"}], service=service.url)
        assert len(service.asked) == asked == 1
        assert again[0].equals(sources)
        # Sources, detections (at the same places) and sources shifted 40 times, each place once.
        assert len(service.asked[0].uploaded) == 3 * 41
    offline = run(tmp_path, [{"name": "gaia"}], service=service.url, offline=True)
    assert offline[0].equals(sources)
    chance = read(tmp_path / "chance.parquet", CHANCE)
    assert sum(chance["n_matches"].to_pylist()) == 2
    assert sum(chance["n_chance"].to_pylist()) == 0
    calibration = read(tmp_path / "calibration.parquet", CALIBRATION).to_pylist()
    assert [(row["what"], row["min_sigma"], row["n"]) for row in calibration] == [
        ("sources", 3.0, 0), ("sources", 5.0, 2), ("detections", 3.0, 2), ("detections", 5.0, 0),
    ]  # fmt: skip
    assert calibration[0]["sigma"] is None


@pytest.mark.parametrize("fault", [*Fault, "down", "offline", "unknown table", "other columns"])
def test_a_service_that_gives_nothing_gives_nulls_a_note_and_all_columns(tmp_path, fault, caplog):
    tables = {} if fault == "unknown table" else {"vizier:I/355/gaiadr3": GAIA}
    if fault == "other columns":
        tables = {"vizier:I/355/gaiadr3": Table([{"alpha": 0.0001, "delta": 0.0}], "alpha", "delta")}
    with XMatchService(tables) as service:
        if isinstance(fault, Fault):
            service.faults.append(fault)
        url = "http://127.0.0.1:9/sync" if fault == "down" else service.url
        sources, _, note = run(tmp_path, [{"name": "gaia"}], service=url, offline=fault == "offline")
    assert note["outcome"] == ("offline" if fault == "offline" else "unavailable")
    assert note["detail"]
    assert "its columns are null" in caplog.text
    assert [name for name in sources.column_names[1:] if sources[name].null_count < 3] == []
    assert len(read(tmp_path / "chance.parquet", CHANCE)) == 0


def test_an_answer_without_rows_is_no_match_and_not_a_failure(tmp_path):
    far = Table([{"main_id": "far", "ra": 200.0, "dec": 0.0}], "ra", "dec")
    with XMatchService({"simbad": far}) as service:
        sources, _, note = run(tmp_path, [{"name": "simbad"}], service=service.url)
    assert note["outcome"] == "ok"
    assert sources["simbad_id"].to_pylist() == [None] * 3


def test_an_empty_catalogue_of_ours_gives_empty_tables_with_all_columns(tmp_path):
    with XMatchService({"simbad": Table([{"main_id": "x", "ra": 1.0, "dec": 0.0}], "ra", "dec")}) as service:
        sources, detections, note = run(tmp_path, [{"name": "simbad"}], places=[], service=service.url)
        assert service.asked == []
    assert len(sources) == len(detections) == 0
    assert note["outcome"] == "ok"


THEIRS = TableDeclaration(
    "theirs",
    "A catalogue.",
    (
        Column("alpha", "f8", "deg", "pos.eq.ra;meta.main", "Right ascension"),
        Column("delta", "f8", "deg", "pos.eq.dec;meta.main", "Declination"),
        Column("SRCID", "i8", None, "meta.id", "Number"),
        Column("flag", "bool", None, "meta.code", "Flag"),
    ),
)


@pytest.mark.parametrize("suffix", ["fits", "vot", "parquet", "csv"])
def test_local_catalogues_of_all_formats_are_read_by_ucd_or_by_name(tmp_path, suffix):
    path = tmp_path / f"theirs.{suffix}"
    large = 9007199254740993  # no float holds it
    columns = {"alpha": [0.0002, 55.0], "delta": [0.0, 1.0], "SRCID": [large, 2], "flag": [True, None]}
    write(columns, THEIRS, path)
    one = {"name": "theirs", "file": str(path), "id": "srcid", "columns": [{"name": "flag", "dtype": "bool"}]}
    if suffix in ("parquet", "csv"):  # these tell neither unit nor UCD to other readers
        one |= {"ra": "ALPHA", "dec": "delta"}
    sources, _, _ = run(tmp_path / "run", [one], file=path)
    assert sources["theirs_id"].to_pylist() == [str(large), None, None]
    assert sources["theirs_flag"].to_pylist() == [True, None, None]


def test_a_catalogue_without_positions_is_an_error_that_names_its_columns(tmp_path):
    path = tmp_path / "theirs.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"set theirs: .*theirs.csv: there are no columns .* a, b"):
        run(tmp_path, [{"name": "theirs", "file": str(path)}], file=path)


def test_positions_in_other_units_are_not_taken_for_degrees():
    facts = {"RAJ2000": ("h", None), "DEJ2000": ("deg", None), "ra": ("deg", None), "dec": ("deg", None)}
    assert position_columns(list(facts), facts, None, None) == ("ra", "dec")
    with pytest.raises(ValueError, match="no columns RAJ2000, DEJ2000 in degrees"):
        position_columns(list(facts), facts, "RAJ2000", "DEJ2000")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"name": "nowhere"}, "set nowhere: give a file, or a table"),
        ({"name": "simbad", "preset": "what"}, "preset 'what' is none of"),
        (
            {"name": "gaia", "file": "a.fits", "cds": "vizier:I/355/gaiadr3"},
            "set gaia: give a file or a table",
        ),
        (
            {"name": "gaia", "variable": {"column": "VarFlag", "value": "VARIABLE"}},
            "variable needs the whole",
        ),
        (
            {"name": "mine", "file": "a.csv", "columns": [{"name": "Mag"}, {"name": "mag"}]},
            "differ in more than case",
        ),
        ({"name": "gaia", "radius_arcsec": 200}, "set gaia: the service matches within 180 arcsec at most"),
        ({"name": "mine", "file": "a.csv", "columns": [{"name": "a-b"}]}, "only letters, digits and _"),
    ],
)
def test_sets_that_cannot_be_matched_with_are_configuration_errors(wrong, message):
    """They are found before anything is searched, not after."""
    with pytest.raises(ConfigurationError, match=message):
        load({"xmm": {"crossmatch": {"sets": [wrong]}}})


def test_every_preset_has_columns_that_a_table_can_declare():
    from astropy.io.votable.ucd import parse_ucd

    columns = [column for name, how in PRESETS.items() for column in source_matches(name, how.columns)]
    assert len(columns) > len(PRESETS)
    for column in columns:
        assert parse_ucd(column.ucd, check_controlled_vocabulary=True)


def positions(places):
    ra, dec = np.array(places).T
    n = len(ra)
    return Positions(ra, dec, np.full(n, 58000.0), np.full(n, 2.0), np.full(n, 5.0))


def test_an_error_ellipse_of_the_catalogue_decides_and_the_nearest_in_sigma_wins():
    """Two bursts with errors of degrees: the farther one is nearer in units of its own errors."""
    names = np.array(["narrow", "wide"], object)
    bursts = Catalogue("frb", names, np.array([10.0, 10.5]), np.array([0.0, 0.0]))
    found = ReadSet(bursts, np.array([0.05, 0.3]), np.array([0.1, 0.3]))
    options = load({"xmm": {"crossmatch": {"sets": [{"name": "frb", "file": "x.csv"}]}}})
    how = plan(options.xmm.crossmatch.settings()["sets"][0], 20.0)
    table = match(positions([(10.1, 0.0), (10.0, 0.2), (10.0, 0.9), (12.0, 0.0)]), found, how)
    # 10.1: narrow at 2 sigma, wide at 1.33; (10, 0.2): narrow at 2, wide at 1.8; (10, 0.9): wide at 3.43.
    assert table["frb_id"].to_pylist() == ["wide", "wide", None, None]
    assert table["frb_n_within"].to_pylist() == [2, 2, 0, 0]
    assert table["frb_sep_arcsec"].to_pylist()[0] == pytest.approx(0.4 * 3600)


def scattered(n, side, seed):
    """Positions at random within `side` degrees around (10, 0)."""
    rng = np.random.default_rng(seed)
    return rng.uniform(10 - side / 2, 10 + side / 2, n), rng.uniform(-side / 2, side / 2, n)


def test_chance_matches_grow_with_the_area_and_match_the_density():
    stars = Catalogue("set", np.arange(4000).astype(object), *scattered(4000, 2.0, 1))
    places = positions(np.array(scattered(500, 1.6, 2)).T)
    found = chance_counts(places, ReadSet(stars), SetPlan("set"), np.array([0.0, 10.0, 20.0]))
    assert found == pytest.approx(500 * 4000 / 7200**2 * np.pi * np.array([100.0, 300.0]), rel=0.15)


def test_chance_goes_by_the_rule_of_the_matches_also_in_ellipses():
    """At 3 sigma errors of 3 arcsec make chance that of circles of 9 arcsec; of degrees nobody knows."""
    n = 4000
    stars = Catalogue("set", np.arange(n).astype(object), *scattered(n, 2.0, 1))
    places = positions(np.array(scattered(500, 1.6, 2)).T)
    for arcsec, expected in ((3.0, 500 * n / 7200**2 * np.pi * 81), (3600.0, np.nan)):
        error = np.full(n, arcsec / 3600)
        found, how = ReadSet(stars, error, error), SetPlan("set")
        columns = chance_columns(places, match(places, found, how), found, how, 4)
        assert columns["sep_high"][-1] == pytest.approx(3 * arcsec)
        assert columns["n_chance"].sum() == pytest.approx(expected, rel=0.15, nan_ok=True)


def test_rows_that_come_twice_count_once_and_proper_motion_moves_them():
    table = pa.table(
        {
            "DR3Name": ["a", "a", "b"], "ra": [10.0, 10.0, 20.0], "dec": [0.0, 0.0, 0.0],
            "pmRA": [1000.0, 1000.0, None], "pmDE": [0.0, 0.0, None],
        }
    )  # fmt: skip
    found = read_set(table, PRESETS["gaia"])
    assert len(found.catalogue) == 2
    years = 4.0
    there = 10.0 + years / 3600
    mjd = found.catalogue.epoch + 365.25 * years
    moved = Positions(*(np.array([value]) for value in (there, 0.0, mjd, 1.0, 5.0)))
    separation = match(moved, found, PRESETS["gaia"])["gaia_sep_arcsec"].to_pylist()
    assert separation == [pytest.approx(0.0, abs=1e-6)]


def test_sources_without_identifiers_are_counted_once_however_often_the_service_names_them():
    """It answers with a row for each of our positions that a source is near."""
    answer = pa.table({"ra": ["10.0", "10.0", "10.001"], "dec": ["0.0", "0.0", "0.0"]})
    found = read_set(answer, SetPlan("om", cds="vizier:II/378/xmmom6s"))
    assert found.catalogue.id.tolist() == ["0", "2"]
    assert match(positions([(10.0, 0.0)]), found, SetPlan("om"))["om_n_within"].to_pylist() == [2]


def test_what_is_no_position_matches_nothing_and_stops_nothing(caplog):
    """Catalogues have placeholders such as -999; texts may be in hours."""
    table = pa.table({"ra": ["00:40:00", "-999", "nan", "x"], "dec": ["1 30 0", "-999", "0", "0"]})
    found = read_set(table, SetPlan("mine"))
    assert "mine: 3 of 4 rows have no position" in caplog.text
    assert match(positions([(10.0, 1.5)]), found, SetPlan("mine"))["mine_id"].to_pylist() == ["0"]


@pytest.mark.parametrize("kind", ["string", "large_string", "dictionary"])
def test_texts_of_parquet_files_of_any_writer_are_texts(tmp_path, kind):
    texts = pa.array(["10.0", "20.0"])
    texts = texts.dictionary_encode() if kind == "dictionary" else texts.cast(kind)
    pq.write_table(pa.table({"ra": texts, "dec": [0.0, 0.0], "name": texts}), tmp_path / "t.parquet")
    table = read_all(tmp_path / "t.parquet")
    assert read_set(table, SetPlan("mine", id="name")).catalogue.ra.tolist() == [10.0, 20.0]
    assert compare(table, ("name", "==", "20.0")).kept.tolist() == [False, True]


def test_real_rows_of_4xmm_are_found_three_arcsec_away(shared_data, tmp_path):
    """Positions shifted by 3 arcsec find their rows; names of columns may be in lower case."""
    file = shared_data / "xmm" / "catalogue" / "4xmm_slim_classified_23017.csv"
    with file.open(newline="") as lines:
        known = [row for _, row in zip(range(200), csv.DictReader(lines), strict=False)]
    places = [(float(row["sc_ra"]), float(row["sc_dec"]) + 3 / 3600) for row in known]
    sources, _, note = run(tmp_path, [{"name": "xmm4", "file": str(file)}], file=file, places=places)
    assert note["n_sources_matched"] == 200
    separation = sources["xmm4_sep_arcsec"].to_numpy()
    assert separation.max() < 3.001
    assert np.median(separation) == pytest.approx(3.0, abs=1e-3)
    fluxes = [float(row["sc_ep_8_flux"]) for row in known]
    same = np.isclose(sources["xmm4_sc_ep_8_flux"].to_numpy(), fluxes)
    assert same.mean() > 0.97  # the file has some sources twice
    chance = read(tmp_path / "chance.parquet", CHANCE)
    assert sum(chance["n_chance"].to_pylist()) < 20
    assert chance["false_fraction"].to_pylist()[3] < 0.1


def test_the_ellipses_of_chime_are_read_by_its_preset(tmp_path):
    file = tmp_path / "chime.csv"
    file.write_text(
        "tns_name,ra,ra_err,dec,dec_err,mjd_400,dm_fitb\nFRB20180725A,0.2,0.2,0.0,0.2,58324.0,716.1\n"
    )
    sources, _, _ = run(tmp_path / "run", [{"name": "chime", "file": str(file)}], file=file)
    assert sources["chime_id"].to_pylist() == ["FRB20180725A", None, None]
    assert sources["chime_dm_fitb"].to_pylist() == [716.1, None, None]
