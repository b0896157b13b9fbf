"""The page of steps is read from the rules: nothing is left out, nothing is misread."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest

from ephemera.config.steps import section_of, steps_of, steps_page, tables_of, tables_of_branch


@pytest.fixture(scope="module")
def steps(repository):
    return {step.rule: step for step in steps_of(repository / "rules")}


def test_every_rule_that_runs_a_module_is_there(steps, repository):
    text = "".join(path.read_text() for path in (repository / "rules").glob("*.smk"))
    rules = re.split(r"^(?:rule|checkpoint) (\w+):", text, flags=re.MULTILINE)
    running = {name for name, body in zip(rules[1::2], rules[2::2], strict=True) if "step.py" in body}
    assert set(steps) == running
    assert all(find_spec(step.module) for step in steps.values())


def test_every_output_of_every_rule_is_there_and_read_to_its_end(steps, repository):
    text = "".join(path.read_text() for path in (repository / "rules").glob("*.smk"))
    for name, step in steps.items():
        body = re.search(
            rf"^(?:rule|checkpoint) {name}:.*?^    output:\n(.*?)^    \w", text, re.DOTALL | re.MULTILINE
        )[1]
        assert [output for output, _ in step.outputs] == re.findall(r"^        (\w+)=", body, re.MULTILINE)
        assert all(re.fullmatch(r"[\w/<>{}.-]+", path) for _, path in step.outputs), step


def test_paths_are_those_of_the_results(steps):
    assert steps["xmm_detect"].outputs[0] == ("cells", "results/xmm/detect/<key>/{obsid}.cells.parquet")
    assert steps["alerts_simulate"].outputs[0] == ("alerts", "raw/alerts/{delivery}/alerts.parquet")
    assert steps["jwst_pages"].outputs == (("pages", "results/jwst/pages/<key>/{dataset}/"),)


def test_options_and_tables(steps):
    assert section_of(steps["xmm_detect"]) == "xmm.detect"
    assert section_of(steps["cosmic_find"]) is None
    assert {"runs", "significant_cells"} <= set(tables_of("ephemera.xmm.detect"))
    assert "verdicts" in tables_of_branch("alerts")


def test_the_page_names_all_of_it(steps, repository):
    page = steps_page(repository / "rules", "note")
    assert [line for line in page.splitlines() if line.startswith("### Step")] == [
        f"### Step `{rule}`" for rule in steps
    ]
    assert "| `mjd_utc` | double | d | `time.epoch` |" in page
