"""A configuration is read strictly, and errors tell the user what to do."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ephemera.config.document import default_yaml, documents, main
from ephemera.config.load import ConfigurationError, load
from ephemera.config.project import Configuration


def message(values):
    with pytest.raises(ConfigurationError) as caught:
        load(values)
    return str(caught.value)


def test_an_empty_configuration_is_all_defaults():
    assert load({}) == Configuration()


def test_the_default_file_is_the_defaults():
    assert load(yaml.safe_load(default_yaml())) == Configuration()


def test_every_configuration_that_comes_along_is_valid(repository):
    paths = sorted((repository / "config").rglob("*.yaml"))
    assert len(paths) > 10
    for path in paths:
        load(yaml.safe_load(path.read_text()) or {})


def test_generated_documents_are_in_step(repository):
    assert main(["--check", "--root", str(repository)]) == 0


def test_a_document_out_of_step_is_noticed(tmp_path, capsys):
    assert main(["--write", "--root", str(tmp_path)]) == 0
    path = next(iter(documents(tmp_path)))
    path.write_text("old")
    assert main(["--check", "--root", str(tmp_path)]) == 1
    assert path.name in capsys.readouterr().err


def test_a_misspelt_key_is_refused_with_the_nearest_name():
    text = message({"xmm": {"detect": {"treshold_sigma": 4}}})
    assert "xmm.detect.treshold_sigma: there is no such option" in text
    assert "did you mean xmm.detect.threshold_sigma?" in text


def test_a_key_in_the_wrong_section_is_sent_to_the_right_one():
    assert "belongs at xmm.detect.threshold_sigma" in message({"xmm": {"cube": {"threshold_sigma": 4}}})


@pytest.mark.parametrize(
    ("values", "key", "value", "allowed"),
    [
        ({"xmm": {"cube": {"size_arcsec": 4.03}}}, "xmm.cube.size_arcsec", "4.03", "multiple of 0.05"),
        ({"xmm": {"detect": {"threshold_sigma": 0}}}, "xmm.detect.threshold_sigma", "0", "greater than 0"),
        ({"xmm": {"cube": {"bands_kev": [[2, 0.2]]}}}, "xmm.cube.bands_kev", "[[2, 0.2]]", "low < high"),
        (
            {"xmm": {"cube": {"bands_kev": [[2, 4], [2, 4.0001]]}}},
            "xmm.cube.bands_kev",
            "[[2, 4], [2",
            "each band once",
        ),
        ({"xmm": {"cube": {"time_bins_s": []}}}, "xmm.cube.time_bins_s", "[]", "at least 1"),
        ({"xmm": {"events": {"bti": "maybe"}}}, "xmm.events.bti", "'maybe'", "'he', 'fbktsr' or 'none'"),
        ({"shard": "4/3"}, "shard", "'4/3'", "1 <= i <= n"),
        ({"project": "a/b"}, "project", "'a/b'", "match"),
    ],
)
def test_an_error_names_key_value_allowed_and_hint(values, key, value, allowed):
    text = message(values)
    assert f"{key} = {value}" in text
    assert allowed in text
    assert "hint:" in text


def test_blocks_in_lists_have_options_of_their_own():
    text = message({"xmm": {"crossmatch": {"sets": [{"nmae": "x", "radius_arcsec": 0}]}}})
    assert "xmm.crossmatch.sets.0.name is missing" in text
    assert "did you mean xmm.crossmatch.sets.0.name?" in text
    assert "error_sigma" in text  # one of the options that are allowed there
    assert "sets.0.radius_arcsec = 0\n    allowed: greater than 0 [arcsec]\n    hint: Radius; null" in text


def test_an_option_of_several_kinds_is_called_by_its_name():
    assert "\n  survey.inject.widths.0 = -1.0\n" in message({"survey": {"inject": {"widths": [-1.0]}}})
    text = message({"survey": {"inject": {"widths": "lin"}}})
    assert "1 problem(s)" in text
    assert "survey.inject.widths = 'lin'\n    allowed: 'log' or 'bank' [d], or a valid list [d]" in text


def test_an_override_of_one_dataset_is_named_with_what_its_step_allows():
    text = message({"jwst": {"datasets": {"wasp": {"series": {"bandz": []}}}}})
    assert "jwst: datasets.wasp.series: bandz: " in text
    assert "its options are baseline, normalise" in text


def test_what_is_wrong_with_a_whole_block_does_not_print_the_block():
    text = message({"survey": {"surveys": ["NOPE"], "batch": 7}})
    assert "\n  survey: survey.catalogue needs" in text
    assert "7" not in text


def test_all_problems_are_listed_at_once():
    assert "3 problem(s)" in message({"seed": -1, "projct": "x", "xmm": {"regions": {"max_area": 0}}})


@given(st.floats(0.1, 60))
def test_pixel_sizes_are_whole_units_or_refused(size):
    whole = round(size / 0.05) * 0.05
    assert load({"xmm": {"cube": {"size_arcsec": whole}}}).xmm.cube.size_arcsec == whole


def test_settings_are_plain_json():
    settings = Configuration().xmm.settings()
    assert yaml.safe_load(yaml.safe_dump(settings)) == settings
