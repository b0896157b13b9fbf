"""Nights in a chain, step by step: what one leaves to the next, merges, aliases, states that do not fit."""

from __future__ import annotations

import json
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.alert_nights import Chain, json_of
from builders.alerts import alert, alerts, limit
from ephemera.alerts import store
from ephemera.alerts.associate import HISTORY
from ephemera.alerts.loci import LOCI, locus_id
from ephemera.sky.sphere import separation_arcsec

ARCSEC = 1 / 3600


def border():
    """A declination at RA 10 at which one cell ends and the next begins."""
    low, high = 0.0, 4.0
    first = store.cell_of_positions([10.0], [low])[0]
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if store.cell_of_positions([10.0], [middle])[0] == first else (low, middle)
    return (low + high) / 2


def loci_of(state):
    tables = store.read(state / "loci", store.cells_in(state / "loci"), LOCI)
    return store.joined(tables, LOCI).to_pylist()


def approaching(dec):
    """Two nights: one alert each 1.1 arcsec from the border, then two each 0.1 arcsec from it."""
    far, near = 1.1 * ARCSEC, 0.1 * ARCSEC
    first = alerts(alert(1, 10.0, dec - far, 59000.1), alert(2, 10.0, dec + far, 59000.2))
    places = enumerate((-near, near, -near, near), 3)
    return first, alerts(*(alert(k, 10.0, dec + apart, 59001.1 + k / 100) for k, apart in places))


@pytest.fixture(scope="module")
def merged(tmp_path_factory):
    """Two loci on both sides of a border of cells that come near each other and are merged, with a tag each."""
    dec = border()
    chain = Chain(
        tmp_path_factory.mktemp("merged"),
        {"associate": {"merge": "yes"}, "filter": {"run": ["single_point", "everything"]}},
    )
    first, second = approaching(dec)
    chain.run(59000, first)
    chain.run(59001, second)
    chain.run(59002, alerts(alert(7, 10.0, dec, 59002.1)))
    return chain


def test_loci_in_two_cells_merge_to_one_and_stay_one(merged):
    first, second, third = (loci_of(merged.done(night).associate.state) for night in (59000, 59001, 59002))
    assert {row["locus_id"] for row in first} == {locus_id("ztf:1"), locus_id("ztf:2")}
    assert len({*store.cells_in(merged.done(59000).associate.state / "loci")}) == 2
    assert [(row["locus_id"], row["n_det"], row["flags"]) for row in second] == [
        (locus_id("ztf:1"), 6, ["crowded", "merged"])
    ]
    assert [(row["locus_id"], row["n_det"]) for row in third] == [(locus_id("ztf:1"), 7)]
    state = merged.done(59002).associate.state / "history"
    history = store.joined(store.read(state, store.cells_in(state), HISTORY), HISTORY)
    assert sorted(history["alert_key"].to_pylist()) == [f"ztf:{k}" for k in range(1, 8)]
    assert set(history["locus_id"].to_pylist()) == {locus_id("ztf:1")}


def test_tags_of_both_go_to_the_survivor_and_streams_carry_both_names_for_one_night(merged):
    rows = {}
    for night in (59001, 59002):
        (row,) = pq.read_table(merged.done(night).stream.streams / "single_point.parquet").to_pylist()
        rows[night] = row
    assert rows[59001]["aliases"] == [locus_id("ztf:2")]
    assert rows[59002]["aliases"] == []
    assert {row["locus_id"] for row in rows.values()} == {locus_id("ztf:1")}
    lines = (merged.done(59001).stream.streams / "single_point.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["aliases"] == [locus_id("ztf:2")]
    aliases = pq.read_table(merged.done(59001).associate.aliases).to_pylist()
    assert aliases == [{"old": locus_id("ztf:2"), "new": locus_id("ztf:1"), "night": 59001}]


def test_reported_candidates_are_not_merged(tmp_path):
    first, second = approaching(border())
    chain = Chain(tmp_path, {"filter": {"run": ["everything"]}})
    chain.run(59000, first)
    done = chain.run(59001, second)
    assert len(loci_of(done.associate.state)) == 2
    (candidate,) = pq.read_table(done.associate.merges).to_pylist()
    assert (candidate["what"], candidate["locus_id"]) == ("merge", locus_id("ztf:1"))
    assert candidate["sep_arcsec"] < 1.0
    assert json_of(done.associate.account)["merge_candidates"] == 1


@pytest.fixture
def one_night(tmp_path):
    chain = Chain(tmp_path / "chain", {"filter": {"run": ["everything"]}})
    chain.run(59000, alerts(alert(1, 10.0, 0.0, 59000.1)))
    return chain


def test_a_state_that_is_missing_is_named(one_night):
    state = one_night.done(59000).associate.state
    shutil.rmtree(state)
    with pytest.raises(ValueError, match=f"{state}, is not there or not complete"):
        one_night.run(59001, alerts(alert(2, 10.0, 0.0, 59001.1)))


def test_a_state_of_another_radius_is_named(one_night):
    one_night.options["associate"] = {"radius_arcsec": 3.0}
    with pytest.raises(ValueError, match=r"was made with radii .*2\.0.* this night with .*3\.0"):
        one_night.run(59001, alerts(alert(2, 10.0, 0.0, 59001.1)))


def test_a_state_of_another_version_is_named(one_night):
    state = one_night.done(59000).associate.state / "loci"
    (cell,) = store.cells_in(state)
    old = store.read(state, [cell], LOCI)[cell].drop_columns("sep99")
    store.path_of(state, cell).unlink()
    with (
        pa.OSFile(str(store.path_of(state, cell)), "wb") as sink,
        pa.ipc.new_file(sink, old.schema) as writer,
    ):
        writer.write_table(old)
    with pytest.raises(ValueError, match=f"{cell:05d}.arrow was written by another version"):
        one_night.run(59001, alerts(alert(2, 10.0, 0.0, 59001.1)))


def test_a_damaged_state_is_named(one_night):
    state = one_night.done(59000).associate.state / "loci"
    (cell,) = store.cells_in(state)
    path = store.path_of(state, cell)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=f"{cell:05d}.arrow is damaged"):
        one_night.run(59001, alerts(alert(2, 10.0, 0.0, 59001.1)))


def test_catalogues_are_matched_again_when_the_mean_moves_or_the_file_changes(tmp_path):
    path = tmp_path / "stars.csv"
    path.write_text(f"ra,dec,class\n10.0,{0.5 * ARCSEC},6\n")
    catalogue = {
        "name": "stars", "file": str(path), "radius_arcsec": 2.0, "columns": ["class"], "ra": "ra", "dec": "dec",
        "pm_ra": None, "pm_dec": None, "epoch": 2000.0, "error_major": None, "error_minor": None,
        "error_angle": None,
    }  # fmt: skip
    chain = Chain(
        tmp_path / "chain",
        {"crossmatch": {"catalogues": [catalogue]}, "filter": {"run": ["not_star"]}},
    )

    def separation(done):
        (row,) = pq.read_table(done.filter.loci).to_pylist()
        return [(match["sep_arcsec"], match["columns"]) for match in row["matches"]], (row["ra"], row["dec"])

    first, _ = separation(chain.run(59000, alerts(alert(1, 10.0, 0.0, 59000.1))))
    assert first == [(pytest.approx(0.5, abs=1e-6), '{"class": 6}')]
    stayed, _ = separation(chain.run(59001, alerts(alert(2, 10.0, 0.2 * ARCSEC, 59001.1))))
    assert stayed == first  # the mean moved by 0.1 arcsec only
    moved, (ra, dec) = separation(chain.run(59002, alerts(alert(3, 10.0, 1.6 * ARCSEC, 59002.1))))
    assert moved[0][0] == pytest.approx(float(separation_arcsec(ra, dec, 10.0, 0.5 * ARCSEC)), abs=1e-6)
    assert moved != first
    path.write_text(f"ra,dec,class\n10.0,{0.5 * ARCSEC},3\n")
    changed, _ = separation(chain.run(59003, alerts(alert(4, 10.0, 0.6 * ARCSEC, 59003.1))))
    assert changed[0][1] == '{"class": 3}'
    path.unlink()
    done = chain.run(59004, alerts(alert(5, 10.0, 0.6 * ARCSEC, 59004.1)))
    (verdict,) = pq.read_table(done.filter.verdicts).to_pylist()
    assert (verdict["outcome"], verdict["missing"]) == ("skipped", "catalogue stars")


def test_an_alert_that_comes_again_on_another_night_is_counted_once(tmp_path):
    chain = Chain(tmp_path, {"filter": {"run": ["everything"]}})
    chain.run(59000, alerts(alert(1, 10.0, 0.0, 59000.1), alert(9, 20.0, 0.0, 59000.1)))
    again = alert(1, 10.0, 0.0, 59000.1, carrier_key="ztf:2")
    done = chain.run(59001, alerts(alert(2, 10.0, 0.0, 59001.1), again))
    (row,) = (row for row in loci_of(done.associate.state) if row["locus_id"] == locus_id("ztf:1"))
    assert row["n_det"] == 2
    account = json_of(done.associate.account)
    assert (account["known"], account["known_prior_detections"], account["to_old_loci"]) == (1, 1, 1)
    assert pq.read_table(done.associate.association)["alert_key"].to_pylist() == ["ztf:2"]


def test_a_night_with_limits_only_leaves_the_loci_as_they_are(one_night):
    before = loci_of(one_night.done(59000).associate.state)
    done = one_night.run(59001, alerts(limit(5, 59001.1, 20.5, object_id="unseen")))
    assert loci_of(done.associate.state) == before
    assert json_of(done.associate.account)["without_locus"] == 1
    assert json_of(done.filter.counts)["loci"] == 0
    assert (done.pages.pages / "index.html").is_file()


def test_every_night_is_as_if_it_had_been_run_twice(tmp_path):
    """The same nights in another folder, rows in another order: equal to the byte but for where they were read."""
    nights = [
        alerts(*(alert(10 * n + k, 10.0 + k, 0.3 * n * ARCSEC, 59000.1 + n + k / 100) for k in range(4)))
        for n in range(3)
    ]
    chains = []
    for name, order in (("one", [0, 1, 2, 3]), ("two", [3, 1, 0, 2])):
        chain = Chain(
            tmp_path / name, {"filter": {"run": ["everything", "jump", "single_point", "new_band"]}}
        )
        for n, rows in enumerate(nights):
            chain.run(59000 + n, rows.take(order))
        chains.append(chain)
    compared = 0
    for step, suffix in (
        ("associate", "*"),
        ("crossmatch", "*"),
        ("filter", "*"),
        ("stream", "*"),
        ("pages", "*"),
    ):
        first = tmp_path / "one" / step
        for path in sorted(p for p in first.rglob(suffix) if p.is_file() and p.name != "times.json"):
            other = tmp_path / "two" / step / path.relative_to(first)
            assert path.read_bytes() == other.read_bytes(), path
            compared += 1
    assert compared > 40


@pytest.mark.parametrize(
    ("content", "outcome"),
    [(None, "skipped"), ("name,ra\nM 31,north\n", "errored")],
    ids=["no list", "a bad list"],
)
def test_nights_go_on_without_a_list_of_regions(tmp_path, content, outcome):
    files = {}
    if content:
        (tmp_path / "regions.csv").write_text(content)
        files = {"watch_dynamic": {"list": str(tmp_path / "regions.csv")}}
    chain = Chain(tmp_path / "chain", {"filter": {"run": ["watch_dynamic", "everything"], "files": files}})
    for night in (59000, 59001):
        done = chain.run(night, alerts(alert(night, 10.0, 0.0, night + 0.1)))
        outcomes = {row["filter"]: row["outcome"] for row in pq.read_table(done.filter.verdicts).to_pylist()}
        assert outcomes == {"watch_dynamic": outcome, "everything": "succeeded"}


def test_a_night_with_limits_only_is_a_night_for_the_one_after(one_night):
    done = one_night.run(59001, alerts(limit(5, 59001.1, 20.5, object_id="unseen")))
    assert json_of(done.filter.state / "night.json") == {"night": 59001}


def test_a_group_that_is_split_off_is_one_locus_over_nights(tmp_path):
    path = tmp_path / "split.csv"
    path.write_text("alert_key,group\nztf:2,blend\nztf:4,blend\nztf:5,\n")
    chain = Chain(tmp_path / "chain", {"associate": {"split": str(path)}, "filter": {"run": ["everything"]}})
    chain.run(59000, alerts(*(alert(k, 10.0, 0.1 * k * ARCSEC, 59000.1) for k in (1, 2))))
    done = chain.run(59001, alerts(*(alert(k, 10.0, 0.1 * (k - 3) * ARCSEC, 59001.1) for k in (3, 4, 5))))
    association = pq.read_table(done.associate.association).to_pylist()
    found = {row["alert_key"]: row["locus_id"] for row in association}
    assert found == {"ztf:3": locus_id("ztf:1"), "ztf:4": locus_id("ztf:2"), "ztf:5": locus_id("ztf:5")}
    assert {row["locus_id"]: row["n_det"] for row in loci_of(done.associate.state)} == {
        locus_id("ztf:1"): 2, locus_id("ztf:2"): 2, locus_id("ztf:5"): 1,
    }  # fmt: skip


def test_a_list_of_splits_without_its_column_is_named(tmp_path):
    path = tmp_path / "split.csv"
    path.write_text("alert,group\nztf:2,blend\n")
    chain = Chain(tmp_path / "chain", {"associate": {"split": str(path)}})
    with pytest.raises(ValueError, match=r"alerts\.associate\.split: .*split\.csv has no column alert_key"):
        chain.run(59000, alerts(alert(1, 10.0, 0.0, 59000.1)))


def test_the_last_magnitude_of_a_band_is_that_of_its_last_detection_when_older_ones_come_later(tmp_path):
    chain = Chain(tmp_path, {"filter": {"run": ["everything"]}})
    first = (alert(1, 10.0, 0.0, 59000.1, mag=18.0), alert(2, 10.0, 0.0, 59000.4, mag=17.0, band="ztf_r"))
    chain.run(59000, alerts(*first))
    late = {"carrier_key": "ztf:9", "band": "ztf_g"}
    rows = (
        alert(9, 10.0, 0.0, 59001.1, mag=16.0, band="ztf_r"),
        alert(3, 10.0, 0.0, 58999.1, mag=19.0, **late),  # older than the last in this band
        alert(4, 10.0, 0.0, 59000.2, mag=18.5, **late),  # newer than it, older than the last in any band
    )
    (row,) = loci_of(chain.run(59001, alerts(*rows)).associate.state)
    assert dict(row["last_mag"]) == {"ztf_g": 18.5, "ztf_r": 16.0}
