"""Canonical tables of others: those that only claim to be canonical are refused, or the rows that cannot be."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from builders.alert_accounts import reasons
from builders.alerts import alert, alerts, limit
from ephemera.alerts import packets
from ephemera.alerts.decode import account_of, read_packets
from ephemera.alerts.decoder import Decoder


def replaced(table, name, values, kind=None):
    """The table with another column in place of one of this name; it still says that it is canonical."""
    column = pa.array(values, kind or table.schema.field(name).type)
    return table.set_column(table.column_names.index(name), pa.field(name, column.type), column)


@pytest.fixture
def three():
    return alerts(*(alert(k, 10.0 + k, 0.0, 59000.1) for k in (1, 2, 3)))


def test_a_column_that_is_not_there_is_named(tmp_path, three):
    pq.write_table(three.drop_columns(["mjd_utc", "night"]), tmp_path / "night.parquet")
    account = account_of(read_packets(tmp_path))
    assert reasons(account) == {"schema_invalid": 1}
    assert account["quarantine"][0]["detail"] == "a canonical table without mjd_utc, night"


@pytest.mark.parametrize(
    ("name", "values"),
    [("mjd_utc", ["yesterday"] * 3), ("carrier_key", [1.5, 2.5, 3.5]), ("extra", [1, 2, 3])],
)
def test_a_column_of_another_type_is_refused(tmp_path, three, name, values):
    kind = pa.array(values).type
    pq.write_table(replaced(three, name, values, kind), tmp_path / "night.parquet")
    table = read_packets(tmp_path)
    assert len(table) == 0
    assert list(reasons(account_of(table))) == ["wrong_type"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("alert_key", ["ztf:1", None, "ztf:3"]),
        ("night", [59000, None, 59000]),
        ("mjd_utc", [59000.1, None, 59000.1]),
        ("ra", [11.0, float("nan"), 13.0]),
        ("dec", [0.0, 90.5, 0.0]),
        ("kind", [0, None, 0]),
        ("kind", [0, 9, 0]),
    ],
)
def test_a_row_that_cannot_be_an_alert_is_refused_and_the_rest_read(tmp_path, three, name, values):
    pq.write_table(replaced(three, name, values), tmp_path / "night.parquet")
    table = read_packets(tmp_path)
    assert sorted(table["alert_key"].to_pylist()) == ["ztf:1", "ztf:3"]
    assert reasons(account_of(table)) == {"missing_field": 1}


def test_damage_in_a_table_costs_only_that_table(tmp_path, three):
    pq.write_table(three, tmp_path / "bad.parquet", compression="none")
    content = bytearray((tmp_path / "bad.parquet").read_bytes())
    content[4:60] = bytes(56)  # the first page of the first column; the footer is whole
    (tmp_path / "bad.parquet").write_bytes(bytes(content))
    pq.write_table(alerts(alert(7, 10.0, 0.0, 59000.1)), tmp_path / "good.parquet")
    table = read_packets(tmp_path)
    assert table["alert_key"].to_pylist() == ["ztf:7"]
    assert sum(reasons(account_of(table)).values()) == 1


def test_priors_go_to_the_night_of_their_packet_wherever_it_is_in_the_file(tmp_path, monkeypatch):
    priors = [limit(k, 58990.1 + k, 20.0, alert_key=f"ztf:limit:{k}", carrier_key="ztf:1") for k in range(5)]
    pq.write_table(alerts(*priors, alert(1, 10.0, 0.0, 59003.1)), tmp_path / "night.parquet")
    monkeypatch.setattr(packets, "CANONICAL_ROWS_AT_ONCE", 2)
    nights = [night for table in Decoder().tables([tmp_path]) for night in table["batch"].to_pylist()]
    assert nights == [59003] * 6
