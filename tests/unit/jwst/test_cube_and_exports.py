"""The cube opens in xarray and comes back exactly; tables and documents say what they hold."""

import json

import numpy as np
import pytest
import xarray

from builders.jwst_files import product, spectra
from builders.jwst_steps import run_steps
from ephemera.config.jwst import Jwst
from ephemera.jwst.analysis import read_analyses
from ephemera.jwst.bands import WHITE
from ephemera.jwst.cube import read_series_file, write_series
from ephemera.jwst.light_curve_columns import LIGHT_CURVES, MATRIX, SPECTRUM
from ephemera.jwst.normalised import light_curve, normalise
from ephemera.jwst.options import merged
from ephemera.jwst.read import read_series
from ephemera.jwst.series import write_matrix
from ephemera.jwst.simulate import SCENARIOS, simulate
from ephemera.tables import read

NAMES = ("wavelength", "time", "flux", "error", "mask", "integration_number", "flags")


@pytest.mark.parametrize("compress", [False, True])
def test_round_trip_is_exact(tmp_path, compress):
    series = read_series([product(tmp_path / "a.fits", spectra(700, 40))])
    path = tmp_path / "cube.h5"
    write_series(path, series, compress=compress, threads=2)
    again = read_series_file(path)[0]
    for name in NAMES:
        np.testing.assert_array_equal(getattr(series[0], name), getattr(again, name))
    assert (again.detector, again.order, again.target, again.files) == (
        "NIS",
        1,
        "TEST",
        dict(series[0].files),
    )


def test_threads_do_not_change_the_bytes(tmp_path):
    series = read_series([product(tmp_path / "a.fits", spectra(700, 40))])
    for threads in (1, 3):
        write_series(tmp_path / f"{threads}.h5", series, compress=True, threads=threads)
    assert (tmp_path / "1.h5").read_bytes() == (tmp_path / "3.h5").read_bytes()


def test_cube_opens_in_xarray_without_options(products):
    with xarray.open_dataset(products / "products" / "cube.h5", engine="h5netcdf") as cube:
        assert dict(cube.sizes) == {"time": 60, "wavelength": 40}
        expected = {
            "flux",
            "error",
            "mask",
            "normalised",
            "median_spectrum",
            "visit",
            "integration_number",
            "hours",
            "flags",
        }
        assert expected <= set(cube.variables)
        assert cube.flux.dtype == np.float32
        assert cube.mask.dtype == np.uint8
        assert cube.time.dtype == np.float64
        assert cube.attrs["reference"] == 2400000.5
        assert cube.attrs["time_scale"] == "BJD_TDB"
        assert cube.attrs["target"] == "EPHEMERA-1"
        assert {"version", "instrument", "detector", "order", "files"} <= set(cube.attrs)
        one = read_series_file(products / "series.h5")[0]
        np.testing.assert_array_equal(cube.flux.values, one.flux.T)
        np.testing.assert_array_equal(cube.mask.values, one.mask.T)
        np.testing.assert_allclose(cube.normalised.values, normalise(one).matrix().T, rtol=1e-6)


def test_several_series_have_a_group_each(tmp_path):
    simulate(tmp_path / "source", SCENARIOS["two_visits"])
    folder = run_steps(tmp_path / "out", tmp_path / "source", until="series")
    for name in ("NRS1-order1", "NRS2-order1"):
        with xarray.open_dataset(folder / "products" / "cube.h5", engine="h5netcdf", group=name) as cube:
            assert cube.attrs["detector"] == name[:4]
            assert sorted(set(cube.visit.values.tolist())) == [1, 2]


def test_light_curves_in_both_formats(products):
    ecsv = read(products / "products" / "white_light.ecsv", LIGHT_CURVES)
    csv = read(products / "products" / "white_light.csv", LIGHT_CURVES)
    assert ecsv.equals(csv)
    one = read_series_file(products / "series.h5")[0]
    assert ecsv["flux_norm"].to_numpy() == pytest.approx(light_curve(one).flux, rel=1e-9)
    assert set(ecsv["time_scale"].to_pylist()) == {"BJD_TDB - 2400000.5"}
    assert ecsv["hours"].to_pylist()[0] == 0
    bands = read(products / "products" / "bands.ecsv", LIGHT_CURVES)
    assert set(bands["band"].to_pylist()) == {"Variable", "</script><b>x"}


def test_astropy_reads_the_tables_with_units(products):
    from astropy.table import Table

    table = Table.read(products / "products" / "white_light.ecsv")
    assert str(table["time"].unit) == "d"
    assert table.meta["flux_unit"] == "Jy"
    assert len(Table.read(products / "products" / "spectrum_median.ecsv")) == 40


def test_median_spectrum(products):
    table = read(products / "products" / "spectrum_median.ecsv", SPECTRUM)
    store = read_analyses(products / "analysis.h5")
    flux = np.array(table["flux"].to_pylist(), float)
    np.testing.assert_array_equal(flux, store.analyses[0].median)


def test_long_matrix_only_when_small(products, tmp_path, caplog, monkeypatch):
    table = read(products / "products" / "matrix.csv", MATRIX)
    assert len(table) == 60 * 40
    store, series = read_analyses(products / "analysis.h5"), read_series_file(products / "series.h5")
    monkeypatch.setattr("ephemera.jwst.series.MOST_CELLS_CSV", 100)
    with caplog.at_level("INFO"):
        write_matrix(tmp_path, store.analyses, series)
    assert not (tmp_path / "matrix.csv").exists()
    assert "cube.h5" in caplog.text


def test_documents(products):
    quality = json.loads((products / "products" / "quality.json").read_text())
    assert {"beta", "flags", "completeness", "channel", "amplitude_percent", "transit"} <= set(
        quality["NIS-order1"]
    )
    metadata = json.loads((products / "products" / "metadata.json").read_text())
    assert metadata["shown"][0]["integrations"] == 60
    assert metadata["n_integrations_read"] == 60
    assert any("Nowhere" in warning for warning in metadata["warnings"])


def test_store_comes_back(products):
    store = read_analyses(products / "analysis.h5")
    one = store.analyses[0]
    assert list(one.curves) == [WHITE, "Variable", "</script><b>x"]
    norm = one.normalised(read_series_file(products / "series.h5")[0])
    assert light_curve(norm).flux == pytest.approx(one.curves[WHITE].flux)


def test_ranges_cut_after_normalisation(tmp_path, small):
    simulate(tmp_path / "source", small)
    whole = run_steps(tmp_path / "a", tmp_path / "source", until="series")
    ranges = {"series": {"wavelength_range": [1.0, 2.0], "time_range": [None, 2.0]}}
    part = run_steps(tmp_path / "b", tmp_path / "source", ranges, until="series")
    a, b = (read_analyses(folder / "analysis.h5").analyses[0] for folder in (whole, part))
    assert b.wavelength[[0, -1]] == pytest.approx([1.0, 2.0], abs=0.05)
    assert b.hours[-1] <= 2.0
    np.testing.assert_array_equal(b.median, a.median[b.channels])


def test_empty_range_is_an_outcome_that_names_what_is_there(tmp_path, small):
    simulate(tmp_path / "source", small)
    folder = run_steps(tmp_path / "a", tmp_path / "source", {"series": {"wavelength_range": [7.0, 8.0]}})
    store = read_analyses(folder / "analysis.h5")
    assert store.facts["outcome"] == "bad_range"
    assert "wavelength from 0.85 to 2.8 um is available" in store.facts["detail"]
    assert "is available" in (folder / "pages" / "combined.html").read_text()


def test_masks_survive_to_the_export(products):
    with xarray.open_dataset(products / "products" / "cube.h5", engine="h5netcdf") as cube:
        masked = cube.mask.values & 4
        assert masked.any(axis=0).sum() == 2
        assert np.isnan(cube.flux.values[masked > 0]).all()
        assert np.isnan(cube.normalised.values[masked > 0]).all()


def test_nirspec_detectors_can_be_stitched(tmp_path):
    simulate(tmp_path / "source", SCENARIOS["two_visits"])
    folder = run_steps(
        tmp_path / "out", tmp_path / "source", {"read": {"stitch": ["NRS1", "NRS2"]}}, until="read"
    )
    one = read_series_file(folder / "series.h5")
    assert len(one) == 1
    assert one[0].detector == "NRS1+NRS2"
    assert one[0].flux.shape == (100, 80)
    gap = np.diff(one[0].wavelength)
    assert one[0].wavelength[gap.argmax()] == pytest.approx(3.72)
    assert gap.max() == pytest.approx(0.1)


def test_overrides_of_a_dataset(tmp_path, small):
    simulate(tmp_path / "source", small)
    options = {"datasets": {"unit": {"series": {"formats": ["hdf5"]}}}}
    folder = run_steps(tmp_path / "out", tmp_path / "source", options, until="series")
    assert not (folder / "products" / "white_light.csv").exists()
    assert (folder / "products" / "cube.h5").exists()


def test_reading_has_the_gap_between_visits_of_its_dataset():
    options = {"unit": {"series": {"visit_gap_hours": 3.0, "formats": ["hdf5"]}, "read": {"outliers": True}}}
    jwst = Jwst.model_validate({"datasets": options})
    assert not jwst.overrides("figures")
    assert jwst.overrides("read") == {"unit": {"outliers": True, "visit_gap_hours": 3.0}}
    assert (
        merged({"visit_gap_hours": 0.5, "datasets": jwst.overrides("read")}, "unit")["visit_gap_hours"] == 3
    )
