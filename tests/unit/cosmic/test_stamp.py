"""Stamps: metadata, voltages, powers, beams, paths, in every shape and with every defect."""

import gc
import math

import numpy as np
import pytest

from builders.cosmic_files import (
    FOFF,
    array_of,
    fields_of,
    file_of,
    hit_bytes,
    recipe_file,
    signal_of,
    sky,
    stamp_bytes,
    voltages_of,
)
from ephemera.cosmic.drift import drift_path
from ephemera.cosmic.flags import Flag, Rejected
from ephemera.cosmic.recipe import Recipe
from ephemera.cosmic.schema import schema
from ephemera.cosmic.simulate_messages import stamp_message
from ephemera.cosmic.stamp import read_stamps
from ephemera.cosmic.stamps import open_stamps


def only(path, recipe=None):
    (stamp,) = open_stamps(path, recipe)
    return stamp


def made(tmp_path, *arguments, recipe=None, **changed):
    return only(file_of(tmp_path / "x.seticore.0000.stamps", stamp_bytes(*arguments, **changed)), recipe)


def rejected(tmp_path, message):
    (found,) = read_stamps(file_of(tmp_path / "x.stamps", message))
    assert isinstance(found, Rejected)
    return found.problem.flag


def test_metadata_are_the_fields_of_the_schema(tmp_path):
    raw = stamp_bytes()
    metadata = only(file_of(tmp_path / "x.stamps", raw)).metadata
    with schema("stamp").Stamp.from_bytes(raw) as stamp:
        for name in stamp.schema.fieldnames:
            if name not in ("data", "signal"):
                assert getattr(metadata, name) == getattr(stamp, name), name
        for name in stamp.signal.schema.fieldnames:
            assert getattr(metadata.signal, name) == getattr(stamp.signal, name), name


def test_the_tutorial_s_first_stamp_starts_its_path_in_the_middle(tmp_path):
    """index 156142 and startChannel 155880: column 262."""
    signal = {"index": 156142, "frequency": fields_of()["fch1"] + 262 * FOFF}
    stamp = made(tmp_path, voltages_of((16, 524, 2, 3)), steps=0, signal=signal)
    assert stamp.path().tolist() == [262] * 16


def test_stamps_come_one_at_a_time(tmp_path):
    path = file_of(tmp_path / "x.stamps", *(stamp_bytes(sourceName=str(k)) for k in range(3)))
    found = open_stamps(path)
    assert next(found).metadata.sourceName == "0"
    assert [stamp.position for stamp in found] == [1, 2]


def test_voltages_stay_valid_when_the_file_is_left(tmp_path):
    voltages = voltages_of((16, 96, 2, 5))
    path = file_of(tmp_path / "x.stamps", stamp_bytes(voltages), stamp_bytes())
    kept = next(stamp.voltages for stamp in open_stamps(path))
    gc.collect()
    np.testing.assert_array_equal(kept, voltages)
    with pytest.raises(ValueError, match="read-only"):
        kept[0, 0, 0, 0] = 0


@pytest.mark.parametrize("n_time", [1, 2, 6, 16, 64])
@pytest.mark.parametrize("n_pol", [1, 2])
@pytest.mark.parametrize("n_ant", [1, 5])
def test_powers_of_every_shape(tmp_path, n_time, n_pol, n_ant):
    voltages = voltages_of((n_time, 60, n_pol, n_ant))
    stamp = made(tmp_path, voltages, column=30, steps=3)
    square = np.abs(voltages.astype(np.complex128)) ** 2
    expected = np.moveaxis(square.sum(axis=2), -1, 0)
    assert stamp.antenna_powers().shape == (n_ant, n_time, 60)
    np.testing.assert_allclose(stamp.antenna_powers(), expected, rtol=1e-5)
    np.testing.assert_allclose(stamp.classic_incoherent(), square.sum(axis=(2, 3)), rtol=1e-5)
    assert len(stamp.path()) == n_time
    np.testing.assert_array_equal(stamp.path(), 30 + drift_path(3, n_time))


def test_negative_channel_width(tmp_path):
    stamp = made(tmp_path, foff=-FOFF, column=40, steps=7)
    assert stamp.flags == ()
    assert stamp.path()[0] == 40
    assert np.all(np.diff(stamp.frequencies_mhz) < 0)


@pytest.fixture
def with_recipe(tmp_path):
    array = array_of(n_ant=5, n_beam=2, gain_scatter=0.3, phase_errors=0.5)
    recipe = Recipe(recipe_file(tmp_path / "x.bfr5", array))
    return array, recipe


def test_beams_equal_their_plain_definition(tmp_path, with_recipe):
    array, recipe = with_recipe
    voltages = voltages_of((6, 60, 2, 5))
    # The recording crosses from one row of the recipe to the next.
    middle = (array.times[1] + array.times[2]) / 2
    stamp = made(tmp_path, voltages, recipe=recipe, tstart=middle - 2.5 * 0.524288, coarseChannel=1, schan=2)
    assert len(set(stamp.recipe_rows())) == 2
    for beam in range(2):
        expected = np.zeros((6, 60))
        for t in range(6):
            row = int(np.argmin(np.abs(array.times - (stamp.metadata.tstart + t * 0.524288))))
            for c in range(60):
                ghz = (stamp.metadata.fch1 + c * FOFF) / 1000
                for p in range(2):
                    weights = array.gains[3, p] * np.exp(2j * np.pi * ghz * array.delays[row, beam])
                    expected[t, c] += abs(np.sum(np.conj(weights) * voltages[t, c, p])) ** 2
        np.testing.assert_allclose(stamp.beam(beam), expected, rtol=2e-4)


def test_sign_of_the_coefficient(tmp_path):
    """f 0.25 GHz, delays (0, 1) ns, V = (1, i): I = 2 and B = 4; with the wrong sign B = 0."""
    array = array_of(n_ant=2, n_pol=1, n_beam=1)
    array.delays[:] = [0.0, 1.0]
    voltages = np.zeros((1, 1, 1, 2), np.complex64)
    voltages[...] = [1, 1j]
    recipe = recipe_file(tmp_path / "x.bfr5", array)
    message = stamp_message(fields_of(fch1=250.0, foff=1e-9), None, voltages)
    stamp = only(file_of(tmp_path / "x.stamps", message), recipe)
    assert stamp.classic_incoherent()[0, 0] == pytest.approx(2)
    assert stamp.beam(0)[0, 0] == pytest.approx(4, rel=1e-5)


def test_the_weighted_sum_equals_the_classic_one_for_unit_gains(tmp_path):
    recipe = recipe_file(tmp_path / "x.bfr5", array_of(n_ant=5))
    stamp = made(tmp_path, recipe=recipe)
    np.testing.assert_allclose(stamp.weighted_incoherent(), stamp.classic_incoherent(), rtol=1e-5)


def test_the_weighted_sum_takes_squared_gains(tmp_path, with_recipe):
    array, recipe = with_recipe
    voltages = voltages_of()
    stamp = made(tmp_path, voltages, recipe=recipe)
    weights = np.abs(array.gains[0].astype(complex)) ** 2
    expected = (np.abs(voltages.astype(complex)) ** 2 * weights).sum(axis=(2, 3))
    np.testing.assert_allclose(stamp.weighted_incoherent(), expected, rtol=1e-5)


@pytest.mark.parametrize("beam", [-1, 2, 7])
def test_beams_past_the_last_are_the_incoherent_one(tmp_path, with_recipe, beam):
    stamp = made(tmp_path, recipe=with_recipe[1], signal={"beam": beam})
    assert stamp.best_beam is None
    np.testing.assert_array_equal(stamp.beam(beam), stamp.weighted_incoherent())


def test_beams_need_a_recipe(tmp_path):
    stamp = made(tmp_path)
    assert stamp.best_beam is None
    with pytest.raises(ValueError, match="recipe"):
        stamp.beam(0)


def test_real_delays_of_the_vla(tmp_path):
    """A beam 38 arcsec off boresight: 0.34 ns or 8 turns at 24.15 GHz, changing by 0.003 turn in 8.4 s."""
    array = array_of()
    spread = np.abs(array.delays[0, 0])
    assert spread.max() == pytest.approx(0.34, abs=0.05)
    rate = np.abs(np.diff(array.delays[:, 0], axis=0)).max() / np.diff(array.times)[0]
    assert rate * 8.4 * 24.15 == pytest.approx(0.003, abs=0.0015)


@pytest.mark.parametrize(
    "shape", [{"numChannels": 95}, {"numAntennas": 0}, {"numTimesteps": -1}, {"numPolarizations": 2**30}]
)
def test_dimensions_that_do_not_fit_the_data(tmp_path, shape):
    assert rejected(tmp_path, stamp_bytes(**shape)) is Flag.BAD_DIMS


@pytest.mark.parametrize(
    "axis",
    [{"foff": 0.0}, {"foff": math.nan}, {"tsamp": 0.0}, {"tsamp": -1.0}, {"fch1": 0.0}, {"fch1": math.inf}],
)
def test_axes_that_cannot_be_told(tmp_path, axis):
    assert rejected(tmp_path, stamp_bytes(signal={"driftRate": 0.0}, steps=0, **axis)) is Flag.BAD_AXIS


def test_hits_are_no_stamps(tmp_path):
    assert rejected(tmp_path, hit_bytes()) is Flag.WRONG_SCHEMA


def test_text_that_is_no_utf8(tmp_path):
    message = stamp_bytes(sourceName="Zz").replace(b"Zz", b"\xff\xfe")
    assert rejected(tmp_path, message) is Flag.WRONG_SCHEMA


@pytest.mark.parametrize("place", [{"ra": 24.0}, {"ra": -0.1}, {"dec": 90.5}, {"ra": math.nan}])
def test_coordinates_out_of_range_are_kept_with_a_flag(tmp_path, place):
    assert made(tmp_path, **place).flags == (Flag.BAD_COORDS,)


def test_without_a_signal_there_is_no_path(tmp_path):
    stamp = made(tmp_path, has_signal=False)
    assert stamp.flags == (Flag.NO_SIGNAL,)
    assert stamp.path() is None
    assert stamp.metadata.signal is None


@pytest.mark.parametrize(("steps", "is_sti"), [(8, True), (9, False), (16, False), (0, False)])
def test_hits_integrated_in_time_have_no_path(tmp_path, steps, is_sti):
    stamp = made(tmp_path, signal={"numTimesteps": steps})
    assert (Flag.STI in stamp.flags) == is_sti
    assert (stamp.path() is None) == is_sti


@pytest.mark.parametrize(("column", "steps"), [(90, 20), (3, -20), (-5, 2), (200, 3)])
def test_paths_that_leave_are_flagged(tmp_path, column, steps):
    stamp = made(tmp_path, column=column, steps=steps)
    assert Flag.PATH_OUT in stamp.flags
    assert stamp.path()[0] == column


def test_a_drift_rate_that_is_not_that_of_its_steps(tmp_path):
    assert made(tmp_path, signal={"driftRate": 3.0}).flags == (Flag.DRIFT_MISMATCH,)


def test_index_and_frequency_may_differ_by_one_channel(tmp_path):
    assert made(tmp_path, column=48, signal={"index": 155880 + 49}).path()[0] == 49
    stamp = made(tmp_path, column=48, signal={"index": 155880 + 51})
    assert stamp.flags == (Flag.FREQ_MISMATCH,)
    assert stamp.path()[0] == 48


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30])
def test_pixels_that_are_not_finite_are_zero_in_every_antenna(tmp_path, value):
    voltages = voltages_of()
    voltages[3, 40, 1, 2] = complex(0, value)
    stamp = made(tmp_path, voltages)
    assert stamp.bad_frac == pytest.approx(1 / (16 * 96))
    assert stamp.bad_pixels[3, 40]
    assert not stamp.antenna_powers()[:, 3, 40].any()
    assert np.isfinite(stamp.classic_incoherent()).all()


def test_dead_antennas_are_found(tmp_path):
    voltages = voltages_of()
    voltages[..., 3] = 0
    voltages[0, :, :, 1] = 0  # alive later
    assert made(tmp_path, voltages).live_antennas.tolist() == [True, True, True, False, True]


def test_release_gives_memory_back_and_keeps_the_values(tmp_path):
    stamp = made(tmp_path, voltages_of((16, 200, 2, 5)))
    before = stamp.classic_incoherent()
    stamp.release()
    np.testing.assert_array_equal(stamp.classic_incoherent(), before)


def test_bad_messages_do_not_stop_the_good_ones(tmp_path, caplog):
    path = file_of(tmp_path / "x.stamps", stamp_bytes(), stamp_bytes(numChannels=7), stamp_bytes())
    assert [stamp.position for stamp in open_stamps(path)] == [0, 2]
    assert "bad_dims" in caplog.text


def test_a_beam_gathers_a_source(tmp_path):
    array = array_of(n_ant=25)
    voltages = voltages_of((16, 96, 2, 25), what=sky(50.0, beam=1), array=array)
    stamp = made(tmp_path, voltages, recipe=recipe_file(tmp_path / "x.bfr5", array), signal={"beam": 1})
    path = stamp.path()
    on_path = [stamp.beam(b)[np.arange(16), path].sum() for b in range(2)]
    assert on_path[1] > 3 * on_path[0]
    assert stamp.best_beam == 1


def test_signal_helper_agrees_with_the_schema():
    assert set(signal_of(1, 2, 16)) < set(schema("hit").Signal.schema.fieldnames)
