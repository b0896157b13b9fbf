"""Recipes: reading, bad ones, and which belongs to a stamp."""

from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from builders.cosmic_files import START, array_of, fields_of, recipe_file
from ephemera.cosmic.flags import BadMessage, Flag
from ephemera.cosmic.metadata import StampMetadata
from ephemera.cosmic.recipe import Recipe, RecipeHeader, read_header
from ephemera.cosmic.recipe_choice import choose


@pytest.mark.real_data
def test_a_recipe_of_instrument_software(shared_data):
    recipe = Recipe(shared_data / "cosmic/blri-test.20x3_16_128_2.bfr5")
    assert recipe.antenna_names == ["ant000", "ant001", "ant002"]
    assert (recipe.nchan, recipe.npol, recipe.nants, recipe.nbeams, recipe.ntimes) == (16, 2, 3, 1, 20)
    assert not recipe.delays.any()
    assert recipe.obsid == "Unknown"
    np.testing.assert_array_equal(recipe.calibration(15), np.ones((2, 3)))
    assert recipe.calibration(0).dtype == np.complex64


def test_what_is_written_is_read(tmp_path):
    array = array_of(n_ant=4, n_beam=3, gain_scatter=0.3, phase_errors=0.3)
    recipe = Recipe(recipe_file(tmp_path / "x.bfr5", array, "obs:1"))
    np.testing.assert_array_equal(recipe.delays, array.delays)
    np.testing.assert_array_equal(recipe.antenna_positions, array.positions)
    np.testing.assert_array_equal(recipe.ras, array.beams[:, 0])
    assert recipe.antenna_names == list(array.names)
    assert recipe.src_names == ["beam-0", "beam-1", "beam-2"]
    for channel in range(4):
        np.testing.assert_array_equal(recipe.calibration(channel), array.gains[channel])


def test_only_the_channels_asked_for_are_kept(tmp_path):
    path = recipe_file(tmp_path / "x.bfr5", array_of(n_ant=4))
    recipe = Recipe(path, channels=[2, 99])
    assert recipe.calibration(2).shape == (2, 4)
    with pytest.raises(KeyError):
        recipe.calibration(0)


def test_rows_are_the_nearest_and_the_earlier_of_two(tmp_path):
    path = recipe_file(tmp_path / "x.bfr5", array_of(n_ant=3))
    with h5py.File(path, "r+") as handle:
        handle["delayinfo/time_array"][:] = [0, 10, 20, 30, 40]
    recipe = Recipe(path)
    assert recipe.rows_at([-5, 4, 5, 5.1, 15, 99]).tolist() == [0, 0, 0, 1, 1, 4]


@pytest.mark.parametrize("kind", ["text", "short", "empty"])
def test_files_that_are_no_hdf5(tmp_path, kind):
    path = recipe_file(tmp_path / "x.bfr5", array_of(n_ant=3))
    content = path.read_bytes()
    path.write_bytes({"text": b"not a recipe", "short": content[:500], "empty": b""}[kind])
    for read in (Recipe, read_header):
        with pytest.raises(BadMessage) as caught:
            read(path)
        assert caught.value.flag is Flag.NOT_HDF5


def _shrink(name):
    def change(handle):
        values = handle[name][()]
        del handle[name]
        handle[name] = values[:-1]

    return change


def _remove(name):
    return lambda handle: handle.pop(name)


def _set(name, value):
    def change(handle):
        handle[name][()] = value

    return change


def _bomb(handle):
    """Dimensions that agree with each other and would fill any memory, in a file of a few kilobytes."""
    del handle["delayinfo/time_array"], handle["delayinfo/delays"]
    handle["diminfo/ntimes"][()] = 10**9
    handle["delayinfo"].create_dataset("time_array", (10**9,), "f8", chunks=(1000,))
    shape = (10**9, int(handle["diminfo/nbeams"][()]), 3)
    handle["delayinfo"].create_dataset("delays", shape, "f8", chunks=(1000, 1, 1))


@pytest.mark.parametrize(
    "change",
    [
        _bomb,
        _shrink("calinfo/cal_all"),
        _shrink("delayinfo/delays"),
        _shrink("telinfo/antenna_positions"),
        _shrink("telinfo/antenna_names"),
        _shrink("beaminfo/ras"),
        _remove("diminfo/nants"),
        _remove("calinfo"),
        _remove("delayinfo/time_array"),
        _set("diminfo/nants", -1),
        _set("diminfo/nbeams", 2**31 - 1),
        _set("diminfo/nchan", 0),
    ],
)
def test_recipes_of_a_bad_shape(tmp_path, change):
    path = recipe_file(tmp_path / "x.bfr5", array_of(n_ant=3))
    with h5py.File(path, "r+") as handle:
        change(handle)
    with pytest.raises(BadMessage) as caught:
        Recipe(path)
    assert caught.value.flag is Flag.BAD_RECIPE_SHAPE


def test_truncation_of_a_recipe_never_crashes(tmp_path):
    path = recipe_file(tmp_path / "x.bfr5", array_of(n_ant=3))
    content = path.read_bytes()
    for end in range(0, len(content), 1000):
        path.write_bytes(content[:end])
        with pytest.raises(BadMessage):
            Recipe(path)


HERE = Path("/data/here")
HEADER = RecipeHeader(HERE / "other.bfr5", "", 25, 2, 448, 1, START - 10, START + 10)


def stamp(**changed):
    sizes = {"numTimesteps": 16, "numChannels": 524, "numPolarizations": 2, "numAntennas": 25, "signal": None}
    return StampMetadata(**{**fields_of(), **sizes, **changed})


def chosen(recipes, prefix="X", **changed):
    return choose(stamp(**changed), prefix, HERE, recipes)


def test_the_recipe_of_another_array_is_never_taken():
    """Two recipes in a folder, one with another number of antennas: the listing's order does not decide."""
    other = replace(HEADER, path=HERE / "a.bfr5", n_ant=4)
    assert chosen([other, HEADER]).path == HEADER.path
    assert chosen([HEADER, other]).path == HEADER.path
    assert chosen([other]).flags == (Flag.NO_RECIPE,)
    assert "4 antennas" in chosen([other]).reason


@pytest.mark.parametrize("changed", [{"n_pol": 1}, {"n_chan": 3}])
def test_other_sizes_exclude_a_recipe(changed):
    assert chosen([replace(HEADER, **changed)], coarseChannel=3).path is None


def test_schan_counts_in_the_channel():
    assert chosen([replace(HEADER, n_chan=12)], schan=10, coarseChannel=2).path is None
    assert chosen([replace(HEADER, n_chan=13)], schan=10, coarseChannel=2).path is not None


@pytest.mark.parametrize(
    ("recipe", "changed", "prefix", "score", "reason"),
    [
        ({"obsid": "a:b"}, {"obsid": "a:b"}, "X", 11, "obsid+time+folder"),
        ({"obsid": "a:b"}, {"obsid": "a-b"}, "X", 11, "obsid+time+folder"),
        ({"obsid": "Unknown"}, {"obsid": "Unknown"}, "X", 3, "time+folder"),
        ({"obsid": ""}, {"obsid": ""}, "X", 3, "time+folder"),
        ({"path": HERE / "X.bfr5"}, {}, "X", 7, "prefix+time+folder"),
        ({"path": HERE / "example.bfr5"}, {}, "example.raw", 7, "prefix+time+folder"),
        ({"obsid": "23B.34.1"}, {}, "23B.34.1.AC.C416.0021", 7, "prefix+time+folder"),
        ({"obsid": "23B.34.1"}, {}, "23B.34.10.AC", 3, "time+folder"),
        ({"path": Path("/recipes/r.bfr5")}, {}, "X", 2, "time"),
    ],
)
def test_scores(recipe, changed, prefix, score, reason):
    choice = chosen([replace(HEADER, **recipe)], prefix, **changed)
    assert (choice.score, choice.reason, choice.flags) == (score, reason, ())


def test_the_start_may_lie_before_the_first_row_by_a_minute():
    """The first tutorial stamp starts 0.786 s after its log says; equal times are never asked for."""
    late = replace(HEADER, first=START + 61, last=START + 90)
    assert chosen([late]).score == 3
    assert chosen([replace(late, first=START + 61.1)]).path is None


def test_a_recipe_far_in_time_needs_the_name_and_is_noted():
    far = replace(HEADER, first=START + 9000, last=START + 9100)
    assert chosen([far]).path is None
    named = chosen([replace(far, path=HERE / "X.bfr5")])
    assert named.path is not None
    assert named.flags == (Flag.RECIPE_TIME_FAR,)


def test_a_tie_takes_none():
    choice = chosen([HEADER, replace(HEADER, path=HERE / "twin.bfr5")])
    assert choice.path is None
    assert choice.flags == (Flag.AMBIGUOUS_RECIPE,)
    assert "twin.bfr5" in choice.reason


def test_the_best_score_wins_over_the_folder():
    same_obsid = replace(HEADER, path=Path("/elsewhere/r.bfr5"), obsid="o")
    assert chosen([HEADER, same_obsid], obsid="o").path == same_obsid.path


def test_without_any_recipe():
    assert chosen([]).flags == (Flag.NO_RECIPE,)
