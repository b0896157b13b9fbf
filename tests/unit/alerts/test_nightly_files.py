"""Files of nights, and tables of brokers and of one's own that become them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.alerts import alert, alerts, container, limit, packet, write
from ephemera.alerts.columns import Context
from ephemera.alerts.decode import account_of, keeping_cutouts, own_mapping, read_packets, write_nights
from ephemera.alerts.decoder import Decoder
from ephemera.alerts.night import by_survey_and_file, counted, deduplicate, rows_of
from ephemera.alerts.packets import ReadOptions


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


def test_the_account_by_file_is_that_of_each_file_alone():
    rows = [
        alert(k % 7, 10.0, 0.0, 59000.1, source_file=f"{k % 3}.avro", survey=("ztf", "atlas")[k % 2])
        for k in range(30)
    ]
    table = alerts(*rows)
    dropped = deduplicate(table).dropped
    found = {(row["file"], row["survey"]): row for row in by_survey_and_file(table, dropped)}
    assert len(found) == 6
    for (file, survey), row in found.items():
        mine = np.array([one["source_file"] == file and one["survey"] == survey for one in rows])
        alone = counted(table.filter(pa.array(mine)), dropped[mine])
        assert row == {"file": file, "survey": survey, **alone}
    assert sum(row["out"] + row["duplicates"] for row in found.values()) == 30
