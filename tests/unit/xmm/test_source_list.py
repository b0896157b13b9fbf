import gzip
from dataclasses import fields, replace

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from ephemera.sky.tan import to_sky
from ephemera.xmm import simulate_hostile_sources as hostile
from ephemera.xmm.grid import PixelGrid
from ephemera.xmm.source_list import SourceListUnreadable, read_source_list
from ephemera.xmm.source_mask import SourceList, mask_radii, source_mask

RA0, DEC0 = 195.361708333333, 27.7594166666667
GRID = PixelGrid()


def write_list(path, name="SRCLIST", **columns):
    """An OBSMLI-like file with these columns, each big-endian single precision as in the product."""
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column(key, "D" if key.upper() in {"RA", "DEC"} else "E", array=values)
            for key, values in columns.items()
        ],
        name=name,
    )
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    return path


def sources_at(x, y, rate=0.01, det_ml=100.0, extent=0.0):
    """Sources at pixel coordinates of the 20 arcsec grid."""
    x, y = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
    ra, dec = to_sky(GRID.centre(x, "x"), GRID.centre(y, "y"), RA0, DEC0)
    values = {"ra": ra, "dec": dec, "rate_total": rate, "det_ml": det_ml, "extent": extent}
    return SourceList(
        *(np.broadcast_to(np.asarray(values.get(f.name, np.nan), float), x.shape) for f in fields(SourceList))
    )


def mask_of(sources, **options):
    return source_mask(sources, RA0, DEC0, GRID, **options)


# Reading


def test_all_columns_are_read(tmp_path):
    path = write_list(
        tmp_path / "P0000000001EPX000OBSMLI0000.FTZ", RA=[1.0, 2.0], DEC=[3.0, 4.0], RADEC_ERR=[0.5, 0.6],
        RA_CORR=[1.1, 2.1], DEC_CORR=[3.1, 4.1], EP_DET_ML=[9.0, 7.0], EP_EXTENT=[0.0, 12.0],
        EP_TOT=[2.0, 0.5], EP_8_RATE=[1.5, 0.4], EP_8_FLUX=[1e-12, 2e-13], EP_OFFAX=[1.0, 2.0],
    )  # fmt: skip
    sources = read_source_list(path)
    assert len(sources) == 2
    expected = {
        "ra": [1, 2], "dec": [3, 4], "radec_err": [0.5, 0.6], "ra_corr": [1.1, 2.1], "dec_corr": [3.1, 4.1],
        "det_ml": [9, 7], "extent": [0, 12], "rate_total": [2, 0.5], "rate_8": [1.5, 0.4],
        "flux_8": [1e-12, 2e-13], "off_axis": [1, 2],
    }  # fmt: skip
    for name, values in expected.items():
        column = getattr(sources, name)
        assert column.dtype == np.dtype(np.float64)
        np.testing.assert_allclose(column, values, rtol=1e-7)


def test_column_names_are_looked_up_without_regard_to_case(tmp_path):
    path = write_list(tmp_path / "a.fits", ra=[1.0], Dec=[2.0], ep_8_det_ml=[50.0], Ep_8_Rate=[0.3])
    sources = read_source_list(path)
    assert (sources.ra[0], sources.dec[0], sources.det_ml[0]) == (1, 2, 50)
    assert sources.rate_total[0] == pytest.approx(0.3)
    assert np.isnan(sources.ra_corr[0])
    assert np.isnan(sources.radec_err[0])
    assert sources.extent[0] == 0


@pytest.mark.parametrize(
    ("columns", "rate"),
    [
        ({"EP_TOT": [2.0], "EP_8_RATE": [1.0], "PN_8_RATE": [0.1]}, 2.0),
        ({"EP_TOT": [np.nan], "EP_8_RATE": [1.0], "PN_8_RATE": [0.1]}, 1.0),
        ({"EP_8_RATE": [1.0], "PN_8_RATE": [0.1]}, 1.0),
        ({"PN_8_RATE": [0.5], "M1_8_RATE": [np.nan], "M2_8_RATE": [0.25]}, 0.75),
        ({"PN_8_RATE": [np.nan], "M1_8_RATE": [np.nan]}, np.nan),
        ({}, np.nan),
    ],
)
def test_total_rate_falls_back(tmp_path, columns, rate):
    sources = read_source_list(
        write_list(tmp_path / "a.fits", RA=[1.0], DEC=[2.0], EP_DET_ML=[9.0], **columns)
    )
    assert sources.rate_total[0] == pytest.approx(rate, nan_ok=True)


def test_likelihood_of_the_full_band_stands_in_where_the_total_is_missing(tmp_path):
    path = write_list(
        tmp_path / "a.fits", RA=[1.0, 1], DEC=[2.0, 2], EP_DET_ML=[9.0, np.nan], EP_8_DET_ML=[20.0, 30]
    )
    assert read_source_list(path).det_ml.tolist() == [9, 30]


@pytest.mark.parametrize("extent", [np.nan, -1.0, 0.0])
def test_unknown_extent_is_a_point(tmp_path, extent):
    path = write_list(tmp_path / "a.fits", RA=[1.0], DEC=[2.0], EP_DET_ML=[9.0], EP_EXTENT=[extent])
    assert read_source_list(path).extent.tolist() == [0.0]


def test_zero_rows_are_no_sources_and_mask_nothing(tmp_path):
    sources = read_source_list(write_list(tmp_path / "a.fits", RA=[], DEC=[], EP_DET_ML=[]))
    assert len(sources) == 0
    assert not mask_of(sources).any()
    assert not mask_of(SourceList.empty()).any()


def test_table_with_another_name_is_found(tmp_path):
    assert (
        len(read_source_list(write_list(tmp_path / "a.fits", "OTHER", RA=[1.0], DEC=[2.0], EP_DET_ML=[9.0])))
        == 1
    )


def test_odd_units_and_gzip_are_read_without_warnings(tmp_path):
    table = fits.BinTableHDU.from_columns(
        [
            fits.Column("RA", "D", unit="0.05 arcsec", array=[1.0]),
            fits.Column("DEC", "D", unit="fraction", array=[2.0]),
            fits.Column("EP_DET_ML", "E", array=[9.0]),
        ],
        name="SRCLIST",
    )
    plain = tmp_path / "a.fits"
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(plain)
    packed = tmp_path / "P0000000001EPX000OBSMLI0000.FTZ"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_source_list(packed).ra.tolist() == [1.0]


def bad_files(folder):
    good = write_list(folder / "good.fits", RA=np.arange(500.0), DEC=np.zeros(500), EP_DET_ML=np.zeros(500))
    whole = good.read_bytes()
    vectors = fits.BinTableHDU.from_columns(
        [fits.Column("RA", "2D", array=[[1.0, 2.0]]), fits.Column("DEC", "D", array=[2.0])], name="SRCLIST"
    )
    texts = fits.BinTableHDU.from_columns(
        [fits.Column("RA", "8A", array=["abc"]), fits.Column("DEC", "D", array=[2.0])], name="SRCLIST"
    )
    content = {
        "empty": b"",
        "html": b"<html><body>404 not found</body></html>",
        "truncated.gz": gzip.compress(whole)[:-800],
        "damaged.gz": gzip.compress(whole)[:100] + b"\0" * 400 + gzip.compress(whole)[500:],
        "truncated": whole[: len(whole) - 5760],
        "noise": b"\x1f\x8b" + bytes(range(256)),
    }
    for name, data in content.items():
        (folder / name).write_bytes(data)
    for name, hdu in {"vectors": vectors, "texts": texts}.items():
        fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(folder / name)
    fits.PrimaryHDU().writeto(folder / "no_table")
    write_list(folder / "no_position", RA=[1.0], EP_DET_ML=[9.0])
    write_list(folder / "no_likelihood", RA=[1.0], DEC=[2.0])
    return [*content, "vectors", "texts", "no_table", "no_position", "no_likelihood", "absent"]


def test_every_unreadable_list_says_which_file_and_why(tmp_path):
    for name in bad_files(tmp_path):
        with pytest.raises(SourceListUnreadable, match=name):
            read_source_list(tmp_path / name)


# Radii and mask


@pytest.mark.parametrize(
    ("rate", "extent", "radius"),
    [(5.0, 0, 80), (1.0001, 0, 80), (1.0, 0, 40), (0.11, 0, 40), (0.1, 0, 20), (0.0, 0, 20), (np.nan, 0, 20),
     (5.0, 33.0, 33), (5.0, 6.0, 20), (np.nan, 70.0, 70)],
)  # fmt: skip
def test_radius_grows_with_rate_or_extent(rate, extent, radius):
    assert mask_radii(sources_at(50, 50, rate=rate, extent=extent), 20.0) == [radius]


def test_radius_is_at_least_one_pixel():
    assert mask_radii(sources_at(50, 50), 30.0) == [30]
    assert mask_radii(sources_at(50, 50), 4.0) == [20]


@pytest.mark.parametrize("radii", [(20, 40), (20, 40, np.nan)])
def test_radii_must_be_three(radii):
    with pytest.raises(ValueError, match="radii_arcsec must be 3 finite radii"):
        mask_radii(sources_at(50, 50), 20.0, radii)


@pytest.mark.parametrize(("rate", "radius", "pixels"), [(0.01, 1, 5), (0.5, 2, 13), (2.0, 4, 49)])
def test_disc_around_a_source_at_a_pixel_centre(rate, radius, pixels):
    mask = mask_of(sources_at(50, 70, rate=rate))
    j, i = np.nonzero(mask)
    assert len(j) == pixels
    assert ((i - 50) ** 2 + (j - 70) ** 2 <= radius**2).all()


@given(st.floats(-0.4, 129.4), st.floats(-0.4, 129.4), st.floats(0.0, 3.0))
def test_mask_equals_the_definition_everywhere(x, y, rate):
    sources = sources_at(x, y, rate=rate)
    j, i = np.mgrid[: GRID.n, : GRID.n]
    distance = np.hypot(i - x, j - y)
    radius = mask_radii(sources, 20.0)[0] / 20.0
    mask = mask_of(sources)
    clear = np.abs(distance - radius) > 1e-6
    own = (j == round(y)) & (i == round(x))
    assert (mask == ((distance <= radius) | own))[clear & ~own].all()
    assert mask[own].all() or abs(abs(x % 1) - 0.5) < 1e-6 or abs(abs(y % 1) - 0.5) < 1e-6


def test_pixel_that_contains_a_source_is_always_masked():
    mask = mask_of(sources_at(50.45, 50.45), radii_arcsec=(0.0, 0.0, 0.0))
    assert mask[50, 50]


def test_border_rows_and_columns_count():
    mask = mask_of(sources_at([0, 129, 60], [0, 129, 0]))
    assert mask[0, 0]
    assert mask[0, 1]
    assert mask[1, 0]
    assert mask[129, 129]
    assert mask[0, 59:62].all()
    assert mask.sum() == 3 + 3 + 4


def test_sources_outside_are_skipped_and_may_be_all_there_are():
    outside = sources_at([-2, 60, 200], [60, 131, 200], rate=5.0)
    assert not mask_of(outside).any()
    both = sources_at([-2, 60], [60, 60], rate=5.0)
    assert mask_of(both).sum() == 49


def test_source_on_the_other_side_of_the_sky_is_skipped():
    sources = replace(sources_at(50, 50), ra=np.array([RA0 - 180]), dec=np.array([-DEC0]))
    assert not mask_of(sources).any()


def test_only_likelihoods_above_the_limit_count():
    mask = mask_of(sources_at([20, 50, 80], 50 + np.zeros(3), det_ml=[8.0, 8.01, np.nan]))
    assert mask.sum() == 5
    assert mask[50, 50]
    assert mask_of(sources_at(20, 50, det_ml=8.0), det_ml=6.0).sum() == 5


def test_positions_that_are_not_numbers_are_skipped():
    sources = sources_at([20, 50], [50, 50])
    for bad in (np.nan, np.inf):
        assert mask_of(replace(sources, ra=np.array([bad, sources.ra[1]]))).sum() == 5
        assert mask_of(replace(sources, dec=np.array([bad, sources.dec[1]]))).sum() == 5


def test_huge_extent_masks_the_whole_grid_and_costs_nothing_more():
    assert mask_of(sources_at(50, 50, extent=1e9)).all()


@pytest.mark.parametrize(("ra0", "dec0"), [(0.00005, 0.0), (359.99995, 12.0), (100.0, 89.999), (10.0, -90.0)])
def test_mask_does_not_care_where_on_the_sky_it_is(ra0, dec0):
    ra, dec = to_sky(
        GRID.centre(np.array([30.0, 90.0]), "x"), GRID.centre(np.array([40.0, 95.0]), "y"), ra0, dec0
    )
    sources = replace(sources_at([0, 0], [0, 0], rate=0.5), ra=ra, dec=dec)
    mask = source_mask(sources, ra0, dec0, GRID)
    assert mask.sum() == 26
    assert mask[40, 30]
    assert mask[95, 90]


def test_published_position_of_a_real_source_falls_into_its_pixel():
    sources = replace(sources_at(0, 0), ra=np.array([195.50039]), dec=np.array([27.78237]))
    mask = mask_of(sources, radii_arcsec=(0.0, 0.0, 0.0))
    assert mask[68, 42]


def test_shifted_grid_moves_the_mask():
    shifted = source_mask(sources_at(50, 50), RA0, DEC0, PixelGrid(20, 200, 0))
    j, i = np.nonzero(shifted)
    assert set(j) == {50}
    assert set(i) == {50, 51}


# Simulated products


@pytest.mark.parametrize("make", [hostile.healthy_sources, hostile.sources_without_corrected_positions])
def test_simulated_lists_are_read(tmp_path, make):
    sources = read_source_list(make(tmp_path))
    assert len(sources) == 5
    assert np.isfinite([sources.ra, sources.dec, sources.det_ml, sources.rate_total]).all()
    corrected = make is hostile.healthy_sources
    assert np.isfinite(sources.ra_corr).all() == np.isfinite(sources.dec_corr).all() == corrected


def test_simulated_lists_without_sources_in_the_field_mask_nothing(tmp_path):
    healthy = read_source_list(hostile.healthy_sources(tmp_path / "healthy"))
    centre = (float(np.median(healthy.ra)), float(np.median(healthy.dec)))
    everything = {"det_ml": -np.inf}
    assert source_mask(healthy, *centre, GRID, **everything).any()
    for make in (hostile.sources_zero_rows, hostile.sources_all_outside):
        sources = read_source_list(make(tmp_path / make.__name__))
        assert not source_mask(sources, *centre, GRID, **everything).any()


def test_simulated_list_without_rates_has_the_smallest_radius(tmp_path):
    sources = read_source_list(hostile.sources_nan_rates(tmp_path))
    assert np.isnan(sources.rate_total).all()
    assert (mask_radii(sources, 20.0)[sources.extent == 0] == 20).all()


def test_simulated_unreadable_list_is_refused(tmp_path):
    with pytest.raises(SourceListUnreadable):
        read_source_list(hostile.sources_unreadable(tmp_path))
