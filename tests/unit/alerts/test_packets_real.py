"""Real packets of six surveys: numbers, identifiers, accounts."""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter

import fastavro
import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ephemera.alerts.decode import account_of, read_packets

pytestmark = pytest.mark.real_data


@pytest.fixture(scope="module")
def folder(shared_data):
    return shared_data / "alerts"


@pytest.fixture(scope="module")
def ztf_paths(folder):
    ztf = folder / "ztf"
    tars = [ztf / "recent_alerts_20180607.tar.gz", ztf / "ztf_public_20180819_mod1000.tar.gz"]
    return [*sorted(ztf.glob("official*.avro")), ztf / "alerce_samples", *tars]


@pytest.fixture(scope="module")
def ztf(ztf_paths):
    return read_packets(ztf_paths)


def own(table):
    return table.filter(pc.is_null(table["carrier_key"]))


def counts(table, name):
    return Counter(str(value) for value in table[name].to_pylist())


def test_loose_files_and_alerce_samples(ztf_paths):
    table = own(read_packets(ztf_paths[:3], priors=False))
    assert len(table) == 100
    assert counts(table, "schema_version") == {"3.0": 11, "3.1": 12, "3.2": 18, "3.3": 59}


def test_archives_without_and_with_a_version_field(ztf_paths):
    first = read_packets(ztf_paths[3], priors=False)
    assert len(first) == 22
    second = read_packets(ztf_paths[4], priors=False)
    assert len(second) == 30
    assert counts(second, "schema_version") == {"3.0": 30}


def test_all_ztf_packets(ztf):
    table = own(ztf)
    assert len(table) == 152
    assert len(set(table["alert_id"].to_pylist())) == 152
    assert len(set(table["object_id"].to_pylist())) == 141
    assert counts(table, "band") == {"ztf_g": 60, "ztf_r": 92}
    assert counts(table, "sign") == {"-1": 116, "1": 36}


def test_priors_of_ztf(ztf):
    account = account_of(ztf)
    priors = account["priors"]
    assert priors["in"] == 1748
    assert priors["new_detections"] + priors["known_detections"] == 388
    assert (priors["known_detections"], priors["limits"], priors["forced"]) == (18, 1360, 0)
    detections = ztf.filter(pc.equal(ztf["kind"], 0))
    assert len(detections) == 522
    assert len(set(detections["alert_key"].to_pylist())) == 522


def test_damaged_packets_are_refused_with_their_reasons(ztf_paths, folder):
    table = read_packets([*ztf_paths, folder / "ztf" / "damaged"])
    account = account_of(table)
    assert account["packets"] == {
        "in": 154,
        "out": 152,
        "duplicates": 0,
        "rejected": {"schema_invalid": 1, "sync_marker": 1},
    }
    reasons = {row["file"].split("/")[-1]: row["reason"] for row in account["quarantine"]}
    assert reasons == {"516401801315010009.avro": "sync_marker", "516434762915010006.avro": "schema_invalid"}


def candids_of_bytes(path):
    """Identifiers as fastavro decodes them, one file after the other."""
    if path.is_dir():
        return [c for inner in sorted(path.iterdir()) for c in candids_of_bytes(inner)]
    if path.suffix == ".gz":
        with tarfile.open(path) as archive:
            blobs = [archive.extractfile(m).read() for m in archive if m.isfile()]
    else:
        blobs = [path.read_bytes()]
    records = [record for blob in blobs for record in fastavro.reader(io.BytesIO(blob))]
    return [record.get("candid") or record["candidate"]["candid"] for record in records]


def test_identifiers_are_exact_and_would_not_survive_a_float(ztf_paths, ztf, folder):
    expected = [c for path in ztf_paths for c in candids_of_bytes(path)]
    table = own(ztf)
    assert sorted(table["alert_id"].to_pylist()) == sorted(expected)
    assert sorted(map(int, table["alert_id_text"].to_pylist())) == sorted(expected)
    assert all(int(float(c)) != c for c in expected)
    rubin = folder / "rubin" / "fink_rubin_27alerts_schema10.parquet"
    ids = [row["diaSourceId"] for row in pq.read_table(rubin)["diaSource"].to_pylist()]
    assert sorted(own(read_packets(rubin))["alert_id"].to_pylist()) == sorted(ids)
    assert sum(int(float(c)) != c for c in ids) == 26


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("regular_9alerts_full_enrichment", 9),
        ("tde_ZTF20abfcszi_21alerts", 21),
        ("ztf_57alerts_with_simbad", 57),
    ],
)
def test_fink_parquet(folder, ztf, name, number):
    table = own(read_packets(folder / "ztf" / f"fink_{name}.parquet"))
    assert len(table) == number
    assert not set(table["alert_id"].to_pylist()) & set(own(ztf)["alert_id"].to_pylist())
    broker = json.loads(pc.struct_field(table["extra"], "broker")[0].as_py())
    assert "fink_broker_version" in broker


@pytest.mark.parametrize(("name", "number"), [("atlas", 4), ("elasticc", 82), ("other", 2)])
def test_other_surveys(folder, name, number):
    assert len(own(read_packets(folder / name))) == number


def test_the_two_rubin_samples_are_one_alert(folder):
    table = read_packets(sorted((folder / "rubin").glob("fakeAlert*.avro")))
    assert account_of(table)["packets"] == {"in": 2, "out": 1, "duplicates": 1, "rejected": {}}
    assert own(table)["alert_id"].to_pylist() == [281323062375219200]
    assert own(table)["object_id"].to_pylist() == [None]


def test_fink_rubin(folder):
    table = own(read_packets(folder / "rubin" / "fink_rubin_27alerts_schema10.parquet"))
    assert len(table) == 27
    assert sum(f < 0 for f in table["flux"].to_pylist()) == 2
    moving = table.filter(pc.is_valid(table["ss_id"]))
    assert len(moving) == 3
    assert moving["object_id"].to_pylist() == [None] * 3
    assert "21163615805847120" in moving["ss_id"].to_pylist()
    assert set(table["band"].to_pylist()) == {"lsst_i"}
    # TAI is 37 s ahead of UTC.
    source = pq.read_table(folder / "rubin" / "fink_rubin_27alerts_schema10.parquet")["diaSource"].to_pylist()
    tai = {row["diaSourceId"]: row["midpointMjdTai"] for row in source}
    for number, mjd in zip(table["alert_id"].to_pylist(), table["mjd_utc"].to_pylist(), strict=True):
        assert (tai[number] - mjd) * 86400 == pytest.approx(37, abs=1e-5)


def test_atlas_takes_its_sign_from_the_flux(folder):
    table = read_packets(folder / "atlas")
    rows = {row["alert_id_text"]: row for row in table.to_pylist()}
    first = rows["02a59543o0040o_006230"]
    assert first["alert_id"] is None
    assert first["object_id"] == "1200825211121548288"
    assert first["flux"] == pytest.approx(173.78021240234375e3)
    assert first["mag"] == pytest.approx(18.300, abs=5e-4)
    assert sorted(round(row["flux"] / 1e3, 2) for row in rows.values()) == [-387.61, 82.19, 173.78, 290.80]
    negative = min(rows.values(), key=lambda row: row["flux"])
    assert negative["sign"] == -1
    assert negative["mag"] == pytest.approx(17.429, abs=2e-3)
    assert {row["band"] for row in rows.values()} <= {"atlas_o", "atlas_c"}


def test_lasair_batch_is_one_alert_five_times(folder):
    path = folder / "rubin" / "lasair_5_alert_batch.json"
    table = read_packets(path, simulated=True)
    account = account_of(table)
    assert account["packets"] == {"in": 5, "out": 1, "duplicates": 4, "rejected": {}}
    detections = table.filter(pc.equal(table["kind"], 0))
    assert len(detections) == 26
    assert 5 + account["priors"]["new_detections"] + account["priors"]["known_detections"] == 130
    assert max(detections["mjd_utc"].to_pylist()) < 0
    refused = account_of(read_packets(path))
    assert refused["packets"] == {"in": 5, "out": 0, "duplicates": 0, "rejected": {"bad_time": 5}}


def test_antares_locus(folder):
    table = read_packets(folder / "antares" / "antares_locus_3959alerts.json.gz")
    assert counts(table, "kind") == {"0": 3552, "1": 407}
    assert counts(table, "band") == {"ztf_g": 1942, "ztf_r": 2005, "ztf_i": 12}


def test_elasticc_zero_point(folder):
    table = own(read_packets(folder / "elasticc" / "alert_mjd59594.0370_obj843_src1686003.avro"))
    row = table.to_pylist()[0]
    assert row["mag"] == pytest.approx(27.5 - 2.5 * np.log10(540.1228637695312), abs=1e-4)
    assert row["band"] == "lsst_y"
    assert row["alert_key"] == "elasticc:1686003"


def test_babamul_and_ampel(folder):
    babamul = own(read_packets(folder / "other" / "babamul_alert.avro")).to_pylist()[0]
    assert (babamul["alert_id"], babamul["object_id"], babamul["band"]) == (
        3458293962815015016,
        "ZTF26aauybpk",
        "ztf_i",
    )
    assert babamul["mag"] == pytest.approx(19.7538, abs=1e-3)
    forced = read_packets(folder / "other" / "babamul_alert.avro")
    peak = [r for r in forced.to_pylist() if abs(r["mjd_utc"] - 61176.3743634) < 1e-5 and r["kind"] == 2]
    assert peak[0]["mag"] == pytest.approx(18.863, abs=2e-3)
    ampel = own(read_packets(folder / "other" / "ampel_report.avro")).to_pylist()[0]
    assert ampel["object_id"] == "170472689154654242"
    assert ampel["band"].startswith("lsst_")


def test_any_order_of_files_gives_the_same_table(ztf_paths, ztf):
    again = read_packets(list(reversed(ztf_paths)))
    assert again.equals(ztf)


def test_accounts_close_on_all_files_together(folder):
    paths = [folder / name for name in ("ztf", "rubin", "atlas", "elasticc", "other")]
    account = account_of(
        read_packets([*paths, folder / "antares" / "antares_locus_1alert.json"], simulated=True)
    )
    packets, priors = account["packets"], account["priors"]
    assert packets["in"] == packets["out"] + packets["duplicates"] + sum(packets["rejected"].values())
    parts = ("new_detections", "known_detections", "limits", "forced")
    assert priors["in"] == sum(priors[name] for name in parts) + sum(priors["rejected"].values())
    assert packets["in"] == 154 + 87 + 2 + 27 + 5 + 1 + 4 + 82 + 2 + 1
