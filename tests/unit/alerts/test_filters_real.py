"""Filters on real alerts, one at a time: the numbers that independent calculations gave."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ephemera.alerts.associate import associate
from ephemera.alerts.decode import read_packets
from ephemera.alerts.decoder import Decoder
from ephemera.alerts.filters import Tag, declare, run_filters
from ephemera.alerts.loci import locus_id

pytestmark = pytest.mark.real_data
NAMES = [
    "everything",
    "quality_basic",
    "quality_strict",
    "variable_star",
    "nuclear_transient",
    "jump",
    "moving_object",
]


@pytest.fixture(scope="module")
def paths(shared_data):
    ztf = shared_data / "alerts" / "ztf"
    tars = [ztf / "recent_alerts_20180607.tar.gz", ztf / "ztf_public_20180819_mod1000.tar.gz"]
    return [*sorted(ztf.glob("official*.avro")), ztf / "alerce_samples", *tars]


@pytest.fixture(scope="module")
def ztf(paths):
    return read_packets(paths)


@pytest.fixture(scope="module")
def one_at_a_time(ztf):
    """Verdicts on each alert as a locus of its own."""
    own = ztf.filter(pc.is_null(ztf["carrier_key"]))
    loci = pa.concat_tables([associate(own.slice(k, 1), None)[1] for k in range(len(own))])
    names = dict(zip(loci["founder_key"].to_pylist(), loci["locus_id"].to_pylist(), strict=True))
    keys = pa.array([names[key] for key in own["alert_key"].to_pylist()])
    return run_filters(loci, own.append_column("locus_id", keys), NAMES)


def test_alerts_that_pass(one_at_a_time):
    passed = {name: tally.passed for name, tally in one_at_a_time.tallies.items()}
    assert passed["quality_basic"] == 102
    assert passed["quality_strict"] == 82
    assert passed["variable_star"] == 118
    assert passed["nuclear_transient"] == 0
    assert passed["moving_object"] == 1


def test_alerts_that_are_skipped(ztf, one_at_a_time):
    own = ztf.filter(pc.is_null(ztf["carrier_key"]))
    assert pc.struct_field(own["extra"], "drb").null_count == 53
    for name in ("distpsnr1", "sgscore1"):
        assert pc.struct_field(own["extra"], name).null_count == 2
    assert one_at_a_time.tallies["variable_star"].skipped == 2
    assert one_at_a_time.tallies["everything"].succeeded == 152


def test_no_alert_jumps_by_three_magnitudes_against_the_history_in_its_packet(paths, one_at_a_time):
    rows = pa.concat_tables([table.drop_columns("batch") for table in Decoder().tables(paths)])
    rows = rows.filter(pc.equal(rows["kind"], 0))
    packet = pc.coalesce(rows["carrier_key"], rows["alert_key"]).to_pylist()
    rows = rows.append_column("locus_id", pa.array([locus_id(key) for key in packet]))
    own = set(rows.filter(pc.is_null(rows["carrier_key"]))["alert_key"].to_pylist())
    judged = declare(name="judged", output_tags=(Tag("judged", "has an earlier detection in its band"),))(
        lambda locus: ["judged"] if len(locus.light_curve(locus.newest.band)) >= 2 else None
    )
    result = run_filters(one_at_a_time.loci, rows, ["jump", judged], {"new_alerts": own})
    assert len(result.verdicts) == 2 * 152
    assert result.tallies["judged"].passed == 61
    assert result.tallies["jump"].passed == 0
