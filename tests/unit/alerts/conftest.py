"""What several tests of alerts start from."""

from __future__ import annotations

from types import SimpleNamespace

import pyarrow as pa
import pytest

from builders.alerts import alert, alerts, joined, packet
from ephemera.alerts.associate import associate
from ephemera.alerts.filter import with_state
from ephemera.alerts.filters import run_filters
from ephemera.alerts.loci import LOCI, as_value


@pytest.fixture
def good():
    """Three good packets."""
    return [packet(100 + k, ra=150 + k) for k in range(3)]


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
