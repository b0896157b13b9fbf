"""Event lists: coordinates that agree, times inside frames, and the oddities of real headers."""

from __future__ import annotations

import io
import warnings

import numpy as np
import pytest
from astropy.io import fits

from ephemera.seeds import generator
from ephemera.sky.tan import to_sky
from ephemera.xmm.observation import EPIC, Camera
from ephemera.xmm.psf import King
from ephemera.xmm.simulate_fits import encode
from ephemera.xmm.simulate_instrument import build_instrument
from ephemera.xmm.simulate_lists import event_list, read_out_rows
from ephemera.xmm.simulate_photons import Photons, draw_background, draw_sky
from ephemera.xmm.simulate_scene import (
    NOMINAL_BACKGROUND,
    NOMINAL_DEFECTS,
    NOMINAL_POINTING,
    Exposure,
    Source,
)

OBSID = "0800000101"
LOST = {Camera.PN: (), Camera.M1: (3, 6), Camera.M2: ()}


def make(camera: Camera, cut=None):
    exposure = Exposure(camera, "S003", lost_ccds=LOST[camera])
    instrument = build_instrument(
        exposure, start=NOMINAL_POINTING.start, duration=1500.0,
        position_angle=NOMINAL_POINTING.position_angle, defects=NOMINAL_DEFECTS,
    )  # fmt: skip
    rng = generator(0, camera.name)
    source = [Source(30000.0, 24000.0, 1.0)]
    sky = draw_sky(
        instrument, rng, King(), start=instrument.start, share=1.0, sources=source, bursts=[], eclipses=[]
    )
    ground = draw_background(instrument, rng, NOMINAL_BACKGROUND, 3000, 1e-3)
    rows = read_out_rows(instrument, rng, Photons.join([sky.photons, ground]))
    return instrument, rows, event_list(instrument, rows, NOMINAL_POINTING, OBSID, flare_cut=cut)


@pytest.fixture(scope="module", params=EPIC, ids=lambda c: c.name)
def made(request):
    return make(request.param)


@pytest.fixture
def opened(made):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(io.BytesIO(encode(made[2]))) as hdus:
            yield hdus


def test_raw_detector_and_sky_coordinates_agree(made):
    instrument, rows, _ = made
    layout = instrument.layout
    for ccd in instrument.ccds:
        here = rows.photons.ccd == ccd
        detx, dety = layout.ccd(ccd).detector(rows.photons.rawx[here], rows.photons.rawy[here])
        half = layout.ccd(ccd).pitch / 2 + 0.5
        assert np.all(np.abs(detx - rows.detx[here]) <= half)
        assert np.all(np.abs(dety - rows.dety[here]) <= half)
    valid = ~rows.photons.null
    x, y = layout.to_sky(rows.detx[valid], rows.dety[valid], instrument.position_angle)
    assert np.abs(x - rows.x[valid]).max() <= 0.5
    assert np.abs(y - rows.y[valid]).max() <= 0.5
    assert np.all(rows.x[~valid] == -99999999)
    assert (~valid).sum() == 3


def test_times_stay_within_their_frame_and_good_time(made):
    instrument, rows, _ = made
    for ccd in instrument.ccds:
        here = rows.photons.ccd == ccd
        frame = instrument.frame[ccd]
        offset = rows.time[here] - rows.time_raw[here]
        assert np.abs(offset).max() <= frame / 2 + 1e-6
        assert np.abs(rows.time_raw[here] - rows.photons.time[here]).max() <= frame / 2 + 1e-6
        number = (rows.time_raw[here] - instrument.first_frame[ccd]) / frame - 0.5
        np.testing.assert_allclose(number, np.round(number), atol=1e-4)
        ((start, stop),) = instrument.good_time[ccd]
        assert rows.time[here].min() >= start - 1e-6
        assert rows.time[here].max() <= stop + 1e-6


def test_rows_come_ccd_after_ccd_and_are_not_sorted_in_time(made):
    _, rows, _ = made
    assert np.all(np.diff(rows.photons.ccd) >= 0)
    assert np.any(np.diff(rows.time) < 0)
    for ccd in np.unique(rows.photons.ccd):
        assert np.all(np.diff(rows.time_raw[rows.photons.ccd == ccd]) >= 0)


def test_columns_are_those_of_real_lists(made, opened):
    camera = made[0].camera
    common = ["TIME", "RAWX", "RAWY", "DETX", "DETY", "X", "Y", "PHA", "PI", "FLAG", "PATTERN"]
    columns = opened["EVENTS"].columns
    if camera == Camera.PN:
        assert columns.names == [*common, "PAT_ID", "PAT_SEQ", "CCDNR", "TIME_RAW"]
        assert columns.formats == ["D", *"IIII", *"JJ", *"II", "J", "B", "I", "B", "B", "D"]
        assert columns["X"].unit == "0.05 arcsec"
        assert columns["PI"].null == -32768
        assert columns["PATTERN"].null == 13
        assert (opened["EVENTS"].data["PI"] == -32768).any()
    else:
        assert columns.names == [*common, "CCDNR"]
        assert columns.formats == ["D", *"IIII", *"JJ", *"II", "J", "B", "B"]
        assert columns["PI"].unit == "CHAN"
    assert columns["X"].null == columns["Y"].null == -99999999


def test_mos_columns_equal_those_of_a_real_file(shared_data):
    _, _, hdus = make(Camera.M1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            fits.open(shared_data / "xray" / "xmm_0201901401_mos1_clean_evts.fits") as real,
            fits.open(io.BytesIO(encode(hdus))) as ours,
        ):
            for name in ("EVENTS", "STDGTI01", "BADPIX01", "EXPOSU01", "OFFSETS"):
                assert ours[name].columns.names == real[name].columns.names
                assert ours[name].columns.formats == real[name].columns.formats
            missing = set(ours["EVENTS"].header) - set(real["EVENTS"].header)
            extra = {"FRMTIME", "CONTENT", "DSTYP2", "DSUNI2", "DSREF2", "TLMIN6", "TLMAX6"}
            extra |= {k for k in missing if k[0].isdigit() or k.startswith("COMMENT")}
            assert missing <= extra


def test_extensions_follow_the_ccds(made, opened):
    instrument = made[0]
    names = [h.name for h in opened]
    for ccd in range(1, 13):
        assert (f"STDGTI{ccd:02d}" in names) == (ccd in instrument.ccds)
    assert len(names) == {Camera.PN: 64, Camera.M1: 19, Camera.M2: 25}[instrument.camera]
    for ccd in instrument.ccds:
        table = opened[f"STDGTI{ccd:02d}"]
        np.testing.assert_array_equal(table.data["START"], instrument.good_time[ccd][:, 0])
        if instrument.camera == Camera.PN:
            assert 3 * table.header["QUADRANT"] + table.header["CCDID"] + 1 == ccd


def test_headers_have_the_traps_of_real_ones(made, opened):
    primary, events = opened[0].header, opened["EVENTS"].header
    revolution = NOMINAL_POINTING.revolution
    assert primary["REVOLUT"] == f"{revolution:04d}"
    assert events["REVOLUT"] == revolution
    assert (primary["REFXLMAX"], events["REFXLMAX"]) == (51840, -13696)
    assert primary["REFXDMAX"] == max(made[1].x)
    assert (events["REFXDMAX"] - primary["REFXDMAX"]) % 65536 == 0
    assert events["REFXDMAX"] < 32768
    assert primary["MJDREF"] == events["MJDREF"] == 50814.0
    assert primary["REFXCRVL"] == NOMINAL_POINTING.ra
    assert "REFXCRPX" in primary
    assert events["OBS_ID"] == primary["OBS_ID"] == OBSID
    assert events["EXP_ID"] == OBSID + "003"
    assert events["DSREF2"] == ":STDGTI01"


def test_a_standard_projection_reads_the_same_sky(opened):
    header = opened["EVENTS"].header
    assert header["TCRPX6"] == 25921
    ra, dec = to_sky(header["TCRPX6"], header["TCRPX7"], header["TCRVL6"], header["TCRVL7"])
    assert (float(ra), float(dec)) == pytest.approx((NOMINAL_POINTING.ra, NOMINAL_POINTING.dec))


def test_a_flare_cut_has_its_own_good_time():
    start = NOMINAL_POINTING.start
    cut = np.array([[start, start + 400], [start + 600, start + 1000]])
    instrument, _, hdus = make(Camera.M2, cut)
    tables = {h.name: h for h in hdus}
    cards = {key: value for key, value, _ in tables["EVENTS"].cards}
    assert cards["DSREF6"] == ":GTI00006"
    assert cards["7DSREF6"] == ":GTI00606"
    assert cards["7DSVAL1"] == "7"
    assert "STDGTI07" in tables
    seconds = np.sum(tables["GTI00606"]["STOP"] - tables["GTI00606"]["START"])
    assert seconds == pytest.approx(800, abs=0.1)
    assert cards["ONTIME07"] == pytest.approx(seconds)
    assert instrument.good_time[7].shape == (1, 2)
