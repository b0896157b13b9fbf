"""Packets that are read and hold values that cannot be, or none: refused, wrapped, or null."""

from __future__ import annotations

import numpy as np
import pytest

from builders.alert_accounts import read, reasons
from builders.alerts import candidate, container, packet, write
from ephemera.alerts.decode import account_of, read_packets
from ephemera.alerts.outcomes import Stage


@pytest.mark.parametrize("number", [0, -5])
def test_identifiers_that_are_none(tmp_path, number):
    _, account = read(tmp_path / "a.avro", container([packet(number)]))
    assert reasons(account) == {"bad_id": 1}


@pytest.mark.parametrize(
    ("ra", "dec", "expected"),
    [
        (360.0, 1.0, 0.0),
        (-0.0001, 1.0, 359.9999),
        (359.99999, 1.0, 359.99999),
        (10.0, 90.0, 10.0),
        (-1e-15, -90.0, 0.0),
    ],
)
def test_positions_are_wrapped(tmp_path, ra, dec, expected):
    table, _ = read(tmp_path / "a.avro", container([packet(1, ra=ra, dec=dec)]))
    assert table["ra"][0].as_py() == pytest.approx(expected)
    assert 0 <= table["ra"][0].as_py() < 360
    assert table["dec"][0].as_py() == dec


@pytest.mark.parametrize(
    ("ra", "dec"), [(1.0, 90.0001), (1.0, -91.0), (float("nan"), 1.0), (1.0, float("nan")), (1e9, 0.0)]
)
def test_positions_that_cannot_be(tmp_path, ra, dec):
    _, account = read(tmp_path / "a.avro", container([packet(1, ra=ra, dec=dec)]))
    assert reasons(account) == {"bad_position": 1}
    assert account["quarantine"][0]["stage"] == Stage.RANGE.value


@pytest.mark.parametrize("mjd", [-10.0, 0.0, 1e6, float("nan"), float("inf")])
def test_times_that_cannot_be(tmp_path, mjd):
    content = container([packet(1, jd=mjd + 2400000.5)])
    _, account = read(tmp_path / "a.avro", content)
    assert reasons(account) == {"bad_time": 1}
    table, _ = read(tmp_path / "a.avro", content, simulated=True)
    assert len(table) == int(np.isfinite(mjd))


def test_brightness(tmp_path):
    lsst = fluxes_of(tmp_path, [0.0, -50.0, float("nan"), 3631e9])
    rows = {row["alert_id"]: row for row in lsst.to_pylist()}
    assert (rows[1]["flux"], rows[1]["mag"], rows[1]["sign"]) == (0.0, None, 0)
    assert (rows[2]["flux"], rows[2]["sign"]) == (-50.0, -1)
    assert rows[2]["mag"] == pytest.approx(31.4 - 2.5 * np.log10(50))
    assert 3 not in rows
    assert rows[4]["mag"] == pytest.approx(0.0, abs=1e-3)
    assert account_of(lsst)["packets"]["rejected"] == {"missing_field": 1}


def fluxes_of(folder, values):
    names = ("diaSourceId", "midpointMjdTai", "ra", "dec", "band", "psfFlux", "psfFluxErr")
    kinds = ("long", "double", "double", "double", "string", "float", "float")
    inner = {
        "type": "record",
        "name": "diaSource",
        "fields": [{"name": n, "type": k} for n, k in zip(names, kinds, strict=True)],
    }
    schema = {
        "type": "record",
        "namespace": "lsst.v11_0",
        "name": "alert",
        "fields": [{"name": "diaSource", "type": inner}],
    }
    records = [
        {"diaSource": dict(zip(names, (k, 61000.3, 10.0 + k, 1.0, "r", flux, 5.0), strict=True))}
        for k, flux in enumerate(values, 1)
    ]
    return read_packets(write(folder / "lsst.avro", container(records, schema=schema)))


def test_magnitude_of_ztf_as_flux(tmp_path):
    table, _ = read(tmp_path / "a.avro", container([packet(1, magpsf=20.0, isdiffpos="f", sigmapsf=0.1)]))
    row = table.to_pylist()[0]
    assert row["flux"] == pytest.approx(-36307.8, abs=0.05)
    assert row["flux_err"] == pytest.approx(36307.8 * 0.1 * 0.921034, rel=1e-5)
    assert (row["sign"], row["mag"]) == (-1, pytest.approx(20.0, abs=1e-5))


@pytest.mark.parametrize("value", [None, -999.0, float("nan")])
def test_a_detection_without_brightness_is_a_limit_when_it_has_one(tmp_path, value):
    table, account = read(
        tmp_path / "a.avro", container([packet(1, magpsf=value), packet(2, magpsf=value, diffmaglim=None)])
    )
    assert table["kind"].to_pylist() == [1]
    assert table["maglim"].to_pylist() == [20.5]
    assert table["flux"].to_pylist() == [None]
    assert reasons(account) == {"missing_field": 1}


@pytest.mark.parametrize(("fid", "band"), [(3, "ztf_i"), (7, "ztf_fid7")])
def test_bands_never_seen(tmp_path, fid, band):
    table, _ = read(tmp_path / "a.avro", container([packet(1, fid=fid)]))
    assert table["band"].to_pylist() == [band]


def test_missing_value_marks_become_null(tmp_path):
    table, _ = read(tmp_path / "a.avro", container([packet(1, ssdistnr=-999.0, distnr=-999.0, rb=0.5)]))
    extra = table["extra"][0].as_py()
    assert (extra["ssdistnr"], extra["distnr"], extra["rb"]) == (None, None, 0.5)


def test_the_same_alert_twice_in_one_file_and_in_two(tmp_path, good):
    write(tmp_path / "one.avro", container([good[0], good[0], good[1]]))
    write(tmp_path / "two.avro", container([good[1], good[2]]))
    table = read_packets(tmp_path)
    assert sorted(table["alert_id"].to_pylist()) == [100, 101, 102]
    assert account_of(table)["packets"] == {"in": 5, "out": 3, "duplicates": 2, "rejected": {}}


def test_a_second_delivery_with_other_values_is_listed(tmp_path):
    write(tmp_path / "one.avro", container([packet(5)]))
    write(tmp_path / "two.avro", container([packet(5, ra=151.0)]))
    table = read_packets(tmp_path)
    assert len(table) == 1
    assert account_of(table)["changed"] == 1


def test_types_that_are_wrong(tmp_path):
    rows = [
        {
            "oid": "ZTF1",
            "candid": str(k),
            "mjd": mjd,
            "fid": "1",
            "ra": "10",
            "dec": "1",
            "magpsf": "18",
            "sigmapsf": "0.1",
            "isdiffpos": "1",
        }
        for k, mjd in ((1, "59000.1"), (2, "yesterday"))
    ]
    text = ",".join(rows[0]) + "\n" + "\n".join(",".join(row.values()) for row in rows) + "\n"
    table, account = read(tmp_path / "detections.csv", text.encode())
    assert table["alert_id"].to_pylist() == [1]
    assert reasons(account) == {"wrong_type": 1}


def test_a_prior_that_is_an_upper_limit_and_one_that_is_a_detection(tmp_path):
    priors = [candidate(None, jd=2458420.5), candidate(50, jd=2458425.5), candidate(51, ra=float("nan"))]
    table, account = read(tmp_path / "a.avro", container([packet(60, priors=priors)]))
    assert account["priors"] == {
        "in": 3,
        "new_detections": 1,
        "known_detections": 0,
        "limits": 1,
        "forced": 0,
        "rejected": {"bad_position": 1},
    }
    rows = {row["alert_key"]: row for row in table.to_pylist()}
    assert rows["ztf:limit:ZTF180000060-7"]["maglim"] == 20.5
    assert rows["ztf:50"]["carrier_key"] == "ztf:60"
