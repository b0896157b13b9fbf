import numpy as np
import pytest

from ephemera.xmm.hot_pixels import DETECTOR_SHAPE, HotPixels, find_hot_pixels
from ephemera.xmm.observation import EPIC, Camera


@pytest.fixture(scope="module")
def tables(shared_data):
    return HotPixels.from_csv(shared_data / "xmm" / "exod2_tables")


@pytest.mark.parametrize(
    ("revolution", "expected"),
    [
        (184, (745, 727, 193)),
        (1000, (1033, 5399, 193)),
        (2000, (1143, 5399, 1778)),
        (4000, (1199, 6183, 1778)),
    ],
)
def test_rows_of_the_real_tables_that_apply(tables, revolution, expected):
    assert tuple(len(tables.applying(camera, revolution)) for camera in EPIC) == expected
    for camera in EPIC:
        pixels = {tuple(row[:3]) for row in tables.applying(camera, revolution).tolist()}
        inside = {(x, y, c) for x, y, c in pixels if y < DETECTOR_SHAPE[camera][2]}
        hot = np.argwhere(tables.lookup(camera, revolution))
        assert {(x, y, c) for c, x, y in hot.tolist()} == inside


def write(path, text):
    path.write_text(text)
    return path


def test_ends_of_the_period_count_unless_strict(tmp_path):
    write(tmp_path / "hotpix_M1.csv", "RAWX,RAWY,CCDNR,REV1,REV2\n10,20,3,100,200\n")
    tables = HotPixels.from_csv(tmp_path)
    found = {r: tables.lookup(Camera.M1, r)[3, 10, 20] for r in (99, 100, 150, 200, 201)}
    assert found == {99: False, 100: True, 150: True, 200: True, 201: False}
    assert not tables.lookup(Camera.M1, 100, strict=True).any()
    assert tables.lookup(Camera.M1, 101, strict=True).sum() == 1
    assert not tables.lookup(Camera.PN, 150).any()


def test_columns_may_come_in_any_order_and_rows_lie_outside(tmp_path):
    write(tmp_path / "hotpix_PN.csv", "CCDNR, rawy, RAWX,REV2,REV1,NOTE\n3,20,10,9,1,0\n\n1,201,5,9,1,0\n")
    hot = HotPixels.from_csv(tmp_path).lookup(Camera.PN, 5)
    assert np.argwhere(hot).tolist() == [[3, 10, 20]]


def test_an_empty_table_is_no_hot_pixel(tmp_path):
    write(tmp_path / "hotpix_PN.csv", "RAWX,RAWY,CCDNR,REV1,REV2\n")
    assert not HotPixels.from_csv(tmp_path).lookup(Camera.PN, 5).any()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("other.csv", "", "no hotpix_PN.csv"),
        ("hotpix_PN.csv", "RAWX,RAWY\n1,2\n", "no column CCDNR, REV1, REV2"),
        ("hotpix_PN.csv", "RAWX,RAWY,CCDNR,REV1,REV2\n1,2,x,4,5\n", "whole numbers"),
    ],
)
def test_wrong_tables_are_refused(tmp_path, name, text, message):
    write(tmp_path / name, text)
    with pytest.raises(ValueError, match=message):
        HotPixels.from_csv(tmp_path)


def pn_pixels(rng, mean):
    """Events of a flat PN CCD 1, with `mean` counts a pixel."""
    counts = rng.poisson(mean, (64, 200))
    return counts, np.ones(DETECTOR_SHAPE[Camera.PN], bool)


def search(counts, legal):
    x, y = np.nonzero(counts)
    n = counts[x, y]
    rawx, rawy = np.repeat(x + 1, n), np.repeat(y + 1, n)
    return find_hot_pixels(Camera.PN, np.ones(len(rawx), np.uint8), rawx, rawy, legal)


@pytest.mark.parametrize("mean", [0.02, 1.0, 20.0])
def test_a_bright_pixel_is_found_and_noise_is_not(mean):
    counts, legal = pn_pixels(np.random.default_rng(1), mean)
    counts[30, 100] = 150
    assert np.argwhere(search(counts, legal)).tolist() == [[1, 31, 101]]
    counts[30, 100] = 0
    assert not search(counts, legal).any()


def test_neighbouring_hot_pixels_are_both_found():
    counts, legal = pn_pixels(np.random.default_rng(2), 1.0)
    counts[30, 100] = counts[30, 101] = 200
    assert np.argwhere(search(counts, legal)).tolist() == [[1, 31, 101], [1, 31, 102]]


@pytest.mark.parametrize("total", [100, 3000, 20_000])
def test_a_point_source_is_not_hot(total):
    rng = np.random.default_rng(3)
    counts, legal = pn_pixels(rng, 0.5)
    radius = 4.33 * np.sqrt((1 - rng.uniform(size=total)) ** -2 - 1) / 4.1
    angle = rng.uniform(0, 2 * np.pi, total)
    x, y = (np.rint(c + radius * f(angle)).astype(int) for c, f in ((30, np.cos), (100, np.sin)))
    inside = (x >= 0) & (x < 64) & (y >= 0) & (y < 200)
    np.add.at(counts, (x[inside], y[inside]), 1)
    assert not search(counts, legal).any()


def test_no_events_have_no_hot_pixels():
    empty = np.empty(0, int)
    legal = np.zeros(DETECTOR_SHAPE[Camera.M1], bool)
    assert not find_hot_pixels(Camera.M1, empty, empty, empty, legal).any()
