"""MAST files in both layouts: samples of the pipeline's own writer, then every oddity."""

from dataclasses import replace

import numpy as np
import pytest

from builders.jwst_files import CADENCE, START, product, rows, spectra
from ephemera.jwst.inputs import Reading, read_files
from ephemera.jwst.read import read_dataset, read_series
from ephemera.jwst.simulate_fits import card

SAMPLES = "jwst/schema_examples"


def both(shared_data):
    folder = shared_data / SAMPLES
    names = ("new_layout_soss_2seg_2order_x1dints.fits", "old_layout_soss_2order_x1dints.fits")
    return [read_series([folder / name]) for name in names]


def test_new_and_old_layout_hold_the_same_numbers(shared_data):
    new, old = both(shared_data)
    assert [one.flux.shape for one in new] == [(155, 30), (86, 30)]
    for a, b in zip(new, old, strict=True):
        assert (a.order, a.detector) == (b.order, b.detector)
        for name in ("flux", "error", "mask", "time", "wavelength", "integration_number"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def test_sample_values(shared_data):
    first, second = both(shared_data)[0]
    mean = first.flux.astype(float).mean(axis=0)
    assert mean.min() == pytest.approx(0.979037, abs=1e-6)
    assert mean.argmin() == 15
    assert first.time[15] == pytest.approx(59743.34931152, abs=1e-8)
    assert second.flux.astype(float).mean(axis=0).min() == pytest.approx(0.977449, abs=1e-6)
    assert np.median(np.diff(first.hours)) == pytest.approx(0.244136, abs=1e-6)


def test_nirspec_pair(shared_data):
    one, two = read_series([shared_data / SAMPLES / "new_layout_nirspec_2detector_x1dints.fits"])
    assert (one.detector, one.flux.shape) == ("NRS1", (86, 30))
    assert (two.detector, two.flux.shape) == ("NRS2", (155, 30))
    assert one.wavelength[[0, -1]] == pytest.approx([2.87, 3.72], abs=0.005)
    assert two.wavelength[[0, -1]] == pytest.approx([3.82, 5.17], abs=0.005)
    assert np.abs(two.time - one.time) == pytest.approx(3.0e-7, abs=1e-8)


def test_utc_is_earlier_than_barycentric_time(shared_data):
    contents = read_files([shared_data / SAMPLES / "old_layout_soss_2order_x1dints.fits"], Reading())
    table = contents.pieces[0].clocks.table
    assert table.mid_utc[0] == pytest.approx(59743.19272653, abs=1e-8)
    assert table.mid_tdb[0] == pytest.approx(59743.19672653, abs=1e-8)


@pytest.mark.parametrize("layout", ["new", "old"])
def test_round_trip_of_both_layouts(tmp_path, layout):
    one = spectra()
    path = product(tmp_path / "a.fits", one, layout=layout)
    found = read_series([path])[0]
    assert read_series(str(path))[0].files == found.files
    np.testing.assert_array_equal(found.flux.T, one.flux.astype(np.float32))
    np.testing.assert_array_equal(found.error.T, one.error.astype(np.float32))
    np.testing.assert_array_equal(found.time, one.tdb)
    assert found.target == "TEST"
    assert found.flux.dtype == np.float32


def test_segments_in_any_order_give_the_same_series(tmp_path):
    one = spectra(30)
    parts = [rows(one, slice(a, a + 10)) for a in (0, 10, 20)]
    paths = [product(tmp_path / f"seg{k}.fits", part) for k, part in enumerate(parts)]
    whole, again = read_series(paths)[0], read_series(paths[::-1])[0]
    assert whole.files == again.files
    for name in ("flux", "error", "mask", "time", "integration_number", "flags"):
        assert getattr(whole, name).tobytes() == getattr(again, name).tobytes()
    np.testing.assert_array_equal(whole.integration_number, np.arange(1, 31))


def test_all_extensions_are_read_not_only_the_first(tmp_path):
    one = spectra(20)
    path = product(tmp_path / "a.fits", rows(one, slice(0, 10)), rows(one, slice(10, 20)))
    assert read_series([path])[0].flux.shape == (30, 20)


def test_one_table_without_times_is_not_one_long_spectrum(tmp_path):
    found = read_series([product(tmp_path / "a.fits", spectra(30), times=False)])[0]
    assert found.flux.shape == (30, 30)
    assert found.time[0] == pytest.approx(START)
    assert found.time_scale == "BJD_TDB"


def test_padding_is_cut_off(tmp_path):
    one = spectra()
    found = read_series([product(tmp_path / "a.fits", one, padding=7)])[0]
    np.testing.assert_array_equal(found.wavelength, one.wavelength)
    assert found.valid.all()


def test_segment_that_starts_late(tmp_path):
    found = read_series([product(tmp_path / "a.fits", spectra(10, first=101))])[0]
    np.testing.assert_array_equal(found.integration_number, np.arange(101, 111))


def test_other_units_are_kept(tmp_path):
    assert read_series([product(tmp_path / "a.fits", spectra(unit="DN/s"))])[0].flux_unit == "DN/s"


def test_full_julian_dates_are_reduced(tmp_path):
    one = spectra()
    found = read_series([product(tmp_path / "a.fits", replace(one, tdb=one.tdb + 2400000.5))])[0]
    assert found.time == pytest.approx(one.tdb, abs=1e-8)


def test_three_orders_in_permuted_extensions(tmp_path):
    orders = [spectra(order=k, low=k, high=k + 0.5) for k in (2, 3, 1)]
    found = read_series([product(tmp_path / "a.fits", *orders, layout="old")])
    assert [one.order for one in found] == [1, 2, 3]
    np.testing.assert_array_equal(found[0].flux.T, orders[2].flux.astype(np.float32))


def test_do_not_use_masks_and_other_bits_only_when_asked(tmp_path):
    one = spectra()
    one.quality[3, 4], one.quality[5, 6] = 1, 4
    path = product(tmp_path / "a.fits", one)
    found = read_series([path])[0]
    assert found.mask[4, 3] == 4
    assert np.isnan(found.flux[4, 3])
    assert found.mask[6, 5] == 0
    assert read_series([path], Reading(dq_bits=(0, 2)))[0].mask[6, 5] == 4


def test_missing_errors_leave_the_flux_valid(tmp_path):
    one = spectra()
    error = one.error.copy()
    error[2, 3], error[4, 5] = 0.0, np.nan
    found = read_series([product(tmp_path / "a.fits", replace(one, error=error))])[0]
    assert found.mask[3, 2] == found.mask[5, 4] == 16
    assert np.isnan(found.error[3, 2])
    assert np.isfinite(found.flux[3, 2])
    assert found.valid[3, 2]


def test_nothing_is_filled_in(tmp_path):
    one = spectra()
    one.flux[:, 7] = np.nan
    one.flux[3, 0] = np.inf
    found = read_series([product(tmp_path / "a.fits", one)])[0]
    assert np.isnan(found.flux[7]).all()
    assert (found.mask[7] & 2).all()
    assert np.isnan(found.flux[0, 3])


def test_descending_wavelengths_are_turned(tmp_path):
    one = spectra()
    turned = replace(one, wavelength=one.wavelength[::-1].copy(), flux=one.flux[:, ::-1].copy())
    found = read_series([product(tmp_path / "a.fits", turned)])[0]
    np.testing.assert_array_equal(found.wavelength, one.wavelength)
    np.testing.assert_array_equal(found.flux.T, one.flux.astype(np.float32))


def test_few_valid_channels_mask_an_integration_but_keep_it(tmp_path):
    one = spectra()
    one.flux[4, :25] = np.nan
    found = read_series([product(tmp_path / "a.fits", one)])[0]
    assert len(found.time) == 20
    assert not found.valid[:, 4].any()
    assert found.flags[4] & 4


def test_file_cut_short_gives_what_is_whole(tmp_path):
    path = product(tmp_path / "a.fits", spectra(40))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.6)])
    result, outcome = read_dataset([path], ["a.fits"], {})
    assert outcome.value == "ok"
    lost = sum(problem.n_lost for problem in result.problems)
    assert 0 < len(result.series[0].time) < 40
    assert len(result.series[0].time) + lost == 40
    assert result.n_read == result.n_used + lost


def test_old_file_cut_short_gives_whole_extensions(tmp_path):
    path = product(tmp_path / "a.fits", spectra(12), layout="old")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * 0.52)])
    result, _ = read_dataset([path], ["a.fits"], {})
    assert 3 <= len(result.series[0].time) < 12
    assert any(problem.code == "truncated" for problem in result.problems)


def test_unusual_tables_go_the_slow_way(tmp_path):
    from astropy.io import fits

    one = spectra(5, 12)
    lists = np.empty(5, object)
    waves = np.empty(5, object)
    for k in range(5):
        lists[k], waves[k] = one.flux[k], one.wavelength
    columns = [
        fits.Column("INT_NUM", "J", array=one.number),
        fits.Column("WAVELENGTH", "PD()", unit="um", array=waves),
        fits.Column("FLUX", "PD()", unit="Jy", array=lists),
        fits.Column("TDB-MID", "D", array=one.tdb),
    ]
    table = fits.BinTableHDU.from_columns(columns, name="EXTRACT1D")
    path = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    found = read_series([path])[0]
    np.testing.assert_array_equal(found.flux.T, one.flux.astype(np.float32))
    assert np.isnan(found.error).all()


def test_scaled_columns_are_honoured(tmp_path):
    from astropy.io import fits

    one = spectra(4, 12)
    stored = np.rint((one.flux - 2) * 1e4).astype(np.int16)
    columns = [
        fits.Column("INT_NUM", "J", array=one.number),
        fits.Column("WAVELENGTH", "12D", unit="um", array=np.tile(one.wavelength, (4, 1))),
        fits.Column("FLUX", "12I", unit="Jy", array=stored),
        fits.Column("TDB-MID", "D", array=one.tdb),
    ]
    path = tmp_path / "a.fits"
    stored[1, 2] = -32768
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name="EXTRACT1D")]).writeto(path)
    cards = b"".join(card(*pair) for pair in (("TSCAL3", 1e-4), ("TZERO3", 2.0), ("TNULL3", -32768)))
    content = path.read_bytes()
    end = content.rindex(b"END" + b" " * 77)
    room = content[end + 80 : end + 80 + len(cards)]
    assert not room.strip(), "the header has no room for more cards"
    path.write_bytes(content[:end] + cards + content[end : end + 80] + content[end + 80 + len(cards) :])
    found = read_series([path])[0]
    expected = stored * 1e-4 + 2
    expected[1, 2] = np.nan
    np.testing.assert_allclose(found.flux.T, expected, rtol=1e-6)


def test_gzip_is_read(tmp_path):
    import gzip

    path = product(tmp_path / "a.fits")
    packed = tmp_path / "b.fits.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    np.testing.assert_array_equal(read_series([packed])[0].flux, read_series([path])[0].flux)


def test_fast_reader_is_that_of_astropy(shared_data):
    from astropy.io import fits

    path = shared_data / SAMPLES / "new_layout_nirspec_2detector_x1dints.fits"
    found = read_series([path])
    with fits.open(path) as units:
        tables = [unit.data for unit in units if unit.name == "EXTRACT1D"]
        for one, table in zip(found, tables, strict=True):
            np.testing.assert_array_equal(one.flux.T, table["FLUX"].astype(np.float32))
            np.testing.assert_array_equal(one.time, table["TDB-MID"])


def test_cadence_of_the_builder():
    assert pytest.approx(60 / 86400) == CADENCE
