import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ephemera.survey.photometry import brightening, flux_of, mag_of, noise_of


@given(st.floats(5, 30), st.floats(0.001, 1))
def test_magnitudes_come_back(mag, error):
    back = mag_of(*flux_of(mag, error))
    assert [float(v) for v in back] == pytest.approx([mag, error])


def test_flux_of_a_magnitude():
    flux, error = flux_of(23.9, 0.1)
    assert flux == pytest.approx(1.0)
    assert error == pytest.approx(0.1 * np.log(10) / 2.5)


def test_no_magnitude_without_light():
    mag, error = mag_of([0.0, -1.0, 1.0], [1.0, 1.0, 0.1])
    assert np.isnan(mag[:2]).all()
    assert np.isnan(error[:2]).all()
    assert mag[2] == pytest.approx(23.9)


def test_brightening_of_the_specification():
    assert brightening([60.0, -5.0], 30, 3.5) == pytest.approx([0.7418, -3.0684], abs=5e-5)
    assert 2.5 * np.log10(60 / 30) == pytest.approx(0.7526, abs=5e-5)


@given(st.floats(-1e3, 1e3), st.floats(0.01, 100))
def test_brighter_is_positive(extra, rms):
    value = float(brightening(50.0 + extra, 50.0, rms))
    assert np.sign(value) == np.sign(np.float64(50.0 + extra) - 50.0)


def test_brightening_without_scatter_is_undefined():
    assert np.isnan(brightening([1.0, 2.0], 1.0, 0.0)).all()


def test_noise_is_the_larger_and_never_zero():
    noise = noise_of(np.array([1.0, 5.0, np.nan, 0.0]), 3.0)
    assert noise.tolist() == [3.0, 5.0, 3.0, 3.0]
    assert np.isnan(noise_of(np.array([0.0, np.nan]), 0.0)).all()
