"""Bad inputs become rows, and the rest goes on; read = used + refused."""

from dataclasses import replace

import numpy as np
import pytest

from builders.jwst_files import KEYWORDS, product, rows, spectra
from ephemera.jwst import simulate_fits as f
from ephemera.jwst.assemble import Assembly, MaskedBox
from ephemera.jwst.page_parts import lead
from ephemera.jwst.problems import BAD_INPUTS, problem_columns
from ephemera.jwst.read import read_dataset, read_series, summary
from ephemera.tables import read as read_table
from ephemera.tables import write


def dataset(*paths, **options):
    return read_dataset(list(paths), [path.name for path in paths], {}, None, Assembly(**options))


def codes(result):
    return sorted({problem.code for problem in result.problems})


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("a.fits", b"", "empty_file"),
        ("a.fits", b"hello, this is no FITS file" * 200, "not_fits"),
        ("a.h5", b"\x89HDF\r\n\x1a\n" + b"\0" * 100, "not_hdf5"),
        ("a.fits", b"SIMPLE  =                    T" + b" " * 100, "truncated"),
        ("a.zip", b"PK\x03\x04 not really", "zip_damaged"),
        ("a.zip", b"nothing of the kind", "zip_damaged"),
        ("a.fits.gz", b"\x1f\x8b broken", "damaged"),
    ],
)
def test_broken_files_are_rows_and_others_go_on(tmp_path, name, content, code):
    bad = tmp_path / name
    bad.write_bytes(content)
    good = product(tmp_path / "good.fits")
    result, outcome = dataset(bad, good)
    assert outcome.value == "ok"
    assert codes(result) == [code]
    assert len(result.series) == 1


def test_file_without_spectra(tmp_path):
    path = tmp_path / "a.fits"
    with path.open("wb") as file:
        f.write_primary(file, KEYWORDS)
        f.write_int_times(file, spectra())
    result, outcome = dataset(path)
    assert (outcome.value, codes(result)) == ("no_series", ["no_spectra"])
    assert "INT_TIMES" in result.problems[0].message


def test_averaged_products_are_refused(tmp_path):
    from astropy.io import fits

    one = spectra(1)
    columns = [
        fits.Column("WAVELENGTH", "D", unit="um", array=one.wavelength),
        fits.Column("FLUX", "D", unit="Jy", array=one.flux[0]),
    ]
    path = tmp_path / "x1d.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns, name="EXTRACT1D")]).writeto(path)
    assert codes(dataset(path)[0]) == ["averaged"]


@pytest.mark.parametrize("missing", ["WAVELENGTH", "FLUX"])
def test_missing_columns_are_refused(tmp_path, missing):
    path = product(tmp_path / "a.fits")
    other = "X" * len(missing)
    content = path.read_bytes()
    for name, new in ((f"'{missing:<8}'", f"'{other:<8}'"),):
        content = content.replace(name.encode(), new.encode(), 1)
    path.write_bytes(content)
    result, outcome = dataset(path)
    assert (outcome.value, codes(result)) == ("no_series", ["no_columns"])


def test_one_integration_and_one_channel_work(tmp_path):
    assert read_series([product(tmp_path / "a.fits", spectra(1))])[0].flux.shape == (30, 1)
    assert read_series([product(tmp_path / "b.fits", spectra(12, 1))])[0].flux.shape == (1, 12)


def test_all_nan_is_refused_with_counts(tmp_path):
    one = spectra(10)
    result, outcome = dataset(
        product(tmp_path / "a.fits", replace(one, flux=np.full(one.flux.shape, np.nan)))
    )
    assert (outcome.value, codes(result)) == ("no_series", ["all_masked"])
    assert "10 integrations of 30 channels" in result.problems[0].message


def test_units_of_two_kinds_are_an_error(tmp_path):
    result, outcome = dataset(
        product(tmp_path / "a.fits", spectra()), product(tmp_path / "b.fits", spectra(first=21, unit="DN/s"))
    )
    assert (outcome.value, codes(result)) == ("mixed_units", ["mixed_units"])
    assert "DN/s and Jy" in result.problems[0].message


def test_units_of_one_kind_are_converted(tmp_path):
    second = spectra(first=21, unit="mJy")
    found = read_series(
        [
            product(tmp_path / "a.fits", spectra()),
            product(tmp_path / "b.fits", replace(second, flux=second.flux * 1000, error=second.error * 1000)),
        ]
    )
    assert len(found) == 1
    assert found[0].flux_unit == "Jy"
    assert np.median(found[0].flux[:, 20:]) == pytest.approx(2, abs=0.01)


def test_two_targets_become_two_series(tmp_path):
    a = product(tmp_path / "a.fits")
    b = product(tmp_path / "b.fits", keywords={"TARGNAME": "OTHER"})
    result, _ = dataset(a, b)
    assert [one.target for one in result.series] == ["OTHER", "TEST"]
    assert "several_targets" in codes(result)


def test_too_large_is_said(tmp_path):
    result, outcome = dataset(product(tmp_path / "a.fits"), max_integrations=10)
    assert outcome.value == "too_large"
    assert "20 integrations; at most 10" in result.problems[0].message


def test_orders_and_detectors_can_be_chosen(tmp_path):
    path = product(tmp_path / "a.fits", spectra(order=1), spectra(order=2, low=3, high=4))
    assert [one.order for one in dataset(path, orders=(2,))[0].series] == [2]
    assert not dataset(path, detectors=("NRS1",))[0].series


def test_cells_masked_by_hand(tmp_path):
    one = spectra()
    box = MaskedBox((1.0, 1.2), (one.tdb[3], one.tdb[5]))
    found = dataset(product(tmp_path / "a.fits", one), masked=(box,))[0].series[0]
    chosen = (found.mask & 64) > 0
    assert chosen.any(axis=0).sum() == 3
    assert np.isnan(found.flux[chosen]).all()


def test_outliers_are_masked_when_asked(tmp_path):
    one = spectra(60, 40)
    one.flux[30, 11] *= 1.5
    path = product(tmp_path / "a.fits", one)
    assert dataset(path)[0].series[0].valid.all()
    found = dataset(path, outliers=True)[0].series[0]
    assert found.mask[11, 30] == 32
    assert ((found.mask & 32) > 0).mean() < 0.01


def test_summary_counts(tmp_path):
    one = spectra(20)
    paths = [
        product(tmp_path / "a.fits", rows(one, slice(0, 12))),
        product(tmp_path / "b.fits", rows(one, slice(8, 20))),
    ]
    result, outcome = dataset(*paths)
    facts = summary(result, outcome, 2)
    assert (facts["n_integrations_read"], facts["n_integrations_used"], facts["n_integrations_refused"]) == (
        24,
        20,
        4,
    )
    assert facts["series"][0]["cadence_s"] == pytest.approx(60)


def test_rows_are_a_table(tmp_path):
    bad = tmp_path / "bad\nname.fits"
    bad.write_bytes(b"")
    result, _ = dataset(bad)
    path = tmp_path / "bad_inputs.ecsv"
    write(problem_columns(result.problems), BAD_INPUTS, path)
    assert read_table(path, BAD_INPUTS)["code"].to_pylist() == ["empty_file"]


def test_nothing_usable_raises_with_reasons(tmp_path):
    path = tmp_path / "a.fits"
    path.write_bytes(b"")
    with pytest.raises(
        ValueError, match=r"no series could be made \(no_series\): a.fits: the file has no bytes"
    ):
        read_series([path])


def test_folder_is_searched_below_and_links_out_of_it_are_not_followed(tmp_path):
    inside = tmp_path / "data" / "deep"
    inside.mkdir(parents=True)
    product(inside / "A.FITS")
    outside = product(tmp_path / "outside.fits")
    (inside / "link.fits").symlink_to(outside)
    (inside / "notes.txt").write_text("x")
    assert len(read_series([tmp_path / "data"])[0].time) == 20


def test_a_masked_cell_is_counted_once_and_one_without_error_is_not_masked(tmp_path):
    one = spectra()
    one.error[:, 5] = np.nan
    one.quality[3, 4], one.flux[3, 4] = 1, np.nan
    facts = summary(*dataset(product(tmp_path / "a.fits", one)), 1)
    assert facts["series"][0]["n_masked"] == 1
    assert sum(facts["series"][0]["masked"].values()) == 22
    assert "1 file and 20 integrations read: 20 used, 0 refused; 1 cell masked." in lead(facts)
