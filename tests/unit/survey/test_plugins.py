from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ephemera.job import namespace
from ephemera.survey.asking import make_asker
from ephemera.survey.inject import Injector
from ephemera.survey.judging import Search, search_curve
from ephemera.survey.outcomes import SourceError
from ephemera.survey.plugins import (
    PluginError,
    config_of,
    finder_of,
    load_plugin,
    quality_of,
    source_of,
)
from ephemera.survey.reducing import reduce_raw
from survey_data import made_up, settings_of

FOLDER = Path(__file__).resolve().parents[3] / "resources/survey/plugins"


def named(file, name):
    return f"{FOLDER / file}.py:{name}"


def settings(options=None, **plugins):
    given = {f"{kind}_plugin": None for kind in ("survey", "quality", "finder", "simulator")}
    return namespace({**given, **{f"{k}_plugin": v for k, v in plugins.items()}, "options": options or {}})


def test_quality_columns_flag_epochs():
    check = quality_of(settings({"edge": {"epochs": 3}}, quality=named("edge_quality", "EdgeQuality")), {})
    searched = search_curve(made_up(20), Search(check=check))
    assert np.flatnonzero(searched.scores.qflag).tolist() == [0, 1, 2, 17, 18, 19]
    assert searched.scores.quality["edge"].worst(np.array([5])) == 0.0


def test_a_finder_finds():
    flux = 100 + np.random.default_rng(2).normal(scale=0.5, size=60)
    flux[30:32] += 6
    find = finder_of(settings(finder=named("pair_finder", "PairFinder")))
    searched = search_curve(made_up(flux=flux), Search(finder=find))
    (event,) = searched.events
    assert event.rows.tolist() == [30, 31]
    assert searched.detected.sum() == 2


def test_a_simulator_injects():
    options = settings_of("inject", inject={"n_per_source": 40})
    for name, value in vars(settings_of("search")).items():
        setattr(options, name, value)
    plugin = settings({"step": {"height": 30.0}}, simulator=named("step_simulator", "StepSimulator"))
    for name, value in vars(plugin).items():
        setattr(options, name, value)
    found = Injector(options, "DEMO", {}).source("star", [made_up(200)])
    assert found
    assert all(i.row["shape"] == "box" and i.row["amplitude"] == 30.0 for i in found)
    assert any(i.row["recovered"] for i in found)


def test_a_survey_is_asked_and_reduced():
    reference = named("sine_survey", "SineSurvey")
    given = settings({"SINE": {"period_d": 2.5}}, survey=reference)
    row = {"name": "a", "ra": 1.0, "dec": 2.0}
    asker = make_asker("SINE", given)
    assert not asker.needs_network
    assert asker.request(row) == {"name": "a", "period_d": 2.5, "amplitude": 0.1}
    raw = asker.fetch(row)
    (curve,) = reduce_raw("SINE", raw, row, _with_bits(given))
    assert curve.curve_id == "a:SINE:white:a:1"
    assert len(curve) == 60
    with pytest.raises(PluginError, match="is the survey SINE"):
        make_asker("COSINE", given)
    with pytest.raises(PluginError, match="names none"):
        make_asker("SINE", settings())


def _with_bits(given):
    reduce = settings_of("reduce")
    for name, value in vars(given).items():
        setattr(reduce, name, value)
    return reduce


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"period_d \(float\) must be given"),
        ({"period_d": "long"}, "must be float, got 'long'"),
        ({"period_d": 1.0, "phase": 2}, "no option phase; it has amplitude, period_d"),
    ],
)
def test_options_are_checked(options, message):
    plugin = load_plugin(named("sine_survey", "SineSurvey"), "survey")
    with pytest.raises(PluginError, match=message):
        config_of(plugin, options)
    assert config_of(plugin, {"period_d": 3}) == {"period_d": 3.0, "amplitude": 0.1}


@pytest.mark.parametrize(
    "reference",
    ["no.such.module:Name", f"{FOLDER}/nothing.py:Name", named("sine_survey", "Missing"), "json:JSONDecoder"],
)
def test_plugins_that_cannot_be_used_say_why(reference):
    with pytest.raises(PluginError, match=r"cannot be loaded|must have"):
        load_plugin(reference, "survey")


def test_a_plugin_that_fails_fails_for_that_source_only(tmp_path):
    file = tmp_path / "broken.py"
    file.write_text(
        "class Broken:\n"
        "    name = 'broken'\n"
        "    columns = {'x': (1.0, True)}\n"
        "    def check(self, curve, row, config, sim):\n"
        "        if curve.source == 'bad':\n"
        "            raise RuntimeError('no such star')\n"
        "        return {'x': curve.flux * 0} if curve.source == 'good' else {}\n"
    )
    check = quality_of(settings(quality=f"{file}:Broken"), {})
    assert "x" in search_curve(made_up(source="good"), Search(check=check)).scores.quality
    with pytest.raises(SourceError, match="RuntimeError: no such star"):
        search_curve(replace(made_up(), source="bad"), Search(check=check))
    with pytest.raises(SourceError, match="must give the columns x"):
        search_curve(replace(made_up(), source="other"), Search(check=check))


def test_the_file_of_a_plugin_is_known_for_its_key():
    assert source_of("a/b.py:C") == "a/b.py"
    assert source_of("json.decoder:JSONDecoder").endswith("decoder.py")
    assert source_of("nosuchmodule:X") is None
