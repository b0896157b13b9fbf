"""Eureka! files: real ones of four instruments, then names, orientation, units and orders."""

import h5py
import numpy as np
import pytest

from ephemera.jwst.inputs import Reading
from ephemera.jwst.read import read_dataset, read_series

FOLDER = "jwst/eureka"


def one_of(shared_data, name):
    return read_series([shared_data / FOLDER / name])[0]


def test_nirspec(shared_data):
    found = one_of(shared_data, "nirspec_S4_SpecData.h5")
    assert found.flux.shape == (511, 24)
    assert found.wavelength[[0, -1]] == pytest.approx([0.471549, 5.716934], abs=1e-6)
    assert found.time[[0, -1]] == pytest.approx([60502.469655320, 60502.472589419], abs=1e-9)
    assert found.hours[-1] * 60 == pytest.approx(4.2251, abs=1e-4)
    assert np.median(np.diff(found.time)) * 86400 == pytest.approx(11.0220, abs=1e-4)
    assert found.time.dtype.isnative
    assert found.wavelength.dtype.isnative
    assert (~found.valid).sum() == 125
    assert np.flatnonzero(~found.valid.any(axis=1)).tolist() == [109, 110, 112, 147, 300]
    with h5py.File(shared_data / FOLDER / "nirspec_S4_SpecData.h5") as handle:
        np.testing.assert_array_equal(np.isnan(handle["optspec"][()].T), ~found.valid)
        assert np.nanmedian(handle["optspec"][()]) == pytest.approx(18913, abs=1)
        opterr = handle["opterr"][()].T
    assert np.nanmedian(found.flux) == pytest.approx(18913, abs=1)
    good = found.valid & np.isfinite(found.error)
    np.testing.assert_array_equal(found.error[good], opterr[good])
    assert np.nanmedian(opterr) == pytest.approx(155.2, abs=0.1)


def test_variances_become_errors_of_their_own_flux(shared_data):
    path = shared_data / FOLDER / "nirspec_S4_SpecData.h5"
    found = read_series([path], Reading(eureka_flux="stdspec"))[0]
    with h5py.File(path) as handle:
        expected = np.sqrt(handle["stdvar"][()].astype(float))
        assert np.nanmedian(expected) == pytest.approx(207.8, abs=0.1)
        assert np.nanmedian(handle["stdspec"][()]) == pytest.approx(19909, abs=1)
    good = found.valid.T & np.isfinite(found.error.T)
    np.testing.assert_allclose(found.error.T[good], expected[good], rtol=1e-6)


def test_stage_3(shared_data):
    # Stage 3 masks five single cells, which are the cells without a value.
    found = one_of(shared_data, "nirspec_S3_SpecData.h5")
    assert found.flux.shape == (511, 24)
    assert (~found.valid).sum() == 5
    with h5py.File(shared_data / FOLDER / "nirspec_S3_SpecData.h5") as handle:
        np.testing.assert_array_equal(np.isnan(handle["optspec"][()].T), ~found.valid)


def test_channels_inside_one_to_three_and_three_to_five(shared_data):
    found = one_of(shared_data, "nirspec_S4_SpecData.h5")
    for low, high, count in ((1, 3, 118), (3, 5, 201)):
        assert ((found.wavelength >= low) & (found.wavelength <= high)).sum() == count


def test_light_curve_file_is_the_mean_of_the_spectra(shared_data):
    broad = one_of(shared_data, "nirspec_S4_LCData.h5")
    assert broad.flux.shape == (2, 24)
    assert broad.wavelength == pytest.approx([2, 4])
    assert broad.flux[0, 0] == pytest.approx(131694.807, abs=0.01)
    fine = one_of(shared_data, "nirspec_S4_SpecData.h5")
    inside = (fine.wavelength >= 1) & (fine.wavelength <= 3)
    assert np.nanmean(fine.flux[inside, 0].astype(float)) == pytest.approx(131694.825, rel=1e-6)


@pytest.mark.parametrize(
    ("name", "shape", "span", "masked"),
    [
        ("niriss_S4_SpecData.h5", (2037, 3), (0.851411, 2.826710), 6),
        ("nircam_S4_SpecData.h5", (1600, 7), (2.496397, 4.052547), 0),
        ("miri_S4_SpecData.h5", (233, 4), (5.436857, 11.854891), 4),
    ],
)
def test_other_instruments(shared_data, name, shape, span, masked):
    found = one_of(shared_data, name)
    assert found.flux.shape == shape
    assert found.wavelength[[0, -1]] == pytest.approx(span, abs=1e-6)
    assert (~found.valid).sum() == masked
    if masked:
        # The cells that the reduction masked hold finite values: the mask counts, not only NaN.
        with h5py.File(shared_data / FOLDER / name) as handle:
            values = handle["optspec"][()].T
        assert np.isfinite(values[~found.valid]).any()
        assert np.isnan(found.flux[~found.valid]).all()


def test_miri_span(shared_data):
    found = one_of(shared_data, "miri_S4_SpecData.h5")
    assert found.hours[-1] * 3600 == pytest.approx(0.08, abs=0.005)


def test_niriss_has_one_order(shared_data):
    found = read_series([shared_data / FOLDER / "niriss_S4_SpecData.h5"])
    assert [one.order for one in found] == [1]


def write(path, flux=None, **more):
    n, m = 6, 15
    draw = np.random.default_rng(1)
    values = {
        "time": 60000 + np.arange(n) * 0.01, "wave_1d": np.linspace(1, 2, m),
        "optspec": 100 + draw.standard_normal((n, m)) if flux is None else flux,
    }  # fmt: skip
    with h5py.File(path, "w") as handle:
        for name, array in {**values, **more}.items():
            if array is not None:
                handle[name] = array
        handle["wave_1d"].attrs["wave_units"] = "microns"
        handle["time"].attrs["time_units"] = "BMJD_TDB"
    return path


def test_transposed_flux_is_turned(tmp_path):
    flux = np.arange(90.0).reshape(6, 15) + 1
    found = read_series([write(tmp_path / "a.h5", flux.T)])[0]
    np.testing.assert_array_equal(found.flux, flux.T.astype(np.float32))


def test_equal_lengths_need_an_axis_order(tmp_path):
    path = write(tmp_path / "a.h5", np.arange(225.0).reshape(15, 15) + 1, time=60000 + np.arange(15) * 0.01)
    with pytest.raises(ValueError, match="axis_order"):
        read_series([path])
    straight = read_series([path], Reading(axis_order="time_wavelength"))[0]
    turned = read_series([path], Reading(axis_order="wavelength_time"))[0]
    np.testing.assert_array_equal(straight.flux, turned.flux.T)


def test_dimension_scales_tell_the_axes(tmp_path):
    path = write(tmp_path / "a.h5", np.arange(225.0).reshape(15, 15) + 1, time=60000 + np.arange(15) * 0.01)
    with h5py.File(path, "a") as handle:
        handle["time"].make_scale("time")
        handle["optspec"].dims[1].attach_scale(handle["time"])
    np.testing.assert_array_equal(read_series([path])[0].flux[0], np.arange(15, dtype=np.float32) + 1)


def test_unknown_names_are_listed(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as handle:
        handle["spectra"], handle["when"] = np.ones((3, 4)), np.ones(3)
    with pytest.raises(ValueError, match=r"found spectra, when; accepted calibrated_optspec, optspec"):
        read_series([path])


def test_several_orders(tmp_path):
    flux = np.stack([np.full((6, 15), 5.0), np.full((6, 15), 7.0)], axis=2)
    found = read_series([write(tmp_path / "a.h5", flux, order=np.array([1, 2]))])
    assert [(one.order, one.flux[0, 0]) for one in found] == [(1, 5), (2, 7)]


def test_zero_nan_and_descending_wavelengths(tmp_path):
    wave = np.linspace(2, 1, 15)
    wave[0], wave[-1] = np.nan, 0.0
    found = read_series([write(tmp_path / "a.h5", wave_1d=wave)])[0]
    assert found.flux.shape == (13, 6)
    assert (np.diff(found.wavelength) > 0).all()


def test_negative_variance_is_no_error(tmp_path):
    variance = np.full((6, 15), 4.0)
    variance[1, 2] = -1
    path = write(tmp_path / "a.h5", optspec=None, stdspec=np.full((6, 15), 50.0), stdvar=variance)
    found = read_series([path])[0]
    assert found.error[0, 0] == 2
    assert found.mask[2, 1] == 16


def test_aliases_of_calibrated_files_win(tmp_path):
    path = write(
        tmp_path / "a.h5", calibrated_optspec=np.full((6, 15), 9.0), calibrated_opterr=np.full((6, 15), 0.5)
    )
    found = read_series([path])[0]
    assert (found.flux[0, 0], found.error[0, 0]) == (9, 0.5)


def test_nanometres_without_a_unit_are_guessed_and_said(tmp_path):
    path = write(tmp_path / "a.h5", wave_1d=np.linspace(1000, 2000, 15))
    with h5py.File(path, "a") as handle:
        del handle["wave_1d"].attrs["wave_units"]
    result, _ = read_dataset([path], ["a.h5"], {})
    assert result.series[0].wavelength[[0, -1]] == pytest.approx([1, 2])
    assert any(problem.code == "guessed_unit" for problem in result.problems)


def test_utc_times_are_named_so(tmp_path):
    path = write(tmp_path / "a.h5")
    with h5py.File(path, "a") as handle:
        handle["time"].attrs["time_units"] = "MJD_UTC"
    assert read_series([path])[0].time_scale == "MJD_UTC"


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        ({"wave_1d": 1.5}, "bad_shape", "wave_1d has shape (), and is not one grid"),
        ({"wave_1d": np.zeros((0, 6))}, "bad_shape", "is not one grid"),
        ({"wave_1d": np.ones((2, 3, 15))}, "bad_shape", "is not one grid"),
        ({"optspec": np.ones(15)}, "bad_shape", "must have two dimensions"),
        ({"optspec": np.ones((7, 15))}, "bad_shape", "there are 6 times and 15 wavelengths"),
    ],
)
def test_shapes_that_fit_nothing_are_refused(tmp_path, more, code, message):
    result, _ = read_dataset([write(tmp_path / "a.h5", **more)], ["a.h5"], {})
    assert [(p.code, message in p.message) for p in result.problems] == [(code, True)]


def test_masks_and_errors_of_another_shape_are_left_out_and_said(tmp_path):
    path = write(tmp_path / "a.h5", opterr=np.ones((5, 15)), mask=np.ones(15))
    result, _ = read_dataset([path], ["a.h5"], {})
    assert [(p.extension, p.code, p.n_lost) for p in result.problems] == [
        ("opterr", "bad_shape", 0),
        ("mask", "bad_shape", 0),
    ]
    assert np.isnan(result.series[0].error).all()
    assert result.series[0].valid.all()


def test_a_flux_that_is_not_there_is_said(tmp_path):
    result, _ = read_dataset([write(tmp_path / "a.h5")], ["a.h5"], {}, Reading(eureka_flux="stdspec"))
    assert [(p.code, p.message) for p in result.problems] == [
        ("other_flux", "there is no stdspec: optspec was read")
    ]


def test_units_of_one_dataset_are_not_those_of_another(tmp_path):
    path = write(tmp_path / "a.h5", wave_1d=np.linspace(1000, 2000, 15))
    with h5py.File(path, "a") as handle:
        handle["optspec"].attrs["units"] = "electrons"
        handle["wave_1d"].attrs["units"] = "nm"
        del handle["wave_1d"].attrs["wave_units"]
    (found,) = read_series([path])
    assert (found.flux_unit, found.wavelength[-1]) == ("electron", pytest.approx(2))
