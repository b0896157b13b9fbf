"""Running filters: order, outcomes, limits, and user filters that misbehave."""

from __future__ import annotations

import math
import time

import pyarrow as pa
import pytest

from builders.alerts import loci_and_alerts
from ephemera.alerts.filters import Filter, Property, Tag, Verdict, declare, run_filters
from ephemera.alerts.filters.contract import ContractError


def make(name, function, **declaration):
    tags = declaration.pop("output_tags", (Tag(name, "test"),))
    return declare(name=name, output_tags=tags, **declaration)(function)


def tags_of(result):
    return [[tag["name"] for tag in row] for row in result.loci["tags"].to_pylist()]


def test_tags_and_properties_are_set():
    flagged = make(
        "bright",
        lambda locus: Verdict(["bright"], {"m": locus.newest.mag, "n": 2, "w": "x"}),
        output_properties=(
            Property("m", float, "mag", "a"),
            Property("n", int, None, "b"),
            Property("w", str, None, "c"),
        ),
    )
    result = run_filters(*loci_and_alerts(), [flagged])
    assert tags_of(result) == [["bright"]] * 3
    assert result.loci["tags"][0].as_py()[0]["mjd_set"] == pytest.approx(59000.11)
    values = dict(result.loci["properties"][0].as_py())
    assert values["m"] == {"float": 18.0, "int": None, "text": None}
    assert values["n"]["int"] == 2
    assert values["w"]["text"] == "x"
    assert result.tallies["bright"].passed == 3


def test_answers_of_several_forms():
    for answer in (["t"], ("t",), {"tags": ["t"]}, Verdict(["t"])):
        assert tags_of(run_filters(*loci_and_alerts(1), [make("t", lambda locus, a=answer: a)])) == [["t"]]
    assert tags_of(run_filters(*loci_and_alerts(1), [make("t", lambda locus: None)])) == [[]]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (["other"], "not declared"),
        ({"properties": {"x": 1.0}}, "not declared"),
        ({"tag": []}, "has tags and properties"),
        ("t", "list of tags"),
        (7, "list of tags"),
        ({"properties": {"p": "text"}}, "must be float"),
        ({"properties": {"p": math.nan}}, "finite"),
        ({"properties": {"p": math.inf}}, "finite"),
        ({"properties": {"p": True}}, "must be float"),
    ],
)
def test_answers_that_were_not_declared_are_errors(answer, error):
    wrong = make("t", lambda locus: answer, output_properties=(Property("p", float, None, "test"),))
    result = run_filters(*loci_and_alerts(1), [wrong, make("fine", lambda locus: ["fine"])])
    row = next(row for row in result.verdicts.to_pylist() if row["filter"] == "t")
    assert row["outcome"] == "errored"
    assert row["error"] == "ContractError"
    assert error in row["message"]
    assert tags_of(result) == [["fine"]]


def test_an_exception_is_recorded_and_the_others_run():
    def broken(locus):
        return 1 / 0

    result = run_filters(*loci_and_alerts(), [make("broken", broken), make("fine", lambda locus: ["fine"])])
    rows = [row for row in result.verdicts.to_pylist() if row["filter"] == "broken"]
    assert {row["outcome"] for row in rows} == {"errored"}
    assert rows[0]["error"] == "ZeroDivisionError"
    assert "in broken" in rows[0]["traceback"]
    assert result.tallies["fine"].passed == 3


def test_too_many_errors_switch_a_filter_off():
    result = run_filters(
        *loci_and_alerts(60, 1),
        [make("broken", lambda locus: 1 / 0)],
        {"limits": {"max_error_fraction": 0.05}},
    )
    tally = result.tallies["broken"]
    assert tally.switched_off
    assert (tally.errored, tally.skipped) == (20, 40)
    assert tally.input == tally.errored + tally.skipped + tally.succeeded == 60


def test_few_errors_do_not():
    calls = iter(range(1000))
    result = run_filters(*loci_and_alerts(60, 1), [make("rare", lambda locus: [1 / (next(calls) % 50)][1:])])
    assert not result.tallies["rare"].switched_off
    assert result.tallies["rare"].errored == 2


def test_order_is_by_requirements_then_by_name():
    seen = []

    def note(name):
        def run(locus):
            seen.append(name)
            return [name]

        return run

    filters = [
        make("a", note("a"), required_tags=("z",)),
        make("z", note("z")),
        make("b", note("b"), order_after=("a",)),
        make("c", note("c")),
    ]
    result = run_filters(*loci_and_alerts(1), filters)
    assert seen == ["c", "z", "a", "b"]
    assert list(result.tallies) == ["c", "z", "a", "b"]
    with pytest.raises(ValueError, match="wait for each other"):
        run_filters(
            *loci_and_alerts(1),
            [make("a", note("a"), required_tags=("z",)), make("z", note("z"), required_tags=("a",))],
        )
    with pytest.raises(ValueError, match="names of their own"):
        run_filters(*loci_and_alerts(1), [make("a", note("a")), make("a", note("a"))])


@pytest.mark.parametrize(
    ("need", "missing"),
    [
        ({"required_fields": ("extra.rb",)}, "extra.rb"),
        ({"required_fields": ("nonsense",)}, "nonsense"),
        ({"required_tags": ("x",)}, "tag x"),
        ({"required_properties": ("x",)}, "property x"),
        ({"required_catalogues": ("gaia",)}, "catalogue gaia"),
        ({"min_detections": 3}, "3 detections"),
        ({"bands": ("ztf_r",)}, "band ztf_g"),
        ({"surveys": ("atlas",)}, "survey ztf"),
    ],
)
def test_requirements(need, missing):
    result = run_filters(*loci_and_alerts(1), [make("t", lambda locus: ["t"], **need)])
    row = result.verdicts.to_pylist()[0]
    assert (row["outcome"], row["missing"]) == ("skipped", missing)


def test_filters_see_a_read_only_copy():
    def meddle(locus):
        for attempt in (
            lambda: setattr(locus.newest, "mag", 1.0),
            lambda: locus.properties.__setitem__("x", 1),
            lambda: locus.light_curve().mag.__setitem__(0, 1.0),
            lambda: locus.facts.__setitem__("ra", 1),
        ):
            with pytest.raises((AttributeError, TypeError, ValueError)):
                attempt()
        return ["t"]

    assert tags_of(run_filters(*loci_and_alerts(1), [make("t", meddle)])) == [["t"]]


def test_the_newest_alert_comes_last():
    def check(locus):
        times = [a.mjd_utc for a in locus.alerts]
        assert times == sorted(times)
        assert locus.alerts[-1].alert_key == locus.newest.alert_key
        assert len(locus.light_curve()) == locus.n_detections == 2
        return ["t"]

    assert tags_of(run_filters(*loci_and_alerts(1), [make("t", check)])) == [["t"]]


def test_once_a_night_or_at_each_alert():
    loci, rows = loci_and_alerts(2, 3)
    once = run_filters(loci, rows, ["everything"])
    each = run_filters(loci, rows, ["everything"], {"limits": {"trigger": "alert"}, "night": 59000})
    assert (len(once.verdicts), len(each.verdicts)) == (2, 6)
    assert [len(set(t["alert_key"].to_pylist())) for t in (once.verdicts, each.verdicts)] == [2, 6]


def test_batches_do_not_matter():
    loci, rows = loci_and_alerts(10)
    names = ["everything", "single_point", "new_band", "moving_object"]
    whole = run_filters(loci, rows, names)
    parts = []
    for half in (loci.slice(0, 4), loci.slice(4)):
        chosen = rows.filter(pa.compute.is_in(rows["locus_id"], half["locus_id"].combine_chunks()))
        parts.append(run_filters(half, chosen, names).verdicts)
    assert pa.concat_tables(parts).equals(whole.verdicts)


def test_alerts_need_their_locus():
    loci, rows = loci_and_alerts(1)
    with pytest.raises(ValueError, match="locus_id"):
        run_filters(loci, rows.drop_columns("locus_id"), ["everything"])


def test_a_filter_that_loops_is_stopped():
    def forever(locus):
        while True:
            pass

    start = time.monotonic()
    result = run_filters(*loci_and_alerts(1), [make("loop", forever)], {"limits": {"seconds": 0.05}})
    assert time.monotonic() - start < 5
    assert result.verdicts.to_pylist()[0]["error"] == "FilterTimeoutError"


def test_unknown_names_are_reported():
    result = run_filters(*loci_and_alerts(1), ["no_such_filter", "everything"])
    assert "everything" in result.tallies["no_such_filter"].problem
    assert result.tallies["everything"].succeeded == 1


def test_declarations_are_checked(tmp_path):
    class Nameless(Filter):
        name = "no name"

        def run(self, locus):
            return None

    result = run_filters(*loci_and_alerts(1), [Nameless()])
    assert "letters" in next(iter(result.tallies.values())).problem
    with pytest.raises(ContractError, match="declares no"):
        declare(nonsense=1)(lambda locus: None)
    text = "from ephemera.alerts.filters import Filter\nclass Mute(Filter):\n    name = 'mute'\n"
    (tmp_path / "mute.py").write_text(text)
    (tally,) = run_filters(*loci_and_alerts(1), [f"{tmp_path / 'mute.py'}:Mute"]).tallies.values()
    assert "abstract method run" in tally.problem
