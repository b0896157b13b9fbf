"""Geometry of the cameras: maps that invert each other, and agreement with real lists and masks."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st

from ephemera.xmm.observation import EPIC, Camera
from ephemera.xmm.simulate_detector import (
    LAYOUTS,
    frame_time,
    read_sky_mask,
    survives_selection,
    window,
)
from ephemera.xmm.simulate_instrument import build_instrument
from ephemera.xmm.simulate_scene import NO_DEFECTS, Exposure

MASKS = {Camera.PN: "PN", Camera.M1: "MOS1", Camera.M2: "MOS2"}
CAMERAS = list(EPIC)


@pytest.mark.parametrize("camera", CAMERAS)
def test_every_raw_pixel_is_found_where_it_is_put(camera: Camera):
    layout = LAYOUTS[camera]
    rng = np.random.default_rng(1)
    for ccd in layout.ccds:
        rawx = rng.integers(1, ccd.columns + 1, 50)
        rawy = rng.integers(1, ccd.rows + 1, 50)
        detx, dety = ccd.detector(rawx, rawy)
        jitter = 0.49 * ccd.pitch * rng.uniform(-1, 1, (2, 50))
        number, back_x, back_y = layout.locate(detx + jitter[0], dety + jitter[1])
        # The outer CCDs of a MOS stand a little before the central one and hide a few of its rows.
        own = number == ccd.number
        assert own.mean() > 0.9
        assert own.all() or camera != Camera.PN
        np.testing.assert_array_equal(back_x[own], rawx[own])
        np.testing.assert_array_equal(back_y[own], rawy[own])


@pytest.mark.parametrize("camera", CAMERAS)
@given(x=st.floats(1, 51840), y=st.floats(1, 51840), position_angle=st.floats(0, 360, exclude_max=True))
def test_sky_and_detector_positions_invert_each_other(
    camera: Camera, x: float, y: float, position_angle: float
):
    layout = LAYOUTS[camera]
    back = layout.to_sky(*layout.to_detector(x, y, position_angle), position_angle)
    np.testing.assert_allclose(back, (x, y), atol=1e-6)


@pytest.mark.parametrize("camera", CAMERAS)
def test_all_of_a_detector_lies_on_the_sky_plane(camera: Camera):
    layout = LAYOUTS[camera]
    for ccd in layout.ccds:
        corners = ccd.detector([1, 1, ccd.columns, ccd.columns], [1, ccd.rows, 1, ccd.rows])
        for position_angle in range(0, 360, 30):
            sky = np.array(layout.to_sky(*corners, position_angle))
            assert sky.min() > 1
            assert sky.max() < 51840


def test_a_gap_between_ccds_belongs_to_none():
    number, _, _ = LAYOUTS[Camera.PN].locate(np.array([-2200.0]), np.array([5000.0]))
    assert number[0] == 0


def test_the_field_sees_less_towards_its_edge_and_nothing_beyond():
    layout = LAYOUTS[Camera.M2]
    radius = layout.field_radius * np.array([0, 0.5, 0.999, 1.001])
    share = layout.vignetting(layout.field_centre[0] + radius, np.full(4, layout.field_centre[1]))
    assert share[0] == 1
    assert share[3] == 0
    assert np.all(np.diff(share) < 0)
    np.testing.assert_array_equal(
        layout.in_field(layout.field_centre[0] + radius, np.full(4, layout.field_centre[1])), share > 0
    )


@pytest.mark.parametrize("camera", CAMERAS)
def test_the_footprint_agrees_with_a_real_detection_mask(shared_data, camera: Camera):
    mask = read_sky_mask(shared_data / "xmm" / "detector_masks" / f"{MASKS[camera]}_mask.fits.gz")
    exposure = Exposure(camera, "S001", lost_ccds=(3, 6) if camera == Camera.M1 else ())
    instrument = build_instrument(
        exposure, start=0.0, duration=1000.0, position_angle=mask.position_angle, defects=NO_DEFECTS
    )
    pixel = mask.first + mask.step * np.arange(mask.image.shape[0])
    x, y = (axis.ravel() for axis in np.meshgrid(pixel, pixel))
    ccd, _, rawy = instrument.land(x, y)
    # A pn image leaves out the rows next to the readout.
    model = ((ccd > 0) & ((rawy > 12) | (camera != Camera.PN))).reshape(mask.image.shape)
    assert np.sum(mask.image & ~model) < 0.01 * mask.image.sum()
    ratio = model.sum() / mask.image.sum()
    assert 1.0 < ratio < 1.16  # the mask leaves out bad columns and the edges of the CCDs


@pytest.mark.parametrize("obsid", ["0201901401", "0404910601"])
@pytest.mark.parametrize("camera", [Camera.M1, Camera.M2])
def test_the_geometry_predicts_real_coordinates(shared_data, camera: Camera, obsid: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = shared_data / "xray" / f"xmm_{obsid}_mos{int(camera)}_clean_evts.fits"
        with fits.open(path) as hdus:
            data, position_angle = hdus["EVENTS"].data[:5000], hdus["EVENTS"].header["PA_PNT"]
            columns = {n: data[n].astype(float) for n in ("RAWX", "RAWY", "DETX", "DETY", "X", "Y", "CCDNR")}
    layout = LAYOUTS[camera]
    for ccd in layout.ccds:
        here = columns["CCDNR"] == ccd.number
        detx, dety = ccd.detector(columns["RAWX"][here], columns["RAWY"][here])
        assert np.all(np.abs(detx - columns["DETX"][here]) < 20)  # less than a pixel
        assert np.all(np.abs(dety - columns["DETY"][here]) < 20)
    valid = columns["X"] > 0
    x, y = layout.to_sky(columns["DETX"][valid], columns["DETY"][valid], position_angle)
    assert np.median(np.hypot(x - columns["X"][valid], y - columns["Y"][valid])) < 60  # 3 arcsec


def test_the_geometry_predicts_real_pn_rows(shared_data):
    path = shared_data / "xmm" / "exod2_tables" / "pn_event_rows_from_exod2_notebooks.csv"
    rows = np.genfromtxt(path, delimiter=",", names=True, dtype=None, encoding="utf-8")
    layout = LAYOUTS[Camera.PN]
    for row in rows:
        detx, dety = layout.ccd(int(row["CCDNR"])).detector(row["RAWX"], row["RAWY"])
        assert abs(detx - row["DETX"]) < 60
        assert abs(dety - row["DETY"]) < 60


def test_readout_windows():
    assert window(Camera.PN, "PrimeFullWindow", 4) == (1, 64, 1, 200)
    assert window(Camera.M2, "PrimePartialW2", 1) == (251, 350, 251, 350)
    assert window(Camera.M2, "PrimePartialW3", 2) == (1, 600, 1, 600)
    with pytest.raises(ValueError, match="submode must be an imaging submode of PN, got 'FastTiming'"):
        window(Camera.PN, "FastTiming", 4)


def test_frame_times():
    assert frame_time(Camera.PN, "PrimeFullWindow", 1) == pytest.approx(0.0734, abs=1e-4)
    assert frame_time(Camera.M1, "PrimePartialW2", 1) < frame_time(Camera.M1, "PrimePartialW2", 2) == 2.6


def test_what_a_selection_keeps():
    ccd, column = np.array([1, 4, 4, 1, 1, 0]), np.array([30, 12, 13, 61, 30, 30])
    row = np.array([100, 100, 100, 100, 23, 100])
    kept = survives_selection(Camera.PN, "PrimeFullWindow", ccd, column, row)
    np.testing.assert_array_equal(kept, [True, False, True, False, False, False])
    kept = survives_selection(Camera.M1, "PrimePartialW2", np.array([1, 2]), column[:2], row[:2])
    np.testing.assert_array_equal(kept, [False, True])


def test_a_mask_in_detector_coordinates_is_refused(tmp_path):
    hdu = fits.ImageHDU(np.ones((5, 5), dtype=np.int32), name="MASK")
    hdu.header["PA_PNT"] = 10.0
    for axis in "12":
        hdu.header[f"CTYPE{axis}L"] = "DETX"
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(tmp_path / "mask.fits")
    with pytest.raises(ValueError, match="mask must have square pixels on the plane X, Y"):
        read_sky_mask(tmp_path / "mask.fits")
