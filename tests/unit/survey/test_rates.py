import logging

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.survey.columns import CURVE, DETECTION, INJECTION, SOURCE
from ephemera.survey.histogram_axes import ClosedAxis
from ephemera.survey.parquet_tables import table_of_rows
from ephemera.survey.rates import efficiency_rows, exposure_of, injections_of, rate_rows

MAG = ClosedAxis("mag", 15.0, 0.5, 13, "mag")
WIDTHS, AMPLITUDES = [1.0, 10.0], [1.0, 5.0, 30.0]


def injections(*rows):
    names = ("survey", "filter", "shape", "sign", "width_d", "amplitude", "mag", "recovered")
    return table_of_rows(INJECTION, [dict(zip(names, row, strict=True)) for row in rows])


TABLE = injections(
    ("ZTF", "g", "box", 1, 2.0, 2.0, 18.0, False),
    ("ZTF", "g", "box", 1, 10.0, 30.0, 18.1, True),
    ("ZTF", "g", "box", 1, 5.0, 20.0, 18.1, True),
    ("ZTF", "g", "box", -1, 5.0, 20.0, 18.1, False),
    ("FILES", "g", "box", 1, 5.0, 20.0, 16.0, True),
)


def test_efficiencies_by_hand():
    rows = efficiency_rows(injections_of(TABLE), MAG, WIDTHS, AMPLITUDES)
    assert len(rows) == 3 * 1 * 2 * 13
    tried = {(r["survey"], r["sign"], r["amplitude_low"], r["mag"]): (r["k"], r["n"]) for r in rows if r["n"]}
    assert tried == {
        ("ZTF", 1, 1.0, 18.0): (0, 1),
        ("ZTF", 1, 5.0, 18.0): (2, 2),
        ("ZTF", -1, 5.0, 18.0): (0, 1),
        ("FILES", 1, 5.0, 16.0): (1, 1),
    }
    assert all(r["efficiency"] is None and r["low"] is None for r in rows if r["n"] == 0)


def test_injections_outside_the_bins_are_told(caplog):
    with caplog.at_level(logging.WARNING):
        efficiency_rows(injections_of(TABLE), MAG, [1.0, 4.0], AMPLITUDES)
    assert "4 injections lie outside" in caplog.text


SOURCES = table_of_rows(
    SOURCE,
    [
        {"name": n, "cat_index": k, "mag": m}
        for k, (n, m) in enumerate([("a", 18.0), ("b", 16.0), ("c", None)])
    ],
)
CURVES = table_of_rows(
    CURVE,
    [
        {"curve_id": str(k), "source": source, "survey": survey, "filter": "g", "live": days * 86400.0}
        for k, (source, survey, days) in enumerate(
            [
                ("a", "ZTF", 2.0),
                ("a", "ZTF", 3.0),
                ("b", "ZTF", 7.0),
                ("a", "FILES", 100.0),
                ("c", "ZTF", 50.0),
            ]
        )
    ],
)


def test_filters_of_one_name_in_two_surveys_are_kept_apart():
    found = exposure_of(CURVES, SOURCES, MAG)
    assert found["ZTF", "g"][MAG.bins([18.0, 16.0])].tolist() == [5.0, 7.0]
    assert found["FILES", "g"].sum() == 100.0
    assert exposure_of(CURVES.slice(0, 0), SOURCES, MAG) == {}


def test_rates_count_real_events_that_are_not_flagged():
    names = ("survey", "filter", "sign", "quality_flag", "simulated")
    events = [("ZTF", "g", 1, False, False), ("ZTF", "g", 1, True, False), ("ZTF", "g", 1, False, True)]
    events += [("ZTF", "g", -1, False, False), ("ZTF", "r", 1, False, False), ("FILES", "g", 1, False, False)]
    detections = table_of_rows(DETECTION, [dict(zip(names, row, strict=True)) for row in events])
    rows = rate_rows(injections_of(TABLE), detections, exposure_of(CURVES, SOURCES, MAG), MAG, 1)
    by_group = {(r["survey"], r["sign"]): r for r in rows}
    ztf = by_group["ZTF", 1]
    assert ztf["n_events"] == 1
    assert ztf["exposure"] == pytest.approx(12.0)
    assert ztf["effective_exposure"] == pytest.approx(5.0 * 2 / 3)
    assert ztf["without_injections"] == pytest.approx(7.0)
    assert ztf["rate"] == pytest.approx(0.3)
    assert by_group["ZTF", -1]["rate"] is None  # no injected dip was recovered
    assert by_group["FILES", 1]["rate"] is None  # its only injection is of another magnitude


ROW = st.tuples(
    st.sampled_from(["A", "B"]),
    st.sampled_from(["g", "r", "i"]),
    st.sampled_from(["box", "flare"]),
    st.sampled_from([1, -1]),
    st.floats(0.5, 20),
    st.floats(0.5, 40),
    st.floats(14, 22) | st.none(),
    st.booleans(),
)


@given(st.lists(ROW, max_size=30))
def test_groups_hold_every_injection_once(rows):
    found = injections_of(injections(*rows))
    assert list(found.groups) == sorted({row[:4] for row in rows})
    for number, group in enumerate(found.groups):
        mine = [row for row in rows if row[:4] == group]
        assert found.of(number).width.tolist() == [row[4] for row in mine]
        assert found.of(number).recovered.tolist() == [row[7] for row in mine]
    table = efficiency_rows(found, MAG, WIDTHS, AMPLITUDES)
    inside = [
        row for row in rows if 1 <= row[4] <= 10 and 1 <= row[5] <= 30 and 14.75 <= (row[6] or 0) < 21.25
    ]
    assert sum(r["n"] for r in table) == len(inside)
    assert sum(r["k"] for r in table) == sum(row[7] for row in inside)


def test_no_injections_no_rates():
    empty = injections_of(injections())
    assert isinstance(TABLE, pa.Table)
    assert efficiency_rows(empty, MAG, WIDTHS, AMPLITUDES) == []
    assert rate_rows(empty, table_of_rows(DETECTION, []), {}, MAG, 1) == []
    assert np.asarray(empty.number).size == 0
