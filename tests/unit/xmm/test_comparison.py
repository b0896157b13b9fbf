"""Our sources beside those that another catalogue calls variable, each with its reason; SIMBAD types."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy import units
from mocpy import MOC

from ephemera.config.load import load
from ephemera.job import Job, namespace
from ephemera.tables import read, write
from ephemera.xmm import comparison, otypes
from ephemera.xmm.catalogue_columns import SOURCES
from ephemera.xmm.crossmatch_columns import COMPARISON
from ephemera.xmm.otypes import class_counts, long_rows, pivoted, read_classes, read_counts
from ephemera.xmm.sample_columns import OTYPES

THEIRS = """SRCID,SC_RA,SC_DEC,SC_VAR_FLAG
101,10.0,0.0,true
102,10.5,0.0,false
103,11.0,0.0,true
104,200.0,50.0,true
105,359.9999,0.0,
"""


def run(folder, theirs=THEIRS, sources=None):
    (folder / "theirs.csv").write_text(theirs)
    rows = sources or [
        {"srcid": 1, "ra": 10.001, "dec": 0.0, "filt_hot_region": True},
        {"srcid": 2, "ra": 10.501, "dec": 0.0},
        {"srcid": 3, "ra": 12.0, "dec": 0.0},
        {"srcid": 4, "ra": 0.0001, "dec": 0.0},
    ]
    write(rows, SOURCES, folder / "sources.parquet")
    cone = MOC.from_cone(11.0 * units.deg, 0.0 * units.deg, radius=2.0 * units.deg, max_depth=10)
    cone.save(folder / "coverage.fits", format="fits", overwrite=True)
    condition = {"column": "sc_var_flag", "op": "==", "value": True}
    one = {"name": "xmm4", "file": str(folder / "theirs.csv"), "variable": condition}
    options = load({"xmm": {"crossmatch": {"sets": [one]}}}).xmm.crossmatch.settings()
    comparison.main(
        Job(
            input=SimpleNamespace(
                file=folder / "theirs.csv",
                sources=folder / "sources.parquet",
                coverage=folder / "coverage.fits",
            ),
            output=SimpleNamespace(comparison=folder / "c.parquet"),
            settings=namespace(options),
            wildcards=SimpleNamespace(set="xmm4", project="p"),
            recipe={"key": "test", "parameters": options},
            threads=1,
        )
    )
    return read(folder / "c.parquet", COMPARISON).to_pylist()


def test_each_source_is_matched_ours_or_theirs_with_a_reason(tmp_path):
    rows = run(tmp_path)
    assert [(r["kind"], r["reason"], r["srcid"], r["their_id"]) for r in rows] == [
        ("matched", "flagged: filt_hot_region", 1, "101"),
        ("ours_only", "not_called_variable", 2, "102"),
        ("ours_only", "no_counterpart", 3, None),
        ("ours_only", "not_called_variable", 4, "105"),
        ("theirs_only", "not_significant", None, "103"),
        ("theirs_only", "not_covered", None, "104"),
    ]
    assert rows[0]["sep_arcsec"] == pytest.approx(3.6)


def test_a_catalogue_without_variables_or_without_the_column(tmp_path):
    none = THEIRS.replace("true", "false")
    assert {row["kind"] for row in run(tmp_path, none)} == {"ours_only"}
    with pytest.raises(ValueError, match="filter: there is no column sc_var_flag"):
        run(tmp_path, THEIRS.replace("SC_VAR_FLAG", "OTHER"))


def test_their_rows_without_place_or_name_are_not_covered_and_have_none(tmp_path):
    theirs = THEIRS + ",,,true\n,300.0,-999,true\n"
    rows = run(tmp_path, theirs)[-2:]
    assert [(r["reason"], r["their_id"], r["ra"], r["dec"]) for r in rows] == [
        ("not_covered", None, None, None)
    ] * 2


def test_types_are_counted_by_class_and_share(repository):
    classes = read_classes(repository / "resources/xmm/otype_classes.csv")
    assert classes["QSO"] == "Galaxy"
    assert classes["CV*"] == classes["CataclyV*"] == "CompactObject"
    assert classes["EB*"] == "Star"
    assert set(classes.values()) == {"Star", "Galaxy", "CompactObject", "Unidentified"}
    counts = class_counts({"QSO": 3, "*": 2, "never heard of": 1, "no match": 4}, classes)
    assert dict(counts) == {"Galaxy": 3, "Star": 2, "Unidentified": 1, "no match": 4}
    rows = long_rows({"ours": {"QSO": 3, "no match": 1}}, classes)
    assert sum(row["percent"] for row in rows if row["level"] == "otype") == pytest.approx(100)
    declaration, columns = pivoted(rows)
    table = declaration.arrow(columns).to_pylist()
    assert {row["n_simbad"] for row in table} == {None}
    assert sum(row["n_ours"] for row in table if row["level"] == "class") == 4


def test_the_counts_of_all_of_simbad_are_read_and_nearly_all_types_have_a_class(shared_data, repository):
    counts = read_counts(str(shared_data / "xmm/exod2_tables/simbad_otypes_counts_27_08_24.csv"))
    assert counts["*"] == 5_233_040
    assert counts["EB*"] == 1_657_637
    classes = read_classes(repository / "resources/xmm/otype_classes.csv")
    unknown = sum(number for otype, number in counts.items() if otype not in classes)
    assert unknown / counts.total() < 0.001


def test_counts_that_are_no_numbers_are_refused_with_their_line(tmp_path):
    (tmp_path / "counts.csv").write_text("otype,object_count\nQSO,5\nStar,many\n")
    with pytest.raises(
        ValueError, match=r"counts.csv, line 3: object_count must be a whole number, got 'many'"
    ):
        read_counts(str(tmp_path / "counts.csv"))


def types_of(folder, outcome):
    matches = {"srcid": [1, 2, 3], "simbad_main_type": ["QSO", None, "EB*"]}
    pq.write_table(pa.table(matches), folder / "simbad.parquet")
    flags = pa.array([True, None, False])
    pq.write_table(pa.table({"srcid": [1, 2, 3], "xmm4_sc_var_flag": flags}), folder / "xmm4.parquet")
    (folder / "status.json").write_text(json.dumps({"outcome": outcome}))
    otypes.main(
        Job(
            input=SimpleNamespace(
                simbad=folder / "simbad.parquet",
                xmm4=[folder / "xmm4.parquet"],
                status=folder / "status.json",
            ),
            output=SimpleNamespace(long=folder / "long.parquet", pivoted=folder / "wide.csv"),
            settings=namespace(load({}).xmm.otypes.settings()),
            wildcards=SimpleNamespace(project="p"),
            recipe={"key": "test"},
            threads=1,
        )
    )
    return read(folder / "long.parquet", OTYPES).to_pylist()


def test_our_types_with_and_without_the_flag_of_4xmm(tmp_path, monkeypatch, repository):
    monkeypatch.chdir(repository)
    rows = {(r["population"], r["value"]): r["n"] for r in types_of(tmp_path, "ok") if r["level"] == "class"}
    assert rows == {
        ("ours", "Galaxy"): 1,
        ("ours", "Star"): 1,
        ("ours", "no match"): 1,
        ("ours_variable", "Galaxy"): 1,
        ("ours_not_variable", "Star"): 1,
    }
    assert "n_ours_variable" in (tmp_path / "wide.csv").read_text()


def test_a_service_that_was_down_is_not_no_match(tmp_path, monkeypatch, repository):
    monkeypatch.chdir(repository)
    assert types_of(tmp_path, "unavailable") == []


def test_random_positions_keep_every_source_once(tmp_path):
    random = np.random.default_rng(4)
    ra, dec = 10 + random.random(30), random.random(30)
    places = list(enumerate(zip(ra, dec, strict=True)))
    sources = [{"srcid": k + 1, "ra": a, "dec": d} for k, (a, d) in places]
    lines = [
        f"{k},{a},{d},{'true' if k % 2 else 'false'}" for k, (a, d) in enumerate(zip(ra, dec, strict=True))
    ]
    rows = run(tmp_path, "\n".join(["SRCID,SC_RA,SC_DEC,SC_VAR_FLAG", *lines]) + "\n", sources)
    assert [row["srcid"] for row in rows] == list(range(1, 31))
    assert sum(row["kind"] == "matched" for row in rows) == 15
