"""Damaged and hostile files end with a row, whatever is wrong; odd but good ones are read silently."""

import random
from dataclasses import replace

import h5py
import numpy as np
import pytest

from builders.jwst_files import CADENCE, START, product, spectra
from ephemera.jwst.clocks import rows_of
from ephemera.jwst.inputs import Reading
from ephemera.jwst.observation import Clocks, IntTimes, Piece, Series
from ephemera.jwst.problems import Outcome
from ephemera.jwst.read import read_dataset, read_series
from ephemera.jwst.simulate import SCENARIOS, simulate
from ephemera.jwst.stitch import stitch

#: What a slip of a disk or a hand puts into headers.
SIGNS = b"0123456789'=- DEJPQT"


def read(path):
    return read_dataset([path], [path.name], {})


def damaged(content, draw):
    """Some bytes changed, most of them where headers are; sometimes cut."""
    found = bytearray(content)
    for _ in range(draw.choice([1, 2, 8, 30])):
        place = draw.randrange(min(len(found), draw.choice([9000, len(found)])))
        found[place] = draw.choice(SIGNS) if draw.random() < 0.5 else draw.randrange(256)
    return bytes(found[: draw.randrange(1, len(found))] if draw.random() < 0.2 else found)


def original(folder, kind):
    """A small good file of each kind that is read."""
    if kind in ("new", "old"):
        return product(folder / "good.fits", spectra(5, 12), spectra(5, 12, order=2, low=3), layout=kind)
    if kind == "eureka":
        simulate(folder / "eureka", replace(SCENARIOS["eureka"], n_integrations=5))
        return next(path for path in (folder / "eureka").iterdir() if path.suffix == ".h5")
    from astropy.io import fits

    images = {
        "TIME_O1": START + CADENCE * np.arange(6), "WAVE_O1": np.linspace(1, 2, 12),
        "OOTM_O1": np.ones(6, "i4"), "DATA_O1": np.ones((2, 12, 6)), "MASK_O1": np.ones((12, 6), "i4"),
    }  # fmt: skip
    units = [fits.PrimaryHDU(), *(fits.ImageHDU(values, name=name) for name, values in images.items())]
    fits.HDUList(units).writeto(folder / "good.fits")
    return folder / "good.fits"


@pytest.mark.parametrize("kind", ["new", "old", "exoiris", "eureka"])
def test_whatever_is_damaged_the_reader_ends_with_an_outcome(tmp_path, kind):
    good = original(tmp_path, kind)
    assert read(good)[1] is Outcome.OK
    content, draw, refused = good.read_bytes(), random.Random(7), 0
    path = tmp_path / f"damaged{good.suffix}"
    for _ in range(60):
        path.write_bytes(damaged(content, draw))
        result, outcome = read(path)
        assert result.n_read == result.n_used + sum(problem.n_lost for problem in result.problems)
        refused += outcome is not Outcome.OK
        assert outcome is Outcome.OK or result.problems
    assert 0 < refused < 60


def test_masks_of_another_shape_are_refused(tmp_path):
    from astropy.io import fits

    path = original(tmp_path, "exoiris")
    with fits.open(path, mode="update") as units:
        units["OOTM_O1"].data = np.ones(9, "i4")
    result, _ = read(path)
    assert [(p.code, "OOTM_O1 has shape (9,)" in p.message) for p in result.problems] == [("bad_shape", True)]


def test_a_dataset_that_would_fill_the_memory_is_refused_before_it_is_read(tmp_path):
    path = tmp_path / "bomb.h5"
    with h5py.File(path, "w") as handle:
        handle["time"], handle["wave_1d"] = START + np.arange(5.0), np.linspace(1, 2, 6)
        handle.create_dataset("optspec", (10**6, 10**6), "f8", chunks=(1000, 1000))
    assert path.stat().st_size < 100_000
    result, outcome = read(path)
    assert outcome is Outcome.TOO_LARGE
    assert "optspec has 1000000000000 cells" in result.problems[0].message


def test_a_table_above_the_limit_is_refused_before_it_is_read(tmp_path):
    path = product(tmp_path / "a.fits")
    result, outcome = read_dataset([path], [path.name], {}, Reading(cells=500))
    assert outcome is Outcome.TOO_LARGE
    assert "20 integrations of 30 channels; at most 500 cells" in result.problems[0].message
    assert (result.n_read, result.n_used) == (20, 0)


def test_text_where_numbers_belong_is_not_taken_for_a_time(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as handle:
        handle["wave_1d"], handle["optspec"] = np.linspace(1, 2, 6), np.ones((3, 6))
        handle["time"] = ["2022-06-01", "2022-06-02", "2022-06-03"]
    result, _ = read(path)
    assert [problem.code for problem in result.problems] == ["unknown_names"]


@pytest.mark.parametrize("layout", ["new", "old"])
def test_hdrtab_present_and_asdf_missing_work_silently(tmp_path, layout):
    from astropy.io import fits

    plain = product(tmp_path / "plain.fits", layout=layout)
    with fits.open(plain) as units:
        kept = [unit for unit in units if unit.name != "ASDF"]
        assert len(kept) == len(units) - 1
        table = fits.BinTableHDU.from_columns(
            [
                fits.Column("FILENAME", "40A", array=["jw1_seg001.fits", "jw1_seg002.fits"]),
                fits.Column("INTSTART", "J", array=[1, 11]),
                fits.Column("FLUX", "D", array=[1.0, 2.0]),
            ],
            name="HDRTAB",
        )
        fits.HDUList([*kept, table]).writeto(tmp_path / "with.fits")
    result, outcome = read(tmp_path / "with.fits")
    assert (outcome, result.problems) == (Outcome.OK, [])
    np.testing.assert_array_equal(result.series[0].flux, read_series([plain])[0].flux)


def test_a_file_without_errors_is_accepted_with_none(tmp_path):
    path = product(tmp_path / "a.fits")
    content = path.read_bytes()
    for name in ("FLUX_ERROR", "FLUX_VAR_POISSON", "FLUX_VAR_RNOISE", "FLUX_VAR_FLAT"):
        content = content.replace(f"'{name:<8}'".encode(), f"'{'X' * len(name):<8}'".encode(), 1)
    path.write_bytes(content)
    found = read_series([path])[0]
    assert np.isnan(found.error).all()
    assert (found.mask == 16).all()
    assert np.isfinite(found.flux).all()


def test_without_an_error_column_variances_make_one(tmp_path):
    path = product(tmp_path / "a.fits")
    path.write_bytes(path.read_bytes().replace(b"'FLUX_ERROR'", b"'XXXXXXXXXX'", 1))
    np.testing.assert_allclose(read_series([path])[0].error, 0.01, rtol=1e-6)


def piece(numbers, starts):
    """Integrations of which only numbers and start times matter."""
    n = len(numbers)
    nothing = np.full(n, np.nan)
    return Piece(
        "a", "EXTRACT1D,1", "NIS", 1, np.ones((n, 3), "f4"), np.ones((n, 3), "f4"), np.zeros((n, 3), "u1"),
        np.ones((1, 3)), np.zeros(n, int), np.array(numbers), Clocks(nothing, nothing, np.array(starts)),
        "Jy", {},
    )  # fmt: skip


def test_rows_of_int_times_by_number_by_count_and_by_nearest_start():
    starts = START + CADENCE * np.arange(10)
    table = IntTimes(np.arange(1, 11), starts, starts, starts)
    repeated = IntTimes(np.ones(10, int), starts, starts, starts)
    late = starts[3:6] + 0.4 * CADENCE
    assert rows_of(piece([4, 5, 6], late), table).tolist() == [3, 4, 5]
    assert rows_of(piece(np.ones(10, int), starts), repeated).tolist() == list(range(10))
    assert rows_of(piece([1, 1, 1], late), repeated).tolist() == [3, 4, 5]
    assert rows_of(piece([1, 1, 1], starts[3:6] + 1.0), repeated) is None


def one_detector(name, low, high, error, n=6):
    wavelength = np.linspace(low, high, 11)
    flux = np.ones((11, n), np.float32)
    return Series(
        wavelength, START + CADENCE * np.arange(n), "BJD_TDB", flux, flux * np.float32(error),
        np.zeros((11, n), np.uint8), name, 1, np.arange(1, n + 1), "Jy", np.zeros(n, np.uint8), "T",
    )  # fmt: skip


def test_overlap_of_detectors_is_kept_from_the_better_one():
    good, bad = one_detector("NRS1", 1.0, 2.0, 0.01), one_detector("NRS2", 1.8, 2.8, 0.1)
    (joined,), problems = stitch([good, bad], ["NRS1", "NRS2"])
    assert not problems
    assert (np.diff(joined.wavelength) > 0).all()
    inside = (joined.wavelength >= 1.8) & (joined.wavelength <= 2.0)
    assert np.allclose(joined.error[inside], 0.01)
    assert np.allclose(joined.error[joined.wavelength > 2.0], 0.1)


def test_integrations_without_a_partner_are_counted_as_lost():
    left, right = one_detector("NRS1", 1, 2, 0.01), one_detector("NRS2", 3, 4, 0.01, n=4)
    (joined,), problems = stitch([left, right], ["NRS1", "NRS2"])
    assert len(joined.time) == 4
    assert [(p.code, p.n_lost) for p in problems] == [("no_partner", 2)]


def test_detectors_that_were_never_observed_together_stay_apart():
    left, right = one_detector("NRS1", 1, 2, 0.01), one_detector("NRS2", 3, 4, 0.01)
    found, problems = stitch([left, replace(right, time=right.time + 5)], ["NRS1", "NRS2"])
    assert [one.detector for one in found] == ["NRS1", "NRS2"]
    assert [(p.code, p.n_lost) for p in problems] == [("not_stitched", 0)]


def test_a_detector_inside_another_is_joined_channel_by_channel():
    wide, narrow = one_detector("NRS1", 1.0, 4.0, 0.1), one_detector("NRS2", 2.0, 3.0, 0.01)
    (joined,), _ = stitch([wide, narrow], ["NRS1", "NRS2"])
    assert (np.diff(joined.wavelength) > 0).all()
    inside = (joined.wavelength >= 2.0) & (joined.wavelength <= 3.0)
    assert np.allclose(joined.error[inside], 0.01)
    assert np.allclose(joined.error[~inside], 0.1)
    assert joined.wavelength[-1] == 4.0


def table_of(path, **columns):
    """An EXTRACT1D table of columns {name: (format, values)}."""
    from astropy.io import fits

    units = {"WAVELENGTH": "um", "FLUX": "Jy"}
    made = [
        fits.Column(name, kind, unit=units.get(name), array=values)
        for name, (kind, values) in columns.items()
    ]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(made, name="EXTRACT1D")]).writeto(path)
    return path


def test_columns_of_another_length_than_the_flux_are_refused(tmp_path):
    flux = np.ones((4, 12))
    path = table_of(tmp_path / "a.fits", WAVELENGTH=("12D", flux), FLUX=("12D", flux), DQ=("5J", flux[:, :5]))
    result, outcome = read(path)
    assert (outcome.value, result.n_read) == ("no_series", 4)
    assert [(p.code, p.message) for p in result.problems] == [
        ("bad_shape", "FLUX has 12 elements a row, but DQ 5")
    ]


def test_columns_without_elements_are_none(tmp_path):
    flux, wave = np.full((4, 12), 2.0), np.tile(np.linspace(1, 2, 12), (4, 1))
    path = table_of(
        tmp_path / "a.fits",
        WAVELENGTH=("12D", wave),
        FLUX=("12D", flux),
        FLUX_ERROR=("0D", None),
        INT_NUM=("J", np.arange(1, 5)),
        **{"TDB-MID": ("D", START + CADENCE * np.arange(4))},
    )
    (found,), outcome = read(path)[0].series, read(path)[1]
    assert outcome is Outcome.OK
    assert np.isnan(found.error).all()


def test_a_wavelength_unit_that_is_guessed_is_said(tmp_path):
    path = product(tmp_path / "a.fits")
    path.write_bytes(path.read_bytes().replace(b"'um      '", b"'        '"))
    result, outcome = read(path)
    assert outcome is Outcome.OK
    (said,) = {(p.code, p.n_lost) for p in result.problems}
    assert said == ("guessed_unit", 0)
