import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from ephemera.survey.templates import (
    SHAPES,
    bank,
    grid,
    largest_ratio,
    main,
    overlap,
    profile,
    save,
)
from survey_data import job, settings_of


def test_banks_of_the_specification():
    gaussian, box = bank("gaussian", 0.01, 30, 0.95), bank("box", 0.01, 30, 0.95)
    assert largest_ratio("gaussian", 0.95) == pytest.approx(1.585252, abs=5e-7)
    assert largest_ratio("box", 0.95) == pytest.approx(1.108033, abs=5e-7)
    assert (len(gaussian), len(box)) == (19, 80)
    assert gaussian.ratio == pytest.approx(1.560175, abs=5e-7)
    assert gaussian.overlaps.min() == pytest.approx(0.953218, abs=5e-7)
    assert box.overlaps.min() == pytest.approx(0.950589, abs=5e-7)


@pytest.mark.parametrize("shape", SHAPES)
@given(low=st.floats(0.01, 1), span=st.floats(1.01, 1000), wanted=st.floats(0.8, 0.98))
def test_no_width_is_left_uncovered(shape, low, span, wanted):
    found = bank(shape, low, low * span, wanted)
    assert found.width[0] == low
    assert found.width[-1] == low * span
    assert np.all(found.overlaps >= wanted - 1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_overlap_is_that_of_the_sampled_shapes(shape):
    time = np.arange(-30, 30, 1e-3)
    a, b = profile(shape, time, 1.0), profile(shape, time, 1.5)
    measured = a @ b / np.sqrt(a @ a) / np.sqrt(b @ b)
    assert overlap(shape, 1.5) == pytest.approx(measured, abs=2e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_width_is_the_full_width_at_half_maximum(shape):
    time = np.linspace(-3, 3, 60_001)
    shown = profile(shape, time, 1.0)
    assert shown.max() == pytest.approx(1.0, abs=1e-3)
    assert np.ptp(time[shown >= 0.5]) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("shape", SHAPES)
def test_exposures_average_and_keep_the_area(shape):
    time = np.arange(-40, 40, 0.01)
    sharp, blurred = profile(shape, time, 1.0), profile(shape, time, 1.0, exposure=2.0)
    assert blurred.max() < 0.75
    assert blurred.sum() == pytest.approx(sharp.sum(), rel=1e-2)


def test_a_grid_takes_the_widths_given():
    assert grid("box", [3, 1, 2, 1]).width.tolist() == [1, 2, 3]


def test_the_bank_is_stored_as_netcdf(tmp_path):
    templates = bank("gaussian", 0.5, 2.0)
    save(templates, tmp_path / "bank.nc", cadence=0.2)
    with xr.open_dataset(tmp_path / "bank.nc", engine="h5netcdf") as found:
        assert found.width.values.tolist() == templates.width.tolist()
        step = float(found.time[1] - found.time[0])
        assert step <= 0.5 / 5 + 1e-12
        assert float(found.time[-1]) == pytest.approx(4.0, abs=step)
        norm = np.sqrt((found.template.values.astype(float) ** 2).sum(axis=1))
        assert found.norm.values == pytest.approx(norm, rel=1e-6)


def test_the_step_writes_the_bank_of_the_finder(tmp_path):
    main(job(settings_of("search").finder, {}, {"bank": tmp_path / "bank.nc"}))
    with xr.open_dataset(tmp_path / "bank.nc", engine="h5netcdf") as found:
        assert found.width.values == pytest.approx(bank("gaussian", 0.01, 30.0, 0.95).width)
        assert found.attrs["shape"] == "gaussian"


@pytest.mark.parametrize("arguments", [("gaussian", 0, 1), ("box", 2, 1), ("saw", 1, 2), ("box", 1, 2, 1.0)])
def test_impossible_banks_are_refused(arguments):
    with pytest.raises(ValueError, match="must be"):
        bank(*arguments)
