"""The documentation page keeps its word: its Python runs and its sums are those of the data."""

import os
import re
from pathlib import Path

import pytest

from builders.cosmic_files import array_of, file_of, hit_bytes, recipe_file, sky, stamp_bytes, voltages_of
from ephemera.cosmic.frames import index_frames
from ephemera.cosmic.stamp_messages import MappedFile
from ephemera.cosmic.stamps import open_stamps
from ephemera.tables import write


@pytest.fixture(scope="module")
def page(repository):
    return (repository / "docs/cosmic.md").read_text()


def test_python_blocks_run_one_after_the_other(page, tmp_path, monkeypatch, capsys):
    array = array_of(n_ant=5)
    voltages = voltages_of(what=sky(200.0), array=array)
    recipe_file(tmp_path / "X.bfr5", array)
    file_of(tmp_path / "X.seticore.0000.stamps", *[stamp_bytes(voltages)] * 4)
    file_of(tmp_path / "X.seticore.hits", hit_bytes())
    _events_table(tmp_path / "results/current/cosmic/events/X/stamps.parquet")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, "docs/cosmic.md", "exec"), names)
    assert names["stamp"].position == 3
    assert names["classic"].shape == names["beam"].shape == (16, 96)
    assert len(names["snr"]) == 5
    assert len(names["hits"]) == 1
    assert capsys.readouterr().out.count("HerBS108") == 4


def _events_table(path: Path) -> None:
    from ephemera.cosmic.stamp_columns import MATCHED_STAMPS

    path.parent.mkdir(parents=True)
    write(MATCHED_STAMPS.empty(), MATCHED_STAMPS, path)


@pytest.mark.real_data
def test_sums_of_the_tutorial_s_files(page, shared_data):
    text = (shared_data / "cosmic/README.md").read_text()
    for checksum in re.findall(r"`([0-9a-f]{64})`", page):
        assert checksum in text


def test_every_question_of_the_tutorial_is_answered(page):
    answers = re.findall(r"^(\d+)\. \*\*.*\?\*\*", page, re.MULTILINE)
    assert answers == [str(number) for number in range(1, 11)]


@pytest.mark.real_data
def test_the_tutorial_s_first_stamp():
    """Needs the files of the tutorial (public through git-lfs alone) in $EPHEMERA_COSMIC_TUTORIAL."""
    from types import SimpleNamespace

    import numpy as np

    from ephemera.cosmic.snr import legacy_local_snr
    from ephemera.cosmic.stamp_rows import Choice, describe

    folder = Path(os.environ.get("EPHEMERA_COSMIC_TUTORIAL", "/nonexistent"))
    path = folder / "example.raw.seticore.0000.stamps"
    if not path.is_file():
        pytest.skip("TUTORIAL FILES ABSENT: $EPHEMERA_COSMIC_TUTORIAL names no folder with them")
    assert len(index_frames(MappedFile(path).buffer).frames) == 60
    stamp = next(open_stamps(path, folder / "example.bfr5"))
    settings = SimpleNamespace(edge_columns=20, snr_min=6.0, antenna_snr=5.0, single_frac=0.5)
    settings.few_antennas, settings.gain_index_min = 0.2, 0.5
    row = describe(stamp, "id", Choice(stamp.recipe, 2, "time"), settings).stamp
    assert row["path_column"] == 262
    assert row["power_classic"] == pytest.approx(2.413714e13, rel=1e-5)
    assert row["power_weighted"] == pytest.approx(2.413714e13, rel=1e-5)
    assert row["snr_classic_legacy"] == pytest.approx(1910.900, rel=1e-4)
    assert row["snr_weighted_legacy"] == pytest.approx(1910.900, rel=1e-4)
    beam, path_of = stamp.beam(0), stamp.path()
    assert beam[np.arange(16), path_of].sum() == pytest.approx(2.511129e13, rel=1e-4)
    assert legacy_local_snr(beam, path_of) == pytest.approx(393.05, rel=1e-3)
    assert row["ant_max_index"] == 19
    assert row["class"] == "rfi_single_antenna"
