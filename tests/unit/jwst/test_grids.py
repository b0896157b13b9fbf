"""Wavelength grids: no interpolation where none is needed, and honest values where it is."""

from dataclasses import replace

import numpy as np
import pytest

from builders.jwst_files import product, rows, spectra
from ephemera.jwst.grids import GridList, reference_grid, regrid, same, usable
from ephemera.jwst.problems import Unusable
from ephemera.jwst.read import read_dataset, read_series


def arrays(n, flux):
    values = np.array(flux, np.float32)[None, :]
    return values, np.full(values.shape, 0.1, np.float32), np.zeros(values.shape, np.uint8)


def test_equal_grids_are_not_interpolated(tmp_path):
    one = spectra(20)
    nudged = replace(rows(one, slice(10, 20)), wavelength=one.wavelength + 1e-6)
    found = read_series(
        [product(tmp_path / "a.fits", rows(one, slice(0, 10))), product(tmp_path / "b.fits", nudged)]
    )[0]
    np.testing.assert_array_equal(found.flux.T, one.flux.astype(np.float32))
    assert not found.flags.any()


def test_another_grid_is_interpolated_and_flagged(tmp_path):
    one = spectra(30)
    step = one.wavelength[1] - one.wavelength[0]
    moved = replace(
        rows(one, slice(20, 30)),
        wavelength=one.wavelength + 0.25 * step,
        flux=np.tile(one.wavelength + 0.25 * step, (10, 1)),
    )
    found = read_series(
        [product(tmp_path / "a.fits", rows(one, slice(0, 20))), product(tmp_path / "b.fits", moved)]
    )[0]
    np.testing.assert_array_equal(found.wavelength, one.wavelength)
    np.testing.assert_allclose(found.flux[1:, 20:], np.tile(one.wavelength[1:, None], (1, 10)), rtol=1e-6)
    assert (found.flags[20:] == 2).all()
    assert not found.flags[:20].any()
    assert not found.valid[0, 20:].any(), "nothing is extrapolated"


def test_error_of_an_interpolated_value():
    wave = np.linspace(1, 2, 11)
    flux, error, mask = arrays(11, np.arange(11))
    value, sigma, bits, moved = regrid(wave + 0.025, wave, flux, error, mask)
    assert value[0, :10] == pytest.approx(np.arange(10) + 0.25, abs=1e-5)
    assert sigma[0, :10] == pytest.approx(0.1 * np.hypot(0.75, 0.25), rel=1e-5)
    assert bits[0, 10] != 0
    assert np.isnan(value[0, 10])
    assert moved.all()


def test_masked_neighbour_makes_a_masked_value():
    wave = np.linspace(1, 2, 11)
    flux, error, mask = arrays(11, np.arange(11))
    mask[0, 5] = 4
    value, _, bits, _ = regrid(wave + 0.025, wave, flux, error, mask)
    assert np.flatnonzero(np.isnan(value[0])).tolist() == [4, 5, 10]
    assert bits[0, 4] == 4


def test_neighbours_too_far_apart_make_no_value():
    wave = np.concatenate([np.linspace(1, 1.5, 6), np.linspace(1.9, 2.4, 6)])
    target = np.linspace(1.05, 2.35, 14)
    flux, error, mask = arrays(12, np.ones(12))
    value, _, _, _ = regrid(target, wave, flux, error, mask)
    gap = (target > 1.5) & (target < 1.9)
    assert np.isnan(value[0, gap]).all()
    assert np.isfinite(value[0, ~gap]).all()


def test_no_overlap_names_both_ranges():
    flux, error, mask = arrays(11, np.ones(11))
    with pytest.raises(Unusable, match=r"1\.0000 to 2\.0000 um do not overlap 3\.0000 to 4\.0000"):
        regrid(np.linspace(3, 4, 5), np.linspace(1, 2, 11), flux, error, mask)


def test_no_overlap_is_a_row(tmp_path):
    one = spectra(20)
    far = replace(rows(one, slice(15, 20)), wavelength=one.wavelength + 5)
    result, _ = read_dataset(
        [product(tmp_path / "a.fits", rows(one, slice(0, 15))), product(tmp_path / "b.fits", far)],
        ["a", "b"],
        {},
    )
    assert "no_overlap" in {problem.code for problem in result.problems}


def test_reference_is_the_most_frequent_grid():
    a, b = np.linspace(1, 2, 10), np.linspace(1, 2.1, 12)
    np.testing.assert_array_equal(reference_grid([(a, 3), (b, 5), (a + 1e-7, 4)]), a + 1e-7)


def test_usable_channels_ascend_and_are_positive():
    found = usable(np.array([0.0, 3.0, np.nan, 1.0, -2.0, 2.0, 2.0]))
    assert found.wavelength.tolist() == [1, 2, 3]
    assert found.places.tolist() == [3, 5, 1]


def test_same_is_relative_to_the_local_step():
    wave = np.linspace(1, 2, 11)
    assert same(wave, wave + 5e-5)
    assert not same(wave, wave + 5e-4)


def test_grid_list_knows_equal_rows_with_nan():
    grids = GridList(3)
    rows_ = np.array([[1.0, 2.0, np.nan], [1.0, 2.0, np.nan], [1.0, 2.5, np.nan]])
    assert grids.add(rows_).tolist() == [0, 0, 1]
    assert grids.array().shape == (2, 3)
