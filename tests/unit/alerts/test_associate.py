"""Association on small alerts: idempotence, nights, limits, moving objects, merges, splits, late nights."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.alerts import alert, alerts, limit
from ephemera.alerts import store
from ephemera.alerts.associate import associate
from ephemera.alerts.ledger import check_late, close_night, digest_of
from ephemera.alerts.loci import LOCI, locus_id
from ephemera.alerts.merges import find_merges, find_splits, merge_loci
from ephemera.alerts.outcomes import LateNightError
from ephemera.sky.sphere import unit_vectors

ARCSEC = 1 / 3600


def column(table, name):
    return table[name].to_pylist()


def history_of(*pairs):
    """History of (alerts, association) pairs."""
    return pa.concat_tables([a.take(_order(a, s)).append_column("locus_id", s["locus_id"]) for a, s in pairs])


def _order(table, association):
    rows = {key: k for k, key in enumerate(column(table, "alert_key"))}
    return pa.array([rows[key] for key in column(association, "alert_key")])


def test_identifiers_are_stable_and_have_no_counter():
    assert locus_id("ztf:1") == locus_id("ztf:1") != locus_id("ztf:2")
    assert len(locus_id("ztf:1")) == 16
    assert locus_id("ztf:1").startswith("EPH")


def test_a_locus_takes_the_name_of_its_founder_and_the_mean_of_its_members():
    rows = alerts(alert(2, 10.0, 1 * ARCSEC, 59000.2), alert(1, 10.0, 0.0, 59000.1, mag=17.0, band="ztf_r"))
    association, loci = associate(rows, None)
    row = loci.to_pylist()[0]
    assert row["founder_key"] == "ztf:1"
    assert column(association, "locus_id") == [locus_id("ztf:1")] * 2
    assert row["dec"] == pytest.approx(0.5 * ARCSEC)
    assert row["scatter"] == pytest.approx(0.5 / np.sqrt(2), rel=1e-4)
    assert row["sep99"] == pytest.approx(0.5, rel=1e-6)
    assert row["bands"] == ["ztf_g", "ztf_r"]
    assert (row["mjd_first"], row["mjd_last"]) == (59000.1, 59000.2)
    assert dict(row["last_mag"]) == {"ztf_g": 18.0, "ztf_r": 17.0}
    sums = np.array([row[f"sum_{axis}"] for axis in "xyz"])
    assert sums == pytest.approx(unit_vectors([10.0, 10.0], [0.0, ARCSEC]).sum(axis=0), abs=1e-15)


def test_existing_loci_are_frozen_for_the_night():
    _, loci = associate(alerts(alert(1, 10.0, 0.0, 59000.1)), None)
    # The first alert of the second night would pull the mean to 0.9 arcsec, within reach of the second.
    night = alerts(alert(2, 10.0, 1.8 * ARCSEC, 59001.1), alert(3, 10.0, 2.5 * ARCSEC, 59001.2))
    association, after = associate(night, loci)
    assert len(after) == 2
    assert column(association, "sep_arcsec") == [pytest.approx(1.8), 0.0]


def test_delivering_a_night_again_changes_nothing():
    rows = alerts(*(alert(k, 10.0 + 0.1 * k, 0.0, 59000.1) for k in range(5)))
    association, loci = associate(rows, None)
    history = history_of((rows, association))
    again, same = associate(rows, loci, history=history)
    assert len(again) == 0
    assert same.equals(loci)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_files_and_order_do_not_matter(seed):
    random = np.random.default_rng(seed)
    rows = [
        alert(
            k,
            10 + random.uniform(0, 20) * ARCSEC,
            random.uniform(0, 20) * ARCSEC,
            59000 + random.uniform(0, 0.5),
            survey=str(random.choice(["ztf", "atlas"])),
        )
        for k in range(40)
    ]
    expected = associate(alerts(*rows), None)
    order = random.permutation(len(rows))
    pieces = [alerts(*(rows[k] for k in part)) for part in np.array_split(order, 4)]
    again = associate(pa.concat_tables([*pieces, pieces[1]]), None)
    assert again[0].equals(expected[0])
    assert again[1].equals(expected[1])


def test_loci_by_night_are_those_of_all_nights_in_one_store():
    random = np.random.default_rng(5)
    nights = [
        alerts(
            *(alert(100 * n + k, 10 + random.normal(0, 1) * ARCSEC, k * 0.1, 59000.1 + n) for k in range(6))
        )
        for n in range(4)
    ]
    loci, history = None, None
    for night in nights:
        association, loci = associate(night, loci, history=history)
        part = history_of((night, association))
        history = part if history is None else pa.concat_tables([history, part])
    sums = np.stack([loci[f"sum_{axis}"].to_numpy() for axis in "xyz"], axis=1)
    for row, total in zip(loci.to_pylist(), sums, strict=True):
        mine = history.filter(pc.equal(history["locus_id"], row["locus_id"]))
        vectors = unit_vectors(mine["ra"].to_numpy(), mine["dec"].to_numpy())
        assert total == pytest.approx(vectors.sum(axis=0), abs=1e-14)
        assert row["n_det"] == len(mine)
    assert sum(column(loci, "n_det")) == 24


def test_limits_and_forced_photometry_follow_their_packet():
    rows = alerts(
        alert(1, 10.0, 0.0, 59000.1, object_id="A"),
        limit(2, 58995.0, 20.5, alert_key="ztf:limit:A-1", carrier_key="ztf:1", object_id="A"),
        alert(3, 10.0, 0.0, 58999.0, alert_key="ztf:forced:A", kind=2, carrier_key="ztf:1", object_id="A"),
        limit(4, 59000.0, 20.0, alert_key="ztf:limit:B-1", object_id="B"),
        limit(5, 59000.2, 20.0, alert_key="ztf:limit:A-9", object_id="A"),
    )
    association, loci = associate(rows, None)
    where = dict(zip(column(association, "alert_key"), column(association, "locus_id"), strict=True))
    name = locus_id("ztf:1")
    assert where == {
        "ztf:1": name,
        "ztf:limit:A-1": name,
        "ztf:forced:A": name,
        "ztf:limit:B-1": None,
        "ztf:limit:A-9": name,
    }
    row = loci.to_pylist()[0]
    assert (row["n_det"], row["n_limit"], row["n_forced"]) == (1, 2, 1)
    assert row["ra"] == pytest.approx(10.0)
    # The same object on the next night: a limit without a packet finds it.
    later, _ = associate(alerts(limit(6, 59001.0, 20.0, alert_key="ztf:limit:A-10", object_id="A")), loci)
    assert column(later, "locus_id") == [name]


def test_priors_join_by_their_own_position_and_are_late():
    rows = alerts(alert(1, 10.0, 0.0, 59010.1), alert(2, 10.0, 0.5 * ARCSEC, 59005.1, carrier_key="ztf:1"))
    association, loci = associate(rows, None)
    late = dict(zip(column(association, "alert_key"), column(association, "late"), strict=True))
    assert late == {"ztf:1": False, "ztf:2": True}
    assert column(loci, "founder_key") == ["ztf:1"]
    assert column(loci, "mjd_first") == [59005.1]


def test_crowded_loci_are_flagged():
    _, loci = associate(alerts(alert(1, 10.0, 0.0, 59000.1), alert(2, 10.0, 3 * ARCSEC, 59000.1)), None)
    association, after = associate(alerts(alert(3, 10.0, 1.4 * ARCSEC, 59001.1)), loci)
    assert column(association, "n_candidates") == [2]
    assert column(association, "second_sep") == [pytest.approx(1.6)]
    flags = dict(zip(column(after, "locus_id"), column(after, "flags"), strict=True))
    assert flags == {locus_id("ztf:1"): ["crowded"], locus_id("ztf:2"): []}


@pytest.mark.parametrize(
    "mark", [{"ss_id": "2003 AB"}, {"extra": {"ssdistnr": 1.2}}, {"extra": {"ssdistnr": 0.0}}]
)
def test_moving_objects_do_not_pull_old_loci(mark):
    _, loci = associate(alerts(alert(1, 10.0, 0.0, 59000.1)), None)
    _, after = associate(alerts(alert(2, 10.0, 1.5 * ARCSEC, 59001.1, **mark)), loci)
    row = after.to_pylist()[0]
    assert row["flags"] == ["moving"]
    assert row["n_det"] == 2
    assert row["dec"] == pytest.approx(0.0, abs=1e-12)
    _, fresh = associate(
        alerts(alert(1, 10.0, 0.0, 59000.1), alert(2, 10.0, 1.5 * ARCSEC, 59000.2, **mark)), None
    )
    assert fresh["dec"][0].as_py() == pytest.approx(0.75 * ARCSEC)


def test_asteroids_far_away_do_not_count():
    _, loci = associate(alerts(alert(1, 10.0, 0.0, 59000.1, extra={"ssdistnr": 7.0})), None)
    assert column(loci, "flags") == [[]]


def test_weights_by_error():
    rows = alerts(
        alert(1, 10.0, 0.0, 59000.1, extra={"pos_err": 0.1}),
        alert(2, 10.0, ARCSEC, 59000.2, extra={"pos_err": 0.3}),
    )
    _, loci = associate(rows, None, weight="error")
    assert loci["dec"][0].as_py() == pytest.approx(0.1 * ARCSEC, rel=1e-6)


def test_radii_by_survey_and_their_range():
    rows = alerts(alert(1, 10.0, 0.0, 59000.1), alert(2, 10.0, 3 * ARCSEC, 59000.2, survey="atlas"))
    assert len(associate(rows, None, {"default": 2.0})[1]) == 2
    assert len(associate(rows, None, {"default": 2.0, "atlas": 4.0})[1]) == 1
    for radius in (0.05, 31.0):
        with pytest.raises(ValueError, match=r"0.1-30"):
            associate(rows, None, radius)


def test_merge_candidates_and_merging():
    rows = [alert(1, 10.0, 0.0, 59000.1), alert(2, 10.0, 2.1 * ARCSEC, 59000.2)]
    first, loci = associate(alerts(*rows), None)
    more = [alert(3, 10.0, 0.9 * ARCSEC, 59001.1), alert(4, 10.0, 1.2 * ARCSEC, 59001.2)]
    second, loci = associate(alerts(*more), loci)
    history = history_of((alerts(*rows), first), (alerts(*more), second))
    candidates = find_merges(loci, 2.0, 59001)
    assert len(candidates) == 0
    _, loci = associate(
        alerts(alert(5, 10.0, 1.0 * ARCSEC, 59002.1), alert(6, 10.0, 1.1 * ARCSEC, 59002.2)), loci
    )
    candidates = find_merges(loci, 2.5, 59002).to_pylist()
    assert [(c["locus_id"], c["other_locus_id"]) for c in candidates] == [
        (locus_id("ztf:1"), locus_id("ztf:2"))
    ]
    merged, moved, aliases = merge_loci(loci, history, find_merges(loci, 2.5, 59002))
    row = merged.to_pylist()[0]
    assert len(merged) == 1
    assert row["locus_id"] == locus_id("ztf:1")
    assert row["n_det"] == sum(column(loci, "n_det"))
    assert row["flags"] == ["crowded", "merged"]
    for axis in "xyz":
        assert row[f"sum_{axis}"] == pytest.approx(sum(column(loci, f"sum_{axis}")))
    assert aliases.to_pylist() == [{"old": locus_id("ztf:2"), "new": locus_id("ztf:1"), "night": 59002}]
    assert set(column(moved, "locus_id")) == {locus_id("ztf:1")}
    assert merged.schema.equals(LOCI)


def test_split_candidates():
    random = np.random.default_rng(0)
    rows = [
        alert(k, 10.0, random.normal(0, 0.8) * ARCSEC, 59000.1 + k / 1000, object_id="AB"[k % 2])
        for k in range(20)
    ]
    _, loci = associate(alerts(*rows), None, 5.0)
    names = column(loci, "locus_id")
    assert [row["reason"] for row in find_splits(loci, 5.0, names).to_pylist()] == [
        "several objects of one survey"
    ]
    assert [row["reason"] for row in find_splits(loci, 2.0, names).to_pylist()] == [
        "99 % separation above 0.75 radii"
    ]
    assert len(find_splits(loci, 5.0, [])) == 0


def test_alerts_that_are_split_off_get_a_locus_of_their_own_and_keep_it():
    rows = alerts(
        alert(1, 10.0, 0.0, 59000.1),
        alert(2, 10.0, 0.3 * ARCSEC, 59000.2),
        alert(3, 10.0, 0.4 * ARCSEC, 59000.3),
    )
    split = {"ztf:2": "blend", "ztf:3": "blend"}
    association, loci = associate(rows, None, split=split)
    assert column(association, "locus_id") == [locus_id("ztf:1"), locus_id("ztf:2"), locus_id("ztf:2")]
    again = associate(rows, None, split=split)
    assert again[1].equals(loci)


def test_late_nights_are_refused_unless_asked_for(tmp_path):
    ledger = tmp_path / "ledger"
    one, other = (
        digest_of(alerts(alert(1, 10.0, 0.0, 59000.1))),
        digest_of(alerts(alert(2, 10.0, 0.0, 59000.1))),
    )
    for night in (59000, 59001, 59002):
        check_late(ledger, night, one, None)
        close_night(ledger, night, one)
    check_late(ledger, 59001, one, None)  # the same alerts again
    check_late(ledger, 59003, other, None)  # a new night
    with pytest.raises(LateNightError, match="rebuild_from: 59001"):
        check_late(ledger, 59001, other, None)
    with pytest.raises(LateNightError, match="came after later nights"):
        check_late(ledger, 58990, other, None)
    with pytest.raises(LateNightError):
        check_late(ledger, 59001, other, 59002)
    check_late(ledger, 59001, other, 59001)
    assert sorted(path.stem for path in ledger.iterdir()) == ["59000"]


def test_digest_does_not_depend_on_where_alerts_were_read():
    assert digest_of(alerts(alert(1, 1.0, 1.0, 59000.1))) == digest_of(
        alerts(alert(1, 1.0, 1.0, 59000.1, source_file="x"))
    )


# Store ----------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 360, exclude_max=True), st.floats(-90, 90), st.floats(1, 600), st.integers(0, 10**6))
def test_all_cells_near_a_position_are_found(ra, dec, reach, seed):
    vector = unit_vectors([ra], [dec])
    random = np.random.default_rng(seed)
    around = vector + random.normal(size=(500, 3)) * reach * np.pi / 180 / 3600
    around /= np.linalg.norm(around, axis=1, keepdims=True)
    near = around[np.linalg.norm(around - vector, axis=1) <= reach * np.pi / 180 / 3600]
    cells = set(store.cells_near(vector, reach).tolist())
    assert set(np.unique(store.cells_of(near, store.ORDER)).tolist()) <= cells


def test_untouched_cells_are_the_same_files(tmp_path):
    table = pa.table({"a": [1, 2]})
    store.advance(None, tmp_path / "one", {3: table, 7: table})
    store.advance(tmp_path / "one", tmp_path / "two", {7: pa.table({"a": [5]}), 9: table})
    assert store.cells_in(tmp_path / "two") == [3, 7, 9]
    same = [store.path_of(tmp_path / name, 3).stat().st_ino for name in ("one", "two")]
    assert same[0] == same[1]
    assert store.read(tmp_path / "one", [7], table.schema)[7]["a"].to_pylist() == [1, 2]
    assert store.read(tmp_path / "two", [7, 100], table.schema)[7]["a"].to_pylist() == [5]
    assert store.cells_in(None) == []


def test_a_table_is_divided_in_its_own_order(tmp_path):
    table = pa.table({"a": list(range(7))})
    cells = np.array([5, 2, 5, 9, 2, 5, 2])
    parts = store.divided(table, cells)
    assert {cell: part["a"].to_pylist() for cell, part in parts.items()} == {
        cell: table.filter(pa.array(cells == cell))["a"].to_pylist() for cell in (2, 5, 9)
    }
    store.advance(None, tmp_path / "one", parts)
    assert store.joined(store.read(tmp_path / "one", [2, 5, 9], table.schema), table.schema).equals(
        pa.table({"a": [1, 4, 6, 0, 2, 5, 3]})
    )
    assert store.divided(table.slice(0, 0), cells[:0]) == {}


def test_a_store_of_another_version_is_refused_by_name(tmp_path):
    store.advance(None, tmp_path / "one", {3: pa.table({"a": [1]})})
    with pytest.raises(ValueError, match=r"00003.arrow was written by another version"):
        store.read(tmp_path / "one", [3], LOCI)
