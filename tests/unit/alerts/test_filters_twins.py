"""Filters on many loci at once (screens, requirements as columns) against a call at each locus."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builders.alerts import alert, alerts, limit
from ephemera.alerts.filters import Property, Tag, Verdict, declare, run_filters
from ephemera.alerts.filters.locus import AlertColumns, Locus
from ephemera.alerts.filters.moments import missing_requirement, missing_requirements, moments_of
from ephemera.alerts.filters.shipped import SHIPPED
from ephemera.alerts.loci import LOCI
from ephemera.alerts.tagging import properties_of, property_column, tag_column, tags_of

SCREENED = sorted(name for name, kind in SHIPPED.items() if "screen" in vars(kind))
OPTIONS = {"long_lived": {"nights": 2}}
FIELDS = ("rb", "nbad", "magdiff", "fwhm", "elong", "distnr", "magnr", "sgscore1", "distpsnr1", "ssdistnr")


def sky(seed, loci=40):
    """Loci of a few nights with values that lie on both sides of all thresholds, and some null."""
    random = np.random.default_rng(seed)
    rows, homes = [], []
    for k in range(loci):
        for j in range(random.integers(1, 6)):
            number, mjd = 100 * k + j + 1, 59000 + random.integers(0, 4) + 0.1 + 0.001 * j
            band = str(random.choice(["ztf_g", "ztf_r"]))
            homes.append(f"EPH{k:04d}")
            if random.uniform() < 0.2:
                rows.append(limit(number, 59000.05, float(random.choice([17.0, 21.0])), band=band))
                continue
            extra = {n: _value(n, random) for n in FIELDS if random.uniform() < 0.95}
            mag = float(np.float32(random.choice([15.0, 18.0, 18.4, 18.6, 21.2])))
            sign = int(random.choice([-1, 1, -1]))
            rows.append(alert(
                number, 10.0 + k + random.uniform(0, 4e-3), 0.0, mjd, band=band, mag=mag, mag_err=0.01,
                flux=sign * 10 ** ((31.4 - mag) / 2.5), sign=sign, extra=extra, night=int(mjd),
                ss_id="rock" if random.uniform() < 0.05 else None,
            ))  # fmt: skip
    table = alerts(*rows).append_column("locus_id", pa.array(homes))
    names = sorted(set(homes))
    blank = {field.name: None for field in LOCI} | {"n_det": 1, "dec": 0.0, "matches": []}
    return pa.Table.from_pylist([{**blank, "locus_id": n, "ra": 10.0} for n in names], LOCI), table


def _value(name, random):
    if name == "nbad":
        return int(random.integers(0, 2))
    top = {"elong": 1.3, "fwhm": 6.0, "magnr": 20.0, "ssdistnr": 60.0}.get(name, 1.4)
    return float(random.uniform(0, top))


def without_screen(name):
    """The filter as its class defines it by `run` alone: a subclass does not inherit the use of a screen."""
    return type(name, (SHIPPED[name],), {})()


@pytest.mark.parametrize("trigger", ["night", "alert"])
@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_a_screen_changes_no_verdict(trigger, seed):
    loci, rows = sky(seed)
    config = {"limits": {"trigger": trigger}, **OPTIONS}
    fast = run_filters(loci, rows, [SHIPPED[name]() for name in SCREENED], config)
    slow = run_filters(loci, rows, [without_screen(name) for name in SCREENED], config)
    assert fast.verdicts.equals(slow.verdicts)
    assert fast.loci.equals(slow.loci)
    for name, tally in fast.tallies.items():
        assert {**vars(tally), "seconds": 0} == {**vars(slow.tallies[name]), "seconds": 0}


def test_the_sky_of_these_tests_makes_most_filters_speak():
    """Else the test before would compare silence with silence."""
    passed = dict.fromkeys(SCREENED, 0)
    for seed in range(8):
        for name, tally in run_filters(*sky(seed), SCREENED, {"limits": {"trigger": "alert"}, **OPTIONS}).tallies.items():  # fmt: skip
            passed[name] += tally.passed
    silent = {name for name, number in passed.items() if number == 0}
    assert silent == {"everything", "oddball"}  # oddball needs a catalogue


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), night=st.sampled_from([None, 59001]), each=st.booleans())
def test_requirements_as_columns_are_those_of_each_locus(seed, night, each):
    loci, rows = sky(seed)
    columns = AlertColumns(rows)
    moments = moments_of(columns, loci["locus_id"].combine_chunks(), night=night, new_keys=None, each=each)
    wanting = [
        declare(name="a", surveys=["ztf"], bands=["ztf_g"], required_fields=["extra.rb", "ss_id"])(print),
        declare(name="b", surveys=["lsst"])(print),
        declare(name="c", required_fields=["mag", "extra.no_such", "no_such"], min_detections=3)(print),
        declare(name="d", required_catalogues=["stars", "absent"], min_detections=1)(print),
        declare(name="e", min_detections=2)(print),
    ]
    for one in wanting:
        found = missing_requirements(one, moments, frozenset(["stars"]), counts=True).to_pylist()
        for k, (first, row) in enumerate(zip(moments.first.tolist(), moments.row.tolist(), strict=True)):
            locus = Locus(columns, first, row, {}, 0, {}, {}, {})
            assert found[k] == missing_requirement(one, locus, frozenset(["stars"]))


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), night=st.sampled_from([None, 59001]), each=st.booleans())
def test_moments_are_those_of_each_locus(seed, night, each):
    loci, rows = sky(seed)
    columns = AlertColumns(rows)
    keys = set(rows["alert_key"].to_pylist()[::2])
    moments = moments_of(columns, loci["locus_id"].combine_chunks(), night=night, new_keys=keys, each=each)
    expected = []
    for k, name in enumerate(loci["locus_id"].to_pylist()):
        first, end = columns.spans()[name]
        pool = [row for row in range(first, end) if columns.get("alert_key")[row] in keys]
        pool = [row for row in pool if night is not None and columns.get("night")[row] == night] or pool
        pool = [row for row in pool if columns.get("kind")[row] == 0] or pool
        expected += [(k, first, row) for row in (pool if each else pool[-1:])]
    assert (
        list(zip(*(a.tolist() for a in (moments.locus, moments.first, moments.row)), strict=True)) == expected
    )


def test_errors_switch_a_screened_filter_off_at_the_same_locus():
    """Fractions count the loci that the screen left out."""
    loci, rows = sky(3, loci=60)

    class Screened(SHIPPED["single_point"]):
        def screen(self, moments):
            return np.arange(len(moments)) % 3 == 0

        def run(self, locus):
            number = int(locus.locus_id[3:])
            if number % 3 == 0 and number < 6:
                raise RuntimeError(locus.locus_id)
            return

    fast = run_filters(loci, rows, [Screened()])
    slow = run_filters(loci, rows, [type("Plain", (Screened,), {})()])
    assert fast.tallies["single_point"].switched_off
    columns = [name for name in fast.verdicts.column_names if name != "traceback"]
    assert fast.verdicts.select(columns).equals(slow.verdicts.select(columns))


def test_a_screen_that_fails_stops_nothing(caplog):
    class Broken(SHIPPED["single_point"]):
        def screen(self, moments):
            raise RuntimeError("no")

    loci, rows = sky(1)
    result = run_filters(loci, rows, [Broken()])
    assert result.verdicts.equals(run_filters(loci, rows, ["single_point"]).verdicts)
    assert "screen of filter single_point failed" in caplog.text


TEXTS = st.text(max_size=5)
VALUES = st.one_of(st.floats(allow_nan=False), st.integers(-(2**63), 2**63 - 1), TEXTS)


@given(st.lists(st.dictionaries(TEXTS, VALUES, max_size=3), max_size=5))
def test_properties_come_back_from_their_column(properties):
    column = property_column(properties)
    assert properties_of(column) == [dict(sorted(one.items())) for one in properties]
    stored = [
        [
            (name, {"float": None, "int": None, "text": None, _kind(one[name]): one[name]})
            for name in sorted(one)
        ]
        for one in properties
    ]
    assert column.equals(pa.array(stored, LOCI.field("properties").type))
    assert properties_of(column.slice(1)) == properties_of(column)[1:]


def _kind(value):
    return "text" if isinstance(value, str) else "int" if isinstance(value, int) else "float"


TAGS = st.dictionaries(
    TEXTS, st.tuples(TEXTS, TEXTS, st.one_of(st.none(), st.floats(allow_nan=False))), max_size=3
)


@given(st.lists(TAGS, max_size=5))
def test_tags_come_back_from_their_column(given_tags):
    tags = [
        {name: dict(zip(("name", "filter", "version", "mjd_set"), (name, *rest), strict=True)) for name, rest in one.items()}
        for one in given_tags
    ]  # fmt: skip
    column = tag_column(tags)
    assert column.equals(pa.array([[one[n] for n in sorted(one)] for one in tags], LOCI.field("tags").type))
    assert tags_of(column) == tags
    assert tags_of(column.slice(1)) == tags[1:]


def test_null_and_chunked_columns_are_no_tags_and_no_properties():
    for name, read in (("tags", tags_of), ("properties", properties_of)):
        kind = LOCI.field(name).type
        column = pa.chunked_array([pa.array([None, []], kind), pa.array([None], kind)])
        assert read(column) == [{}, {}, {}]


def test_requirements_that_change_are_asked_at_each_locus():
    loci, rows = sky(5)
    first = declare(
        name="first", output_tags=(Tag("odd", "test"),), output_properties=(Property("p", int, None, "test"),)
    )(lambda locus: Verdict(["odd"], {"p": 1}) if int(locus.locus_id[3:]) % 2 else None)
    second = declare(name="second", required_tags=("odd",), required_properties=("p",), min_detections=2)(
        lambda locus: None
    )
    table = run_filters(loci, rows, [second, first]).verdicts
    missing = [row["missing"] for row in table.to_pylist() if row["filter"] == "second"]
    assert set(missing[::2]) == {"tag odd"}
    assert set(missing[1::2]) <= {None, "2 detections"}
