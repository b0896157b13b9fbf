"""What comes after association: catalogues, streams, pages, reports, benchmark, nightly files."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.alerts import alert, alerts, container, joined, limit, packet, write
from ephemera.alerts.associate import associate
from ephemera.alerts.benchmark import filter_scores, locus_ranks, object_scores, oddest, training_section
from ephemera.alerts.columns import Context
from ephemera.alerts.crossmatch import match_all, read_catalogue
from ephemera.alerts.decode import account_of, keeping_cutouts, own_mapping, read_packets, write_nights
from ephemera.alerts.decoder import Decoder
from ephemera.alerts.filter import with_state
from ephemera.alerts.filters import run_filters
from ephemera.alerts.loci import LOCI, as_value
from ephemera.alerts.night import rows_of
from ephemera.alerts.oddness import features, matrix, scores
from ephemera.alerts.outcomes import AccountError
from ephemera.alerts.packets import ReadOptions
from ephemera.alerts.pages import chosen, index_page, locus_page, offsets, write_pages
from ephemera.alerts.report import numbers_of, packets_account, report_page, warnings_of
from ephemera.alerts.stream import json_line, stream_rows, write_streams
from ephemera.alerts.summary import row_of, summary_page
from ephemera.alerts.times import night_of, utc_from_tai
from ephemera.pages.drawing import nice_ticks
from ephemera.sky.sphere import separation_arcsec

ARCSEC = 1 / 3600


# Times ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tai", "seconds"),
    [(61000.0, 37), (57754.0 + 37 / 86400, 37), (57754.0, 36), (51544.0, 32), (41317.5, 10), (40000.0, 10)],
)
def test_leap_seconds(tai, seconds):
    assert (tai - float(utc_from_tai(tai))) * 86400 == pytest.approx(seconds, abs=1e-3)


def test_utc_never_goes_back():
    tai = np.linspace(57753.9, 57754.1, 20001)
    assert np.all(np.diff(utc_from_tai(tai)) >= 0)
    assert np.isnan(utc_from_tai(np.nan))


def test_nights():
    assert night_of([59000.0, 59000.999, -0.5]).tolist() == [59000, 59000, -1]
    assert night_of([61041.22], 0.5).tolist() == [61040]


# Catalogues -----------------------------------------------------------------------------------------------


def settings(path, **given):
    names = ("pm_ra", "pm_dec", "error_major", "error_minor", "error_angle")
    return {
        "name": "stars",
        "path": str(path),
        "radius_arcsec": 3.0,
        "columns": ["class"],
        "ra": "ra",
        "dec": "dec",
        "epoch_yr": 2000.0,
        **dict.fromkeys(names),
        **given,
    }


def one_locus(ra=10.0, dec=0.0):
    return associate(alerts(alert(1, ra, dec, 59000.1)), None)[1]


def matches(table, **given):
    return match_all(one_locus(), [read_catalogue(settings(table, **given), 59000.5)])["matches"][0].as_py()


def test_all_rows_within_the_radius_and_the_nearest_first(tmp_path):
    columns = {
        "ra": [10.0, 10.0, 10.0, np.nan],
        "dec": [2 * ARCSEC, 0.5 * ARCSEC, 5 * ARCSEC, 0.0],
        "class": [6, 3, 6, 6],
    }
    for suffix in (".parquet", ".csv", ".fits", ".vot"):
        path = tmp_path / f"c{suffix}"
        if suffix == ".parquet":
            pq.write_table(pa.table(columns), path)
        else:
            from astropy.table import Table

            Table(columns).write(
                path, format={".csv": "ascii.csv", ".fits": "fits", ".vot": "votable"}[suffix]
            )
        found = matches(path)
        assert [(m["row"], m["nearest"]) for m in found] == [(1, True), (0, False)]
        assert found[0]["sep_arcsec"] == pytest.approx(0.5)
        assert json.loads(found[0]["columns"])["class"] == 3


def test_proper_motion_moves_the_catalogue(tmp_path):
    years = (59000.5 - 51544.5) / 365.25
    columns = {
        "ra": [10.0],
        "dec": [60.0 - 1.0 * ARCSEC * years],
        "pmra": [0.0],
        "pmdec": [1000.0],
        "class": [1],
    }
    pq.write_table(pa.table(columns), tmp_path / "c.parquet")
    catalogue = read_catalogue(settings(tmp_path / "c.parquet", pm_ra="pmra", pm_dec="pmdec"), 59000.5)
    found = match_all(one_locus(10.0, 60.0), [catalogue])["matches"][0].as_py()
    assert found[0]["sep_arcsec"] == pytest.approx(0.0, abs=1e-3)


def test_ellipses(tmp_path):
    columns = {
        "ra": [10.0, 10.0 + 1.5 * ARCSEC],
        "dec": [1.5 * ARCSEC, 0.0],
        "class": [1, 2],
        "a": [1.0, 1.0],
        "b": [0.5, 0.5],
        "t": [0.0, 0.0],
    }
    pq.write_table(pa.table(columns), tmp_path / "c.parquet")
    found = matches(tmp_path / "c.parquet", error_major="a", error_minor="b", error_angle="t")
    assert [m["row"] for m in found] == [0]  # 1.5 along the major axis is within, 3 minor axes are not


def test_an_unknown_suffix(tmp_path):
    with pytest.raises(ValueError, match="suffix"):
        read_catalogue(settings(tmp_path / "c.txt"), 59000.0)


# Streams --------------------------------------------------------------------------------------------------


@pytest.fixture
def night():
    """Two loci with tags: one new tonight, one that had a tag and has a new alert."""
    rows = [
        alert(1, 10.0, 0.0, 59000.1, object_id="<b>&amp;"),
        alert(2, 10.0, 0.0, 59001.1),
        alert(3, 50.0, 0.0, 59001.2),
    ]
    _, loci = associate(alerts(*rows), None)
    names = {r["founder_key"]: r["locus_id"] for r in loci.to_pylist()}
    first = names["ztf:1"]
    old = {
        "locus_id": first,
        "tags": [{"name": "single_point", "filter": "single_point", "version": "1", "mjd_set": 59000.1}],
        "properties": [("x", as_value(1.5))],
        "night_updated": 59000,
    }
    tagged = pa.Table.from_pylist(
        [old], pa.schema([LOCI.field(n) for n in ("locus_id", "tags", "properties", "night_updated")])
    )
    loci = with_state(
        loci,
        tagged,
        pa.table(
            {"locus_id": pa.array([], pa.string()), "matches": pa.array([], LOCI.field("matches").type)}
        ),
        {},
    )
    history = pa.concat_tables([joined(first, *rows[:2]), joined(names["ztf:3"], rows[2])])
    result = run_filters(loci, history, ["everything", "single_point"], {"night": 59001})
    return SimpleNamespace(
        loci=result.loci,
        verdicts=result.verdicts,
        alerts=alerts(*rows),
        history=history,
        names=names,
        tallies=result.tallies,
    )


def test_one_row_per_locus_and_tag(night):
    rows = stream_rows(night.loci, night.verdicts, night.alerts, {}, once=False)
    assert [(r["tag"], r["locus_id"]) for r in rows] == sorted(
        ("single_point", n) for n in (night.names["ztf:1"], night.names["ztf:3"])
    )
    by_locus = {r["locus_id"]: r for r in rows}
    assert by_locus[night.names["ztf:1"]]["alert_id"] == "2"
    assert by_locus[night.names["ztf:3"]]["mjd_set"] == 59001.2


def test_once_sends_a_single_time(night):
    rows = stream_rows(night.loci, night.verdicts, night.alerts, {}, once=True)
    assert [r["locus_id"] for r in rows] == [night.names["ztf:3"]]


def test_identifiers_are_text_in_json(night, tmp_path):
    rows = stream_rows(night.loci, night.verdicts, night.alerts, {"OLD": night.names["ztf:3"]}, once=False)
    counts = write_streams(rows, tmp_path / "streams")
    assert counts == {"single_point": 2}
    lines = (tmp_path / "streams" / "single_point.jsonl").read_text().splitlines()
    documents = {d["locus_id"]: d for d in map(json.loads, lines)}
    assert documents[night.names["ztf:3"]]["alert_id"] == "3"
    assert documents[night.names["ztf:3"]]["aliases"] == ["OLD"]
    assert documents[night.names["ztf:1"]]["properties"] == {"x": 1.5}
    table = pq.read_table(tmp_path / "streams" / "single_point.parquet")
    assert table["locus_id"].to_pylist() == sorted(documents)
    assert json_line(rows[0]) in lines


def test_tags_of_merged_loci_go_to_the_survivor(night):
    row = night.loci.to_pylist()[0]
    tagged = pa.Table.from_pylist(
        [
            {
                "locus_id": "OLD",
                "tags": [{"name": "t", "filter": "t", "version": "1", "mjd_set": 1.0}],
                "properties": [],
                "night_updated": 1,
            }
        ],
        pa.schema([LOCI.field(n) for n in ("locus_id", "tags", "properties", "night_updated")]),
    )
    nothing = pa.table(
        {"locus_id": pa.array([], pa.string()), "matches": pa.array([], LOCI.field("matches").type)}
    )
    after = with_state(night.loci, tagged, nothing, {"OLD": row["locus_id"]})
    assert [t["name"] for t in after.to_pylist()[0]["tags"]] == ["t"]


# Pages ----------------------------------------------------------------------------------------------------


class Checker(HTMLParser):
    """Counts elements, and fails on those that are not closed."""

    def __init__(self):
        super().__init__()
        self.open, self.seen = [], []

    def handle_starttag(self, tag, attributes):
        self.seen.append((tag, dict(attributes)))
        if tag not in ("meta", "input", "img", "br", "circle", "path", "rect", "link"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in ("circle", "path", "rect"):
            assert self.open.pop() == tag, tag


def checked(text):
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    return checker


def test_a_page_draws_limits_and_negative_differences():
    rows = [
        alert(1, 10.0, 0.0, 59000.1),
        alert(2, 10.0, ARCSEC, 59001.1, sign=-1),
        limit(3, 58999.1, 20.5, carrier_key="ztf:1"),
        alert(4, 10.0, 0.0, 58998.0, kind=2, alert_key="f", carrier_key="ztf:1"),
    ]
    _, loci = associate(alerts(*rows), None)
    conflict = {
        "what": "two_ids_in_locus",
        "survey": "ztf",
        "object_id": "<script>alert(1)</script>",
        "other_object_id": "B",
        "locus_id": "X",
        "other_locus_id": "X",
        "sep_arcsec": 0.3,
        "overlap_d": -5.0,
    }
    text = locus_page(loci.to_pylist()[0], alerts(*rows).to_pylist(), [conflict], 2.0, 59001)
    checked(text)
    assert "open: negative difference" in text
    assert "arrow: 5 sigma limit" in text
    assert "small: forced photometry" in text
    assert "two objects in this locus" in text
    assert "<script>alert(1)" not in text
    assert len(re.findall(r"<svg", text)) >= 3


@pytest.mark.parametrize(
    "rows", [[limit(1, 59000.1, 20.5)], [alert(1, 10.0, 0.0, 59000.1, mag=None, mag_err=None)]]
)
def test_pages_of_loci_with_nothing_to_draw(rows):
    blank = {
        **{f.name: None for f in LOCI},
        "locus_id": "EPHX",
        "ra": 10.0,
        "dec": 0.0,
        "n_det": 0,
        "n_limit": 1,
        "n_forced": 0,
        "founder_key": "k",
    }
    locus = pa.Table.from_pylist([blank], LOCI).to_pylist()[0]
    checked(locus_page(locus, alerts(*rows).to_pylist(), [], 2.0, 59001))
    checked(index_page([locus], {"EPHX"}, set(), 59001))


def test_tagged_loci_come_first_and_pages_are_limited(night, tmp_path):
    loci = night.loci.to_pylist()
    assert len(chosen(night.loci, 1)) == 1
    number = write_pages(
        night.loci,
        night.history,
        pa.table({"locus_id": [], "other_locus_id": []}),
        tmp_path / "p",
        59001,
        1,
        2.0,
    )
    assert number == 1
    assert len(list((tmp_path / "p").glob("EPH*.html"))) == 1
    index = (tmp_path / "p" / "index.html").read_text()
    checked(index)
    assert all(row["locus_id"] in index for row in loci)


def test_offsets_on_the_sky():
    for ra, dec in ((10.0, 0.0), (359.9999, 80.0), (0.0, 89.999)):
        east, north = offsets(ra, dec, ra + 0.0003, min(dec + 0.0002, 90))
        apart = separation_arcsec(ra, dec, ra + 0.0003, min(dec + 0.0002, 90))
        assert np.hypot(east, north) == pytest.approx(float(apart), rel=1e-5)
        assert east > 0


def test_ticks_are_round():
    assert nice_ticks(0.0, 10.0) == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    assert nice_ticks(14.21, 14.9) == [14.25, 14.5, 14.75] or len(nice_ticks(14.21, 14.9)) >= 3
    assert nice_ticks(5.0, 5.0)


# Report ---------------------------------------------------------------------------------------------------


def parts_of_report(out=10, refused=2):
    decoded = pa.table(
        {
            "file": ["a", "a", "a"],
            "survey": ["ztf", "unknown", "ztf"],
            "night": pa.array([5, None, 5], pa.int32()),
            "of": ["packets", "packets", "priors"],
            "what": ["mapped", "rejected: truncated", "limits"],
            "number": [out + 1, refused, 4],
        }
    )
    night = {
        "night": 5,
        "out": out,
        "duplicates": 1,
        "new_detections": 0,
        "known_detections": 0,
        "limits": 4,
        "forced": 0,
        "files": [{"file": "a", "survey": "ztf", "out": out, "duplicates": 1}],
        "changed": 0,
    }
    associated = {"known_own": 0, "known_prior_detections": 0, "new_loci": 3, "to_old_loci": 7}
    return [decoded], [5], night, associated


def report_of(**given):
    account = packets_account(*parts_of_report(**given))
    tally = {
        "input": 10,
        "skipped": 1,
        "errored": 0,
        "succeeded": 9,
        "passed": 2,
        "version": "1",
        "switched_off": False,
        "problem": None,
    }
    return {
        "night": 5,
        **account,
        "association": {"new_loci": 3, "to_old_loci": 7},
        "filters": {"jump": tally},
        "tags": {"jump": 2},
        "streams": {"jump": 2},
        "conflicts": {},
        "merges": {},
        "catalogues_missing": [],
        "warnings": [],
        "rates": [10],
    }


def test_the_account_of_a_night_closes():
    account = packets_account(*parts_of_report())
    assert account["packets"] == {"in": 13, "out": 10, "duplicates": 1, "rejected": {"truncated": 2}}
    assert account["surveys"]["ztf"] == {"in": 11, "out": 10, "duplicates": 1, "rejected": 0}


def test_the_account_closes_for_each_file_and_survey():
    decoded, first, night, associated = parts_of_report()
    night["files"] = [{"file": "b", "survey": "ztf", "out": 10, "duplicates": 1}]
    with pytest.raises(AccountError, match=r"a, ztf: 11 packets were decoded, but the night has 0"):
        packets_account(decoded, first, night, associated)


def test_an_account_that_does_not_close_stops_the_run():
    decoded, first, night, associated = parts_of_report()
    with pytest.raises(AccountError, match="packets: 13 came in, but 10"):
        packets_account(decoded, first, {**night, "out": 9}, associated)


def test_warnings():
    report = report_of(out=100)
    report["filters"]["jump"] = {**report["filters"]["jump"], "switched_off": True, "errored": 7}
    report["filters"]["mine"] = {
        **report["filters"]["jump"],
        "problem": "ImportError: x",
        "switched_off": False,
    }
    report["catalogues_missing"] = ["gaia"]
    before = {**report_of(), "night": 2}
    found = warnings_of(report, before, ["schema version 9"], ["ztf_g", "ztf_fid7"], [10, 12, 9], 3.0)
    text = "\n".join(found)
    for piece in (
        "unknown schema",
        "unknown band: ztf_fid7",
        "2 nights are missing after 2",
        "rate: 100",
        "jump was switched off",
        "mine did not run",
        "gaia is missing",
    ):
        assert piece in text
    assert warnings_of(report_of(), None, [], ["ztf_g"], [10, 11], 3.0) == []


def test_report_page_shows_counts_before_and_after_each_filter():
    report = report_of()
    before = {**report_of(out=8), "night": 4}
    text = report_page(
        report,
        before,
        {"jump": {"seconds": 0.01, "loci": 10}},
        [{"filter": "x", "locus_id": "y", "error": "E", "message": "<m>"}],
        "p/index.html",
    )
    checked(text)
    for piece in ("Before", "After", "Time per locus", "&lt;m&gt;", "Night before", "truncated"):
        assert piece in text
    assert numbers_of(report)["filters jump passed"] == 2
    checked(report_page(report, None, {}, [], "p/index.html"))


def test_summary():
    report = report_of()
    text = summary_page("demo", [report], [("5.html", "p/index.html")])
    checked(text)
    assert row_of(report)[:5] == (5, 13, 10, 1, 2)


# Benchmark ------------------------------------------------------------------------------------------------


def test_scores_of_filters_and_objects():
    truth = {
        f"k{n}": {
            "alert_key": f"k{n}",
            "source_id": s,
            "injected": s == "fake",
            "label": s,
            "mjd_utc": float(n),
        }
        for n, s in enumerate(["fake", "cep", "fake", "cep", "star", "fake"])
    }
    verdicts = [
        {"filter": "jump", "alert_key": "k2", "mjd_utc": 2.0, "tags": ["jump"]},
        {"filter": "jump", "alert_key": "k5", "mjd_utc": 5.0, "tags": ["jump"]},
        {"filter": "jump", "alert_key": "k3", "mjd_utc": 3.0, "tags": ["jump"]},
        {"filter": "quiet", "alert_key": "k0", "mjd_utc": 0.0, "tags": []},
    ]
    by_name = {one.filter: one for one in filter_scores(truth, verdicts)}
    assert (by_name["jump"].completeness, by_name["jump"].purity, by_name["jump"].delay_d) == (1.0, 0.5, 2.0)
    assert (by_name["quiet"].completeness, by_name["quiet"].purity) == (0.0, None)
    (fake,) = object_scores(truth, verdicts, {"k0": "L1", "k2": "L1", "k5": "L2"}, {"L1": 3, "L9": 1})
    assert (fake.alerts, fake.loci, fake.rank, fake.of) == (3, 2, 3, 2)
    assert fake.passed_by == "jump (+2.00 d)"


def test_the_odd_curve_is_found():
    random = np.random.default_rng(0)
    rows = [
        {
            "kind": 0,
            "mag": 17 + random.normal(0, 0.02) + (3.0 if (k, n) == (7, 5) else 0),
            "band": "V",
            "mjd_utc": float(n),
            "locus_id": f"L{k:02d}",
        }
        for k in range(30)
        for n in range(10)
    ]
    ranks, _ = locus_ranks(rows, 1)
    assert ranks["L07"] == 1
    assert locus_ranks(rows, 1) == (ranks, locus_ranks(rows, 1)[1])


def test_oddness_without_scikit_learn(monkeypatch):
    from ephemera.alerts import oddness

    random = np.random.default_rng(3)
    mags = 17 + random.normal(0, 0.02, (9, 12))
    mags[8, 6] += 3.0
    rows = [features({"V": (np.arange(12.0), row, np.ones(12))}, fluxes=False) for row in mags]
    monkeypatch.setattr(oddness, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name)))
    values, method = scores(rows, 0)
    assert method == "robust deviation"
    assert values.argmax() == 8


def test_missing_features_are_the_median():
    table, names = matrix([{"a": 1.0}, {"a": 3.0, "b": 5.0}, {}])
    assert names == ["a", "b"]
    assert table.tolist() == [[1.0, 5.0], [3.0, 5.0], [2.0, 5.0]]


@pytest.mark.real_data
def test_training_set(shared_data):
    path = shared_data / "alerts" / "antares" / "training_set_for_LSST_DSFP.tar.gz"
    rows, _, curves, points = oddest(path, 0)
    assert (curves, points) == (100, 17744)
    assert len(rows) == 10
    assert oddest(path, 0)[0] == rows
    assert "100 light curves" in training_section(path, 0)


# Nightly files --------------------------------------------------------------------------------------------


def test_nights_are_written_as_chunks_come(tmp_path):
    records = [packet(k, jd=2459000.5 + k % 3, ra=10.0 + k) for k in range(1, 31)]
    write(tmp_path / "a.avro", container(records))
    decoder = Decoder()
    folder = tmp_path / "nights"
    folder.mkdir()
    counts = write_nights(decoder.tables([tmp_path / "a.avro"]), folder)
    assert counts == {59000: 10, 59001: 10, 59002: 10}
    assert sorted(rows_of(folder, 59001)["alert_id"].to_pylist()) == [k for k in range(1, 31) if k % 3 == 1]
    assert len(rows_of(folder, 1)) == 0


def test_many_nights_with_few_open_files(tmp_path, monkeypatch):
    monkeypatch.setattr("ephemera.alerts.decode.OPEN_NIGHTS", 2)
    folder = tmp_path / "nights"
    folder.mkdir()
    tables = [alerts(*(alert(10 * k + n, 10.0, 0.0, 59000.1 + n) for n in range(5))) for k in range(3)]
    counts = write_nights([t.append_column("batch", t["night"]) for t in tables], folder)
    assert set(counts.values()) == {3}
    assert len(rows_of(folder, 59004)) == 3


def test_cutouts_are_kept_when_asked_for(tmp_path):
    write(tmp_path / "a.avro", container([packet(7), packet(8)]))
    decoder = Decoder(ReadOptions(cutouts=True))
    list(keeping_cutouts(decoder, decoder.tables([tmp_path / "a.avro"]), tmp_path / "cutouts"))
    rows = pq.read_table(tmp_path / "cutouts" / "0.parquet").to_pylist()
    assert [(r["alert_key"], r["cutout"], r["image"]) for r in rows] == [
        ("ztf:7", "science", b"FITS"),
        ("ztf:8", "science", b"FITS"),
    ]


def test_a_table_of_ones_own(tmp_path):
    columns = SimpleNamespace(
        id="obs", time="t", ra="RA", dec="DE", band="filter", flux="f", flux_err="df", object="star"
    )
    options = SimpleNamespace(own_columns=columns, own_survey="mine", own_time="utc_mjd", own_flux_njy=1000.0)
    text = "obs,t,RA,DE,filter,f,df,star\n9007199254740993,59000.25,10.5,-3.5,V,5.0,0.5,s1\n"
    write(tmp_path / "own.csv", text.encode())
    decoder = Decoder(ReadOptions(own=True), own=own_mapping(options))
    row = pa.concat_tables(list(decoder.tables([tmp_path / "own.csv"]))).to_pylist()[0]
    assert row["alert_key"] == "mine:9007199254740993"
    assert row["alert_id"] == 9007199254740993
    assert (row["flux"], row["band"], row["object_id"]) == (5000.0, "mine_V", "s1")
    assert own_mapping(SimpleNamespace(own_columns=SimpleNamespace())) is None
    mags = SimpleNamespace(
        **{
            **vars(options),
            "own_columns": SimpleNamespace(id="obs", time="t", ra="RA", dec="DE", band="filter", mag="m"),
        }
    )
    write(tmp_path / "own.csv", b"obs,t,RA,DE,filter,m\n5,59000.25,10.5,-3.5,V,18.0\n")
    decoder = Decoder(ReadOptions(own=True), own=own_mapping(mags))
    row = pa.concat_tables(list(decoder.tables([tmp_path / "own.csv"]))).to_pylist()[0]
    assert (row["sign"], row["mag"]) == (1, 18.0)
    assert Context("own", own_mapping(options), "0").mapping.survey == "mine"


def test_alerce_tables(tmp_path):
    header = "oid,candid,mjd,fid,ra,dec,magpsf,sigmapsf,isdiffpos,drb\n"
    write(
        tmp_path / "detections.csv",
        (header + "ZTF18x,1000151433015015013,58300.2,2,10,20,18.5,0.1,-1,0.9\n").encode(),
    )
    write(tmp_path / "non_detections.csv", b"oid,mjd,fid,diffmaglim\nZTF18x,58290.2,2,20.1\n")
    rows = {row["kind"]: row for row in read_packets(tmp_path).to_pylist()}
    assert (rows[0]["alert_id"], rows[0]["sign"], rows[0]["band"]) == (1000151433015015013, -1, "ztf_r")
    assert rows[0]["score"] == pytest.approx(0.9)
    assert (rows[1]["maglim"], rows[1]["object_id"]) == (pytest.approx(20.1), "ZTF18x")


def test_a_canonical_table_comes_back_with_its_priors(tmp_path):
    rows = alerts(
        alert(1, 10.0, 0.0, 59003.1),
        alert(2, 10.0, 0.0, 59001.1, carrier_key="ztf:1"),
        limit(3, 59000.1, 20.0, alert_key="ztf:limit:a", carrier_key="ztf:1"),
        alert(1, 10.0, 0.0, 59003.1, source_file="again"),
    )
    pq.write_table(rows, tmp_path / "night.parquet")
    table = read_packets(tmp_path)
    account = account_of(table)
    assert account["packets"] == {"in": 2, "out": 1, "duplicates": 1, "rejected": {}}
    priors = account["priors"]
    assert (priors["in"], priors["new_detections"], priors["limits"]) == (2, 1, 1)
    (batch,) = Decoder().tables([tmp_path])
    assert batch["batch"].to_pylist() == [59003] * 4


def test_limits_of_alerce_in_parquet(tmp_path):
    columns = {"oid": ["ZTF18x"], "mjd": [58290.2], "fid": [2], "diffmaglim": [20.1]}
    pq.write_table(pa.table(columns), tmp_path / "non_detections.parquet")
    (row,) = read_packets(tmp_path).to_pylist()
    assert (row["kind"], row["maglim"], row["object_id"]) == (1, pytest.approx(20.1), "ZTF18x")


def test_forced_photometry_is_replaced_only_by_good_photometry():
    from ephemera.alerts.night import deduplicate

    carriers = [alert(k, 10.0, 0.0, 59000.1 + k) for k in range(4)]

    def forced(carrier, status, flux):
        return alert(
            0,
            10.0,
            0.0,
            58990.0,
            alert_key="ztf:forced:A",
            kind=2,
            carrier_key=f"ztf:{carrier}",
            flux=flux,
            extra={"procstatus": status},
        )

    def kept(*rows):
        table = deduplicate(alerts(*carriers, *rows)).alerts
        return [r["flux"] for r in table.to_pylist() if r["kind"] == 2]

    assert kept(forced(0, "0", 1.0), forced(2, "0", 2.0)) == [2.0]
    assert kept(forced(0, "0", 1.0), forced(2, "61", 2.0)) == [1.0]
    assert kept(forced(0, "61", 1.0), forced(2, "61", 2.0)) == [1.0]
    assert kept(forced(0, "61", 1.0), forced(1, "0", 3.0), forced(2, "61", 2.0)) == [3.0]
