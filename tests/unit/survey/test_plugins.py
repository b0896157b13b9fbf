from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ephemera.job import namespace
from ephemera.survey import histogram, search, store
from ephemera.survey.asking import make_asker
from ephemera.survey.columns import OUTCOME, SOURCE
from ephemera.survey.curve_files import write_curves
from ephemera.survey.inject import Injector
from ephemera.survey.judging import Search, detection_rows, search_curve
from ephemera.survey.outcomes import SourceError
from ephemera.survey.parquet_tables import table_of_rows, write_table
from ephemera.survey.plugins import (
    PluginError,
    check_failures,
    config_of,
    declared_quality,
    finder_of,
    load_plugin,
    quality_of,
    simulator_of,
    source_of,
)
from ephemera.survey.reducing import reduce_raw
from ephemera.survey.report import plugin_thresholds
from ephemera.survey.search import write_epochs
from ephemera.survey.tables import with_failures
from survey_data import job, made_up, settings_of

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
    name, find = finder_of(settings(finder=named("pair_finder", "PairFinder")))
    searched = search_curve(made_up(flux=flux), Search(finder=find, finder_name=name))
    assert searched.score is not searched.scores.snr
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
        "    columns = {'blur': (1.0, True)}\n"
        "    def check(self, curve, row, config, sim):\n"
        "        if curve.source == 'bad':\n"
        "            raise RuntimeError('no such star')\n"
        "        return {'blur': curve.flux * 0} if curve.source == 'good' else {}\n"
    )
    check = quality_of(settings(quality=f"{file}:Broken"), {})
    assert "blur" in search_curve(made_up(source="good"), Search(check=check)).scores.quality
    with pytest.raises(SourceError, match="RuntimeError: no such star"):
        search_curve(replace(made_up(), source="bad"), Search(check=check))
    with pytest.raises(SourceError, match="must give the columns blur"):
        search_curve(replace(made_up(), source="other"), Search(check=check))


def test_the_file_of_a_plugin_is_known_for_its_key():
    assert source_of("a/b.py:C") == "a/b.py"
    assert source_of("json.decoder:JSONDecoder").endswith("decoder.py")
    assert source_of("nosuchmodule:X") is None


class QualityRun:
    """search, histogram and the report's thresholds with the example of quality columns."""

    def __init__(self, folder, plugin, options=None, max_failures=0.01):
        self.folder = folder
        curves = [
            made_up(50, source=name, x=10 + np.arange(50) * 1e-6, y=np.zeros(50), position="sky")
            for name in ("a", "b,c", "d")
        ]
        write_curves(curves, folder / "curves.parquet")
        rows = [{"name": c.source, "cat_index": k, "ra": 1.0, "dec": 2.0} for k, c in enumerate(curves)]
        write_table(table_of_rows(SOURCE, [{**r, "mag": 18.0} for r in rows]), "source", folder / "batch")
        given = settings_of("search")
        for name, value in vars(settings(options, quality=plugin)).items():
            setattr(given, name, value)
        given.max_failures = max_failures
        outputs = {name: folder / name for name in ("epochs", "detections")}
        outputs |= {"curves": folder / "found", "failures": folder / "failures.csv"}
        inputs = {"batch": folder / "batch", "curves": folder / "curves.parquet"}
        search.main(job(given, inputs, outputs, survey="DEMO"))

    def histogram(self):
        inputs = {"batch": self.folder / "batch", "curves": self.folder / "found"}
        inputs["epochs"] = self.folder / "epochs"
        out = self.folder / "h.nc"
        histogram.main(job(settings_of("histogram"), inputs, {"histogram": out}, survey="DEMO"))
        return histogram.load(out)


def test_quality_columns_reach_epochs_histograms_and_report(tmp_path):
    (tmp_path / "epoch").mkdir()
    run = QualityRun(tmp_path, named("edge_quality", "EdgeQuality"), {"edge": {"epochs": 3}})
    epochs = pq.read_table(tmp_path / "epochs")
    assert epochs["edge"].to_pylist()[:5] == [1.0, 1.0, 1.0, 0.0, 0.0]
    assert epochs.schema.field("edge").metadata[b"description"].endswith(b"flagged beyond 0.5")
    assert epochs.filter(pc.equal(epochs["edge"], 1))["qflag"].to_pylist() == [True] * 18
    counted = run.histogram().scores["quality_values", "edge"]
    totals = counted.counts.sum(axis=(1, 2, 3))
    assert totals[counted.axis.bins([0.0, 1.0])].tolist() == [132, 18]
    assert counted.total == 150
    (tmp_path / "epochs").rename(tmp_path / "epoch/one.parquet")
    assert plugin_thresholds(tmp_path / "epoch") == {"edge": (0.5, False)}


BROKEN = """
class Broken:
    name = "broken"
    columns = {"blur": (1.0, True)}
    def check(self, curve, row, config, sim):
        if curve.source == "b,c":
            raise RuntimeError('no such star, "really"')
        return {"blur": curve.flux * 0}
"""


def test_a_source_that_a_plugin_fails_for_is_an_error_with_its_message(tmp_path):
    (tmp_path / "broken.py").write_text(BROKEN)
    QualityRun(tmp_path, f"{tmp_path}/broken.py:Broken")
    rows = [{"source": n, "survey": "DEMO", "status": "ok", "n_curves": 1} for n in ("a", "b,c", "d")]
    found = with_failures(table_of_rows(OUTCOME, rows), [tmp_path / "failures.csv"]).to_pylist()
    assert [r["status"] for r in found] == ["ok", "error", "ok"]
    assert 'RuntimeError: no such star, "really"' in found[1]["reason"]
    assert len(pq.read_table(tmp_path / "found")) == 2
    with pytest.raises(
        RuntimeError, match=r"1 of 3 light curves failed, more than survey\.fetch\.max_failures"
    ):
        QualityRun(tmp_path, f"{tmp_path}/broken.py:Broken", max_failures=0.0)


def test_more_than_the_share_of_a_batch_may_not_fail():
    check_failures("sources", ["a: gone"] * 2, 200, 0.01)
    check_failures("sources", ["a: gone"], 5, 0.01)
    check_failures("sources", [], 5, 0.0)
    with pytest.raises(RuntimeError, match=r"3 of 200 sources failed, more than .*; first a: gone"):
        check_failures("sources", ["a: gone", "b", "c"], 200, 0.01)
    with pytest.raises(RuntimeError, match="1 of 5"):
        check_failures("sources", ["a: gone"], 5, 0.0)


ODD_COLUMNS = ["{}", "{'snr': (1.0, True)}", "{'a b': (1, True)}", "{'x': (float('nan'), True)}"]


@pytest.mark.parametrize("columns", ODD_COLUMNS)
def test_quality_columns_are_declared(tmp_path, columns):
    file = tmp_path / "odd.py"
    file.write_text(f"class Odd:\n    name = 'odd'\n    columns = {columns}\n    check = None.__class__\n")
    with pytest.raises(PluginError, match="column"):
        declared_quality(settings(quality=f"{file}:Odd"))


def test_the_score_of_a_finder_is_kept_and_counted(tmp_path):
    _, find = finder_of(settings(finder=named("pair_finder", "PairFinder")))
    searched = search_curve(made_up(60), Search(finder=find))
    write_epochs([searched], tmp_path / "pairs", method="pairs")
    assert pq.read_table(tmp_path / "pairs")["score"].null_count == 1
    write_epochs([search_curve(made_up(60), Search())], tmp_path / "runs")
    assert pq.read_table(tmp_path / "runs")["score"].null_count == 60
    epochs = {k: np.zeros(60) for k in ("snr", "dmag", "offset", "qflag", "bad", "live")}
    epochs["score"] = searched.score
    bins = (np.zeros(60, int), np.array([30.0]), ["R"], np.array([18.0]))
    counted = histogram.histogram_of(epochs, *bins, ["a"], settings_of("histogram"))
    assert counted.scores["good_scores", "score"].total == 60
    assert counted.scores["good_scores", "score"].unknown == 1


def own(folder, kind, body):
    """Options with a plug-in that is nothing but `body`."""
    text = f"class Odd:\n    name = 'odd'\n    columns = {{'blur': (1.0, True)}}\n{body}\n"
    (folder / "odd.py").write_text("import numpy as np\nfrom dataclasses import replace\n" + text)
    return settings(**{kind: f"{folder}/odd.py:Odd"})


#: What a plug-in may give that is not of its form, and what is said.
SURVEYS = {
    "yield curve(); raise KeyError('lost')": "KeyError: 'lost'",
    "return 7": "TypeError",
    "return ['a light curve']": "must give light curves, got str",
    "return [replace(curve(), flux=np.ones(3))]": "numbers of one length",
    "return [replace(curve(), flag=np.array(['x'] * 20))]": "numbers of one length",
    "return [replace(curve(), flux_err=None)]": "numbers of one length",
}


@pytest.mark.parametrize("body", SURVEYS)
def test_light_curves_that_are_none_are_an_error_of_their_source(tmp_path, body):
    given = own(
        tmp_path,
        "survey",
        f"    def fetch(self, row, config): ...\n    def reduce(self, rows, row, config): {body}",
    )
    plugin = load_plugin(given.survey_plugin, "survey")
    plugin.reduce.__globals__["curve"] = lambda: made_up(20)
    raw = store.Raw(pa.table({"mjd": [1.0]}), {})
    with pytest.raises(SourceError, match="the plug-in odd failed: ") as error:
        reduce_raw("ODD", raw, {"name": "a"}, _with_bits(given))
    assert SURVEYS[body] in str(error.value)


ANSWERS = [
    "return None",
    "return [1], {}, 3",
    "return {'a': [1, 2], 'b': [1]}, {}",
    "return {'a': [1]}, {'x': float('nan')}",
]


@pytest.mark.parametrize("body", ANSWERS)
def test_answers_that_are_none_are_an_error_of_their_source(tmp_path, body):
    text = f"    def fetch(self, row, config): {body}\n    def reduce(self, rows, row, config): ..."
    asker = make_asker("odd", own(tmp_path, "survey", text))
    with pytest.raises(SourceError, match="the plug-in odd failed: "):
        asker.fetch({"name": "a"})


FINDERS = [
    ("return curve.flux[1:]", "return []"),
    ("return ['x'] * len(curve)", "return []"),
    ("return curve.flux", "return None"),
    ("return curve.flux", "return [(1, [3])]"),
    ("return curve.flux", "return [(1, [], 3)]"),
    ("return curve.flux", "return [(1, [100], 100)]"),
    ("return curve.flux", "return [(1, [-1], -1)]"),
    ("return curve.flux", "return [(2, [3], 3)]"),
    ("return curve.flux", "return [(1, [3], 4)]"),
    ("return curve.flux", "yield (1, [3], 3); raise OSError('gone')"),
]


@pytest.mark.parametrize(("score", "detect"), FINDERS)
def test_events_that_are_none_are_an_error_of_their_source(tmp_path, score, detect):
    text = f"    def score(self, curve, scores, usable, config): {score}\n"
    text += f"    def detect(self, curve, values, usable, config): {detect}"
    name, find = finder_of(own(tmp_path, "finder", text))
    with pytest.raises(SourceError, match="the plug-in odd failed: "):
        search_curve(made_up(20), Search(finder=find, finder_name=name))


SIMULATORS = [
    ("return None", "return curve.flux"),
    ("return {'height': 3}", "return curve.flux"),
    ("return {**TRUTH, 't0': 'soon'}", "return curve.flux"),
    ("return TRUTH", "return 3"),
    ("return TRUTH", "return curve.flux[1:]"),
]


@pytest.mark.parametrize(("draw", "apply"), SIMULATORS)
def test_injections_that_are_none_are_an_error_of_their_source(tmp_path, draw, apply):
    truth = {"shape": "box", "sign": 1, "width_d": 1, "amplitude": 1, "amplitude_unit": "noise"}
    text = f"    def draw(self, rng, curve, config): {draw}\n    def apply(self, curve, truth): {apply}\n"
    text += f"TRUTH = {truth | {'amplitude_flux': 1, 't0': 1}}"
    simulate = simulator_of(own(tmp_path, "simulator", text))
    with pytest.raises(SourceError, match="the plug-in odd failed: "):
        simulate(np.random.default_rng(1), made_up(20))


def test_what_a_finder_found_is_told_by_its_name(tmp_path):
    flux = np.full(20, 100.0)
    text = "    def score(self, curve, scores, usable, config): return curve.flux\n"
    text += "    def detect(self, curve, values, usable, config): return [(1, [3], 3)]"
    name, find = finder_of(own(tmp_path, "finder", text))
    search = Search(finder=find, finder_name=name)
    (row,) = detection_rows(search_curve(made_up(flux=flux), search), search)
    assert (row["method"], row["epochs"]) == ("odd", [3])
    text = text.replace("def score", "name = 'runs'\n    def score")
    other = tmp_path / "other"
    other.mkdir()
    with pytest.raises(PluginError, match="cannot be called runs"):
        finder_of(own(other, "finder", text))
