"""Second pass: an expectation of what is left when cells are left out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xmm_cubes import cube_of, dense_counts
from xmm_models import RAMP, SOURCE, expectation_of, models


def burst_cube(where, frames, height=500):
    """A steady field with a source, flickering in strength, and a burst on top."""
    strength = 1 + np.arange(24) % 3
    counts = RAMP * strength[:, None, None] + 60 * SOURCE
    steady = counts.copy()
    for frame in frames:
        counts[frame][where] += height
    return cube_of(counts.astype(int)), cube_of(steady.astype(int))


@pytest.mark.parametrize("where", [(5, 1), (2, 3)])
@pytest.mark.parametrize("frames", [[7], [7, 8, 9]])
def test_a_burst_left_out_does_not_raise_its_own_expectation(where, frames):
    cube, steady = burst_cube(where, frames)
    drop = np.isin(cube.frame, frames) & (cube.pixel == where[0] * 6 + where[1])
    assert drop.sum() == len(frames)
    made = expectation_of(cube, mask=SOURCE, drop_cells=cube.keys[drop])
    np.testing.assert_allclose(made.dense(), dense_counts(steady))
    first_pass = expectation_of(cube, mask=SOURCE)
    assert first_pass.at(where[1], where[0], frames[0]) > 1.2 * made.at(where[1], where[0], frames[0])


def test_an_eclipse_to_zero_is_left_out_by_keys_of_empty_cells():
    cube, steady = burst_cube((2, 3), [])
    counts = dense_counts(cube)
    counts[10:16, 2, 3] = 0
    eclipsed = cube_of(counts)
    keys = np.array([(frame * 6 + 2) * 6 + 3 for frame in range(10, 16)])
    assert not np.isin(keys, eclipsed.keys).any()
    made = expectation_of(eclipsed, mask=SOURCE, drop_cells=keys)
    np.testing.assert_allclose(made.dense(), dense_counts(steady))


def test_leaving_out_nothing_changes_nothing():
    cube, _ = burst_cube((2, 3), [4])
    first, again = (
        expectation_of(cube, mask=SOURCE, drop_cells=drop) for drop in (None, np.empty(0, np.int64))
    )
    np.testing.assert_array_equal(first.dense(), again.dense())


def test_pixel_left_out_in_all_frames_is_filled_from_its_surroundings():
    cube, _ = burst_cube((3, 2), [])
    counts = dense_counts(cube)
    counts[:, 4, 4] *= 50
    cube = cube_of(counts)
    made = expectation_of(cube, mask=SOURCE, drop_cells=cube.keys[cube.pixel == 4 * 6 + 4])
    assert made.mask[4, 4]
    np.testing.assert_allclose(made.at(4, 4, np.arange(24)), RAMP[4, 4] * (1 + np.arange(24) % 3))


@given(models(), st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_any_cells_can_be_left_out(model, seed):
    cube, mask = model
    drop = np.random.default_rng(seed).random(len(cube.keys)) < 0.3
    made = expectation_of(cube, mask=mask, drop_cells=cube.keys[drop])
    dense = made.dense()
    assert np.isfinite(dense[cube.frames.usable]).all()
    assert (dense[cube.frames.usable] >= 0).all()
