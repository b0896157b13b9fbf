"""Recipes of a run: all processes of it agree on the keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ephemera.config.load import load
from ephemera.recipes import checksums
from ephemera.recipes.checksums import Checksum, Record
from ephemera.recipes.equality import compare
from ephemera.recipes.recipe import make_recipe
from recipes import DECIDED, Recipes


@pytest.fixture(autouse=True)
def _nothing_decided(monkeypatch):
    monkeypatch.setenv(DECIDED, "{}")  # restored afterwards
    monkeypatch.delenv(DECIDED)


@pytest.fixture
def equal(tmp_path, monkeypatch):
    """A results folder in which the step xmm.cube of today is known to equal the older key `0123456789`."""
    monkeypatch.chdir(tmp_path)
    configuration = load({"results_folder": str(tmp_path / "results")})
    section = configuration.xmm.cube.settings()
    recipe = make_recipe("xmm.cube", section, results=configuration.results_folder)
    for key in ("0123456789", recipe.own_key):
        folder = Path(recipe.folder).with_name(key)
        folder.mkdir(parents=True)
        (folder / "recipe.json").write_text(json.dumps(recipe.document | {"key": key}))
        record = Record("xmm.cube", key, key, {"obsid": "1"}, outputs={"1.h5": Checksum(1, "00")})
        checksums.write(folder, record)
    assert compare(recipe, "0123456789", {}) == "equal"
    return configuration


@pytest.mark.parametrize("main_process", [True, False])
def test_a_step_goes_by_the_older_key(repository, equal, main_process):
    recipe = Recipes(equal, repository, main_process=main_process).step("xmm.cube")
    assert recipe.key == "0123456789"
    assert recipe.own_key != recipe.key


def test_jobs_on_a_cluster_agree_with_the_main_process_whatever_is_noted_meanwhile(
    repository, equal, monkeypatch
):
    Recipes(equal, repository).step("xmm.cube")
    (note,) = Path(equal.results_folder, "xmm/cube/.equal").iterdir()
    note.unlink()
    assert Recipes(equal, repository, main_process=False).step("xmm.cube").key == "0123456789"
    monkeypatch.setenv(DECIDED, "{}")
    recipe = Recipes(equal, repository, main_process=False).step("xmm.cube")
    assert recipe.key == recipe.own_key


def test_without_early_cut_off_every_step_goes_by_its_own_key(repository, equal):
    plain = equal.model_copy(update={"early_cut_off": False})
    assert Recipes(plain, repository).step("xmm.cube").equal_to is None


def test_another_checkouts_package_is_refused(equal, tmp_path):
    with pytest.raises(RuntimeError, match="its keys would describe other code"):
        Recipes(equal, tmp_path)
